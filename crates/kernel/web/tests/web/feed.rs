//! Pages that many look at: drawn once for all of a language, only what changed is sent, and nobody draws for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use maud::html;
use naru_core::failure::Failure;
use naru_testkit::database::Engine;
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::failed::Failed;
use naru_web::feed::{Parts, live};
use naru_web::page::{Markup, Reader};
use naru_web::visit::{Resume, Visit};

use crate::house::{House, within};
use crate::live::{events, open};

/// Rooms whose pages are drawn for many.
pub fn rooms() -> Router {
    Router::new().route("/feed/{name}", get(feed)).route("/feed/{name}/page", get(page))
}

/// How often each page was drawn, and what it shows; from a thousand on there is nothing to look at any more, and from two
/// thousand on it cannot be drawn.
static DRAWN: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
static SHOWN: [AtomicU64; 5] = [const { AtomicU64::new(1) }; 5];

fn parts(no: usize) -> Result<Option<Parts>, Failure> {
    let shown = SHOWN[no].load(Ordering::SeqCst);
    let parts = vec![("moves", html! { (shown) }), ("stays", html! { "the same" })];
    if shown < 2_000 { Ok((shown < 1_000).then_some(parts)) } else { Err(Failure::unavailable("store-away")) }
}

async fn page(axum::extract::Path(no): axum::extract::Path<usize>) -> Markup {
    live(&format!("/feed/{no}"), parts(no).unwrap().unwrap())
}

async fn feed(
    visit: Visit,
    axum::extract::Path(no): axum::extract::Path<usize>,
    Resume(seen): Resume,
) -> Result<Response, Failed> {
    let draw = move |_: Reader| -> futures_util::future::BoxFuture<'static, _> {
        Box::pin(async move {
            DRAWN[no].fetch_add(1, Ordering::SeqCst);
            parts(no)
        })
    };
    Ok(visit.web().feed(&format!("feed {no}"), &visit.reader, seen, Arc::new(draw))?)
}

#[tokio::test]
async fn a_reader_gets_what_changed_and_no_more() {
    let house = House::open(Engine::Sqlite).await;
    let mut first = open(&house, "/feed/0", None).await;
    let text = events(&mut first, 1).await;
    assert!(text.contains(r#"data: [["moves","1"],["stays","the same"]]"#), "{text}");
    SHOWN[0].store(2, Ordering::SeqCst);
    let text = events(&mut first, 1).await;
    assert!(text.contains(r#"data: [["moves","2"]]"#), "{text}");
    // Who comes back and has seen all of it is told of the next change only.
    let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut back = open(&house, &format!("/feed/0?after={id}"), None).await;
    SHOWN[0].store(3, Ordering::SeqCst);
    let text = events(&mut back, 1).await;
    assert!(text.contains(r#"["moves","3"]"#), "{text}");
    house.close().await;
}

#[tokio::test]
async fn a_page_that_was_just_drawn_is_not_sent_again() {
    let house = House::open(Engine::Sqlite).await;
    let page = house.api("GET", "/feed/3/page", None).await.body;
    assert!(page.contains(r#"<div data-live="/feed/3" data-seen=""#), "{page}");
    assert!(page.contains(r#"<div id="moves">1</div><div id="stays">the same</div>"#), "{page}");
    let seen = page.split("data-seen=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let before = DRAWN[3].load(Ordering::SeqCst);
    let mut reader = open(&house, &format!("/feed/3?after={seen}"), None).await;
    eventually("it to be drawn", PATIENCE, async || (DRAWN[3].load(Ordering::SeqCst) > before + 1).then_some(())).await;
    SHOWN[3].store(2, Ordering::SeqCst);
    let text = events(&mut reader, 1).await;
    assert!(text.contains(r#"data: [["moves","2"]]"#), "{text}");
    house.close().await;
}

#[tokio::test]
async fn a_drawing_that_fails_is_left_out_and_the_stream_goes_on() {
    let house = House::open(Engine::Sqlite).await;
    let mut reader = open(&house, "/feed/4", None).await;
    events(&mut reader, 1).await;
    SHOWN[4].store(2_000, Ordering::SeqCst);
    let before = DRAWN[4].load(Ordering::SeqCst);
    eventually("it to fail", PATIENCE, async || (DRAWN[4].load(Ordering::SeqCst) > before + 1).then_some(())).await;
    SHOWN[4].store(3, Ordering::SeqCst);
    let text = events(&mut reader, 1).await;
    assert!(text.contains(r#"data: [["moves","3"]]"#), "{text}");
    house.close().await;
}

#[tokio::test]
async fn many_readers_are_drawn_for_once() {
    let house = House::open(Engine::Sqlite).await;
    let mut readers = Vec::new();
    for _ in 0..50 {
        let mut reader = open(&house, "/feed/1", None).await;
        events(&mut reader, 1).await;
        readers.push(reader);
    }
    let before = DRAWN[1].load(Ordering::SeqCst);
    SHOWN[1].store(2, Ordering::SeqCst);
    for reader in &mut readers {
        assert!(events(reader, 1).await.contains(r#"["moves","2"]"#));
    }
    assert!(DRAWN[1].load(Ordering::SeqCst) - before < 50);
    drop(readers);
    // Two readings that are the same: nobody draws any more.
    eventually("the drawing to end", PATIENCE, async || {
        let before = DRAWN[1].load(Ordering::SeqCst);
        tokio::time::sleep_until(tokio::time::Instant::now() + std::time::Duration::from_secs(1)).await;
        (DRAWN[1].load(Ordering::SeqCst) == before).then_some(())
    })
    .await;
    house.close().await;
}

#[tokio::test]
async fn a_page_that_is_gone_ends_its_streams() {
    let house = House::open(Engine::Sqlite).await;
    let mut reader = open(&house, "/feed/2", None).await;
    events(&mut reader, 1).await;
    SHOWN[2].store(1_000, Ordering::SeqCst);
    let end = within("the end", reader.body_mut().frame()).await;
    assert!(end.is_none(), "{end:?}");
    house.close().await;
}
