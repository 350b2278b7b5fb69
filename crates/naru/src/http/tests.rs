//! Words said through both doors of a real house, by the client that the terminal uses.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use naru_component::Component;
use naru_component::answer::{Answer, Follow};
use naru_component::word::{Call, Progress, Word};
use naru_core::failure::{Failure, Kind};
use naru_core::text::Lang;
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::role::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::cli::Everywhere;
use crate::client::Client;
use crate::environment::Environment;
use crate::house::Catalogue;
use crate::terminal::Terminal;
use crate::{config, follow};

/// Say something
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Said {
    #[serde(default)]
    text: Option<String>,
}

/// A room with one word for each way of being said. `go` lets `test slow` end.
fn room(go: &Arc<Notify>) -> Component {
    let (go, looks) = (go.clone(), Arc::new(AtomicU64::new(0)));
    let words = vec![
        Word::new("test echo", Role::Send, async |_, call: Call<Said>| {
            let data = json!({ "text": call.args.text, "actor": call.actor.name, "lang": call.lang.tag() });
            Ok(Answer::data(data)?.line("heard"))
        }),
        Word::new("test slow", Role::Send, move |_, call: Call<Said>| {
            let go = go.clone();
            async move {
                call.progress.set(3, 10);
                go.notified().await;
                Answer::data("done")
            }
        }),
        Word::new("test file", Role::Send, async |_, call: Call<Said>| {
            let path = call.upload.ok_or_else(|| Failure::usage("file-missing"))?;
            let text = std::fs::read_to_string(&path).map_err(Failure::bug)?;
            Answer::data(json!({ "path": path, "text": text }))
        })
        .with_upload("text"),
        Word::new("test refuse", Role::View, async |_, _: Call<Said>| {
            Err(Failure::new(Kind::TooMany, "store-locked")
                .arg("pid", 7)
                .arg("path", "p")
                .cause_text("so")
                .retry_after(9))
        }),
        Word::reading("test count", move |_, _: Call<Said>| {
            let look = looks.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Answer::data(json!({ "done": look >= 2, "look": look }))?.progress("looks", look, 3)) }
        }),
        Word::reading("test watch", async |_, _: Call<Said>| {
            let mut answer = Answer::data("begun")?;
            answer.follow = Some(Follow { word: "test count".to_owned(), args: json!({}) });
            Ok(answer)
        }),
    ];
    Component { words, ..Component::new("test", naru_core::TEXTS) }
}

struct Fixture {
    house: House,
    catalogue: Catalogue,
    dir: TempDir,
    url: String,
    go: Arc<Notify>,
}

impl Fixture {
    /// A house with the room above, both of its doors open.
    async fn open() -> Fixture {
        // The binary does so in `main`. An error only says that another test has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = naru_testkit::temp_dir();
        std::fs::write(dir.path().join("naru.toml"), "[web]\nlisten = \"127.0.0.1:0\"\n").unwrap();
        let loaded = config::load(Some(&dir.path().join("naru.toml"))).unwrap();
        let mut catalogue = Catalogue::read().await.unwrap();
        let mut house = House::own(&loaded, &catalogue).await.unwrap();
        let go = Arc::new(Notify::new());
        house.components.push(room(&go));
        catalogue.words.extend(room(&go).words);
        let lifecycle = house.ctx.lifecycle().clone();
        let web = front(&house);
        let network = listen::bind(loaded.config.web.listen).await.unwrap();
        let url = format!("http://{}", network.local_addr().unwrap());
        let socket = listen::bind_socket(&loaded.socket()).unwrap();
        let (outside, inside) = (router(&house, &web, Door::Network), router(&house, &web, Door::Local));
        lifecycle.spawn("network", listen::serve_network(network, outside, lifecycle.clone()));
        lifecycle.spawn("socket", listen::serve_socket(socket, inside, lifecycle.clone()));
        Fixture { house, catalogue, dir, url, go }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// As the terminal of this machine asks.
    fn near(&self, lang: Lang) -> Client<'_> {
        let everywhere = Everywhere { config: Some(self.path("naru.toml")), ..Everywhere::default() };
        Client::new(&everywhere, &self.catalogue, lang).unwrap()
    }

