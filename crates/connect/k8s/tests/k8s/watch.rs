//! The stream: events, ends, forgotten states and what mends them.

use std::pin::{Pin, pin};

use futures_util::{Stream, StreamExt};
use naru_k8s::calls::list::ListQuery;
use naru_k8s::calls::objects::Delete;
use naru_k8s::object::Patch;
use naru_k8s::watch::Event;
use naru_testkit::kube::Kube;
use naru_testkit::kube::fault::Fault;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::server::{CONFIG_MAP, CRON_JOB, Server, cron_job, text};

on_each!(what_changes_is_told_after_all_there_is, what_is_selected_no_more_is_told_as_deleted);

const MAPS: &str = "GET /api/v1/namespaces/default/configmaps";

async fn next(events: &mut Pin<&mut impl Stream<Item = Event>>) -> Event {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event comes").expect("a watch never ends")
}

/// The next event, by kind and name.
async fn told(events: &mut Pin<&mut impl Stream<Item = Event>>) -> String {
    let name = |object: &Value| text(object, "/metadata/name").to_owned();
    match next(events).await {
        Event::Seen(all) => format!("seen {}", all.iter().map(name).collect::<Vec<_>>().join(" ")),
        Event::Changed(object) => format!("changed {}", name(&object)),
        Event::Deleted(object) => format!("deleted {}", name(&object)),
        Event::Lost(failure) => format!("lost {}", failure.code),
    }
}

async fn watches(kube: &Kube) {
    eventually("somebody to watch", PATIENCE, async || (kube.watchers() > 0).then_some(())).await;
}

async fn rewatches(kube: &Kube, before: usize) {
    let look = async || (watch_calls(kube) > before && kube.watchers() > 0).then_some(());
    eventually("somebody to watch again", PATIENCE, look).await;
}

fn watch_calls(kube: &Kube) -> usize {
    kube.calls(MAPS).iter().filter(|entry| entry.parameter("watch").is_some()).count()
}

fn list_calls(kube: &Kube) -> usize {
    kube.calls(MAPS).iter().filter(|entry| entry.parameter("watch").is_none()).count()
}

async fn what_changes_is_told_after_all_there_is(server: &Server) {
    let namespace = server.namespace().await;
    let query = ListQuery::of(&namespace).with_labels("x=y");
    server.config_map(&namespace, "one", json!({ "x": "y" })).await;
    let mut events = pin!(server.client.watch(&CONFIG_MAP, query));
    assert_eq!(told(&mut events).await, "seen one");
    let two = server.config_map(&namespace, "two", json!({ "x": "y" })).await;
    assert_eq!(told(&mut events).await, "changed two");
    server.client.patch(&two, &Patch::Merge(json!({ "data": { "b": "2" } }))).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Changed(object) if object["data"]["b"] == "2"));
    server.client.delete(&two, &Delete::default()).await.unwrap();
    assert_eq!(told(&mut events).await, "deleted two");
}

async fn what_is_selected_no_more_is_told_as_deleted(server: &Server) {
    let namespace = server.namespace().await;
    let one = server.config_map(&namespace, "one", json!({ "x": "y" })).await;
    let query = ListQuery::of(&namespace).with_labels("x=y");
    let mut events = pin!(server.client.watch(&CONFIG_MAP, query));
    assert_eq!(told(&mut events).await, "seen one");
    let label = |value: Value| Patch::Merge(json!({ "metadata": { "labels": { "x": value } } }));
    server.client.patch(&one, &label(json!(null))).await.unwrap();
    assert_eq!(told(&mut events).await, "deleted one");
    server.client.patch(&one, &label(json!("y"))).await.unwrap();
    assert_eq!(told(&mut events).await, "changed one");
}

#[tokio::test]
async fn a_connection_that_ends_goes_on_from_where_it_was() {
    let server = Server::stand_in("1.27");
    let kube = server.kube();
    let mut events = pin!(server.client.watch(&CONFIG_MAP, ListQuery::of("default")));
    assert_eq!(told(&mut events).await, "seen ");
    for round in 0..3 {
        // Made before it watches again, told all the same.
        let name = format!("map-{round}");
        server.config_map("default", &name, json!({})).await;
        assert_eq!(told(&mut events).await, format!("changed {name}"));
        kube.cut_watchers();
    }
    server.config_map("default", "last", json!({})).await;
    assert_eq!(told(&mut events).await, "changed last");
    assert_eq!(list_calls(kube), 1);
}

