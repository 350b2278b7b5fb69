//! What stays unknown is listed with its reason, and a person settles it: durably, forward only, and not where a frame
//! is damaged.

use std::time::Duration;

use naru_component::word::{Call, Progress, Word};
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_dispatch::message::{MessageId, Purpose};
use naru_dispatch::provider::{Level, ReportEnd};
use naru_dispatch::unknown_word::{list, settle};
use naru_web::role::{Actor, Role};
use serde_json::{Value, json};

use crate::app::{DOWN, LANE, TestApp};
use crate::damage::{Place, flip};
use crate::file::File;
use crate::life::{change, messages, number, phone, report};
use crate::vendor::Deed;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    unknown_messages_are_listed_with_their_reason,
    a_list_is_bounded_and_goes_on_behind_its_last_message,
    only_a_campaign_or_a_lane_is_listed_and_settled,
    what_a_person_says_is_merged_by_the_lane_and_only_moves_forward,
    what_a_person_said_survives_a_kill,
    without_a_serve_it_is_settled_at_once,
    messages_of_a_lane_that_is_gone_can_be_settled,
    what_is_not_unknown_is_named_and_left_as_it_is,
    messages_of_a_damaged_frame_are_listed_and_not_settled,
    states_that_cannot_be_read_are_counted_and_not_settled,
    what_is_meant_must_be_clear,
);

with_power_cuts!(what_a_person_said_survives_a_kill, messages_of_a_damaged_frame_are_listed_and_not_settled);

/// After this no request of the lane can be on its way any more.
const DEADLINE: Duration = Duration::from_secs(33);

/// At a vendor that helps with nothing every answer is lost from now on.
fn lose_answers(app: &mut TestApp) {
    app.vendor.level(Level::None);
    app.vendor.plan(|_| Deed::LoseAnswer);
    app.start();
}

/// As many advertisements as `counts` says, a frame each, all of them left unknown.
fn leave_unknown(app: &mut TestApp, counts: &[usize]) -> Vec<Vec<MessageId>> {
    lose_answers(app);
    let mut numbers = messages(counts.iter().sum());
    let frames = counts.iter().map(|count| app.accept(Purpose::Ad, numbers.drain(..*count).collect())).collect();
    until_unknown(app, counts.iter().sum());
    frames
}

fn until_unknown(app: &TestApp, count: usize) {
    // A vendor that answers nothing is asked ever more seldom.
    app.until("all are left unknown", |account| {
        app.clock.skip(Duration::from_secs(1));
        account.unknown == count as u64
    });
}

fn say(app: &TestApp, word: &Word, args: Value) -> Result<naru_component::answer::Answer, Failure> {
    app.ctx().offer(app.dispatch.clone());
    let call =
        Call { actor: Actor::local(), lang: Lang::En, args, upload: None, progress: Progress::default(), key: None };
    app.wait(word.say(app.ctx().clone(), call))
}

fn listed(app: &TestApp, args: Value) -> Value {
    say(app, &Word::reading("unknown list", list), args).unwrap().data
}

fn settled(app: &TestApp, args: Value) -> Result<naru_component::answer::Answer, Failure> {
    say(app, &Word::new("unknown settle", Role::Operate, settle), args)
}

fn names(ids: &[MessageId]) -> Vec<String> {
    ids.iter().map(MessageId::to_string).collect()
}

