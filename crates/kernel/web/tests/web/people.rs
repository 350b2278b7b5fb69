//! People and their roles.

use http::{Request, StatusCode};
use naru_web::role::{Actor, Role};
use naru_web::{person, token};

use crate::house::on_each_engine;

#[tokio::test]
async fn people_are_listed_as_they_are() {
    on_each_engine(async |house| {
        house.admin_with_password().await;
        let name =
            person::add(&house.store, house.now(), &Actor::local(), "Kim@Example.com", Role::Send).await.unwrap();
        assert_eq!(name, "kim@example.com");
        person::disable(&house.store, "kim@example.com").await.unwrap();
        let people = person::list(&house.store).await.unwrap();
        let shown: Vec<_> = people.iter().map(|it| (it.name.as_str(), it.role, it.has_password, it.disabled)).collect();
        assert_eq!(shown, [("admin", Role::Admin, true, false), ("kim@example.com", Role::Send, false, true)]);
        assert_eq!((people[1].created_at, people[1].created_by.as_str()), (house.now(), "local"));
    })
    .await;
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    on_each_engine(async |house| {
        let (store, now) = (&house.store, house.now());
        house.admin().await;
        for refused in [person::disable(store, "admin").await, person::set_role(store, "admin", Role::View).await] {
            assert_eq!(refused.unwrap_err().code, "person-last-admin");
        }
        person::add(store, now, &Actor::local(), "kim", Role::Admin).await.unwrap();
        person::disable(store, "kim").await.unwrap();
        assert_eq!(person::disable(store, "admin").await.unwrap_err().code, "person-last-admin", "kim is disabled");
        person::enable(store, "kim").await.unwrap();
        person::disable(store, "admin").await.unwrap();
        assert_eq!(person::set_role(store, "nobody", Role::View).await.unwrap_err().code, "person-unknown");
    })
    .await;
}

#[tokio::test]
async fn a_role_that_is_too_small_is_told_which_is_missing() {
    on_each_engine(async |house| {
        let secret = token::add(&house.store, house.now(), &Actor::local(), "shop", Role::Send).await.unwrap();
        let refused = house.api("POST", "/operate", Some(secret.reveal())).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "role-too-small"));
        assert!(refused.body.contains("This needs the role operate; yours is send"), "{}", refused.body);
        // Whoever reads this may be a person or whoever runs a program.
        assert!(refused.body.contains("`naru token add NAME --role operate`"), "{}", refused.body);
        for (lang, expect) in
            [("en", "This needs the role operate; yours is send"), ("ko", "operate 역할이 필요합니다")]
        {
            let request = Request::builder()
                .method("POST")
                .uri(house.url("/operate"))
                .header("accept", "text/html")
                .header("accept-language", lang)
                .header("authorization", format!("Bearer {}", secret.reveal()));
            let page = house.send(request, "").await;
            assert_eq!(page.status, StatusCode::FORBIDDEN);
            assert!(page.body.contains(expect), "{}", page.body);
        }
    })
    .await;
}
