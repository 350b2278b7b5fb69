//! The console: what those who look on cost dispatch, how soon one person sees what another did, and how fast pages are
//! over all that is stored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use naru_campaign::file::generate::Customers;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Result;
use crate::cases::Bench;
use crate::customers;
use crate::house::{House, Lane, Serving};
use crate::person::{LANGS, Person, Stream};
use crate::process::family_cpu_s;
use crate::report::{Row, grouped, median, megabytes, slowest, within};
use crate::vendor::Vendor;
use crate::wait::{pause, until};

const STREAMS: usize = 500;
/// For all of them to show their pages.
const OPEN_MAX: Duration = Duration::from_secs(60);
/// As a browser comes back that is told nothing else.
const BACK_AFTER: Duration = Duration::from_secs(1);
/// After a file was taken in and the streams were opened, with and without them alike.
const SETTLES: Duration = Duration::from_secs(2);
const IN_FLIGHT: u32 = 32;

const REACH_SEEN_S: f64 = 0.3;
const SEEN_SHARE: f64 = 0.95;
/// For a change to be seen at all.
const SEEN_MAX: Duration = Duration::from_secs(10);
/// The shop's peak.
const PACE_PER_SECOND: u32 = 833;

const REACH_PAGE_S: f64 = 0.05;
const PAGE_SHARE: f64 = 0.99;
/// Pages named in the conditions.
const SLOWEST: usize = 4;

/// The same campaign in alternating pairs, without anybody who looks on and with many.
pub async fn streams(bench: &Bench) -> Result<Vec<Row>> {
    let (messages, pairs) = (bench.pick(200_000, 1_000_000), bench.pick(2, 5));
    let file = customers::file(bench.folder(), messages, 1)?;
    let (mut without, mut with) = (vec![], vec![]);
    for pair in 0..pairs {
        // Who comes first alternates, too: a machine that tires favours nobody.
        for looked_at in [pair % 2 == 1, pair % 2 == 0] {
            let streams = if looked_at { STREAMS } else { 0 };
            let run = run(bench, &file, messages, streams).await?;
            if looked_at { with.push(run) } else { without.push(run) }
        }
    }
    let changes: Vec<f64> =
        without.iter().zip(&with).map(|(a, b)| (b.per_second / a.per_second - 1.0) * 100.0).collect();
    let least = changes.iter().copied().fold(f64::INFINITY, f64::min);
    let most = changes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let of = |runs: &[Run], part: fn(&Run) -> f64| median(runs.iter().map(part).collect());
    Ok(vec![Row {
        what: format!("{STREAMS} live streams of the console open: change of the dispatch throughput"),
        figure: format!("{:+.1} %", median(changes)),
        conditions: format!(
            "the median of {pairs} alternating pairs ({least:+.1} to {most:+.1} %): {}/s without, {}/s with; {} messages \
             already stored, batches of 1,000, {IN_FLIGHT} requests in flight, from the campaign's start to its last \
             stored outcome; streams of the overview, the lanes and the campaign's page in two languages, in parts alike, \
             all read by one process: {} events/s in all, {} ended early; serve {:.1} s of a processor without, {:.1} s \
             with, the reading process {:.1} s and {:.1} s",
            grouped(of(&without, |it| it.per_second)),
            grouped(of(&with, |it| it.per_second)),
            grouped(messages as f64),
            grouped(of(&with, |it| it.events_per_second)),
            with.iter().map(|it| it.ended).sum::<u64>(),
            of(&without, |it| it.serve_cpu_s),
            of(&with, |it| it.serve_cpu_s),
            of(&without, |it| it.own_cpu_s),
            of(&with, |it| it.own_cpu_s),
        ),
        ..Row::default()
    }])
}

struct Run {
    per_second: f64,
    events_per_second: f64,
    /// Streams that ended before the campaign did.
    ended: u64,
    serve_cpu_s: f64,
    own_cpu_s: f64,
}

async fn run(bench: &Bench, file: &Path, messages: u64, streams: usize) -> Result<Run> {
    let vendor = Vendor::start(bench, &[]).await?;
    let lane = Lane { in_flight_max: Some(IN_FLIGHT), ..Lane::default() };
    let house = House::new(bench, &vendor.url(), &lane)?;
    let serve = house.serve().await?;
    let sent = house.send(file, "looked at", &["--hold"]).await?;
    let mut audience = Audience::open(&house, &serve, &sent.campaign, streams).await?;
    pause(SETTLES).await;
    let (before, own_s, events) = (serve.usage(), family_cpu_s(), audience.events());
    let start = Instant::now();
    serve.say("campaign resume", json!({ "campaign": sent.campaign })).await?;
    serve.outcomes(&vendor, &sent.campaign, messages).await?;
    let took_s = start.elapsed().as_secs_f64();
    let run = Run {
        per_second: messages as f64 / took_s,
        events_per_second: (audience.events() - events) as f64 / took_s,
        ended: audience.seen.ended.load(Ordering::Relaxed),
        serve_cpu_s: serve.usage().cpu_s - before.cpu_s,
        own_cpu_s: family_cpu_s() - own_s,
    };
    audience.looks_on()?;
    drop(audience);
    serve.stop().await?;
    Ok(run)
}

