//! Each answer has one meaning, and each moment of a conversation decides what its end means.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use naru_core::masked::Address;
use naru_dispatch::provider::{Answer, Verdict};
use naru_provider::Config;
use naru_testkit::wait::PATIENCE;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::house::{House, messages, send, send_within};
use crate::script::{Does, HttpScript, mail_config, mail_talk, reply, serve};

/// How long a lane waits whose account is refused.
const PAUSE: Option<Duration> = Some(Duration::from_secs(60));

fn throttled(after: Option<Duration>) -> Answer {
    Answer::Throttled { after }
}

fn unsent(code: &str) -> Answer {
    Answer::Unsent { code: code.to_owned() }
}

fn unknown(code: &str) -> Answer {
    Answer::Unknown { code: code.to_owned() }
}

fn refused(code: &str) -> Answer {
    Answer::Refused { code: code.to_owned() }
}

fn each(verdict: Verdict) -> Answer {
    Answer::Each(vec![verdict])
}

async fn check_http(answer: String, expect: Answer) {
    let house = House::build(Config::default()).await;
    let script = HttpScript::play([answer.clone()], true).await;
    let provider = house.provider(&script.config()).unwrap();
    let message = messages(&house.ctx, [Address::new("01012345678")]);
    assert_eq!(send(&*provider, "key", &message).await, expect, "{answer:.80}");
}

