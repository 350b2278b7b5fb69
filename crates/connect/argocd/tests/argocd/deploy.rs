//! From a commit to what runs.

use naru_argocd::application::Info;
use naru_argocd::calls::apps::{Cascade, Refresh, Sync};
use naru_argocd::judge::{Asked, Judged, judge};
use naru_argocd::owner::{INSTANCE_LABEL, Owner, owner};
use naru_argocd::resource::Patch;
use naru_argocd::status::{Health, Phase};
use naru_testkit::argocd::repo::Files;
use serde_json::json;

use crate::house::{CHART, REPO, code, house, spec, web};

const OVERRIDE: &str = "web/.argocd-source-web.yaml";

#[tokio::test]
async fn a_sync_is_judged_by_its_own_operation_and_its_health_comes_later() {
    let house = house();
    let synced = house.sync("op-1").await;
    assert_eq!(synced, Judged::Synced { health: Health::Progressing });
    house.argocd.settle();
    let app = house.app().await;
    assert_eq!((app.status.health.status, app.status.sync.status.as_str()), (Health::Healthy, "Synced"));
    assert_eq!(app.status.summary.images, ["shop/web:one"]);
    assert_eq!(app.status.history[0].initiated_by.username, "naru");
}

#[tokio::test]
async fn the_end_of_the_operation_before_is_not_ours() {
    let house = house();
    house.sync("op-1").await;
    house.argocd.world(|world| world.advance_s(60));
    let asked = Asked { at: house.now_ms(), mark: Some(Info::new("naru", "op-2")), revisions: Vec::new() };
    assert!(matches!(judge(&house.app().await, &asked), Judged::Running { .. }));
    assert!(matches!(judge(&house.app().await, &Asked { mark: None, ..asked.clone() }), Judged::Running { .. }));
    house.sync("somebody-else").await;
    assert_eq!(judge(&house.app().await, &asked), Judged::Overtaken);
}

#[tokio::test]
async fn a_sync_that_fails_says_why() {
    let house = house();
    house.argocd.world(|world| world.fail_next_sync = Some("one or more objects failed to apply".to_owned()));
    let failed = house.sync("op-1").await;
    let message = "one or more objects failed to apply".to_owned();
    assert_eq!(failed, Judged::Failed { phase: Phase::Failed, message });
}

#[tokio::test]
async fn an_override_file_in_git_replaces_the_parameters_of_the_spec() {
    let house = house();
    let parameters = |tag: &str| format!("helm:\n  parameters:\n  - name: image.tag\n    value: {tag}\n");
    let commit = |text: &str| {
        house.argocd.world(|world| world.repo(REPO).commit("main", "naru", "pin", &[(OVERRIDE, Some(text))]))
    };
    let pinned = commit(&parameters("two"));
    house.argocd.world(|world| world.polls_git = false);
    house.argocd.tick();
    assert_ne!(house.app().await.revisions(), [pinned.as_str()], "a commit is seen by a poll or a refresh");
    let seen = house.client.app(&web(), Refresh::Normal).await.unwrap();
    assert_eq!((seen.revisions(), seen.status.sync.status.as_str()), (vec![pinned.as_str()], "OutOfSync"));
    house.sync("op-1").await;
    house.argocd.settle();
    assert_eq!(house.app().await.status.summary.images, ["shop/web:two"]);
    let objects = house.client.manifests(&web(), Some(&pinned)).await.unwrap();
    assert_eq!(objects.len(), 2);
    let told = house.client.revision_metadata(&web(), &pinned).await.unwrap();
    assert_eq!((told.author.as_str(), told.message.as_str()), ("naru", "pin"));
}

#[tokio::test]
async fn a_real_repository_is_read_by_the_stand_in() {
    let (house, folder) = (house(), naru_testkit::temp_dir());
    let git = |args: &[&str]| {
        let git = std::process::Command::new("git").current_dir(folder.path()).args(args).output().unwrap();
        assert!(git.status.success(), "{git:?}");
    };
    let files: Files = CHART.iter().map(|(path, text)| ((*path).to_owned(), text.unwrap().to_owned())).collect();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["-c", "user.name=Kim", "-c", "user.email=kim@example.com", "commit", "-q", "-m", "the first"]);
    house.argocd.world(|world| world.use_git(REPO, &folder.path().join(".git")));
    house.sync("op-1").await;
    let app = house.app().await;
    assert_eq!(app.revisions()[0].len(), 40);
    let told = house.client.revision_metadata(&web(), app.revisions()[0]).await.unwrap();
    assert_eq!((told.author.as_str(), told.message.as_str()), ("Kim <kim@example.com>", "the first"));
}

