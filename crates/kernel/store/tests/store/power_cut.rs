//! The power goes in the midst of a write, a sync or a checkpoint: what was answered is there, and of each job that was not
//! all or nothing. A seed decides what is stored, when the power goes and what the disk keeps; one that fails prints itself.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use naru_store::Store;
use naru_store::open::Access;
use naru_testkit::database::database_in_memory;
use naru_testkit::disk::Disk;
use naru_testkit::random::{Random, seeds};
use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::{House, number, run};

/// Seeds of every test run; more with `cargo xtask power-cut --seeds N`.
const SEEDS: u64 = 60;
/// Cuts of one seed, each on what the one before left.
const CUTS: u64 = 4;
/// Callers that wait for an answer before they ask again.
const CALLERS: i64 = 4;
/// Jobs of a caller between two cuts, if it comes so far.
const JOBS_MAX: u64 = 40;

#[test]
fn what_was_answered_survives_power_cuts() {
    let mut seen = Seen::default();
    let seeds = seeds("NARU_POWER_CUT", SEEDS);
    let played = seeds.end - seeds.start;
    for seed in seeds {
        if let Err(loss) = play(seed, Syncs::Obeyed, &mut seen) {
            panic!("seed {seed}: {loss}");
        }
    }
    // A few seeds alone see little.
    let is_enough = seen.answered > 1_000 && seen.doubts_kept > 20 && seen.doubts_lost > 50;
    assert!(is_enough || played < SEEDS, "hardly seen: {seen:?}");
    println!("{seen:?}");
}

/// The rule is worth something only if breaking it is seen.
#[test]
fn a_sync_that_does_nothing_is_found_out() {
    let losses = (0..10).filter(|seed| play(*seed, Syncs::Ignored, &mut Seen::default()).is_err()).count();
    assert!(losses >= 5, "only {losses} of 10 seeds saw that something was lost");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syncs {
    Obeyed,
    Ignored,
}

/// What the seeds of a run have seen, or they prove little.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    in_doubt: u64,
    doubts_kept: u64,
    doubts_lost: u64,
    checkpoints: u64,
    cuts_while_opening: u64,
}

/// What one caller stores: pieces by the number of their job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Book(BTreeMap<i64, i64>);

#[derive(Clone, Copy, Debug)]
enum Entry {
    Add { job: i64, pieces: i64 },
    Remove { job: i64 },
}

impl Book {
    fn enter(&mut self, entry: Entry) {
        match entry {
            Entry::Add { job, pieces } => drop(self.0.insert(job, pieces)),
            Entry::Remove { job } => drop(self.0.remove(&job)),
        }
    }
}

struct Caller {
    number: i64,
    random: Random,
    /// What it was told is stored.
    book: Book,
    /// What it asked for last and was not told of.
    doubt: Option<Entry>,
    next: i64,
    answered: u64,
}

/// Stores and cuts the power, again and again; tells of what was lost.
fn play(seed: u64, syncs: Syncs, seen: &mut Seen) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut random = Random::new(seed);
        let house = House { database: database_in_memory(seed) };
        let disk = house.database.disk().unwrap();
        let mut callers: Vec<Caller> = (0..CALLERS).map(|number| Caller::new(number, random.next())).collect();
        begin(&house, disk, &mut random).await?;
        if syncs == Syncs::Ignored {
            disk.ignore_syncs();
        }
        for _ in 0..CUTS {
            match random.below(8) {
                // While what is left is read.
                0 => disk.cut_at(random.between(1, 4)),
                1..5 => disk.cut_at(random.between(1, 400)),
                _ => disk.cut_in_sync(random.between(1, 60)),
            }
            match house.open(Access::Write).await {
                Ok(store) => {
                    work(&store, &house, disk, &mut callers, &mut random, seen).await;
                    store.close().await;
                }
                Err(error) if disk.is_on() => return Err(format!("it does not open: {error:?}")),
                Err(_) => seen.cuts_while_opening += 1,
            }
            disk.cut();
            disk.power_on();
            look(&house, &mut callers, seen).await?;
        }
        seen.answered += callers.iter().map(|caller| caller.answered).sum::<u64>();
        Ok(())
    })
}

/// Makes the database, with a cut in the midst of it.
async fn begin(house: &House, disk: &Disk, random: &mut Random) -> Result<(), String> {
    disk.cut_at(random.between(1, 40));
    let mut was_answered = false;
    if let Ok(store) = house.open(Access::Write).await {
        was_answered = run(&store, TABLE).await.is_ok();
        store.close().await;
    }
    disk.cut();
    disk.power_on();
    let store = house.open(Access::Write).await.map_err(|error| format!("it does not open: {error:?}"))?;
    let is_there = number(&store, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'piece'").await == 1;
    if was_answered && !is_there {
        return Err("the table that was answered is not there".to_owned());
    }
    if !is_there {
        run(&store, TABLE).await.unwrap();
    }
    store.close().await;
    Ok(())
}

const TABLE: &str = "CREATE TABLE piece (
    caller BIGINT NOT NULL, job BIGINT NOT NULL, n BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (caller, job, n))";

