//! GitLab, against a stand-in that follows its documented rules.

use std::path::Path;

use naru_core::clock::SystemClock;
use naru_core::lifecycle::Lifecycle;
use naru_git::gitlab::merge::{MergeState, NewMergeRequest};
use naru_git::gitlab::pipeline::PipelineStatus;
use naru_git::gitlab::{Gitlab, GitlabConfig};
use naru_git::name::Branch;
use naru_testkit::gitlab::{Fault, Gitlab as StandIn, TOKEN};

use crate::house::{code, id};

const PROJECT: &str = "shop/web";

fn client(url: &str, token: &str) -> Gitlab {
    let folder = naru_testkit::temp_dir();
    std::fs::write(folder.path().join("token"), token).unwrap();
    let config = format!("url = \"{url}\"\ntoken = {{ file = \"token\" }}");
    let config: GitlabConfig = toml::from_str(&config).unwrap();
    Gitlab::new(&config, folder.path(), SystemClock::shared(), Lifecycle::default()).unwrap()
}

fn change(source: &str) -> NewMergeRequest {
    NewMergeRequest {
        source: Branch::new(source).unwrap(),
        target: Branch::new("main").unwrap(),
        title: "Deploy web".to_owned(),
        description: "By naru".to_owned(),
    }
}

#[tokio::test]
async fn names_are_resolved_and_pipelines_found() {
    let stand_in = StandIn::start();
    let origin = stand_in.project(PROJECT);
    let first = origin.head("main").unwrap();
    origin.tag("v1", &first);
    let second = origin.commit("feature/pay+1", &[("x", Some(b"1"))], "결제");
    let gitlab = client(&stand_in.url, TOKEN);
    for (name, commit) in [
        ("main", &first),
        ("v1", &first),
        ("feature/pay+1", &second),
        (second.as_str(), &second),
        (&second[..8], &second),
    ] {
        assert_eq!(gitlab.resolve(PROJECT, name).await.unwrap().id.as_str(), commit, "{name}");
    }
    let found = gitlab.resolve("1", "feature/pay+1").await.unwrap();
    assert_eq!((found.title.as_str(), found.author.as_str()), ("결제", "Other"));

    assert_eq!(gitlab.pipeline(PROJECT, &id(&second), None).await.unwrap(), None);
    stand_in.pipeline(PROJECT, &second, "feature/pay+1", "failed");
    let newest = stand_in.pipeline(PROJECT, &second, "other", "waiting_for_resource");
    stand_in.pipeline(PROJECT, &first, "main", "success");
    let pipeline = gitlab.pipeline(PROJECT, &id(&second), None).await.unwrap().unwrap();
    assert_eq!((pipeline.id, pipeline.status), (newest, PipelineStatus::Running));
    let of_branch = gitlab.pipeline(PROJECT, &id(&second), Some("feature/pay+1")).await.unwrap().unwrap();
    assert_eq!(of_branch.status, PipelineStatus::Failed);
    let project = gitlab.project(PROJECT).await.unwrap();
    assert_eq!((project.id, project.default_branch.as_deref()), (1, Some("main")));
}

#[tokio::test]
async fn what_is_unknown_is_told_with_what_is_near() {
    let stand_in = StandIn::start();
    stand_in.project(PROJECT);
    let gitlab = client(&stand_in.url, TOKEN);
    let failure = gitlab.resolve(PROJECT, "mian").await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["nearest"].as_str()), ("gitlab-ref-unknown", "main"));
    for project in ["shop/absent", "../admin", "-x", "a b", ""] {
        assert_eq!(code(gitlab.resolve(project, "main").await), "gitlab-project-unknown", "{project}");
    }
    assert_eq!(code(gitlab.resolve(PROJECT, "--x").await), "git-ref-wrong");
    assert_eq!(code(gitlab.merge_request(PROJECT, 7).await), "gitlab-merge-request-unknown");
    assert_eq!(gitlab.branch(PROJECT, "absent").await.unwrap(), None);
    assert_eq!(code(gitlab.is_protected(PROJECT, "absent").await), "gitlab-ref-unknown");
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_not_repeated() {
    let stand_in = StandIn::start();
    stand_in.project(PROJECT);
    let failure = client(&stand_in.url, "glpat-wrong").project(PROJECT).await.unwrap_err();
    assert_eq!(failure.code, "gitlab-token-refused");
    assert!(!failure.to_string().contains("glpat"), "{failure}");
    assert_eq!(stand_in.ledger().len(), 1, "a refusal is not asked for again");
}

