//! Codes of outcomes in words.

use maud::{Markup, html};
use naru_web::page::Reader;

/// What a code says; those of a provider that nobody has put into words stand as they are.
pub fn words(reader: &Reader, code: &str) -> String {
    let numbered = code.split_once('-').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    let (key, number) = match numbered {
        Some((kind, number)) => (format!("outcome-{kind}-number"), number),
        None => (format!("outcome-{code}"), ""),
    };
    // A provider names its codes, and no code may reach for a hint or for another sentence.
    let is_plain = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let known = reader.texts.find(reader.lang, &key, [("number", number)].into_iter()).filter(|_| is_plain);
    known.unwrap_or_else(|| code.to_owned())
}

/// What a code says, with the code itself for whoever looks it up.
pub fn told(reader: &Reader, code: &str) -> Markup {
    let words = words(reader, code);
    html! { @if words == code { code { (code) } } @else { (words) " " span.quiet { code { (code) } } } }
}
