//! A shop with two apps, where `web` needs `api`: their code, their images, their charts, their Applications.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use naru_component::Component;
use naru_component::answer::Answer;
use naru_component::ctx::{Ctx, Parts};
use naru_component::word::{Call, Progress};
use naru_core::clock::SystemClock;
use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Metrics;
use naru_core::text::Lang;
use naru_estate::config::{ArgocdConfig, EstateConfig, GitConfig, GitlabConfig, Outside, RegistryConfig};
use naru_git::remote::HostConfig;
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_operation::config::OperationConfig;
use naru_operation::engine::Operations;
use naru_operation::grant::Grant;
use naru_operation::operation::{self, Operation, State};
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::argocd::ArgoCd;
use naru_testkit::database::{Database, Engine, database};
use naru_testkit::gitlab::Gitlab;
use naru_testkit::origin::Origin;
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::role::{Actor, Role};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub const APPS: [&str; 2] = ["web", "api"];

/// All that stands outside, and naru while it lives.
pub struct Shop {
    pub argocd: ArgoCd,
    pub gitlab: Gitlab,
    pub charts: Arc<Origin>,
    /// Where Argo CD and naru find it.
    pub charts_url: String,
    pub code: Arc<Origin>,
    pub pin_days: u32,
    pub grants: Vec<Grant>,
    folder: tempfile::TempDir,
    database: Database,
    life: Option<Life>,
}

/// A naru that runs.
pub struct Life {
    ctx: Ctx,
    components: Vec<Component>,
    runtime: Runtime,
}

/// Whoever deploys.
pub fn developer() -> Actor {
    Actor::new("developer@shop.example", Role::Operate)
}

impl Shop {
    /// With its charts in a repository of any forge.
    pub fn new() -> Shop {
        let charts = Arc::new(Origin::new());
        let url = charts.url();
        Shop::with(Gitlab::start(), charts, url)
    }

    /// With its charts at GitLab, as `shop/charts`.
    pub fn on_gitlab() -> Shop {
        let gitlab = Gitlab::start();
        let charts = gitlab.project("shop/charts");
        let url = gitlab.git_url("shop/charts");
        Shop::with(gitlab, charts, url)
    }

    fn with(gitlab: Gitlab, charts: Arc<Origin>, charts_url: String) -> Shop {
        // One TLS backend for everything; an error says that it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let argocd = ArgoCd::start();
        let code = gitlab.project("shop/code");
        let folder = naru_testkit::temp_dir();
        let database = runtime().block_on(database(Engine::Sqlite));
        let mut shop = Shop {
            argocd,
            gitlab,
            charts,
            charts_url,
            code,
            pin_days: 7,
            grants: Vec::new(),
            folder,
            database,
            life: None,
        };
        shop.build();
        shop.start();
        shop
    }

