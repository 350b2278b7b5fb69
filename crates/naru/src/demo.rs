//! `demo`: everything at once in a fresh folder: a stand-in vendor, naru itself, customers, a campaign, the account.
//!
//! It is `init`, `sandbox`, `serve`, `template push`, `send` and `audit` one after another, said by the same functions,
//! so what it shows is what a shop gets.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use naru_component::answer::Answer;
use naru_component::word::{Call, Progress};
use naru_core::clock::SystemClock;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use naru_dispatch::account::Account;
use naru_dispatch::campaign;
use naru_web::link;
use naru_web::role::Actor;
use serde_json::{Value, json};

use crate::config;
use crate::follow::{self, Bars};
use crate::house::{Catalogue, House, url};
use crate::http::listen;
use crate::init::{self, InitArgs};
use crate::signal::Signals;
use crate::terminal::{End, Terminal};
use crate::{engines, log, serve};

/// Try naru: a stand-in vendor, generated customers, a campaign, and the account at its end
///
/// Everything stands in a fresh folder and on this machine only; no message reaches anybody.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// How many customers to generate and send to
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    messages: u64,
    /// End after the account is shown; exits with 0 only when it balances
    #[arg(long)]
    exit: bool,
    /// Where the console is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Folder to begin in instead of a new one that is removed at the end; must not hold a naru.toml
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// There are a hundred million numbers to generate.
const MESSAGES_MAX: u64 = 50_000_000;
/// How often the bars move on.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The last receipts are on their way for this long at most.
const RECEIPTS_MAX: Duration = Duration::from_secs(60);
/// How the stand-in vendor behaves: as a real one on a fair day, not as none ever does.
const FAULTS: [&str; 4] = ["busy=5", "refuse=1", "fail-receipt=1", "shuffle-receipts=100"];

/// Runs it.
pub async fn demo(args: &DemoArgs, catalogue: &Catalogue, terminal: &Terminal) -> Result<u8, End> {
    let failed = |error: std::io::Error| Failure::unavailable("demo-folder").cause(&error);
    let fresh = tempfile::Builder::new().prefix("naru-demo-").tempdir().map_err(failed)?;
    let folder = args.folder.clone().unwrap_or_else(|| fresh.path().to_owned());
    let mut signals = Signals::listen()?;
    log::start("warn", &terminal.environment, SystemClock::shared())?;
    let network = listen::bind(args.listen).await?;
    let address = network.local_addr()?;
    let vendor = Lifecycle::default();
    let sandbox = naru_sandbox::start(vendor_options(address)?, vendor.clone(), SystemClock::shared()).await?;
    let file = write_folder(&folder, address, &sandbox.url())?;
    let loaded = config::load(Some(&file))?;
    let house = House::own(&loaded, catalogue).await?;
    let socket = listen::bind_socket(&loaded.socket())?;
    let presence = serve::open(&house, network, socket).await?;
    welcome(args, &folder, &house, address, terminal).await?;

    let code = tokio::select! {
        code = campaign(args, &folder, &house, terminal) => code?,
        () = signals.next() => 1,
    };
    if !args.exit && code == 0 {
        terminal.print(&(terminal.say("demo-stays", &[]) + "\n"))?;
        signals.next().await;
    }
    serve::drain(house.ctx.lifecycle(), &mut signals, engines::longest(&loaded.config.dispatch)).await;
    presence.end().await;
    house.ctx.store().close().await;
    vendor.stop();
    Ok(code)
}

fn vendor_options(naru: SocketAddr) -> Result<naru_sandbox::Options, Failure> {
    let fault = FAULTS.iter().map(|share| share.parse()).collect::<Result<Vec<_>, _>>().map_err(Failure::bug)?;
    Ok(naru_sandbox::Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        fault,
        receipts_to: Some(format!("{}/v1/receipts/sandbox", url(naru))),
        receipts_secret: Some(Secret::new(init::RECEIPTS_SECRET.trim())),
        receipts_per_call: 500,
        ..naru_sandbox::Options::default()
    })
}

/// What `init` writes, with the addresses of this run.
fn write_folder(folder: &Path, address: SocketAddr, sandbox: &str) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::unavailable("demo-folder").cause(&error);
    init::write(&InitArgs::new(folder))?;
    let file = folder.join(config::FILE);
    let text = std::fs::read_to_string(&file).map_err(failed)?;
    let mut table: toml::Table = toml::from_str(&text).map_err(Failure::bug)?;
    let set = |table: &mut toml::Table, path: &[&str], value: toml::Value| {
        let (last, before) = path.split_last().expect("a path has a last part");
        let mut place = table;
        for part in before {
            let inner = place.entry(*part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            place = inner.as_table_mut().expect("the sample's sections are tables");
        }
        place.insert((*last).to_owned(), value);
    };
    let lane = ["dispatch", "lane", "sandbox"];
    let key = |name: &'static str| [lane[0], lane[1], lane[2], name];
    set(&mut table, &["web", "listen"], address.to_string().into());
    set(&mut table, &key("url"), sandbox.into());
    set(&mut table, &key("messages_per_second_max"), 50_000.into());
    std::fs::write(&file, table.to_string()).map_err(failed)?;
    Ok(file)
}

