//! `leader run`: one at every moment, another soon after whatever ends the first.
//!
//! The command that is led holds a lock of the file system from its beginning to the end of its last child, and writes
//! down when it finds that lock taken: two at one moment would be seen there.

use std::path::{Path, PathBuf};
use std::process::Command;

use naru_testkit::database::{Engine, database};
use naru_testkit::process::Process;
use naru_testkit::wait::{PATIENCE, eventually};

use crate::drain::{house_on, instances};
use crate::house::House;

/// Where what is led writes down what it sees.
struct Book {
    folder: tempfile::TempDir,
}

impl Book {
    fn new() -> Book {
        Book { folder: naru_testkit::temp_dir() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `leader run` in `house`; what it runs calls itself `name` and prepares with `trap`.
    fn leader(&self, house: &House, name: &str, trap: &str) -> Process {
        let script = format!(
            "cd {}; exec 9>>lock; flock --nonblock 9 || {{ echo TWO >>book; exit 1; }}
             {trap}; echo \"$NARU_FENCE {name}\" >>book; while :; do sleep 0.05; done",
            self.folder.path().display()
        );
        Process::start(&mut house.command(&["leader", "run", "--name", "feed", "--", "sh", "-c", &script]))
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("book")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for the line number `at` and returns who began then.
    async fn begun(&self, at: usize) -> String {
        let line = eventually("a leader to begin", PATIENCE, async || self.lines().get(at).cloned()).await;
        line.split_once(' ').unwrap_or_else(|| panic!("{:?}", self.lines())).1.to_owned()
    }

    /// No two held at one moment, and each under a number larger than those before.
    fn balances(&self) {
        let lines = self.lines();
        let fences: Vec<i64> = lines.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap_or(-1)).collect();
        assert!(fences.is_sorted() && fences[0] > 0, "{lines:?}");
    }
}

fn pid_of_serve(house: &House) -> String {
    std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap()
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success());
}

/// Whether anybody still holds the lock of the command.
fn is_free(lock: &Path) -> bool {
    Command::new("flock").arg("--nonblock").arg(lock).arg("true").status().unwrap().success()
}

#[tokio::test]
async fn another_leads_after_serve_was_killed_and_after_the_wrapper_was() {
    let (database, book) = (database(Engine::Postgres).await, Book::new());
    let (one, two) = (house_on(&database), house_on(&database));
    let (mut serve_one, serve_two) = (one.serve().await, two.serve().await);
    let _leader_one = book.leader(&one, "one", ":");
    assert_eq!(book.begun(0).await, "one");
    let mut leader_two = book.leader(&two, "two", ":");
    eventually("the second to wait", PATIENCE, async || leader_two.errors().contains("it runs on").then_some(())).await;
    let leads = |house: &House| instances(house).iter().filter(|it| it["leads"][0] == "feed").count();
    assert_eq!(leads(&two), 1);

    serve_one.process.kill();
    assert_eq!(book.begun(1).await, "two");
    let serve_one = one.serve().await;
    leader_two.kill();
    // The guard has ended what the wrapper no longer could.
    eventually("the command to end", PATIENCE, async || is_free(&book.path("lock")).then_some(())).await;
    assert_eq!(book.begun(2).await, "one");
    book.balances();
    serve_one.stop().await;
    serve_two.stop().await;
}

#[tokio::test]
async fn a_command_that_does_not_listen_is_killed_before_another_leads() {
    let (database, book) = (database(Engine::Postgres).await, Book::new());
    let (one, two) = (house_on(&database), house_on(&database));
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    let mut leader_one = book.leader(&one, "one", "trap '' TERM");
    assert_eq!(book.begun(0).await, "one");
    let mut leader_two = book.leader(&two, "two", ":");
    // It hears questions and answers none, as one whose machine swaps.
    let pid = pid_of_serve(&one);
    signal("STOP", &pid);
    assert_eq!(book.begun(1).await, "two");
    let told = async || leader_one.errors().contains("it was stopped here").then_some(());
    eventually("the first to say so", PATIENCE, told).await;
    signal("CONT", &pid);
    eventually("the first to wait", PATIENCE, async || leader_one.errors().contains("it runs on").then_some(())).await;
    book.balances();
    assert_eq!(leader_two.stop().await.code(), Some(0));
    leader_one.kill();
    serve_one.stop().await;
    serve_two.stop().await;
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_ends_its_command_and_hands_over() {
    let (database, book) = (database(Engine::Postgres).await, Book::new());
    let (one, two) = (house_on(&database), house_on(&database));
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    // It takes longer to end than a lease lasts without being renewed: while it ends, nobody else begins.
    let mut leader_one = book.leader(&one, "one", "trap 'sleep 7; echo 1 bye >>book; exit 0' TERM");
    assert_eq!(book.begun(0).await, "one");
    let mut leader_two = book.leader(&two, "two", ":");
    // A drain is no reason to have no leader.
    two.done(&["drain", "--wait"]);
    assert_eq!(leader_one.stop().await.code(), Some(0));
    assert_eq!(book.begun(1).await, "bye");
    assert_eq!(book.begun(2).await, "two");
    book.balances();
    assert_eq!(leader_two.stop().await.code(), Some(0));
    assert!(is_free(&book.path("lock")));
    serve_one.stop().await;
    serve_two.stop().await;
}

#[tokio::test]
async fn a_command_that_ends_is_started_again() {
    let (house, book) = (House::new(), Book::new());
    let script = format!("echo $NARU_FENCE begun >>{}; exit 3", book.path("book").display());
    let mut leader = Process::start(&mut house.command(&["leader", "run", "--", "sh", "-c", &script]));
    let waits = async || leader.errors().contains("waiting for `naru serve`").then_some(());
    eventually("the leader to wait for serve", PATIENCE, waits).await;
    assert!(book.lines().is_empty(), "without a lease nothing runs");
    let serve = house.serve().await;
    book.begun(1).await;
    assert!(leader.errors().contains("the command ended with 3, it is started again in 1 s"), "{}", leader.errors());
    book.balances();
    assert_eq!(leader.stop().await.code(), Some(0));
    serve.stop().await;
}

#[tokio::test]
async fn on_an_embedded_database_two_on_one_machine_exclude_each_other() {
    let (house, book) = (House::new(), Book::new());
    let serve = house.serve().await;
    let mut first = book.leader(&house, "one", ":");
    assert_eq!(book.begun(0).await, "one");
    let mut second = book.leader(&house, "two", ":");
    eventually("the second to wait", PATIENCE, async || second.errors().contains("it runs on").then_some(())).await;
    first.kill();
    assert_eq!(book.begun(1).await, "two");
    book.balances();
    assert_eq!(second.stop().await.code(), Some(0));
    serve.stop().await;
}
