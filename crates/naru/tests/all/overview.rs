//! The first page: what wants a person, and how everything is, live and in both languages.

use naru_testkit::wait::{PATIENCE, eventually};
use tokio::time::timeout;

use crate::browser::Browser;
use crate::campaign::Vendor;
use crate::house::{House, http};

#[tokio::test]
async fn the_first_page_shows_lanes_outcomes_and_the_account() {
    let house = House::new();
    let _vendor = Vendor::start(&house, &[]).await;
    let serve = house.serve().await;
    assert_eq!(http().get(&serve.url).header("accept", "text/html").send().await.unwrap().status(), 303);
    let browser = Browser::of(&house, &serve, "minji", "view").await;
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    for part in ["Nothing: everything runs", "<th scope=\"row\">sandbox", "of 5,000/s", "Nothing yet"] {
        page.shows(part);
    }
    // Nobody waits for the account to be summed up; the page says when it was.
    let counted = async || browser.get("/").await.html;
    eventually("the account", PATIENCE, async || counted().await.contains("Balances").then_some(())).await;
    let page = counted().await;
    let at = page.split("Counted at <time datetime=\"").nth(1).unwrap_or_else(|| panic!("no time: {page}"));
    assert!(at.split_once('>').unwrap().0.contains("UTC"), "{at}");
    house.done(&["template", "push", "templates"]);
    let mut live = browser.follow("/overview/live").await;
    let mut seen = String::new();
    house.write("c.csv", "to,name,order\n01012345678,김민지,A-1\n01012345679,이준호,A-2\n");
    house.done(&["send", "--template", "shipped", "--to", "c.csv"]);
    // The account turns to two that are sent, without the page being asked for again.
    while !seen.contains(r#"<td class=\"number\">100%</td>"#) || !seen.contains("At most 2 at ") {
        let piece = timeout(PATIENCE, live.chunk()).await.expect("a patch").unwrap().expect("the stream goes on");
        seen.push_str(std::str::from_utf8(&piece).unwrap());
    }
    let page = browser.in_korean().get("/").await;
    assert!(page.html.contains("전체 메시지") && page.html.contains("가장 많을 때 2건"), "{}", page.html);
    serve.stop().await;
}

#[tokio::test]
async fn what_wants_a_person_stands_on_top_until_it_is_gone() {
    let house = House::new();
    // Nobody is at the vendor's address.
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let closed = naru_testkit::port::free();
    house.write("naru.toml", &config.replace("127.0.0.1:7071", &format!("127.0.0.1:{closed}")));
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "minji", "view").await;
    house.done(&["template", "push", "templates"]);
    house.write("c.csv", "to,name,order\n01012345678,김민지,A-1\n");
    house.done(&["send", "--template", "shipped", "--to", "c.csv"]);
    let concern = r#"<a href="/lanes">Lane sandbox: "#;
    eventually("the lane to be told of", PATIENCE, async || {
        browser.get("/").await.html.contains(concern).then_some(())
    })
    .await;
    // Somebody guesses passwords.
    for _ in 0..5 {
        let guess = http().post(format!("{}/signin", serve.url)).header("sec-fetch-site", "same-origin");
        let guess = guess.header("accept", "text/html").header("content-type", "application/x-www-form-urlencoded");
        guess.body("name=minji&password=wrong-password").send().await.unwrap();
    }
    // Who may not see where they came from is not told of them, whoever else looks.
    let admin = Browser::of(&house, &serve, "boss", "admin").await;
    let told = r#"<a href="/settings/sign-ins">5 sign-ins were refused within the last hour"#;
    admin.get("/").await.shows(told);
    browser.get("/").await.shows(concern).hides("sign-ins were refused");
    for (person, is_told) in [(&admin, true), (&browser, false)] {
        let mut live = person.follow("/overview/live").await;
        let mut seen = String::new();
        while !seen.contains("\n\n") {
            let piece = timeout(PATIENCE, live.chunk()).await.expect("a patch").unwrap().expect("the stream goes on");
            seen.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert_eq!(seen.contains("sign-ins were refused"), is_told, "{seen}");
    }
    let lanes = browser.get("/lanes").await;
    assert!(lanes.html.contains("blocked"), "{}", lanes.html);
    // A job is told of until it has done well.
    let failed = "The job nightly failed";
    house.run(&["job", "run", "nightly", "--", "false"]);
    browser.get("/").await.shows(failed);
    house.run(&["job", "run", "nightly", "--", "true"]);
    browser.get("/").await.shows(concern).hides(failed);
    serve.stop().await;
}
