//! The power goes at any moment, again and again: what was acknowledged is there once, what left was marked as started
//! before, and nothing leaves twice. A seed decides what is sent, when the power goes and what the disk keeps of what was not
//! synced; one that fails prints itself.

use std::collections::BTreeSet;
use std::panic::{catch_unwind, resume_unwind};
use std::time::Duration;

use futures_util::future::join_all;
use naru_core::id::Id;
use naru_dispatch::import::Begun;
use naru_dispatch::intake::Batch;
use naru_dispatch::look::look;
use naru_dispatch::message::{MessageId, Purpose};
use naru_dispatch::provider::{Level, ReportEnd};
use naru_testkit::random::{Random, seeds};

use crate::app::{DOWN, TestApp};
use crate::clock::DAY;
use crate::file::File;
use crate::life::{Life, batch, message, phone, report};
use crate::vendor::Deed;

/// Seeds of every test run; more with `cargo xtask power-cut --seeds N`.
const SEEDS: u64 = 8;
/// Cuts of one seed, each on what the one before left.
const CUTS: u64 = 4;
/// Calls that wait for their answer at one time.
const CALLERS: u64 = 4;
/// Few, so that messages of one customer meet.
const CUSTOMERS: u64 = 60;
const ROWS: usize = 600;

#[test]
fn nothing_is_lost_or_doubled_by_power_cuts() {
    for seed in seeds("NARU_POWER_CUT", SEEDS) {
        if let Err(panic) = catch_unwind(|| Shop::new(seed).play()) {
            eprintln!("seed {seed} failed");
            resume_unwind(panic);
        }
    }
}

/// The rule is worth something only if breaking it is seen.
#[test]
fn a_disk_that_syncs_nothing_is_found_out() {
    let is_found = |seed: &u64| {
        let play = catch_unwind(|| {
            let mut shop = Shop::new(*seed);
            shop.syncs = Syncs::Ignored;
            shop.life();
        });
        play.is_err()
    };
    let found = (0..3).filter(is_found).count();
    assert!(found > 0, "no seed saw that something was lost");
}