async fn welcome(
    args: &DemoArgs,
    folder: &Path,
    house: &House,
    address: SocketAddr,
    terminal: &Terminal,
) -> Result<(), End> {
    let (base, shown) = (url(address), folder.display().to_string());
    let mut text = terminal.say("demo-begins", &[("folder", &shown)]) + "\n";
    if args.exit {
        text += &(terminal.say("demo-console", &[("url", &base)]) + "\n");
    } else if let Some(path) = link::first_link(house.ctx.store(), house.ctx.clock().now_ms()).await? {
        let minutes = (link::LIFE_MS / 60_000).to_string();
        let link = format!("{base}{path}");
        text += &(terminal.say("serve-invitation", &[("url", &link), ("minutes", &minutes)]) + "\n");
    }
    terminal.print(&(text + "\n"))
}

/// Generates customers, sends to them, shows how it goes, and proves the account. Answers the exit code.
async fn campaign(args: &DemoArgs, folder: &Path, house: &House, terminal: &Terminal) -> Result<u8, End> {
    let file = folder.join("customers.csv");
    let (count, path) = (args.messages, file.clone());
    tokio::task::spawn_blocking(move || write_customers(&path, count))
        .await
        .map_err(Failure::bug)?
        .map_err(|error| Failure::unavailable("demo-folder").cause(&error))?;
    say(house, terminal, "template push", json!({ "dir": folder.join("templates") }), &Progress::default()).await?;
    let progress = Progress::default();
    let send = json!({ "template": "shipped", "to": file, "name": "demo", "stream": true });
    let sent = follow::shown(terminal, &progress, say(house, terminal, "send", send, &progress)).await?;
    // What it says of other commands holds in a folder of one's own, and not in the demo's.
    terminal.view(&sent.view[..1])?;
    let id: Id = sent.data["campaign"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
    if !args.exit {
        let (config, campaign) = (folder.join(config::FILE).display().to_string(), id.to_string());
        terminal.print(&(terminal.say("demo-campaign", &[("config", &config), ("campaign", &campaign)]) + "\n"))?;
    }
    let account = watch(house, terminal, id).await?;
    let shown =
        say(house, terminal, "campaign show", json!({ "campaign": id.to_string() }), &Progress::default()).await?;
    terminal.answer(&shown)?;
    let audit = say(house, terminal, "audit", json!({}), &Progress::default()).await?;
    let last = audit.view.last().cloned();
    terminal.view(last.as_slice())?;
    let settled = account.accepted == args.messages && account.pending == 0 && account.unknown == 0;
    Ok(u8::from(audit.refused || !settled))
}

/// Bars until every message has its outcome and every receipt has come.
async fn watch(house: &House, terminal: &Terminal, id: Id) -> Result<Account, End> {
    let bars = Bars::new(terminal);
    let (sent, told) = (terminal.say("demo-bar-sent", &[]), terminal.say("demo-bar-receipts", &[]));
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut waiting_since = None;
    loop {
        ticks.tick().await;
        let Some(campaign) = campaign::show(house.ctx.store(), id).await.map_err(Failure::from)? else {
            return Err(Failure::bug("the demo's campaign is gone").into());
        };
        let account = campaign.account;
        bars.show(0, &sent, account.done(), account.accepted);
        bars.show(1, &told, account.done() - account.sent - account.unknown, account.accepted);
        let since = *waiting_since.get_or_insert_with(tokio::time::Instant::now);
        if account.pending > 0 {
            waiting_since = None;
        } else if account.sent == 0 || since.elapsed() > RECEIPTS_MAX {
            bars.clear();
            return Ok(account);
        }
    }
}

async fn say(
    house: &House,
    terminal: &Terminal,
    path: &str,
    args: Value,
    progress: &Progress,
) -> Result<Answer, Failure> {
    let word = house.words().find(|word| word.path == path).cloned();
    let word = word.ok_or_else(|| Failure::not_found("word-unknown").arg("word", path))?;
    let args = word.bring(args)?;
    let upload = word.upload.and_then(|name| args[name].as_str()).map(PathBuf::from);
    let call = Call { actor: Actor::local(), lang: terminal.lang, args, upload, progress: progress.clone(), key: None };
    word.say(house.ctx.clone(), call).await
}

/// Customers with a number, a name and an order. One in ten orders belongs to a customer who has another, so that the
/// order per customer is at work.
fn write_customers(path: &Path, count: u64) -> std::io::Result<()> {
    const FAMILY: [&str; 8] = ["김", "이", "박", "최", "정", "강", "조", "윤"];
    const GIVEN: [&str; 8] = ["민서", "지현", "수아", "예준", "하은", "도윤", "서연", "우진"];
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "to,customer,name,order")?;
    for n in 0..count {
        // Steps without a common divisor with the count of numbers: each comes once, in no visible order.
        let number = n * 61_803_399 % 100_000_000;
        let customer = if n % 10 == 9 { n / 50 * 10 } else { n };
        let (family, given) = (FAMILY[(number % 8) as usize], GIVEN[(number / 8 % 8) as usize]);
        writeln!(out, "010{number:08},C{customer},{family}{given},A-{n}")?;
    }
    out.flush()
}
