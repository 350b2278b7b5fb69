//! A folder with a configuration, and `naru` run in it as an operator runs it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::cases::Bench;
use crate::postgres::Postgres;
use crate::process::{self, Process, Usage};
use crate::say::ask;
use crate::vendor::{RECEIPT_SECRET, Sums, Vendor};
use crate::wait::{pause, until};
use crate::{Result, customers};

/// How many a house is configured for.
pub const INSTANCES: usize = 2;

/// No file takes longer to come in, nor to leave.
const LONG_MAX: Duration = Duration::from_secs(1_800);

const SECRET_FILE: &str = "receipt-secret";

/// Lanes by their names and channels. A house has the first of them, or both.
pub const LANES: [(&str, &str); 2] = [("bench", "sms"), ("beside", "alimtalk")];

/// What differs between the lanes that are measured.
#[derive(Clone, Default)]
pub struct Lane {
    /// `batch_max`.
    pub batch_max: Option<u32>,
    /// `in_flight_max`.
    pub in_flight_max: Option<u32>,
    /// `messages_per_second_max`.
    pub messages_per_second_max: Option<u32>,
    /// `requests_per_second_max`.
    pub requests_per_second_max: Option<u32>,
    /// `retry_base_ms`.
    pub retry_base_ms: Option<u32>,
    /// Whether it takes receipts.
    pub receipts: bool,
}

/// Where messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server of the house's own.
    Postgres,
}

/// A configured folder; it goes when the value goes.
pub struct House {
    dir: TempDir,
    naru: PathBuf,
    postgres: Option<Postgres>,
}

/// A file that was taken in.
pub struct Sent {
    /// The campaign's id.
    pub campaign: String,
    /// Its messages.
    pub accepted: u64,
    /// From the start of `naru send` to its end.
    pub took: Duration,
    /// What its process used.
    pub usage: Usage,
}

/// A campaign's account, as `naru` tells it.
pub struct Account {
    /// Messages that the provider took and did not report.
    pub sent: u64,
    /// Messages that the provider reported as delivered.
    pub delivered: u64,
    /// Whether its file is in and no message is without an outcome.
    pub done: bool,
    /// Whether the terms add up.
    pub balances: bool,
}

impl House {
    /// Makes the folder, with a lane to `vendor` and the templates of generated customers.
    pub fn new(bench: &Bench, vendor: &str, lane: &Lane) -> Result<House> {
        House::make(bench, None, &[vendor.to_owned()], lane)
    }

    /// As [`House::new`], with a lane to each of `vendors`, which are one or two.
    pub async fn on(engine: Engine, bench: &Bench, vendors: &[String], lane: &Lane) -> Result<House> {
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::start(bench).await?),
        };
        House::make(bench, postgres, vendors, lane)
    }

    fn make(bench: &Bench, postgres: Option<Postgres>, vendors: &[String], lane: &Lane) -> Result<House> {
        let dir = tempfile::tempdir_in(bench.folder()).map_err(|e| format!("could not make a folder: {e}"))?;
        let house = House { dir, naru: bench.naru.clone(), postgres };
        house.configure(vendors, lane)?;
        let templates = customers::templates(house.dir.path())?;
        process::run(house.naru(&["template", "push"]).arg(templates))?;
        Ok(house)
    }

    /// Writes the configurations of [`INSTANCES`]; the next `naru` reads them.
    pub fn configure(&self, vendors: &[String], lane: &Lane) -> Result<()> {
        let write =
            |name: &str, text: &str| std::fs::write(self.dir.path().join(name), text).map_err(|e| e.to_string());
        write(SECRET_FILE, RECEIPT_SECRET)?;
        let store = self.postgres.as_ref().map(Postgres::url);
        (0..INSTANCES).try_for_each(|no| write(&config_file(no), &configuration(no, store, vendors, lane)))
    }

    /// Its database server, where it has one.
    pub fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }

    /// `naru` with the first instance's configuration.
    pub fn naru(&self, words: &[&str]) -> Command {
        self.naru_as(0, words)
    }

    fn naru_as(&self, no: usize, words: &[&str]) -> Command {
        let mut command = Command::new(&self.naru);
        command.args(["--lang", "en", "--json", "--config"]).arg(self.dir.path().join(config_file(no))).args(words);
        // Where a `rejected.csv` would be put.
        command.current_dir(self.dir.path());
        command
    }

    /// A token for programs that send.
    pub fn token(&self) -> Result<String> {
        let (printed, _) = process::run(&mut self.naru(&["token", "add", "bench", "--role", "send"]))?;
        let answer: Value = serde_json::from_str(&printed).map_err(|e| format!("naru token: {e}"))?;
        answer["token"].as_str().map(str::to_owned).ok_or_else(|| format!("naru token: {printed}"))
    }

    /// `naru send`, in process or by the `serve` that runs.
    pub async fn send(&self, file: &Path, name: &str, flags: &[&str]) -> Result<Sent> {
        self.send_as(customers::TEMPLATE, file, name, flags).await
    }

    /// As [`House::send`], with a template of those that a house has.
    pub async fn send_as(&self, template: &str, file: &Path, name: &str, flags: &[&str]) -> Result<Sent> {
        let mut command = self.naru(&["send", "--template", template, "--name", name, "--to"]);
        command.arg(file).args(flags);
        let start = Instant::now();
        let mut process = Process::start(command, self.dir.path(), "send")?;
        let usage = process.ends_watched(LONG_MAX).await?;
        let took = start.elapsed();
        let printed = process.output();
        let json = printed.find('{').map_or("", |at| &printed[at..]);
        let answer = serde_json::Deserializer::from_str(json).into_iter::<Value>().next();
        let answer = answer.and_then(std::result::Result::ok).ok_or_else(|| format!("naru send: {printed}"))?;
        let campaign = answer["campaign"].as_str().ok_or_else(|| format!("naru send: {printed}"))?.to_owned();
        Ok(Sent { campaign, accepted: answer["accepted"].as_u64().unwrap_or_default(), took, usage })
    }

    /// `naru serve`, with its doors open.
    pub async fn serve(&self) -> Result<Serving> {
        self.serve_as(0).await
    }

    /// As [`House::serve`], one instance of several.
    pub async fn serve_as(&self, no: usize) -> Result<Serving> {
        let mut process = Process::start(self.naru_as(no, &["serve"]), self.dir.path(), &format!("serve-{no}"))?;
        let address = process.says("that it serves", |text| {
            let line = text.lines().find(|line| line.contains("naru serves"))?;
            serde_json::from_str::<Value>(line).ok()?["address"].as_str()?.parse().ok()
        });
        let address = address.await?;
        Ok(Serving { process, address, socket: self.dir.path().join(data_dir(no)).join("naru.sock") })
    }

    /// Bytes of the database and its log.
    pub fn store_bytes(&self) -> u64 {
        let folder = self.dir.path().join(data_dir(0));
        let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |it| it.len());
        size("naru.db") + size("naru.db-wal")
    }
}

