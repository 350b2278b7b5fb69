//! What is said comes in once, whatever becomes of the sockets.

use std::time::Duration;

use naru_core::masked::Secret;
use naru_slack::config::{Account, Door};
use naru_slack::payload::Body;
use naru_slack::periods::Periods;
use naru_slack::socket::{Socket, State};
use naru_slack::web::Web;
use naru_testkit::slack::CHANNEL;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::kit::{App, account, message, quick};

#[tokio::test]
async fn what_people_say_click_and_hand_in_is_answered() {
    let app = App::with_socket(quick()).await;
    app.web.post(CHANNEL, &message("카드")).await.unwrap();
    let card = app.slack.messages(CHANNEL).remove(0);

    let said = app.slack.say("U0KIM", CHANNEL, "/naru deploy <web> & api");
    assert_eq!(
        app.acks(&said, 1).await[0].payload,
        json!({ "response_type": "ephemeral", "text": "deploy &lt;web&gt; &amp; api" })
    );
    let request = app.heard_of(&said).await;
    assert_eq!((request.user.id.as_str(), request.user.name.as_str()), ("U0KIM", "kim"));
    let Body::Command(command) = &request.body else { panic!("{request:?}") };
    assert_eq!((command.command.as_str(), command.channel.as_str()), ("/naru", CHANNEL));

    let clicked = app.slack.click("U0LEE", "approve", "op-1", &card);
    // Slack takes no answer with the acknowledgement of a click, so it goes by itself.
    assert_eq!(app.acks(&clicked, 1).await[0].payload, json!(null));
    let shown = eventually("the answer", PATIENCE, async || app.slack.calls_of("response_url").pop()).await;
    assert_eq!((&shown.fields["text"], &shown.fields["replace_original"]), (&json!("op-1"), &json!(true)));
    let Body::Click(click) = app.heard_of(&clicked).await.body else { panic!("a click is a click") };
    assert_eq!((click.action.as_str(), click.value.as_str()), ("approve", "op-1"));
    assert_eq!((click.channel.as_str(), click.message.as_ref()), (CHANNEL, Some(&card.ts)));

    let submitted = app.slack.submit("U0KIM", "lock", "why", "점검");
    assert_eq!(
        app.acks(&submitted, 1).await[0].payload,
        json!({ "response_action": "errors", "errors": { "why": "너무 짧습니다" } })
    );
    app.all_heard_once().await;
}

#[tokio::test]
async fn a_renewed_socket_overlaps_and_loses_and_doubles_nothing() {
    let app = App::with_socket(quick()).await;
    for _ in 0..10 {
        let saying = async {
            for n in 0..5 {
                let key = app.slack.say("U0KIM", CHANNEL, &format!("/naru {n}"));
                app.heard_of(&key).await;
            }
        };
        tokio::join!(app.slack.refresh(), saying);
    }
    app.all_heard_once().await;
    assert_eq!(app.slack.gaps(), 0, "a socket was always open");
    let hellos = app.slack.hellos();
    assert!(hellos.len() > 10 && hellos[1..].iter().all(|open| *open >= 1), "{hellos:?}");
}

#[tokio::test]
async fn a_socket_that_ends_without_a_warning_loses_and_doubles_nothing() {
    let app = App::with_socket(quick()).await;
    for n in 0..20 {
        app.slack.say("U0KIM", CHANNEL, "/naru before");
        if n % 2 == 0 {
            app.slack.cut()
        } else {
            app.slack.refresh_at_once()
        }
        app.slack.say("U0KIM", CHANNEL, "/naru after");
        app.all_heard_once().await;
    }
}

#[tokio::test]
async fn what_is_repeated_is_handed_on_once_and_answered_the_same() {
    let app = App::with_socket(quick()).await;
    let key = app.slack.say("U0KIM", CHANNEL, "/naru who");
    app.acks(&key, 1).await;
    for n in 2..5 {
        app.slack.repeat();
        let acks = app.acks(&key, n).await;
        assert!(acks.iter().all(|ack| ack.payload["text"] == "who"), "{acks:?}");
    }
    app.all_heard_once().await;
}

#[tokio::test]
async fn what_is_repeated_while_it_is_handled_waits_for_the_one_answer() {
    let app = App::with_socket(quick()).await;
    app.shut_gate();
    let key = app.slack.say("U0KIM", CHANNEL, "/naru who");
    app.heard_of(&key).await;
    app.slack.repeat();
    app.open_gate();
    let acks = app.acks(&key, 2).await;
    assert!(acks.iter().all(|ack| ack.payload["text"] == "who"), "{acks:?}");
    app.all_heard_once().await;
}

#[tokio::test]
async fn a_half_open_socket_is_noticed_and_replaced() {
    let periods = Periods { ping_every: Duration::from_millis(20), silence_max: Duration::from_millis(400), ..quick() };
    let app = App::with_socket(periods).await;
    eventually("pings", PATIENCE, async || (app.slack.pings() >= 3).then_some(())).await;
    app.slack.freeze();
    app.slack.say("U0KIM", CHANNEL, "/naru heard by nobody yet");
    app.all_heard_once().await;
}

#[tokio::test]
async fn an_answer_that_takes_long_follows_what_was_acknowledged() {
    let app = App::with_socket(Periods { acknowledge_within: Duration::from_millis(1), ..quick() }).await;
    app.shut_gate();
    let key = app.slack.say("U0KIM", CHANNEL, "/naru who");
    assert_eq!(app.acks(&key, 1).await[0].payload, json!(null));
    app.open_gate();
    let look = async || app.slack.calls_of("response_url").pop();
    let late = eventually("the answer", PATIENCE, look).await;
    assert_eq!((&late.fields["text"], &late.fields["response_type"]), (&json!("who"), &json!("ephemeral")));
    app.slack.repeat();
    assert_eq!(app.acks(&key, 2).await[1].payload, json!(null), "it is not said twice");
    app.all_heard_once().await;
}

#[tokio::test]
async fn what_has_begun_is_answered_before_the_process_stops() {
    let app = App::with_socket(quick()).await;
    app.shut_gate();
    let key = app.slack.say("U0KIM", CHANNEL, "/naru who");
    app.heard_of(&key).await;
    app.lifecycle.stop();
    assert_eq!(app.lifecycle.waiting_for(), [("slack request", 1)]);
    app.open_gate();
    assert_eq!(app.lifecycle.drained(PATIENCE).await, []);
    assert_eq!(app.acks(&key, 1).await[0].payload["text"], "who");
    app.slack.sockets(0).await;
}

#[tokio::test]
async fn a_socket_that_cannot_be_opened_is_tried_again_and_says_why() {
    let app = App::new(quick()).await;
    app.slack.fail("apps.connections.open", 3);
    app.slack.switch_off_sockets(true);
    let socket = Socket::open(app.web.clone(), app.desk.clone(), app.periods, &app.lifecycle);
    let mut state = socket.state();
    let is = |code: &'static str| move |state: &State| matches!(state, State::Failing(failure) if failure.code == code);
    state.wait_for(is("slack-socket-off")).await.unwrap();
    app.slack.switch_off_sockets(false);
    state.wait_for(|state| *state == State::Open).await.unwrap();

    let door = Door::Socket { app_token: Secret::new("xapp-1-other") };
    let web = Web::new(&Account { door, ..account(&app.slack) }, &app.lifecycle).unwrap();
    let socket = Socket::open(web.into(), app.desk.clone(), app.periods, &app.lifecycle);
    socket.state().wait_for(is("slack-token-refused")).await.unwrap();
}
