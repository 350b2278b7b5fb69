//! Coming in and going out: by password, by link, setting a password, choosing a language.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{HeaderMap, REFERER, SET_COOKIE};
use http::{HeaderValue, Uri};
use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_core::masked::Secret;
use naru_core::text::Lang;
use serde::Deserialize;

use crate::failed::{Failed, form_again};
use crate::page::{Markup, sign_in as page};
use crate::session::{self, Session, Start};
use crate::visit::Visit;
use crate::{cookie, link, name, password, person, record};

/// Largest form of these pages: names and passwords are bounded far below.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Longest address to go on to after signing in.
const NEXT_CHARS_MAX: usize = 2_000;

/// The pages of this module.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/signin", get(ask).post(sign_in))
        .route("/signin/{link}", get(ask_link).post(use_link))
        .route("/password", get(ask_password).post(set_password))
        .route("/signout", post(sign_out))
        .route("/lang", post(set_lang))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

/// The sign-in page that leads back to `path`.
pub(crate) fn path_with_next(path: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(local(path).as_bytes()).collect();
    format!("/signin?next={next}")
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn ask(visit: Visit, Query(Next { next }): Query<Next>) -> Response {
    if visit.session.is_some() {
        return Redirect::to(local(&next)).into_response();
    }
    let ended = visit.actor().err().filter(|failure| failure.code == "session-ended");
    page::form(&visit.reader, "", local(&next), ended).into_response()
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: Secret,
    #[serde(default)]
    next: String,
}

async fn sign_in(visit: Visit, Form(form): Form<SignIn>) -> Result<Response, Failed> {
    match check(&visit, &form).await {
        Ok(cookie) => Ok(signed_in(&visit, &cookie, local(&form.next))),
        Err(refused) if matches!(refused.kind, Kind::Unauthorized | Kind::TooMany) => {
            let page = page::form(&visit.reader, &form.name, local(&form.next), Some(&refused));
            Ok(form_again(&refused, page))
        }
        Err(failure) => Err(Failed(failure)),
    }
}

/// Begins a session where name and password are right. Whatever is wrong, the answer is the same and takes as long.
async fn check(visit: &Visit, form: &SignIn) -> Result<Secret, Failure> {
    let wrong = || Failure::new(Kind::Unauthorized, "sign-in-wrong");
    let store = visit.web().store();
    // A name that cannot be one is tried all the same, as nobody's.
    let name = name::normal(&form.name).unwrap_or_default();
    visit.web().throttle().begin(visit.web().monotonic(), &name, visit.peer)?;
    let known = person::find(store, &name).await?;
    let is_known = known.is_some();
    let stored = known.filter(|person| !person.disabled).and_then(|person| person.password);
    if password::verify(form.password.clone(), stored).await? {
        visit.web().throttle().succeeded(&name, visit.peer);
        return start(visit).by_password(store, name).await?.ok_or_else(wrong);
    }
    let recorded = if is_known { name } else { String::new() };
    record::refused(store, visit.reader.now, recorded, visit.origin()).await?;
    Err(wrong())
}

async fn ask_link(visit: Visit, Path(link): Path<String>) -> Result<Markup, Failed> {
    let person = link::look(visit.web().store(), visit.reader.now, &link).await?;
    Ok(page::link(&visit.reader, &person, &link))
}

async fn use_link(visit: Visit, Path(link): Path<String>) -> Result<Response, Failed> {
    let cookie = start(&visit).by_link(visit.web().store(), &link).await?.ok_or_else(link::spent)?;
    Ok(signed_in(&visit, &cookie, "/password"))
}

async fn ask_password(visit: Visit) -> Result<Markup, Failed> {
    let session = own_session(&visit)?;
    let asks = stored_password_asked(&visit, session).await?.is_some();
    Ok(page::password(&visit.reader, &session.actor.name, asks, None))
}

#[derive(Deserialize)]
struct NewPassword {
    #[serde(default)]
    current: Option<Secret>,
    new: Secret,
    again: Secret,
}

async fn set_password(visit: Visit, Form(form): Form<NewPassword>) -> Result<Response, Failed> {
    let session = own_session(&visit)?;
    let stored = stored_password_asked(&visit, session).await?;
    let asks = stored.is_some();
    match replace_password(&visit, session, stored, form).await {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(refused) if matches!(refused.kind, Kind::Refused | Kind::TooMany) => {
            let page = page::password(&visit.reader, &session.actor.name, asks, Some(&refused));
            Ok(form_again(&refused, page))
        }
        Err(failure) => Err(Failed(failure)),
    }
}

async fn replace_password(
    visit: &Visit,
    session: &Session,
    stored: Option<String>,
    form: NewPassword,
) -> Result<(), Failure> {
    let name = &session.actor.name;
    if !form.new.matches(form.again.reveal()) {
        return Err(Failure::refused("password-differs"));
    }
    password::check(&form.new, name)?;
    if stored.is_some() {
        visit.web().throttle().begin(visit.web().monotonic(), name, visit.peer)?;
        let current = form.current.unwrap_or_else(|| Secret::new(""));
        if !password::verify(current, stored).await? {
            return Err(Failure::refused("password-wrong"));
        }
        visit.web().throttle().succeeded(name, visit.peer);
    }
    let hash = password::hash(form.new).await?;
    person::set_password(visit.web().store(), name.clone(), hash, session.hash.clone()).await
}

async fn sign_out(visit: Visit) -> Result<Response, Failed> {
    if let Some(session) = &visit.session {
        let hash = session.hash.clone();
        let ended = visit.web().store().write(move |conn| {
            let hash = hash.clone();
            Box::pin(async move { session::end(conn, &hash).await })
        });
        ended.await?;
    }
    Ok(with_cookie(&cookie::end_session(visit.https), Redirect::to("/signin")))
}

#[derive(Deserialize)]
struct Choice {
    lang: Lang,
}

async fn set_lang(visit: Visit, headers: HeaderMap, Form(Choice { lang }): Form<Choice>) -> Response {
    let from = headers.get(REFERER).and_then(|from| from.to_str().ok()).and_then(|from| from.parse::<Uri>().ok());
    let path = from.as_ref().and_then(|from| from.path_and_query()).map_or("/", |path| path.as_str());
    with_cookie(&cookie::set_lang(lang, visit.https), Redirect::to(local(path)))
}

/// The session of a person; a token has no password to set.
fn own_session(visit: &Visit) -> Result<&Session, Failure> {
    visit.session.as_ref().ok_or_else(|| Failure::new(Kind::Unauthorized, "sign-in-needed"))
}

/// The hash of the password that has to be given before a new one is set: whoever finds a browser open must not be
/// able to keep its person out. Whoever just came by a link has lost it.
async fn stored_password_asked(visit: &Visit, session: &Session) -> Result<Option<String>, Failure> {
    let link_lived: Millis = visit.reader.now - session.started_at;
    if session.by_link && link_lived < link::LIFE_MS {
        return Ok(None);
    }
    let person = person::find(visit.web().store(), &session.actor.name).await?;
    Ok(person.and_then(|person| person.password))
}

fn start(visit: &Visit) -> Start {
    Start { now: visit.reader.now, origin: visit.origin(), replaces: visit.session_cookie.clone() }
}

fn signed_in(visit: &Visit, cookie: &Secret, next: &str) -> Response {
    with_cookie(&cookie::set_session(cookie.reveal(), visit.https), Redirect::to(next))
}

fn with_cookie(cookie: &str, redirect: Redirect) -> Response {
    let mut response = redirect.into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// `path` if it leads to a place in this house, else the overview: a sign-in page that leads anywhere would make a
/// stranger's page look like the next step. Browsers read `\` as `/` and skip control characters.
fn local(path: &str) -> &str {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && path.len() <= NEXT_CHARS_MAX;
    if plain && path.starts_with('/') && !path.starts_with("//") { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_of_this_house_come_next() {
        for (next, expect) in [
            ("/campaigns?page=2", "/campaigns?page=2"),
            ("", "/"),
            ("campaigns", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example/", "/"),
            ("/캠페인", "/"),
        ] {
            assert_eq!(local(next), expect, "{next:?}");
        }
        assert_eq!(path_with_next("/a?b=c&d=/e"), "/signin?next=%2Fa%3Fb%3Dc%26d%3D%2Fe");
    }
}
