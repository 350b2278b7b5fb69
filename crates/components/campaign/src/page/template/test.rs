//! A test: one message to somebody of `dispatch.allow_list`, taken in and accounted for as every other.

use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_dispatch::address::normalise;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::message::Channel;
use naru_dispatch::template::Template;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::page::part::{empty, heading, prose, refusal, section};
use naru_web::page::{Markup, Reader, segment};
use naru_web::role::Role;
use naru_web::visit::{SignedIn, Visit};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::Pairs;
use crate::api;
use crate::item::Item;

/// Names of fields that hold values begin so.
const VALUE: &str = "v.";

/// What was filled in.
#[derive(Default)]
pub struct Filled {
    to: String,
    values: Pairs,
    key: String,
}

impl Filled {
    fn read(pairs: Pairs) -> Filled {
        let mut filled = Filled::default();
        for (name, value) in pairs {
            match name.as_str() {
                "to" => filled.to = value,
                "key" => filled.key = value,
                other => filled.values.extend(other.strip_prefix(VALUE).map(|name| (name.to_owned(), value))),
            }
        }
        filled
    }

    fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Whom the configuration allows on a channel. Anything at all could be a push token, so nobody is allowed there.
fn allowed(dispatch: &Dispatch, channel: Channel) -> Vec<Address> {
    let list = dispatch.config().allow_list.iter().filter(|_| channel != Channel::Push);
    list.filter_map(|text| normalise(channel, text)).collect()
}

/// The form on a template's page; `failure` is why the last try was refused.
pub fn part(
    reader: &Reader,
    dispatch: &Dispatch,
    template: &Template,
    filled: &Filled,
    failure: Option<&Failure>,
) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let to = allowed(dispatch, template.text.channel);
    let channel = say(&format!("channel-{}", template.text.channel));
    let title = reader.say("page-test", &[("version", &template.version.to_string())]);
    if to.is_empty() {
        let none = reader.say("page-test-nobody", &[("channel", &channel)]);
        return section(&title, empty(&none, &say("page-test-nobody.hint")));
    }
    section(
        &title,
        html! {
            form.form.narrow method="post" action={ "/templates/" (segment(&template.text.id)) "/test" } {
                @if let Some(failure) = failure { (refusal(reader, failure)) }
                // The same form sent twice is one message.
                input type="hidden" name="key" value=(Id::new(reader.now));
                label {
                    span { (say("field-to")) }
                    // By their place in the list: their addresses stay in the configuration.
                    select name="to" { @for (at, address) in to.iter().enumerate() {
                        option value=(at) selected[filled.to == at.to_string()] { (address) }
                    } }
                }
                @for name in &template.variables { label {
                    span { (name) }
                    input name={ (VALUE) (name) } value=(filled.value(name)) autocomplete="off";
                } }
                p.help { (prose(&say("page-test-help"))) }
                div.actions { button.button type="submit" { (say("page-test-go")) } }
            }
        },
    )
}

/// Sends one, and leads to its page.
pub async fn send(
    State(ctx): State<Ctx>,
    visit: Visit,
    Path(id): Path<String>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Failed> {
    let actor = visit.act(Role::Send, Deed::new("template test", &[("template", &id)]))?;
    let dispatch = ctx.need::<Dispatch>()?;
    let template = dispatch.templates().newest(&id).await?;
    let filled = Filled::read(pairs);
    let to = filled.to.parse().ok().and_then(|at: usize| allowed(&dispatch, template.text.channel).into_iter().nth(at));
    let taken = match to {
        Some(to) => take(&dispatch, &template, &filled, &to, &actor.name).await,
        None => Err(Failure::refused("test-recipient")),
    };
    match taken {
        Ok(message) => Ok(Redirect::to(&format!("/messages/{message}")).into_response()),
        Err(failure) => {
            let failure = mendable(failure)?;
            let body = html! {
                (heading(&id, html! {
                    a.button href={ "/templates/" (segment(&id)) } { (visit.reader.say("page-template-back", &[])) }
                }))
                (part(&visit.reader, &dispatch, &template, &filled, Some(&failure)))
            };
            Ok(form_again(&failure, visit.page(&id, body)))
        }
    }
}

async fn take(
    dispatch: &Dispatch,
    template: &Template,
    filled: &Filled,
    to: &Address,
    actor: &str,
) -> Result<String, Failure> {
    let values: Map<String, Value> =
        template.variables.iter().map(|name| (name.clone(), filled.value(name).into())).collect();
    let message = json!({ "template": template.text.id, "to": to.reveal(), "variables": values }).to_string();
    let item: Item = serde_json::from_str(&message).map_err(Failure::bug)?;
    let body = xxh3_128(message.as_bytes()).to_le_bytes();
    // With other values it is another message, though the form is the same that somebody went back to.
    let name = [filled.key.as_bytes(), &body].concat();
    let key = (!filled.key.is_empty()).then(|| (api::key_of(&name, actor), body));
    let taken = api::accept(dispatch, vec![Ok(item)], key).await?;
    let first = taken.into_iter().next().ok_or_else(|| Failure::bug("a message without an answer"))?;
    first.map(|id| id.to_string())
}

/// Whoever reloads a refused form begins at the template again.
pub async fn back(_: SignedIn, Path(id): Path<String>) -> Redirect {
    Redirect::to(&format!("/templates/{}", segment(&id)))
}
