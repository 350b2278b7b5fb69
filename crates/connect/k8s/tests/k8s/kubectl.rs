//! The stand-in as kubectl sees it, where there is one: what kubectl takes for a server is like one.

use std::io::Write;
use std::process::{Command, Stdio};

use naru_testkit::kube::rule::Rule;
use naru_testkit::kube::{Kube, TOKEN};
use naru_testkit::process::Process;
use serde_json::json;

struct Kubectl {
    kube: Kube,
    folder: tempfile::TempDir,
}

impl Kubectl {
    fn start(version: &str) -> Option<Kubectl> {
        if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
            println!("not run: kubectl");
            return None;
        }
        let (kube, folder) = (Kube::start(version), naru_testkit::temp_dir());
        // Over plain HTTP kubectl sends no token.
        kube.world(|world| world.add_user("", "system:anonymous", vec![Rule::all()]));
        std::fs::write(folder.path().join("config"), kube.kubeconfig(TOKEN)).unwrap();
        Some(Kubectl { kube, folder })
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(self.folder.path().join("config"));
        command.arg("--cache-dir").arg(self.folder.path().join("cache"));
        command.args(words.split(' '));
        command
    }

    /// What it prints, with what it complains of.
    fn run(&self, words: &str) -> (bool, String) {
        self.feed(words, "")
    }

    fn feed(&self, words: &str, input: &str) -> (bool, String) {
        let mut command = self.command(words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// What must succeed.
    fn ok(&self, words: &str) -> String {
        let (ok, text) = self.run(words);
        assert!(ok, "kubectl {words}: {text}");
        text
    }
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default, labels: { app: web } }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: 'shop/web:1' }, { name: log, image: 'shop/log:1' }] }
";

#[test]
fn it_applies_scales_patches_reads_and_deletes() {
    for version in ["1.20", "1.33"] {
        let Some(kubectl) = Kubectl::start(version) else { return };
        let apply = |text: &str| kubectl.feed("apply --validate=false -f -", text);
        assert_eq!(apply(DEPLOYMENT), (true, "deployment.apps/web created\n".to_owned()), "{version}");
        assert_eq!(apply(DEPLOYMENT), (true, "deployment.apps/web unchanged\n".to_owned()));
        let changed =
            DEPLOYMENT.replace("shop/web:1", "shop/web:2").replace(", { name: log, image: 'shop/log:1' }", "");
        assert_eq!(apply(&changed), (true, "deployment.apps/web configured\n".to_owned()));
        let images = "get deploy web -o jsonpath={.spec.template.spec.containers[*].image}";
        assert_eq!(kubectl.ok(images), "shop/web:2", "the strategic patch removed one of two");
        assert_eq!(kubectl.ok("scale deploy/web --replicas=0"), "deployment.apps/web scaled\n");
        assert_eq!(
            kubectl
                .kube
                .world(|world| world.object("deployments.apps", "default", "web").unwrap()["spec"]["replicas"].clone()),
            0
        );
        let patched = kubectl.ok("patch deploy web --type=merge -p {\"spec\":{\"replicas\":3}}");
        assert_eq!(patched, "deployment.apps/web patched\n");
        assert_eq!(kubectl.ok("get deploy -l app=web -o name"), "deployment.apps/web\n");
        assert!(kubectl.ok("get deploy").contains("web"));
        let (ok, told) = kubectl.feed("apply --validate=false --server-side --field-manager=other -f -", &changed);
        assert!(!ok && told.contains(".spec.replicas"), "{told}");
        let (ok, told) =
            kubectl.feed("apply --validate=false --server-side --force-conflicts --field-manager=other -f -", &changed);
        assert_eq!((ok, told.as_str()), (true, "deployment.apps/web serverside-applied\n"));
        assert_eq!(kubectl.ok("auth can-i patch deployments --subresource=scale"), "yes\n");
        assert!(kubectl.ok("delete deploy web").starts_with("deployment.apps \"web\" deleted"));
        let (ok, told) = kubectl.run("get deploy web");
        assert!(!ok && told.contains("Error from server (NotFound): deployments.apps \"web\" not found"), "{told}");
    }
}