/// That what left had been marked on the disk before is shown here alone: a kill leaves the mark in the kernel's memory.
#[cfg(feature = "plants")]
#[test]
fn a_request_that_leaves_before_its_mark_is_found_out() {
    use naru_dispatch::plant::{Plant, plant};

    plant(Some(Plant::SendBeforeMark));
    let found = (0..SEEDS).any(|seed| catch_unwind(|| Shop::new(seed).play()).is_err());
    plant(None);
    assert!(found, "no seed saw it");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syncs {
    Obeyed,
    Ignored,
}

/// A shop that sends, and what it was promised.
struct Shop {
    app: TestApp,
    random: Random,
    syncs: Syncs,
    purpose: Purpose,
    calls: Vec<Call>,
    file: File,
    /// Lines of the file that were durable when it was looked last.
    lines_done: u64,
    /// Messages whose report was acknowledged.
    reported: BTreeSet<MessageId>,
}

/// A call of the API, made again under its key until it is answered.
struct Call {
    key: [u8; 16],
    to: Vec<String>,
    /// What it was answered.
    ids: Option<Vec<MessageId>>,
}

impl Call {
    fn batch(&self, purpose: Purpose) -> Batch {
        let messages = self.to.iter().map(|to| message(to, "x")).collect();
        Batch { key: Some((self.key, [0; 16])), ..batch(purpose, messages) }
    }
}

impl Shop {
    fn new(seed: u64) -> Shop {
        let mut random = Random::new(seed);
        let mut app = TestApp::in_memory(seed);
        let level = random.pick(&[
            Level::Key { life: DAY },
            Level::Lookup { life: DAY },
            Level::TwoPhase { life: DAY },
            Level::None,
        ]);
        app.vendor.level(level);
        // At no level an advertisement is sent again while it is open whether it was taken.
        let purpose = if level == Level::None { Purpose::Ad } else { random.pick(&[Purpose::Info, Purpose::Ad]) };
        let mut deeds = Random::new(random.next());
        app.vendor.plan(move |_| match deeds.below(10) {
            0 => Deed::LoseAnswer,
            1 => Deed::LoseRequest,
            _ => Deed::Take,
        });
        app.lane().batch_max = Some(random.pick(&[1, 7, 40]));
        app.lane().in_flight_max = random.pick(&[2, 8, 32]);
        let file = File { purpose, stream: random.chance(500), ..File::new("cut", ROWS, 2_000) };
        let syncs = Syncs::Obeyed;
        Shop { app, random, syncs, purpose, calls: Vec::new(), file, lines_done: 0, reported: BTreeSet::new() }
    }

    fn play(mut self) {
        for _ in 0..CUTS {
            self.life();
        }
        self.end();
    }

    /// A life that ends with a power cut, and what is left of it.
    fn life(&mut self) {
        self.app.start_intake();
        if self.syncs == Syncs::Ignored {
            self.app.disk().ignore_syncs();
        }
        if self.random.chance(500) {
            self.app.disk().cut_in_sync(self.random.between(1, 60));
        } else {
            self.app.disk().cut_at(self.random.between(1, 400));
        }
        // The lane may meet the cut while it takes up what is left of the last life.
        let _ = self.app.wait(self.app.dispatch.run());
        self.call();
        self.send_file();
        self.report();
        self.until_dark();
        self.app.kill();
        self.app.clock.skip(DOWN);
        self.app.start_intake();
        self.look();
        self.app.stop();
        self.app.clock.skip(DOWN);
    }

    /// Repeats what was not answered, and one call that was; then makes new ones, some at a time.
    fn call(&mut self) {
        self.repeat();
        for _ in 0..self.random.between(1, 8) {
            for _ in 0..CALLERS {
                let count = self.random.between(1, 6);
                let to = (0..count).map(|_| phone(self.random.below(CUSTOMERS) as usize)).collect();
                let key = (u128::from(self.random.next()) << 64 | u128::from(self.random.next())).to_le_bytes();
                self.calls.push(Call { key, to, ids: None });
            }
            self.repeat();
        }
    }

    fn repeat(&mut self) {
        let again = self.random.below(self.calls.len() as u64) as usize;
        let (app, purpose) = (&self.app, self.purpose);
        let open = self.calls.iter().enumerate().filter(|(n, call)| call.ids.is_none() || *n == again);
        let open: Vec<usize> = open.map(|(n, _)| n).collect();
        let asked = open.iter().map(|n| app.dispatch.accept(self.calls[*n].batch(purpose)));
        let answers = app.wait(join_all(asked));
        for (n, answer) in open.into_iter().zip(answers) {
            let Ok(ids) = answer else { continue };
            let call = &mut self.calls[n];
            let first = call.ids.get_or_insert_with(|| ids.clone());
            assert_eq!(*first, ids, "a call got another answer under its key");
        }
    }

    /// Goes on with the file as far as that goes.
    fn send_file(&mut self) {
        let Ok((Begun::Open(mut import), ending)) = self.app.begin(&self.file) else { return };
        assert!(import.lines_done >= self.lines_done, "lines that were durable are gone");
        self.lines_done = import.lines_done;
        let until = self.lines_done as usize + self.random.below(ROWS as u64 / 2) as usize;
        let fed = self.file.feed(&mut import, until.min(ROWS));
        if fed.is_ok() && until >= ROWS {
            let _ = import.finish(ROWS as u64, 0, String::new());
            ending.map(|ending| self.app.wait(ending.wait()));
        }
    }

    /// Reports some of what the vendor took as delivered.
    fn report(&mut self) {
        for id in self.app.vendor.everything_taken().into_keys().take(20) {
            if self.app.report(vec![report(id, ReportEnd::Delivered, "", 0)]).is_ok() {
                self.reported.insert(id);
            }
        }
    }

    /// Waits for the power to go, or for all calls to be carried before it did.
    fn until_dark(&self) {
        self.app.eventually("the power to go, or all calls to be carried", || {
            self.let_pass();
            (!self.app.disk().is_on() || pending(&self.app) == Some(0)).then_some(())
        });
    }

    /// Lets a second pass and wakes the lane, which would notice within a real one.
    fn let_pass(&self) {
        self.app.clock.skip(Duration::from_secs(1));
        let stranger = MessageId { frame: Id::new(1), slot: 0 };
        // The power may be gone.
        let _ = self.app.report(vec![report(stranger, ReportEnd::Delivered, "", 0)]);
    }

    /// What every cut must leave.
    fn look(&self) {
        let see = |id| self.app.wait(look(self.app.store(), id));
        for id in self.calls.iter().flat_map(|call| call.ids.iter().flatten()) {
            see(*id).unwrap_or_else(|_| panic!("{id} was acknowledged and is lost"));
        }
        for id in self.app.vendor.everything_taken().into_keys() {
            let view = see(id).unwrap_or_else(|_| panic!("{id} was sent and is lost"));
            assert!(view.in_flight || view.state != "pending", "{id} was sent, and that it was started is not stored");
        }
    }

    /// Everything is sent, and counted.
    fn end(mut self) {
        self.app.start();
        self.repeat();
        let calls: Vec<&Vec<MessageId>> = self.calls.iter().map(|call| call.ids.as_ref().expect("all works")).collect();
        let called: BTreeSet<MessageId> = calls.iter().flat_map(|ids| ids.iter().copied()).collect();
        let asked: usize = self.calls.iter().map(|call| call.to.len()).sum();
        assert_eq!(called.len(), asked, "two calls got the same message");
        if let (Begun::Open(import), Some(ending)) = self.app.begin(&self.file).unwrap() {
            self.file.feed_all(import).unwrap();
            assert_eq!(self.app.wait(ending.wait()).unwrap().accepted, ROWS as u64);
        }
        let account = self.app.eventually("everything to be settled", || {
            self.let_pass();
            Some(self.app.account()).filter(|account| account.pending == 0)
        });
        assert_eq!(account.accepted, (asked + ROWS) as u64, "what was asked for is stored once");
        let is_open = self.app.vendor.level_now() == Level::None;
        assert!(account.unknown == 0 || is_open, "{} are unknown without need", account.unknown);
        assert_eq!(account.sent + account.delivered + account.unknown, account.accepted);
        let doubled = self.app.vendor.everything_taken().into_values().filter(|times| *times > 1).count();
        assert_eq!(doubled, 0, "what was started is not sent twice");
        for id in &self.reported {
            self.app.until_state(*id, "delivered");
        }
    }
}

/// What is left of the calls, as far as that can be read.
fn pending(life: &Life) -> Option<i64> {
    let pending = sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(pending), 0) AS BIGINT) FROM dispatch_side WHERE campaign IS NULL",
    );
    life.wait(pending.fetch_one(life.store().reader())).ok()
}
