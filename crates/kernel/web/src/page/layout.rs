//! The whole page: head, menu, and the places where a person changes language or signs out.

use maud::{DOCTYPE, html};
use naru_core::text::{Lang, Texts};

use super::{Markup, Reader};
use crate::asset::{MARK, SCRIPT, STYLE};
use crate::role::{Actor, Role};

/// What stands around the body.
pub struct Frame<'a> {
    /// In the browser's tab.
    pub title: &'a str,
    /// The menu, in order.
    pub menu: &'a [Entry],
    /// Who is signed in.
    pub actor: Option<&'a Actor>,
}

/// A line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it leads.
    pub href: String,
    /// As the reader reads it.
    pub text: String,
    /// Whether it is where we are.
    pub active: bool,
}

/// A page of the console. `body` begins with its heading ([`super::part::heading`]).
pub fn page(reader: &Reader, frame: &Frame, body: Markup) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let inside = html! {
        a.skip href="#main" { (say("web-skip")) }
        div.shell {
            header.side {
                (brand())
                @if !frame.menu.is_empty() {
                    nav.menu aria-label=(say("web-menu")) {
                        @for entry in frame.menu {
                            a href=(entry.href) aria-current=[entry.active.then_some("page")] { (entry.text) }
                        }
                    }
                }
                div.side-foot {
                    @if let Some(actor) = frame.actor { (who(reader, actor)) }
                    (languages(&reader.texts, reader.lang))
                }
            }
            main #main tabindex="-1" { (body) }
        }
        p.live-lost #live-lost role="status" hidden {
            (say("web-live-lost")) " " a href="" { (say("web-live-reload")) }
        }
    };
    document(reader.lang, frame.title, inside)
}

/// A page with one thing to do on it: to sign in, or to read what went wrong.
pub(crate) fn single(texts: &Texts, lang: Lang, title: &str, body: Markup) -> Markup {
    let inside = html! {
        div.single {
            header.single-head { (brand()) }
            main.card #main tabindex="-1" { (body) }
            footer.single-foot { (languages(texts, lang)) }
        }
    };
    document(lang, title, inside)
}

/// The reader's word for a role.
pub fn role(reader: &Reader, role: Role) -> String {
    reader.say(
        match role {
            Role::View => "web-role-view",
            Role::Send => "web-role-send",
            Role::Operate => "web-role-operate",
            Role::Admin => "web-role-admin",
        },
        &[],
    )
}

fn document(lang: Lang, title: &str, inside: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · naru" }
                link rel="icon" type="image/svg+xml" href=(MARK.href());
                link rel="stylesheet" href=(STYLE.href());
                script defer src=(SCRIPT.href()) {}
            }
            body { (inside) }
        }
    }
}

fn brand() -> Markup {
    html! {
        a.brand href="/" {
            img src=(MARK.href()) alt="" width="24" height="24";
            "naru"
        }
    }
}

fn who(reader: &Reader, actor: &Actor) -> Markup {
    html! {
        div.who {
            a.who-name href="/password" title=(reader.say("web-set-password", &[])) { (actor.name) }
            span.who-role { (role(reader, actor.role)) }
            form method="post" action="/signout" {
                button.link type="submit" { (reader.say("web-sign-out", &[])) }
            }
        }
    }
}

fn languages(texts: &Texts, lang: Lang) -> Markup {
    html! {
        form.langs method="post" action="/lang" aria-label=(texts.say(lang, "web-lang", &[])) {
            @for (other, name) in [(Lang::Ko, "한국어"), (Lang::En, "English")] {
                button.link type="submit" name="lang" value=(other.tag()) lang=(other.tag())
                    aria-pressed=(if other == lang { "true" } else { "false" }) { (name) }
            }
        }
    }
}
