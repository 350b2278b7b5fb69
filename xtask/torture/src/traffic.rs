//! What a shop does all the while: calls that are repeated under their key until they are acknowledged, files, and
//! campaigns that are paused, resumed and cancelled. It notes what it was promised: the oracle of "lost".

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use naru_core::clock::{Clock, Millis};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::Result;
use crate::dice::Dice;
use crate::wait::pause;
use crate::world::{WHILE_KILLED, World};

/// Programs that call the API at one time.
const CALLERS: u64 = 4;
/// Customers of one caller: few, so that one has many messages.
const CUSTOMERS: usize = 8;
/// Addresses that consented; files of advertisements beyond them are none.
pub const ADS_MAX: usize = 4_000;
/// Longer than a lease and a time-out together: after that nothing of a paused campaign may leave.
const PAUSED_LONG: (u64, u64) = (14_000, 16_000);

/// How a word says that a campaign is where it was to go already, or at its end: its first answer was lost.
const REPEATED: Option<&str> = Some("cannot become");

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A code to sign in with.
    Auth,
    /// What a customer asked for.
    Info,
    /// An advertisement.
    Ad,
}

impl Purpose {
    /// Its name, and its template's.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Auth => "auth",
            Purpose::Info => "info",
            Purpose::Ad => "ad",
        }
    }
}

/// A message that was promised.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Its id, where it was told; else it is found by campaign and address.
    pub id: Option<String>,
    /// The campaign's name; empty for calls.
    pub campaign: String,
    /// Whom it goes to.
    pub to: String,
    /// A customer's messages of one purpose, which keep their order; empty where there is but one.
    pub queue: String,
    /// Why it is sent.
    pub purpose: Purpose,
}

/// When a campaign was to rest: from when that was acknowledged until it was asked to go on, or for good.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Its name.
    pub campaign: String,
    /// From.
    pub from: Millis,
    /// Until; `Millis::MAX` where it was cancelled.
    pub until: Millis,
}

/// All that was promised and asked for, in order.
#[derive(Default)]
pub struct Notes {
    /// Messages.
    pub promises: Vec<Promise>,
    /// Pauses and cancels.
    pub rests: Vec<Rest>,
    /// Campaigns somebody asked to cancel, acknowledged or not.
    pub cancelled: Vec<String>,
}

/// The shop.
pub struct Traffic {
    tasks: JoinSet<Result<()>>,
    stop: Arc<AtomicBool>,
    shop: Arc<Shop>,
}

struct Shop {
    world: Arc<World>,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    notes: Mutex<Notes>,
    stop: Arc<AtomicBool>,
    ads: AtomicUsize,
    others: AtomicUsize,
}

impl Traffic {
    /// Opens the shop.
    pub fn start(world: &Arc<World>, clock: &Arc<dyn Clock>) -> Result<Traffic> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(8)).build();
        let stop = Arc::new(AtomicBool::new(false));
        let shop = Arc::new(Shop {
            world: world.clone(),
            clock: clock.clone(),
            http: http.map_err(|e| e.to_string())?,
            notes: Mutex::default(),
            stop: stop.clone(),
            ads: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
        });
        let dice = Dice::new(world.plan.seed).part(0xB);
        let mut tasks = JoinSet::new();
        for no in 0..CALLERS {
            tasks.spawn(shop.clone().call_on_and_on(no, dice.part(no)));
        }
        tasks.spawn(shop.clone().send_files(dice.part(100)));
        Ok(Traffic { tasks, stop, shop })
    }

    /// Closes the shop once what was begun is acknowledged, and returns its notes.
    pub async fn close(mut self) -> Result<Notes> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|e| e.to_string())??;
        }
        Ok(std::mem::take(&mut *self.shop.notes.lock().await))
    }
}