#[tokio::test]
async fn a_protected_branch_is_known_before_a_push() {
    let stand_in = StandIn::start();
    let origin = stand_in.project(PROJECT);
    let gitlab = client(&stand_in.url, TOKEN);
    assert!(!gitlab.is_protected(PROJECT, "main").await.unwrap());
    origin.protect("main");
    let branch = gitlab.branch(PROJECT, "main").await.unwrap().unwrap();
    assert_eq!((branch.protected, branch.can_push), (true, false));
    assert_eq!(branch.commit.as_str(), origin.head("main").unwrap());
}

#[tokio::test]
async fn a_merge_request_is_opened_once_and_followed_to_its_end() {
    let stand_in = StandIn::start();
    let origin = stand_in.project(PROJECT);
    let gitlab = client(&stand_in.url, TOKEN);
    origin.branch("naru/1", &origin.head("main").unwrap());
    origin.commit("naru/1", &[("x", Some(b"1"))], "Change");
    // A fork's branch of that name is not ours.
    let of_fork = stand_in.request_of_fork(PROJECT, "naru/1", "main");
    let opened = gitlab.open_merge_request(PROJECT, &change("naru/1")).await.unwrap();
    assert_eq!(opened.state, MergeState::Opened);
    assert_ne!(opened.number, of_fork);
    assert_eq!(gitlab.open_merge_request(PROJECT, &change("naru/1")).await.unwrap(), opened);
    assert_eq!(gitlab.merge_request(PROJECT, opened.number).await.unwrap(), opened);

    let commit = stand_in.merge(PROJECT, opened.number);
    let merged = gitlab.merge_request(PROJECT, opened.number).await.unwrap();
    assert_eq!(merged.state, MergeState::Merged(id(&commit)));
    // Merged meanwhile: it is not opened a second time.
    assert_eq!(gitlab.open_merge_request(PROJECT, &change("naru/1")).await.unwrap(), merged);

    let other = gitlab.open_merge_request(PROJECT, &change("naru/2")).await.unwrap();
    stand_in.close(PROJECT, other.number);
    assert_eq!(gitlab.merge_request(PROJECT, other.number).await.unwrap().state, MergeState::Closed);

    // Both ledgers: two were asked for, two are there, and each was posted once.
    let requests = stand_in.merge_requests(PROJECT);
    let sources: Vec<&str> = requests.iter().map(|(_, source, _)| source.as_str()).collect();
    assert_eq!(sources, ["naru/1", "naru/1", "naru/2"]);
    assert_eq!(stand_in.calls("POST", "merge_requests"), 2);
}

#[tokio::test]
async fn a_merge_request_whose_answer_is_lost_is_found() {
    let stand_in = StandIn::start();
    stand_in.project(PROJECT);
    let gitlab = client(&stand_in.url, TOKEN);
    // The question before it has a query, the call itself ends there.
    stand_in.fault_at("POST", "merge_requests", Fault::LoseAnswer, 1);
    let opened = gitlab.open_merge_request(PROJECT, &change("naru/1")).await.unwrap();
    assert_eq!((opened.number, stand_in.merge_requests(PROJECT).len()), (1, 1));
    // Not made, and told so.
    stand_in.fault_at("POST", "merge_requests", Fault::Status(502), 1);
    assert_eq!(code(gitlab.open_merge_request(PROJECT, &change("naru/2")).await), "gitlab-unavailable");
    stand_in.fault_at("POST", "merge_requests", Fault::Status(403), 1);
    assert_eq!(code(gitlab.open_merge_request(PROJECT, &change("naru/2")).await), "gitlab-forbidden");
    assert_eq!(stand_in.merge_requests(PROJECT).len(), 1);
}

