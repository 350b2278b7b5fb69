//! What many look at is drawn once: a page's live parts, for all who read them in one language.
//!
//! A task draws them a few times a second while anybody looks, and hands on what changed. Five hundred readers of one
//! page cost the store what one costs; the last one to go takes the task along.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::stream;
use maud::html;
use naru_core::failure::Failure;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use xxhash_rust::xxh3::xxh3_64;

use crate::live::Patch;
use crate::page::{Markup, Reader};
use crate::state::Web;

/// How often a page is drawn that somebody looks at.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// Of all time at most so much goes into drawing one page: one that takes long is drawn less often.
const DRAW_SHARE: u32 = 10;

/// Live parts of a page: the id of an element, and its content.
pub type Parts = Vec<(&'static str, Markup)>;

/// Draws the live parts of a page for a reader of some language; `None` where there is nothing to look at any more. Others
/// of the same language see it too, so it shows what everybody who opens the feed may see. One that fails is left out,
/// and readers keep what they have.
pub type Draw = Arc<dyn Fn(Reader) -> BoxFuture<'static, Result<Option<Parts>, Failure>> + Send + Sync>;

/// Pages that are being drawn.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<String, Weak<Feed>>>);

struct Feed {
    drawn: watch::Receiver<Option<Arc<Drawn>>>,
}

/// A page's parts as they were drawn last.
struct Drawn {
    /// Stands for all of them together.
    id: u64,
    parts: Vec<Part>,
}

struct Part {
    target: &'static str,
    html: Markup,
    print: u64,
}

impl Drawn {
    fn of(parts: Parts) -> Drawn {
        let part = |(target, html): (&'static str, Markup)| Part { target, print: xxh3_64(html.0.as_bytes()), html };
        let parts: Vec<Part> = parts.into_iter().map(part).collect();
        let prints: Vec<u8> = parts.iter().flat_map(|part| part.print.to_le_bytes()).collect();
        Drawn { id: xxh3_64(&prints), parts }
    }

    /// What differs from what was seen: all of it where that is not known.
    fn since(&self, seen: &HashMap<&'static str, u64>) -> Patch {
        let changed = self.parts.iter().filter(|part| seen.get(part.target) != Some(&part.print));
        Patch { id: self.id, parts: changed.map(|part| (part.target, part.html.clone())).collect() }
    }

    fn prints(&self) -> HashMap<&'static str, u64> {
        self.parts.iter().map(|part| (part.target, part.print)).collect()
    }
}

/// The live parts within their page, which says what of its feed at `path` it shows already.
pub fn live(path: &str, parts: Parts) -> Markup {
    let drawn = Drawn::of(parts);
    html! {
        div data-live=(path) data-seen=(drawn.id) {
            @for part in &drawn.parts { div id=(part.target) { (part.html) } }
        }
    }
}

impl Web {
    /// Answers with what changes of the page `name`, drawn once for all who look at it in this language.
    pub fn feed(&self, name: &str, reader: &Reader, seen: Option<u64>, draw: Draw) -> Result<Response, Failure> {
        let feed = self.feeds().find(self, name, reader, draw);
        let start = (feed.drawn.clone(), feed, seen, HashMap::new());
        self.live(stream::unfold(start, |(mut drawn, feed, mut seen, mut prints)| async move {
            loop {
                let now = drawn.borrow_and_update().clone();
                if let Some(now) = now {
                    let is_new = seen != Some(now.id);
                    let patch = now.since(&prints);
                    // Also of what was seen before: the next patch is what changed since.
                    (seen, prints) = (Some(now.id), now.prints());
                    if is_new {
                        return Some((patch, (drawn, feed, seen, prints)));
                    }
                }
                // Nobody draws any more: there is nothing to see.
                drawn.changed().await.ok()?;
            }
        }))
    }
}

impl Feeds {
    fn find(&self, web: &Web, name: &str, reader: &Reader, draw: Draw) -> Arc<Feed> {
        let mut feeds = self.feeds();
        let key = format!("{} {name}", reader.lang.tag());
        if let Some(feed) = feeds.get(&key).and_then(Weak::upgrade).filter(|feed| feed.drawn.has_changed().is_ok()) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let (sender, drawn) = watch::channel(None);
        let feed = Arc::new(Feed { drawn });
        feeds.insert(key, Arc::downgrade(&feed));
        let (looking, web, reader) = (Arc::downgrade(&feed), web.clone(), reader.clone());
        let drawing =
            Drawing { name: name.to_owned(), looking, web: web.clone(), reader, draw, drawn: sender, fails: false };
        web.lifecycle().spawn("live page", drawing.work());
        feed
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<String, Weak<Feed>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One page being drawn.
struct Drawing {
    name: String,
    looking: Weak<Feed>,
    web: Web,
    reader: Reader,
    draw: Draw,
    drawn: watch::Sender<Option<Arc<Drawn>>>,
    /// Whether the last drawing failed: told once, and once when it is over.
    fails: bool,
}

impl Drawing {
    /// Draws while anybody looks.
    async fn work(mut self) {
        let lifecycle = self.web.lifecycle().clone();
        while self.looking.strong_count() > 0 && !lifecycle.is_stopping() {
            let began = Instant::now();
            self.reader.now = self.web.now();
            match (self.draw)(self.reader.clone()).await {
                Ok(Some(parts)) => self.show(Drawn::of(parts)),
                Ok(None) => return,
                Err(failure) => self.leave_out(&failure),
            }
            sleep_until(Instant::now() + DRAW_EVERY.max(began.elapsed() * DRAW_SHARE)).await;
        }
    }

    fn show(&mut self, now: Drawn) {
        if std::mem::take(&mut self.fails) {
            tracing::info!(feed.name = self.name, "the live page is drawn again");
        }
        self.drawn.send_if_modified(|before| {
            let is_new = before.as_ref().is_none_or(|before| before.id != now.id);
            if is_new {
                *before = Some(Arc::new(now));
            }
            is_new
        });
    }

    fn leave_out(&mut self, failure: &Failure) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!(feed.name = self.name, error = %failure, "a live page could not be drawn, trying again");
        }
    }
}
