//! Stand-in message vendors with limits, faults and a ledger of their own.
//!
//! `naru sandbox` is how anyone tries naru without a contract, and what every test and benchmark sends to. It behaves
//! as vendors document and as they really do: it throttles, loses answers after it has accepted, closes connections,
//! reports late, twice, early or never. And it keeps an account that the sender cannot touch, so that joining both
//! proves what was sent, in which order, how fast and how often. It shares two processors with what it measures, hence
//! borrowed parsing, answers written by hand, and forty bytes a message.
//!
//! Must never know: dispatch, its frames, lanes or store. It knows the wire contract and nothing of who calls.
//! A change must keep: what is answered `ok`, or accepted and then answered wrongly, is in the ledger exactly once for
//! each acceptance; nothing else is.

pub mod fault;
pub mod flag;

mod arrival;
mod book;
mod change;
mod client;
mod group;
mod index;
mod journal;
mod key;
mod ledger;
mod message;
mod name;
mod pages;
mod posting;
mod receipt;
mod reply;
mod route;
mod server;
mod vendor;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http::{Request, Uri};
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use naru_core::text::Catalog;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::fault::FaultShare;
use crate::flag::{DelayRange, Level};
use crate::journal::Journal;
use crate::receipt::{Receipts, Settings};
use crate::vendor::Vendor;

/// The sentences of this crate's failures.
pub const TEXTS: Catalog =
    Catalog { name: "sandbox", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// The flags of `naru sandbox`.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
#[group(id = "sandbox")]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Key that callers show as `authorization: Bearer KEY`
    #[arg(long, value_name = "KEY", default_value = "sandbox", value_parser = secret)]
    pub api_key: Secret,

    /// What the vendor offers a client that missed its answer
    ///
    /// `none` accepts again whatever is sent again. `lookup` tells what became of a key or a reference. `key` answers a
    /// repeated idempotency key as it did the first time and sends nothing. `two-phase` does so too, and lets messages
    /// be put into a group that is sent by a second call, and can be looked at and deleted until then.
    #[arg(long, value_enum, default_value = "key")]
    pub level: Level,

    /// Seconds for which keys, their answers and groups are remembered
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    pub key_life_s: u64,

    /// Most requests taken in any second
    ///
    /// What comes above it is answered 429 with `Retry-After`, and nothing of it is accepted. The second slides: any
    /// 1,000 ms count, not those of the clock. Every call counts, questions too, and each step of a group by itself.
    #[arg(long, value_name = "N")]
    pub requests_per_second: Option<u32>,

    /// Most messages taken in any second
    ///
    /// As `--requests-per-second`. A batch that is larger than the limit never gets through. The messages of a group
    /// count in the call that brings them.
    #[arg(long, value_name = "N")]
    pub messages_per_second: Option<u32>,

    /// Most requests handled at a time; one more is answered 429
    #[arg(long, value_name = "N")]
    pub in_flight: Option<u32>,

    /// Milliseconds before each answer
    #[arg(long, value_name = "MS", default_value = "0")]
    pub latency_ms: u64,

    /// File that keeps the ledger, so that a sandbox that was killed goes on where it was
    ///
    /// Each call is on the disk before it is answered. Keys, groups, ids, peaks and owed receipts come back with it; the
    /// other sums of `naru sandbox ledger` are those since the last start.
    #[arg(long, value_name = "FILE")]
    pub ledger_file: Option<PathBuf>,

    /// Something that goes wrong, in so many of a hundred cases (can be repeated)
    ///
    /// Of requests: `throttle` (429 with `Retry-After`), `throttle-bare` (429 without), `fail-before-accept` (503,
    /// nothing accepted), `fail-after-accept` (500, all accepted), `reset-after-accept` (all accepted, then the
    /// connection closes without an answer), `slow` (the answer takes `--slow-ms`).
    ///
    /// Of messages: `busy` (told to come again, then accepted), `refuse` (unknown number, for good).
    ///
    /// Of receipts: `lose-receipt`, `double-receipt`, `early-receipt` (before the send is answered),
    /// `shuffle-receipts` (late by up to two seconds, in any order), `fail-receipt`, `expire-receipt`.
    ///
    /// `PUT /faults` with {"NAME": PERCENT} replaces them all while the sandbox runs.
    #[arg(long, value_name = "NAME=PERCENT")]
    pub fault: Vec<FaultShare>,

    /// Milliseconds that a `slow` answer takes
    #[arg(long, value_name = "MS", default_value = "2000")]
    pub slow_ms: u64,

    /// Decides which requests and messages the faults hit
    ///
    /// The same calls with the same seed meet the same faults.
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// Address that receipts are posted to, such as `http://127.0.0.1:7070/v1/receipts/LANE`; without it there are
    /// none
    #[arg(long, value_name = "URL")]
    pub receipts_to: Option<String>,

    /// What receipts are signed with, in `x-sandbox-signature`
    #[arg(long, value_name = "SECRET", value_parser = secret)]
    pub receipts_secret: Option<Secret>,

    /// Most receipts in one call, from 1 to 1000
    #[arg(long, value_name = "N", default_value = "100")]
    pub receipts_per_call: usize,

    /// Milliseconds from a request to the receipts of its messages, drawn for each request
    #[arg(long, value_name = "MIN..MAX", default_value = "100..500")]
    pub receipts_delay_ms: DelayRange,
}

