//! The words, as a terminal and the API say them.

use naru_component::word::{Call, Progress};
use naru_core::text::{Lang, Texts};
use naru_operation::component::{TEXTS, component};
use naru_operation::operation::{State, short};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::{TestApp, one};
use crate::on_both_engines;
use crate::world::in_order;

on_both_engines!(words_name_operations_by_their_first_digits);

fn say(app: &TestApp, path: &str, args: Value) -> Result<Value, String> {
    let words = component(app.config.clone(), &app.ctx).words;
    // It made and offered an engine of its own.
    app.ctx.offer(app.operations.clone());
    let word = words.into_iter().find(|word| word.path == path).unwrap();
    let call = Call { actor: one(), lang: Lang::En, args, upload: None, progress: Progress::default(), key: None };
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
    let back: naru_core::id::Id = back["operation"]["id"].as_str().unwrap().parse().unwrap();
    app.until(back, State::Done);
    let record = say(&app, "op record", json!({})).unwrap();
    assert_eq!(record[0]["event"], "asked");
    let after = json!({ "after": record[3]["number"], "limit": 2 });
    assert_eq!(say(&app, "op record", after).unwrap()[0], record[4]);
}
