//! Instances are seen by each other, told to drain, and forgotten in time.

use naru_job::presence::{self, DRAIN_MS, Presence, Seen, State};
use naru_testkit::database::Engine;
use naru_testkit::wait::{PATIENCE, eventually};

use crate::{Shop, shop};

async fn seen(shop: &Shop, own: &Presence, name: &str) -> Option<Seen> {
    let list = presence::list(&shop.store, Some(own)).await.unwrap();
    list.into_iter().find(|it| it.name == name)
}

async fn until(shop: &Shop, own: &Presence, what: &str, is: impl Fn(&Seen) -> bool) -> Seen {
    eventually(what, PATIENCE, async || seen(shop, own, "one").await.filter(&is)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_closes_the_gate_and_its_end_opens_it() {
    for engine in Engine::REAL {
        let shop = shop(engine).await;
        let process = shop.process("one");
        let own = Presence::announce(process.clone(), "0.1.0").await.unwrap();
        own.keep();
        let pass = process.gate.enter("lane sms").unwrap();
        until(&shop, &own, "the lane to be seen", |it| it.busy.contains_key("lane sms")).await;

        assert_eq!(presence::drain(&shop.store, Some("two"), DRAIN_MS).await.unwrap(), Vec::<String>::new());
        assert_eq!(presence::drain(&shop.store, Some("one"), DRAIN_MS).await.unwrap(), ["one"]);
        let drains = until(&shop, &own, "the gate to close", |it| it.state == State::Closed).await;
        assert!(drains.drain_until.is_some() && process.gate.enter("lane sms").is_none());
        assert_eq!(drains.busy.keys().collect::<Vec<_>>(), ["lane sms"], "what is inside stays: {engine:?}");
        drop(pass);
        until(&shop, &own, "the lane to end", |it| it.busy.is_empty()).await;

        assert_eq!(presence::drain(&shop.store, None, 0).await.unwrap(), ["one"]);
        let open = until(&shop, &own, "the gate to open", |it| it.state == State::Open).await;
        assert_eq!(open.drain_until, None);
        assert!(process.gate.enter("lane sms").is_some());
        own.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_begins_while_it_shall_drain_lets_nobody_in() {
    let shop = shop(Engine::Postgres).await;
    let first = Presence::announce(shop.process("one"), "0.1.0").await.unwrap();
    presence::drain(&shop.store, None, DRAIN_MS).await.unwrap();
    first.end().await;
    let again = shop.process("one");
    let _presence = Presence::announce(again.clone(), "0.1.0").await.unwrap();
    assert!(again.gate.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_nobody_ends_ends_by_itself() {
    let shop = shop(Engine::Postgres).await;
    let process = shop.process("one");
    let own = Presence::announce(process.clone(), "0.1.0").await.unwrap();
    own.keep();
    presence::drain(&shop.store, None, DRAIN_MS).await.unwrap();
    until(&shop, &own, "the gate to close", |it| it.state == State::Closed).await;
    // What the database's clock would do in time.
    shop.run("UPDATE job_instance SET drain_until = 1").await;
    until(&shop, &own, "the gate to open", |it| it.state == State::Open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_heard_is_gone_and_after_a_day_forgotten() {
    let shop = shop(Engine::Postgres).await;
    let own = Presence::announce(shop.process("one"), "0.1.0").await.unwrap();
    let two = Presence::announce(shop.process("two"), "0.1.0").await.unwrap();
    assert!(seen(&shop, &own, "two").await.unwrap().live);
    shop.run("UPDATE job_instance SET seen_at = seen_at - 11000").await;
    let gone = seen(&shop, &own, "two").await.unwrap();
    assert!(!gone.live && gone.state == State::Open);
    shop.run("UPDATE job_instance SET seen_at = seen_at - 86400000 WHERE name = 'two'").await;
    Presence::announce(shop.process("three"), "0.1.0").await.unwrap();
    assert_eq!(seen(&shop, &own, "two").await, None);
    assert!(seen(&shop, &own, "one").await.is_some());
    two.end().await;
    assert_eq!(seen(&shop, &own, "two").await.unwrap().state, State::Stopped);
}
