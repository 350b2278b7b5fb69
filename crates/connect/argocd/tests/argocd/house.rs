//! A shop in Argo CD: one chart, one Application, one client.

use std::path::Path;

use naru_argocd::application::{AppRef, Application, Info};
use naru_argocd::calls::apps::{Refresh, Sync};
use naru_argocd::client::Client;
use naru_argocd::config::Config;
use naru_argocd::judge::{Asked, Judged, judge};
use naru_argocd::resource::ResourceRef;
use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_testkit::argocd::{ArgoCd, TOKEN};
use serde_json::{Value, json};

pub const REPO: &str = "https://git.example.com/shop.git";

/// A chart with a Deployment, its HPA and a CronJob.
pub const CHART: &[(&str, Option<&str>)] = &[
    ("web/values.yaml", Some("image:\n  tag: one\nreplicas: 2\n")),
    (
        "web/templates/web.yaml",
        Some(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  replicas: {{ .Values.replicas }}\n  \
             template:\n    spec:\n      containers:\n      - name: web\n        image: \"shop/web:{{ .Values.image.tag }}\"\n---\n\
             apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: nightly\nspec:\n  schedule: \"0 3 * * *\"\n",
        ),
    ),
];

pub struct House {
    pub argocd: ArgoCd,
    pub client: Client,
    _folder: tempfile::TempDir,
}

/// The Application `web`, synced once.
pub fn house() -> House {
    let argocd = ArgoCd::start();
    argocd.world(|world| {
        world.repo(REPO).commit("main", "Kim <kim@example.com>", "the first", CHART);
        world.add_project("shop");
        world.add_app("web", spec(json!({})));
    });
    let house = House::on(argocd, TOKEN, |_| {});
    house.argocd.settle();
    house
}

pub fn spec(sync_policy: Value) -> Value {
    json!({
        "project": "shop", "destination": { "server": "https://kubernetes.default.svc", "namespace": "shop" },
        "source": { "repoURL": REPO, "path": "web", "targetRevision": "main" }, "syncPolicy": sync_policy,
    })
}

impl House {
    /// Another client of the same Argo CD.
    pub fn on(argocd: ArgoCd, token: &str, change: impl FnOnce(&mut Config)) -> House {
        let folder = naru_testkit::temp_dir();
        let client = client(&argocd.url(), token, folder.path(), change).unwrap();
        House { argocd, client, _folder: folder }
    }

    pub fn client(&self, token: &str) -> Client {
        client(&self.argocd.url(), token, self._folder.path(), |_| {}).unwrap()
    }

    pub async fn app(&self) -> Application {
        self.client.app(&web(), Refresh::No).await.unwrap()
    }

    pub fn now_ms(&self) -> i64 {
        self.argocd.world(|world| world.now_ms)
    }

    /// Syncs with a mark and looks until it is judged.
    pub async fn sync(&self, mark: &str) -> Judged {
        let mark = Info::new("naru", mark);
        let asked = Asked { at: self.now_ms(), mark: Some(mark.clone()), revisions: Vec::new() };
        self.client.sync(&web(), &Sync { infos: vec![mark], ..Sync::default() }).await.unwrap();
        loop {
            match judge(&self.app().await, &asked) {
                Judged::Running { .. } => self.argocd.tick(),
                judged => return judged,
            }
        }
    }
}

pub fn client(url: &str, token: &str, folder: &Path, change: impl FnOnce(&mut Config)) -> Result<Client, Failure> {
    std::fs::write(folder.join("token"), token).unwrap();
    let mut config = Config::new(url, SecretSource::File("token".into()));
    config.retry_ms = 1;
    change(&mut config);
    Client::open(&config, folder)
}

pub fn web() -> AppRef {
    AppRef::new("shop", "web")
}

pub fn deployment() -> ResourceRef {
    let own = str::to_owned;
    ResourceRef {
        group: own("apps"),
        version: own("v1"),
        kind: own("Deployment"),
        namespace: own("shop"),
        name: own("web"),
    }
}

/// The code of what must fail.
pub fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    result.unwrap_err().code
}
