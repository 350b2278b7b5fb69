//! Forms that other sites send are refused, and nothing else is.

use http::{Request, StatusCode};
use naru_testkit::database::Engine;

use crate::house::House;

/// A method, the headers that go with it, and whether it passes.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], bool);

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let house = House::open(Engine::Sqlite).await;
    let own = format!("http://{}", house.address);
    let other_port = format!("http://127.0.0.1:{}", house.address.port() ^ 1);
    let cases: &[Case] = &[
        ("POST", &[("sec-fetch-site", "same-origin")], true),
        ("POST", &[("sec-fetch-site", "none")], true),
        ("POST", &[("sec-fetch-site", "cross-site")], false),
        ("POST", &[("sec-fetch-site", "same-site")], false),
        ("POST", &[("sec-fetch-site", "cross-site"), ("origin", &own)], false),
        ("POST", &[("origin", &own)], true),
        ("POST", &[("origin", &other_port)], false),
        ("POST", &[("origin", "https://evil.example")], false),
        ("POST", &[("origin", "null")], false),
        // Webhooks and programs carry neither.
        ("POST", &[], true),
        ("PUT", &[("sec-fetch-site", "cross-site")], false),
        ("DELETE", &[("sec-fetch-site", "cross-site")], false),
        ("GET", &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], true),
        ("HEAD", &[("sec-fetch-site", "cross-site")], true),
        ("OPTIONS", &[("sec-fetch-site", "cross-site")], true),
    ];
    for (method, headers, passes) in cases {
        let mut request = Request::builder().method(*method).uri(house.url("/webhook"));
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let answer = house.send(request, "").await;
        assert_eq!(answer.status != StatusCode::FORBIDDEN, *passes, "{method} {headers:?}");
        if !passes {
            assert_eq!(answer.code(), "cross-origin");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_refusal_is_a_page_in_the_readers_language() {
    let house = House::open(Engine::Sqlite).await;
    let request = Request::builder()
        .method("POST")
        .uri(house.url("/signout"))
        .header("sec-fetch-site", "cross-site")
        .header("accept", "text/html")
        .header("accept-language", "ko-KR,ko;q=0.9");
    let page = house.send(request, "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("다른 사이트에서 보낸 요청이라 거절했습니다"), "{}", page.body);
    house.close().await;
}
