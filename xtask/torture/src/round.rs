//! One round: start everything, let traffic and faults run, let it all come to rest, and join the accounts.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use naru_core::clock::{Clock, Millis};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::Result;
use crate::faults::{self, Fault};
use crate::join::{Facts, Verdict, join};
use crate::postgres::Postgres;
use crate::takeover;
use crate::traffic::Traffic;
use crate::view::{self, Left};
use crate::wait::until;
use crate::world::{Plan, World};

/// What is left when nothing is killed any more, at the pace of the lane.
const SETTLE_MAX: Duration = Duration::from_secs(240);

/// What a round showed.
pub struct Round {
    /// What was hit.
    pub faults: Vec<Fault>,
    /// Messages that left by the vendor that stands by.
    pub stood_in: u64,
    /// What the join said.
    pub verdict: Verdict,
    /// Messages in doubt and unknown when the last kill was undone.
    pub before: Left,
    /// Seconds of faults, and from the last one undone until all had come to rest.
    pub took_s: (u64, u64),
    /// How long killed instances' lanes stood still.
    pub takeovers_ms: Vec<Millis>,
    /// What is broken, a sentence each.
    pub broken: Vec<String>,
}

/// Plays a round in `folder`.
pub async fn play(
    plan: Plan,
    naru: &Path,
    folder: &Path,
    postgres: Option<Arc<Mutex<Postgres>>>,
    clock: &Arc<dyn Clock>,
) -> Result<Round> {
    let world = Arc::new(World::start(plan, naru, folder, postgres).await?);
    let traffic = Traffic::start(&world, clock)?;
    let start = clock.monotonic_us();
    let faults = faults::make(&world, clock).await?;
    let undone = clock.monotonic_us();
    let before = view::left(&world.store).await?;
    let notes = traffic.close().await?;
    let mut broken = Vec::new();
    if let Err(why) = settled(&world).await {
        broken.push(why);
    }
    let took_s = ((undone - start) / 1_000_000, (clock.monotonic_us() - undone) / 1_000_000);
    for serve in &world.serves {
        if let Err(why) = serve.lock().await.stop().await {
            broken.push(why);
        }
    }
    if let Err(why) = world.done(0, &["audit"]).await {
        broken.push(why);
    }
    let (mut accepted, mut peak, mut taken_by) = (0, 0, Vec::new());
    for vendor in &world.vendors {
        let ledger = world.done(0, &["sandbox", "ledger", "--url", &format!("http://{vendor}")]).await?;
        let number =
            |at: &str| ledger.pointer(at).and_then(Value::as_u64).ok_or_else(|| format!("the ledger: {ledger}"));
        taken_by.push(number("/messages/accepted")?);
        (accepted, peak) = (accepted + taken_by[taken_by.len() - 1], peak.max(number("/requests_per_second_peak")?));
    }
    let facts = Facts {
        level: world.plan.level,
        notes,
        messages: view::messages(&world.store).await?,
        entries: view::entries(&world.vendors).await?,
        doubts: faults.iter().flat_map(|fault| fault.doubts.iter().cloned()).collect::<HashSet<_>>(),
        peak,
    };
    if accepted != facts.entries.len() as u64 {
        broken.push(format!("the vendors' sums and entries differ: {accepted} and {}", facts.entries.len()));
    }
    let verdict = join(&facts);
    broken.extend(verdict.broken());
    let (starts, panics) = logs(&world);
    broken.extend(panics);
    let stood_in = taken_by.iter().skip(1).sum();
    Ok(Round { stood_in, takeovers_ms: takeover::times(&faults, &starts), faults, verdict, before, took_s, broken })
}

/// Waits until nothing is left to be done, and says what is where that takes too long.
async fn settled(world: &World) -> Result<()> {
    let last = std::cell::Cell::new(Left::default());
    let waited = until("naru to come to rest", SETTLE_MAX, || async {
        last.set(view::left(&world.store).await?);
        Ok((last.get() == Left { unknown: last.get().unknown, ..Left::default() }).then_some(()))
    });
    waited.await.map_err(|why| format!("{why}: {:?}", last.get()))
}

/// The lanes that were started, and what no log should say.
fn logs(world: &World) -> (Vec<takeover::Started>, Vec<String>) {
    let (mut starts, mut broken) = (Vec::new(), Vec::new());
    for no in 0..world.serves.len() {
        let bytes = std::fs::read(world.folder.join(format!("serve-{no}.log"))).unwrap_or_default();
        let log = String::from_utf8_lossy(&bytes);
        starts.extend(takeover::starts(no, &log));
        for sign in ["a task panicked", "has ended in disorder", "frame is damaged", "was damaged after"] {
            broken.extend(log.lines().find(|line| line.contains(sign)).map(|line| format!("serve {no} said: {line}")));
        }
    }
    (starts, broken)
}
