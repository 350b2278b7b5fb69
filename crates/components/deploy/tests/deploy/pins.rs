//! What is deployed beside the branch that an app follows stays until somebody takes it away.

use naru_operation::operation::State;
use serde_json::{Value, json};

use crate::shop::Shop;

/// What `naru who` tells of `api`.
fn who(shop: &Shop) -> Value {
    shop.say("who", json!({ "name": "api" })).unwrap().data[0].clone()
}

fn done(shop: &Shop, word: &str, args: Value) {
    let answer = shop.say(word, args).unwrap();
    let id = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until(id, State::Done);
}

#[test]
fn another_branch_is_a_pin_until_it_is_taken_away() {
    let shop = Shop::new();
    let feature = shop.push("feature/cart");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until(id, State::Done);
    let pinned = who(&shop);
    assert_eq!((&pinned["pin"]["owner"], &pinned["hidden"]), (&json!("developer@shop.example"), &json!(0)));
    let days = (pinned["pin"]["until"].as_i64().unwrap() - pinned["pin"]["since"].as_i64().unwrap()) / 86_400_000;
    assert_eq!(days, 7);
    assert!(shop.image("api").ends_with(&feature));
    // The branch goes on, and the pin hides it.
    shop.push("main");
    let main = shop.push("main");
    assert_eq!(who(&shop)["hidden"], 2);
    let told = shop.said("who", json!({ "name": "api" }));
    assert!(told.contains("who-pinned-hides"), "{told}");
    let plan = shop.say("deploy", json!({ "words": ["api"], "plan": true })).unwrap();
    assert_eq!(plan.data["plan"]["notes"][0]["code"], "pin-replaced");
    done(&shop, "unpin", json!({ "app": "api" }));
    assert!(shop.image("api").ends_with(&main));
    assert_eq!(who(&shop)["pin"], Value::Null);
    let refused = shop.say("unpin", json!({ "app": "api", "words": ["to", "staging"] })).unwrap_err();
    assert_eq!(refused.code, "pin-none");
    assert_eq!(shop.say("unpin", json!({ "app": "api", "words": ["staging"] })).unwrap_err().code, "unpin-words");
}

#[test]
fn what_was_rolled_back_to_stays_and_taking_it_back_ends_it() {
    let shop = Shop::new();
    for _ in 0..2 {
        shop.push("main");
        let id = shop.deploy("api").unwrap();
        shop.until(id, State::Done);
    }
    assert_eq!(who(&shop)["pin"], Value::Null);
    let answer = shop.say("rollback", json!({ "app": "api" })).unwrap();
    let id: naru_core::id::Id = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until(id, State::Done);
    assert_eq!(who(&shop)["hidden"], 1);
    done(&shop, "op undo", json!({ "operation": id }));
    assert_eq!(who(&shop)["pin"], Value::Null);
}

#[test]
fn the_owner_of_a_pin_that_is_due_is_asked_once_and_can_keep_it() {
    let mut shop = Shop::new();
    shop.push("feature/cart");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until(id, State::Done);
    shop.ask_owners();
    assert!(shop.reminders().is_empty(), "it is not due yet");
    shop.pin_days = 0;
    shop.restart();
    shop.ask_owners();
    shop.ask_owners();
    let reminders = shop.reminders();
    let [(_, reminder)] = reminders.as_slice() else { panic!("{reminders:?}") };
    assert_eq!((reminder.person.as_str(), reminder.told.code.as_str()), ("developer@shop.example", "pin-due"));
    // What its button says: the branch has gone on, and what is pinned stays.
    let pinned = shop.image("api");
    shop.push("feature/cart");
    let press = reminder.buttons.iter().find(|press| press.word == "pin").unwrap();
    done(&shop, "pin", press.args.clone());
    assert_eq!((shop.image("api"), &who(&shop)["pin"]["ref"]), (pinned, &json!("feature/cart")));
    shop.ask_owners();
    assert_eq!(shop.reminders().len(), 1, "it is another pin, which is asked about anew");
    assert_eq!(shop.say("pin", json!({ "app": "web" })).unwrap_err().code, "pin-nothing");
}

#[test]
fn what_somebody_else_has_written_since_is_not_pinned_as_if_it_were_ours() {
    let shop = Shop::new();
    let tag = shop.push("main");
    let id = shop.deploy("api").unwrap();
    shop.until(id, State::Done);
    let path = "api/.argocd-source-api-staging.yaml";
    let by_hand = shop.overlay("api").replace(&tag, "main-byhand");
    shop.charts.commit("main", &[(path, Some(by_hand.as_bytes()))], "By hand");
    assert_eq!(shop.say("pin", json!({ "app": "api" })).unwrap_err().code, "pin-differs");
    assert_eq!(shop.overlay("api"), by_hand, "nothing was written");
}

#[test]
fn a_pin_that_somebody_writes_over_is_told_as_none() {
    let shop = Shop::new();
    shop.argocd.world(|world| {
        world.annotate("api-staging", "argocd-image-updater.argoproj.io/image-list", "registry.test/shop/api");
    });
    shop.push("main");
    shop.push("feature/cart");
    let plan = shop.say("deploy", json!({ "words": ["api", "feature/cart"], "plan": true })).unwrap();
    assert_eq!(plan.data["plan"]["notes"][0]["code"], "pin-not-held");
    assert_eq!(plan.data["plan"]["steps"][0]["verb"], "spec", "what is written by Image Updater is written there");
    let plan = shop.say("deploy", json!({ "words": ["api", "main"], "plan": true })).unwrap();
    assert_eq!(plan.data["plan"]["notes"], Value::Null);
}