#[tokio::test]
async fn a_question_is_repeated_as_the_server_asks() {
    let stand_in = StandIn::start();
    stand_in.project(PROJECT);
    let gitlab = client(&stand_in.url, TOKEN);
    for fault in [Fault::Status(502), Fault::Throttle { retry_after_s: 0 }, Fault::LoseAnswer] {
        let before = stand_in.ledger().len();
        stand_in.fault("api/v4", fault, 2);
        gitlab.project(PROJECT).await.unwrap();
        assert_eq!(stand_in.ledger().len() - before, 3, "{fault:?}");
    }
    for (fault, expect, calls) in [
        (Fault::Status(500), "gitlab-unavailable", 4),
        (Fault::Throttle { retry_after_s: 0 }, "gitlab-throttled", 4),
        (Fault::LoseAnswer, "gitlab-unreachable", 4),
    ] {
        let before = stand_in.ledger().len();
        stand_in.fault("api/v4", fault, 4);
        assert_eq!(code(gitlab.project(PROJECT).await), expect);
        assert_eq!(stand_in.ledger().len() - before, calls);
    }
    // Whoever is to wait for minutes is told so at once.
    let before = stand_in.ledger().len();
    stand_in.fault("api/v4", Fault::Throttle { retry_after_s: 600 }, 1);
    let failure = gitlab.project(PROJECT).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retry_after_s), ("gitlab-throttled", Some(600)));
    assert_eq!(stand_in.ledger().len() - before, 1);
}

#[tokio::test]
async fn what_is_not_gitlab_is_not_taken_for_it() {
    let stand_in = StandIn::start();
    stand_in.project(PROJECT);
    let gitlab = client(&stand_in.url, TOKEN);
    stand_in.fault("api/v4", Fault::Page, 1);
    assert_eq!(code(gitlab.project(PROJECT).await), "gitlab-answer-unreadable");
    stand_in.fault("api/v4", Fault::Flood, 4);
    assert_eq!(code(gitlab.project(PROJECT).await), "gitlab-unreachable");
    assert_eq!(code(client("http://127.0.0.1:1", TOKEN).project(PROJECT).await), "gitlab-unreachable");
}

#[test]
fn an_address_is_a_servers_and_nothing_else() {
    let token = naru_core::config::SecretSource::Env("PATH".to_owned());
    for url in ["", "gitlab.example.com", "ftp://a", "https://a:hunter2@b", "https://a?b", "https://a#b"] {
        let config = GitlabConfig { url: url.to_owned(), token: token.clone(), ca_file: None, timeout_s: 5 };
        let made = Gitlab::new(&config, Path::new("."), SystemClock::shared(), Lifecycle::default());
        let failure = made.map(drop).unwrap_err();
        assert_eq!(failure.code, "gitlab-url-wrong", "{url}");
        assert!(!failure.to_string().contains("hunter2"));
    }
    let made = |url: &str, ca_file: Option<&str>| {
        let ca_file = ca_file.map(Into::into);
        let config = GitlabConfig { url: url.to_owned(), token: token.clone(), ca_file, timeout_s: 5 };
        Gitlab::new(&config, Path::new(env!("CARGO_MANIFEST_DIR")), SystemClock::shared(), Lifecycle::default())
            .map(drop)
            .map_err(|failure| failure.code)
    };
    assert_eq!(made("https://gitlab.example.com/sub/", None), Ok(()));
    assert_eq!(made("http://gitlab.example.com", None), Err("git-secret-in-clear".to_owned()));
    for ca_file in ["absent.pem", "Cargo.toml"] {
        assert_eq!(
            made("https://gitlab.example.com", Some(ca_file)),
            Err("certificates-wrong".to_owned()),
            "{ca_file}"
        );
    }
    assert!(toml::from_str::<GitlabConfig>("url = \"x\"\ntoken = { env = \"T\" }\nx = 1").is_err());
}
