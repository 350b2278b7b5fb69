//! The stream: events, drops, cuts and what mends them.

use std::pin::{Pin, pin};

use futures_util::{Stream, StreamExt};
use naru_argocd::calls::apps::ListQuery;
use naru_argocd::watch::Event;
use naru_testkit::argocd::fault::Fault;
use naru_testkit::argocd::{ArgoCd, TOKEN};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::house::{House, house, web};

/// A watch that lists again every second.
fn watched() -> House {
    House::on(house().argocd, TOKEN, |config| config.relist_s = 1)
}

async fn next(events: &mut Pin<&mut impl Stream<Item = Event>>) -> Event {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event comes").expect("a watch never ends")
}

/// The first event that `is` it.
async fn until(events: &mut Pin<&mut impl Stream<Item = Event>>, is: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = next(events).await;
        if is(&event) {
            return event;
        }
    }
}

async fn watches(argocd: &ArgoCd) {
    eventually("somebody to watch", PATIENCE, async || (argocd.watchers() > 0).then_some(())).await;
}

fn label(house: &House, value: &str) {
    house.argocd.world(|world| world.change_app("web", &json!({ "metadata": { "labels": { "step": value } } })));
}

fn has_label(event: &Event, value: &str) -> bool {
    let is = |labels: &std::collections::BTreeMap<String, String>| labels.get("step").is_some_and(|step| step == value);
    match event {
        Event::Seen(all) => all.iter().any(|app| is(&app.metadata.labels)),
        Event::Changed(app) => is(&app.metadata.labels),
        _ => false,
    }
}

#[tokio::test]
async fn what_changes_is_told_after_all_there_is() {
    let house = house();
    let mut events = pin!(house.client.watch(ListQuery::default()));
    assert!(matches!(next(&mut events).await, Event::Seen(all) if all.len() == 1));
    watches(&house.argocd).await;
    label(&house, "a");
    assert!(has_label(&next(&mut events).await, "a"));
    house.argocd.world(|world| world.add_app("api", json!({ "project": "shop" })));
    assert!(matches!(next(&mut events).await, Event::Changed(app) if app.metadata.name == "api"));
    house.argocd.world(|world| world.remove_app("api"));
    assert!(matches!(next(&mut events).await, Event::Deleted(app) if app.metadata.name == "api"));
}

#[tokio::test]
async fn what_changes_while_the_list_is_on_its_way_is_told_after_it() {
    const LIST: &str = "GET /api/v1/applications";
    let house = house();
    house.argocd.fault_at(LIST, Fault::Hold);
    let mut events = pin!(house.client.watch(ListQuery::default()));
    let change = async {
        watches(&house.argocd).await;
        let listed = async || (!house.argocd.calls(LIST).is_empty()).then_some(());
        eventually("the list to be made", PATIENCE, listed).await;
        label(&house, "meanwhile");
        house.argocd.release();
    };
    let (first, ()) = tokio::join!(next(&mut events), change);
    assert!(matches!(&first, Event::Seen(_)) && !has_label(&first, "meanwhile"), "{first:?}");
    assert!(has_label(&next(&mut events).await, "meanwhile"));
}

#[tokio::test]
async fn dropped_events_are_made_up_for_by_the_next_list() {
    let house = watched();
    let mut events = pin!(house.client.watch(ListQuery::default()));
    next(&mut events).await;
    watches(&house.argocd).await;
    house.argocd.world(|world| world.drop_events = 1);
    label(&house, "unheard");
    assert!(matches!(until(&mut events, |event| has_label(event, "unheard")).await, Event::Seen(_)));
}

#[tokio::test]
async fn a_connection_that_ends_is_made_again() {
    let house = house();
    let mut events = pin!(house.client.watch(ListQuery::default()));
    next(&mut events).await;
    watches(&house.argocd).await;
    house.argocd.cut_watchers();
    label(&house, "meanwhile");
    assert!(matches!(until(&mut events, |event| has_label(event, "meanwhile")).await, Event::Seen(_)));
    watches(&house.argocd).await;
    label(&house, "after");
    until(&mut events, |event| has_label(event, "after")).await;
}

#[tokio::test]
async fn while_nothing_is_seen_it_says_so_and_goes_on() {
    let house = house();
    house.argocd.fault_at("GET /api/v1/applications", Fault::TokenExpired);
    let mut events = pin!(house.client.watch(ListQuery::default()));
    assert!(matches!(next(&mut events).await, Event::Lost(failure) if failure.code == "argocd-token-refused"));
    assert!(matches!(next(&mut events).await, Event::Seen(_)));
}

#[tokio::test]
async fn an_error_in_the_stream_is_told_and_the_stream_goes_on() {
    let house = house();
    let mut events = pin!(house.client.watch(ListQuery::default()));
    next(&mut events).await;
    watches(&house.argocd).await;
    house.argocd.world(|world| world.tell_error(401, 16, "token is expired"));
    assert!(matches!(next(&mut events).await, Event::Lost(failure) if failure.code == "argocd-token-refused"));
    assert!(matches!(next(&mut events).await, Event::Seen(_)));
}

#[tokio::test]
async fn only_the_projects_asked_for_are_told() {
    let house = house();
    let query = ListQuery { projects: vec!["shop".to_owned()], ..ListQuery::default() };
    let mut events = pin!(house.client.watch(query));
    next(&mut events).await;
    watches(&house.argocd).await;
    house.argocd.world(|world| world.add_app("other", json!({ "project": "default" })));
    label(&house, "own");
    assert!(matches!(next(&mut events).await, Event::Changed(app) if app.metadata.name == web().name));
}
