//! A platform: an Argo CD with one app in two environments, the repository of its chart, and that of its code.

use naru_testkit::argocd::{ArgoCd, TOKEN};
use naru_testkit::origin::Origin;
use serde_json::json;

use crate::house::House;

pub struct Platform {
    pub argocd: ArgoCd,
    pub charts: Origin,
    pub code: Origin,
}

const TEMPLATE: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: \"shop/web:{{ .Values.image.tag }}\"
";

impl Platform {
    pub fn new() -> Platform {
        let (argocd, charts, code) = (ArgoCd::start(), Origin::new(), Origin::new());
        let files: [(&str, Option<&[u8]>); 2] = [
            ("web/values.yaml", Some(b"image: { tag: first }\n")),
            ("web/templates/deployment.yaml", Some(TEMPLATE.as_bytes())),
        ];
        charts.commit("main", &files, "Chart");
        argocd.world(|world| {
            world.reads_are_ticks = true;
            world.polls_git = false;
            world.use_git(&charts.url(), &charts.path());
            for env in ["staging", "production"] {
                let source = json!({ "repoURL": charts.url(), "path": "web", "targetRevision": "main" });
                let destination = json!({ "namespace": env, "server": "in-cluster" });
                let sync = json!({ "automated": {} });
                let spec = json!({
                    "project": "default", "source": source, "destination": destination, "syncPolicy": sync,
                });
                world.add_app(&format!("web-{env}"), spec);
            }
        });
        argocd.settle();
        Platform { argocd, charts, code }
    }

    /// Writes what a house needs to know of it, and answers its part of the configuration.
    pub fn configure(&self, house: &House) -> String {
        house.write("argocd", TOKEN);
        let place =
            |env: &str| format!("env.{env} = {{ application = 'web-{env}', project = 'default', branch = 'main' }}\n");
        let (staging, production) = (place("staging"), place("production"));
        let app = format!("[app.web]\nrepository = '{}'\nimage = 'shop/web'\n{staging}{production}", self.code.url());
        house.write("apps.toml", &app);
        format!(
            "[estate]\ncatalogue = 'apps.toml'\n[argocd]\nurl = '{}'\ntoken = {{ file = 'argocd' }}\n",
            self.argocd.url()
        )
    }

    /// The tag that the head of a branch has.
    pub fn tag(&self, branch: &str) -> String {
        format!("{branch}-{}", &self.code.head(branch).unwrap()[..8])
    }

    /// The image that the app runs by.
    pub fn image(&self, env: &str) -> String {
        self.argocd.world(|world| {
            let live = world.live(&format!("web-{env}"), "Deployment", "web").unwrap();
            live["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
        })
    }
}
