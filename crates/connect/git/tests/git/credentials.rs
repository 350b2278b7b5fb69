//! What opens a repository, and where it is not seen.

use std::fs;

use naru_core::config::SecretSource;
use naru_git::files::Files;
use naru_git::program::{Program, ProgramConfig};
use naru_git::remote::{Access, HostConfig};
use naru_git::repository::commit::Committed;
use naru_testkit::gitlab::{Fault, Gitlab, TOKEN};
use naru_testkit::origin::Origin;

use crate::house::{Worker, access, code, file, order, script, search_path};

#[tokio::test]
async fn a_token_opens_a_repository_over_http() {
    let gitlab = Gitlab::start();
    let origin = gitlab.project("shop/config");
    let worker = Worker::with_token(&gitlab.git_url("shop/config"), TOKEN);
    let Committed::Made(commit) = worker.write("1/a", "x", "1").await.unwrap() else { panic!("it is made") };
    assert_eq!(origin.head("main").unwrap(), commit.as_str());
    assert_eq!(worker.repository.read_one(&commit, &file("README")).await.unwrap(), b"first\n");
    assert_eq!(worker.repository.resolve("main").await.unwrap().commit(), &commit);
}

#[tokio::test]
async fn a_wrong_token_and_none_are_refused_and_not_repeated() {
    let gitlab = Gitlab::start();
    gitlab.project("shop/config");
    let url = gitlab.git_url("shop/config");
    for worker in [Worker::with_token(&url, "glpat-wrong"), Worker::new(&url)] {
        let failure = worker.repository.resolve("main").await.unwrap_err();
        assert_eq!(failure.code, "git-credentials-refused");
        assert_eq!(failure.args["url"], url);
        assert!(!failure.to_string().contains("glpat"), "{failure}");
    }
    let unknown = Worker::with_token(&gitlab.git_url("shop/absent"), TOKEN);
    assert_eq!(code(unknown.repository.resolve("main").await), "git-repository-unknown");
}

#[tokio::test]
async fn a_server_that_fails_is_unreachable() {
    let gitlab = Gitlab::start();
    gitlab.project("shop/config");
    let worker = Worker::with_token(&gitlab.git_url("shop/config"), TOKEN);
    for (fault, expect) in [
        (Fault::Status(503), "git-unreachable"),
        (Fault::Status(403), "git-access-denied"),
        (Fault::LoseAnswer, "git-unreachable"),
    ] {
        gitlab.fault("info/refs", fault, 4);
        assert_eq!(code(worker.repository.resolve("main").await), expect, "{fault:?}");
        while worker.repository.resolve("main").await.is_err() {}
    }
    let nobody = Worker::new("http://127.0.0.1:1/x.git");
    assert_eq!(code(nobody.repository.resolve("main").await), "git-unreachable");
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_on_the_way_is_found() {
    let gitlab = Gitlab::start();
    let origin = gitlab.project("shop/config");
    let worker = Worker::with_token(&gitlab.git_url("shop/config"), TOKEN);
    // The first is a probe of the push, the second the push.
    gitlab.fault(".git/git-receive-pack", Fault::LoseAnswer, 1);
    let committed = worker.write("1/a", "x", "1").await.unwrap();
    assert!(matches!(committed, Committed::Made(_)), "{committed:?}");
    assert_eq!(origin.head("main").unwrap(), committed.commit().as_str());
    assert_eq!(origin.log("main").len(), 2);
}

#[tokio::test]
async fn a_token_is_in_no_argument_and_no_file() {
    let gitlab = Gitlab::start();
    gitlab.project("shop/config");
    let folder = naru_testkit::temp_dir();
    let (wrapper, log) = (folder.path().join("git"), folder.path().join("log"));
    script(&wrapper, &format!("echo \"$@\" >> {}\nexec /usr/bin/env git \"$@\"", log.display()));
    let program = Program::new(&ProgramConfig { program: wrapper, ..Default::default() }, search_path());
    let worker = Worker::with(&gitlab.git_url("shop/config"), access(TOKEN), program);
    worker.write("1/a", "x", "1").await.unwrap();
    let commit = worker.repository.resolve("main").await.unwrap().commit().clone();
    worker.repository.read_one(&commit, &file("README")).await.unwrap();

    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().any(|line| line.starts_with("push ")) && log.lines().any(|line| line.starts_with("fetch ")));
    assert!(!log.contains(TOKEN) && !log.contains("127.0.0.1"), "{log}");
    let found =
        std::process::Command::new("grep").args(["-r", "-l", TOKEN]).arg(worker.folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test]
async fn a_token_does_not_follow_to_another_host() {
    let (gitlab, other) = (Gitlab::start(), Gitlab::start());
    other.project("shop/config");
    gitlab.redirect_to(&other.url);
    let worker = Worker::with_token(&gitlab.git_url("shop/config"), TOKEN);
    assert_eq!(code(worker.repository.resolve("main").await), "git-credentials-refused");
    // The other host would have taken it.
    assert_eq!(other.ledger().iter().filter(|call| call.status < 400).count(), 0);
    assert!(other.calls("GET", "info/refs") > 0);
}

#[tokio::test]
async fn over_ssh_the_key_is_named_and_nothing_is_asked() {
    let origin = Origin::new();
    let folder = naru_testkit::temp_dir();
    // Runs here what `ssh` would run there.
    let log = folder.path().join("log");
    let ssh = format!("echo \"$@\" >> {}\nfor last; do :; done\nexec sh -c \"$last\"", log.display());
    script(&folder.path().join("ssh"), &ssh);
    let mut search = folder.path().as_os_str().to_owned();
    search.push(":");
    search.push(search_path());
    let access = Access {
        ssh_key: Some("/keys/it's mine".into()),
        known_hosts: Some("/keys/known hosts".into()),
        ..Access::default()
    };
    let url = format!("ssh://git@gitlab.example.com:2222{}", origin.path().display());
    let worker = Worker::with(&url, access, Program::new(&ProgramConfig::default(), search));
    let order = order("main", "1/a");
    let wanted = |_: &Files| Ok(Files::from([(file("x"), Some(b"1".to_vec()))]));
    worker.repository.commit(&order, wanted).await.unwrap();
    assert_eq!(origin.file("main", "x").unwrap(), b"1");
    let log = fs::read_to_string(log).unwrap();
    for part in [
        "-F none -o BatchMode=yes -o IdentitiesOnly=yes -i /keys/it's mine -o StrictHostKeyChecking=yes",
        "-o UserKnownHostsFile=\"/keys/known hosts\"",
        "-p 2222 git@gitlab.example.com git-receive-pack",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[test]
fn a_host_is_configured_by_keys_that_are_known() {
    let folder = naru_testkit::temp_dir();
    fs::write(folder.path().join("token"), " glpat-1\n").unwrap();
    let config: HostConfig = toml::from_str("token = { file = \"token\" }\nssh_key = \"key\"").unwrap();
    let access = config.access(folder.path(), "git.host.x").unwrap();
    assert_eq!((access.user.as_str(), access.token.unwrap().reveal()), ("oauth2", "glpat-1"));
    assert_eq!(access.ssh_key.unwrap(), folder.path().join("key"));
    assert!(toml::from_str::<HostConfig>("tokn = 1").is_err());
    let absent = HostConfig { token: Some(SecretSource::File("absent".into())), ..HostConfig::default() };
    assert_eq!(absent.access(folder.path(), "git.host.x").unwrap_err().args["key"], "git.host.x.token");
}
