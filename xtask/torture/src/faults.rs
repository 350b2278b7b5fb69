//! What goes wrong: kills and frosts at random moments, each undone by itself after a while.
//!
//! A target is hit while others are still down or coming back, so several faults are open at one time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use naru_core::clock::{Clock, Millis};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinSet;

use crate::Result;
use crate::dice::Dice;
use crate::postgres::Postgres;
use crate::process::{Process, tail};
use crate::view;
use crate::wait::pause;
use crate::world::{Engine, World};

/// Between two faults.
const GAP_MS: (u64, u64) = (100, 3_000);
/// Before what was killed is started again.
const DOWN_MS: (u64, u64) = (0, 1_500);
/// Of a hundred that are killed so many are killed again, once or twice, while they come back: a restart is killed too.
const AGAIN_PERCENT: u64 = 30;
/// Into a start.
const AGAIN_MS: (u64, u64) = (20, 1_500);
/// Of a hundred vendors of which another stands by so many stay away for longer than a request waits.
const GONE_PERCENT: u64 = 50;
/// Where two instances carry, one in four that are killed stays away for longer than its lease: the other takes over.
const AWAY_MS: (u64, u64) = (7_000, 12_000);
const AWAY_PERCENT: u64 = 25;
/// How long a frozen instance stays so: shorter and longer than its lease.
const FROST_MS: (u64, u64) = (3_000, 10_000);
/// Of a hundred faults so many are frosts, which are not counted as kills.
const FROST_PERCENT: u64 = 15;
/// A look for a target that is not down already.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An instance is killed.
    Serve(usize),
    /// A vendor is killed.
    Sandbox(usize),
    /// The database server is killed.
    Postgres,
    /// An instance is frozen.
    Frost(usize),
}

impl Target {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Target::Serve(_) => "serve",
            Target::Sandbox(_) => "sandbox",
            Target::Postgres => "postgres",
            Target::Frost(_) => "frozen serve",
        }
    }
}

/// A fault that was made.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What was hit.
    pub target: Target,
    /// When.
    pub at: Millis,
    /// How many kills: those into a restart are further ones.
    pub kills: usize,
    /// Messages that were in doubt at that moment.
    pub doubts: HashSet<String>,
}

/// Makes faults until `plan.kills` were kills, and waits until all are undone.
pub async fn make(world: &Arc<World>, clock: &Arc<dyn Clock>) -> Result<Vec<Fault>> {
    let mut dice = Dice::new(world.plan.seed).part(0xC);
    let (mut open, mut faults, mut kills) = (JoinSet::new(), Vec::new(), 0);
    while kills < world.plan.kills {
        pause(dice.millis(GAP_MS.0, GAP_MS.1)).await;
        let target = choose(world, &mut dice);
        let again = match target {
            Target::Serve(_) | Target::Sandbox(_) if dice.percent(AGAIN_PERCENT) => dice.between(1, 2) as usize,
            _ => 0,
        };
        let again = again.min(world.plan.kills - kills - 1);
        let Some(held) = hold(world, target) else {
            // That very target has not come back from its last fault.
            pause(LOOK_EVERY).await;
            continue;
        };
        let (world, at, own) = (world.clone(), clock.now_ms(), dice.part(kills as u64));
        open.spawn(async move {
            let doubts = hit(&world, target, held, again, own).await?;
            Ok::<_, String>(Fault { target, at, kills: 1 + again, doubts })
        });
        if !matches!(target, Target::Frost(_)) {
            kills += 1 + again;
        }
        while let Some(ended) = open.try_join_next() {
            faults.push(ended.map_err(|e| e.to_string())??);
        }
    }
    while let Some(ended) = open.join_next().await {
        faults.push(ended.map_err(|e| e.to_string())??);
    }
    faults.sort_by_key(|fault| fault.at);
    Ok(faults)
}

fn choose(world: &World, dice: &mut Dice) -> Target {
    let no = dice.pick(world.serves.len());
    if dice.percent(FROST_PERCENT) {
        return Target::Frost(no);
    }
    match dice.between(0, 99) {
        0..20 => Target::Sandbox(dice.pick(world.sandboxes.len())),
        20..45 if world.plan.engine == Engine::Postgres => Target::Postgres,
        _ => Target::Serve(no),
    }
}

/// A target that is up, and nobody else's until it is let go.
enum Held {
    Process(OwnedMutexGuard<Process>),
    Postgres(OwnedMutexGuard<Postgres>),
}

fn hold(world: &World, target: Target) -> Option<Held> {
    Some(match target {
        Target::Serve(no) | Target::Frost(no) => Held::Process(world.serves[no].clone().try_lock_owned().ok()?),
        Target::Sandbox(no) => Held::Process(world.sandboxes[no].clone().try_lock_owned().ok()?),
        Target::Postgres => Held::Postgres(world.postgres.clone()?.try_lock_owned().ok()?),
    })
}

/// Hits a target that is up, and undoes it; answers which messages were in doubt meanwhile.
async fn hit(world: &World, target: Target, held: Held, again: usize, mut dice: Dice) -> Result<HashSet<String>> {
    let away = matches!(target, Target::Serve(_)) && world.serves.len() > 1 && dice.percent(AWAY_PERCENT);
    let gone = matches!(target, Target::Sandbox(_)) && world.sandboxes.len() > 1 && dice.percent(GONE_PERCENT);
    let (shortest, longest) = if away || gone { AWAY_MS } else { DOWN_MS };
    let down = dice.millis(shortest, longest);
    let mut process = match held {
        Held::Process(process) => process,
        Held::Postgres(mut postgres) => {
            postgres.kill();
            pause(down).await;
            postgres.up().await?;
            return view::doubts(&world.store).await;
        }
    };
    if let Some(status) = process.ended() {
        return Err(format!("{target:?} ended by itself ({status}): {}", tail(&process.said())));
    }
    if let Target::Frost(_) = target {
        process.freeze();
        let doubts = view::doubts(&world.store).await;
        pause(dice.millis(FROST_MS.0, FROST_MS.1)).await;
        process.thaw();
        return doubts;
    }
    process.kill();
    // Before anybody can go on from there.
    let mut doubts = view::doubts(&world.store).await?;
    pause(down).await;
    for _ in 0..again {
        *process = match target {
            Target::Sandbox(no) => world.begin_sandbox(no)?,
            Target::Serve(no) | Target::Frost(no) => world.begin_serve(no)?,
            Target::Postgres => break,
        };
        pause(dice.millis(AGAIN_MS.0, AGAIN_MS.1)).await;
        process.kill();
        doubts.extend(view::doubts(&world.store).await?);
    }
    *process = match target {
        Target::Sandbox(no) => world.start_sandbox(no).await?,
        Target::Serve(no) | Target::Frost(no) => world.start_serve(no).await?,
        Target::Postgres => return Ok(doubts),
    };
    Ok(doubts)
}

/// How many faults of each kind.
pub fn counts(faults: &[Fault]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for fault in faults {
        *counts.entry(fault.target.name()).or_default() += fault.kills;
    }
    counts
}
