//! Signing in by password, and setting one.

use http::StatusCode;
use naru_web::record;

use crate::house::{Browser, MINUTE_MS, PASSWORD, on_each_engine};

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_told_alike() {
    on_each_engine(async |house| {
        house.admin_with_password().await;
        let mut pages = Vec::new();
        for (name, password) in [("admin", "not the one that is set"), ("nobody", PASSWORD), ("<i>", PASSWORD)] {
            let mut browser = house.browser();
            let refused = browser.sign_in(name, password).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{name}");
            assert!(!browser.cookies.contains_key("naru_session"), "{name}");
            pages.push(refused.body.replace(&format!("value=\"{name}\""), ""));
            assert!(refused.body.contains("The name or the password is wrong"), "{}", refused.body);
        }
        assert_eq!(pages[0], pages[1], "nothing tells whether there is such a person");
        assert!(!pages[2].contains("<i>"), "what was typed is shown as text");
        assert_eq!(house.browser().sign_in(" Admin ", PASSWORD).await.place(), "/");
    })
    .await;
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    on_each_engine(async |house| {
        house.admin_with_password().await;
        let mut browser = house.browser();
        let cookie = browser.sign_in("admin", PASSWORD).await.header("set-cookie").to_owned();
        let value = &browser.cookies["naru_session"];
        assert_eq!(value.len(), 64);
        assert_eq!(cookie, format!("naru_session={value}; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"));
        let mut browser = Browser { https: true, ..house.browser() };
        let cookie = browser.sign_in("admin", PASSWORD).await.header("set-cookie").to_owned();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    })
    .await;
}

#[tokio::test]
async fn guessing_is_slowed_and_a_link_still_leads_in() {
    on_each_engine(async |house| {
        house.admin_with_password().await;
        let mut guesser = house.browser();
        for _ in 0..5 {
            assert_eq!(guesser.sign_in("admin", "a guess at it").await.status, StatusCode::UNAUTHORIZED);
        }
        let slowed = guesser.sign_in("admin", PASSWORD).await;
        assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS, "even the right one has to wait");
        assert_eq!(slowed.header("retry-after"), "1");
        assert!(slowed.body.contains("Too many tries: the next one may be made in 1 s"), "{}", slowed.body);

        let path = naru_web::link::create(&house.store, house.now(), "admin").await.unwrap();
        assert_eq!(house.browser().post(&path, &[]).await.place(), "/password");

        house.clock.pass(1_000);
        assert_eq!(guesser.sign_in("admin", PASSWORD).await.place(), "/");
        guesser.cookies.clear();
        assert_eq!(guesser.sign_in("admin", "a guess at it").await.status, StatusCode::UNAUTHORIZED, "counted anew");
    })
    .await;
}

#[tokio::test]
async fn the_record_tells_who_came_in_and_who_was_refused() {
    on_each_engine(async |house| {
        house.admin_with_password().await;
        house.clock.pass(MINUTE_MS);
        house.browser().sign_in("admin", "a guess at it").await;
        house.clock.pass(MINUTE_MS);
        house.browser().sign_in("my secret password", "admin").await;
        house.clock.pass(MINUTE_MS);
        house.browser().sign_in("admin", PASSWORD).await;
        let entries = record::recent(&house.store, None).await.unwrap();
        let shown: Vec<(&str, &str)> =
            entries.iter().map(|entry| (entry.person.as_str(), entry.outcome.as_str())).collect();
        // A name that is nobody's may be a password typed into the wrong field: it is not kept.
        assert_eq!(shown, [("admin", "password"), ("", "refused"), ("admin", "refused"), ("admin", "link")]);
        assert_eq!((entries[0].at, entries[0].peer.as_str()), (house.now(), "127.0.0.1"));
        let before = record::recent(&house.store, Some(entries[2].id)).await.unwrap();
        assert_eq!(before, entries[3..]);

        house.clock.pass(91 * 24 * 60 * MINUTE_MS);
        house.browser().sign_in("admin", PASSWORD).await;
        assert_eq!(record::recent(&house.store, None).await.unwrap().len(), 1, "older entries are dropped");
    })
    .await;
}

#[tokio::test]
async fn paging_the_record_loses_no_entry_of_one_millisecond() {
    on_each_engine(async |house| {
        // Time stands still: all of them are of one millisecond.
        house.admin_with_password().await;
        for _ in 0..4 {
            house.browser().sign_in("admin", PASSWORD).await;
        }
        let entries = record::recent(&house.store, None).await.unwrap();
        assert!(entries.len() == 5 && entries.iter().all(|entry| entry.at == house.now()), "{entries:?}");
        for (nth, entry) in entries.iter().enumerate() {
            assert_eq!(record::recent(&house.store, Some(entry.id)).await.unwrap(), entries[nth + 1..]);
        }
    })
    .await;
}

#[tokio::test]
async fn signing_in_leads_on_to_where_one_wanted_to_go_and_never_elsewhere() {
    on_each_engine(async |house| {
        house.admin_with_password().await;
        for (next, expect) in [("/campaigns?page=2", "/campaigns?page=2"), ("//evil.example", "/"), ("", "/")] {
            let form = [("name", "admin"), ("password", PASSWORD), ("next", next)];
            assert_eq!(house.browser().post("/signin", &form).await.place(), expect);
        }
        let mut signed_in = house.browser();
        signed_in.sign_in("admin", PASSWORD).await;
        assert_eq!(signed_in.get("/signin?next=%2Fcampaigns").await.place(), "/campaigns");
        assert_eq!(signed_in.get("/signin?next=https%3A%2F%2Fevil.example").await.place(), "/");
    })
    .await;
}

#[tokio::test]
async fn a_password_is_refused_with_its_reason() {
    on_each_engine(async |house| {
        let mut browser = house.admin().await;
        for (new, again, expect) in [
            ("short", "short", "shorter than 10 characters"),
            (PASSWORD, "a boat a river", "The two passwords differ"),
            (&"x".repeat(201), &"x".repeat(201), "longer than 200 characters"),
        ] {
            let refused = browser.post("/password", &[("new", new), ("again", again)]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.body.contains(expect), "{}", refused.body);
        }
        assert_eq!(browser.sign_in("admin", "short").await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_browser_left_open_cannot_change_the_password() {
    on_each_engine(async |house| {
        let mut browser = house.admin_with_password().await;
        house.clock.pass(16 * MINUTE_MS);
        assert!(browser.get("/password").await.body.contains(r#"name="current""#));
        let new = "a quite different sentence";
        for form in [&[("new", new), ("again", new)][..], &[("current", "a guess at it"), ("new", new), ("again", new)]]
        {
            let refused = browser.post("/password", form).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.body.contains("The current password is wrong"), "{}", refused.body);
        }
        assert_eq!(house.browser().sign_in("admin", PASSWORD).await.place(), "/");
    })
    .await;
}

#[tokio::test]
async fn a_form_after_the_session_ended_is_answered_in_place() {
    on_each_engine(async |house| {
        let answer = house.browser().post("/operate", &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.body.contains("what you typed is still there"), "{}", answer.body);
    })
    .await;
}
