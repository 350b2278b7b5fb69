//! A job that runs once across instances: one run at a time, none before its time, and none missed unseen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use naru_job::turn::{self, Last};
use naru_job::{Job, Missed, Place, Process};
use naru_testkit::database::Engine;
use naru_testkit::wait::{PATIENCE, eventually};
use tokio::sync::Semaphore;

use crate::{Shop, shop};

const HOUR: Duration = Duration::from_secs(3_600);

/// What a job did, and how it is let go on: a run takes one permit.
#[derive(Default)]
struct Book {
    begun: AtomicUsize,
    inside: AtomicUsize,
    together_max: AtomicUsize,
    dropped: AtomicUsize,
}

struct Inside(Arc<Book>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Book {
    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// A job that runs as long as `go` says.
fn job(every: Duration, missed: Missed, go: &Arc<Semaphore>, book: &Arc<Book>) -> Job {
    let (go, book) = (go.clone(), book.clone());
    let run = Arc::new(move || {
        let (go, book) = (go.clone(), book.clone());
        let run = async move {
            book.begun.fetch_add(1, Ordering::SeqCst);
            let together = book.inside.fetch_add(1, Ordering::SeqCst) + 1;
            book.together_max.fetch_max(together, Ordering::SeqCst);
            let _inside = Inside(book);
            go.acquire().await.unwrap().forget();
            Ok(())
        };
        Box::pin(run) as futures_util::future::BoxFuture<'static, _>
    });
    Job { name: "sweep", every, place: Place::Once(missed), run }
}

async fn last(shop: &Shop) -> Option<Last> {
    turn::list(&shop.store).await.unwrap().pop()
}

async fn until(shop: &Shop, what: &str, is: impl Fn(&Last) -> bool) -> Last {
    eventually(what, PATIENCE, async || last(shop).await.filter(&is)).await
}

fn end(processes: &[&Process]) {
    processes.iter().for_each(|process| process.lifecycle.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_run_a_job_in_turns_and_not_more_often_than_it_is_due() {
    let shop = shop(Engine::Postgres).await;
    let (one, two) = (shop.process("one"), shop.process("two"));
    let (go, book) = (Arc::new(Semaphore::new(1_000)), Arc::new(Book::default()));
    let every = Duration::from_millis(200);
    let begun_at = shop.store.now().await.unwrap();
    job(every, Missed::RunOnce, &go, &book).start(&one);
    job(every, Missed::RunOnce, &go, &book).start(&two);
    eventually("some runs", PATIENCE, async || (book.begun() >= 5).then_some(())).await;
    end(&[&one, &two]);
    let runs = book.begun();
    let slots = (shop.store.now().await.unwrap() - begun_at) / 200 + 1;
    assert!(runs as i64 <= slots, "{runs} runs in {slots} times at which one was due");
    assert_eq!(book.together_max.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_runs_again_what_has_run_before_it_is_due() {
    for engine in Engine::REAL {
        let shop = shop(engine).await;
        let (one, two) = (shop.process("one"), shop.process("two"));
        let (go, book) = (Arc::new(Semaphore::new(9)), Arc::new(Book::default()));
        let sweep = job(HOUR, Missed::RunOnce, &go, &book);
        turn::run_if_due(&sweep, Missed::RunOnce, &one).await.unwrap();
        let run = last(&shop).await.unwrap();
        assert_eq!((run.instance.as_str(), run.outcome.as_str(), run.missed), ("one", "done", 0));
        assert_eq!(run.due_at, Some(run.started_at + 3_600_000));
        assert!(!turn::run_if_due(&sweep, Missed::RunOnce, &two).await.unwrap().is_zero());
        assert_eq!(last(&shop).await.unwrap(), run, "{engine:?}");

        // An hour later.
        shop.run("UPDATE job_run SET due_at = due_at - 3600000").await;
        turn::run_if_due(&sweep, Missed::RunOnce, &two).await.unwrap();
        assert_eq!((last(&shop).await.unwrap().instance.as_str(), book.begun()), ("two", 2), "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_made_up_for_once_or_skipped_and_is_seen() {
    for (missed, begun) in [(Missed::RunOnce, 2), (Missed::Skip, 1)] {
        let shop = shop(Engine::Postgres).await;
        let (one, two) = (shop.process("one"), shop.process("two"));
        let (go, book) = (Arc::new(Semaphore::new(9)), Arc::new(Book::default()));
        job(HOUR, missed, &go, &book).start(&one);
        let first = until(&shop, "the run to end", |it| it.ended_at.is_some()).await;
        end(&[&one]);
        // All instances were down for three hours and a half.
        shop.run("UPDATE job_run SET due_at = due_at - 12600000").await;
        job(HOUR, missed, &go, &book).start(&two);
        let seen = until(&shop, "the miss to be seen", |it| it.missed > 0 && it.ended_at.is_some()).await;
        assert_eq!((seen.missed, book.begun()), (2, begun), "{missed:?}");
        assert_eq!(seen.due_at, first.due_at.map(|due| due - 12_600_000 + 3 * 3_600_000), "times keep their distance");
        assert!(seen.missed_at.is_some());
        end(&[&two]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_instance_ends_is_made_up_for_by_another() {
    let shop = shop(Engine::Postgres).await;
    let (one, two) = (shop.process("one"), shop.process("two"));
    let (never, book) = (Arc::new(Semaphore::new(0)), Arc::new(Book::default()));
    let run = job(HOUR, Missed::RunOnce, &never, &book);
    // Its instance ends with it: dropped in the midst of its run.
    let dies = one.lifecycle.spawn("dies", {
        let (run, one) = (run.clone(), one.clone());
        async move { turn::run_if_due(&run, Missed::RunOnce, &one).await }
    });
    let cut = until(&shop, "the run to begin", |it| it.running).await;
    assert_eq!(cut.instance, "one");
    dies.abort();
    shop.let_end().await;
    assert!(!last(&shop).await.unwrap().running);
    let go = Arc::new(Semaphore::new(9));
    job(HOUR, Missed::RunOnce, &go, &book).start(&two);
    let again = until(&shop, "another run", |it| it.instance == "two" && it.ended_at.is_some()).await;
    assert_eq!((again.missed, again.due_at), (1, cut.due_at));
    end(&[&two]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_lost_its_lease_is_stopped_and_ends_nothing() {
    let shop = shop(Engine::Postgres).await;
    let one = shop.process("one");
    let (never, book) = (Arc::new(Semaphore::new(0)), Arc::new(Book::default()));
    job(HOUR, Missed::Skip, &never, &book).start(&one);
    until(&shop, "the run to begin", |it| it.running).await;
    // Another one took it, as it could after a freeze of this one.
    shop.run("UPDATE job_lease SET fence = fence + 1, holder = 'two', expires_at = expires_at + 3600000").await;
    let dropped = async || (book.dropped.load(Ordering::SeqCst) == 1).then_some(());
    eventually("the run to be stopped", PATIENCE, dropped).await;
    assert_eq!(last(&shop).await.unwrap().ended_at, None);
    assert_eq!(one.gate.names(), []);
    end(&[&one]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lasts_as_long_as_its_run() {
    let shop = shop(Engine::Postgres).await;
    let one = shop.process("one");
    let (go, book) = (Arc::new(Semaphore::new(0)), Arc::new(Book::default()));
    job(HOUR, Missed::Skip, &go, &book).start(&one);
    until(&shop, "the run to begin", |it| it.running).await;
    // Nearly over: only a renewal makes it long again.
    shop.run("UPDATE job_lease SET expires_at = expires_at - 3500").await;
    let left = async || {
        let standing = naru_job::lease::standing(&shop.store, "job/sweep").await.unwrap().unwrap();
        (standing.left_ms > 4_000).then_some(())
    };
    eventually("the lease to be renewed", PATIENCE, left).await;
    go.add_permits(1);
    until(&shop, "the run to end", |it| it.ended_at.is_some()).await;
    assert_eq!(naru_job::lease::standing(&shop.store, "job/sweep").await.unwrap().unwrap().holder, "");
    end(&[&one]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_begins_while_the_gate_is_closed_and_one_that_has_begun_is_inside() {
    let shop = shop(Engine::Postgres).await;
    let (one, two) = (shop.process("one"), shop.process("two"));
    let (go, book) = (Arc::new(Semaphore::new(0)), Arc::new(Book::default()));
    one.gate.close(true);
    job(HOUR, Missed::RunOnce, &go, &book).start(&one);
    job(HOUR, Missed::RunOnce, &go, &book).start(&two);
    let run = until(&shop, "the run to begin", |it| it.running).await;
    assert_eq!(run.instance, "two", "the one that drains leaves it to the other");
    assert_eq!(two.gate.names(), [("job sweep".to_owned(), 1)]);
    two.gate.close(true);
    go.add_permits(1);
    until(&shop, "the run to end", |it| it.ended_at.is_some()).await;
    // The next one is due and nobody begins it until a gate opens.
    shop.run("UPDATE job_run SET due_at = 1").await;
    assert_eq!(book.begun(), 1);
    go.add_permits(1);
    one.gate.close(false);
    until(&shop, "the one that takes work again to run it", |it| it.instance == "one").await;
    end(&[&one, &two]);
}
