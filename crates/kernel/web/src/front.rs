//! The door of the house: what every request passes on its way in, and every answer on its way out.
//!
//! From the outside in: who asks ([`crate::visit`]), and on the way out failures told and headers that keep browsers
//! strict; panics caught; forms of other sites refused; then the rooms. Static files stand beside all that.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{self, HeaderName};
use http::{HeaderValue, Method};
use naru_core::failure::{Failure, Kind};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::failed::{self, Failed, failure_response};
use crate::state::Web;
use crate::visit::Visit;
use crate::{asset, sign_in};

/// Where a request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// From the network: whoever it is says so by session or token. Serve it with
    /// `into_make_service_with_connect_info::<SocketAddr>()`, so that guessing can be slowed by peer.
    Network,
    /// From the socket in the data folder: whoever can open it owns the data.
    Local,
}

impl Web {
    /// The rooms behind the front, ready to be served.
    pub fn front(&self, door: Door, rooms: Router) -> Router {
        let rooms = rooms.merge(sign_in::routes()).fallback(missing);
        // No browser speaks to a socket of the file system. Else the rules of Go 1.25's CrossOriginProtection:
        // Sec-Fetch-Site, else Origin against Host; safe methods pass, and so does what carries neither header, since no
        // browser sent it (webhooks, programs).
        let own_site = (door == Door::Network).then(|| CsrfLayer::new().with_rejection_response(cross_origin));
        // One layer of several, since a router boxes each that it is given.
        let layers = ServiceBuilder::new()
            .layer(from_fn_with_state((self.clone(), door), meet))
            .layer(CatchPanicLayer::custom(|_| Failed(Failure::bug("a handler panicked")).into_response()))
            .option_layer(own_site);
        rooms.layer(layers).merge(asset::routes().layer(map_response(keep_strict)))
    }
}

async fn missing(request: Request) -> Failed {
    let path: String = request.uri().path().chars().take(PATH_CHARS_SHOWN).collect();
    Failed(Failure::not_found("page-missing").arg("path", path))
}

/// A path is repeated to whoever asked for it, but not pages of it.
const PATH_CHARS_SHOWN: usize = 200;

fn cross_origin(_: ProtectionError) -> Response {
    Failed(Failure::new(Kind::Forbidden, "cross-origin")).into_response()
}

/// Finds out who asks, and tells what went wrong, or who did what.
async fn meet(State((web, door)): State<(Web, Door)>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&web, door, &parts).await;
    let safe = matches!(parts.method, Method::GET | Method::HEAD);
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    let told = match response.extensions_mut().remove::<Failure>() {
        Some(failure) => {
            // The route and not the path: a sign-in link must not reach a log.
            log(route.as_ref().map_or("none", MatchedPath::as_str), &failure);
            tell(&visit, safe, &failure)
        }
        None => {
            if response.status().is_success() || response.status().is_redirection() {
                visit.tell_deed();
            }
            tell_bare(&visit, response)
        }
    };
    // Whoever brings a token is a program, and there is no page for it to be drawn in.
    if visit.has_token { keep(told, &BARE) } else { keep(told, &STRICT) }
}

fn log(route: &str, failure: &Failure) {
    match failure.kind {
        Kind::Bug => tracing::error!(error = %failure, http.route = route, "request failed"),
        Kind::Unavailable => tracing::warn!(error = %failure, http.route = route, "request failed"),
        _ => {}
    }
}

fn tell(visit: &Visit, safe: bool, failure: &Failure) -> Response {
    // A form that is sent after its session ended is answered in place: going back still has what was typed.
    if visit.wants_html && safe && matches!(failure.code.as_str(), "sign-in-needed" | "session-ended") {
        return Redirect::to(&sign_in::path_with_next(&visit.path)).into_response();
    }
    failure_response(visit.web().texts(), visit.reader.lang, visit.wants_html, failure)
}

/// Gives what axum refused by itself a body like every other failure's.
fn tell_bare(visit: &Visit, response: Response) -> Response {
    let plain =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let Some(failure) = failed::of_status(response.status()).filter(|_| plain) else { return response };
    let mut told = failure_response(visit.web().texts(), visit.reader.lang, visit.wants_html, &failure);
    *told.status_mut() = response.status();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        told.headers_mut().insert(header::ALLOW, allow.clone());
    }
    told
}

static STRICT: [(HeaderName, &str); 7] = [
    // No `unsafe-inline`, no `unsafe-eval`: what is injected into a page can neither run nor be drawn.
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: with it browsers send `Origin: null`, and over plain HTTP nothing else tells whose form it is.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Pages show what only the signed-in may see; static files say otherwise themselves.
    (header::CACHE_CONTROL, "no-store"),
];

/// For programs.
static BARE: [(HeaderName, &str); 2] =
    [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-store")];

/// Room for the request's id, and for what the server adds by itself.
const HEADERS_AFTER: usize = 3;

async fn keep_strict(response: Response) -> Response {
    keep(response, &STRICT)
}

fn keep(mut response: Response, rules: &'static [(HeaderName, &'static str)]) -> Response {
    let headers = response.headers_mut();
    // Grown once and not name by name.
    headers.reserve(rules.len() + HEADERS_AFTER);
    for (name, value) in rules {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
