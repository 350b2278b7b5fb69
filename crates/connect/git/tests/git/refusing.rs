//! What a server refuses, told apart from what merely moved.

use naru_testkit::origin::{Origin, PROTECTED};

use crate::house::Worker;

#[tokio::test]
async fn a_protected_branch_is_told_from_a_conflict_and_tried_once() {
    let origin = Origin::new();
    let head = origin.head("main").unwrap();
    origin.protect("main");
    let worker = Worker::new(&origin.url());
    let failure = worker.write("1/a", "x", "1").await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["branch"].as_str()), ("git-branch-protected", "main"));
    assert_eq!(failure.causes[0], PROTECTED);
    assert_eq!(origin.head("main").unwrap(), head);
}

#[tokio::test]
async fn a_hook_that_wants_something_else_is_quoted() {
    for (hook, script) in [
        ("pre-receive", "echo x >> called; echo 'GitLab: Commit message does not follow the pattern' >&2; exit 1"),
        ("update", "echo x >> called; echo 'GitLab: Commit message does not follow the pattern' >&2; exit 1"),
    ] {
        let origin = Origin::new();
        origin.hook(hook, script);
        let worker = Worker::new(&origin.url());
        let failure = worker.write("1/a", "x", "1").await.unwrap_err();
        assert_eq!(failure.code, "git-push-refused", "{hook}");
        assert_eq!(failure.causes[0], "GitLab: Commit message does not follow the pattern");
        let called = std::fs::read_to_string(origin.path().join("called")).unwrap();
        assert_eq!(called.lines().count(), 1, "a refusal is not asked for again");
    }
}

#[tokio::test]
async fn a_branch_that_moves_while_the_server_looks_is_a_conflict() {
    let origin = Origin::new();
    let theirs = origin.commit("theirs", &[("theirs", Some(b"1"))], "Theirs");
    let worker = Worker::new(&origin.url());
    // Moved by the server itself, once, after it has compared and before it locks.
    let script = format!(
        "unset GIT_QUARANTINE_PATH; test -e moved || {{ touch moved; git update-ref refs/heads/main {theirs}; }}"
    );
    origin.hook("pre-receive", &script);
    worker.write("1/a", "ours", "1").await.unwrap();
    assert!(origin.path().join("moved").exists());
    assert!(origin.file("main", "ours").is_some() && origin.file("main", "theirs").is_some());
}

#[tokio::test]
async fn a_hook_that_talks_without_end_is_cut() {
    let origin = Origin::new();
    origin.hook("pre-receive", "head -c 3000000 /dev/zero | tr '\\0' 'x' | fold -w 200 >&2; exit 1");
    let worker = Worker::new(&origin.url());
    let failure = worker.write("1/a", "x", "1").await.unwrap_err();
    assert_eq!(failure.code, "git-push-refused");
    assert!(failure.to_string().len() < 4_000);
}
