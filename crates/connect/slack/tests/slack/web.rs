//! The calls of the Web API, and what a no of Slack's means.

use naru_core::failure::{Failure, Kind};
use naru_core::masked::{Address, Secret};
use naru_slack::answer::Answer;
use naru_slack::config::Account;
use naru_slack::message::{Block, Message};
use naru_slack::mrkdwn::Mrkdwn;
use naru_slack::web::Web;
use naru_slack::web::reply::{Place, User};
use naru_testkit::slack::{CHANNEL, OLD_CHANNEL, OTHER_CHANNEL};
use serde_json::json;

use crate::kit::{App, account, message, quick};

/// As it is logged: the code and what was found.
#[track_caller]
fn check<T: std::fmt::Debug>(found: Result<T, Failure>, expect: &str) {
    assert_eq!(found.unwrap_err().to_string(), expect);
}

#[tokio::test]
async fn each_call_is_taken() {
    let app = App::new(quick()).await;
    let web = &app.web;
    let identity = web.identity().await.unwrap();
    assert_eq!((identity.user.as_str(), identity.team_id.as_str()), ("naru", "T0SHOP"));
    assert!(identity.scopes.contains(&"chat:write".to_owned()), "{:?}", identity.scopes);

    let kim = web.user("U0KIM").await.unwrap();
    let email = Some(Address::new("kim@example.com"));
    let expect = User { id: "U0KIM".to_owned(), name: "kim".to_owned(), email, deleted: false, is_bot: false };
    assert_eq!(kim, expect);
    assert_eq!(web.groups().await.unwrap()[0].handle, "ops");
    assert_eq!(web.group_users("S0OPS").await.unwrap(), ["U0LEE"]);
    let channel = web.channel(OTHER_CHANNEL).await.unwrap();
    assert_eq!((channel.name.as_str(), channel.is_member, channel.is_archived), ("other", false, false));

    let place = web.post(CHANNEL, &message("<!channel> 배포")).await.unwrap();
    let full = Message { blocks: vec![Block::Section(Mrkdwn::escaped("끝"))], ..message("끝") };
    web.update(&place, &full).await.unwrap();
    let posted = app.slack.messages(CHANNEL).remove(0);
    assert_eq!((posted.ts, posted.looks[0].0.as_str()), (place.ts, "&lt;!channel&gt; 배포"));
    assert_eq!(posted.looks[1].1, json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "끝" } }]));
    assert_eq!(app.slack.calls_of("chat.postMessage")[0].fields["unfurl_links"], "false");
    web.post_only_to(CHANNEL, "U0KIM", &message("당신만")).await.unwrap();
    assert_eq!(app.slack.calls_of("chat.postEphemeral")[0].fields["user"], "U0KIM");
}

#[tokio::test]
async fn a_request_is_answered_later_and_a_form_opened_once() {
    let app = App::with_socket(quick()).await;
    let key = app.slack.say("U0KIM", CHANNEL, "/naru lock");
    let request = app.heard_of(&key).await;
    let view = json!({ "type": "modal", "callback_id": "lock" });
    app.web.open_form(&key, &view).await.unwrap();
    assert_eq!(app.slack.calls_of("views.open")[0].fields["view"], view);
    check(app.web.open_form(&key, &view).await, "slack-form-late");

    let url = request.response_url.unwrap();
    for _ in 0..5 {
        app.web.respond(&url, &Answer::in_channel(&message("잠갔습니다"))).await.unwrap();
    }
    check(app.web.respond(&url, &Answer::in_channel(&message("또"))).await, "slack-answer-late");
    assert_eq!(app.slack.calls_of("response_url").len(), 5);
}

#[tokio::test]
async fn a_no_says_what_is_wrong() {
    let app = App::new(quick()).await;
    let (web, text) = (&app.web, message("x"));
    let place = Place { channel: CHANNEL.to_owned(), ts: "1.0".to_owned() };
    check(web.post("C0NOWHERE", &text).await, r#"slack-channel-unknown channel="C0NOWHERE""#);
    check(web.channel("C0NOWHERE").await, r#"slack-channel-unknown channel="C0NOWHERE""#);
    check(web.post(OTHER_CHANNEL, &text).await, r#"slack-not-in-channel channel="C0OTHER""#);
    check(web.post(OLD_CHANNEL, &text).await, r#"slack-channel-archived channel="C0OLD""#);
    check(web.update(&place, &text).await, r#"slack-message-gone channel="C0DEPLOYS""#);
    check(web.user("U0NOBODY").await, r#"slack-user-unknown user="U0NOBODY""#);
    check(
        web.post_only_to(CHANNEL, "U0NOBODY", &text).await,
        r#"slack-user-not-in-channel channel="C0DEPLOYS" user="U0NOBODY""#,
    );
    check(web.group_users("S0NONE").await, r#"slack-group-unknown group="S0NONE""#);
    check(web.post(CHANNEL, &Message::default()).await, {
        r#"slack-refused error="no_text" method="chat.postMessage": [ERROR] no_text [json-pointer:/blocks]"#
    });
    app.slack.without_scope("users:read");
    check(web.user("U0KIM").await, r#"slack-scope-missing method="users.info" scope="users:read""#);
    app.slack.without_scope("users:read.email");

    app.slack.fail("auth.test", 1);
    let url = app.slack.url();
    check(web.identity().await, &format!("slack-unreachable url={url:?}: HTTP 503 Service Unavailable"));
    let other = Account { bot_token: Secret::new("xoxb-other"), ..account(&app.slack) };
    let other = Web::new(&other, &app.lifecycle).unwrap();
    check(other.identity().await, r#"slack-token-refused error="invalid_auth" key="slack.bot_token""#);
    let lost = Account { url: app.slack.url().replace("/api", "/nowhere"), ..account(&app.slack) };
    let lost = Web::new(&lost, &app.lifecycle).unwrap();
    check(lost.identity().await, r#"slack-answer-wrong method="auth.test": HTTP 404 Not Found"#);
}

#[tokio::test]
async fn posts_wait_for_their_turn_in_a_channel() {
    let app = App::new(quick()).await;
    app.slack.keep_limits();
    for n in 0..2 {
        app.web.post(CHANNEL, &message(&n.to_string())).await.unwrap();
    }
    let texts: Vec<String> = app.slack.messages(CHANNEL).into_iter().map(|posted| posted.looks[0].0.clone()).collect();
    assert_eq!((texts, app.slack.early_calls()), (vec!["0".to_owned(), "1".to_owned()], 0));
}

#[tokio::test]
async fn a_long_pause_is_told_and_kept_by_method() {
    let app = App::new(quick()).await;
    app.slack.throttle("users.info", 1, 60);
    for _ in 0..3 {
        let failure = app.web.user("U0KIM").await.unwrap_err();
        assert_eq!((failure.kind, failure.retry_after_s), (Kind::TooMany, Some(60)), "{failure}");
    }
    assert_eq!(app.slack.early_calls(), 0);
    app.web.groups().await.unwrap();
}

#[tokio::test]
async fn a_pause_ends_when_the_process_stops() {
    let app = App::new(quick()).await;
    app.slack.throttle("users.info", 1, 20);
    app.lifecycle.stop();
    check(app.web.user("U0KIM").await, r#"slack-throttled method="users.info""#);
}
