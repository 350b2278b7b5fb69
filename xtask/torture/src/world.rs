//! What is tortured: a folder with configurations, one or two instances of `naru serve`, a vendor, a database.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use crate::Result;
use crate::dice::Dice;
use crate::postgres::Postgres;
use crate::process::{PATIENCE, Process, tail};
use crate::wait::pause;

/// Requests a second of the whole lane: the cap that must hold whoever carries it.
pub const CAP: u32 = 40;
/// What the vendor's second may hold: the cap, and as many more as arrive late by a fifth of a second, since a busy
/// machine hands requests on in bundles. Two owners at once would bring up to twice the cap.
pub const LIMIT: u32 = CAP + CAP / 5;
/// After this a request's outcome counts as unknown; short, so that a doubt is looked into soon.
pub const TIMEOUT_MS: u64 = 2_000;
/// The lane, the one that stands by for it in some rounds, and what receipts are signed with.
const LANES: [&str; 2] = ["lane", "spare"];
const SECRET: &str = "torture";
/// Parts of the lane where two instances share it: an instance that comes back gets one of them.
const SHARDS: u32 = 3;
/// Before what was killed is said to be unable to come back.
const COME_BACK: Duration = Duration::from_secs(90);
/// A word that is said while what it needs is killed again and again.
const WORD_MAX: Duration = Duration::from_secs(30);
/// Below the ports that the kernel gives to clients, so that a port stays free while its owner is dead.
const PORTS: (u64, u64) = (20_000, 32_000);

/// Where messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// A file, one instance.
    Sqlite,
    /// A server, one or two instances.
    Postgres,
}

/// How well the vendor helps with unknown outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// Messages are put down by one call and sent by another.
    TwoPhase,
    /// A repeated key gets the first answer.
    Key,
    /// It can be asked about a key.
    Lookup,
    /// Not at all.
    None,
}

impl Level {
    /// As flags and configuration spell it.
    pub fn name(self) -> &'static str {
        match self {
            Level::TwoPhase => "two-phase",
            Level::Key => "key",
            Level::Lookup => "lookup",
            Level::None => "none",
        }
    }
}

/// What one round is.
#[derive(Clone)]
pub struct Plan {
    /// Where messages are stored.
    pub engine: Engine,
    /// What the vendor offers.
    pub level: Level,
    /// How many instances carry.
    pub instances: usize,
    /// How many vendors are on the route: a second one stands by.
    pub vendors: usize,
    /// How many kills.
    pub kills: usize,
    /// What chance begins with.
    pub seed: u64,
}

/// The running parts. Each is locked by whoever kills it until it has come back.
pub struct World {
    /// What it was made for.
    pub plan: Plan,
    /// Where all files are.
    pub folder: PathBuf,
    /// The database, as `[store] url` names it.
    pub store: String,
    /// Where each instance listens.
    pub ports: Vec<u16>,
    _claims: Vec<File>,
    /// Instances.
    pub serves: Vec<Arc<Mutex<Process>>>,
    /// Vendors.
    pub sandboxes: Vec<Arc<Mutex<Process>>>,
    /// The database server.
    pub postgres: Option<Arc<Mutex<Postgres>>>,
    /// Where the vendors listen.
    pub vendors: Vec<String>,
    /// Shown by whoever calls the API.
    pub token: String,
    naru: PathBuf,
}

