//! One request, as a handler wants to know it: who asks, in which language, and whether a person looks at the answer.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use naru_core::failure::{Failure, Kind};
use naru_core::text::Lang;

use crate::deed::Deed;
use crate::failed::Failed;
use crate::front::Door;
use crate::page::Reader;
use crate::page::layout::{self, Entry, Frame};
use crate::record::Origin;
use crate::role::{Actor, Role};
use crate::session::{self, Session};
use crate::state::Web;
use crate::{cookie, page};

/// A request behind the front. Extracted by handlers of any state; the front and they share one.
#[derive(Clone)]
pub struct Visit(Arc<Asked>);

impl Deref for Visit {
    type Target = Asked;

    fn deref(&self) -> &Asked {
        &self.0
    }
}

/// What is known of a request.
pub struct Asked {
    /// For whom the answer is drawn.
    pub reader: Reader,
    /// Path and query, as asked for.
    pub path: String,
    /// Whether a browser waits for a page, rather than a program for JSON.
    pub wants_html: bool,
    pub(crate) web: Web,
    pub(crate) https: bool,
    pub(crate) peer: Option<IpAddr>,
    agent: Option<HeaderValue>,
    /// Whether it brings a token, valid or not.
    pub(crate) has_token: bool,
    pub(crate) session: Option<Session>,
    pub(crate) session_cookie: Option<String>,
    actor: Result<Actor, Failure>,
    /// What is being done.
    deed: OnceLock<Deed>,
}

/// Whoever is signed in. A handler that takes it answers nobody else: a person is led to the sign-in page, a program
/// gets 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn(pub Actor);

impl Asked {
    /// The front of the house.
    pub fn web(&self) -> &Web {
        &self.web
    }

    /// Where it comes from, for a record of who did what.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.to_canonical())
    }

    /// Who asks; the failure says why it is nobody.
    pub fn actor(&self) -> Result<&Actor, &Failure> {
        self.actor.as_ref()
    }

    /// Refuses unless whoever asks has at least `role`; the failure names the role that is missing.
    pub fn must(&self, role: Role) -> Result<&Actor, Failure> {
        let actor = self.actor.as_ref().map_err(Failure::clone)?;
        actor.must(role)?;
        Ok(actor)
    }

    /// As [`Asked::must`] for a form that does something: where it is done, the log says who did it.
    pub fn act(&self, role: Role, deed: Deed) -> Result<&Actor, Failure> {
        let actor = self.must(role)?;
        // A request does one thing; the first is what it was sent for.
        let _ = self.deed.set(deed);
        Ok(actor)
    }

    /// Tells the log what was done, where something was.
    pub(crate) fn tell_deed(&self) {
        if let (Some(deed), Ok(actor)) = (self.deed.get(), &self.actor) {
            deed.log(actor);
        }
    }

    /// A whole page around `body`, with the menu as far as the person's role reaches.
    pub fn page(&self, title: &str, body: page::Markup) -> page::Markup {
        let menu = self.menu();
        let actor = self.actor.as_ref().ok();
        layout::page(&self.reader, &Frame { title, menu: &menu, actor }, body)
    }

    fn menu(&self) -> Vec<Entry> {
        let Ok(actor) = &self.actor else { return Vec::new() };
        let path = self.path.split('?').next().unwrap_or_default();
        let items = self.web.menu().iter().filter(|item| actor.role >= item.role);
        // The longest entry that the path begins with is the one we are at: `/campaigns` and not `/`.
        let at = items.clone().map(|item| item.href).filter(|href| is_below(path, href)).max_by_key(|href| href.len());
        items
            .map(|item| Entry {
                href: item.href.to_owned(),
                text: self.reader.say(item.text, &[]),
                active: at == Some(item.href),
            })
            .collect()
    }

    /// Where it comes from, for the sign-in record.
    pub(crate) fn origin(&self) -> Origin {
        let agent = self.agent.as_ref().and_then(|agent| agent.to_str().ok());
        Origin::new(self.peer, agent.unwrap_or_default())
    }
}

