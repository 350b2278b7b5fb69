//! Asking: one cluster, one account, bounds on time, size and pace, and repeats where they are harmless.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use naru_core::clock::{Clock, SystemClock};
use naru_core::failure::{Failure, Kind};
use naru_wire::wait;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::call::{Call, Refused};
use crate::config::{Config, Source};
use crate::connect;
use crate::connect::{Made, connect, credential};
use crate::discovery::Catalogue;
use crate::pace::Pace;
use crate::refusal::{About, Told, is_resource_gone, refusal};
use crate::version::{ServerVersion, Told as VersionTold};

/// A page of a few hundred large objects.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 20;

/// One cluster, asked with one account. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    /// As the configuration names it.
    cluster: String,
    source: Source,
    timeout: Duration,
    watch_s: u64,
    retry: Duration,
    clock: Arc<dyn Clock>,
    pace: Pace,
    /// Made at the first call, and anew after a credential was refused.
    carrier: RwLock<Option<Carrier>>,
    /// One that is being made, by a program that may hang.
    making: Mutex<Option<JoinHandle<Made>>>,
    /// How many were made.
    carriers: AtomicU64,
    catalogue: Catalogue,
}

#[derive(Clone)]
struct Carrier {
    client: kube::Client,
    /// Tells one from the next.
    number: u64,
}

/// What an answer says.
struct Reply {
    status: StatusCode,
    after: Option<Duration>,
    body: Bytes,
}

impl Client {
    /// The cluster of `config`, named `cluster` in failures; paths in it count from `folder`. Nothing is asked yet.
    pub fn open(cluster: &str, config: &Config, folder: &Path) -> Result<Client, Failure> {
        let source = config.source(cluster, folder)?;
        connect::check(&source)?;
        Ok(Client {
            inner: Arc::new(Inner {
                cluster: cluster.to_owned(),
                source,
                timeout: config.timeout(),
                watch_s: config.watch_s.max(1),
                retry: Duration::from_millis(config.retry_ms),
                clock: SystemClock::shared(),
                pace: Pace::new(config.calls_per_s),
                carrier: RwLock::default(),
                making: Mutex::default(),
                carriers: AtomicU64::new(0),
                catalogue: Catalogue::default(),
            }),
        })
    }

    /// The cluster's name in the configuration.
    pub fn cluster(&self) -> &str {
        &self.inner.cluster
    }

    /// Which Kubernetes it is.
    pub async fn version(&self) -> Result<ServerVersion, Failure> {
        let about = About { verb: "get", resource: "/version".to_owned(), ..About::default() };
        let told: VersionTold = self.ask(Call::get("/version".to_owned(), about)).await?;
        let git = told_version(&told);
        ServerVersion::read(told).ok_or_else(|| self.unreadable(&format!("a version `{git}`")))
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    pub(crate) fn watch_s(&self) -> u64 {
        self.inner.watch_s
    }

    /// Waits before the next try, the longer the more there were.
    pub(crate) async fn pause(&self, tries: u32) {
        wait::pass(wait::before_next(tries, self.inner.retry, wait::LONGEST)).await;
    }

    /// Asks and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Refused> {
        let body = self.carry(&call).await?;
        serde_json::from_slice(&body).map_err(|e| self.unreadable(&e.to_string()).into())
    }

    pub(crate) fn unreadable(&self, why: &str) -> Failure {
        Failure::unavailable("k8s-answer-unreadable").arg("cluster", self.cluster()).cause_text(why)
    }

    pub(crate) fn refusal(
        &self,
        status: StatusCode,
        told: Option<&Told>,
        after: Option<Duration>,
        about: &About,
    ) -> Failure {
        refusal(status, told, after, about, self.cluster())
    }