    /// As a terminal elsewhere asks, with a token of `role`.
    async fn far(&self, role: Role) -> Client<'_> {
        std::fs::write(self.path("token"), self.token(role).await).unwrap();
        let everywhere =
            Everywhere { url: Some(self.url.clone()), token_file: Some(self.path("token")), ..Everywhere::default() };
        Client::new(&everywhere, &self.catalogue, Lang::En).unwrap()
    }

    async fn token(&self, role: Role) -> String {
        let (store, now) = (self.house.ctx.store(), self.house.ctx.clock().now_ms());
        let token = naru_web::token::add(store, now, &Actor::local(), role.name(), role).await.unwrap();
        token.reveal().to_owned()
    }

    /// As any program asks: what came back, status first.
    async fn post(
        &self,
        role: Role,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, reqwest::header::HeaderMap, Value) {
        let request = http_client().post(format!("{}{path}", self.url)).bearer_auth(self.token(role).await).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.headers().clone(), response.json().await.unwrap())
    }

    fn spooled(&self) -> usize {
        std::fs::read_dir(self.path("naru-data/spool")).map_or(0, Iterator::count)
    }
}

fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn say(client: &Client<'_>, word: &str, args: Value) -> Result<Answer, Failure> {
    client.say(client.word(word)?, args, &Progress::default()).await
}

fn text(path: &Path) -> Value {
    json!({ "text": path })
}

fn code(failure: Result<Answer, Failure>) -> String {
    failure.unwrap_err().code
}

#[tokio::test]
async fn the_socket_is_its_owner_and_speaks_their_language() {
    let fixture = Fixture::open().await;
    let answer = say(&fixture.near(Lang::Ko), "test echo", json!({ "text": "가" })).await.unwrap();
    assert_eq!(answer.data, json!({ "text": "가", "actor": "local", "lang": "ko" }));
    assert_eq!(answer.view, Answer::default().line("heard").view);
}

