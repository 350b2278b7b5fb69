use serde_json::json;

use super::*;

fn http(fields: &[(&str, &str)]) -> Result<Option<Request>, Failure> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    read_http(body.as_bytes())
}

/// The same payload by HTTP and by socket.
#[track_caller]
fn interactivity(payload: Value) -> Option<Request> {
    let by_http = http(&[("payload", &payload.to_string())]).unwrap();
    assert_eq!(read_envelope("interactive", payload).unwrap(), by_http);
    by_http
}

fn kim(team: &str) -> Person {
    Person { id: "U1".to_owned(), name: "kim".to_owned(), team: team.to_owned() }
}

#[test]
fn a_command_is_read_both_ways() {
    let fields = [
        ("token", "unused"),
        ("team_id", "T1"),
        ("channel_id", "C1"),
        ("channel_name", "deploys"),
        ("user_id", "U1"),
        ("user_name", "kim"),
        ("command", "/naru"),
        ("text", "deploy web & api, \"오늘\""),
        ("response_url", "https://hooks.slack.example/1"),
        ("trigger_id", "13345224609.738474920.8088930838d88f008e0"),
        ("is_enterprise_install", "false"),
    ];
    let expect = Request {
        key: "13345224609.738474920.8088930838d88f008e0".to_owned(),
        user: kim("T1"),
        body: Body::Command(Command {
            command: "/naru".to_owned(),
            text: "deploy web & api, \"오늘\"".to_owned(),
            channel: "C1".to_owned(),
            channel_name: "deploys".to_owned(),
        }),
        response_url: Some("https://hooks.slack.example/1".to_owned()),
    };
    assert_eq!(http(&fields).unwrap(), Some(expect.clone()));
    let payload = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    assert_eq!(read_envelope("slash_commands", Value::Object(payload)).unwrap(), Some(expect));
}

#[test]
fn a_click_is_read_both_ways() {
    let mut payload = json!({
        "type": "block_actions",
        "team": { "id": "T1", "domain": "shop" },
        "user": { "id": "U1", "username": "kim", "name": "kim", "team_id": "T1" },
        "trigger_id": "12466734323.1395872398",
        "channel": { "id": "C1", "name": "deploys" },
        "message": { "type": "message", "ts": "1548261231.000200", "blocks": [{ "type": "divider" }] },
        "container": { "type": "message", "message_ts": "1548261231.000200", "is_ephemeral": false },
        "state": { "values": {} },
        "response_url": "https://hooks.slack.example/2",
        "actions": [{ "action_id": "approve", "block_id": "x", "type": "button", "value": "op-1", "action_ts": "1" }],
    });
    let click = |value: &str, message: Option<&str>| {
        Body::Click(Click {
            action: "approve".to_owned(),
            value: value.to_owned(),
            channel: "C1".to_owned(),
            message: message.map(str::to_owned),
        })
    };
    let found = interactivity(payload.clone()).unwrap();
    assert_eq!((found.user, found.body), (kim("T1"), click("op-1", Some("1548261231.000200"))));
    assert_eq!(found.response_url.as_deref(), Some("https://hooks.slack.example/2"));

    payload["actions"][0] = json!({ "action_id": "approve", "selected_option": { "value": "two" } });
    payload["message"] = Value::Null;
    assert_eq!(interactivity(payload).unwrap().body, click("two", None));
}

#[test]
fn a_form_is_read_with_what_was_left_empty() {
    let found = interactivity(json!({
        "type": "view_submission",
        "team": { "id": "T1" },
        "user": { "id": "U1", "username": "kim", "team_id": "T1" },
        "trigger_id": "9.9",
        "view": {
            "callback_id": "lock",
            "private_metadata": "web",
            "state": { "values": {
                "why": { "text": { "type": "plain_text_input", "value": "점검" } },
                "until": { "pick": { "type": "static_select", "selected_option": { "value": "2h" } } },
                "note": { "text": { "type": "plain_text_input", "value": null } },
            } },
        },
    }));
    let Some(Request { body: Body::Form(form), response_url: None, .. }) = found else { panic!("{found:?}") };
    assert_eq!((form.callback.as_str(), form.metadata.as_str()), ("lock", "web"));
    let fields: Vec<_> =
        form.fields.iter().map(|(block, action, value)| [block, action, value].map(String::as_str)).collect();
    assert_eq!(fields, [["note", "text", ""], ["until", "pick", "2h"], ["why", "text", "점검"]]);
}

#[test]
fn what_is_not_for_us_is_nothing() {
    assert_eq!(http(&[("ssl_check", "1"), ("token", "x")]).unwrap(), None);
    assert_eq!(interactivity(json!({ "type": "view_closed" })), None);
    assert_eq!(read_envelope("events_api", json!({ "event": {} })).unwrap(), None);
}

#[test]
fn what_cannot_be_read_is_refused_without_its_values() {
    let code = |fields: &[(&str, &str)]| {
        let failure = http(fields).unwrap_err();
        assert!(!failure.to_string().contains("비밀"), "{failure}");
        failure.code
    };
    assert_eq!(code(&[]), "slack-payload-wrong");
    assert_eq!(code(&[("text", "비밀")]), "slack-payload-wrong");
    assert_eq!(code(&[("payload", "비밀")]), "slack-payload-wrong");
    assert_eq!(code(&[("payload", "{\"type\":\"block_actions\",\"user\":\"비밀\"}")]), "slack-payload-wrong");
    assert_eq!(code(&[("text", &"x".repeat(BODY_BYTES_MAX))]), "slack-payload-long");
}
