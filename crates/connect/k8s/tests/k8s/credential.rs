//! Credentials that come from a program, as those of EKS do.

use naru_testkit::kube::rule::Rule;
use naru_testkit::wait::PATIENCE;

use crate::server::{NAMESPACE, Server, client, code};

/// A kubeconfig whose user is a program that prints what stands in `answer`.
fn with_program(server: &Server, folder: &std::path::Path) -> std::path::PathBuf {
    let (config, _) =
        server.kube().kubeconfig("").split_once("    token: ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let rest = "contexts:\n- name: test\n  context:\n    cluster: test\n    user: test\n";
    let exec = "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: ./token\n";
    let path = folder.join("config");
    std::fs::write(&path, format!("{config}{exec}{rest}")).unwrap();
    let program = "#!/bin/sh\necho run >> \"$(dirname \"$0\")/runs\"\ncat \"$(dirname \"$0\")/answer\"\n[ ! -e \"$(dirname \"$0\")/broken\" ]\n";
    std::fs::write(folder.join("token"), program).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder.join("token"), std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn credential(token: &str, until: &str) -> String {
    format!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{{"token":"{token}","expirationTimestamp":"{until}"}}}}"#
    )
}

#[tokio::test]
async fn a_token_is_made_by_a_program_once_while_it_lasts() {
    let server = Server::stand_in("1.27");
    let folder = naru_testkit::temp_dir();
    let config = with_program(&server, folder.path());
    let runs = || std::fs::read_to_string(folder.path().join("runs")).unwrap_or_default().lines().count();
    std::fs::write(folder.path().join("answer"), credential("made-token", "2099-01-01T00:00:00Z")).unwrap();
    server.kube().world(|world| world.add_user("made-token", "eks", vec![Rule::all()]));
    let client = client(&config);
    assert_eq!(runs(), 0, "not before it is needed");
    client.get(&NAMESPACE.of_cluster("default")).await.unwrap();
    // Once for a certificate, which it might print, and once for the token.
    let first = runs();
    assert_eq!(first, 2);
    for _ in 0..3 {
        client.get(&NAMESPACE.of_cluster("default")).await.unwrap();
    }
    assert_eq!(runs(), first);
    assert!(server.kube().ledger().iter().all(|entry| entry.user == "eks"));
    // Refused before its time: the program is asked again, and the question too.
    server.kube().world(|world| {
        world.remove_token("made-token");
        world.add_user("next-token", "eks", vec![Rule::all()]);
    });
    std::fs::write(folder.path().join("answer"), credential("next-token", "2099-01-01T00:00:00Z")).unwrap();
    tokio::time::timeout(PATIENCE, client.get(&NAMESPACE.of_cluster("default"))).await.unwrap().unwrap();
    assert_eq!(runs(), 2 * first);
}

#[tokio::test]
async fn a_program_that_fails_is_told_without_what_it_printed() {
    let server = Server::stand_in("1.27");
    let folder = naru_testkit::temp_dir();
    let client = client(&with_program(&server, folder.path()));
    for answer in [credential("geheim", "2099-01-01T00:00:00Z"), "{\"geheim\": [".to_owned()] {
        std::fs::write(folder.path().join("answer"), &answer).unwrap();
        std::fs::write(folder.path().join("broken"), "").unwrap();
        let failure = client.version().await.unwrap_err();
        assert_eq!(failure.code, "k8s-credential-failed");
        assert!(!format!("{failure:?}").contains("geheim") && failure.causes[0].contains("exit status"), "{failure}");
        std::fs::remove_file(folder.path().join("broken")).unwrap();
    }
    let failure = client.version().await.unwrap_err();
    assert_eq!(failure.code, "k8s-credential-failed");
    assert!(!format!("{failure:?}").contains("geheim"), "{failure}");
    std::fs::remove_file(folder.path().join("token")).unwrap();
    assert_eq!(code(client.version().await), "k8s-credential-failed");
}

#[tokio::test]
async fn a_token_that_has_run_out_is_made_anew_and_a_failure_of_that_is_told() {
    let server = Server::stand_in("1.27");
    let folder = naru_testkit::temp_dir();
    let client = client(&with_program(&server, folder.path()));
    server.kube().world(|world| world.add_user("geheim", "eks", vec![Rule::all()]));
    std::fs::write(folder.path().join("answer"), credential("geheim", "2020-01-01T00:00:00Z")).unwrap();
    client.version().await.unwrap();
    std::fs::write(folder.path().join("broken"), "").unwrap();
    let failure = client.version().await.unwrap_err();
    assert_eq!(failure.code, "k8s-credential-failed");
    assert!(failure.args["cluster"] == "test" && !format!("{failure:?}").contains("geheim"), "{failure:?}");
}