fn shown(page: &Value) -> Vec<String> {
    page["messages"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn unknown_messages_are_listed_with_their_reason(mut app: TestApp) {
    lose_answers(&mut app);
    assert_eq!(listed(&app, json!({})), json!({ "messages": [], "total": 0, "lanes": {}, "damaged": 0, "next": null }));
    app.stop();
    let taken = app.clock.now_ms();
    let frames = leave_unknown(&mut app, &[3]);
    let page = listed(&app, json!({}));
    assert_eq!((&page["total"], &page["lanes"], &page["next"]), (&json!(3), &json!({ LANE: 3 }), &Value::Null));
    assert_eq!(shown(&page), names(&frames[0]));
    let one = &page["messages"][1];
    assert_eq!(
        (&one["to"], &one["purpose"], &one["code"]),
        (&json!("010-****-0001"), &json!("ad"), &json!("timed-out"))
    );
    assert_eq!((&one["lane"], &one["campaign"]), (&json!(LANE), &Value::Null));
    let (accepted, since) = (one["accepted_at"].as_i64().unwrap(), one["since"].as_i64().unwrap());
    assert!(accepted >= taken && since >= accepted + DEADLINE.as_millis() as i64, "{one}");
    // Neither an address nor a text.
    assert!(!page.to_string().contains("01000000001") && !page.to_string().contains("text 1"), "{page}");
}

fn a_list_is_bounded_and_goes_on_behind_its_last_message(mut app: TestApp) {
    // More frames than are read at once.
    let frames = leave_unknown(&mut app, &[2; 20]);
    let mut all = frames.concat();
    // By their ids, which are in order to the millisecond.
    all.sort_unstable();
    let all = names(&all);
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = listed(&app, json!({ "limit": 7, "after": after }));
        assert_eq!(page["total"], 40, "the whole is told on every page");
        assert!(shown(&page).len() <= 7);
        seen.extend(shown(&page));
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(seen, all);
    assert_eq!(shown(&listed(&app, json!({ "limit": 40 }))), all);
    assert_eq!(listed(&app, json!({ "limit": 40 }))["next"], Value::Null, "nothing comes after the last");
    assert_eq!(listed(&app, json!({ "limit": 39 }))["next"], json!(all[38]));
}

fn only_a_campaign_or_a_lane_is_listed_and_settled(mut app: TestApp) {
    lose_answers(&mut app);
    let of = |name, from| {
        let mut file = File { purpose: Purpose::Ad, ..File::new(name, 4, 1) };
        // Others than those who wait for an earlier message of theirs.
        file.rows.iter_mut().zip(from..).for_each(|(row, n)| row.to = phone(n));
        file
    };
    let (first, second) = (app.take_in(&of("first", 10)).campaign, app.take_in(&of("second", 20)).campaign);
    let single = app.accept(Purpose::Ad, messages(2));
    until_unknown(&app, 10);
    let page = listed(&app, json!({ "campaign": "first" }));
    assert_eq!((&page["total"], &page["messages"][0]["campaign"]), (&json!(4), &json!(first.to_string())));
    assert_eq!(listed(&app, json!({ "campaign": second.to_string(), "lane": LANE }))["total"], 4);

    let answer = settled(&app, json!({ "campaign": "first", "as": "sent" })).unwrap();
    assert_eq!(
        (&answer.data["settled"], &answer.data["lanes"], answer.refused),
        (&json!(4), &json!({ LANE: 4 }), false)
    );
    app.until("the campaign is settled", |account| account.sent == 4 && account.unknown == 6);
    assert_eq!(app.campaign(first).account.sent, 4);
    let answer = settled(&app, json!({ "lane": LANE, "as": "failed" })).unwrap();
    assert_eq!(answer.data["settled"], 6);
    app.until("the lane is settled", |account| account.failed == 6 && account.unknown == 0);
    assert_eq!((app.campaign(second).account.failed, app.state(single[0])), (4, "failed"));
    assert_eq!(settled(&app, json!({ "lane": LANE, "as": "failed" })).unwrap().data["settled"], 0);
    for (key, value, code) in [("lane", "no-such-lane", "lane-unknown"), ("campaign", "third", "campaign-unknown")] {
        assert_eq!(settled(&app, json!({ key: value, "as": "sent" })).unwrap_err().code, code);
    }
}

fn what_a_person_says_is_merged_by_the_lane_and_only_moves_forward(mut app: TestApp) {
    let ids = leave_unknown(&mut app, &[4]).concat();
    for (id, state) in ids.iter().zip(["sent", "failed", "delivered"]) {
        let answer = settled(&app, json!({ "messages": [id.to_string()], "as": state })).unwrap();
        assert_eq!((&answer.data["settled"], &answer.data["as"]), (&json!(1), &json!(state)));
        app.until_state(*id, state);
        assert_eq!(app.look(*id).code.as_deref(), Some("settled"));
    }
    assert_eq!(shown(&listed(&app, json!({}))), names(&ids[3..]));
    // What the provider reports later stands above what a person thought.
    app.report(vec![report(ids[1], ReportEnd::Delivered, "", 0), report(ids[2], ReportEnd::Failed, "off", 0)]).unwrap();
    app.until_state(ids[1], "delivered");
    assert_eq!((app.state(ids[2]), app.look(ids[1]).code), ("delivered", None));
    let again = settled(&app, json!({ "messages": [ids[2].to_string()], "as": "failed" })).unwrap_err();
    assert_eq!((again.code.as_str(), app.state(ids[2])), ("message-not-unknown", "delivered"));
    app.eventually("the rows are gone", || (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(()));
}

fn what_a_person_said_survives_a_kill(mut app: TestApp) {
    let ids = leave_unknown(&mut app, &[20]).concat();
    // The first is merged at once, the others wait a second for their turn.
    settled(&app, json!({ "messages": names(&ids[..1]), "as": "sent" })).unwrap();
    app.until_state(ids[0], "sent");
    assert_eq!(settled(&app, json!({ "messages": names(&ids[1..]), "as": "sent" })).unwrap().data["settled"], 19);
    app.kill();
    let merged = app.between_lives(async |store| number(store, "SELECT sent FROM dispatch_side").await);
    assert!(merged < 20, "all were merged before the kill");
    app.clock.skip(DOWN);
    app.start();
    app.until("all are sent", |account| account.sent == 20);
}

fn without_a_serve_it_is_settled_at_once(mut app: TestApp) {
    let ids = leave_unknown(&mut app, &[3]).concat();
    app.stop();
    app.start_intake();
    let waiting = app.accept(Purpose::Info, messages(1))[0];
    assert_eq!(settled(&app, json!({ "messages": names(&ids[..2]), "as": "sent" })).unwrap().data["settled"], 2);
    assert_eq!(ids.iter().map(|id| app.state(*id)).collect::<Vec<_>>(), ["sent", "sent", "unknown"]);
    let failure = settled(&app, json!({ "messages": [waiting.to_string()], "as": "failed" })).unwrap_err();
    assert_eq!((failure.code.as_str(), app.state(waiting)), ("message-not-unknown", "pending"));
    app.stop();
    app.vendor.plan(|_| Deed::Take);
    app.clock.skip(DOWN);
    app.start();
    app.until_state(waiting, "sent");
    app.eventually("the rows are gone", || (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(()));
    let account = app.account();
    assert_eq!((account.sent, account.unknown), (3, 1));
}

fn messages_of_a_lane_that_is_gone_can_be_settled(mut app: TestApp) {
    let ids = leave_unknown(&mut app, &[3]).concat();
    app.stop();
    let lane = app.config.lane.remove(LANE).unwrap();
    app.config.lane.insert("other".to_owned(), lane);
    app.start();
    assert_eq!(shown(&listed(&app, json!({ "lane": LANE }))), names(&ids));
    assert_eq!(settled(&app, json!({ "lane": LANE, "as": "sent" })).unwrap().data["settled"], 3);
    let account = app.account();
    assert_eq!((account.sent, account.unknown), (3, 0));
    // Nobody would ever read them.
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_receipt"), 0);
}

fn what_is_not_unknown_is_named_and_left_as_it_is(mut app: TestApp) {
    let ids = leave_unknown(&mut app, &[2]).concat();
    app.vendor.plan(|_| Deed::Take);
    let sent = app.accept(Purpose::Info, messages(1))[0];
    app.until_state(sent, "sent");
    let beyond = MessageId { slot: 2, ..ids[0] };
    let all = [ids[0].to_string(), sent.to_string(), beyond.to_string(), "nonsense".to_owned(), ids[0].to_string()];
    let answer = settled(&app, json!({ "messages": all, "as": "failed" })).unwrap();
    assert_eq!((&answer.data["settled"], answer.refused), (&json!(1), true));
    let refused = answer.data["refused"].as_array().unwrap();
    let mut refused: Vec<(&str, &str)> =
        refused.iter().map(|one| (one["id"].as_str().unwrap(), one["code"].as_str().unwrap())).collect();
    refused.sort_unstable();
    let (sent_id, beyond_id) = (sent.to_string(), beyond.to_string());
    let mut expect = vec![
        (sent_id.as_str(), "message-not-unknown"),
        (beyond_id.as_str(), "message-unknown"),
        ("nonsense", "message-unknown"),
    ];
    expect.sort_unstable();
    assert_eq!(refused, expect);
    app.until_state(ids[0], "failed");
    assert_eq!((app.state(sent), app.state(ids[1])), ("sent", "unknown"));
    for (name, code) in [(sent_id.as_str(), "message-not-unknown"), ("nonsense", "message-unknown")] {
        assert_eq!(settled(&app, json!({ "messages": [name], "as": "failed" })).unwrap_err().code, code);
    }
}

fn messages_of_a_damaged_frame_are_listed_and_not_settled(mut app: TestApp) {
    app.damaged = true;
    let ids = leave_unknown(&mut app, &[3]).concat();
    app.stop();
    app.start_intake();
    let lost = app.accept(Purpose::Info, messages(5));
    app.kill();
    app.between_lives(async |store| flip(store, lost[0].frame, Place::Body).await);
    app.start();
    app.until("the frame is set aside", |account| account.unknown == 8);
    let page = listed(&app, json!({}));
    assert_eq!((&page["total"], &page["damaged"]), (&json!(8), &json!(5)));
    assert_eq!(shown(&page), names(&[ids.clone(), lost.clone()].concat()));
    let one = &page["messages"][3];
    assert_eq!((&one["code"], &one["to"], &one["purpose"]), (&json!("damaged"), &Value::Null, &json!("info")));

    let failure = settled(&app, json!({ "messages": names(&lost[..1]), "as": "sent" })).unwrap_err();
    assert_eq!(failure.code, "message-damaged");
    let answer = settled(&app, json!({ "lane": LANE, "as": "sent" })).unwrap();
    assert_eq!((&answer.data["settled"], &answer.data["damaged"], answer.refused), (&json!(3), &json!(5), true));
    app.until("the sound ones are settled", |account| account.sent == 3 && account.unknown == 5);
    assert!(app.audit().balances());
}

fn states_that_cannot_be_read_are_counted_and_not_settled(mut app: TestApp) {
    app.damaged = true;
    let ids = leave_unknown(&mut app, &[3]).concat();
    app.wait(change(app.store(), "UPDATE dispatch_side SET checksum = checksum + 1"));
    let page = listed(&app, json!({}));
    assert_eq!((&page["total"], &page["damaged"], shown(&page).len()), (&json!(3), &json!(3), 0));
    let failure = settled(&app, json!({ "messages": names(&ids[..1]), "as": "sent" })).unwrap_err();
    assert_eq!(failure.code, "message-damaged");
    let answer = settled(&app, json!({ "lane": LANE, "as": "sent" })).unwrap();
    assert_eq!((&answer.data["settled"], &answer.data["damaged"], answer.refused), (&json!(0), &json!(3), true));
}

fn what_is_meant_must_be_clear(mut app: TestApp) {
    app.start();
    let id = MessageId { frame: naru_core::id::Id::new(1), slot: 0 }.to_string();
    for (args, code) in [
        (json!({ "as": "sent" }), "unknown-settle-which"),
        (json!({ "messages": [id], "lane": LANE, "as": "sent" }), "unknown-settle-which"),
        (json!({ "messages": vec![id.clone(); 1_001], "as": "sent" }), "unknown-settle-many"),
        (json!({ "messages": [id], "as": "pending" }), "arguments-wrong"),
        (json!({ "messages": [id], "as": "sent", "all": true }), "arguments-wrong"),
        (json!({ "messages": [id], "as": "sent" }), "message-unknown"),
    ] {
        assert_eq!(settled(&app, args.clone()).unwrap_err().code, code, "{args}");
    }
    for (args, code) in [
        (json!({ "limit": 0 }), "unknown-limit"),
        (json!({ "limit": 501 }), "unknown-limit"),
        (json!({ "after": "nonsense" }), "message-unknown"),
        (json!({ "lane": "no-such-lane" }), "lane-unknown"),
    ] {
        let said = say(&app, &Word::reading("unknown list", list), args.clone());
        assert_eq!(said.unwrap_err().code, code, "{args}");
    }
}
