//! What goes wrong between the two.

use naru_argocd::calls::apps::{Refresh, Sync};
use naru_testkit::argocd::fault::Fault;

use crate::house::{House, client, code, house, web};

const GET: &str = "GET /api/v1/applications/web";
const SYNC: &str = "POST /api/v1/applications/web/sync";

#[tokio::test]
async fn a_read_is_repeated_where_nobody_answered() {
    let house = house();
    for fault in [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Page(502),
        Fault::Page(503),
        Fault::Status(504),
        Fault::Throttle(0),
    ] {
        let before = house.argocd.calls(GET).len();
        house.argocd.fault_at(GET, fault);
        house.client.app(&web(), Refresh::No).await.unwrap();
        assert_eq!(house.argocd.calls(GET).len(), before + 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_read_is_repeated_a_few_times_only() {
    let house = house();
    (0..9).for_each(|_| house.argocd.fault_at(GET, Fault::Page(503)));
    assert_eq!(code(house.client.app(&web(), Refresh::No).await), "argocd-failing");
    assert_eq!(house.argocd.calls(GET).len(), 4);
}

#[tokio::test]
async fn a_write_is_sent_once_and_a_lost_answer_says_so() {
    let house = house();
    for (fault, expect) in [
        (Fault::Page(503), "argocd-failing"),
        (Fault::DropBefore, "argocd-answer-lost"),
        (Fault::DropAfter, "argocd-answer-lost"),
    ] {
        let before = house.argocd.calls(SYNC).len();
        house.argocd.fault_at(SYNC, fault);
        assert_eq!(code(house.client.sync(&web(), &Sync::default()).await), expect, "{fault:?}");
        assert_eq!(house.argocd.calls(SYNC).len(), before + 1, "{fault:?}");
    }
    assert!(house.app().await.operation.is_some(), "the last one was done");
}

#[tokio::test]
async fn what_is_no_answer_of_argo_cd_is_told() {
    let house = house();
    for (fault, expect) in [
        (Fault::Status(500), "argocd-failing"),
        (Fault::Garbage, "argocd-bad-answer"),
        (Fault::Page(302), "argocd-bad-answer"),
        (Fault::Page(404), "argocd-bad-answer"),
        (Fault::TokenExpired, "argocd-token-refused"),
    ] {
        house.argocd.fault_at(GET, fault);
        assert_eq!(code(house.client.app(&web(), Refresh::No).await), expect, "{fault:?}");
    }
}

#[tokio::test]
async fn more_than_anybody_should_read_is_not_read() {
    let house = house();
    house.argocd.fault_at(GET, Fault::Huge);
    let failure = house.client.app(&web(), Refresh::No).await.unwrap_err();
    assert_eq!(failure.causes, ["more than 16 MiB"]);
}

#[tokio::test]
async fn whoever_is_told_to_come_back_much_later_is_told_when() {
    let house = house();
    house.argocd.fault_at(GET, Fault::Throttle(120));
    let failure = house.client.app(&web(), Refresh::No).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retry_after_s), ("argocd-throttled", Some(120)));
    house.argocd.fault_at(SYNC, Fault::Throttle(0));
    assert_eq!(code(house.client.sync(&web(), &Sync::default()).await), "argocd-throttled");
    assert_eq!(house.argocd.calls(SYNC).len(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let house = House::on(house().argocd, naru_testkit::argocd::TOKEN, |config| config.timeout_s = 1);
    house.argocd.fault_at(GET, Fault::Hold);
    assert_eq!(code(house.client.app(&web(), Refresh::No).await), "argocd-silent");
    house.argocd.release();
}

#[tokio::test]
async fn nobody_there_is_unreachable_for_reads_and_writes() {
    let folder = naru_testkit::temp_dir();
    let url = format!("http://127.0.0.1:{}", naru_testkit::port::free());
    let client = client(&url, "token", folder.path(), |_| {}).unwrap();
    assert_eq!(code(client.app(&web(), Refresh::No).await), "argocd-unreachable");
    assert_eq!(code(client.sync(&web(), &Sync::default()).await), "argocd-unreachable");
}
