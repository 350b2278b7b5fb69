//! What browsers are told besides the page, and what a page must not hold.

use http::StatusCode;
use naru_testkit::database::Engine;

use crate::house::House;

#[tokio::test]
async fn every_answer_keeps_browsers_strict() {
    let house = House::open(Engine::Sqlite).await;
    let mut admin = house.admin().await;
    let style = asset(&admin.get("/").await.body, "naru.css");
    for path in ["/", "/signin", "/nowhere", "/v1/whoami", "/panic", style.as_str()] {
        let answer = admin.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let cache = answer.header("cache-control");
        assert_eq!(cache == "no-store", path != style, "{path}: {cache}");
    }
    // A program draws no page, whether or not its token is good.
    let answer = house.api("GET", "/v1/whoami", Some("naru_none")).await;
    assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"));
    assert_eq!(answer.header("content-security-policy"), "");
    house.close().await;
}

#[tokio::test]
async fn files_are_kept_for_ever_under_an_address_that_names_their_content() {
    let house = House::open(Engine::Sqlite).await;
    let page = house.browser().get("/signin").await.body;
    for (name, kind) in [
        ("naru.css", "text/css; charset=utf-8"),
        ("naru.js", "text/javascript; charset=utf-8"),
        ("naru.svg", "image/svg+xml"),
    ] {
        let path = asset(&page, name);
        let file = house.api("GET", &path, None).await;
        assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, kind));
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        // An instance of another version may be asked for it while both run.
        let other = house.api("GET", &format!("/assets/000000000000/{name}"), None).await;
        assert_eq!((other.body == file.body, other.header("cache-control")), (true, "no-cache"));
    }
    assert_eq!(house.api("GET", "/assets/x/secret", None).await.status, StatusCode::NOT_FOUND);
    house.close().await;
}

#[tokio::test]
async fn no_page_has_anything_inline() {
    let house = House::open(Engine::Sqlite).await;
    let mut admin = house.admin().await;
    let link = naru_web::link::create(&house.store, house.now(), "admin").await.unwrap();
    let mut pages = vec![admin.get("/").await, admin.get("/password").await, admin.get("/nowhere").await];
    let mut stranger = house.browser();
    pages.extend([stranger.get("/signin").await, stranger.get(&link).await, stranger.sign_in("x", "y").await]);
    for page in pages {
        assert!(page.body.starts_with("<!DOCTYPE html>"), "{}", page.body);
        assert!(!page.body.contains("<style") && !page.body.contains(" style="), "{}", page.body);
        assert!(!page.body.contains("javascript:"), "{}", page.body);
        let scripts: Vec<&str> = page.body.split("<script").skip(1).collect();
        assert_eq!(scripts.len(), 1, "{}", page.body);
        assert!(scripts[0].starts_with(" defer src=\"/assets/"), "{}", page.body);
        let handler = page.body.split(' ').find(|word| word.starts_with("on") && word.contains("=\""));
        assert_eq!(handler, None, "{}", page.body);
    }
    house.close().await;
}

/// The address under which `page` names the file.
fn asset(page: &str, name: &str) -> String {
    let found = page.split('"').find(|piece| piece.starts_with("/assets/") && piece.ends_with(name));
    found.unwrap_or_else(|| panic!("{name} in {page}")).to_owned()
}