#[tokio::test]
async fn every_http_answer_has_one_meaning() {
    let taken = r#"{"ref":"r","id":"i","code":"ok"}"#;
    check_http(reply("200 OK", taken), each(Verdict::Taken)).await;
    check_http(reply("200 OK", r#"{"code":"Bad Number!\n"}"#), each(Verdict::Refused("bad-number--".to_owned()))).await;
    check_http(reply("200 OK", "<html>welcome"), unknown("reply-unreadable")).await;
    check_http(reply("200 OK", r#"{"results":[]}"#), unknown("reply-unreadable")).await;
    check_http(reply("204 No Content", ""), unknown("reply-unreadable")).await;
    for status in ["301 Moved", "401 Unauthorized", "403 Forbidden", "404 Not Found", "405 Method Not Allowed"] {
        check_http(reply(status, ""), throttled(PAUSE)).await;
    }
    check_http(reply("400 Bad Request", r#"{"code":"bad-request","detail":"x"}"#), refused("bad-request")).await;
    check_http(reply("413 Content Too Large", "<html>"), refused("http-413")).await;
    check_http(reply("422 Unprocessable", ""), refused("http-422")).await;
    check_http(reply("429 Too Many Requests", ""), throttled(None)).await;
    let seven = throttled(Some(Duration::from_secs(7)));
    check_http(reply("429 Too Many Requests\r\nretry-after: 7", ""), seven).await;
    let day = throttled(Some(Duration::from_secs(86_400)));
    check_http(reply("429 Too Many\r\nretry-after: Sun, 06 Nov 2394 08:49:37 GMT", ""), day).await;
    for status in ["408", "418", "500", "502", "503", "504"] {
        check_http(reply(&format!("{status} x"), r#"{"code":"x"}"#), unknown(&format!("http-{status}"))).await;
    }
    check_http("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), unknown("reply-unreadable")).await;
    check_http(String::new(), unknown("connection-lost")).await;
    check_http(reply("200 OK", taken)[..60].to_owned(), unknown("connection-lost")).await;
    check_http(reply("200 OK", &" ".repeat(5 << 20)), unknown("reply-too-large")).await;
}

#[tokio::test]
async fn an_answer_to_fewer_messages_answers_none() {
    let house = House::build(Config::default()).await;
    let script = HttpScript::play([reply("200 OK", r#"{"results":[{"code":"ok"}]}"#)], true).await;
    let provider = house.provider(&script.config()).unwrap();
    let two = messages(&house.ctx, ["01012345678", "01012345679"].map(Address::new));
    assert_eq!(send(&*provider, "key", &two).await, unknown("reply-unreadable"));
}

#[tokio::test]
async fn a_connection_is_used_again_whatever_the_answer() {
    let house = House::build(Config::default()).await;
    let ok = reply("200 OK", r#"{"code":"ok"}"#);
    let answers = [ok.clone(), reply("429 x", "{}"), reply("400 x", "{}"), reply("500 x", "{}"), ok];
    let script = HttpScript::play(answers, false).await;
    let provider = house.provider(&script.config()).unwrap();
    let message = messages(&house.ctx, [Address::new("01012345678")]);
    for expect in
        [each(Verdict::Taken), throttled(None), refused("http-400"), unknown("http-500"), each(Verdict::Taken)]
    {
        assert_eq!(send(&*provider, "key", &message).await, expect);
    }
    assert_eq!(script.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_host_that_hangs_up_between_requests_costs_nothing() {
    let house = House::build(Config::default()).await;
    let script = HttpScript::play(vec![reply("200 OK", r#"{"code":"ok"}"#); 20], true).await;
    let provider = house.provider(&script.config()).unwrap();
    let message = messages(&house.ctx, [Address::new("01012345678")]);
    for served in 1..=20 {
        assert_eq!(send(&*provider, "key", &message).await, each(Verdict::Taken));
        assert_eq!(script.connections.load(Ordering::Relaxed), served);
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_certainly_unsent() {
    let house = House::build(Config::default()).await;
    let (address, _) = serve(|stream| async move {
        let mut stream = stream;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    for (keys, expect) in [
        (json!({ "provider": "sandbox", "channel": "sms", "url": format!("https://{address}") }), "connect-timeout"),
        (
            json!({ "provider": "smtp", "channel": "email", "url": format!("smtps://{address}"), "from": "a@b.kr" }),
            "timeout",
        ),
    ] {
        let provider = house.provider(&keys).unwrap();
        let message = messages(&house.ctx, [Address::new("kim@example.com")]);
        let answer = send_within(Duration::from_millis(200), &*provider, "key", &message).await;
        assert_eq!(answer, unsent(expect));
    }
}

#[tokio::test]
async fn a_mail_is_unknown_only_once_its_content_may_have_left() {
    use Does::{HangUp, Nothing, Reply};
    let retry = |code: &str| each(Verdict::Retry { code: code.to_owned(), after: None });
    let refused = |code: &str| each(Verdict::Refused(code.to_owned()));
    let mut cases = vec![
        ("CONNECT", Reply(450), unsent("smtp-450")),
        ("MAIL", Reply(452), unsent("smtp-452")),
        (".", Reply(421), retry("smtp-421")),
        (".", HangUp, unknown("connection-lost")),
        (".", Nothing, unknown("timeout")),
        ("QUIT", Nothing, each(Verdict::Taken)),
    ];
    // Before a recipient was named it cannot have been about this mail.
    for point in ["CONNECT", "EHLO", "MAIL"] {
        cases.push((point, HangUp, unsent("connection-lost")));
        cases.push((point, Nothing, unsent("timeout")));
        cases.push((point, Reply(421), unsent("smtp-421")));
        cases.push((point, Reply(550), throttled(PAUSE)));
    }
    for point in ["RCPT", "DATA"] {
        cases.push((point, HangUp, retry("connection-lost")));
        cases.push((point, Nothing, retry("timeout")));
        cases.push((point, Reply(421), retry("smtp-421")));
    }
    for point in ["RCPT", "DATA", "."] {
        cases.push((point, Reply(451), retry("smtp-451")));
        cases.push((point, Reply(550), refused("smtp-550")));
        cases.push((point, Reply(530), throttled(PAUSE)));
    }
    let house = House::build(Config::default()).await;
    let message = messages(&house.ctx, [Address::new("kim@example.com")]);
    // All at once, since some of them take as long as their time-out.
    let checks = cases.into_iter().map(async |(point, does, expect)| {
        let (address, _) = serve(move |stream| mail_talk(stream, point, does)).await;
        let provider = house.provider(&mail_config(&address)).unwrap();
        let timeout = if matches!(does, Nothing) { Duration::from_secs(5) } else { PATIENCE };
        let answer = send_within(timeout, &*provider, "key", &message).await;
        assert_eq!(answer, expect, "{does:?} at {point}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn a_mail_connection_outlives_refusals() {
    let house = House::build(Config::default()).await;
    let message = messages(&house.ctx, [Address::new("kim@example.com")]);
    for (point, does, expect) in [
        ("RCPT", Does::Reply(550), each(Verdict::Refused("smtp-550".to_owned()))),
        (".", Does::Reply(554), each(Verdict::Refused("smtp-554".to_owned()))),
        ("MAIL", Does::Reply(452), unsent("smtp-452")),
        ("RSET", Does::HangUp, each(Verdict::Taken)),
    ] {
        let (address, connections) = serve(move |stream| mail_talk(stream, point, does)).await;
        let provider = house.provider(&mail_config(&address)).unwrap();
        for _ in 0..3 {
            assert_eq!(send(&*provider, "key", &message).await, expect, "{does:?} at {point}");
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1, "{does:?} at {point}");
    }
}

#[tokio::test]
async fn a_mail_server_that_hangs_up_between_mails_costs_nothing() {
    let house = House::build(Config::default()).await;
    // Says so while the connection is parked, as servers do when they have waited long enough.
    let (address, connections) = serve(|stream| async move {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        for reply in ["220 x", "250 x", "250 x", "250 x", "354 x", "250 taken\r\n421 waited long enough"] {
            if stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
                return;
            }
            line.clear();
            while stream.read_line(&mut line).await.unwrap_or(0) > 0
                && reply.starts_with("354")
                && !line.ends_with("\r\n.\r\n")
            {}
        }
    })
    .await;
    let provider = house.provider(&mail_config(&address)).unwrap();
    let message = messages(&house.ctx, [Address::new("kim@example.com")]);
    for served in 1..=3 {
        assert_eq!(send(&*provider, "key", &message).await, each(Verdict::Taken));
        assert_eq!(connections.load(Ordering::Relaxed), served);
    }
}