/// Those who look on. Dropping it sends them home.
struct Audience {
    readers: JoinSet<Result<()>>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    begun: AtomicU64,
    events: AtomicU64,
    ended: AtomicU64,
}

impl Audience {
    /// Opens `count` streams, spread over live pages and languages, and waits until each shows its page.
    async fn open(house: &House, serve: &Serving, campaign: &str, count: usize) -> Result<Audience> {
        let mut audience = Audience { readers: JoinSet::new(), seen: Arc::default() };
        let person = Person::of(house, serve, "audience", "view").await?;
        let pages = ["/overview/live".to_owned(), "/lanes/live".to_owned(), format!("/campaigns/{campaign}/live")];
        for no in 0..count {
            let (path, lang) = (pages[no % pages.len()].clone(), LANGS[no / pages.len() % LANGS.len()]);
            audience.readers.spawn(look(person.clone(), path, lang, audience.seen.clone()));
        }
        until("every stream to show its page", OPEN_MAX, || {
            let begun = audience.seen.begun.load(Ordering::Relaxed) >= count as u64;
            let all = audience.looks_on().map(|()| begun.then_some(()));
            async { all }
        })
        .await?;
        Ok(audience)
    }

    fn events(&self) -> u64 {
        self.seen.events.load(Ordering::Relaxed)
    }

    /// Says why, if one of them has given up.
    fn looks_on(&mut self) -> Result<()> {
        match self.readers.try_join_next() {
            Some(gone) => gone.map_err(|e| e.to_string())?,
            None => Ok(()),
        }
    }
}

/// Reads a stream, and the next one when it ends.
async fn look(person: Person, path: String, lang: &'static str, seen: Arc<Seen>) -> Result<()> {
    let mut first = true;
    loop {
        let mut stream = person.follow(&path, lang).await?;
        while let Ok(Some(_)) = stream.next().await {
            seen.events.fetch_add(1, Ordering::Relaxed);
            seen.begun.fetch_add(u64::from(std::mem::take(&mut first)), Ordering::Relaxed);
        }
        seen.ended.fetch_add(1, Ordering::Relaxed);
        pause(BACK_AFTER).await;
    }
}

/// One person pauses and resumes a campaign that runs, another looks at it.
pub async fn tabs(bench: &Bench) -> Result<Vec<Row>> {
    let (messages, changes) = (bench.pick(100_000, 1_000_000), bench.pick(20, 100));
    let vendor = Vendor::start(bench, &[]).await?;
    let lane = Lane { messages_per_second_max: Some(PACE_PER_SECOND), ..Lane::default() };
    let house = House::new(bench, &vendor.url(), &lane)?;
    let serve = house.serve().await?;
    let sent = house.send(&customers::file(bench.folder(), messages, 1)?, "steered", &[]).await?;
    let steers = Person::of(&house, &serve, "steers", "admin").await?;
    let looks = Person::of(&house, &serve, "looks", "admin").await?;
    let page = format!("/campaigns/{}", sent.campaign);
    let mut stream = looks.follow(&format!("{page}/live"), LANGS[0]).await?;
    sees(&mut stream, &format!("{page}/pause")).await?;
    let (mut seen_s, mut answered_s) = (vec![], vec![]);
    for no in 0..changes {
        // Not in step with what draws the page.
        pause(Duration::from_millis(200 + no * 617 % 1_000)).await;
        let (verb, next) = if no % 2 == 0 { ("pause", "resume") } else { ("resume", "pause") };
        let (verb, next) = (format!("{page}/{verb}"), format!("{page}/{next}"));
        let start = Instant::now();
        let (answered, seen) = tokio::join!(steers.post(&verb, ""), sees(&mut stream, &next));
        answered_s.push(answered?.as_secs_f64());
        seen_s.push((seen? - start).as_secs_f64());
    }
    serve.stop().await?;
    let figure = within(SEEN_SHARE, seen_s.clone());
    Ok(vec![Row {
        what: "a campaign paused or resumed: seen in another tab".into(),
        figure: format!("{:.0} ms at the 95th percentile", figure * 1e3),
        reach: format!("{:.0} ms", REACH_SEEN_S * 1e3),
        reached: Some(figure <= REACH_SEEN_S),
        conditions: format!(
            "from sending the page's form to the event that offers the opposite, for another person who looks at the \
             campaign's page; {changes} changes, half seen within {:.0} ms, slowest {:.0} ms; the form itself answered \
             within {:.0} ms for 95 %; {} messages, of which {PACE_PER_SECOND} leave in a second while it runs",
            median(seen_s.clone()) * 1e3,
            slowest(&seen_s) * 1e3,
            within(SEEN_SHARE, answered_s) * 1e3,
            grouped(messages as f64),
        ),
        ..Row::default()
    }])
}

