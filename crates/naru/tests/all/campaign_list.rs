//! The list of campaigns over HTTP: found by name and state, page by page, by links that show others the same.

use crate::browser::{Browser, EVIL, Page};
use crate::house::House;

/// The address behind a button.
fn way(page: &Page, text: &str) -> String {
    let before = page.html.split(&format!("\">{text}</a>")).next().filter(|before| before.len() < page.html.len());
    let before = before.unwrap_or_else(|| panic!("no way {text} in {}", page.html));
    before.rsplit("href=\"").next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn campaigns_are_found_by_name_and_state_page_by_page() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    let serve = house.serve().await;
    let reader = Browser::of(&house, &serve, "reader", "view").await;
    reader.get("/campaigns").await.shows("No campaign yet").hides("Older").hides("Newest");
    reader.get("/campaigns?name=x").await.shows("No campaign is like that").shows("shorter part of the name");

    house.write("c.csv", "to,name,order\n01012345678,김민지,A-1\n");
    let send = |name: &str| {
        house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", name, "--hold"]);
    };
    (0..52).for_each(|n| send(&format!("sale {n:02}")));
    send("봄맞이 할인");
    let first = reader.get("/campaigns").await;
    first.shows("봄맞이").shows(">sale 51<").shows(">sale 03<").hides(">sale 02<").hides("Newest");
    let older = reader.get(&way(&first, "Older")).await;
    older.shows(">sale 02<").shows(">sale 00<").hides(">sale 03<").hides("Older");
    assert_eq!(way(&older, "Newest"), "/campaigns");

    let found = reader.get("/campaigns?name=SALE&state=held").await;
    found.shows(">sale 51<").shows(">sale 02<").hides(">sale 01<").hides("봄맞이");
    found.shows("value=\"SALE\"").shows("value=\"held\" selected");
    let older = way(&found, "Older");
    assert!(older.starts_with("/campaigns?name=SALE&state=held&before="), "{older}");
    let older = reader.get(&older).await;
    older.shows(">sale 01<").shows(">sale 00<").hides(">sale 02<");
    assert_eq!(way(&older, "Newest"), "/campaigns?name=SALE&state=held");
    reader.get("/campaigns?name=%EB%A7%9E%EC%9D%B4").await.shows("봄맞이 할인").hides(">sale");
    reader.get("/campaigns?state=cancelled").await.shows("No campaign is like that").hides(">sale");

    assert_eq!(reader.get("/campaigns?state=gone").await.status, 400);
    assert_eq!(reader.get("/campaigns?before=x").await.status, 400);
    assert_eq!(reader.get("/campaigns?before=00000000-0000-7000-8000-000000000000").await.status, 404);
    let evil: String = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    let page = reader.in_korean().get(&format!("/campaigns?name={evil}")).await;
    page.shows("&lt;script&gt;").shows("조건에 맞는 캠페인이 없습니다").is_harmless();
    serve.stop().await;
}