impl World {
    /// Starts everything in `folder`.
    pub async fn start(
        plan: Plan,
        naru: &Path,
        folder: &Path,
        postgres: Option<Arc<Mutex<Postgres>>>,
    ) -> Result<World> {
        let mut dice = Dice::new(plan.seed).part(0xA);
        let store = match &postgres {
            Some(postgres) => postgres.lock().await.database(&format!("torture_{:016x}", dice.throw())).await?,
            None => format!("sqlite:{}", folder.join("naru.db").display()),
        };
        // Not by the seed: two runs of one seed may be under way.
        let free = free_ports(&mut dice.part(u64::from(std::process::id())), plan.instances + plan.vendors)?;
        let (ports, claims): (Vec<u16>, Vec<File>) = free.into_iter().unzip();
        let vendors: Vec<String> = ports[plan.instances..].iter().map(|port| format!("127.0.0.1:{port}")).collect();
        write(&folder.join("receipt-secret"), SECRET)?;
        for (no, port) in ports[..plan.instances].iter().enumerate() {
            write(&folder.join(format!("naru-{no}.toml")), &configuration(&plan, no, *port, &store, &vendors))?;
        }
        let mut sandboxes = Vec::new();
        for (no, vendor) in vendors.iter().enumerate() {
            let mut sandbox = begin_sandbox(&plan, naru, folder, no, vendor, ports[0])?;
            sandbox.says("http://").await?;
            sandboxes.push(Arc::new(Mutex::new(sandbox)));
        }
        let mut world = World {
            store,
            ports: ports[..plan.instances].to_vec(),
            _claims: claims,
            plan,
            folder: folder.to_owned(),
            serves: Vec::new(),
            sandboxes,
            postgres,
            vendors,
            token: String::new(),
            naru: naru.to_owned(),
        };
        world.furnish().await?;
        for no in 0..world.plan.instances {
            let serve = world.start_serve(no).await?;
            world.serves.push(Arc::new(Mutex::new(serve)));
        }
        Ok(world)
    }

    /// What everything else needs: templates, consents, a token.
    async fn furnish(&mut self) -> Result<()> {
        let templates = self.folder.join("templates");
        std::fs::create_dir_all(&templates).map_err(|e| e.to_string())?;
        for purpose in ["auth", "info", "ad"] {
            let ad = if purpose == "ad" { "(광고)[나루] #{name} 무료거부 0800000000" } else { "#{name}" };
            let text = format!("id = \"{purpose}\"\nchannel = \"sms\"\npurpose = \"{purpose}\"\nbody = \"{ad}\"\n");
            write(&templates.join(format!("{purpose}.toml")), &text)?;
        }
        self.done(0, &["template", "push", &templates.to_string_lossy()]).await?;
        let consents = self.folder.join("consents.csv");
        let rows = (0..crate::traffic::ADS_MAX)
            .map(|n| format!("{},sms,1,2026-01-31,form\n", crate::traffic::address(crate::traffic::Purpose::Ad, n)));
        write(&consents, &format!("address,channel,night,given_at,evidence\n{}", rows.collect::<String>()))?;
        self.done(0, &["consent", "import", &consents.to_string_lossy()]).await?;
        let added = self.done(0, &["token", "add", "torture", "--role", "send"]).await?;
        let token = added["token"].as_str().ok_or_else(|| format!("naru token: {added}"))?;
        self.token = token.to_owned();
        Ok(())
    }

    /// `naru` with the configuration of an instance.
    fn command(&self, no: usize, words: &[&str]) -> Command {
        let mut command = Command::new(&self.naru);
        command.args(["--lang", "en", "--json", "--config"]).arg(self.folder.join(format!("naru-{no}.toml")));
        command.args(words).current_dir(&self.folder);
        command
    }

