//! A house with a front and a few rooms, a clock held by hand, and browsers and programs that visit it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use maud::{Markup, html};
use naru_core::clock::{Clock, Micros, Millis};
use naru_core::lifecycle::Lifecycle;
use naru_core::text::{Catalog, Texts};
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::{Database, Engine, database};
use naru_web::failed::Failed;
use naru_web::front::Door;
use naru_web::page::part::heading;
use naru_web::role::Role;
use naru_web::state::{MenuItem, Parts, Web};
use naru_web::visit::{SignedIn, Visit};
use naru_web::{link, schema};

pub const MINUTE_MS: Millis = 60_000;
pub const HOUR_MS: Millis = 60 * MINUTE_MS;
pub const PASSWORD: &str = "a boat a river a landing";

const TEXTS: Catalog = Catalog { name: "test", en: "menu-all = Everything\n", ko: "menu-all = 모두\n" };

/// A front that listens, and its parts.
pub struct House {
    pub web: Web,
    pub store: Store,
    pub clock: Arc<HandClock>,
    pub lifecycle: Lifecycle,
    pub address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _database: Database,
}

/// Time stands still but for [`HandClock::pass`].
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn pass(&self, millis: Millis) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> Micros {
        self.now_ms() as Micros * 1_000
    }
}

/// Runs `test` in a fresh house on each engine.
pub async fn on_each_engine(test: impl AsyncFn(&House)) {
    for engine in Engine::REAL {
        let house = House::open(engine).await;
        test(&house).await;
        house.close().await;
    }
}

impl House {
    pub async fn open(engine: Engine) -> House {
        let database = database(engine).await;
        let lifecycle = Lifecycle::default();
        let clock = Arc::new(HandClock(AtomicI64::new(1_795_361_400_000)));
        let config = StoreConfig { url: database.url().to_owned(), ..StoreConfig::default() };
        let store = Store::open(&config, database.folder(), Access::Write, &lifecycle).await.unwrap();
        store.migrate(&[(schema::NAME, schema::SCHEMA)], clock.now_ms()).await.unwrap();
        let texts = Texts::new(&[naru_core::TEXTS, naru_store::TEXTS, naru_web::TEXTS, TEXTS]).unwrap();
        let web = Web::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            texts: Arc::new(texts),
            menu: vec![MenuItem { text: "menu-all", href: "/", role: Role::View }],
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = web.front(Door::Network, rooms()).into_make_service_with_connect_info::<SocketAddr>();
        let end = lifecycle.clone();
        let serve = axum::serve(listener, service).with_graceful_shutdown(async move { end.stopped().await });
        lifecycle.spawn("serve", async move { serve.await.unwrap() });
        let client = Client::builder(TokioExecutor::new()).build_http();
        House { web, store, clock, lifecycle, address, client, _database: database }
    }

    pub async fn close(self) {
        self.lifecycle.stop();
        self.store.close().await;
    }

    pub fn now(&self) -> Millis {
        self.clock.now_ms()
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: http::request::Builder, body: &str) -> Answer {
        let response = self.open_stream(request, body).await;
        let (parts, body) = response.into_parts();
        let body = within("a body", body.collect()).await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Sends a request and leaves the body of the answer to be read.
    pub async fn open_stream(&self, request: http::request::Builder, body: &str) -> http::Response<Incoming> {
        let request = request.body(Full::from(body.to_owned())).unwrap();
        within("an answer", self.client.request(request)).await.unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What a program gets.
    pub async fn api(&self, method: &str, path: &str, bearer: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        self.send(request, "").await
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser { house: self, cookies: BTreeMap::new(), lang: "en", https: false }
    }

    /// A browser in which the first administrator is signed in, without a password.
    pub async fn admin(&self) -> Browser<'_> {
        let path = link::first_link(&self.store, self.now()).await.unwrap().unwrap();
        let mut browser = self.browser();
        assert_eq!(browser.post(&path, &[]).await.place(), "/password");
        browser
    }

    /// A browser in which the first administrator is signed in, with [`PASSWORD`] set.
    pub async fn admin_with_password(&self) -> Browser<'_> {
        let mut browser = self.admin().await;
        let set = browser.post("/password", &[("new", PASSWORD), ("again", PASSWORD)]).await;
        assert_eq!(set.place(), "/");
        browser
    }
}

/// Waits for what takes milliseconds, as long as a busy machine may need.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let limit: Duration = naru_testkit::wait::PATIENCE;
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| panic!("waited {limit:?} for {what}"))
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it redirects to.
    pub fn place(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.header("location")
    }

    /// The code of its one error, as JSON tells it.
    pub fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        json["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Keeps cookies and says what a browser says.
#[derive(Clone)]
pub struct Browser<'h> {
    pub house: &'h House,
    pub cookies: BTreeMap<String, String>,
    pub lang: &'static str,
    pub https: bool,
}

impl Browser<'_> {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.ask("POST", path, &body).await
    }

    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.post("/signin", &[("name", name), ("password", password)]).await
    }

    /// Whether somebody is signed in.
    pub async fn is_in(&mut self) -> bool {
        let answer = self.get("/").await;
        if answer.status == StatusCode::OK {
            return true;
        }
        assert_eq!(answer.place(), "/signin?next=%2F");
        false
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder()
            .method(method)
            .uri(self.house.url(path))
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("accept-language", self.lang)
            .header("user-agent", "a browser")
            .header("sec-fetch-site", "same-origin")
            .header("referer", self.house.url("/empty?page=2"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookies.join("; "));
        if self.https {
            request = request.header("x-forwarded-proto", "https");
        }
        let answer = self.house.send(request, body).await;
        for line in answer.headers.get_all("set-cookie") {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

fn rooms() -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/operate", post(operate))
        .route("/v1/whoami", get(whoami).post(whoami))
        .route("/webhook", post(|| async { "taken" }))
        .route("/panic", get(panic))
        .route("/json", post(|_: axum::Json<u32>| async { "read" }))
        .merge(crate::live::rooms())
        .merge(crate::feed::rooms())
}

async fn overview(visit: Visit, SignedIn(actor): SignedIn) -> Markup {
    visit.page("Overview", html! { (heading("Overview", html! {})) p { (actor.name) } })
}

async fn operate(visit: Visit) -> Result<&'static str, Failed> {
    visit.must(Role::Operate)?;
    Ok("done")
}

async fn whoami(SignedIn(actor): SignedIn) -> axum::Json<naru_web::role::Actor> {
    axum::Json(actor)
}

async fn panic() -> Body {
    panic!("a room that falls")
}
