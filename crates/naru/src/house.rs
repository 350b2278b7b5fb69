//! The house: every component with the store below it, opened to own the data or to look at it beside its owner.
//!
//! It is built twice. First on paper, over an empty database that nobody can write, to learn words, tables and
//! sentences: help and parsing need no configuration. Then on the real store. So building a component does no work:
//! what it does begins in its words, routes and jobs.

use std::fs::DirBuilder;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::{Ctx, Parts};
use naru_component::word::Word;
use naru_component::{Check, Component};
use naru_core::clock::SystemClock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Metrics;
use naru_core::text::Texts;
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_job::{Job, Place};
use naru_store::Store;
use naru_store::error::StoreError;
use naru_store::lock::DataLock;
use naru_store::migrate::Schema;
use naru_store::open::{Access, StoreConfig};

use crate::components::{self, Config};
use crate::config::{self, Loaded};
use crate::engines;

/// What all components say of themselves, without a store or a configuration of their own.
pub struct Catalogue {
    /// Every word, in the order of components.
    pub words: Vec<Word>,
    /// Every component's tables.
    pub schemas: Vec<Schema>,
    /// Every sentence.
    pub texts: Arc<Texts>,
}

impl Catalogue {
    /// Asks every component.
    pub async fn read() -> Result<Catalogue, Failure> {
        let (_, components) = on_paper(Config::default(), Path::new(".")).await?;
        let mut catalogs = vec![
            naru_core::TEXTS,
            naru_store::TEXTS,
            naru_web::TEXTS,
            naru_sandbox::TEXTS,
            naru_argocd::TEXTS,
            naru_git::TEXTS,
            naru_k8s::TEXTS,
            naru_slack::TEXTS,
            naru_wire::TEXTS,
        ];
        catalogs.extend(components.iter().map(|component| component.texts));
        Ok(Catalogue {
            words: components.iter().flat_map(|component| component.words.clone()).collect(),
            schemas: KERNEL.into_iter().chain(components.iter().map(|it| (it.name, it.schema))).collect(),
            texts: Arc::new(Texts::new(&catalogs).map_err(Failure::bug)?),
        })
    }
}

/// Tables that belong to no component: people, sessions and tokens; leases and instances.
const KERNEL: [Schema; 2] =
    [(naru_web::schema::NAME, naru_web::schema::SCHEMA), (naru_job::schema::NAME, naru_job::schema::SCHEMA)];

/// Builds every component of `config` without opening its store.
pub async fn on_paper(config: Config, folder: &Path) -> Result<(Ctx, Vec<Component>), Failure> {
    // SQLite reads the null device as an empty database. Whoever builds a component on it can read and store nothing.
    let empty = StoreConfig { url: "sqlite:/dev/null".to_owned(), ..StoreConfig::default() };
    let lifecycle = Lifecycle::default();
    let store = Store::open(&empty, folder, Access::Read, &lifecycle).await?;
    let ctx = context(store, lifecycle, Instance::named("none"), folder, folder);
    let components = components::build(config, &ctx);
    Ok((ctx, components))
}

/// Everything of one process that works on the data.
pub struct House {
    /// What components share.
    pub ctx: Ctx,
    /// The components; their checks stand in [`Checks`].
    pub components: Vec<Component>,
    /// Every sentence.
    pub texts: Arc<Texts>,
    // Last, so that the data is let go after all else.
    _lock: Option<DataLock>,
}

/// What `doctor` looks at: offered to its word.
pub struct Checks(pub Vec<Check>);

/// What runs once across instances: offered to the words about jobs.
pub struct Schedule(pub Vec<Job>);

/// Where this naru is reached by a browser of the same machine: offered to words that hand out links.
pub struct Address(pub String);

/// The configuration as it was read, with every default and without secrets: offered to its page.
pub struct Effective(pub String);

/// How long work that has begun may take to end when a verb that ran in this process is done.
const CLOSE_MAX: Duration = Duration::from_secs(30);

impl House {
    /// Opens the data as its one owner and brings its tables up to date.
    pub async fn own(loaded: &Loaded, catalogue: &Catalogue) -> Result<House, Failure> {
        make_private(&loaded.data_dir)?;
        let lock = DataLock::take(&loaded.data_dir)?;
        let lifecycle = Lifecycle::default();
        let store = Store::open(&loaded.config.store, &loaded.data_dir, Access::Write, &lifecycle).await?;
        store.migrate(&catalogue.schemas, SystemClock::shared().now_ms()).await?;
        let own = Instance::of(&loaded.data_dir, SystemClock::shared().now_ms());
        let instance =
            own.map_err(|source| StoreError::Folder { path: loaded.data_dir.clone(), source: Arc::new(source) })?;
        let house = House::build(loaded, catalogue, store, lifecycle, instance, Some(lock));
        engines::prepare(&house.ctx).await?;
        Ok(house)
    }

    /// Opens the data for reading, beside whoever owns it; where nothing was ever stored it is made first.
    pub async fn visit(loaded: &Loaded, catalogue: &Catalogue) -> Result<House, Failure> {
        if loaded.config.store.file(&loaded.data_dir).is_some_and(|file| !file.exists()) {
            House::own(loaded, catalogue).await?.close().await;
        }
        let lifecycle = Lifecycle::default();
        let store = Store::open(&loaded.config.store, &loaded.data_dir, Access::Read, &lifecycle).await?;
        let house = House::build(loaded, catalogue, store, lifecycle, Instance::named("none"), None);
        engines::prepare_reading(&house.ctx).await?;
        Ok(house)
    }

