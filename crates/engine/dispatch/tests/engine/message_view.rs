//! What a person sees of one message, from the moment it is accepted to its end.

use std::time::Duration;

use naru_core::clock::Clock;
use naru_dispatch::look;
use naru_dispatch::message::{Message, MessageId, Purpose};
use naru_dispatch::provider::Verdict;

use crate::app::TestApp;
use crate::file::File;
use crate::life::{message, phone};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(a_message_is_seen_through_its_life, what_is_not_there_is_said_so);

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