/// A running `naru serve`.
pub struct Serving {
    process: Process,
    /// Where its pages and its API are.
    pub address: SocketAddr,
    socket: PathBuf,
}

impl Serving {
    /// What its process has used.
    pub fn usage(&self) -> Usage {
        self.process.usage()
    }

    /// What it has said since it was started.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Says a word over the socket.
    pub async fn say(&self, word: &str, args: Value) -> Result<Value> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|e| format!("could not reach naru: {e}"))?;
        let path = format!("/v1/{}", word.replace(' ', "/"));
        let body = ask(stream, Method::POST, &path, Some(args)).await?;
        serde_json::from_slice(&body).map_err(|e| format!("{path}: {e}"))
    }

    /// How far a campaign is.
    pub async fn account(&self, campaign: &str) -> Result<Account> {
        let data = self.say("campaign show", json!({ "campaign": campaign })).await?;
        let number = |name: &str| data["account"][name].as_u64().unwrap_or_default();
        Ok(Account {
            sent: number("sent"),
            delivered: number("delivered"),
            done: data["done"] == true,
            balances: data["balances"] == true,
        })
    }

    /// Waits until every message of a campaign has its outcome stored, and proves it. The vendor's cheap ledger is
    /// watched first, so that counting in the database does not slow down what is measured.
    pub async fn outcomes(&self, vendor: &Vendor, campaign: &str, messages: u64) -> Result<Sums> {
        let taken = async || Ok(Some(vendor.sums().await?).filter(|sums| sums.accepted >= messages));
        until("the vendor to have every message", LONG_MAX, taken).await?;
        let done = async || Ok(Some(self.account(campaign).await?).filter(|account| account.done));
        let account = until("every outcome", LONG_MAX, done).await?;
        let sums = vendor.sums().await?;
        let ended = account.sent + account.delivered;
        if ended != messages || !account.balances || sums.doubled > 0 {
            return Err(format!(
                "{messages} messages went out, {ended} were sent ({} doubled), the account {}",
                sums.doubled,
                if account.balances { "balances" } else { "does not balance" }
            ));
        }
        Ok(sums)
    }

    /// Lets time pass and returns what it used meanwhile: cores, and bytes resident at most since it started.
    pub async fn cores_during(&self, time: Duration) -> (f64, u64) {
        let (before, start) = (self.usage(), Instant::now());
        pause(time).await;
        let after = self.usage();
        ((after.cpu_s - before.cpu_s) / start.elapsed().as_secs_f64(), after.peak_bytes)
    }

    /// Ends it as a power cut would.
    pub fn kill(self) {
        drop(self.process);
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

fn config_file(no: usize) -> String {
    format!("naru-{no}.toml")
}

fn data_dir(no: usize) -> String {
    format!("data-{no}")
}

fn configuration(no: usize, store: Option<&str>, vendors: &[String], lane: &Lane) -> String {
    let mut text = format!("data_dir = \"{}\"\n[web]\nlisten = \"127.0.0.1:0\"\n", data_dir(no));
    if let Some(url) = store {
        let _ = writeln!(text, "[store]\nurl = \"{url}\"");
    }
    // Ads are measured at night, too.
    text += "[consent.channel.sms]\nexempt = true\n";
    for (vendor, (name, channel)) in vendors.iter().zip(LANES) {
        let _ = write!(text, "[dispatch.lane.{name}]\nprovider = \"sandbox\"\nchannel = \"{channel}\"\n");
        let _ = writeln!(text, "url = \"{vendor}\"");
        write_lane(&mut text, lane);
    }
    text
}

fn write_lane(text: &mut String, lane: &Lane) {
    let keys = [
        ("batch_max", lane.batch_max),
        ("in_flight_max", lane.in_flight_max),
        ("messages_per_second_max", lane.messages_per_second_max),
        ("requests_per_second_max", lane.requests_per_second_max),
        ("retry_base_ms", lane.retry_base_ms),
    ];
    for (key, value) in keys {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    if lane.receipts {
        let _ = writeln!(text, "receipt_secret = {{ file = \"{SECRET_FILE}\" }}");
    }
}
