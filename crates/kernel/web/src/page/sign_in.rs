//! The forms by which a person comes in: name and password, a sign-in link, a new password.

use maud::html;
use naru_core::failure::Failure;

use super::part::{prose, refusal};
use super::{Markup, Reader, layout};
use crate::password;

/// Asks for name and password; `refused` is why the last try failed, `name` what was typed then.
pub(crate) fn form(reader: &Reader, name: &str, next: &str, refused: Option<&Failure>) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let command = "`naru user link`";
    let body = html! {
        h1 { (say("web-sign-in")) }
        p.lead { (say("web-sign-in-lead")) }
        @if let Some(refused) = refused { (refusal(reader, refused)) }
        form.form method="post" action="/signin" {
            input type="hidden" name="next" value=(next);
            (field("name", "text", "username", &say("web-sign-in-name"), Some(name)))
            (field("password", "password", "current-password", &say("web-sign-in-password"), None))
            button.button.primary type="submit" { (say("web-sign-in")) }
        }
        p.help { (prose(&reader.say("web-sign-in-no-password", &[("command", command)]))) }
    };
    layout::single(&reader.texts, reader.lang, &say("web-sign-in"), body)
}

/// Asks whether to use a link up: looking at it must not, since chats and mail scanners look at links too.
pub(crate) fn link(reader: &Reader, person: &str, link: &str) -> Markup {
    let say = |key: &str| reader.say(key, &[("name", person)]);
    let body = html! {
        h1 { (say("web-sign-in")) }
        p.lead { (say("web-link-lead")) }
        form.form method="post" action={ "/signin/" (link) } {
            button.button.primary type="submit" autofocus { (say("web-link-go")) }
        }
    };
    layout::single(&reader.texts, reader.lang, &say("web-sign-in"), body)
}

/// Asks for a new password, and for the current one where `asks_current`.
pub(crate) fn password(reader: &Reader, person: &str, asks_current: bool, refused: Option<&Failure>) -> Markup {
    let chars = password::CHARS_MIN.to_string();
    let say = |key: &str| reader.say(key, &[("name", person), ("chars", &chars)]);
    let body = html! {
        h1 { (say("web-set-password")) }
        p.lead { (say("web-password-lead")) }
        @if let Some(refused) = refused { (refusal(reader, refused)) }
        form.form method="post" action="/password" {
            // For password managers: whose password it is.
            input type="text" name="username" autocomplete="username" value=(person) readonly hidden;
            @if asks_current {
                (field("current", "password", "current-password", &say("web-password-current"), None))
            }
            (field("new", "password", "new-password", &say("web-password-new"), None))
            p.help { (say("web-password-rule")) }
            (field("again", "password", "new-password", &say("web-password-again"), None))
            button.button.primary type="submit" { (say("web-password-save")) }
            a.button href="/" { (say("web-password-later")) }
        }
        p.help { (say("web-password-others-end")) }
    };
    layout::single(&reader.texts, reader.lang, &say("web-set-password"), body)
}

fn field(name: &str, kind: &str, autocomplete: &str, label: &str, value: Option<&str>) -> Markup {
    html! {
        label {
            span { (label) }
            input name=(name) type=(kind) autocomplete=(autocomplete) value=[value] required
                autocapitalize="none" spellcheck="false";
        }
    }
}
