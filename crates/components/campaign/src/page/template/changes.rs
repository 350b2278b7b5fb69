//! What changed between two versions of a template: said in words, line by line.

use axum::extract::{Path, Query, State};
use maud::html;
use naru_component::ctx::Ctx;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::message::Channel;
use naru_dispatch::template::TemplateText;
use naru_web::failed::Failed;
use naru_web::page::part::{heading, section};
use naru_web::page::{Markup, Reader, segment};
use naru_web::visit::{SignedIn, Visit};
use serde::Deserialize;

use super::super::difference::{Line, lines};

/// Which two.
#[derive(Deserialize)]
pub struct Between {
    from: u32,
    to: u32,
}

/// Two versions of a template side by side.
pub async fn difference(
    State(ctx): State<Ctx>,
    visit: Visit,
    _: SignedIn,
    Path(id): Path<String>,
    Query(Between { from, to }): Query<Between>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let dispatch = ctx.need::<Dispatch>()?;
    let newest = dispatch.templates().newest(&id).await?.version;
    let first = dispatch.templates().version(&id, from).await?;
    let second = dispatch.templates().version(&id, to).await?;
    let args = [("template", id.as_str()), ("from", &from.to_string()), ("to", &to.to_string())];
    let title = reader.say("page-difference", &args);
    let number = |name: &str, label: &str, value: u32| {
        html! { label {
            span { (reader.say(label, &[])) }
            input type="number" name=(name) value=(value) min="1" max=(newest) required;
        } }
    };
    let body = html! {
        (heading(&title, html! {
            a.button href={ "/templates/" (segment(&id)) } { (reader.say("page-template-back", &[])) }
        }))
        form.form.inline method="get" action={ "/templates/" (segment(&id)) "/difference" } {
            (number("from", "page-difference-from", from))
            (number("to", "page-difference-to", to))
            button.button type="submit" { (reader.say("page-difference-go", &[])) }
        }
        (section(&reader.say("field-text", &[]), changes(reader, &first.text, &second.text)))
    };
    Ok(visit.page(&title, body))
}

/// What changed beside the text, then every line of it; each with a word that says what became of it.
fn changes(reader: &Reader, from: &TemplateText, to: &TemplateText) -> Markup {
    let (from_head, to_head) = (head(reader, from), head(reader, to));
    let heads = lines(&from_head, &to_head).into_iter().filter(|line| !matches!(line, Line::Same(_)));
    let all: Vec<Line> = heads.chain(lines(&from.body, &to.body)).collect();
    let say = |key: &str| reader.say(key, &[]);
    html! {
        @if all.iter().all(|line| matches!(line, Line::Same(_))) { p { (say("page-difference-none")) } }
        div.scroll { table.difference {
            thead { tr { th scope="col" { (say("page-template-change")) } th scope="col" { (say("field-text")) } } }
            tbody { @for line in all { @match line {
                Line::Same(line) => tr { td {} td { (line) } },
                Line::Gone(line) => tr.gone { td { (say("page-difference-gone")) } td { del { (line) } } },
                Line::New(line) => tr.new { td { (say("page-difference-new")) } td { ins { (line) } } },
            } } }
        } }
    }
}

/// What stands beside the text, a line each.
fn head(reader: &Reader, text: &TemplateText) -> String {
    let line = |key: &str, value: &str| format!("{}: {value}\n", reader.say(key, &[]));
    let mut head = line("field-channel", &reader.say(&format!("channel-{}", text.channel), &[]));
    head += &line("field-purpose", &reader.say(&format!("purpose-{}", text.purpose), &[]));
    head += &text.subject.as_deref().map(|subject| line("field-subject", subject)).unwrap_or_default();
    if text.channel == Channel::Sms {
        let key = if text.long { "page-template-long" } else { "page-template-short" };
        head += &line("page-template-form", &reader.say(key, &[]));
    }
    head.trim_end().to_owned()
}
