//! What does not go on is seen: a provider that takes nothing, and messages of a lane that is not configured any more.

use naru_component::word::{Call, Progress, Word};
use naru_core::text::Lang;
use naru_dispatch::engine::LaneView;
use naru_dispatch::message::Purpose;
use naru_web::role::Actor;
use serde_json::json;

use crate::app::{LANE, TestApp};
use crate::life::messages;
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    a_provider_that_takes_nothing_is_told_of_until_it_takes_again,
    messages_of_a_lane_that_is_gone_are_counted,
    messages_are_counted_by_lane_and_state,
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
    let call =
        Call { actor: Actor::local(), lang: Lang::En, args: json!({}), upload: None, progress: Progress::default() };
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

fn messages_are_counted_by_lane_and_state(mut app: TestApp) {
    app.vendor.plan(|_| Deed::Refuse("no-such-number"));
    app.start();
    app.accept(Purpose::Info, messages(5));
    app.settle();
    let lanes = app.wait(naru_dispatch::account::by_lane(app.store())).unwrap();
    let account = lanes[LANE];
    assert_eq!((lanes.len(), account.accepted, account.failed, account.pending), (1, 5, 5, 0));
    let shown = app.ctx().metrics().render();
    assert!(shown.contains("naru_messages_accepted_total{by=\"call\"} 5"), "{shown}");
}
