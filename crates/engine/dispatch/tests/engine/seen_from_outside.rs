//! What does not go on is seen: a provider that takes nothing, and messages of a lane that is not configured any more.

use std::collections::BTreeMap;

use naru_component::word::{Call, Progress, Word};
use naru_core::text::Lang;
use naru_dispatch::engine::LaneView;
use naru_dispatch::message::Purpose;
use naru_dispatch::provider::ReportEnd;
use naru_web::role::Actor;
use serde_json::json;

use crate::app::{LANE, TestApp};
use crate::life::{messages, report};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    a_provider_that_takes_nothing_is_told_of_until_it_takes_again,
    messages_of_a_lane_that_is_gone_are_counted,
    messages_are_counted_by_the_state_they_come_to,
);

fn view(app: &TestApp) -> LaneView {
    app.wait(app.dispatch.lane_views()).unwrap().remove(0)
}

fn a_provider_that_takes_nothing_is_told_of_until_it_takes_again(mut app: TestApp) {
    app.vendor.plan(|_| Deed::Unsent);
    app.start();
    app.ctx().offer(app.dispatch.clone());
    app.accept(Purpose::Info, messages(3));
    app.eventually("the lane to say why", || view(&app).block.filter(|code| code == "connection-refused"));
    let shown = app.ctx().metrics().render();
    assert!(shown.contains("naru_lane_blocked{lane=\"main\"} 1"), "{shown}");
    assert!(shown.contains("naru_lane_requests_total{lane=\"main\",end=\"answered\"} 0"), "{shown}");
    let said = Word::reading("lane list", naru_dispatch::lane_word::list);
    let call = Call {
        actor: Actor::local(),
        lang: Lang::En,
        args: json!({}),
        upload: None,
        progress: Progress::default(),
        key: None,
    };
    let said = app.wait(said.say(app.ctx().clone(), call)).unwrap();
    assert_eq!(
        (&said.data[0]["state"], &said.data[0]["blocked_by"]),
        (&json!("blocked"), &json!("connection-refused"))
    );

    app.vendor.plan(|_| Deed::Take);
    assert_eq!(app.settle().sent, 3);
    app.eventually("the lane to be well", || view(&app).block.is_none().then_some(()));
    let shown = app.ctx().metrics().render();
    assert!(shown.contains("naru_lane_blocked{lane=\"main\"} 0"), "{shown}");
    assert!(!shown.contains("naru_lane_requests_total{lane=\"main\",end=\"answered\"} 0"), "{shown}");
}

fn messages_of_a_lane_that_is_gone_are_counted(mut app: TestApp) {
    app.start_intake();
    app.accept(Purpose::Info, messages(7));
    assert_eq!(app.wait(app.dispatch.stranded()).unwrap(), []);
    app.stop();
    let lane = app.config.lane.remove(LANE).unwrap();
    app.config.lane.insert("other".to_owned(), lane.clone());
    app.start();
    assert_eq!(app.wait(app.dispatch.stranded()).unwrap(), [(LANE.to_owned(), 7)]);
    app.stop();
    app.config.lane.insert(LANE.to_owned(), lane);
    app.start();
    assert_eq!(app.settle().sent, 7);
    assert_eq!(app.wait(app.dispatch.stranded()).unwrap(), []);
}

fn messages_are_counted_by_the_state_they_come_to(mut app: TestApp) {
    app.vendor.plan(|arrival| if arrival.nth == 0 { Deed::Refuse("no-such-number") } else { Deed::Take });
    app.lane().batch_max = Some(5);
    app.start_intake();
    let ids = app.accept(Purpose::Info, messages(12));
    let pending = app.wait(naru_dispatch::account::pending_by_lane(app.store())).unwrap();
    assert_eq!(pending, BTreeMap::from([(LANE.to_owned(), 12)]));
    app.wait(app.dispatch.run()).unwrap();
    let account = app.settle();
    let taken = ids.iter().find(|id| app.state(**id) == "sent").copied().unwrap();
    app.report(vec![report(taken, ReportEnd::Delivered, "", 0)]).unwrap();
    app.until_state(taken, "delivered");
    let of = |state: &str, count: u64| {
        let line = format!("naru_lane_messages_ended_total{{lane=\"main\",state=\"{state}\"}} {count}\n");
        app.eventually(&line, || app.ctx().metrics().render().contains(&line).then_some(()));
    };
    assert!(account.failed > 0 && account.sent > 0, "{account:?}");
    of("failed", account.failed);
    of("sent", account.sent);
    of("delivered", 1);
    of("unknown", 0);
    assert!(app.wait(naru_dispatch::account::pending_by_lane(app.store())).unwrap().is_empty());
    let shown = app.ctx().metrics().render();
    assert!(shown.contains("naru_messages_accepted_total{by=\"call\"} 12\n"), "{shown}");
}
