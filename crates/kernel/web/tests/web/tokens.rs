//! Tokens of programs.

use http::{Request, StatusCode};
use naru_web::role::{Actor, Role};
use naru_web::{person, token};
use sqlx::Row;

use crate::house::{MINUTE_MS, on_each_engine};

#[tokio::test]
async fn a_token_says_who_a_program_is() {
    on_each_engine(async |house| {
        let secret = token::add(&house.store, house.now(), &Actor::local(), "Shop-Api", Role::Send).await.unwrap();
        assert!(secret.reveal().starts_with("naru_") && secret.reveal().len() == 69);
        let answer = house.api("POST", "/v1/whoami", Some(secret.reveal())).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"name":"shop-api","role":"send"}"#));
    })
    .await;
}

#[tokio::test]
async fn without_a_token_a_program_gets_401_and_a_reason() {
    on_each_engine(async |house| {
        for (bearer, code) in [(None, "sign-in-needed"), (Some("naru_wrong"), "token-refused")] {
            let refused = house.api("GET", "/v1/whoami", bearer).await;
            assert_eq!((refused.status, refused.code().as_str()), (StatusCode::UNAUTHORIZED, code), "{bearer:?}");
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_token_is_not_helped_by_a_right_session() {
    on_each_engine(async |house| {
        let browser = house.admin().await;
        let cookie = format!("naru_session={}", browser.cookies["naru_session"]);
        let request = Request::builder().uri(house.url("/v1/whoami")).header("cookie", &cookie);
        assert_eq!(house.send(request, "").await.status, StatusCode::OK);
        let request = Request::builder().uri(house.url("/v1/whoami")).header("cookie", &cookie);
        let refused = house.send(request.header("authorization", "Bearer naru_wrong"), "").await;
        assert_eq!(refused.code(), "token-refused");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_within_a_second() {
    on_each_engine(async |house| {
        let secret = token::add(&house.store, house.now(), &Actor::local(), "shop", Role::Send).await.unwrap();
        assert_eq!(house.api("GET", "/v1/whoami", Some(secret.reveal())).await.status, StatusCode::OK);
        token::revoke(&house.store, "shop").await.unwrap();
        house.clock.pass(1_000);
        assert_eq!(house.api("GET", "/v1/whoami", Some(secret.reveal())).await.code(), "token-refused");
        assert_eq!(token::revoke(&house.store, "shop").await.unwrap_err().code, "token-unknown");
    })
    .await;
}

#[tokio::test]
async fn a_token_remembers_when_it_was_used_to_the_minute() {
    on_each_engine(async |house| {
        let added_at = house.now();
        let secret = token::add(&house.store, added_at, &Actor::local(), "shop", Role::View).await.unwrap();
        let listed = async || token::list(&house.store).await.unwrap().remove(0);
        let token = listed().await;
        assert_eq!((token.name.as_str(), token.role, token.used_at), ("shop", Role::View, None));
        assert_eq!((token.created_at, token.created_by.as_str()), (added_at, "local"));
        for (passed, expect) in [(MINUTE_MS, MINUTE_MS), (MINUTE_MS - 1, MINUTE_MS), (1_000, 2 * MINUTE_MS + 999)] {
            house.clock.pass(passed);
            house.api("GET", "/v1/whoami", Some(secret.reveal())).await;
            assert_eq!(listed().await.used_at, Some(added_at + expect));
        }
    })
    .await;
}

#[tokio::test]
async fn people_and_tokens_share_one_space_of_names() {
    on_each_engine(async |house| {
        let (store, now, local) = (&house.store, house.now(), Actor::local());
        person::add(store, now, &local, "kim", Role::View).await.unwrap();
        token::add(store, now, &local, "shop", Role::View).await.unwrap();
        for name in ["kim", "shop", "KIM"] {
            assert_eq!(person::add(store, now, &local, name, Role::View).await.unwrap_err().code, "name-taken");
            assert_eq!(token::add(store, now, &local, name, Role::View).await.unwrap_err().code, "name-taken");
        }
        assert_eq!(token::add(store, now, &local, "local", Role::View).await.unwrap_err().code, "name-bad");
    })
    .await;
}

#[tokio::test]
async fn no_secret_is_in_the_database() {
    on_each_engine(async |house| {
        let browser = house.admin_with_password().await;
        let path = naru_web::link::create(&house.store, house.now(), "admin").await.unwrap();
        let token = token::add(&house.store, house.now(), &Actor::local(), "shop", Role::View).await.unwrap();
        let secrets = [
            browser.cookies["naru_session"].as_str(),
            path.strip_prefix("/signin/").unwrap(),
            token.reveal(),
            crate::house::PASSWORD,
        ];
        for (text, blobs) in [
            ("SELECT hash, person || via || peer || agent FROM web_session", true),
            ("SELECT hash, person FROM web_link", true),
            ("SELECT hash, name || role || created_by FROM web_token", true),
            ("SELECT password, name || role || created_by FROM web_person", false),
        ] {
            let rows = sqlx::query(text).fetch_all(house.store.reader()).await.unwrap();
            assert!(!rows.is_empty(), "{text}");
            for row in rows {
                let first = if blobs { row.get::<Vec<u8>, _>(0) } else { row.get::<String, _>(0).into_bytes() };
                assert!(!blobs || first.len() == 32, "{text}: a SHA-256");
                assert!(blobs || first.starts_with(b"$argon2id$"), "{text}");
                let stored = format!("{} {}", String::from_utf8_lossy(&first), row.get::<String, _>(1));
                assert!(secrets.iter().all(|secret| !stored.contains(secret)), "{text}: {stored}");
            }
        }
    })
    .await;
}
