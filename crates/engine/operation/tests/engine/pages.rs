//! The words, as a terminal and the API say them.

use naru_component::word::{Call, Progress};
use naru_core::id::Id;
use naru_core::text::{Lang, Texts};
use naru_operation::component::{TEXTS, component};
use naru_operation::operation::{State, short};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::{TestApp, one};
use crate::on_both_engines;
use crate::world::in_order;
use naru_operation::grant::{Grant, VIEW};
use naru_web::role::{Actor, Role};

on_both_engines!(words_name_operations_by_their_first_digits, words_tell_nobody_what_they_are_not_to_see);

fn say(app: &TestApp, path: &str, args: Value) -> Result<Value, String> {
    say_as(app, &one(), path, args)
}

fn say_as(app: &TestApp, actor: &Actor, path: &str, args: Value) -> Result<Value, String> {
    let words = component(app.config.clone(), &app.ctx).words;
    // It made and offered an engine of its own.
    app.ctx.offer(app.operations.clone());
    let word = words.into_iter().find(|word| word.path == path).unwrap();
    let call =
        Call { actor: actor.clone(), lang: Lang::En, args, upload: None, progress: Progress::default(), key: None };
    app.wait(word.say(app.ctx.clone(), call)).map(|answer| answer.data).map_err(|failure| failure.code)
}

fn words_name_operations_by_their_first_digits(app: TestApp) {
    app.ctx.set_texts(Arc::new(Texts::new(&[TEXTS]).unwrap()));
    let id = app.ask(in_order(&[("web@staging", "v2")]));
    app.until(id, State::Done);
    let shown = say(&app, "op show", json!({ "operation": short(id) })).unwrap();
    assert_eq!(shown["operation"]["title"], "web@staging");
    assert_eq!(shown["steps"][0]["state"], "done");
    assert_eq!(say(&app, "op show", json!({ "operation": "000000" })).unwrap_err(), "operation-unknown");
    assert_eq!(say(&app, "op show", json!({ "operation": "web" })).unwrap_err(), "operation-unknown");
    assert_eq!(say(&app, "op list", json!({})).unwrap(), json!([]));
    assert_eq!(say(&app, "op list", json!({ "all": true })).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(say(&app, "op list", json!({ "on": "staging" })).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(say(&app, "op list", json!({ "on": "production" })).unwrap(), json!([]));
    assert_eq!(say(&app, "op cancel", json!({ "operation": id })).unwrap_err(), "operation-over");
    let back = say(&app, "op undo", json!({ "operation": id, "why": "a mistake" })).unwrap();
    let back: Id = back["operation"]["id"].as_str().unwrap().parse().unwrap();
    app.until(back, State::Done);
    let record = say(&app, "op record", json!({})).unwrap();
    assert_eq!(record[0]["event"], "asked");
    let after = json!({ "after": record[3]["number"], "limit": 2 });
    assert_eq!(say(&app, "op record", after).unwrap()[0], record[4]);
}

fn words_tell_nobody_what_they_are_not_to_see(mut app: TestApp) {
    let grant = |who: &str, may: &str, on: &str| Grant {
        who: vec![who.to_owned()],
        may: vec![may.to_owned()],
        on: vec![on.to_owned()],
    };
    app.config.grant = vec![grant("one", "shelf", "all"), grant("auditor", VIEW, "api"), grant("guest", VIEW, "qa")];
    app.restart();
    app.ctx.set_texts(Arc::new(Texts::new(&[TEXTS]).unwrap()));
    let web = app.ask(in_order(&[("web@staging", "v1")]));
    let both = app.ask(in_order(&[("web@staging", "v2"), ("api@staging", "v2")]));
    app.until(web, State::Done);
    app.until(both, State::Done);
    let listed = |name: &str, args: Value| {
        let found = say_as(&app, &Actor::new(name, Role::View), "op list", args).unwrap();
        found.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("one", json!({ "all": true })), [both.to_string(), web.to_string()]);
    assert_eq!(listed("auditor", json!({ "all": true })), [both.to_string()]);
    assert_eq!(listed("auditor", json!({ "on": "web", "limit": 1 })), [both.to_string()]);
    assert_eq!(listed("guest", json!({ "all": true })), [""; 0]);
    assert_eq!(listed("nobody", json!({})), [""; 0]);
    let show = |name: &str, id: Id| say_as(&app, &Actor::new(name, Role::View), "op show", json!({ "operation": id }));
    assert!(show("auditor", both).is_ok());
    assert_eq!(show("auditor", web).unwrap_err(), "operation-grant-missing");
    let record = |name: &str, role: Role| say_as(&app, &Actor::new(name, role), "op record", json!({}));
    assert_eq!(record("auditor", Role::View).unwrap_err(), "operation-grant-missing");
    assert!(record("root", Role::Admin).is_ok());
}