    fn build(&self) {
        let template = |app: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: {app} }}\nspec:\n  replicas: 2\n  template:\n    \
                 spec:\n      containers:\n      - name: {app}\n        image: \
                 \"registry.test/shop/{app}:{{{{ .Values.image.tag }}}}\"\n"
            )
        };
        for app in APPS {
            let files = [
                (format!("{app}/values.yaml"), "image:\n  tag: main-first # until somebody deploys\n".to_owned()),
                (format!("{app}/templates/deployment.yaml"), template(app)),
            ];
            let files: Vec<(&str, Option<&[u8]>)> =
                files.iter().map(|(path, text)| (path.as_str(), Some(text.as_bytes()))).collect();
            self.charts.commit("main", &files, &format!("Chart of {app}"));
        }
        let (url, path) = (self.charts_url.clone(), self.charts.path());
        self.argocd.world(|world| {
            world.reads_are_ticks = true;
            world.polls_git = false;
            world.add_project("shop");
            world.use_git(&url, &path);
            for app in APPS {
                world.add_app(
                    &format!("{app}-staging"),
                    json!({
                        "project": "shop", "destination": { "namespace": "shop", "server": "in-cluster" },
                        "source": { "repoURL": url, "path": app, "targetRevision": "main", "helm": {} },
                        "syncPolicy": { "automated": { "selfHeal": true } },
                    }),
                );
            }
        });
        self.argocd.settle();
        std::fs::write(self.folder.path().join("apps.toml"), self.catalogue()).unwrap();
    }

    fn catalogue(&self) -> String {
        let app = |name: &str, needs: &str| {
            format!(
                "[app.{name}]\nrepository = '{}'\nimage = 'registry.test/shop/{name}'\ndeadline_s = 60\nneeds = [{needs}]\n\
                 env.staging = {{ application = '{name}-staging', project = 'shop', branch = 'main' }}\n",
                self.gitlab.git_url("shop/code")
            )
        };
        app("web", "'api'") + &app("api", "")
    }

    /// Changes the catalogue that there is.
    pub fn change_catalogue(&self, change: impl Fn(String) -> String) {
        self.rewrite_catalogue(&change(self.catalogue()));
    }

    /// Puts another catalogue in the place of the one there is.
    pub fn rewrite_catalogue(&self, text: &str) {
        std::fs::write(self.folder.path().join("apps.toml"), text).unwrap();
    }

    /// `api` alone is in the catalogue, with more keys of its own and of its place.
    pub fn only_api(&self, keys: &str, place: &str) {
        let place = if place.is_empty() { String::new() } else { format!(", {place}") };
        self.rewrite_catalogue(&format!(
            "[app.api]\nrepository = '{}'\nimage = 'registry.test/shop/api'\ndeadline_s = 60\n{keys}\n\
             env.staging = {{ application = 'api-staging', project = 'shop', branch = 'main'{place} }}\n",
            self.gitlab.git_url("shop/code")
        ));
    }

    /// Makes the Application of `api` anew in a namespace, its spec changed by a merge patch, with nothing of it in the
    /// cluster.
    pub fn remake_api(&self, namespace: &str, spec: &Value) {
        self.argocd.world(|world| {
            let before = world.app("api-staging")["spec"].clone();
            world.remove_app("api-staging");
            world.add(json!({ "metadata": { "name": "api-staging", "namespace": namespace }, "spec": before }));
            world.change_app("api-staging", &json!({ "spec": spec }));
        });
        self.argocd.settle();
    }

    /// A commit on a branch of the code, whose images are there; answers their tag.
    pub fn push(&self, branch: &str) -> String {
        let (commit, tag) = self.push_unbuilt(branch);
        self.gitlab.pipeline("shop/code", &commit, branch, "success");
        self.build_images(&tag);
        tag
    }

    /// A commit whose images are not there.
    pub fn push_unbuilt(&self, branch: &str) -> (String, String) {
        if self.code.head(branch).is_none() {
            self.code.branch(branch, "main");
        }
        let text = format!("{}\n", self.code.log(branch).len());
        let commit = self.code.commit(branch, &[("src", Some(text.as_bytes()))], "Change");
        let tag = format!("{}-{}", branch.replace('/', "-"), &commit[..8]);
        (commit, tag)
    }

    pub fn build_images(&self, tag: &str) {
        for app in APPS {
            self.gitlab.push_image(&format!("shop/{app}"), tag);
        }
    }

    pub fn start(&mut self) {
        self.life = Some(self.begin());
        let life = self.life.as_ref().unwrap();
        let _inside = life.runtime.enter();
        life.ctx.need::<Operations>().unwrap().run();
    }

    pub fn kill(&mut self) {
        self.life.take().unwrap().runtime.shutdown_timeout(Duration::from_secs(5));
    }

    pub fn restart(&mut self) {
        self.kill();
        self.start();
    }

    fn begin(&self) -> Life {
        let runtime = runtime();
        let (ctx, components) = runtime.block_on(async {
            let lifecycle = Lifecycle::default();
            let config = StoreConfig { url: self.database.url().to_owned(), ..StoreConfig::default() };
            let store = Store::open(&config, self.folder.path(), Access::Write, &lifecycle).await.unwrap();
            let ctx = Ctx::new(Parts {
                store,
                clock: SystemClock::shared(),
                lifecycle,
                metrics: Metrics::default(),
                instance: Instance::named("first"),
                gate: Gate::default(),
                data_dir: self.folder.path().to_owned(),
                config_dir: self.folder.path().to_owned(),
            });
            let operation = OperationConfig { grant: self.grants.clone(), ..OperationConfig::default() };
            let deploy = naru_deploy::Config { pin_days: self.pin_days, ..naru_deploy::Config::default() };
            let components = vec![
                naru_deploy::component(deploy, &ctx),
                naru_operation::component::component(operation, &ctx),
                naru_estate::component::component(self.estate(), self.outside(), &ctx),
            ];
            let mut schemas = vec![(naru_job::schema::NAME, naru_job::schema::SCHEMA)];
            schemas.extend(components.iter().map(|component| (component.name, component.schema)));
            ctx.store().migrate(&schemas, ctx.clock().now_ms()).await.unwrap();
            (ctx, components)
        });
        Life { ctx, components, runtime }
    }

    fn estate(&self) -> EstateConfig {
        EstateConfig { catalogue: Some("apps.toml".into()), ..EstateConfig::default() }
    }

    fn outside(&self) -> Outside {
        let secret = |name: &str, text: &str| {
            std::fs::write(self.folder.path().join(name), text).unwrap();
            SecretSource::File(Path::new(name).to_owned())
        };
        let gitlab = || secret("gitlab", naru_testkit::gitlab::TOKEN);
        let mut git = GitConfig::default();
        git.host.insert("127.0.0.1".to_owned(), HostConfig { token: Some(gitlab()), ..HostConfig::default() });
        let url = &self.gitlab.url;

        let (token, password) = (json!({ "file": "gitlab" }), json!({ "file": "gitlab" }));
        let registry = json!({ "url": url, "user": "naru", "password": password });
        let registry: RegistryConfig = serde_json::from_value(registry).unwrap();
        let of_gitlab: GitlabConfig = serde_json::from_value(json!({ "url": url, "token": token })).unwrap();
        Outside {
            argocd: Some(ArgocdConfig::new(self.argocd.url(), secret("argocd", naru_testkit::argocd::TOKEN))),
            git,
            gitlab: Some(of_gitlab),
            registry: [("registry.test".to_owned(), registry)].into(),
            ..Outside::default()
        }
    }

    /// The file of overrides of an app, as Git has it.
    pub fn overlay(&self, app: &str) -> String {
        self.file(&format!("{app}/.argocd-source-{app}-staging.yaml"))
    }

    /// A file of the charts, as Git has it; empty where there is none.
    pub fn file(&self, path: &str) -> String {
        self.charts.file("main", path).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default()
    }

    /// The image that an app runs by.
    pub fn image(&self, app: &str) -> String {
        self.images(&format!("{app}-staging"), "Deployment", app)[0].clone()
    }

    /// The images that an object runs by.
    pub fn images(&self, application: &str, kind: &str, name: &str) -> Vec<String> {
        self.argocd.world(|world| {
            let live = world.live(application, kind, name).unwrap();
            let containers = live["spec"]["template"]["spec"]["containers"].as_array().unwrap();
            containers.iter().map(|container| container["image"].as_str().unwrap().to_owned()).collect()
        })
    }

    /// Commits to the charts that naru made.
    pub fn commits(&self) -> Vec<naru_testkit::origin::Written> {
        self.charts.log("main").into_iter().filter(|it| it.message.contains("Naru-Operation: ")).collect()
    }

    /// What must hold at the end of any test: no commit twice, and each sync of naru's for a step of its own.
    fn judge(&self) {
        let trailer = |message: &str| {
            message.lines().find_map(|line| line.strip_prefix("Naru-Operation: ")).map(str::to_owned).unwrap()
        };
        let mut marks: Vec<String> = self.commits().iter().map(|it| trailer(&it.message)).collect();
        let all = marks.len();
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), all, "a step was committed twice");
    }
}

