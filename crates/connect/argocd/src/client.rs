//! Asking: one connection pool, one token, bounds on time and size, and repeats where they are harmless.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naru_core::clock::{Clock, SystemClock};
use naru_core::failure::Failure;
use naru_core::masked::Secret;
use naru_wire::address::without_user;
use naru_wire::tls::OwnAuthorities;
use naru_wire::wait;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Config;
use crate::refusal::{About, Told, refusal};

/// Some thousands of Applications with the fields that a list asks for.
const BODY_BYTES_MAX: usize = 16 << 20;
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// One Argo CD, asked with one account's token. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
    relist: Duration,
    retry: Duration,
    clock: Arc<dyn Clock>,
}

/// One request.
pub(crate) struct Call {
    pub method: Method,
    /// From `/api`, its parts encoded.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
    pub about: About,
}

/// What an answer says, once it is a yes.
struct Reply {
    status: StatusCode,
    after: Option<Duration>,
    body: Bytes,
}

impl Call {
    pub fn get(path: String, about: About) -> Call {
        Call { method: Method::GET, path, query: Vec::new(), body: None, about }
    }

    pub fn write(method: Method, path: String, body: Option<Value>, about: About) -> Call {
        Call { method, path, query: Vec::new(), body, about }
    }

    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.query.push((name, value.into()));
        self
    }

    pub fn maybe(self, name: &'static str, value: Option<&str>) -> Call {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
}

impl Client {
    /// The Argo CD of `config`; paths in it count from `folder`. Nothing is asked yet.
    pub fn open(config: &Config, folder: &Path) -> Result<Client, Failure> {
        let token = config.token.read(folder, "argocd.token")?;
        let shown = without_user(&config.url);
        let wrong = |why: String| Failure::usage("argocd-url-wrong").arg("url", &shown).cause_text(why);
        let url = Url::parse(&config.url).map_err(|e| wrong(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("it is neither http:// nor https://".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::usage("argocd-url-wrong").arg("url", without_secrets(url)));
        }
        let own = match &config.ca_file {
            Some(path) => OwnAuthorities::read(&folder.join(path), "argocd.ca_file")?,
            None => OwnAuthorities::default(),
        };
        let http = reqwest::Client::builder()
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX)
            .tls_backend_preconfigured(own.client()?)
            // A redirect could carry the token elsewhere; Argo CD sends none, a sign-in page before it does.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| Failure::bug(&e))?;
        Ok(Client {
            inner: Arc::new(Inner {
                http,
                base: config.url.trim_end_matches('/').to_owned(),
                authorization: authorization(&token)?,
                timeout: config.timeout(),
                relist: config.relist(),
                retry: Duration::from_millis(config.retry_ms),
                clock: SystemClock::shared(),
            }),
        })
    }

    /// The address it was opened with.
    pub fn url(&self) -> &str {
        &self.inner.base
    }

    pub(crate) fn relist(&self) -> Duration {
        self.inner.relist
    }

    /// Waits before the next try, the longer the more there were.
    pub(crate) async fn pause(&self, tries: u32) {
        wait::pass(wait::before_next(tries, self.inner.retry, wait::LONGEST)).await;
    }