impl Default for Options {
    /// What `naru sandbox` without flags does.
    fn default() -> Options {
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            options: Options,
        }
        Alone::try_parse_from(["sandbox"]).expect("every flag has a default").options
    }
}

/// A running sandbox.
pub struct Sandbox {
    address: SocketAddr,
}

impl Sandbox {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Starts a sandbox that runs until `lifecycle` stops.
pub async fn start(options: Options, lifecycle: Lifecycle, clock: Arc<dyn Clock>) -> Result<Sandbox, Failure> {
    let receipts = receipt_settings(&options)?.map(Receipts::new);
    let listen_failed =
        |error: std::io::Error| Failure::unavailable("sandbox-listen").arg("address", options.listen).cause(&error);
    let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(listen_failed)?;
    let address = listener.local_addr().map_err(listen_failed)?;
    let posts = receipts.is_some();
    let kept =
        match &options.ledger_file {
            Some(path) => Some(Journal::open(path, clock.now_ms()).map_err(|error| {
                Failure::unavailable("sandbox-ledger-file").arg("path", path.display()).cause(&error)
            })?),
            None => None,
        };
    let vendor = Vendor::new(options, receipts, lifecycle.clone(), clock, kept);
    if posts {
        lifecycle.spawn("sandbox receipts", Receipts::post_when_due(vendor.clone()));
    }
    lifecycle.spawn("sandbox", server::serve(listener, vendor));
    tracing::info!(address = %address, "sandbox listens");
    Ok(Sandbox { address })
}

/// How long a sandbox may take to tell its ledger.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the sandbox at `url` for the summary of its ledger.
pub async fn ledger(url: &str) -> Result<serde_json::Value, Failure> {
    let uri = http_uri(&format!("{}/ledger", url.trim_end_matches('/')));
    let uri = uri.ok_or_else(|| Failure::usage("sandbox-url").arg("url", url))?;
    let mut request = Request::default();
    *request.uri_mut() = uri;
    let (status, body) = Client::new(LEDGER_TIMEOUT, 1).call(request).await.map_err(|causes| {
        let failure = Failure::unavailable("sandbox-unreachable").arg("url", url);
        causes.into_iter().fold(failure, Failure::cause_text)
    })?;
    let other = || Failure::refused("sandbox-answer").arg("url", url).arg("status", status.as_u16());
    if !status.is_success() {
        return Err(other());
    }
    serde_json::from_slice(&body).map_err(|error| other().cause(&error))
}

fn receipt_settings(options: &Options) -> Result<Option<Settings>, Failure> {
    let (url, secret) = match (&options.receipts_to, &options.receipts_secret) {
        (None, None) => return Ok(None),
        (Some(url), Some(secret)) => (url, secret.clone()),
        (Some(_), None) => return Err(Failure::usage("sandbox-receipts-secret")),
        (None, Some(_)) => return Err(Failure::usage("sandbox-receipts-to")),
    };
    let url = http_uri(url).ok_or_else(|| Failure::usage("sandbox-url").arg("url", url))?;
    let per_call = options.receipts_per_call;
    if !(1..=message::MESSAGES_MAX).contains(&per_call) {
        return Err(Failure::usage("sandbox-receipts-per-call").arg("found", per_call));
    }
    Ok(Some(Settings { url, secret, per_call, delay: options.receipts_delay_ms }))
}

fn http_uri(url: &str) -> Option<Uri> {
    url.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some())
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn flags_are_read_and_travel_as_configuration() {
        let line = "sandbox --listen 127.0.0.1:7171 --api-key k --level two-phase --fault throttle=5 --fault busy=0.5 \
                    --receipts-to http://127.0.0.1:1/r --receipts-secret s --receipts-delay-ms 10..20 --in-flight 3";
        let options = Line::try_parse_from(line.split_whitespace()).map(|line| line.options).unwrap();
        let json = serde_json::to_value(&options).unwrap();
        assert_eq!(json["level"], "two-phase");
        assert_eq!(json["fault"], serde_json::json!(["throttle=5", "busy=0.5"]));
        assert_eq!(json["receipts_delay_ms"], "10..20");
        let back: Options = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), json);
        let sparse: Options = serde_json::from_str(r#"{"in_flight":3}"#).unwrap();
        assert_eq!((sparse.in_flight, sparse.slow_ms), (Some(3), 2_000));
        assert!(!format!("{options:?}").contains("\"s\""), "secrets do not print");
    }

    #[test]
    fn wrong_flags_are_refused_with_what_is_allowed() {
        for (flag, expect) in [
            ("--fault=trottle=5", "no fault is called"),
            ("--receipts-delay-ms=5..1", "5 is more than 1"),
            ("--level=best", "two-phase"),
            ("--in-flight=-1", "-1 is not in 0.."),
        ] {
            let error = Line::try_parse_from(["sandbox", flag]).err().unwrap().to_string();
            assert!(error.contains(expect), "{flag}: {error}");
        }
    }
}
