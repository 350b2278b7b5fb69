//! Several writers, and answers that are lost.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use naru_git::files::Files;
use naru_git::repository::commit::{Committed, Order};
use naru_testkit::gitlab::{Gitlab, TOKEN};
use naru_testkit::origin::Origin;
use naru_testkit::wait::{PATIENCE, eventually};

use crate::house::{Worker, code, file, order, pipe};

const CHANGES: usize = 8;

/// Adds a line to a file that everybody writes into, so that a change that is written over is seen.
async fn append(worker: &Worker, mark: &str) -> Committed {
    let order = Order { paths: vec![file("ledger")], ..order("main", mark) };
    let line = format!("{mark}\n");
    let committed = worker.repository.commit(&order, |files| {
        let before = files[&file("ledger")].clone().unwrap_or_default();
        Ok(Files::from([(file("ledger"), Some([before, line.clone().into_bytes()].concat()))]))
    });
    committed.await.unwrap()
}

#[tokio::test]
async fn of_writers_who_race_each_change_lands_once() {
    let origin = Origin::new();
    // Of two processes, with a mirror each, and of two tasks in one.
    let (one, other) = (Worker::new(&origin.url()), Worker::new(&origin.url()));
    let work = async |worker: &Worker, name: &str| {
        let mut made = Vec::new();
        for n in 0..CHANGES {
            made.push((format!("{name}/{n}"), append(worker, &format!("{name}/{n}")).await));
        }
        made
    };
    let made = tokio::join!(work(&one, "a"), work(&one, "b"), work(&other, "c"));
    let made = [made.0, made.1, made.2].concat();

    // Their ledger and the repository's: the same commits, each with its own mark and line.
    let log = origin.log("main");
    assert_eq!(log.len(), made.len() + 1);
    for (mark, committed) in &made {
        let Committed::Made(commit) = committed else { panic!("{mark}: {committed:?}") };
        let written = log.iter().find(|written| written.id == commit.as_str()).expect("it is in the history");
        assert!(written.message.contains(&format!("Naru-Operation: {mark}\n")));
    }
    let lines = String::from_utf8(origin.file("main", "ledger").unwrap()).unwrap();
    let told: BTreeSet<&str> = made.iter().map(|(mark, _)| mark.as_str()).collect();
    assert_eq!(lines.lines().collect::<BTreeSet<_>>(), told);
    assert_eq!(lines.lines().count(), made.len());
    origin.git(&["fsck", "--strict"]);
}

#[tokio::test]
async fn a_branch_that_moves_is_read_again() {
    for moves in [1, 5] {
        let origin = Origin::new();
        let worker = Worker::new(&origin.url());
        let asked = AtomicU32::new(0);
        let order = Order { paths: vec![file("x")], ..order("main", "1/a") };
        let committed = worker.repository.commit(&order, |files| {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            if n < moves {
                origin.commit("main", &[("x", Some(format!("{n}").as_bytes()))], "Faster");
            }
            let seen = files[&file("x")].clone().unwrap_or_default();
            Ok(Files::from([(file("x"), Some([seen, b"+".to_vec()].concat()))]))
        });
        assert!(matches!(committed.await.unwrap(), Committed::Made(_)));
        assert_eq!(asked.load(Ordering::Relaxed), moves + 1);
        assert_eq!(origin.file("main", "x").unwrap(), format!("{}+", moves - 1).into_bytes());
        assert_eq!(origin.log("main").len() as u32, moves + 2);
    }
}

#[tokio::test]
async fn a_branch_that_never_rests_is_a_conflict() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let asked = AtomicU32::new(0);
    let order = order("main", "1/a");
    let committed = worker.repository.commit(&order, |_| {
        let n = asked.fetch_add(1, Ordering::Relaxed).to_string();
        origin.commit("main", &[("x", Some(n.as_bytes()))], "Faster");
        Ok(Files::from([(file("y"), Some(b"1".to_vec()))]))
    });
    let failure = committed.await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["attempts"].as_str()), ("git-conflict", "16"));
    assert_eq!((asked.load(Ordering::Relaxed), origin.file("main", "y")), (16, None));
}

#[tokio::test]
async fn a_branch_made_by_two_at_once_is_made_once() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let asked = AtomicU32::new(0);
    let start = naru_git::name::Branch::new("main").unwrap();
    let order = Order { start: Some(start), ..order("fresh", "1/a") };
    let committed = worker.repository.commit(&order, |_| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            origin.branch("fresh", &origin.head("main").unwrap());
            origin.commit("fresh", &[("theirs", Some(b"1"))], "Faster");
        }
        Ok(Files::from([(file("ours"), Some(b"1".to_vec()))]))
    });
    committed.await.unwrap();
    assert!(origin.file("fresh", "ours").is_some() && origin.file("fresh", "theirs").is_some());
}

