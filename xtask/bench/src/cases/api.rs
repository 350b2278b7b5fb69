//! Programs that send one message a call and want it on the disk before they go on.

use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::Result;
use crate::bare;
use crate::cases::{Bench, NOBODY};
use crate::customers;
use crate::disk;
use crate::house::{House, Lane};
use crate::load::{Answers, CALLERS, Extent, Load, post};
use crate::report::{Row, grouped, median};

const REACH_SHARE: f64 = 0.5;
/// Bodies that are different; the callers go through them again and again.
const BODIES: u64 = 20_000;
const SEED: u64 = 4;
const APPENDS: u32 = 300;
const PATH: &str = "/v1/messages";

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (runs, time) = (bench.pick(1, 3), Duration::from_secs(bench.pick(3, 8)));
    // Nothing leaves but for one request a second: what is measured is the way in.
    let lane = Lane { requests_per_second_max: Some(1), ..Lane::default() };
    let house = House::new(bench, NOBODY, &lane)?;
    let token = house.token()?;
    let serve = house.serve().await?;
    let (_bare, bare) = bare::start(bench, "bare").await?;
    let (_canned, canned) = bare::start(bench, "canned").await?;
    let (mut plain, mut keyed) = (Vec::new(), Vec::new());
    let (mut bares, mut alone, mut appends) = (vec![], vec![], vec![]);
    let mut cores = Vec::new();
    for round in 0..runs {
        alone.push(post(load(canned, &token, None), Extent::For(time / 2)).await?.per_second());
        bares.push(post(load(bare, &token, None), Extent::For(time)).await?.per_second());
        let before = serve.usage();
        let answers = post(load(serve.address, &token, None), Extent::For(time)).await?;
        cores.push((serve.usage().cpu_s - before.cpu_s) / answers.good.max(1) as f64 * 1e6);
        plain.push(answers);
        keyed.push(post(load(serve.address, &token, Some(format!("round-{round}"))), Extent::For(time)).await?);
        appends.push(disk::fdatasync_s(bench.folder(), APPENDS)?);
    }
    serve.stop().await?;
    let (bare, flushed) = (median(bares), CALLERS as f64 / median(appends));
    let ceiling = bare.min(flushed);
    let told = format!(
        "{} s each, median of {runs}. Ceiling: the lower of a bare axum handler that parses the same JSON under the \
         same generator ({}/s) and 64 ÷ the time of an fdatasync ({}/s). The generator alone, against a socket that \
         answers without reading: {}/s",
        time.as_secs(),
        grouped(bare),
        grouped(flushed),
        grouped(median(alone)),
    );
    let row = |what: &str, answers: &[Answers], conditions: String| {
        let figure = median(answers.iter().map(Answers::per_second).collect());
        let within = |share: f64| median(answers.iter().map(|it| it.within_ms(share)).collect());
        let bad: u64 = answers.iter().map(|it| it.bad).sum();
        Row {
            what: what.to_owned(),
            figure: format!("{}/s", grouped(figure)),
            reach: format!("{:.0} % of the ceiling", REACH_SHARE * 100.0),
            ceiling: format!("{}/s", grouped(ceiling)),
            ratio: Some(figure / ceiling),
            reached: Some(figure >= ceiling * REACH_SHARE && bad == 0),
            conditions: format!(
                "answered within {:.1} ms by half, within {:.1} ms for 99 %, {bad} refused{conditions}",
                within(0.5),
                within(0.99)
            ),
        }
    };
    let cpu = format!("; {:.0} µs of serve's processor a call; {told}", median(cores));
    Ok(vec![
        row("single-message API calls, 64 callers, each on the disk before its answer", &plain, cpu),
        row("the same with an `Idempotency-Key` each", &keyed, String::new()),
    ])
}

fn load(address: std::net::SocketAddr, token: &str, keys: Option<String>) -> Load {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is plain text");
    headers.insert(AUTHORIZATION, bearer);
    let unique = keys.map(|begin| (HeaderName::from_static("idempotency-key"), begin));
    let bodies = customers::api_bodies(BODIES, SEED);
    let bodies = bodies.into_iter().map(|body| (body.into(), HeaderMap::new())).collect();
    Load { address, path: PATH.to_owned(), headers, bodies, unique }
}
