//! What a person sees of one message, from the moment it is accepted to its end.

use std::time::Duration;

use naru_core::clock::Clock;
use naru_dispatch::access::{self, Asked};
use naru_dispatch::life::{self, Event, Wait};
use naru_dispatch::look;
use naru_dispatch::message::{Message, MessageId, Purpose};
use naru_dispatch::provider::Verdict;
use naru_dispatch::side::State;

use crate::app::TestApp;
use crate::file::File;
use crate::life::{message, phone};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    a_message_is_seen_through_its_life,
    its_events_are_what_the_store_holds,
    an_address_is_open_to_whoever_is_in_the_record,
    what_is_not_there_is_said_so,
);

fn a_message_is_seen_through_its_life(mut app: TestApp) {
    let later = Verdict::Retry { code: "busy".to_owned(), after: Some(Duration::from_secs(600)) };
    app.vendor.plan(move |arrival| if arrival.nth == 0 { Deed::Judge(vec![later.clone()]) } else { Deed::Take });
    app.vendor.keep_waiting();
    let expires_at = Some(app.clock.now_ms() + 3_600_000);
    app.start_intake();
    let customer = Some("c-17".to_owned());
    let trace_id = Some("0123456789abcdef0123456789abcdef".to_owned());
    let one = Message { customer, expires_at, trace_id, ..message("01012345678", "secret text") };
    let id = app.accept(Purpose::Info, vec![one])[0];
    let view = app.look(id);
    assert_eq!((view.id.as_str(), view.to.as_str()), (id.to_string().as_str(), "010-****-5678"));
    assert_eq!((view.customer.as_deref(), view.lane.as_str(), view.campaign), (Some("c-17"), "main", None));
    assert_eq!((view.template.as_str(), view.version, view.expires_at), ("info", 1, expires_at));
    assert_eq!((view.state, view.in_flight, view.tries, view.due_at), ("pending", false, None, None));
    assert_eq!(view.trace_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    let told = serde_json::to_string(&app.look(id)).unwrap();
    assert!(!told.contains("01012345678") && !told.contains("secret text"), "{told}");

    app.stop();
    app.start();
    app.until_waiting(1);
    assert_eq!((app.state(id), app.look(id).in_flight, app.look(id).tries), ("pending", true, Some(0)));
    app.vendor.answer();
    app.eventually("the next try is stored", || app.look(id).due_at);
    assert_eq!((app.state(id), app.look(id).in_flight, app.look(id).tries), ("pending", false, Some(1)));
    app.pass(Duration::from_secs(600));
    app.until_state(id, "sent");
    let view = app.look(id);
    assert_eq!((view.in_flight, view.tries, view.due_at, view.code), (false, None, None, None));
}

fn its_events_are_what_the_store_holds(mut app: TestApp) {
    let later = Verdict::Retry { code: "busy".to_owned(), after: Some(Duration::from_secs(600)) };
    app.vendor.plan(move |arrival| if arrival.nth == 0 { Deed::Judge(vec![later.clone()]) } else { Deed::Take });
    app.vendor.keep_waiting();
    app.start_intake();
    let id = app.accept(Purpose::Info, vec![message("01012345678", "secret text")])[0];
    let at = app.life(id).view.accepted_at;
    assert_eq!(app.life(id).events, [Event::Accepted { at }, Event::Waits { why: Wait::Turn }]);

    app.stop();
    app.start();
    app.until_waiting(1);
    let life = app.life(id);
    let [Event::Accepted { .. }, Event::Started { outlet: None, nth: 1, .. }] = life.events[..] else {
        panic!("{:?}", life.events)
    };
    assert_eq!((life.requests.len(), life.requests[0].messages, life.place.count), (1, 1, 1));
    app.vendor.answer();
    let due = app.eventually("the next try is stored", || app.look(id).due_at);
    let life = app.life(id);
    assert_eq!(life.events, [Event::Accepted { at }, Event::Due { at: due, tries: 1 }]);
    assert_eq!((life.requests.len(), life.retries.len()), (0, 1));
    app.pass(Duration::from_secs(600));
    app.until_state(id, "sent");
    let by = app.life(id).place.changed_at;
    assert_eq!(app.life(id).events[1..], [Event::Came { by, state: State::Sent, code: None }]);
    let told = format!("{:?}", app.life(id));
    assert!(!told.contains("01012345678") && !told.contains("secret text"), "{told}");
    assert_eq!(app.life(id).text.map(|text| text.measure.is_some()), Some(true));
}

fn an_address_is_open_to_whoever_is_in_the_record(mut app: TestApp) {
    app.start();
    let id = app.accept(Purpose::Info, vec![message("01012345678", "secret text")])[0];
    let asked = |message, reason: &str| Asked {
        at: app.clock.now_ms(),
        person: "kim".to_owned(),
        peer: "192.0.2.1".to_owned(),
        message,
        reason: reason.to_owned(),
    };
    let record = |message, reason: &str| app.wait(access::record(app.store(), asked(message, reason)));
    let list = |before, limit| app.wait(access::list(app.store(), before, limit)).unwrap();
    for (reason, code) in [(" \n", "access-reason-missing"), (&"이".repeat(501), "access-reason-long")] {
        assert_eq!(record(id, reason).unwrap_err().code, code);
    }
    let stranger = MessageId { slot: 1, ..id };
    assert_eq!(record(stranger, "why not").unwrap_err().code, "message-unknown");
    assert_eq!(list(None, 10), []);

    let recorded = record(id, " a call,\nticket 17 ").unwrap();
    let open = app.wait(life::open(&app.dispatch, &recorded)).unwrap();
    let told = format!("{open:?}");
    assert!(!told.contains("01012345678") && !told.contains("secret text"), "{told}");
    assert_eq!(open.to.map(|to| to.reveal().to_owned()).as_deref(), Some("01012345678"));
    assert!(open.text.unwrap().body.contains("secret text"));
    app.clock.skip(Duration::from_millis(10));
    record(id, "again").unwrap();
    let all = list(None, 10);
    let told: Vec<(&str, &str)> = all.iter().map(|entry| (entry.reason.as_str(), entry.person.as_str())).collect();
    assert_eq!(told, [("again", "kim"), ("a call, ticket 17", "kim")]);
    assert_eq!((all[1].message.as_str(), all[1].peer.as_str()), (id.to_string().as_str(), "192.0.2.1"));
    assert_eq!(list(all[0].id.parse().ok(), 10), all[1..]);
    assert_eq!(list(None, 1), all[..1]);
}

fn what_is_not_there_is_said_so(mut app: TestApp) {
    app.start();
    let campaign = app.take_in(&File::new("seen", 3, 1)).campaign;
    app.settle();
    let id = app.wait(app.dispatch.find(&message(&phone(1), "").to, 1)).unwrap()[0];
    assert_eq!(app.look(id).campaign, Some(campaign.to_string()));
    for stranger in [MessageId { slot: 3, ..id }, MessageId { frame: naru_core::id::Id::new(1), slot: 0 }] {
        let failure = app.wait(look::look(app.store(), stranger)).unwrap_err();
        assert_eq!(failure.code, "message-unknown");
    }
}