impl Shop {
    fn is_closed(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn call_on_and_on(self: Arc<Shop>, no: u64, mut dice: Dice) -> Result<()> {
        for call in 0.. {
            if self.is_closed() {
                break;
            }
            let purpose = [Purpose::Auth, Purpose::Info, Purpose::Info, Purpose::Ad][dice.pick(4)];
            let customer = format!("caller-{no}-{}", dice.pick(CUSTOMERS));
            let count = if dice.percent(20) { dice.between(2, 4) as usize } else { 1 };
            let Some(to) = self.addresses(purpose, count) else { continue };
            let ids = self.call(&format!("{no}-{call}"), purpose, &customer, &to, &mut dice).await?;
            let promise = |(id, to): (String, &String)| Promise {
                id: Some(id),
                campaign: String::new(),
                to: to.clone(),
                queue: format!("{customer}/{}", purpose.name()),
                purpose,
            };
            self.notes.lock().await.promises.extend(ids.into_iter().zip(&to).map(promise));
            pause(dice.millis(200, 1_200)).await;
        }
        Ok(())
    }

    /// Makes a call under one key until it is acknowledged, wherever somebody answers.
    async fn call(
        &self,
        key: &str,
        purpose: Purpose,
        customer: &str,
        to: &[String],
        dice: &mut Dice,
    ) -> Result<Vec<String>> {
        let item = |to: &String| json!({ "template": purpose.name(), "to": to, "customer": customer, "variables": { "name": key } });
        let body = match to {
            [one] => item(one),
            many => many.iter().map(item).collect(),
        };
        let end = Instant::now() + WHILE_KILLED;
        let mut last;
        loop {
            let port = self.world.ports[dice.pick(self.world.ports.len())];
            let request = self.http.post(format!("http://127.0.0.1:{port}/v1/messages"));
            let request = request.bearer_auth(&self.world.token).header("idempotency-key", key).json(&body);
            match answer(request).await {
                Ok((202, answer)) => return ids(&answer, to.len()),
                // Too much at once, or somebody else is still busy with this very key.
                Ok((429 | 409 | 500.., why)) => last = why.to_string(),
                Ok((status, why)) => return Err(format!("call {key} was refused: {status} {why}")),
                Err(why) => last = why,
            }
            if Instant::now() >= end {
                return Err(format!("call {key} was not acknowledged in {} s: {last}", WHILE_KILLED.as_secs()));
            }
            pause(dice.millis(20, 200)).await;
        }
    }

    async fn send_files(self: Arc<Shop>, mut dice: Dice) -> Result<()> {
        let mut steering = JoinSet::new();
        for file in 0.. {
            if self.is_closed() {
                break;
            }
            let purpose = if dice.percent(40) { Purpose::Ad } else { Purpose::Info };
            let (name, rows) = (format!("file-{file}"), dice.between(40, 160) as usize);
            let Some(to) = self.addresses(purpose, rows) else { continue };
            let customers = customers(rows, &mut dice);
            let mut text = "to,고객번호,name\n".to_owned();
            for (to, customer) in to.iter().zip(&customers) {
                let _ = writeln!(text, "{to},C{customer},김민서");
            }
            let path = self.world.folder.join(format!("{name}.csv"));
            std::fs::write(&path, text).map_err(|e| e.to_string())?;
            let send = ["send", "--template", purpose.name(), "--name", &name, "--to", &path.to_string_lossy()];
            let send = send.map(str::to_owned);
            let sent = self.say(&send, Some("\"repeated\": true"), &mut dice).await?;
            if let Some(accepted) = sent["accepted"].as_u64().filter(|accepted| *accepted != rows as u64) {
                return Err(format!("{name}: {accepted} of {rows} rows were taken in: {sent}"));
            }
            let promises = to.into_iter().zip(customers).map(|(to, customer)| Promise {
                id: None,
                campaign: name.clone(),
                to,
                queue: format!("{name}/C{customer}"),
                purpose,
            });
            self.notes.lock().await.promises.extend(promises);
            if dice.percent(50) {
                steering.spawn(self.clone().steer(name, dice.part(file)));
            }
            pause(dice.millis(1_000, 4_000)).await;
        }
        while let Some(ended) = steering.join_next().await {
            ended.map_err(|e| e.to_string())??;
        }
        Ok(())
    }

    /// Pauses and resumes a campaign, or cancels it.
    async fn steer(self: Arc<Shop>, name: String, mut dice: Dice) -> Result<()> {
        let word = |verb: &str| ["campaign".to_owned(), verb.to_owned(), name.clone()];
        self.rest(dice.millis(0, 2_000)).await;
        if dice.percent(60) {
            self.say(&word("pause"), REPEATED, &mut dice).await?;
            let from = self.clock.now_ms();
            let rest = if dice.percent(25) { dice.millis(PAUSED_LONG.0, PAUSED_LONG.1) } else { dice.millis(0, 3_000) };
            self.rest(rest).await;
            let until = self.clock.now_ms();
            self.notes.lock().await.rests.push(Rest { campaign: name.clone(), from, until });
            self.say(&word("resume"), REPEATED, &mut dice).await?;
        }
        if dice.percent(40) {
            self.notes.lock().await.cancelled.push(name.clone());
            self.say(&word("cancel"), REPEATED, &mut dice).await?;
            let from = self.clock.now_ms();
            self.notes.lock().await.rests.push(Rest { campaign: name.clone(), from, until: Millis::MAX });
        }
        Ok(())
    }

    /// Lets time pass while the shop is open.
    async fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_closed() && Instant::now() < end {
            pause(Duration::from_millis(100)).await;
        }
    }

