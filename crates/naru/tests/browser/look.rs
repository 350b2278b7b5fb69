//! Every page in both languages, both themes and two widths: nothing sticks out, nobody is kept out, nothing is complained
//! of. Each is left as a picture.

use std::path::{Path, PathBuf};

use naru_testkit::chromium::View;
use naru_testkit::peers::peers;
use serde_json::Value;

use crate::house::House;
use crate::links;
use crate::person::{Person, REFUSED};
use crate::shop::Shop;
use crate::sights::{Sight, of_a_shop, of_a_stranger, of_an_empty_house};

/// A phone held upright and a desk.
const SIZES: [(u32, u32); 2] = [(390, 844), (1440, 900)];

/// Where pictures are left.
fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Looks at all of `sights` and returns what is wrong with them.
async fn look(person: &Person, lang: &str, sights: &[Sight]) -> Vec<String> {
    let axe = std::fs::read_to_string(peers().join("node_modules/axe-core/axe.min.js")).unwrap();
    let folder = pictures();
    let mut wrong = Vec::new();
    person.reads(lang).await;
    for sight in sights {
        sight.show(person).await;
        assert_eq!(person.tab.eval("document.documentElement.lang").await, lang, "{}", sight.name);
        // Not by a page's own policy, which would have to let it in: a debugger may do this anywhere.
        person.tab.eval(&axe).await;
        for (width, height) in SIZES {
            for dark in [false, true] {
                person.tab.see(View { width, height, dark }).await;
                let name = format!("{}-{lang}-{}-{width}", sight.name, if dark { "dark" } else { "light" });
                std::fs::write(folder.join(format!("{name}.png")), person.tab.picture().await).unwrap();
                for found in [STICKS_OUT, KEPT_OUT] {
                    let Value::Array(found) = person.tab.eval(found).await else { unreachable!("a list") };
                    wrong.extend(found.iter().map(|it| format!("{name}: {}", it.as_str().unwrap_or_default())));
                }
            }
        }
        let complaints = person.tab.complaints().into_iter();
        // A refusal is told with its status, and a browser counts that among its errors.
        let complaints = complaints.filter(|it| !(sight.refused && it.starts_with(REFUSED)));
        wrong.extend(complaints.map(|it| format!("{}: {it}", sight.name)));
    }
    wrong
}

#[track_caller]
fn nothing_is_wrong(mut wrong: Vec<String>) {
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wider than the page: only what scrolls by itself may be.
const STICKS_OUT: &str = "document.documentElement.scrollWidth <= innerWidth ? []
    : [`${document.documentElement.scrollWidth} wide: ` + [...document.querySelectorAll('body *')]
        .filter(it => it.getBoundingClientRect().right > innerWidth + 1 && !it.closest('.scroll, .menu, pre'))
        .slice(0, 3).map(it => it.outerHTML.slice(0, 100)).join(' ')]";

/// What axe finds that keeps somebody out.
const KEPT_OUT: &str = "axe.run({ resultTypes: ['violations'] }).then(found => found.violations
    .filter(it => ['serious', 'critical'].includes(it.impact))
    .map(it => `${it.id}: ${it.nodes.slice(0, 3).map(node => node.html.slice(0, 160)
        + (node.any[0] ? ' (' + node.any[0].message.slice(0, 200) + ')' : '')).join(' | ')}`))";

#[tokio::test]
async fn every_page_of_a_shop_can_be_read_by_everybody_everywhere() {
    let shop = Shop::open().await;
    let (korean, english) = (of_a_shop(&shop, "ko"), of_a_shop(&shop, "en"));
    let minji = Person::of(&shop.house, &shop.serve, "minji", "admin").await;
    let kim = Person::of(&shop.house, &shop.serve, "kim", "admin").await;
    let (mut wrong, more) = tokio::join!(look(&minji, "ko", &korean), look(&kim, "en", &english));
    wrong.extend(more);
    wrong.extend(links::follow(&minji, &korean).await);
    nothing_is_wrong(wrong);
    shop.serve.stop().await;
}

#[tokio::test]
async fn what_stands_where_nothing_is_yet_can_be_read_too() {
    let house = House::new();
    let serve = house.serve().await;
    let mut wrong = Vec::new();
    let admin = Person::of(&house, &serve, "minji", "admin").await;
    let link = house.done(&["user", "add", "junho", "--role", "view"]);
    let stranger = Person::stranger(&serve.url).await;
    let link = link.trim().rsplit_once("/signin").unwrap().1;
    for lang in ["ko", "en"] {
        wrong.extend(look(&admin, lang, &of_an_empty_house()).await);
        wrong.extend(look(&stranger, lang, &of_a_stranger(&format!("/signin{link}"))).await);
    }
    nothing_is_wrong(wrong);
    serve.stop().await;
}