    /// A request of a watch, whose answer has no end and so no time for it; its head has.
    pub(crate) async fn open_stream(&self, call: &Call) -> Result<Response<Body>, Refused> {
        self.turn().await?;
        let carrier = self.carrier().await?;
        let sent = tokio::time::timeout(self.inner.timeout, self.send(&carrier, call));
        let response = sent.await.unwrap_or_else(|_| Err(self.silent()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let read = tokio::time::timeout(self.inner.timeout, self.read(response, call));
        let reply = read.await.unwrap_or_else(|_| Err(self.silent()))?;
        if reply.status == StatusCode::UNAUTHORIZED {
            self.forget(&carrier).await;
        }
        Err(self.refused(&reply, call))
    }

    /// Questions are repeated where nobody answered or something between did; a write is sent once. What takes too long
    /// is not repeated: whoever waits has waited.
    async fn carry(&self, call: &Call) -> Result<Bytes, Refused> {
        let mut attempt = 1;
        loop {
            self.turn().await?;
            let carrier = self.carrier().await?;
            let (refused, again) = match self.once(&carrier, call).await {
                Ok(reply) if reply.status.is_success() => return Ok(reply.body),
                Ok(reply) => (self.refused(&reply, call), again_after(&reply)),
                Err(failure) => {
                    let again = failure.code == "k8s-unreachable";
                    (failure.into(), again.then_some(Duration::ZERO))
                }
            };
            // A credential may have been exchanged since it was read: once, it is read again.
            let is_stale = refused.failure.code == "k8s-token-refused";
            if is_stale {
                self.forget(&carrier).await;
            }
            let again = again.or((is_stale && attempt == 1).then_some(Duration::ZERO));
            let may = call.is_question && attempt < wait::TRIES;
            let Some(after) = again.filter(|after| may && *after <= wait::ASKED_MAX) else {
                return Err(refused);
            };
            tracing::debug!(cluster.name = self.cluster(), k8s.path = call.path, attempt, error = %refused.failure, "question is repeated");
            wait::pass(after).await;
            if !is_stale {
                self.pause(attempt).await;
            }
            attempt += 1;
        }
    }

    async fn turn(&self) -> Result<(), Failure> {
        let now = Instant::now();
        let Some(turn) = self.inner.pace.turn(now, self.inner.timeout) else {
            let failure = Failure::new(Kind::TooMany, "k8s-calls-wait").arg("cluster", self.cluster());
            return Err(failure.retry_after(self.inner.timeout.as_secs()));
        };
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
        Ok(())
    }

    /// In time also for those who wait for another one to make it.
    async fn carrier(&self) -> Result<Carrier, Failure> {
        let made = tokio::time::timeout(self.inner.timeout, self.make_carrier()).await;
        let late = |_| Err(Failure::unavailable("k8s-credential-failed").cause_text("nothing came in time"));
        made.unwrap_or_else(late).map_err(|failure| failure.arg("cluster", self.cluster()))
    }

    async fn make_carrier(&self) -> Result<Carrier, Failure> {
        if let Some(carrier) = self.inner.carrier.read().await.clone() {
            return Ok(carrier);
        }
        let mut place = self.inner.carrier.write().await;
        if let Some(carrier) = place.clone() {
            return Ok(carrier);
        }
        let client = connect(&self.inner.source, &mut *self.inner.making.lock().await).await?;
        let number = self.inner.carriers.fetch_add(1, Ordering::Relaxed);
        Ok(place.insert(Carrier { client, number }).clone())
    }

    /// The next call reads the credentials again, unless another call has had that done.
    async fn forget(&self, carrier: &Carrier) {
        let mut place = self.inner.carrier.write().await;
        if place.as_ref().is_some_and(|it| it.number == carrier.number) {
            *place = None;
        }
    }

    async fn once(&self, carrier: &Carrier, call: &Call) -> Result<Reply, Failure> {
        let whole = async {
            let response = self.send(carrier, call).await?;
            self.read(response, call).await
        };
        tokio::time::timeout(self.inner.timeout, whole).await.unwrap_or_else(|_| Err(self.silent()))
    }

    async fn send(&self, carrier: &Carrier, call: &Call) -> Result<Response<Body>, Failure> {
        let request = self.request(call)?;
        carrier.client.send(request).await.map_err(|error| match credential(&error) {
            Some(failure) => failure.arg("cluster", self.cluster()),
            None => self.no_answer(call, &error),
        })
    }

    fn request(&self, call: &Call) -> Result<Request<Body>, Failure> {
        let mut url = call.path.clone();
        if !call.query.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&call.query);
            url = format!("{url}?{}", query.finish());
        }
        let request = Request::builder().method(call.method.clone()).uri(url).header(ACCEPT, "application/json");
        let request = request.header(USER_AGENT, concat!("naru/", env!("CARGO_PKG_VERSION")));
        let request = match &call.body {
            Some(body) => request.header(CONTENT_TYPE, call.media_type).body(Body::from(body.to_string().into_bytes())),
            None => request.body(Body::empty()),
        };
        request.map_err(Failure::bug)
    }

    async fn read(&self, response: Response<Body>, call: &Call) -> Result<Reply, Failure> {
        let (status, after) = (response.status(), wait::retry_after(response.headers(), self.inner.clock.now_ms()));
        let (mut body, mut frames) = (Vec::new(), response.into_body());
        while let Some(frame) = frames.frame().await {
            let frame = frame.map_err(|e| self.no_answer(call, &e))?;
            let Some(bytes) = frame.data_ref() else { continue };
            if body.len() + bytes.len() > BODY_BYTES_MAX {
                return Err(self.unreadable(&format!("more than {} MiB", BODY_BYTES_MAX >> 20)));
            }
            body.extend_from_slice(bytes);
        }
        Ok(Reply { status, after, body: body.into() })
    }

    fn refused(&self, reply: &Reply, call: &Call) -> Refused {
        let told = Told::read(&reply.body);
        Refused {
            failure: self.refusal(reply.status, told.as_ref(), reply.after, &call.about),
            resource_gone: is_resource_gone(reply.status, told.as_ref()),
        }
    }

    fn silent(&self) -> Failure {
        Failure::unavailable("k8s-silent").arg("cluster", self.cluster())
    }

    /// Where there was no connection nothing was asked; afterwards a write may have been done.
    fn no_answer(&self, call: &Call, error: &(dyn std::error::Error + 'static)) -> Failure {
        let code = if call.is_question || is_connect(error) { "k8s-unreachable" } else { "k8s-answer-lost" };
        let failure = Failure::unavailable(code).arg("cluster", self.cluster());
        // kube's own words around it say nothing more.
        failure.cause(error.source().unwrap_or(error))
    }
}

fn told_version(told: &VersionTold) -> String {
    told.git_version.chars().take(64).collect()
}

fn is_connect(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        next = error.source();
    }
    false
}

/// After how long the same question may be answered otherwise, if ever.
fn again_after(reply: &Reply) -> Option<Duration> {
    match reply.status.as_u16() {
        429 => Some(reply.after.unwrap_or(Duration::from_secs(1))),
        500.. => Some(reply.after.unwrap_or_default()),
        _ => None,
    }
}