#[tokio::test]
async fn a_program_gets_the_data_and_nothing_else() {
    let fixture = Fixture::open().await;
    let (status, headers, body) = fixture.post(Role::Send, "/v1/test/echo", r#"{"text":"a"}"#).await;
    assert_eq!((status, body), (200, json!({ "text": "a", "actor": "send", "lang": "en" })));
    assert_eq!(headers["x-request-id"].len(), 32);
    // No body is no arguments.
    let client =
        http_client().post(format!("{}/v1/test/count", fixture.url)).bearer_auth(fixture.token(Role::View).await);
    assert_eq!(client.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn progress_arrives_while_a_word_works() {
    let fixture = Fixture::open().await;
    let (near, progress) = (fixture.near(Lang::En), Progress::default());
    let said = near.say(near.word("test slow").unwrap(), json!({}), &progress);
    let told = async {
        eventually("progress", PATIENCE, async || (progress.now() == (3, 10)).then_some(())).await;
        fixture.go.notify_one();
    };
    assert_eq!(tokio::join!(said, told).0.unwrap().data, "done");
}

#[tokio::test]
async fn a_file_beside_the_server_is_read_where_it_is() {
    let fixture = Fixture::open().await;
    let path = fixture.path("a.csv");
    std::fs::write(&path, "to\n").unwrap();
    let answer = say(&fixture.near(Lang::En), "test file", text(&path)).await.unwrap();
    assert_eq!(answer.data, json!({ "path": path, "text": "to\n" }));
    let missing = say(&fixture.near(Lang::En), "test file", text(&fixture.path("b.csv"))).await;
    assert_eq!(code(missing), "upload-unreadable");
}

#[tokio::test]
async fn a_file_from_afar_is_spooled_and_removed() {
    let fixture = Fixture::open().await;
    let path = fixture.path("가 b.csv");
    // Larger than one piece of a body.
    let content = "to\n01000000000\n".repeat(50_000);
    std::fs::write(&path, &content).unwrap();
    let answer = say(&fixture.far(Role::Send).await, "test file", text(&path)).await.unwrap();
    assert_eq!(answer.data["text"], content);
    assert!(answer.data["path"].as_str().unwrap().contains("/spool/"), "{}", answer.data["path"]);
    assert_eq!(fixture.spooled(), 0);
}

#[tokio::test]
async fn a_path_from_afar_is_not_opened() {
    let fixture = Fixture::open().await;
    let args = text(&fixture.path("naru.toml")).to_string();
    let (status, _, body) = fixture.post(Role::Send, "/v1/test/file", args).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("upload-missing")));
    assert!(body["errors"][0]["hint"].as_str().unwrap().contains("POST /v1/test/file?args="), "{body}");
}

#[tokio::test]
async fn who_may_not_say_a_word_is_told_before_a_file_is_kept() {
    let fixture = Fixture::open().await;
    let (status, _, body) = fixture.post(Role::View, "/v1/test/file?args=%7B%7D", "x".repeat(1 << 20)).await;
    assert_eq!((status, &body["errors"][0]["code"]), (403, &json!("role-too-small")));
    assert!(!fixture.path("naru-data/spool").exists());
    let far = Client::new(
        &Everywhere { url: Some(fixture.url.clone()), ..Everywhere::default() },
        &fixture.catalogue,
        Lang::En,
    );
    assert_eq!(code(say(&far.unwrap(), "test echo", json!({})).await), "sign-in-needed");
}

#[tokio::test]
async fn a_failure_arrives_whole_near_and_in_english_afar() {
    let fixture = Fixture::open().await;
    let failure = say(&fixture.near(Lang::Ko), "test refuse", json!({})).await.unwrap_err();
    assert_eq!((failure.args["pid"].as_str(), failure.causes.as_slice()), ("7", &["so".to_owned()][..]));
    let (status, headers, body) = fixture.post(Role::View, "/v1/test/refuse", "{}").await;
    assert_eq!((status, &headers["retry-after"]), (429, &"9".parse::<reqwest::header::HeaderValue>().unwrap()));
    assert_eq!(body["errors"][0]["detail"], "Process 7 already uses this data (p)");
}

#[tokio::test]
async fn arguments_that_are_none_are_refused() {
    let fixture = Fixture::open().await;
    for (body, status, code) in [
        ("[]".to_owned(), 400, "arguments-wrong"),
        ("{".to_owned(), 400, "arguments-wrong"),
        (r#"{"text":1}"#.to_owned(), 400, "arguments-wrong"),
        (format!("{{\"text\":\"{}\"}}", "x".repeat(8 << 20)), 413, "body-too-large"),
    ] {
        let token = format!("t{}", body.len());
        let (store, now) = (fixture.house.ctx.store(), fixture.house.ctx.clock().now_ms());
        let token = naru_web::token::add(store, now, &Actor::local(), &token, Role::Send).await.unwrap();
        let request =
            http_client().post(format!("{}/v1/test/echo", fixture.url)).bearer_auth(token.reveal()).body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["code"], code);
    }
}

#[tokio::test]
async fn a_word_is_followed_until_it_is_done() {
    let fixture = Fixture::open().await;
    let environment = Environment { lang: Lang::En, out_terminal: false, err_terminal: false, colour: false };
    let terminal = Terminal { environment, lang: Lang::En, json: true, texts: fixture.catalogue.texts.clone() };
    let near = fixture.near(Lang::En);
    let answer = say(&near, "test watch", json!({})).await.unwrap();
    assert_eq!(follow::to_the_end(&near, &terminal, answer, None).await.unwrap(), 0);
    let next = say(&near, "test count", json!({})).await.unwrap();
    assert_eq!(next.data["look"], 3, "it was asked three times and then no more");
}

#[tokio::test]
async fn shutdown_waits_for_a_word_and_for_no_idle_connection() {
    let fixture = Fixture::open().await;
    let lifecycle = fixture.house.ctx.lifecycle().clone();
    let idle = http_client();
    assert_eq!(idle.get(format!("{}/healthz", fixture.url)).send().await.unwrap().status(), 200);
    let near = fixture.near(Lang::En);
    let said = say(&near, "test slow", json!({}));
    let stopped = async {
        eventually("the word to begin", PATIENCE, async || (!lifecycle.waiting_for().is_empty()).then_some(())).await;
        lifecycle.stop();
        assert_eq!(lifecycle.drained(Duration::ZERO).await, [("word", 1)]);
        fixture.go.notify_one();
        assert_eq!(lifecycle.drained(PATIENCE).await, []);
    };
    assert_eq!(tokio::join!(said, stopped).0.unwrap().data, "done");
    assert!(idle.get(format!("{}/healthz", fixture.url)).send().await.is_err(), "both doors are closed");
}

#[tokio::test]
async fn whoever_goes_away_takes_the_word_along() {
    let fixture = Fixture::open().await;
    let lifecycle = fixture.house.ctx.lifecycle().clone();
    let near = fixture.near(Lang::En);
    tokio::select! {
        _ = say(&near, "test slow", json!({})) => panic!("nobody lets it end"),
        () = eventually("the word to begin", PATIENCE, async || (!lifecycle.waiting_for().is_empty()).then_some(())) => {}
    }
    let waiting = async || lifecycle.waiting_for().is_empty().then_some(());
    eventually("the word to be dropped", PATIENCE, waiting).await;
}
