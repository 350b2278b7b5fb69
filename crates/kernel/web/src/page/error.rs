//! The page of a failure: what happened, why, and what to do.

use maud::html;
use naru_core::failure::{Failure, Kind};
use naru_core::text::{Lang, Texts};

use super::{Markup, layout, part};

/// Draws it.
pub(crate) fn page(texts: &Texts, lang: Lang, failure: &Failure) -> Markup {
    let say = |key: &str| texts.say(lang, key, &[]);
    let detail = texts.detail(lang, failure);
    // The causes of our own faults name files and statements: they are for the log.
    let causes = if matches!(failure.kind, Kind::Bug | Kind::Unavailable) { &[] } else { &failure.causes[..] };
    let body = html! {
        p.error-status { (failure.kind.status()) " · " code { (failure.code) } }
        h1 { (part::prose(&detail)) }
        @if !causes.is_empty() {
            h2 { (say("web-error-why")) }
            ul.causes { @for cause in causes { li { (cause) } } }
        }
        @if let Some(hint) = texts.hint(lang, failure) {
            h2 { (say("web-error-do")) }
            p { (part::prose(&hint)) }
        }
        @if !matches!(failure.kind, Kind::NotFound | Kind::Forbidden) {
            p.error-note { (say("web-error-back")) }
        }
        p.actions {
            @if failure.kind == Kind::Unauthorized {
                a.button.primary href="/signin" { (say("web-sign-in")) }
            }
            a.button href="/" { (say("web-home")) }
        }
    };
    layout::single(texts, lang, &detail, body)
}
