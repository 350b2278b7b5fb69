//! The pages of the house itself, by forms alone: people, tokens, the sign-in record, the configuration, and what runs.

use naru_testkit::wait::{PATIENCE, eventually};

use crate::browser::{Browser, Page};
use crate::campaign::Vendor;
use crate::house::{House, http};

fn has(page: &Page, part: &str) {
    assert!(page.status == 200 && page.html.contains(part), "{part} ({}): {}", page.status, page.html);
}

#[tokio::test]
async fn people_and_tokens_are_kept_by_forms() {
    let house = House::new();
    let serve = house.serve().await;
    let admin = Browser::of(&house, &serve, "minji", "admin").await;
    let page = admin.post("/settings/people", &[("name", "jun"), ("role", "operate")]).await;
    has(&page, "Shown this once");
    let link = page.html.split("/signin/").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(http().get(format!("{}/signin/{link}", serve.url)).send().await.unwrap().status(), 200);
    let again = admin.get("/settings/people").await;
    has(&again, "jun");
    assert!(!again.html.contains(link), "{}", again.html);
    // What was typed is not lost where it is refused.
    let refused = admin.post("/settings/people", &[("name", "jun"), ("role", "send")]).await;
    assert_eq!(refused.status, 409);
    refused.shows(r#"value="jun""#).shows(r#"<option value="send" selected>"#).shows("is taken");
    let refused = admin.post("/settings/people", &[("name", "a b"), ("role", "send")]).await;
    assert_eq!(refused.status, 422);
    refused.shows(r#"value="a b""#);
    assert_eq!(admin.post("/settings/people/jun/role", &[("role", "view")]).await.status, 303);
    assert_eq!(admin.post("/settings/people/jun/disable", &[]).await.status, 303);
    assert!(house.done(&["user", "list"]).contains("disabled"));
    assert_eq!(admin.post("/settings/people/minji/disable", &[]).await.status, 422);
    assert_eq!(admin.post("/settings/people/minji/role", &[("role", "view")]).await.status, 422);

    let page = admin.post("/settings/tokens", &[("name", "shop"), ("role", "send")]).await;
    has(&page, "Shown this once");
    let refused = admin.post("/settings/tokens", &[("name", "shop"), ("role", "operate")]).await;
    assert_eq!(refused.status, 409);
    refused.shows(r#"value="shop""#).shows(r#"<option value="operate" selected>"#).shows("is taken");
    let token = page.html.split("naru_").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let ask = async || {
        let request = http().post(format!("{}/v1/lane/list", serve.url)).bearer_auth(format!("naru_{token}"));
        request.json(&serde_json::json!({})).send().await.unwrap().status()
    };
    assert_eq!(ask().await, 200);
    assert!(!admin.get("/settings/tokens").await.html.contains(&token));
    assert_eq!(admin.post("/settings/tokens/shop/revoke", &[]).await.status, 303);
    eventually("the token to be worthless", PATIENCE, async || (ask().await == 401).then_some(())).await;

    has(&admin.get("/settings/sign-ins").await, "minji");
    let none = admin.get("/settings/sign-ins?before=00000000-0000-7000-8000-000000000000").await;
    none.shows("There is no older entry").hides("Nobody has signed in");
    has(&admin.in_korean().get("/settings/people").await, "사용자 추가");
    serve.stop().await;
}

#[tokio::test]
async fn the_configuration_shows_neither_secrets_nor_addresses() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let listed = "allow_list = [\"010-1234-5678\", \"kim@example.com\"]";
    house.write("naru.toml", &config.replace("allow_list = []", listed));
    let serve = house.serve().await;
    let admin = Browser::of(&house, &serve, "minji", "admin").await;
    let page = admin.get("/settings/config").await;
    page.shows("[dispatch.lane.sandbox]").shows("010-****-5678").shows("k***@example.com");
    page.hides("1234-5678").hides("kim@");
    let said = house.done(&["config", "show"]);
    assert!(said.contains("010-****-5678") && !said.contains("1234-5678"), "{said}");
    serve.stop().await;
}

#[tokio::test]
async fn who_did_it_stands_in_the_log_however_it_was_asked_for() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    house.write("c.csv", "to,name,order\n010-1111-2222,민수,1\n");
    let mut serve = house.serve().await;
    let admin = Browser::of(&house, &serve, "minji", "admin").await;
    let send = ["send", "--template", "shipped", "--to", "c.csv", "--name", "spring", "--hold"];
    house.done(&send);
    let list = admin.get("/campaigns").await.html;
    let id = list.split("scope=\"row\"><a href=\"/campaigns/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let instance = admin.get("/running").await.html;
    let instance = instance.split("action=\"/running/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let mut secrets = Vec::new();
    let mut check = async |path: &str, form: &[(&str, &str)], word: &str, about: &str| {
        let page = admin.post(path, form).await;
        let shown = page.html.split("shown-once\">").nth(1).map(|shown| shown.split('<').next().unwrap());
        secrets.extend(shown.map(|shown| shown.rsplit('/').next().unwrap().to_owned()));
        assert!(matches!(page.status, 200 | 303), "{path}: {} {}", page.status, page.html);
        let line = serve.said(word, about).await;
        assert_eq!(line["actor.name"], "minji", "{line}");
    };
    check("/settings/people", &[("name", "jun"), ("role", "view")], "user add", "name=jun role=view").await;
    check("/settings/people/jun/link", &[], "user link", "name=jun").await;
    check("/settings/people/jun/role", &[("role", "send")], "user role", "name=jun role=send").await;
    check("/settings/people/jun/disable", &[], "user disable", "name=jun").await;
    check("/settings/people/jun/enable", &[], "user enable", "name=jun").await;
    check("/settings/tokens", &[("name", "shop"), ("role", "send")], "token add", "name=shop role=send").await;
    check("/settings/tokens/shop/revoke", &[], "token revoke", "name=shop").await;
    let about = format!("instance={instance}");
    check(&format!("/running/{instance}/drain"), &[], "drain", &about).await;
    let about = format!("{about} undo=true");
    check(&format!("/running/{instance}/undrain"), &[], "drain", &about).await;
    let (campaign, about) = (format!("/campaigns/{id}"), format!("campaign={id}"));
    let at = [("at", "2099-01-01T09:00")];
    check(&format!("{campaign}/schedule"), &at, "campaign schedule", &format!("{about} at=2099-01-01T09:00")).await;
    check(&format!("{campaign}/start"), &[], "campaign resume", &about).await;
    check(&format!("{campaign}/cancel"), &[], "campaign cancel", &about).await;

    // Whoever reads the log can do nothing with it.
    assert_eq!(secrets.len(), 3);
    let log = serve.process.errors();
    assert!(secrets.iter().all(|secret| !log.contains(secret)), "{secrets:?} {log}");
    // What was refused was not done.
    let refused = admin.post("/settings/people", &[("name", "jun"), ("role", "admin")]).await;
    assert_eq!(refused.status, 409);
    // The same word by the API.
    house.done(&["user", "role", "jun", "operate"]);
    let line = serve.said("user role", "name=jun role=operate").await;
    assert_eq!(line["actor.name"], "local", "{line}");
    assert!(!serve.process.errors().contains("name=jun role=admin"));
    serve.stop().await;
}

#[tokio::test]
async fn a_role_that_is_too_small_is_named() {
    let house = House::new();
    let serve = house.serve().await;
    let viewer = Browser::of(&house, &serve, "jun", "view").await;
    for path in ["/settings/people", "/settings/tokens", "/settings/sign-ins", "/settings/config"] {
        let page = viewer.get(path).await;
        assert!(page.status == 403 && page.html.contains("admin"), "{path}: {}", page.html);
    }
    let page = viewer.get("/running").await;
    has(&page, "Instances");
    assert!(!page.html.contains("/drain\"") && !page.html.contains("/settings"), "{}", page.html);
    for path in ["/running/x/drain", "/settings/people", "/settings/tokens/x/revoke", "/unknown"] {
        let page = viewer.post(path, &[("name", "x"), ("role", "view"), ("as", "sent")]).await;
        assert_eq!(page.status, 403, "{path}: {}", page.html);
    }
    serve.stop().await;
}

#[tokio::test]
async fn an_instance_is_drained_and_takes_work_again() {
    let house = House::new();
    let serve = house.serve().await;
    let operator = Browser::of(&house, &serve, "minji", "operate").await;
    let page = operator.get("/running").await;
    for part in ["retention", "lane/sandbox/0", "running"] {
        has(&page, part);
    }
    let action = page.html.split("action=\"").find(|part| part.contains("/drain\"")).unwrap();
    let action = action.split('"').next().unwrap().to_owned();
    assert_eq!(operator.post(&action, &[]).await.status, 303);
    eventually("it to drain", PATIENCE, async || operator.get("/running").await.html.contains("drained").then_some(()))
        .await;
    assert_eq!(operator.post(&action.replace("/drain", "/undrain"), &[]).await.status, 303);
    eventually("it to work again", PATIENCE, async || {
        (!operator.get("/running").await.html.contains("drained")).then_some(())
    })
    .await;
    assert_eq!(operator.post("/running/nobody/drain", &[]).await.status, 404);
    serve.stop().await;
}

#[tokio::test]
async fn what_is_unknown_is_settled_on_its_page() {
    let house = House::new();
    let _vendor = Vendor::start(&house, &["--level", "none", "--fault", "reset-after-accept=100"]).await;
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let config = config.replace("in_flight_max = 32", "timeout_ms = 1000\nattempts_max = 1");
    house.write("naru.toml", &format!("{config}\n[provider]\nsandbox_level = \"none\"\n"));
    house.write("c.csv", "to,name,order\n010-1111-2222,민수,1\n010-3333-4444,영희,2\n010-5555-6666,철수,3\n");
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "lost"]);
    let serve = house.serve().await;
    let operator = Browser::of(&house, &serve, "minji", "operate").await;
    let page = async || operator.get("/unknown").await;
    let until = async |part: &str| {
        eventually(part, PATIENCE, async || page().await.html.contains(part).then_some(())).await;
    };
    until("3 messages of which nobody knows").await;
    let concern = "Of 3 messages nobody knows";
    has(&operator.get("/").await, concern);
    let shown = page().await;
    has(&shown, "010-****-2222");
    has(&shown, "connection-lost");
    let first = shown.html.split("name=\"message\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let refused = async |path: &str, fields: &[(&str, &str)], status: u16, why: &str| {
        let page = operator.post(path, fields).await;
        page.shows(why);
        assert_eq!(page.status, status, "{why}");
        page
    };
    refused("/unknown", &[("as", "sent")], 400, "No message is chosen").await;
    refused("/unknown", &[("as", "sent"), ("all", "yes")], 400, "It was not said that").await;
    assert_eq!(operator.post("/unknown", &[("as", "pending"), ("message", &first)]).await.status, 400);
    has(&operator.post("/unknown", &[("as", "delivered"), ("message", &first)]).await, "1 message is settled");
    until("2 messages of which nobody knows").await;
    refused("/unknown", &[("as", "sent"), ("message", &first)], 409, "is not unknown").await;
    let stranger = "0192f0c1a2b34c5d6e7f8091a2b3c4d5-17";
    refused("/unknown", &[("as", "sent"), ("message", stranger)], 404, stranger).await;
    let lane = "/unknown?lane=sandbox";
    refused(lane, &[("as", "failed"), ("all", "3"), ("sure", "yes")], 409, "There are 2 now").await;
    has(&operator.post(lane, &[("as", "failed"), ("all", "2"), ("sure", "yes")]).await, "2 messages are settled");
    until("Nothing is unknown").await;
    operator.get("/").await.hides("nobody knows");
    assert_eq!(operator.get("/unknown?lane=nowhere").await.status, 404);
    house.done(&["audit"]);
    serve.stop().await;
}
