//! The server that a test runs on: the stand-in, or a real one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use naru_core::failure::Failure;
use naru_k8s::client::Client;
use naru_k8s::config::Config;
use naru_k8s::object::{GroupKind, ObjectRef};
use naru_testkit::kube::{Kube, TOKEN};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

pub static NAMESPACE: GroupKind = GroupKind::known("", "Namespace");
pub static CONFIG_MAP: GroupKind = GroupKind::known("", "ConfigMap");
pub static DEPLOYMENT: GroupKind = GroupKind::known("apps", "Deployment");
pub static STATEFUL_SET: GroupKind = GroupKind::known("apps", "StatefulSet");
pub static REPLICA_SET: GroupKind = GroupKind::known("apps", "ReplicaSet");
pub static DAEMON_SET: GroupKind = GroupKind::known("apps", "DaemonSet");
pub static CRON_JOB: GroupKind = GroupKind::known("batch", "CronJob");
pub static SCALER: GroupKind = GroupKind::known("autoscaling", "HorizontalPodAutoscaler");

/// Runs each body on the stand-in, and on a real server where there is one.
macro_rules! on_each {
    ($($body:ident),* $(,)?) => {
        mod stand_in {
            $(#[tokio::test] async fn $body() { super::$body(&$crate::server::Server::stand_in("1.20")).await })*
        }
        mod real {
            $(#[tokio::test] async fn $body() {
                match $crate::server::Server::real() {
                    Some(server) => super::$body(&server).await,
                    None => println!("not run: no real API server; `cargo xtask test --real-k8s` starts one"),
                }
            })*
        }
    };
}

pub struct Server {
    /// Of an account that may do everything.
    pub client: Client,
    /// Of an account that may do nothing.
    pub nobody: Client,
    /// The stand-in, if it is one.
    pub kube: Option<Kube>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub fn stand_in(version: &str) -> Server {
        let kube = Kube::start(version);
        kube.world(|world| world.add_user("nobodys-token", "nobody", Vec::new()));
        let folder = naru_testkit::temp_dir();
        let write = |name: &str, token: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, kube.kubeconfig(token)).unwrap();
            path
        };
        let (admin, nobody) = (write("admin", TOKEN), write("nobody", "nobodys-token"));
        Server { client: client(&admin), nobody: client(&nobody), kube: Some(kube), _folder: folder }
    }

    /// The one that the test run says.
    pub fn real() -> Option<Server> {
        let folder = PathBuf::from(std::env::var_os("NARU_TEST_KUBE")?);
        let (client, nobody) = (client(&folder.join("admin")), client(&folder.join("nobody")));
        Some(Server { client, nobody, kube: None, _folder: naru_testkit::temp_dir() })
    }

    pub fn kube(&self) -> &Kube {
        self.kube.as_ref().unwrap()
    }

    /// A fresh namespace.
    pub async fn namespace(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.client.create(&NAMESPACE, "", &json!({ "metadata": { "name": name } })).await.unwrap();
        name
    }

    pub async fn config_map(&self, namespace: &str, name: &str, labels: Value) -> ObjectRef {
        let object = json!({ "metadata": { "name": name, "labels": labels }, "data": { "a": "1" } });
        self.client.create(&CONFIG_MAP, namespace, &object).await.unwrap();
        CONFIG_MAP.named(namespace, name)
    }

    /// A workload of two.
    pub async fn workload(&self, kind: &GroupKind, namespace: &str, name: &str) -> ObjectRef {
        self.client.create(kind, namespace, &workload(kind, name)).await.unwrap();
        kind.named(namespace, name)
    }

    /// Waits until it is not there.
    pub async fn gone(&self, object: &ObjectRef) {
        let look = async || self.client.find(object).await.unwrap().is_none().then_some(());
        eventually(&format!("{} to go", object.name), PATIENCE, look).await;
    }
}

pub fn client(kubeconfig: &Path) -> Client {
    opened(kubeconfig, |_| {})
}

pub fn opened(kubeconfig: &Path, change: impl FnOnce(&mut Config)) -> Client {
    let mut config = Config::kubeconfig(kubeconfig);
    (config.retry_ms, config.calls_per_s) = (1, 1_000);
    change(&mut config);
    Client::open("test", &config, Path::new(".")).unwrap()
}

pub fn workload(kind: &GroupKind, name: &str) -> Value {
    let labels = json!({ "app": name });
    let mut object = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "web", "image": "shop/web:1" }] },
            },
        },
    });
    if *kind != DAEMON_SET {
        object["spec"]["replicas"] = json!(2);
    }
    if *kind == STATEFUL_SET {
        object["spec"]["serviceName"] = json!(name);
    }
    object
}

pub fn cron_job(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "schedule": "0 3 1 1 *",
            "jobTemplate": { "spec": { "template": { "spec": {
                "restartPolicy": "Never", "containers": [{ "name": "web", "image": "shop/web:1" }],
            } } } },
        },
    })
}

/// The code of what must fail.
pub fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    result.unwrap_err().code
}

pub fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
