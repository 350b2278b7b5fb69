//! Sign-in links.

use http::StatusCode;
use naru_web::role::{Actor, Role};
use naru_web::{link, person};

use crate::house::{House, MINUTE_MS, on_each_engine};

async fn link_for(house: &House, name: &str) -> String {
    link::create(&house.store, house.now(), name).await.unwrap()
}

#[tokio::test]
async fn a_link_signs_in_once_and_asks_for_a_password() {
    on_each_engine(async |house| {
        let path = link::first_link(&house.store, house.now()).await.unwrap().unwrap();
        let mut browser = house.browser();
        // Chats and mail scanners look at links before their person does.
        for _ in 0..2 {
            let page = browser.get(&path).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.body.contains("Sign in as admin"), "{}", page.body);
        }
        assert!(!browser.is_in().await);
        assert_eq!(browser.post(&path, &[]).await.place(), "/password");
        assert!(browser.is_in().await);
        assert!(browser.get("/password").await.body.contains(r#"name="new""#));

        let mut second = house.browser();
        assert_eq!(second.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(second.get(&path).await.status, StatusCode::NOT_FOUND);
        assert!(!second.is_in().await);
    })
    .await;
}

#[tokio::test]
async fn a_link_is_used_by_one_of_two_who_have_it() {
    on_each_engine(async |house| {
        let path = link::first_link(&house.store, house.now()).await.unwrap().unwrap();
        let (mut one, mut other) = (house.browser(), house.browser());
        let answers = tokio::join!(one.post(&path, &[]), other.post(&path, &[]));
        let mut statuses = [answers.0.status, answers.1.status];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::NOT_FOUND]);
    })
    .await;
}

#[tokio::test]
async fn a_link_expires_after_a_quarter_of_an_hour() {
    on_each_engine(async |house| {
        let path = link::first_link(&house.store, house.now()).await.unwrap().unwrap();
        house.clock.pass(15 * MINUTE_MS - 1);
        let mut browser = house.browser();
        assert_eq!(browser.get(&path).await.status, StatusCode::OK);
        house.clock.pass(1);
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(browser.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
        assert!(!browser.is_in().await);
    })
    .await;
}

#[tokio::test]
async fn a_first_link_is_given_until_somebody_has_a_password() {
    on_each_engine(async |house| {
        let first = link::first_link(&house.store, house.now()).await.unwrap();
        let again = link::first_link(&house.store, house.now()).await.unwrap();
        assert!(first.is_some() && again.is_some() && first != again);
        assert_eq!(person::list(&house.store).await.unwrap().len(), 1, "one person, however often it is asked");
        house.admin_with_password().await;
        assert_eq!(link::first_link(&house.store, house.now()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_link_is_for_somebody_who_may_come_in() {
    on_each_engine(async |house| {
        let refused = link::create(&house.store, house.now(), "nobody").await.unwrap_err();
        assert_eq!(refused.code, "person-unknown");
        person::add(&house.store, house.now(), &Actor::local(), "kim", Role::View).await.unwrap();
        let path = link_for(house, "kim").await;
        person::disable(&house.store, "kim").await.unwrap();
        assert_eq!(house.browser().post(&path, &[]).await.status, StatusCode::NOT_FOUND);
        let refused = link::create(&house.store, house.now(), "kim").await.unwrap_err();
        assert_eq!(refused.code, "person-disabled");
        person::enable(&house.store, "kim").await.unwrap();
        let path = link_for(house, "KIM").await;
        assert_eq!(house.browser().post(&path, &[]).await.place(), "/password");
    })
    .await;
}

#[tokio::test]
async fn a_new_password_makes_older_links_worthless() {
    on_each_engine(async |house| {
        let mut browser = house.admin().await;
        let older = link_for(house, "admin").await;
        let form = [("new", "열 글자가 넘는 문장"), ("again", "열 글자가 넘는 문장")];
        assert_eq!(browser.post("/password", &form).await.place(), "/");
        assert_eq!(house.browser().post(&older, &[]).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}