#[tokio::test]
async fn a_second_operation_is_refused_and_the_first_can_be_ended() {
    let house = house();
    house.client.sync(&web(), &Sync::default()).await.unwrap();
    assert_eq!(code(house.client.sync(&web(), &Sync::default()).await), "argocd-operation-running");
    assert!(!house.client.terminate(&web()).await.unwrap(), "it has not begun");
    house.argocd.tick();
    assert!(house.client.terminate(&web()).await.unwrap());
    house.argocd.tick();
    let state = house.app().await.status.operation_state.unwrap();
    assert_eq!((state.phase, state.message.as_str()), (Phase::Failed, "operation terminated"));
}

#[tokio::test]
async fn auto_sync_refuses_another_revision_and_takes_its_own() {
    let house = house();
    house.argocd.world(|world| world.change_app("web", &json!({ "spec": spec(json!({ "automated": {} })) })));
    let other = Sync { revision: Some("v9".to_owned()), ..Sync::default() };
    let failure = house.client.sync(&web(), &other).await.unwrap_err();
    assert_eq!(failure.code, "argocd-refused");
    assert_eq!(failure.causes, ["Cannot sync to v9: auto-sync currently set to main"]);
    assert!(matches!(house.sync("op-1").await, Judged::Synced { .. }));
}

#[tokio::test]
async fn what_somebody_owns_is_put_back() {
    let house = house();
    let pin = Patch::Merge(json!({ "spec": { "source": { "targetRevision": "hotfix" } } }));
    let patched = house.client.patch(&web(), &pin).await.unwrap();
    assert_eq!(owner(&patched, INSTANCE_LABEL), Owner::Nobody);
    house.argocd.tick();
    assert_eq!(house.app().await.sources()[0]["targetRevision"], "hotfix", "nobody undoes it");
    let back = Patch::Json(json!([{ "op": "replace", "path": "/spec/source/targetRevision", "value": "main" }]));
    house.client.patch(&web(), &back).await.unwrap();

    house.argocd.world(|world| world.own_by_set("web", "shops"));
    house.client.patch(&web(), &pin).await.unwrap();
    house.argocd.tick();
    let app = house.app().await;
    assert_eq!(owner(&app, INSTANCE_LABEL), Owner::ApplicationSet("shops".to_owned()));
    assert_eq!(app.sources()[0]["targetRevision"], "main");

    house.argocd.world(|world| {
        world.change_app("web", &json!({ "metadata": { "ownerReferences": null } }));
        world.own_by_app("web", "root");
    });
    house.client.patch(&web(), &pin).await.unwrap();
    house.argocd.tick();
    let app = house.app().await;
    assert_eq!(owner(&app, INSTANCE_LABEL), Owner::Application("root".to_owned()));
    assert_eq!(app.sources()[0]["targetRevision"], "main");
}

#[tokio::test]
async fn an_application_is_made_once_and_deleted() {
    let house = house();
    let wanted = json!({ "metadata": { "name": "copy" }, "spec": spec(json!({})) });
    let made = house.client.create(&wanted).await.unwrap();
    assert_eq!(house.client.create(&wanted).await.unwrap().metadata.uid, made.metadata.uid, "alike is the same");
    let other = json!({ "metadata": { "name": "copy" }, "spec": spec(json!({ "automated": {} })) });
    assert_eq!(code(house.client.create(&other).await), "argocd-app-exists");
    let copy = made.reference(Some("argocd"));
    house.client.delete(&copy, Cascade::Foreground).await.unwrap();
    assert!(house.client.app(&copy, Refresh::No).await.unwrap().metadata.deletion_timestamp.is_some());
    house.argocd.tick();
    assert_eq!(code(house.client.app(&copy, Refresh::No).await), "argocd-app-unknown");
    let deleted = &house.argocd.calls("DELETE")[0];
    assert_eq!(
        (deleted.parameter("cascade"), deleted.parameter("propagationPolicy")),
        (Some("true"), Some("foreground"))
    );
}