    /// Asks and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        let body = self.carry(&call).await?;
        serde_json::from_slice(&body).map_err(|e| self.bad_answer(&e.to_string()))
    }

    /// Asks, where a yes is all there is to read.
    pub(crate) async fn tell(&self, call: Call) -> Result<(), Failure> {
        self.carry(&call).await.map(drop)
    }

    pub(crate) fn bad_answer(&self, why: &str) -> Failure {
        Failure::unavailable("argocd-bad-answer").arg("url", self.url()).cause_text(why)
    }

    /// A request of the watch, whose answer has no end and so no time for it.
    pub(crate) async fn open_stream(&self, call: &Call) -> Result<Response, Failure> {
        let response = self.request(call).send().await.map_err(|e| self.no_answer(call, &e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let reply = self.read(response, call).await?;
        Err(self.refusal(&reply, call))
    }

    /// Reads are repeated where nobody answered or something between did; a write is sent once. What takes too long is not
    /// repeated: whoever waits has waited.
    async fn carry(&self, call: &Call) -> Result<Bytes, Failure> {
        let mut attempt = 1;
        loop {
            let (failure, again) = match self.once(call).await {
                Ok(reply) if reply.status.is_success() => return Ok(reply.body),
                Ok(reply) => (self.refusal(&reply, call), again_after(&reply)),
                Err(failure) => {
                    let again = failure.code == "argocd-unreachable";
                    (failure, again.then_some(Duration::ZERO))
                }
            };
            let may = call.method == Method::GET && attempt < wait::TRIES;
            let Some(after) = again.filter(|after| may && *after <= wait::ASKED_MAX) else {
                return Err(failure);
            };
            tracing::debug!(argocd.path = call.path, attempt, error = %failure, "read is repeated");
            wait::pass(after).await;
            self.pause(attempt).await;
            attempt += 1;
        }
    }

    async fn once(&self, call: &Call) -> Result<Reply, Failure> {
        let whole = async {
            let response = self.request(call).send().await.map_err(|e| self.no_answer(call, &e))?;
            self.read(response, call).await
        };
        let silent = || Failure::unavailable("argocd-silent").arg("url", self.url());
        tokio::time::timeout(self.inner.timeout, whole).await.unwrap_or_else(|_| Err(silent()))
    }

    fn request(&self, call: &Call) -> RequestBuilder {
        let mut url = format!("{}{}", self.inner.base, call.path);
        if !call.query.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&call.query);
            url = format!("{url}?{}", query.finish());
        }
        let request = self.inner.http.request(call.method.clone(), url).header(ACCEPT, "application/json");
        let request = request.header(AUTHORIZATION, self.inner.authorization.clone());
        // The server takes no write without it, with a body or not: a guard against forms of other sites.
        let request = match call.method {
            Method::GET => request,
            _ => request.header(CONTENT_TYPE, "application/json"),
        };
        match &call.body {
            Some(body) => request.body(body.to_string()),
            None => request,
        }
    }

    async fn read(&self, mut response: Response, call: &Call) -> Result<Reply, Failure> {
        let (status, after) = (response.status(), wait::retry_after(response.headers(), self.inner.clock.now_ms()));
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(|e| self.no_answer(call, &e))? {
            if body.len() + bytes.len() > BODY_BYTES_MAX {
                return Err(self.bad_answer(&format!("more than {} MiB", BODY_BYTES_MAX >> 20)));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Reply { status, after, body: body.into() })
    }

    fn refusal(&self, reply: &Reply, call: &Call) -> Failure {
        refusal(reply.status, Told::read(&reply.body).as_ref(), reply.after, &call.about, self.url())
    }

    /// Where there was no connection nothing was asked; afterwards a write may have been done.
    fn no_answer(&self, call: &Call, error: &reqwest::Error) -> Failure {
        let code = match error.is_connect() || call.method == Method::GET {
            true => "argocd-unreachable",
            false => "argocd-answer-lost",
        };
        let failure = Failure::unavailable(code).arg("url", self.url());
        // reqwest's own sentence names the whole URL; why stands in its sources.
        match std::error::Error::source(error) {
            Some(source) => failure.cause(source),
            None => failure,
        }
    }
}

/// After how long the same question may be answered otherwise, if ever.
fn again_after(reply: &Reply) -> Option<Duration> {
    match reply.status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Some(reply.after.unwrap_or_default())
        }
        StatusCode::TOO_MANY_REQUESTS => reply.after,
        _ => None,
    }
}

fn authorization(token: &Secret) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
    let mut value = value.map_err(|_| Failure::usage("argocd-token-wrong"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn without_secrets(mut url: Url) -> Url {
    // An error means that there is nowhere to put them, and so none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}
