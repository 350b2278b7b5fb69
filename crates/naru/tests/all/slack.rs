//! One command in Slack deploys: from what is typed to a healthy app and a card that says so, through the real binary, a
//! real Git repository, and stand-ins of Slack and Argo CD.

mod refused;

use naru_testkit::slack::ledger::Posted;
use naru_testkit::slack::{APP_TOKEN, BOT_TOKEN, CHANNEL, OTHER_CHANNEL, SIGNING_SECRET, Slack};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::house::{House, Serve, http};
use crate::platform::Platform;

/// May deploy, by their own id.
const KIM: &str = "U0KIM";
/// May approve, by the group that they are in.
const LEE: &str = "U0LEE";

/// An app in two environments, and naru between Slack and Argo CD.
struct Shop {
    slack: Slack,
    platform: Platform,
    house: House,
    serve: Option<Serve>,
}

impl Shop {
    async fn new() -> Shop {
        let mut shop = Shop::with("app_token = { file = 'app' }").await;
        shop.start().await;
        shop
    }

    /// As Slack reaches it by what `door` says.
    async fn with(door: &str) -> Shop {
        let (slack, platform, house) = (Slack::start().await, Platform::new(), House::empty());
        let secrets = [("bot", BOT_TOKEN), ("app", APP_TOKEN), ("signing", SIGNING_SECRET)];
        secrets.iter().for_each(|(name, secret)| house.write(name, secret));
        let config = format!(
            "[web]\nlisten = '127.0.0.1:0'\nurl = 'https://naru.test/'\n{}[slack]\nurl = '{}'\nbot_token = {{ file = 'bot' }}\n\
             {door}\nlang = 'en'\n[slack.roles]\noperate = ['{KIM}', 'S0OPS']\n",
            platform.configure(&house),
            slack.url()
        );
        house.write("naru.toml", &config);
        Shop { slack, platform, house, serve: None }
    }

    async fn start(&mut self) {
        self.serve = Some(self.house.serve().await);
        self.slack.sockets(1).await;
    }

    /// Waits until a card of the channel looks so.
    async fn card(&self, what: &str, is_it: impl Fn(&str) -> bool) -> Posted {
        eventually(what, PATIENCE, async || {
            self.slack.messages(CHANNEL).into_iter().find(|posted| is_it(&last_look(posted)))
        })
        .await
    }

    /// What whoever said something was told alone, in the acknowledgement or after it.
    async fn told(&self, key: &str) -> String {
        eventually("an answer", PATIENCE, async || {
            let acks = self.slack.acks_of(key).into_iter().map(|ack| ack.payload["text"].clone());
            let late = self.slack.calls_of("response_url").into_iter().filter(|call| call.answers == key);
            let texts = acks.chain(late.map(|call| call.fields["text"].clone()));
            texts.filter_map(|text| text.as_str().map(str::to_owned)).next()
        })
        .await
    }
}

/// How a message looks now, all of its texts.
fn last_look(posted: &Posted) -> String {
    let (text, blocks) = posted.looks.last().cloned().unwrap_or_default();
    let mut all = vec![text];
    collect(&blocks, &mut all);
    all.join("\n")
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if matches!(key.as_str(), "text" | "action_id") => texts.push(text.clone()),
                    other => collect(other, texts),
                }
            }
        }
        _ => {}
    }
}