    /// Says a word until it is done, wherever it can be; `done` is how it says that it was done before.
    async fn say(&self, words: &[String], done: Option<&str>, dice: &mut Dice) -> Result<Value> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let end = Instant::now() + WHILE_KILLED;
        loop {
            match self.world.done(dice.pick(self.world.ports.len()), &words).await {
                Ok(answer) => return Ok(answer),
                Err(why) if done.is_some_and(|done| why.contains(done)) => return Ok(Value::Null),
                Err(why) if Instant::now() >= end => return Err(why),
                Err(_) => pause(dice.millis(50, 300)).await,
            }
        }
    }

    /// Addresses nobody was sent to; none where those that consented are used up.
    fn addresses(&self, purpose: Purpose, count: usize) -> Option<Vec<String>> {
        let pool = if purpose == Purpose::Ad { &self.ads } else { &self.others };
        let first = pool.fetch_add(count, Ordering::Relaxed);
        let enough = purpose != Purpose::Ad || first + count <= ADS_MAX;
        enough.then(|| (first..first + count).map(|n| address(purpose, n)).collect())
    }
}

/// The `n`-th address for a purpose.
pub fn address(purpose: Purpose, n: usize) -> String {
    match purpose {
        Purpose::Ad => format!("0107{n:07}"),
        Purpose::Auth | Purpose::Info => format!("0102{n:07}"),
    }
}

/// The customer of each row: of ten customers one has 3 to 20 rows, scattered over the file.
fn customers(rows: usize, dice: &mut Dice) -> Vec<usize> {
    let mut customers = Vec::new();
    for customer in 0.. {
        let count = if customer % 10 == 0 { dice.between(3, 20) } else { 1 };
        customers.extend((0..count).map(|_| (dice.throw(), customer)));
        if customers.len() >= rows {
            break;
        }
    }
    customers.truncate(rows);
    customers.sort_unstable();
    customers.into_iter().map(|(_, customer)| customer).collect()
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(u16, Value)> {
    let response = request.send().await.map_err(|e| format!("{e:?}"))?;
    let status = response.status().as_u16();
    let text = response.text().await.map_err(|e| format!("{e:?}"))?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

fn ids(answer: &Value, count: usize) -> Result<Vec<String>> {
    let many = answer["messages"].as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
    let ids: Vec<String> = many.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    if ids.len() == count { Ok(ids) } else { Err(format!("{count} messages were sent: {answer}")) }
}