#[test]
fn it_replaces_only_what_it_has_read() {
    let Some(kubectl) = Kubectl::start("1.27") else { return };
    kubectl.ok("create configmap one --from-literal=a=1");
    let read = kubectl.ok("get configmap one -o json");
    let replace = |text: &str| kubectl.feed("replace --validate=false -f -", text);
    assert_eq!(replace(&read.replace(r#""a": "1""#, r#""a": "2""#)), (true, "configmap/one replaced\n".to_owned()));
    assert_eq!(kubectl.ok("get configmap one -o jsonpath={.data.a}"), "2");
    let (ok, told) = replace(&read);
    assert!(!ok && told.contains("the object has been modified"), "{told}");
    let (ok, told) = kubectl.run("create configmap one");
    assert!(!ok && told.contains(r#"configmaps "one" already exists"#), "{told}");
}

#[test]
fn it_reads_a_list_page_by_page_and_makes_names() {
    let Some(kubectl) = Kubectl::start("1.27") else { return };
    let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"map-"}}"#;
    for _ in 0..5 {
        let (ok, told) = kubectl.feed("create --validate=false -f -", map);
        assert!(ok && told.starts_with("configmap/map-"), "{told}");
    }
    assert_eq!(kubectl.ok("get configmaps --chunk-size=2 -o name").lines().count(), 5);
    assert_eq!(kubectl.kube.calls("GET /api/v1/namespaces/default/configmaps").len(), 3);
    kubectl.ok("label configmaps --all x=y");
    assert_eq!(kubectl.ok("get configmaps -A -l x=y -o name").lines().count(), 5);
}

#[test]
fn it_finds_what_the_version_serves() {
    let Some(kubectl) = Kubectl::start("1.20") else { return };
    let resources = kubectl.ok("api-resources -o name");
    for name in ["cronjobs.batch", "deployments.apps", "namespaces", "scaledobjects.keda.sh", "rollouts.argoproj.io"] {
        assert!(resources.lines().any(|line| line == name), "{name} in {resources}");
    }
    assert!(kubectl.ok("api-versions").lines().any(|line| line == "batch/v1beta1"));
    assert!(kubectl.ok("version").contains("v1.20.2"));
}

#[test]
fn it_waits_for_a_namespace_that_stays_until_it_is_empty() {
    let Some(kubectl) = Kubectl::start("1.27") else { return };
    kubectl.ok("create namespace shop");
    kubectl.ok("create configmap held -n shop");
    kubectl.ok("patch configmap held -n shop --type=json -p [{\"op\":\"add\",\"path\":\"/metadata/finalizers\",\"value\":[\"naru.test/hold\"]}]");
    kubectl.ok("delete namespace shop --wait=false");
    assert_eq!(kubectl.ok("get namespace shop -o jsonpath={.status.phase}"), "Terminating");
    let (ok, told) = kubectl.run("create configmap late -n shop");
    assert!(!ok && told.contains("is being terminated"), "{told}");
    kubectl.ok("patch configmap held -n shop --type=merge -p {\"metadata\":{\"finalizers\":null}}");
    let (ok, _) = kubectl.run("get namespace shop");
    assert!(!ok);
}

#[tokio::test]
async fn it_watches() {
    let Some(kubectl) = Kubectl::start("1.27") else { return };
    let mut watch = Process::start(&mut kubectl.command("get configmaps -w -o name"));
    let object = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" } });
    kubectl.kube.world(|world| world.add("configmaps", object("one")));
    watch.line_with("configmap/one").await;
    kubectl.kube.world(|world| world.add("configmaps", object("two")));
    watch.line_with("configmap/two").await;
}
