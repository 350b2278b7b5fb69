//! Live pages: patches, coming back, and every way a stream ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use maud::{PreEscaped, html};
use naru_testkit::database::Engine;
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::failed::Failed;
use naru_web::live::{Patch, STREAMS_MAX};
use naru_web::visit::{Resume, Visit};
use tokio::io::AsyncWriteExt;

use crate::house::{House, within};

/// Rooms whose pages move.
pub fn rooms() -> Router {
    Router::new().route("/count", get(count)).route("/flood", get(flood)).route("/leave", get(leave))
}

/// Three patches after the one that was seen, then silence.
async fn count(visit: Visit, Resume(seen): Resume) -> Result<Response, Failed> {
    let start = seen.unwrap_or(0) + 1;
    let patch = |id| Patch { id, parts: vec![("a", html! { b { (id) } }), ("b", html! { "two\nlines\r\n" })] };
    Ok(visit.web().live(stream::iter((start..start + 3).map(patch)).chain(stream::pending()))?)
}

static FLOODS: AtomicUsize = AtomicUsize::new(0);
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// More than any socket takes.
async fn flood(visit: Visit) -> Result<Response, Failed> {
    Ok(visit.web().live(counted(&FLOODS, stream::repeat_with(|| big_patch(1))))?)
}

/// One patch, then silence.
async fn leave(visit: Visit) -> Result<Response, Failed> {
    Ok(visit.web().live(counted(&LEFT, stream::once(async { big_patch(1) }).chain(stream::pending())))?)
}

fn big_patch(id: u64) -> Patch {
    Patch { id, parts: vec![("a", PreEscaped("x".repeat(64 * 1024)))] }
}

/// Counts the stream's end.
fn counted(
    ended: &'static AtomicUsize,
    patches: impl Stream<Item = Patch> + Send + 'static,
) -> impl Stream<Item = Patch> + Send + 'static {
    struct End(&'static AtomicUsize);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let end = End(ended);
    patches.inspect(move |_| {
        let _ = &end;
    })
}

pub async fn open(house: &House, path: &str, header: Option<&str>) -> http::Response<Incoming> {
    let mut request = Request::builder().uri(house.url(path)).header("accept", "text/event-stream");
    if let Some(id) = header {
        request = request.header("last-event-id", id);
    }
    house.open_stream(request, "").await
}

/// Reads until `count` events are there.
pub async fn events(response: &mut http::Response<Incoming>, count: usize) -> String {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        let frame = within("an event", response.body_mut().frame()).await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn a_patch_carries_its_parts_in_one_event() {
    let house = House::open(Engine::Sqlite).await;
    let mut response = open(&house, "/count", None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    let text = events(&mut response, 3).await;
    let expect = "id: 1\ndata: [[\"a\",\"<b>1</b>\"],[\"b\",\"two\\nlines\\r\\n\"]]\nretry: 1000\n\n";
    assert!(text.starts_with(expect), "{text}");
    assert!(text.contains("\n\nid: 2\ndata: ") && text.contains("\n\nid: 3\ndata: "), "{text}");
    house.close().await;
}

#[tokio::test]
async fn a_reader_who_comes_back_gets_what_it_has_not_seen() {
    let house = House::open(Engine::Sqlite).await;
    for (path, header, first) in [
        ("/count", Some("7"), 8),
        ("/count?after=7", None, 8),
        ("/count?after=7", Some("9"), 10),
        ("/count", Some("x"), 1),
    ] {
        let mut response = open(&house, path, header).await;
        let text = events(&mut response, 1).await;
        assert!(text.starts_with(&format!("id: {first}\n")), "{path} {header:?}: {text}");
    }
    house.close().await;
}

#[tokio::test]
async fn streams_end_at_shutdown_and_hold_nothing_up() {
    let house = House::open(Engine::Sqlite).await;
    let mut response = open(&house, "/count", None).await;
    events(&mut response, 3).await;
    assert_eq!(house.lifecycle.waiting_for(), [], "looking is no work that must be finished");
    house.lifecycle.stop();
    let end = within("the end", response.body_mut().frame()).await;
    assert!(end.is_none(), "{end:?}");
    house.close().await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped() {
    let house = House::open(Engine::Sqlite).await;
    let mut socket = tokio::net::TcpStream::connect(house.address).await.unwrap();
    socket.write_all(b"GET /flood HTTP/1.1\r\nhost: naru\r\n\r\n").await.unwrap();
    let dropped =
        eventually("the stream to be dropped", PATIENCE, async || (FLOODS.load(Ordering::SeqCst) == 1).then_some(()));
    dropped.await;
    drop(socket);
    house.close().await;
}

#[tokio::test]
async fn a_reader_that_leaves_ends_its_stream() {
    let house = House::open(Engine::Sqlite).await;
    let mut response = open(&house, "/leave", None).await;
    events(&mut response, 1).await;
    drop(response);
    eventually("the stream to end", PATIENCE, async || (LEFT.load(Ordering::SeqCst) == 1).then_some(())).await;
    house.close().await;
}

#[tokio::test]
async fn streams_are_bounded() {
    let house = House::open(Engine::Sqlite).await;
    let mut open_ones: Vec<Response> =
        (0..STREAMS_MAX).map(|_| house.web.live(stream::pending()).expect("there is room")).collect();
    let refused = open(&house, "/count", None).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "10");
    open_ones.pop();
    let mut response = open(&house, "/count", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    events(&mut response, 1).await;
    house.close().await;
}