/// All callers ask until the power goes or they have had enough; the log is folded into the file meanwhile, or at the end,
/// or not.
async fn work(store: &Store, house: &House, disk: &Disk, callers: &mut [Caller], random: &mut Random, seen: &mut Seen) {
    let jobs = random.between(1, JOBS_MAX);
    let folds = random.below(8);
    let how = random.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
    let fold = async {
        let mut folded = 0;
        let url = format!("{}?mode=rw", house.database.url());
        let Ok(mut conn) = AnyConnection::connect(&url).await else { return 0 };
        while folded < folds && disk.is_on() {
            let text = sqlx::AssertSqlSafe(format!("PRAGMA wal_checkpoint({how})"));
            folded += u64::from(conn.execute(text).await.is_ok());
        }
        let _ = conn.close().await;
        folded
    };
    let ask = join_all(callers.iter_mut().map(|caller| caller.ask(store, jobs)));
    let (_, folded) = tokio::join!(ask, fold);
    seen.checkpoints += folded;
}

impl Caller {
    fn new(number: i64, seed: u64) -> Caller {
        Caller { number, random: Random::new(seed), book: Book::default(), doubt: None, next: 0, answered: 0 }
    }

    async fn ask(&mut self, store: &Store, jobs: u64) {
        for _ in 0..jobs {
            let entry = self.choose();
            let caller = self.number;
            if store.write(move |conn| Box::pin(enter(conn, caller, entry))).await.is_err() {
                self.doubt = Some(entry);
                return;
            }
            self.book.enter(entry);
            self.answered += 1;
        }
    }

    fn choose(&mut self) -> Entry {
        let stored: Vec<i64> = self.book.0.keys().copied().collect();
        if !stored.is_empty() && self.random.chance(300) {
            return Entry::Remove { job: self.random.pick(&stored) };
        }
        self.next += 1;
        Entry::Add { job: self.next, pieces: self.random.between(1, 6) as i64 }
    }
}

async fn enter(conn: &mut AnyConnection, caller: i64, entry: Entry) -> naru_store::Result<()> {
    match entry {
        Entry::Add { job, pieces } => {
            for n in 0..pieces {
                let insert = sqlx::query("INSERT INTO piece (caller, job, n, body) VALUES ($1, $2, $3, $4)");
                insert.bind(caller).bind(job).bind(n).bind(body(caller, job, n)).execute(&mut *conn).await?;
            }
        }
        Entry::Remove { job } => {
            let delete = sqlx::query("DELETE FROM piece WHERE caller = $1 AND job = $2");
            delete.bind(caller).bind(job).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

/// From a few bytes to several pages.
fn body(caller: i64, job: i64, n: i64) -> Vec<u8> {
    let mut random = Random::new(((caller << 40) + (job << 8) + n) as u64);
    let bytes = if random.chance(200) { random.below(20_000) } else { random.below(600) };
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// What is stored is what the callers know; what they do not know of, they learn.
async fn look(house: &House, callers: &mut [Caller], seen: &mut Seen) -> Result<(), String> {
    let told = |error: sqlx::Error| format!("it cannot be read: {error}");
    let store = house.open(Access::Write).await.map_err(|error| format!("it does not open: {error:?}"))?;
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(store.reader()).await.map_err(told)?;
    if sound != "ok" {
        return Err(sound);
    }
    let mut found: Vec<Book> = callers.iter().map(|_| Book::default()).collect();
    let rows = sqlx::query("SELECT caller, job, n, body FROM piece").fetch_all(store.reader()).await.map_err(told)?;
    for row in rows {
        let (caller, job, n): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if row.get::<Vec<u8>, _>(3) != body(caller, job, n) {
            return Err(format!("piece {n} of job {job} of caller {caller} has other bytes"));
        }
        *found[caller as usize].0.entry(job).or_default() += 1;
    }
    for (caller, found) in callers.iter_mut().zip(found) {
        let doubt = caller.doubt.take();
        let mut other = caller.book.clone();
        doubt.into_iter().for_each(|entry| other.enter(entry));
        seen.in_doubt += u64::from(doubt.is_some());
        if found == other {
            seen.doubts_kept += u64::from(doubt.is_some());
        } else if found == caller.book {
            seen.doubts_lost += 1;
        } else {
            let (book, number) = (&caller.book, caller.number);
            return Err(format!("caller {number} was told {book:?}, asked for {doubt:?} besides, and finds {found:?}"));
        }
        caller.book = found;
    }
    store.close().await;
    Ok(())
}
