//! What goes wrong between the two.

use naru_k8s::object::Patch;
use naru_testkit::kube::TOKEN;
use naru_testkit::kube::fault::Fault;
use serde_json::json;

use crate::server::{CONFIG_MAP, Server, client, code, opened};

const GET: &str = "GET /api/v1/namespaces/default/configmaps/one";
const PATCH: &str = "PATCH /api/v1/namespaces/default/configmaps/one";

async fn house() -> (Server, naru_k8s::object::ObjectRef) {
    let server = Server::stand_in("1.27");
    let one = server.config_map("default", "one", json!({})).await;
    (server, one)
}

fn patch(value: &str) -> Patch {
    Patch::Merge(json!({ "data": { "a": value } }))
}

#[tokio::test]
async fn a_question_is_repeated_where_nobody_answered() {
    let (server, one) = house().await;
    for fault in [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Page(502),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Throttle(0),
        Fault::TokenExpired,
    ] {
        let before = server.kube().calls(GET).len();
        server.kube().fault_at(GET, fault);
        server.client.get(&one).await.unwrap();
        assert_eq!(server.kube().calls(GET).len(), before + 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_question_is_repeated_a_few_times_only() {
    let (server, one) = house().await;
    (0..9).for_each(|_| server.kube().fault_at(GET, Fault::Status(503)));
    assert_eq!(code(server.client.get(&one).await), "k8s-failing");
    assert_eq!(server.kube().calls(GET).len(), 4);
}

#[tokio::test]
async fn a_write_is_sent_once_and_a_lost_answer_says_so() {
    let (server, one) = house().await;
    for (fault, expect) in [
        (Fault::Status(503), "k8s-failing"),
        (Fault::Throttle(0), "k8s-throttled"),
        (Fault::TokenExpired, "k8s-token-refused"),
        (Fault::DropBefore, "k8s-answer-lost"),
        (Fault::DropAfter, "k8s-answer-lost"),
    ] {
        let before = server.kube().calls(PATCH).len();
        server.kube().fault_at(PATCH, fault);
        assert_eq!(code(server.client.patch(&one, &patch("2")).await), expect, "{fault:?}");
        assert_eq!(server.kube().calls(PATCH).len(), before + 1, "{fault:?}");
    }
    assert_eq!(server.client.get(&one).await.unwrap()["data"]["a"], "2", "the last one was done");
}

#[tokio::test]
async fn what_is_no_answer_of_kubernetes_is_told() {
    let (server, one) = house().await;
    for (fault, expect) in [
        (Fault::Garbage, "k8s-answer-unreadable"),
        (Fault::Page(302), "k8s-answer-unreadable"),
        (Fault::Page(403), "k8s-answer-unreadable"),
    ] {
        server.kube().fault_at(GET, fault);
        assert_eq!(code(server.client.get(&one).await), expect, "{fault:?}");
    }
    server.kube().fault_at(GET, Fault::Huge);
    assert_eq!(server.client.get(&one).await.unwrap_err().causes, ["more than 32 MiB"]);
}

#[tokio::test]
async fn whoever_is_told_to_come_back_much_later_is_told_when() {
    let (server, one) = house().await;
    server.kube().fault_at(GET, Fault::Throttle(120));
    let failure = server.client.get(&one).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retry_after_s), ("k8s-throttled", Some(120)));
    assert_eq!(server.kube().calls(GET).len(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let (server, one) = house().await;
    let folder = naru_testkit::temp_dir();
    std::fs::write(folder.path().join("config"), server.kube().kubeconfig(TOKEN)).unwrap();
    let client = opened(&folder.path().join("config"), |config| config.timeout_s = 1);
    server.kube().fault_at(GET, Fault::Hold);
    assert_eq!(code(client.get(&one).await), "k8s-silent");
    server.kube().release();
}

#[tokio::test]
async fn nobody_there_is_unreachable_for_questions_and_writes() {
    let folder = naru_testkit::temp_dir();
    let url = format!("http://127.0.0.1:{}", naru_testkit::port::free());
    std::fs::write(folder.path().join("config"), naru_testkit::kube::kubeconfig(&url, TOKEN)).unwrap();
    let client = client(&folder.path().join("config"));
    assert_eq!(code(client.version().await), "k8s-unreachable");
    assert_eq!(code(client.patch(&CONFIG_MAP.named("default", "one"), &patch("2")).await), "k8s-unreachable");
}

#[tokio::test]
async fn more_calls_than_the_pace_lets_through_in_time_are_refused() {
    let (server, one) = house().await;
    let folder = naru_testkit::temp_dir();
    std::fs::write(folder.path().join("config"), server.kube().kubeconfig(TOKEN)).unwrap();
    let slow = opened(&folder.path().join("config"), |config| (config.calls_per_s, config.timeout_s) = (2, 1));
    let many = (0..40).map(|_| slow.get(&one));
    let answers = futures_util::future::join_all(many).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(refused.len() > 20, "{}", refused.len());
    assert!(refused.iter().all(|failure| failure.code == "k8s-calls-wait" && failure.retry_after_s == Some(1)));
}