/// What a button of a message carries.
fn button(posted: &Posted, action: &str) -> String {
    fn find(value: &Value, action: &str) -> Option<String> {
        match value {
            Value::Array(items) => items.iter().find_map(|item| find(item, action)),
            Value::Object(map) if map.get("action_id") == Some(&json!(action)) => {
                map["value"].as_str().map(str::to_owned)
            }
            Value::Object(map) => map.values().find_map(|value| find(value, action)),
            _ => None,
        }
    }
    find(&posted.looks.last().unwrap().1, action).unwrap_or_else(|| panic!("no button {action}: {posted:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_deploys_and_its_card_says_how_it_went() {
    let mut shop = Shop::new().await;
    shop.slack.say(KIM, CHANNEL, "/naru deploy web");
    // Slack brings it again, and again after a restart.
    shop.slack.repeat();
    let card = shop.card("the deploy to be done", |look| look.contains("2 of 2")).await;
    assert_eq!(shop.platform.image("staging"), format!("shop/web:{}", shop.platform.tag("main")));
    assert!(last_look(&card).contains("kim (U0KIM)"), "{}", last_look(&card));
    assert!(last_look(&card).contains("<https://naru.test/operations/"), "{}", last_look(&card));
    shop.serve.take().unwrap().stop().await;
    shop.start().await;
    shop.slack.repeat();
    let key = shop.slack.say(KIM, CHANNEL, "/naru queue");
    assert_eq!(shop.told(&key).await, "Nothing is under way, and nothing is locked");
    let commits =
        shop.platform.charts.log("main").into_iter().filter(|it| it.message.contains("Naru-Operation")).count();
    assert_eq!(commits, 1, "a command that came again deployed again");
    let cards = shop.slack.messages(CHANNEL);
    assert_eq!(cards.len(), 1, "a command that came again has the card that there is: {cards:?}");

    // Its button takes it back.
    let card = shop.card("the button", |look| look.contains("op undo")).await;
    shop.slack.click(KIM, "op undo", &button(&card, "op undo"), &card);
    shop.card("it to be taken back", |look| look.contains('↩') && look.contains("2 of 2")).await;
    assert_eq!(shop.platform.image("staging"), "shop/web:first");
    shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_halfway_is_kept_or_taken_back_as_somebody_says() {
    let mut shop = Shop::new().await;
    shop.platform.argocd.world(|world| {
        // What Argo CD syncs by itself would fail instead.
        world.change_app("web-staging", &json!({ "spec": { "syncPolicy": null } }));
        world.fail_next_sync = Some("one or more objects failed to apply".to_owned());
    });
    shop.slack.say(KIM, CHANNEL, "/naru deploy web");
    let card = shop.card("the deploy to fail", |look| look.contains("op keep")).await;
    let look = last_look(&card);
    let (failed, done) = (look.find("*failed* 1\n✗ "), look.find("*done* 1\n✓ "));
    assert!(failed.is_some() && failed < done, "what failed stands first: {look}");
    assert!(look.contains("op undo") && look.contains("web/.argocd-source-web-staging.yaml"), "{look}");
    shop.slack.click("U0WHO", "op keep", &button(&card, "op keep"), &card);
    shop.slack.click(KIM, "op keep", &button(&card, "op keep"), &card);
    let card = shop.card("it to be kept", |look| look.contains("keeps what it did")).await;
    let look = last_look(&card);
    assert!(look.contains("kim (U0KIM) keeps") && !look.contains("op undo"), "{look}");
    shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn production_waits_for_a_second_person() {
    let mut shop = Shop::new().await;
    shop.slack.say(KIM, CHANNEL, "/naru deploy web to production --why \"the sale\"");
    let card = shop.card("the card to ask", |look| look.contains("op approve")).await;
    let value = button(&card, "op approve");
    shop.slack.click(KIM, "op approve", &value, &card);
    eventually("the refusal", PATIENCE, async || {
        let calls = shop.slack.calls_of("response_url");
        calls.iter().any(|call| call.fields["text"].to_string().contains("Nobody approves their own")).then_some(())
    })
    .await;
    assert_eq!(shop.platform.image("production"), "shop/web:first");
    shop.slack.click(LEE, "op approve", &value, &card);
    let card = shop.card("the deploy to be done", |look| look.contains("2 of 2")).await;
    assert!(last_look(&card).contains("Approved by lee (U0LEE)"), "{}", last_look(&card));
    assert_eq!(shop.platform.image("production"), format!("shop/web:{}", shop.platform.tag("main")));
    shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_by_two_doors_approves_nothing_of_their_own() {
    let mut shop = Shop::with("app_token = { file = 'app' }").await;
    let config = std::fs::read_to_string(shop.house.path("naru.toml")).unwrap();
    shop.house.write("naru.toml", &format!("{config}[slack.people]\n{KIM} = 'minji'\n"));
    shop.start().await;
    shop.slack.say(KIM, CHANNEL, "/naru deploy web to production");
    let card = shop.card("the card to ask", |look| look.contains("op approve")).await;
    assert!(last_look(&card).contains("minji"), "{}", last_look(&card));
    let asked = button(&card, "op approve");
    let asked = asked.split(' ').next().unwrap();
    let url = format!("{}/v1/op/approve", shop.serve.as_ref().unwrap().url);
    let approve = async |name: &str| {
        let token = shop.house.done(&["token", "add", name, "--role", "operate"]);
        let sent = http().post(&url).bearer_auth(token.trim()).body(json!({ "operation": asked }).to_string());
        let answer = sent.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, said) = approve("minji").await;
    assert!(status == 422 && said.contains("operation-own-approval"), "{status} {said}");
    assert_eq!(approve("sora").await.0, 200);
    shop.card("the deploy to be done", |look| look.contains("2 of 2")).await;
    shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_to_whoever_asked_alone() {
    let mut shop = Shop::new().await;
    let refused = [
        (KIM, "/naru deploy wbe", "Did you mean: web?"),
        (KIM, "/naru deploy web feature/none", "feature/none"),
        (KIM, "/naru deploy web to moon", "There is no environment `moon`"),
        (KIM, "/naru dploy web", "is nothing that can be said"),
        (KIM, "/naru help", "/naru deploy"),
        (KIM, "/naru deploy", "required"),
        ("U0CHOI", "/naru deploy web", "operate"),
    ];
    for (user, line, expect) in refused {
        let key = shop.slack.say(user, CHANNEL, line);
        let told = shop.told(&key).await;
        assert!(told.contains(expect), "{line}: {told}");
    }
    let key = shop.slack.say(LEE, CHANNEL, "/naru lock staging for 2h the sale");
    assert!(shop.told(&key).await.contains("is locked until"));
    let key = shop.slack.say(KIM, CHANNEL, "/naru deploy web");
    let told = shop.told(&key).await;
    assert!(told.contains("locked by lee (U0LEE)") && told.contains("the sale"), "{told}");
    assert_eq!(shop.slack.messages(CHANNEL).len(), 0, "nobody else was told");

    // Where the bot is not in the channel it goes on, and whoever asked is told how to see it.
    let key = shop.slack.say(LEE, OTHER_CHANNEL, "/naru deploy web");
    let told = shop.told(&key).await;
    assert!(told.contains("naru op show"), "{told}");
    eventually("the deploy", PATIENCE, async || (shop.platform.image("staging") != "shop/web:first").then_some(()))
        .await;
    shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_requests_over_http_deploy_as_well() {
    let mut shop = Shop::with("mode = 'http'\nsigning_secret = { file = 'signing' }").await;
    shop.serve = Some(shop.house.serve().await);
    let url = format!("{}/slack", shop.serve.as_ref().unwrap().url);
    let mut forged = shop.slack.door(&url);
    forged.secret = "another";
    assert_eq!(forged.say(KIM, CHANNEL, "/naru deploy web").await.status, 401);
    let mut old = shop.slack.door(&url);
    old.skew_s = -400;
    assert_eq!(old.say(KIM, CHANNEL, "/naru deploy web").await.status, 401);
    let door = shop.slack.door(&url);
    let said = door.say("U0NOBODY", CHANNEL, "/naru deploy web").await;
    let told = shop.told(&said.key).await;
    assert!(said.status == 200 && told.contains("operate"), "{told}");
    assert_eq!(door.say(KIM, CHANNEL, "/naru deploy web").await.status, 200);
    let card = shop.card("the deploy to be done", |look| look.contains("2 of 2")).await;
    assert_eq!(door.click(KIM, "op undo", &button(&card, "op undo"), &card).await.status, 200);
    shop.card("the way back", |look| look.contains("↩") && look.contains("2 of 2")).await;
    assert_eq!(shop.platform.image("staging"), "shop/web:first");
    shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pinned_something_is_asked_and_takes_it_away() {
    let mut shop = Shop::with("app_token = { file = 'app' }").await;
    let config = std::fs::read_to_string(shop.house.path("naru.toml")).unwrap();
    shop.house.write("naru.toml", &(config + "[deploy]\npin_days = 0\n"));
    shop.platform.code.branch("feature/cart", "main");
    shop.platform.code.commit("feature/cart", &[("src", Some(b"cart"))], "Cart");
    shop.start().await;
    shop.slack.say(KIM, CHANNEL, "/naru deploy web feature/cart");
    shop.card("the deploy to be done", |look| look.contains("2 of 2")).await;
    let pinned = shop.platform.image("staging");
    assert!(pinned.starts_with("shop/web:feature-cart-"), "{pinned}");
    // As if ten minutes had passed.
    shop.serve.take().unwrap().stop().await;
    let database = shop.house.path("naru-data/naru.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", database.display())).await.unwrap();
    sqlx::query("DELETE FROM job_run WHERE name = 'deploy pins'").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    shop.start().await;
    let asked = eventually("the question", PATIENCE, async || shop.slack.messages(KIM).pop()).await;
    assert!(last_look(&asked).contains("`feature/cart` has been pinned on `web@staging`"), "{}", last_look(&asked));
    shop.slack.click(KIM, "unpin", &button(&asked, "unpin"), &asked);
    eventually("its own branch", PATIENCE, async || {
        (shop.platform.image("staging") == format!("shop/web:{}", shop.platform.tag("main"))).then_some(())
    })
    .await;
    shop.serve.take().unwrap().stop().await;
}
