//! Sessions: how they begin, and every way they end.

use http::StatusCode;
use naru_web::role::{Actor, Role};
use naru_web::{link, person, session};

use crate::house::{HOUR_MS, MINUTE_MS, PASSWORD, on_each_engine};

const COOKIE: &str = "naru_session";

#[tokio::test]
async fn a_session_is_made_anew_at_every_sign_in() {
    on_each_engine(async |house| {
        let mut browser = house.admin_with_password().await;
        let mut left_behind = browser.clone();
        assert_eq!(browser.sign_in("admin", PASSWORD).await.place(), "/");
        assert_ne!(browser.cookies[COOKIE], left_behind.cookies[COOKIE]);
        assert!(browser.is_in().await);
        assert!(!left_behind.is_in().await, "the session that the sign-in replaced");

        let mut planted = house.browser();
        planted.cookies.insert(COOKIE.to_owned(), "ab".repeat(32));
        assert_eq!(planted.sign_in("admin", PASSWORD).await.place(), "/");
        assert_ne!(planted.cookies[COOKIE], "ab".repeat(32));
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_for_half_a_day() {
    on_each_engine(async |house| {
        let mut browser = house.admin().await;
        for _ in 0..3 {
            house.clock.pass(12 * HOUR_MS - 1);
            assert!(browser.is_in().await);
        }
        house.clock.pass(12 * HOUR_MS);
        assert!(!browser.is_in().await);
        assert!(browser.get("/signin").await.body.contains("The session has ended"));
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_after_a_week_however_much_it_is_used() {
    on_each_engine(async |house| {
        let mut browser = house.admin().await;
        for _ in 0..7 * 24 - 1 {
            house.clock.pass(HOUR_MS);
            assert!(browser.is_in().await);
        }
        house.clock.pass(HOUR_MS);
        assert!(!browser.is_in().await);
    })
    .await;
}

#[tokio::test]
async fn signing_out_ends_the_session_and_not_only_the_cookie() {
    on_each_engine(async |house| {
        let mut browser = house.admin().await;
        let mut copy = browser.clone();
        let out = browser.post("/signout", &[]).await;
        assert_eq!(out.place(), "/signin");
        assert!(out.header("set-cookie").starts_with("naru_session=; Path=/; Max-Age=0; HttpOnly"), "{out:?}");
        assert!(!copy.is_in().await);
    })
    .await;
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_together() {
    on_each_engine(async |house| {
        let mut one = house.admin().await;
        house.clock.pass(MINUTE_MS);
        let mut other = house.admin().await;
        let devices = session::list(&house.store, house.now(), "admin").await.unwrap();
        assert_eq!(devices.len(), 2);
        assert_eq!((devices[0].started_at, devices[0].peer.as_str()), (house.now(), "127.0.0.1"));
        assert_eq!(devices[0].agent, "a browser");
        session::end_all(&house.store, "admin").await.unwrap();
        assert!(!one.is_in().await && !other.is_in().await);
    })
    .await;
}

#[tokio::test]
async fn a_disabled_person_is_out_at_once() {
    on_each_engine(async |house| {
        let mut admin = house.admin().await;
        person::add(&house.store, house.now(), &Actor::local(), "kim", Role::View).await.unwrap();
        let path = link::create(&house.store, house.now(), "kim").await.unwrap();
        let mut kim = house.browser();
        kim.post(&path, &[]).await;
        assert!(kim.is_in().await);
        person::disable(&house.store, "kim").await.unwrap();
        assert!(!kim.is_in().await);
        person::enable(&house.store, "kim").await.unwrap();
        assert!(!kim.is_in().await, "the old session does not come back");
        assert!(admin.is_in().await);
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_keeps_this_one() {
    on_each_engine(async |house| {
        let mut browser = house.admin_with_password().await;
        let mut other = house.browser();
        other.sign_in("admin", PASSWORD).await;
        assert!(other.is_in().await);
        let new = "a quite different sentence";
        let form = [("current", PASSWORD), ("new", new), ("again", new)];
        assert_eq!(browser.post("/password", &form).await.place(), "/");
        assert!(browser.is_in().await);
        assert!(!other.is_in().await);
        assert_eq!(other.sign_in("admin", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(other.sign_in("admin", new).await.place(), "/");
    })
    .await;
}

#[tokio::test]
async fn a_new_role_holds_from_the_next_request() {
    on_each_engine(async |house| {
        house.admin().await;
        person::add(&house.store, house.now(), &Actor::local(), "kim", Role::View).await.unwrap();
        let path = link::create(&house.store, house.now(), "kim").await.unwrap();
        let mut kim = house.browser();
        kim.post(&path, &[]).await;
        assert_eq!(kim.post("/operate", &[]).await.status, StatusCode::FORBIDDEN);
        person::set_role(&house.store, "kim", Role::Operate).await.unwrap();
        assert_eq!(kim.post("/operate", &[]).await.status, StatusCode::OK);
    })
    .await;
}
