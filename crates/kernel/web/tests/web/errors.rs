//! What went wrong, as pages and as JSON.

use http::{Request, StatusCode};
use naru_core::failure::{Failure, Kind};
use naru_core::text::Lang;
use naru_testkit::database::Engine;
use naru_web::failed::failure_response;

use crate::house::{Browser, House, within};

#[tokio::test]
async fn a_missing_page_is_told_in_the_readers_language() {
    let house = House::open(Engine::Sqlite).await;
    for (lang, html, what, next) in [
        ("en-US,en", r#"<html lang="en">"#, "There is nothing at /nowhere", "Go to the overview"),
        ("ko-KR,ko;q=0.9", r#"<html lang="ko">"#, "/nowhere에는 아무것도 없습니다", "개요로 가기"),
    ] {
        let page = Browser { lang, ..house.browser() }.get("/nowhere").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        for expect in [html, what, next] {
            assert!(page.body.contains(expect), "{expect}: {}", page.body);
        }
    }
    house.close().await;
}

#[tokio::test]
async fn the_reader_chooses_the_language_and_stays_where_they_are() {
    let house = House::open(Engine::Sqlite).await;
    let mut browser = house.browser();
    assert!(browser.get("/signin").await.body.contains("<h1>Sign in</h1>"));
    let chosen = browser.post("/lang", &[("lang", "ko")]).await;
    assert_eq!(chosen.place(), "/empty?page=2", "where the form stood");
    assert!(browser.get("/signin").await.body.contains("<h1>로그인</h1>"));
    browser.post("/lang", &[("lang", "xx")]).await;
    assert!(browser.get("/signin").await.body.contains("<h1>로그인</h1>"), "no such language: nothing changes");
    house.close().await;
}

#[tokio::test]
async fn json_is_english_and_has_code_detail_and_hint() {
    let house = House::open(Engine::Sqlite).await;
    let request = Request::builder().uri(house.url("/nowhere")).header("accept-language", "ko");
    let answer = house.send(request, "").await;
    let expect = r#"{"errors":[{"code":"page-missing","detail":"There is nothing at /nowhere","hint":"Check the address, or start from the overview"}]}"#;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, expect));
    house.close().await;
}

#[tokio::test]
async fn what_the_framework_refuses_is_told_like_everything_else() {
    let house = House::open(Engine::Sqlite).await;
    let json = |body: &'static str, kind: &'static str| (("POST", "/json"), kind, body);
    for (((method, path), kind, body), status, code) in [
        ((("DELETE", "/webhook"), "", ""), 405, "method-not-allowed"),
        (json("nonsense", "application/json"), 400, "request-malformed"),
        (json("\"x\"", "application/json"), 422, "request-malformed"),
        (json("1", "text/plain"), 415, "body-type-wrong"),
    ] {
        let request = Request::builder().method(method).uri(house.url(path)).header("content-type", kind);
        let answer = house.send(request, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{method} {path} {body}");
    }
    let answer = house.api("DELETE", "/webhook", None).await;
    assert_eq!(answer.header("allow"), "POST", "and keeps what it says besides");

    let request = Request::builder()
        .method("POST")
        .uri(house.url("/signin"))
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = house.send(request, &format!("name={}", "x".repeat(17 * 1024))).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"));
    house.close().await;
}

#[tokio::test]
async fn a_handler_that_panics_is_our_fault_and_the_house_stands() {
    let house = House::open(Engine::Sqlite).await;
    let page = Browser { lang: "ko", ..house.browser() }.get("/panic").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(page.body.contains("naru 안에서 문제가 생겼습니다"), "{}", page.body);
    assert!(!page.body.contains("panicked"), "causes of our own faults are for the log");
    assert_eq!(house.api("POST", "/webhook", None).await.status, StatusCode::OK);
    house.close().await;
}

#[tokio::test]
async fn a_failure_says_when_to_come_back_and_why() {
    let texts = naru_core::text::Texts::new(&[naru_core::TEXTS, naru_web::TEXTS]).unwrap();
    let failure = Failure::new(Kind::TooMany, "live-full").arg("max", 8).cause_text("<b>why</b>").retry_after(7);
    for (wants_html, expect) in [(true, "&lt;b&gt;why&lt;/b&gt;"), (false, r#""code":"live-full""#)] {
        let response = failure_response(&texts, Lang::Ko, wants_html, &failure);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "7");
        let body = within("the body", axum::body::to_bytes(response.into_body(), 100_000)).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(expect), "{body}");
    }
}
