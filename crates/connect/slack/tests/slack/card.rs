//! A card shows the last state in the end.

use std::time::Duration;

use naru_core::failure::Failure;
use naru_slack::card::Card;
use naru_slack::message::Message;
use naru_slack::periods::Periods;
use naru_slack::web::reply::Place;
use naru_testkit::slack::CHANNEL;
use naru_testkit::wait::{PATIENCE, eventually};

use crate::kit::{App, message, quick};

async fn posted(app: &App) -> Place {
    app.web.post(CHANNEL, &message("시작")).await.unwrap()
}

fn card(app: &App, place: &Place) -> Card {
    Card::take_up(app.web.clone(), place.clone(), app.periods, &app.lifecycle)
}

/// The texts that the one message of the channel had after it was posted.
fn updates(app: &App) -> Vec<String> {
    let messages = app.slack.messages(CHANNEL);
    let [posted] = messages.as_slice() else { panic!("{messages:?}") };
    posted.looks[1..].iter().map(|(text, _)| text.clone()).collect()
}

#[track_caller]
fn code(found: Result<(), Failure>) -> String {
    found.unwrap_err().code
}

#[tokio::test]
async fn the_newest_state_wins() {
    let app = App::new(quick()).await;
    let card = card(&app, &posted(&app).await);
    card.shown().await.unwrap();
    app.slack.hold("chat.update");
    card.show(message("0"));
    eventually("an update", PATIENCE, async || (app.slack.waiting("chat.update") == 1).then_some(())).await;
    for n in 1..=100 {
        card.show(message(&n.to_string()));
    }
    app.slack.release("chat.update");
    card.shown().await.unwrap();
    assert_eq!(updates(&app), ["0", "100"]);
    card.show(message("100"));
    card.shown().await.unwrap();
    assert_eq!(updates(&app), ["0", "100"], "what is seen already is not sent again");
}

#[tokio::test]
async fn a_card_changes_no_more_often_than_its_period() {
    let app = App::new(Periods { update_every: Duration::from_secs(3_600), ..quick() }).await;
    let card = card(&app, &posted(&app).await);
    card.show(message("1"));
    card.shown().await.unwrap();
    for n in 2..=20 {
        card.show(message(&n.to_string()));
        // A trip to Slack and back, in which an update could have gone.
        app.web.group_users("S0OPS").await.unwrap();
    }
    assert_eq!(updates(&app), ["1"]);
}

#[tokio::test]
async fn a_card_that_is_dropped_still_shows_its_last_state() {
    let app = App::new(quick()).await;
    let place = posted(&app).await;
    let dropped = card(&app, &place);
    dropped.show(message("1"));
    dropped.show(message("끝"));
    drop(dropped);
    assert_eq!(app.lifecycle.drained(PATIENCE).await, []);
    assert_eq!(updates(&app).last().unwrap(), "끝");
}

#[tokio::test]
async fn a_card_is_taken_up_after_a_restart() {
    let app = App::new(quick()).await;
    let place = posted(&app).await;
    let stored = serde_json::to_string(&place).unwrap();
    let place: Place = serde_json::from_str(&stored).unwrap();
    let again = card(&app, &place);
    again.show(message("이어서"));
    again.shown().await.unwrap();
    assert_eq!(updates(&app), ["이어서"]);
}

#[tokio::test]
async fn a_throttled_update_waits_as_told_and_the_last_state_is_shown() {
    let app = App::new(quick()).await;
    let card = card(&app, &posted(&app).await);
    app.slack.throttle("chat.update", 2, 1);
    card.show(message("1"));
    eventually("a refusal", PATIENCE, async || (app.slack.throttled_calls() == 1).then_some(())).await;
    card.show(message("2"));
    card.show(message("끝"));
    card.shown().await.unwrap();
    assert_eq!(updates(&app), ["끝"], "what is old by then is never sent");
    assert_eq!((app.slack.throttled_calls(), app.slack.early_calls()), (2, 0));
}

#[tokio::test]
async fn an_update_is_repeated_while_slack_is_away() {
    let app = App::new(quick()).await;
    let card = card(&app, &posted(&app).await);
    app.slack.fail("chat.update", 5);
    card.show(message("끝"));
    card.shown().await.unwrap();
    assert_eq!(updates(&app), ["끝"]);
}

#[tokio::test]
async fn a_state_that_slack_refuses_does_not_end_the_card() {
    let app = App::new(quick()).await;
    let card = card(&app, &posted(&app).await);
    card.show(Message::default());
    assert_eq!(code(card.shown().await), "slack-refused");
    card.show(message("끝"));
    card.shown().await.unwrap();
    assert_eq!(updates(&app), ["끝"]);
}

#[tokio::test]
async fn a_card_whose_message_was_deleted_ends() {
    let app = App::new(quick()).await;
    let place = posted(&app).await;
    let card = card(&app, &place);
    app.slack.delete(CHANNEL, &place.ts);
    for _ in 0..2 {
        card.show(message("끝"));
        assert_eq!(code(card.shown().await), "slack-message-gone");
    }
    assert_eq!(app.lifecycle.drained(PATIENCE).await, []);
}

#[tokio::test]
async fn a_process_that_stops_shows_the_last_state_first() {
    let app = App::new(quick()).await;
    let card = card(&app, &posted(&app).await);
    app.slack.hold("chat.update");
    card.show(message("1"));
    eventually("an update", PATIENCE, async || (app.slack.waiting("chat.update") == 1).then_some(())).await;
    card.show(message("끝"));
    app.lifecycle.stop();
    assert_eq!(app.lifecycle.waiting_for(), [("slack card", 1)]);
    app.slack.release("chat.update");
    assert_eq!(app.lifecycle.drained(PATIENCE).await, []);
    assert_eq!(updates(&app), ["1", "끝"]);
}

#[tokio::test]
async fn a_process_that_stops_does_not_wait_for_slack_to_come_back() {
    let app = App::new(Periods { retry_first: PATIENCE, retry_max: PATIENCE, ..quick() }).await;
    let card = card(&app, &posted(&app).await);
    app.slack.fail("chat.update", 1_000);
    card.show(message("끝"));
    app.lifecycle.stop();
    assert_eq!(code(card.shown().await), "slack-unreachable");
    assert_eq!(app.lifecycle.drained(PATIENCE).await, []);
}
