//! A day's work without a mouse: whatever is done can be reached by Tab, and one always sees where one is.

use naru_testkit::chromium::Key;
use serde_json::{Value, json};

use crate::person::Person;
use crate::shop::house_without_a_vendor;

/// Far more than any page has to stop at.
const STOPS_MAX: usize = 80;

/// What has the focus, and whether that can be seen.
const FOCUS: &str = "(() => {
    const it = document.activeElement, style = getComputedStyle(it), place = it.getBoundingClientRect();
    const ring = it.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    const inside = place.width > 0 && place.bottom > 0 && place.top < innerHeight && place.left >= 0 && place.left < innerWidth;
    return it === document.body ? null : { seen: ring && inside, html: it.outerHTML.slice(0, 160) };
})()";

impl Person {
    /// Goes from one stop to the next until it has the focus.
    async fn tab_to(&self, selector: &str) {
        let there = format!("document.activeElement.matches({})", json!(selector));
        let mut last = Value::Null;
        for _ in 0..STOPS_MAX {
            self.tab.press(Key::Tab).await;
            let focus = self.tab.eval(FOCUS).await;
            if focus.is_null() {
                // Behind the last stop a page begins again.
                continue;
            }
            assert_eq!(focus["seen"], true, "the focus cannot be seen on {focus}");
            assert_ne!(focus, last, "the focus does not move on");
            if self.tab.eval(&there).await == true {
                return;
            }
            last = focus;
        }
        panic!("{selector} cannot be reached by Tab, the last stop is {last}");
    }

    /// Goes there and presses Enter, which leads to another page.
    async fn enter(&self, selector: &str) {
        self.tab_to(selector).await;
        self.tab.eval("window.left = true").await;
        self.tab.press(Key::Enter).await;
        self.tab.until("what Enter leads to", "!window.left && document.readyState === 'complete'").await;
    }
}

#[tokio::test]
async fn campaigns_templates_and_messages_are_worked_with_by_keyboard_alone() {
    let house = house_without_a_vendor();
    house.write("c.csv", "to,name,order\n01012345678,김민지,A-1\n01012345679,이준호,A-2\n");
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "fall"]);
    let serve = house.serve().await;
    let link = house.done(&["user", "add", "minji", "--role", "operate"]);
    let minji = Person::stranger(&serve.url).await;
    minji.open(&format!("/signin/{}", link.trim().rsplit('/').next().unwrap())).await;
    minji.enter("main button").await;
    minji.is_at("/password").await;
    minji.open("/").await;

    // The first stop passes the menu by.
    minji.tab.press(Key::Tab).await;
    assert_eq!(minji.tab.eval("document.activeElement.getAttribute('href')").await, "#main");
    minji.tab.press(Key::Enter).await;
    minji.tab.until("the page itself to have the focus", "document.activeElement.id === 'main'").await;
    minji.open("/").await;

    minji.enter("nav a[href='/campaigns']").await;
    minji.enter("main table a[href^='/campaigns/']").await;
    minji.enter("form[action$='/pause'] button").await;
    minji.sees("paused").await;
    minji.enter("form[action$='/resume'] button").await;
    minji.sees("running").await;

    minji.enter("nav a[href='/campaigns']").await;
    minji.enter("main a[href='/campaigns/-new']").await;
    minji.tab_to("[name=template]").await;
    minji.tab.write("shipped").await;
    minji.tab_to("[name=name]").await;
    minji.tab.write("winter").await;
    minji.tab_to("[name=maps]").await;
    minji.tab_to("[type=file]").await;
    // The system's own dialog is out of reach.
    minji.choose("[type=file]", "winter.csv", "to,name,order\n01012345680,김민지,A-3\n").await;
    minji.enter("main form button").await;
    minji.sees("Before it is sent").await;
    minji.enter("form[action$='/start'] button").await;
    minji.sees("running").await;

    minji.enter("nav a[href='/templates']").await;
    minji.enter("main a[href='/templates/shipped']").await;
    minji.enter("main a[href='/templates/shipped/edit']").await;
    minji.tab_to("textarea").await;
    minji.tab.eval("document.activeElement.select()").await;
    minji.tab.write("#{name}님, 곧 도착합니다.").await;
    // While it is typed the page shows how it would look.
    minji.tab.until("the preview", "document.querySelector('#preview').innerText.includes('곧 도착합니다')").await;
    minji.tab_to("input[name='v.name']").await;
    minji.tab.write("하은").await;
    minji.tab.until("the preview", "document.querySelector('#preview').innerText.includes('하은님')").await;
    minji.enter("button[value=save]").await;
    minji.sees("Version 2 is saved").await;

    minji.enter("nav a[href='/messages']").await;
    minji.tab_to("#q").await;
    minji.tab.write("010-1234-5679").await;
    minji.enter("main form button").await;
    minji.sees("010-****-5679").await;
    minji.enter("main a[href^='/messages/']").await;
    minji.sees("Accepted").await;
    minji.tab_to("summary").await;
    minji.tab.press(Key::Enter).await;
    minji.tab_to("[name=reason]").await;
    minji.tab.write("ticket 17").await;
    minji.enter("details form button").await;
    minji.sees("01012345679").await;
    minji.is_clean("the last page").await;
    serve.stop().await;
}
