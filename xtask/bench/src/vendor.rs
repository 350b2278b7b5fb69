//! `naru sandbox` in a process of its own, and its ledger.

use std::net::SocketAddr;
use std::process::Command;

use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Result;
use crate::cases::Bench;
use crate::process::{Process, Usage};
use crate::say::ask;

/// What receipts are signed with.
pub const RECEIPT_SECRET: &str = "bench-receipts";

/// A running vendor.
pub struct Vendor {
    process: Process,
    address: SocketAddr,
}

/// The sums of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Requests with messages.
    pub requests: u64,
    /// Messages taken.
    pub accepted: u64,
    /// Messages told to come again.
    pub busy: u64,
    /// References taken more than once.
    pub doubled: u64,
    /// Requests in any sliding second at most.
    pub peak: u64,
}

/// Everything a vendor took, in the order it came.
pub struct Entries(Bytes);

/// One message that was taken.
#[derive(Deserialize)]
pub struct Entry<'a> {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// By which request; they are numbered as they come.
    pub request: u32,
    /// The sender's reference.
    #[serde(rename = "ref")]
    pub reference: &'a str,
    /// To whom.
    pub to: &'a str,
    /// The vendor's own id.
    pub id: &'a str,
}

impl Vendor {
    /// Starts one with `flags` and waits until it listens.
    pub async fn start(bench: &Bench, flags: &[&str]) -> Result<Vendor> {
        Vendor::start_at(bench, "127.0.0.1:0", flags).await
    }

    /// As [`Vendor::start`], at an address.
    pub async fn start_at(bench: &Bench, listen: &str, flags: &[&str]) -> Result<Vendor> {
        let mut command = Command::new(&bench.naru);
        command.args(["sandbox", "--lang", "en", "--listen", listen]).args(flags);
        let mut process = Process::start(command, bench.folder(), "sandbox")?;
        let address = process.says("where it listens", |text| {
            let address = text.split_once("http://")?.1.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
            address.map(|part| part.trim_end_matches('.')).next()?.parse().ok()
        });
        let address = address.await?;
        Ok(Vendor { process, address })
    }

    /// Where it is, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its process has used.
    pub fn usage(&self) -> Usage {
        self.process.usage()
    }

    /// The sums of its ledger.
    pub async fn sums(&self) -> Result<Sums> {
        let ledger: Value = serde_json::from_slice(&self.get("/ledger").await?).map_err(|e| e.to_string())?;
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        Ok(Sums {
            requests: number(&ledger["requests"]),
            accepted: number(&ledger["messages"]["accepted"]),
            busy: number(&ledger["messages"]["busy"]),
            doubled: number(&ledger["doubled"]),
            peak: number(&ledger["requests_per_second_peak"]),
        })
    }

    /// All entries of its ledger.
    pub async fn entries(&self) -> Result<Entries> {
        self.get("/ledger/entries").await.map(Entries)
    }

    /// When each request came whose messages it took, from entry `from` on, in microseconds since 1970.
    pub async fn arrivals(&self, from: u64) -> Result<Vec<u64>> {
        let entries = Entries(self.get(&format!("/ledger/entries?from={from}")).await?);
        let mut requests: Vec<(u32, u64)> = entries.iter()?.iter().map(|entry| (entry.request, entry.at_us)).collect();
        // In the order of their numbers: which is answered first is another matter.
        requests.sort_unstable();
        requests.dedup();
        Ok(requests.into_iter().map(|(_, at_us)| at_us).collect())
    }

    /// The first entry of its ledger.
    pub async fn first_at_us(&self) -> Result<Option<u64>> {
        let entries = Entries(self.get("/ledger/entries?from=0&limit=1").await?);
        Ok(entries.iter()?.first().map(|entry| entry.at_us))
    }

    /// Forgets everything.
    pub async fn empty(&self) -> Result<()> {
        ask(self.connect().await?, Method::DELETE, "/ledger", None).await.map(drop)
    }

    async fn get(&self, path: &str) -> Result<Bytes> {
        ask(self.connect().await?, Method::GET, path, None).await
    }

    async fn connect(&self) -> Result<TcpStream> {
        TcpStream::connect(self.address).await.map_err(|e| format!("could not reach the sandbox: {e}"))
    }
}

impl Entries {
    /// The entries.
    pub fn iter(&self) -> Result<Vec<Entry<'_>>> {
        let lines = self.0.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|e| format!("a line of the ledger: {e}"))).collect()
    }
}