impl Life {
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn store(&self) -> &Store {
        self.ctx.store()
    }

    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// Says a word.
    pub fn say(&self, path: &str, args: Value) -> Result<Answer, Failure> {
        self.say_as(&developer(), path, args)
    }

    pub fn say_as(&self, actor: &Actor, path: &str, args: Value) -> Result<Answer, Failure> {
        let word = self.components.iter().flat_map(|component| &component.words).find(|word| word.path == path);
        let (actor, progress) = (actor.clone(), Progress::default());
        let call = Call { actor, lang: Lang::En, args, upload: None, progress, key: None };
        self.wait(word.unwrap().say(self.ctx.clone(), call))
    }

    /// Runs the job that asks owners of pins.
    pub fn ask_owners(&self) {
        let jobs = self.components.iter().flat_map(|component| &component.jobs);
        jobs.filter(|job| job.name == "deploy pins").for_each(|job| self.wait((job.run)()).unwrap());
    }

    /// Reminders that nobody has told yet; they are taken by this.
    pub fn reminders(&self) -> Vec<(Id, naru_operation::reminder::Reminder)> {
        self.wait(naru_operation::reminder::take(self.ctx.store(), self.ctx.clock().now_ms())).unwrap()
    }

    /// What a terminal shows of a word's answer.
    pub fn said(&self, path: &str, args: Value) -> String {
        format!("{:?}", self.say(path, args).unwrap().view)
    }