    /// Says a word as an operator would, in a process of its own; what it says of a failure is the error.
    pub async fn done(&self, no: usize, words: &[&str]) -> Result<Value> {
        let mut command = tokio::process::Command::from(self.command(no, words));
        let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(WORD_MAX, output).await;
        let output = output.map_err(|_| format!("naru {} takes too long", words.join(" ")))?;
        let output = output.map_err(|e| format!("could not start naru: {e}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            return Err(format!("naru {} ended with {}: {}", words.join(" "), output.status, tail(&said)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let from = text.find(['{', '[']).unwrap_or(text.len());
        Ok(serde_json::Deserializer::from_str(&text[from..])
            .into_iter::<Value>()
            .next()
            .and_then(std::result::Result::ok)
            .unwrap_or(Value::Null))
    }

    /// Starts an instance and waits until its doors are open, however often it takes: its port, its lock and its
    /// database come back when they do.
    pub async fn start_serve(&self, no: usize) -> Result<Process> {
        come_back(|| async {
            let mut process = self.begin_serve(no)?;
            process.says("naru serves").await?;
            Ok(process)
        })
        .await
    }

    /// Starts an instance and does not wait for it.
    pub fn begin_serve(&self, no: usize) -> Result<Process> {
        let log = self.folder.join(format!("serve-{no}.log"));
        Process::start(self.command(no, &["serve"]), &format!("serve {no}"), &log)
    }

    /// Starts a vendor on the ledger that is there.
    pub async fn start_sandbox(&self, no: usize) -> Result<Process> {
        come_back(|| async {
            let mut process = self.begin_sandbox(no)?;
            process.says("http://").await?;
            Ok(process)
        })
        .await
    }

    /// Starts a vendor and does not wait for it.
    pub fn begin_sandbox(&self, no: usize) -> Result<Process> {
        begin_sandbox(&self.plan, &self.naru, &self.folder, no, &self.vendors[no], self.ports[0])
    }
}

async fn come_back<F: Future<Output = Result<Process>>>(start: impl Fn() -> F) -> Result<Process> {
    let end = Instant::now() + COME_BACK;
    loop {
        match start().await {
            Ok(process) => return Ok(process),
            Err(why) if Instant::now() >= end => return Err(why),
            Err(_) => pause(Duration::from_millis(200)).await,
        }
    }
}

fn begin_sandbox(plan: &Plan, naru: &Path, folder: &Path, no: usize, listen: &str, receiver: u16) -> Result<Process> {
    let mut command = Command::new(naru);
    command.args(["--lang", "en", "sandbox", "--listen", listen, "--level", plan.level.name()]);
    command.args(["--requests-per-second", &LIMIT.to_string(), "--latency-ms", "40", "--fault", "busy=2"]);
    command.args(["--receipts-to", &format!("http://127.0.0.1:{receiver}/v1/receipts/{}", LANES[no])]);
    command.args(["--receipts-secret", SECRET, "--ledger-file"]).arg(folder.join(format!("ledger-{no}")));
    Process::start(command, &format!("sandbox {no}"), &folder.join(format!("sandbox-{no}.log")))
}

fn configuration(plan: &Plan, no: usize, port: u16, store: &str, vendors: &[String]) -> String {
    let shards = if plan.instances > 1 { SHARDS } else { 1 };
    let level = plan.level.name();
    let route = &LANES[..vendors.len()];
    let lane = |(lane, vendor): (&&str, &String)| {
        format!(
            "[dispatch.lane.{lane}]\nprovider = \"sandbox\"\nchannel = \"sms\"\nurl = \"http://{vendor}\"\n\
             receipt_secret = {{ file = \"receipt-secret\" }}\nshards = {shards}\nrequests_per_second_max = {CAP}\n\
             in_flight_max = 12\nbatch_max = 10\ntimeout_ms = {TIMEOUT_MS}\nattempts_max = 100\nretry_base_ms = 50\n\
             retry_max_ms = 500\n"
        )
    };
    let lanes: String = route.iter().zip(vendors).map(lane).collect();
    format!(
        "data_dir = \"data-{no}\"\n[store]\nurl = \"{store}\"\n[web]\nlisten = \"127.0.0.1:{port}\"\n\
         [dispatch.route]\nsms = {route:?}\n{lanes}[provider]\nsandbox_level = \"{level}\"\n\
         [consent.channel.sms]\nexempt = true\n"
    )
}

/// Ports that nobody has, nor gets while what listens there is down: other runs of this pass them over, and they lie below
/// those that the system gives out.
fn free_ports(dice: &mut Dice, count: usize) -> Result<Vec<(u16, File)>> {
    let mut ports: Vec<(u16, File)> = Vec::new();
    for _ in 0..1_000 {
        let port = dice.between(PORTS.0, PORTS.1) as u16;
        if let Some(claim) = claim(port)?
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            ports.push((port, claim));
        }
        if ports.len() == count {
            return Ok(ports);
        }
    }
    Err("there are no free ports".to_owned())
}

/// A lock on a port's name, as long as the file is open; none where another run has it.
fn claim(port: u16) -> Result<Option<File>> {
    let path = std::env::temp_dir().join(format!("naru-torture-{port}.lock"));
    let file = File::create(&path).map_err(|e| format!("could not write {}: {e}", path.display()))?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| format!("could not write {}: {e}", path.display()))
}

/// How long something may take that needs what is killed meanwhile.
pub const WHILE_KILLED: Duration = Duration::from_secs(120);
const _: () = assert!(WHILE_KILLED.as_secs() > PATIENCE.as_secs());