/// Reads until an event holds `text`, and says when that came.
async fn sees(stream: &mut Stream, text: &str) -> Result<Instant> {
    let read = async {
        loop {
            let event = stream.next().await?.ok_or("the stream ended")?;
            if event.contains(text) {
                return Ok(Instant::now());
            }
        }
    };
    tokio::time::timeout(SEEN_MAX, read).await.map_err(|_| format!("no event shows {text}"))?
}

/// Asks for every page again and again, one after the other, over what is stored in `house`.
pub async fn pages(bench: &Bench, house: &House, serve: &Serving, messages: f64) -> Result<Row> {
    let person = Person::of(house, serve, "pages", "admin").await?;
    let asks = asks(serve).await?;
    let rounds = bench.pick(20, 100);
    let mut times_s = vec![Vec::with_capacity(rounds); asks.len()];
    // Round by round, so that none is asked for while what it reads is still at hand.
    for round in 0..rounds {
        for (ask, times_s) in asks.iter().zip(&mut times_s) {
            let took = match &ask.form {
                Some(forms) => person.post(&ask.path, &forms[round % forms.len()]).await?,
                None => person.get(&ask.path).await?,
            };
            times_s.push(took.as_secs_f64());
        }
    }
    let all_s: Vec<f64> = times_s.concat();
    let mut pages: Vec<(f64, &str)> =
        asks.iter().zip(times_s).map(|(ask, times_s)| (within(PAGE_SHARE, times_s), ask.name)).collect();
    pages.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let told: Vec<String> =
        pages.iter().take(SLOWEST).map(|(p99_s, name)| format!("{name} {:.0} ms", p99_s * 1e3)).collect();
    let (figure, _) = pages.first().ok_or("no page")?;
    Ok(Row {
        what: format!("{} queued: the console's slowest page", grouped(messages)),
        figure: format!("{:.0} ms at the 99th percentile", figure * 1e3),
        reach: format!("{:.0} ms", REACH_PAGE_S * 1e3),
        reached: Some(*figure < REACH_PAGE_S),
        conditions: format!(
            "{} pages, each asked for {rounds} times by an admin, in turn, while {PACE_PER_SECOND} messages/s leave; the \
             slowest at the 99th percentile: {}; of all answers half within {:.1} ms, slowest {:.0} ms; {} resident at most",
            pages.len(),
            told.join(", "),
            median(all_s.clone()) * 1e3,
            slowest(&all_s) * 1e3,
            megabytes(serve.usage().peak_bytes),
        ),
        ..Row::default()
    })
}

/// A page that is asked for.
struct Ask {
    /// How it is called in the table.
    name: &'static str,
    path: String,
    /// What is sent, in turn, where it is the answer of a form.
    form: Option<Vec<String>>,
}

/// Pages that show nothing of one campaign, message or template.
const PAGES: [&str; 14] = [
    "/",
    "/lanes",
    "/campaigns",
    "/campaigns/-new",
    "/messages",
    "/messages/access",
    "/templates",
    "/templates/-new",
    "/unknown",
    "/running",
    "/settings/people",
    "/settings/tokens",
    "/settings/sign-ins",
    "/settings/config",
];

async fn asks(serve: &Serving) -> Result<Vec<Ask>> {
    let campaigns = serve.say("campaign list", json!({})).await?;
    // The oldest, whose messages leave.
    let campaign = id(campaigns.as_array().and_then(|all| all.last()), &campaigns)?;
    let numbers: Vec<String> = Customers::new(super::queued::FILE_ROWS, 1).take(LOOK_UPS).map(|it| it.to).collect();
    let found = serve.say("message find", json!({ "to": numbers[0] })).await?;
    let message = id(found.as_array().and_then(|all| all.first()), &found)?;
    let get = |name, path: String| Ask { name, path, form: None };
    let mut asks: Vec<Ask> = PAGES.into_iter().map(|page| get(page, page.to_owned())).collect();
    asks.push(get("a campaign", format!("/campaigns/{campaign}")));
    asks.push(get("a message", format!("/messages/{message}")));
    asks.push(get("a template", format!("/templates/{}", customers::TEMPLATE)));
    let form = numbers.iter().map(|number| format!("q={number}")).collect();
    asks.push(Ask { name: "messages to a number", path: "/messages".to_owned(), form: Some(form) });
    Ok(asks)
}

/// Numbers that are looked for, of the file that was taken in first.
const LOOK_UPS: usize = 20;

fn id(it: Option<&Value>, list: &Value) -> Result<String> {
    it.and_then(|it| it["id"].as_str()).map(str::to_owned).ok_or_else(|| format!("nothing is listed: {list}"))
}