    /// `naru deploy …`; answers the operation's id.
    pub fn deploy(&self, words: &str) -> Result<Id, Failure> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let answer = self.say("deploy", json!({ "words": words }))?;
        Ok(answer.data["operation"]["id"].as_str().unwrap().parse().unwrap())
    }

    /// Says a word that asks for an operation; answers its id.
    pub fn ask(&self, path: &str, args: Value) -> Id {
        self.say(path, args).unwrap().data["operation"]["id"].as_str().unwrap().parse().unwrap()
    }

    /// Deploys, and sees it through.
    pub fn deployed(&self, words: &str) -> Operation {
        self.until(self.deploy(words).unwrap(), State::Done)
    }

    /// Takes an operation back, and sees it through.
    pub fn undone(&self, id: Id) -> Operation {
        self.until(self.ask("op undo", json!({ "operation": id })), State::Done)
    }

    pub fn until(&self, id: Id, state: State) -> Operation {
        let what = format!("{id} to be {}", state.name());
        self.wait(eventually(&what, PATIENCE, async || {
            let (operation, steps) = operation::show(self.ctx.store(), id).await.unwrap().unwrap();
            let found = operation.brief.state;
            assert!(!found.is_over() || found == state, "it is {found:?}: {:#?} {steps:#?}", operation.brief);
            (found == state).then_some(operation)
        }))
    }

    /// Waits until a step waits for something, and answers for what.
    pub fn until_waiting(&self, id: Id, code: &str) {
        self.wait(eventually(&format!("{id} to wait for {code}"), PATIENCE, async || {
            let (operation, steps) = operation::show(self.ctx.store(), id).await.unwrap().unwrap();
            assert!(!operation.brief.state.is_over(), "{:#?}", operation.brief);
            steps.iter().any(|step| step.why.as_ref().is_some_and(|why| why.code == code)).then_some(())
        }));
    }
}

impl Deref for Shop {
    type Target = Life;

    fn deref(&self) -> &Life {
        self.life.as_ref().expect("naru runs")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if self.life.is_some() {
            self.kill();
        }
        if !std::thread::panicking() {
            self.judge();
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