impl Visit {
    /// Finds out about a request.
    pub(crate) async fn of(web: &Web, door: Door, parts: &Parts) -> Visit {
        let headers = &parts.headers;
        let peer = peer(parts);
        let lang = cookie::lang(headers).unwrap_or_else(|| Lang::guess(text(headers, &ACCEPT_LANGUAGE)));
        let mut asked = Asked {
            reader: Reader { texts: web.texts().clone(), lang, now: web.now() },
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            wants_html: text(headers, &ACCEPT).contains("text/html"),
            web: web.clone(),
            // Whoever lies in this header only makes their own cookie stricter.
            https: headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https"),
            peer,
            agent: headers.get(USER_AGENT).cloned(),
            has_token: bearer(headers).is_some(),
            session: None,
            session_cookie: cookie::session(headers).map(str::to_owned),
            actor: Err(Failure::new(Kind::Unauthorized, "sign-in-needed")),
            deed: OnceLock::new(),
        };
        asked.identify(door, headers).await;
        Visit(Arc::new(asked))
    }
}

impl Asked {
    async fn identify(&mut self, door: Door, headers: &HeaderMap) {
        if door == Door::Local {
            self.actor = Ok(Actor::local());
        } else if let Some(bearer) = bearer(headers) {
            self.actor = self.web.authenticate(bearer).await;
        } else if let Some(cookie) = &self.session_cookie {
            match session::find(self.web.store(), self.reader.now, cookie).await {
                Ok(session) => {
                    if let Err(failure) = session.note_use(self.web.store(), self.reader.now).await {
                        tracing::warn!(error = %failure, "the use of a session was not noted, it may end early");
                    }
                    self.actor = Ok(session.actor.clone());
                    self.session = Some(session);
                }
                Err(failure) => self.actor = Err(failure),
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visit, Failed> {
        let visit = parts.extensions.get::<Visit>().cloned();
        visit.ok_or_else(|| Failed(Failure::bug("a handler stands outside `Web::front`")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<SignedIn, Failed> {
        let visit = Visit::from_request_parts(parts, state).await?;
        Ok(SignedIn(visit.actor.clone()?))
    }
}

/// What a reader of a live stream has seen last, by the id of the patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for Resume {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Resume, Infallible> {
        // A browser sends the header when it reconnects by itself; the page's script asks with `after`.
        let header = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let query = parts.uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("after=")));
        Ok(Resume(header.or(query).and_then(|id| id.parse().ok())))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Who is at the other end. From a proxy on this machine it is whom the proxy names last, which is the one address in
/// that list that the proxy saw itself; nobody else is believed.
fn peer(parts: &Parts) -> Option<IpAddr> {
    let ConnectInfo(socket) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let mut lines = parts.headers.get_all("x-forwarded-for").iter();
    let last = lines.next_back().and_then(|line| line.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    let believed = socket.ip().to_canonical().is_loopback();
    Some(last.filter(|_| believed).unwrap_or_else(|| socket.ip()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, &AUTHORIZATION).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_below(path: &str, href: &str) -> bool {
    path.strip_prefix(href.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        for (socket, forwarded, expect) in [
            ("127.0.0.1:1", &["192.0.2.1, 192.0.2.2"][..], "192.0.2.2"),
            ("127.0.0.1:1", &["192.0.2.1", "2001:db8::1"], "2001:db8::1"),
            ("[::ffff:127.0.0.1]:1", &["192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1:1", &["nonsense"], "127.0.0.1"),
            ("127.0.0.1:1", &[], "127.0.0.1"),
            ("198.51.100.7:1", &["192.0.2.1"], "198.51.100.7"),
        ] {
            let mut request = http::Request::new(());
            for line in forwarded {
                request.headers_mut().append("x-forwarded-for", line.parse().unwrap());
            }
            request.extensions_mut().insert(ConnectInfo(socket.parse::<SocketAddr>().unwrap()));
            let (parts, ()) = request.into_parts();
            assert_eq!(peer(&parts), Some(expect.parse().unwrap()), "{socket} {forwarded:?}");
        }
    }

    #[test]
    fn a_path_is_below_its_menu_entry() {
        for (path, href, expect) in [
            ("/campaigns", "/campaigns", true),
            ("/campaigns/1", "/campaigns", true),
            ("/campaigns-old", "/campaigns", false),
            ("/campaigns", "/", true),
            ("/", "/", true),
            ("/", "/campaigns", false),
        ] {
            assert_eq!(is_below(path, href), expect, "{path} below {href}");
        }
    }
}
