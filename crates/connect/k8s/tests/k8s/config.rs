//! What is read, and what is refused before anything is asked.

use std::path::Path;

use naru_core::failure::Failure;
use naru_k8s::client::Client;
use naru_k8s::config::Config;
use naru_testkit::kube::kubeconfig;

use crate::server::code;

fn check(text: &str, expect: Result<(), &str>) {
    let folder = naru_testkit::temp_dir();
    std::fs::write(folder.path().join("config"), kubeconfig("http://127.0.0.1:1", "geheim")).unwrap();
    let opened = open(text, folder.path()).map(|_| ());
    assert_eq!(opened.map_err(|failure| failure.code), expect.map_err(str::to_owned), "{text}");
}

fn open(text: &str, folder: &Path) -> Result<Client, Failure> {
    let config: Config =
        toml::from_str(text).map_err(|error| Failure::usage("unread").cause_text(error.to_string()))?;
    Client::open("old", &config, folder)
}

#[test]
fn a_cluster_is_said_in_exactly_one_way() {
    check("in_cluster = true", Ok(()));
    check("kubeconfig = \"config\"", Ok(()));
    check("kubeconfig = \"config\"\ncontext = \"test\"\ntimeout_s = 5\ncalls_per_s = 3", Ok(()));
    check("", Err("k8s-config-wrong"));
    check("in_cluster = false", Err("k8s-config-wrong"));
    check("in_cluster = true\nkubeconfig = \"config\"", Err("k8s-config-wrong"));
    check("in_cluster = true\ncontext = \"test\"", Err("k8s-config-wrong"));
    check("kubeconfig = \"config\"\ncontext = \"other\"", Err("k8s-context-unknown"));
    check("kubeconfig = \"none\"", Err("k8s-kubeconfig-wrong"));
    check("in_cluster = true\neks = { name = \"shop\" }", Err("unread"));
}

#[test]
fn what_is_no_kubeconfig_is_told_without_its_text() {
    let folder = naru_testkit::temp_dir();
    let whole = kubeconfig("http://127.0.0.1:1", "geheim");
    for broken in [
        whole.replace("geheim", "geheim\n  x: ["),
        whole.replace("token: geheim", "token: [geheim]"),
        "geheim".to_owned(),
    ] {
        std::fs::write(folder.path().join("config"), broken).unwrap();
        let failure = open("kubeconfig = \"config\"", folder.path()).map(|_| ()).unwrap_err();
        assert_eq!(failure.code, "k8s-kubeconfig-wrong");
        assert!(!format!("{failure:?}").contains("geheim"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_proxy_is_not_taken_silently() {
    let folder = naru_testkit::temp_dir();
    let whole = kubeconfig("http://127.0.0.1:1", "geheim");
    let with_proxy = whole.replace("    server:", "    proxy-url: http://127.0.0.1:2\n    server:");
    std::fs::write(folder.path().join("config"), with_proxy).unwrap();
    let client = open("kubeconfig = \"config\"", folder.path()).unwrap();
    assert_eq!(code(client.version().await), "k8s-kubeconfig-wrong");
}

#[tokio::test]
async fn outside_a_cluster_there_is_no_account_of_a_pod() {
    let client = open("in_cluster = true", Path::new(".")).unwrap();
    let failure = client.version().await.unwrap_err();
    assert!(failure.code == "k8s-not-in-cluster" && failure.args["cluster"] == "old", "{failure}");
}
