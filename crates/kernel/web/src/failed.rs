//! A failure on its way to the reader: a handler returns it, the front tells it in the reader's language.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use naru_core::failure::{Failure, Kind};
use naru_core::text::{Lang, Texts};
use serde_json::json;

use crate::page::{Markup, error};

/// What a handler answers when it fails. `?` makes it of a [`Failure`] and of whatever becomes one.
#[derive(Debug)]
pub struct Failed(pub Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    /// An empty response that carries the failure: who reads it and in which language only the front knows.
    fn into_response(self) -> Response {
        let mut response = status(&self.0).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Tells a failure: as a page in the reader's language, or as JSON, which is always English.
pub fn failure_response(texts: &Texts, lang: Lang, wants_html: bool, failure: &Failure) -> Response {
    let status = status(failure);
    let mut response = if wants_html {
        (status, error::page(texts, lang, failure)).into_response()
    } else {
        (status, Json(json(texts, failure))).into_response()
    };
    let headers = response.headers_mut();
    if let Some(seconds) = failure.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A failure that whoever filled in a form can mend there, and is told of beside it; any other goes the way that all
/// failures go.
pub fn mendable(failure: Failure) -> Result<Failure, Failed> {
    match failure.kind {
        Kind::Unauthorized | Kind::Full | Kind::Unavailable | Kind::Bug => Err(Failed(failure)),
        _ => Ok(failure),
    }
}

/// A form once more: `page` shows what was typed and why it was refused, and the status says the same.
pub fn form_again(refused: &Failure, page: Markup) -> Response {
    let mut response = (status(refused), page).into_response();
    if let Some(seconds) = refused.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn json(texts: &Texts, failure: &Failure) -> serde_json::Value {
    let mut error = json!({ "code": failure.code, "detail": texts.detail(Lang::En, failure) });
    if let Some(hint) = texts.hint(Lang::En, failure) {
        error["hint"] = hint.into();
    }
    json!({ "errors": [error] })
}

fn status(failure: &Failure) -> StatusCode {
    StatusCode::from_u16(failure.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The failure behind a bare status that axum answered by itself: a form that does not parse, a method that no handler
/// takes, a body over its bound.
pub(crate) fn of_status(status: StatusCode) -> Option<Failure> {
    Some(match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Failure::usage("request-malformed"),
        StatusCode::METHOD_NOT_ALLOWED => Failure::usage("method-not-allowed"),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::new(Kind::TooLarge, "body-too-large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Failure::usage("body-type-wrong"),
        StatusCode::REQUEST_TIMEOUT => Failure::unavailable("request-timed-out"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_shown_again_only_for_what_can_be_mended_there() {
        for (kind, status) in [
            (Kind::Usage, Some(400)),
            (Kind::Refused, Some(422)),
            (Kind::NotFound, Some(404)),
            (Kind::Conflict, Some(409)),
            (Kind::Forbidden, Some(403)),
            (Kind::TooMany, Some(429)),
            (Kind::Unavailable, None),
            (Kind::Full, None),
            (Kind::Bug, None),
        ] {
            let shown = mendable(Failure { kind, ..Failure::bug("no matter what") }).ok();
            let shown = shown.map(|failure| form_again(&failure, maud::html! {}).status().as_u16());
            assert_eq!(shown, status, "{kind:?}");
        }
    }
}