    fn build(
        loaded: &Loaded,
        catalogue: &Catalogue,
        store: Store,
        lifecycle: Lifecycle,
        instance: Instance,
        lock: Option<DataLock>,
    ) -> House {
        let ctx = context(store, lifecycle, instance, &loaded.data_dir, &loaded.folder);
        let mut components = components::build(loaded.config.clone(), &ctx);
        let checks = components.iter_mut().flat_map(|component| component.checks.drain(..)).collect();
        ctx.offer(Arc::new(Checks(checks)));
        let once = components.iter().flat_map(|component| &component.jobs);
        ctx.offer(Arc::new(Schedule(once.filter(|job| job.place != Place::Everywhere).cloned().collect())));
        ctx.offer(Arc::new(Address(url(loaded.config.web.listen))));
        ctx.offer(Arc::new(Effective(config::show(&loaded.config).unwrap_or_default())));
        ctx.set_texts(catalogue.texts.clone());
        House { ctx, components, texts: catalogue.texts.clone(), _lock: lock }
    }

    /// Every word, in the order of components.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.components.iter().flat_map(|component| &component.words)
    }

    /// Lets work that has begun end, then closes the database and lets the data go.
    pub async fn close(self) {
        self.ctx.lifecycle().stop();
        self.ctx.lifecycle().drained(CLOSE_MAX).await;
        self.ctx.store().close().await;
    }
}

/// The URL of an address; one that listens everywhere is reached here too.
pub fn url(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{listen}")
}

fn context(store: Store, lifecycle: Lifecycle, instance: Instance, data_dir: &Path, config_dir: &Path) -> Ctx {
    Ctx::new(Parts {
        store,
        clock: SystemClock::shared(),
        lifecycle,
        metrics: Metrics::default(),
        instance,
        gate: Gate::default(),
        data_dir: data_dir.to_owned(),
        config_dir: config_dir.to_owned(),
    })
}

/// Makes the folder of the data, which holds everybody's phone number, for its owner alone.
fn make_private(folder: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| StoreError::Folder { path: PathBuf::from(folder), source: Arc::new(source) }.into())
}

#[cfg(test)]
mod tests {
    use naru_core::text::Lang;

    use super::*;

    /// The names behind `before` in the product code of every crate, with the file that has them.
    fn names(before: &str) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let is = |name: &str| path.file_name().is_some_and(|own| own == name);
                if path.is_dir() {
                    folders.extend((!is("tests") && !is("examples") && !is("testkit")).then_some(path));
                } else if path.extension().is_some_and(|extension| extension == "rs") && !is("tests.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let product = text.split("#[cfg(test)]").next().unwrap();
                    let behind = product.split(before).skip(1);
                    let name = behind.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
                    found.extend(name.map(|name| (name.to_owned(), path.clone())));
                }
            }
        }
        found
    }

    #[tokio::test]
    async fn the_readmes_call_states_as_the_terminal_does() {
        let texts = Catalogue::read().await.unwrap().texts;
        let readmes = [include_str!("../../../README.md"), include_str!("../../../README.ko.md")];
        for (lang, readme) in Lang::ALL.into_iter().zip(readmes) {
            let words = naru_dispatch::component::STATES_SHOWN
                .map(|state| texts.say(lang, &format!("state-{}", state.name()), &[]));
            let (last, others) = words.split_last().unwrap();
            let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
            let behind = readme.split(&others.join(", ")).nth(1).unwrap_or_else(|| panic!("{others:?} in {lang}"));
            assert!(
                behind.trim_start_matches([',', ' ']).trim_start_matches("or ").starts_with(last),
                "{last}: {behind}"
            );
        }
    }

    #[tokio::test]
    async fn every_code_has_a_sentence_and_a_hint_in_both_languages() {
        let texts = Catalogue::read().await.unwrap().texts;
        let kinds = ["Usage", "Refused", "NotFound", "Conflict", "Unauthorized", "Forbidden", "TooLarge", "TooMany"];
        let kinds = kinds
            .into_iter()
            .chain(["WrongType", "Full", "Unavailable", "Bug"])
            .map(|kind| format!("Failure::new(Kind::{kind},"));
        let short =
            ["usage", "refused", "not_found", "conflict", "unavailable"].map(|kind| format!("Failure::{kind}("));
        let codes: Vec<_> = kinds.chain(short).flat_map(|before| names(&before)).collect();
        assert!(codes.len() > 100, "{} codes were found", codes.len());
        let missing: Vec<String> = Lang::ALL
            .iter()
            .flat_map(|lang| codes.iter().map(move |(code, path)| (lang, code, path)))
            .filter(|(lang, code, _)| {
                let has = |key: &str| texts.find(**lang, key, std::iter::empty()).is_some();
                !has(code) || !has(&format!("{code}.hint"))
            })
            .map(|(lang, code, path)| format!("{code} ({lang}) of {}", path.display()))
            .collect();
        assert!(missing.is_empty(), "without a sentence or a hint:\n{}", missing.join("\n"));
    }
}
