//! Jobs across instances: naru's own, and anyone's under `naru job run`.

use naru_testkit::database::{Engine, database};
use naru_testkit::process::Process;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;

use crate::drain::{house_on, name_of};
use crate::house::{House, text};

/// The job of that name in `naru job list`.
fn job(house: &House, name: &str) -> Value {
    let listed: Value = serde_json::from_str(&house.done(&["job", "list", "--json"])).unwrap();
    listed["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn what_tends_the_database_runs_on_one_instance() {
    let database = database(Engine::Postgres).await;
    let (one, two) = (house_on(&database), house_on(&database));
    assert_eq!(job(&one, "retention")["last"], Value::Null);
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    let ended = async || Some(job(&one, "retention")).filter(|job| job["last"]["ended_at"].is_i64());
    let run = eventually("retention to have run", PATIENCE, ended).await;
    assert_eq!((&run["last"]["outcome"], &run["missed_policy"]), (&"done".into(), &"run-once".into()));
    serve_one.stop().await;
    serve_two.stop().await;
}

/// A job that begins, writes so, and goes on until a file is there.
fn held(house: &House, args: &[&str]) -> Process {
    let script = "echo begun; while [ ! -e go ]; do sleep 0.02; done; exit 3";
    Process::start(&mut house.command(&[&["job", "run", "nightly"], args, &["--", "sh", "-c", script]].concat()))
}

#[tokio::test]
async fn a_job_runs_once_at_a_time_and_ends_with_the_code_of_its_command() {
    let database = database(Engine::Postgres).await;
    let (one, two) = (house_on(&database), house_on(&database));
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    let mut first = held(&one, &[]);
    first.line_with("begun").await;
    assert_eq!(job(&two, "nightly")["last"]["running"], true);
    let second = two.run(&["job", "run", "nightly", "--", "false"]);
    assert_eq!(second.status.code(), Some(0));
    assert!(text(&second.stderr).contains("nightly already runs on"), "{}", text(&second.stderr));
    let waits = &mut Process::start(&mut two.command(&["job", "run", "nightly", "--wait", "--", "sh", "-c", "exit 4"]));
    eventually("the third to wait", PATIENCE, async || waits.errors().contains("waiting for its end").then_some(()))
        .await;
    one.write("go", "");
    assert_eq!(first.exit().await.code(), Some(3));
    assert_eq!(waits.exit().await.code(), Some(4));
    let run = job(&one, "nightly");
    assert_eq!((&run["last"]["outcome"], &run["last"]["running"]), (&"exit 4".into(), &false.into()));
    // It has run not long ago, wherever that was.
    let early = one.run(&["job", "run", "nightly", "--every", "1h", "--", "sh", "-c", "exit 5"]);
    assert_eq!(early.status.code(), Some(0));
    assert!(text(&early.stderr).contains("may run again in"), "{}", text(&early.stderr));
    serve_one.stop().await;
    serve_two.stop().await;
}

#[tokio::test]
async fn a_drain_waits_for_a_job_and_names_it_and_lets_none_begin() {
    let database = database(Engine::Postgres).await;
    let (one, two) = (house_on(&database), house_on(&database));
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    let mut runs = held(&one, &[]);
    runs.line_with("begun").await;
    let mut drain = Process::start(&mut two.command(&["drain", "--wait"]));
    // All have heard of it, and this is all that is left.
    let waits = format!("waiting for job nightly ({})\n", name_of(&one));
    eventually("the drain to name the job", PATIENCE, async || drain.errors().contains(&waits).then_some(())).await;

    let refused = two.run(&["job", "run", "other", "--no-wait", "--", "true"]);
    assert_eq!(refused.status.code(), Some(75), "{}", text(&refused.stderr));
    let mut later = Process::start(&mut two.command(&["job", "run", "other", "--", "sh", "-c", "echo late; exit 6"]));
    let told = async || later.errors().contains("waits for the end of a drain").then_some(());
    eventually("the other job to wait", PATIENCE, told).await;
    let late = two.run(&["instance", "wait", "--timeout", "1s"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(text(&late.stderr).contains("job nightly"), "{}", text(&late.stderr));
    assert_eq!(drain.ended(), None);

    // The serve beside it is restarted meanwhile: the job goes on, and so does the drain.
    serve_one.stop().await;
    let serve_one = one.serve().await;
    assert_eq!((runs.ended(), drain.ended()), (None, None));
    one.write("go", "");
    assert_eq!(runs.exit().await.code(), Some(3));
    assert_eq!(drain.exit().await.code(), Some(0), "{}", drain.errors());
    assert_eq!(later.output(), "");
    two.done(&["drain", "--undo"]);
    assert_eq!(later.exit().await.code(), Some(6));
    serve_one.stop().await;
    serve_two.stop().await;
}

#[tokio::test]
async fn a_limit_and_a_killed_wrapper_end_the_command_and_its_children() {
    let house = House::new();
    let serve = house.serve().await;
    // It does not listen, and so does its child, which holds the lock.
    let script = "exec 9>>lock; flock 9; trap '' TERM; echo begun; (while :; do sleep 0.05; done); true";
    let run = |args: &[&str]| {
        Process::start(&mut house.command(&[&["job", "run", "stuck"], args, &["--", "sh", "-c", script]].concat()))
    };
    let is_free = || {
        let mut flock = std::process::Command::new("flock");
        flock.arg("--nonblock").arg(house.path("lock")).arg("true").status().unwrap().success()
    };
    let mut limited = run(&["--limit", "1s"]);
    limited.line_with("begun").await;
    assert_eq!(limited.exit().await.code(), Some(124));
    assert!(is_free());
    assert_eq!(job(&house, "stuck")["last"]["outcome"], "stopped at its limit");

    let mut killed = run(&[]);
    killed.line_with("begun").await;
    killed.kill();
    eventually("the children to be gone", PATIENCE, async || is_free().then_some(())).await;
    serve.stop().await;
}

#[tokio::test]
async fn what_cannot_be_run_is_told() {
    let house = House::new();
    let (code, said) = house.refused(&["job", "run", "a b", "--", "true"]);
    assert!(code == 1 && said.contains("No `naru serve` runs here"), "{said}");
    let serve = house.serve().await;
    let (code, said) = house.refused(&["job", "run", "a b", "--", "true"]);
    assert!(code == 2 && said.contains("is no name of a lease"), "{said}");
    let (code, said) = house.refused(&["job", "run", "retention", "--", "true"]);
    assert!(code == 1 && said.contains("a job of naru's own"), "{said}");
    let (code, said) = house.refused(&["job", "run", "typo", "--", "no-such-program"]);
    assert!(code == 127 && said.contains("error: no-such-program could not be started"), "{said}");
    serve.stop().await;
}
