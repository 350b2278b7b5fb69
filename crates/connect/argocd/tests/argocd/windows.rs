//! Sync windows: read, written, and what they stop.

use naru_argocd::calls::apps::Sync;
use naru_argocd::judge::Judged;
use naru_argocd::project::Window;
use serde_json::json;

use crate::house::{code, house, spec, web};

/// From noon for ten hours; the world's clock begins at midnight UTC.
fn night(manual: bool) -> Window {
    Window {
        kind: "deny".to_owned(),
        schedule: "0 12 23 11 *".to_owned(),
        duration: "10h".to_owned(),
        applications: Some(vec!["web".to_owned()]),
        manual_sync: Some(manual),
        ..Window::default()
    }
}

#[tokio::test]
async fn a_window_blocks_and_one_with_manual_sync_lets_us_pass() {
    let house = house();
    let mut project = house.client.project("shop").await.unwrap();
    project.add_window(&night(false));
    let mut project = house.client.put_project(&project).await.unwrap();
    assert!(house.client.sync_windows(&web()).await.unwrap().can_sync, "it is not noon");
    house.argocd.world(|world| world.advance_s(12 * 3_600 + 60));
    let state = house.client.sync_windows(&web()).await.unwrap();
    assert_eq!((state.active_windows.len(), state.assigned_windows.len(), state.can_sync), (1, 1, false));
    assert_eq!(code(house.client.sync(&web(), &Sync::default()).await), "argocd-window-blocks");
    assert_eq!(project.retain_windows(|window| *window != night(false)), 1);
    project.add_window(&night(true));
    house.client.put_project(&project).await.unwrap();
    assert!(matches!(house.sync("op-1").await, Judged::Synced { .. }));
    house.argocd.world(|world| world.advance_s(10 * 3_600));
    assert!(house.client.sync_windows(&web()).await.unwrap().active_windows.is_empty(), "it ends by itself");
}

#[tokio::test]
async fn self_heal_reverts_by_day_and_not_in_the_window() {
    let house = house();
    let automated = json!({ "automated": { "selfHeal": true } });
    house.argocd.world(|world| world.change_app("web", &json!({ "spec": spec(automated) })));
    house.argocd.settle();
    let replicas =
        || house.argocd.world(|world| world.live("web", "Deployment", "web").unwrap()["spec"]["replicas"].clone());
    let stop =
        || house.argocd.world(|world| world.drift("web", "Deployment", "web", &json!({ "spec": { "replicas": 0 } })));
    stop();
    house.argocd.settle();
    assert_eq!(replicas(), 2);

    let mut project = house.client.project("shop").await.unwrap();
    project.add_window(&night(true));
    house.client.put_project(&project).await.unwrap();
    house.argocd.world(|world| world.advance_s(12 * 3_600 + 60));
    stop();
    house.argocd.settle();
    assert_eq!(replicas(), 0);
    house.argocd.world(|world| world.advance_s(10 * 3_600));
    house.argocd.settle();
    assert_eq!(replicas(), 2, "Argo CD brings it back at the window's end");
}

#[tokio::test]
async fn a_project_that_somebody_wrote_in_between_is_a_conflict() {
    let house = house();
    let mut ours = house.client.project("shop").await.unwrap();
    house.argocd.world(|world| world.change_project("shop", &json!({ "spec": { "description": "theirs" } })));
    ours.add_window(&night(true));
    let failure = house.client.put_project(&ours).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["what"].as_str()), ("argocd-conflict", "shop"));
    let mut again = house.client.project("shop").await.unwrap();
    again.add_window(&night(true));
    let stored = house.client.put_project(&again).await.unwrap();
    assert_eq!((stored.windows().len(), &stored.0["spec"]["description"]), (1, &json!("theirs")));
}