#[tokio::test]
async fn a_forgotten_state_is_listed_again() {
    let server = Server::stand_in("1.27");
    let kube = server.kube();
    let mut events = pin!(server.client.watch(&CONFIG_MAP, ListQuery::of("default")));
    assert_eq!(told(&mut events).await, "seen ");
    let change = async {
        watches(kube).await;
        // Elsewhere, so that the watch itself does not learn of it.
        server.client.create(&CRON_JOB, "default", &cron_job("nightly")).await.unwrap();
        kube.world(|world| world.forget());
        kube.cut_watchers();
    };
    let (event, ()) = tokio::join!(told(&mut events), change);
    assert_eq!(event, "seen ");
    assert_eq!(list_calls(kube), 2);
    server.config_map("default", "one", json!({})).await;
    assert_eq!(told(&mut events).await, "changed one");
}

#[tokio::test]
async fn a_bookmark_keeps_the_state_young() {
    let server = Server::stand_in("1.27");
    let kube = server.kube();
    let mut events = pin!(server.client.watch(&CONFIG_MAP, ListQuery::of("default")));
    assert_eq!(told(&mut events).await, "seen ");
    let change = async {
        watches(kube).await;
        let before = watch_calls(kube);
        server.client.create(&CRON_JOB, "default", &cron_job("nightly")).await.unwrap();
        kube.bookmark();
        kube.cut_watchers();
        rewatches(kube, before).await;
        let first = kube.calls(MAPS).into_iter().find(|entry| entry.parameter("watch").is_some()).unwrap();
        let last = kube.calls(MAPS).pop().unwrap();
        assert_ne!(first.parameter("resourceVersion"), last.parameter("resourceVersion"));
        server.config_map("default", "one", json!({})).await;
    };
    let (event, ()) = tokio::join!(told(&mut events), change);
    assert_eq!(event, "changed one", "and nothing was listed");
    assert_eq!(list_calls(kube), 1);
}

#[tokio::test]
async fn a_watch_that_is_refused_says_so_and_lists_again() {
    let server = Server::stand_in("1.27");
    let kube = server.kube();
    let mut events = pin!(server.client.watch(&CONFIG_MAP, ListQuery::of("default")));
    kube.fault_at(MAPS, Fault::Status(500));
    (0..3).for_each(|_| kube.fault_at(MAPS, Fault::Status(503)));
    assert_eq!(told(&mut events).await, "lost k8s-failing", "the list, after its repeats");
    assert_eq!(told(&mut events).await, "seen ");
    kube.fault_at(MAPS, Fault::TokenExpired);
    assert_eq!(told(&mut events).await, "lost k8s-token-refused", "the watch");
    assert_eq!(told(&mut events).await, "seen ");
    kube.fault_at(MAPS, Fault::Garbage);
    assert_eq!(told(&mut events).await, "lost k8s-answer-unreadable");
    assert_eq!(told(&mut events).await, "seen ");
}

#[tokio::test]
async fn a_kind_that_is_served_in_another_version_is_watched_on() {
    let server = Server::stand_in("1.20");
    let kube = server.kube();
    let mut events = pin!(server.client.watch(&CRON_JOB, ListQuery::of("default")));
    assert_eq!(told(&mut events).await, "seen ");
    let change = async {
        watches(kube).await;
        kube.world(|world| world.upgrade("1.27"));
        kube.cut_watchers();
    };
    let (event, ()) = tokio::join!(told(&mut events), change);
    assert_eq!(event, "lost k8s-kind-unknown");
    assert_eq!(told(&mut events).await, "seen ");
    server.client.create(&CRON_JOB, "default", &cron_job("nightly")).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Changed(object) if text(&object, "/apiVersion") == "batch/v1"));
}
