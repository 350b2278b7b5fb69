//! The two cookies: the session, and the reader's language.

use http::HeaderMap;
use http::header::COOKIE;
use naru_core::text::Lang;

use crate::session;

const SESSION: &str = "naru_session";
const LANG: &str = "naru_lang";
/// Browsers keep no cookie for longer (RFC 6265bis: 400 days).
const LANG_S: i64 = 400 * 24 * 3_600;

/// The session cookie of a request.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    find(headers, SESSION)
}

/// The language chosen by the reader, where one was.
pub(crate) fn lang(headers: &HeaderMap) -> Option<Lang> {
    find(headers, LANG).and_then(|value| value.parse().ok())
}

/// Sets the session. Lax: a link from a chat leads in, a form of another site does not.
pub(crate) fn set_session(value: &str, https: bool) -> String {
    text(SESSION, value, session::LIFE_MS / 1_000, https)
}

/// Forgets the session.
pub(crate) fn end_session(https: bool) -> String {
    text(SESSION, "", 0, https)
}

/// Keeps the reader's choice of language.
pub(crate) fn set_lang(lang: Lang, https: bool) -> String {
    text(LANG, lang.tag(), LANG_S, https)
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn text(name: &str, value: &str, age_s: i64, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}")
}