#[tokio::test]
async fn a_branch_is_begun_where_its_start_has_moved_to() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let asked = AtomicU32::new(0);
    let start = naru_git::name::Branch::new("main").unwrap();
    let order = Order { start: Some(start), ..order("fresh", "1/a") };
    let committed = worker.repository.commit(&order, |_| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            origin.commit("main", &[("theirs", Some(b"1"))], "Faster");
        }
        Ok(Files::from([(file("ours"), Some(b"1".to_vec()))]))
    });
    assert!(matches!(committed.await.unwrap(), Committed::Made(_)));
    assert!(origin.file("fresh", "ours").is_some() && origin.file("fresh", "README").is_some());
}

/// Lets the branch move, says so, and then never ends.
fn hang_after_the_push(origin: &Origin) {
    pipe(&origin.path().join("pipe"));
    origin.hook("post-receive", "touch landed\ncat pipe");
}

#[tokio::test]
async fn a_push_whose_answer_was_not_awaited_is_found() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    hang_after_the_push(&origin);
    // As a process that is killed there: nothing goes on, and nobody has heard.
    let landed = origin.path().join("landed");
    tokio::select! {
        outcome = worker.write("1/write", "x", "1") => panic!("{outcome:?}"),
        () = eventually("the push to land", PATIENCE, async || landed.exists().then_some(())) => {}
    }
    let landed = origin.head("main").unwrap();
    origin.hook("post-receive", "true");
    for worker in [&worker, &Worker::new(&origin.url())] {
        let again = worker.write("1/write", "x", "1").await.unwrap();
        assert_eq!((matches!(again, Committed::Found(_)), again.commit().as_str()), (true, landed.as_str()));
    }
    assert_eq!(origin.log("main").len(), 2);
}

#[tokio::test]
async fn a_push_that_is_cut_off_is_looked_for_before_it_is_made_again() {
    let origin = Origin::new();
    let config = naru_git::program::ProgramConfig { timeout_s: 10, ..Default::default() };
    let program = naru_git::program::Program::new(&config, crate::house::search_path());
    let worker = Worker::with(&origin.url(), Default::default(), program);
    worker.write("1/a", "x", "1").await.unwrap();
    hang_after_the_push(&origin);
    let committed = worker.write("1/b", "x", "2").await.unwrap();
    assert!(matches!(committed, Committed::Made(_)), "{committed:?}");
    assert_eq!(origin.head("main").unwrap(), committed.commit().as_str());
    assert_eq!(origin.log("main").len(), 3);
}

/// What `work` answers, or none where it was dropped after so many polls.
async fn dropped_after<T>(polls_max: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut polls) = (pin!(work), 0);
    poll_fn(|cx| {
        if polls == polls_max {
            return Poll::Ready(None);
        }
        polls += 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_commit_that_is_dropped_anywhere_is_made_once() {
    let gitlab = Gitlab::start();
    let origin = gitlab.project("shop/config");
    let worker = Worker::with_token(&gitlab.git_url("shop/config"), TOKEN);
    let mut marks = Vec::new();
    for polls_max in 0.. {
        let mark = format!("{polls_max}/write");
        let first = dropped_after(polls_max, worker.write(&mark, "x", &mark)).await;
        // Others work on meanwhile.
        origin.commit("main", &[("theirs", Some(mark.as_bytes()))], "Theirs");
        let again = worker.write(&mark, "x", &mark).await.unwrap();
        marks.push((mark, again.commit().clone()));
        if let Some(Ok(first)) = first {
            assert_eq!(first.commit(), again.commit());
            break;
        }
    }
    assert!(marks.len() > 10, "{marks:?}");
    let log = origin.log("main");
    for (mark, commit) in &marks {
        let trailer = format!("Naru-Operation: {mark}\n");
        let made: Vec<_> = log.iter().filter(|written| written.message.contains(&trailer)).collect();
        assert_eq!(made.iter().map(|written| written.id.as_str()).collect::<Vec<_>>(), [commit.as_str()], "{mark}");
    }
    assert_eq!(log.len(), 1 + 2 * marks.len());
}

#[tokio::test]
async fn a_commit_can_be_awaited_by_a_task() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let repository = worker.repository.clone();
    let task = lifecycle.spawn("commit", async move {
        let order = order("main", "1/a");
        repository.commit(&order, |_| Ok(Files::from([(file("x"), Some(b"1".to_vec()))]))).await
    });
    assert!(matches!(task.await.unwrap(), Ok(Committed::Made(_))));
    let unknown = order("none", "1/a");
    assert_eq!(code(worker.repository.commit(&unknown, |_| Ok(Files::new())).await), "git-branch-unknown");
}
