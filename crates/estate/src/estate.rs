//! The estate as rooms use it: the catalogue, and what stands outside, opened when it is first asked for.
//!
//! Building it reads no secret and asks nobody, so a naru without an Argo CD starts like any other and says what is missing
//! only to whoever wants to deploy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use naru_argocd::client::Client as Argocd;
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_git::gitlab::Gitlab;
use naru_git::name::{Branch, CommitId};
use naru_git::person::Person;
use naru_git::program::Program;
use naru_git::registry::Registry;
use naru_git::remote::{Access, Remote};
use naru_git::repository::{Mirrors, Repository, Resolved};
use naru_git::url::RemoteUrl;
use naru_k8s::client::Client as Cluster;

use crate::catalogue::{App, Catalogue, Place, Write};
use crate::config::{EstateConfig, Outside};
use crate::tag::{self, Built};

/// Names that an image of a commit is looked for by.
const NAMES_MAX: usize = 5;
/// Where programs are looked for.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The estate. Shared by all rooms.
pub struct Estate {
    config: EstateConfig,
    outside: Outside,
    /// What relative paths of the configuration count from.
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    mirrors: Mirrors,
    argocd: OnceLock<Argocd>,
    gitlab: OnceLock<Gitlab>,
    /// By the host that stands in images' names.
    registries: Mutex<HashMap<String, Arc<Registry>>>,
    /// By their names in the configuration.
    clusters: Mutex<HashMap<String, Cluster>>,
}

/// What an estate is built in.
pub struct Ground {
    /// What relative paths of the configuration count from.
    pub config_dir: PathBuf,
    /// Where mirrors of repositories are kept.
    pub data_dir: PathBuf,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Start and end of tasks.
    pub lifecycle: Lifecycle,
}

impl Estate {
    /// The estate of a configuration; nothing is read or asked yet.
    pub fn new(config: EstateConfig, outside: Outside, ground: Ground) -> Estate {
        let Ground { config_dir, data_dir, clock, lifecycle } = ground;
        let program = Program::new(&outside.git.program, SEARCH_PATH);
        let mirrors = Mirrors::new(data_dir.join("git"), program, lifecycle.clone());
        let (argocd, gitlab) = (OnceLock::new(), OnceLock::new());
        let (registries, clusters) = (Mutex::default(), Mutex::default());
        let folder = config_dir;
        Estate { config, outside, folder, clock, lifecycle, mirrors, argocd, gitlab, registries, clusters }
    }

    /// How it is configured.
    pub fn config(&self) -> &EstateConfig {
        &self.config
    }

    /// Where time comes from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The catalogue as its file is now.
    pub async fn catalogue(&self) -> Result<Catalogue, Failure> {
        let Some(path) = &self.config.catalogue else { return Err(Failure::refused("catalogue-none")) };
        let path = self.folder.join(path);
        let unreadable = |error: &std::io::Error| {
            let code = match error.kind() {
                std::io::ErrorKind::NotFound => "catalogue-absent",
                _ => "catalogue-unreadable",
            };
            Failure::refused(code).arg("path", path.display()).cause(error)
        };
        let mut catalogue =
            Catalogue::read(&tokio::fs::read_to_string(&path).await.map_err(|error| unreadable(&error))?)?;
        // Argo CD names its own namespace nowhere, neither in the file beside a chart nor in a line of policy.
        for place in catalogue.app.values_mut().flat_map(|app| app.env.values_mut()) {
            place.namespace.take_if(|namespace| *namespace == self.config.argocd_namespace);
        }
        Ok(catalogue)
    }

    /// The Argo CD.
    pub fn argocd(&self) -> Result<&Argocd, Failure> {
        let Some(config) = &self.outside.argocd else { return Err(Failure::refused("estate-no-argocd")) };
        opened(&self.argocd, || Argocd::open(config, &self.folder))
    }

    /// The GitLab, where there is one.
    pub fn gitlab(&self) -> Result<Option<&Gitlab>, Failure> {
        let Some(config) = &self.outside.gitlab else { return Ok(None) };
        let open = || Gitlab::new(config, &self.folder, self.clock.clone(), self.lifecycle.clone());
        opened(&self.gitlab, open).map(Some)
    }

    /// A project of that GitLab, by the address of its repository; none where it lives elsewhere.
    pub fn gitlab_project(&self, url: &str) -> Option<String> {
        let gitlab = host_of(&self.outside.gitlab.as_ref()?.url)?;
        let remote = RemoteUrl::new(url).ok()?;
        if remote.host() != gitlab {
            return None;
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?.1,
            None => url.split_once(':')?.1,
        };
        Some(path.trim_matches('/').trim_end_matches(".git").to_owned())
    }

    /// The registry of an image and the image's name there; none where no such registry is configured.
    pub fn registry(&self, image: &str) -> Result<Option<(Arc<Registry>, String)>, Failure> {
        let Some((host, name)) = image.split_once('/') else { return Ok(None) };
        let Some(config) = self.outside.registry.get(host) else { return Ok(None) };
        let mut open = self.registries.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(registry) = open.get(host) {
            return Ok(Some((registry.clone(), name.to_owned())));
        }
        let key = format!("registry.\"{host}\"");
        let registry = Registry::new(config, &self.folder, &key, self.clock.clone(), self.lifecycle.clone())?;
        let registry = open.entry(host.to_owned()).or_insert(Arc::new(registry));
        Ok(Some((registry.clone(), name.to_owned())))
    }

    /// The names of all clusters that are asked directly.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        self.outside.cluster.keys().map(String::as_str)
    }

    /// The cluster of a name.
    pub fn cluster(&self, name: &str) -> Result<Cluster, Failure> {
        let Some(config) = self.outside.cluster.get(name) else {
            let known: Vec<&str> = self.clusters().collect();
            return Err(Failure::not_found("cluster-unknown").arg("cluster", name).arg("known", known.join(", ")));
        };
        let mut open = self.clusters.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(cluster) = open.get(name) {
            return Ok(cluster.clone());
        }
        let cluster = Cluster::open(name, config, &self.folder)?;
        open.insert(name.to_owned(), cluster.clone());
        Ok(cluster)
    }

    /// The repository at an address.
    pub fn repository(&self, url: &str) -> Result<Arc<Repository>, Failure> {
        let url = RemoteUrl::new(url)?;
        let access = match self.outside.git.host.get(url.host()) {
            Some(host) => host.access(&self.folder, &format!("git.host.\"{}\"", url.host()))?,
            None => Access::default(),
        };
        Ok(self.mirrors.repository(&Remote::new(url, access)?))
    }

    /// The version of the program that works on repositories.
    pub async fn git_version(&self) -> Result<String, Failure> {
        self.mirrors.program_version().await
    }

    /// The commit that a ref of an app is now, and what an image that is built from it is called by.
    pub async fn resolve(&self, name: &str, app: &App, git_ref: &str) -> Result<Built, Failure> {
        let Some(url) = &app.repository else { return Err(Failure::refused("app-no-repository").arg("app", name)) };
        let found = self.repository(url)?.resolve(git_ref).await.map_err(|failure| failure.arg("app", name))?;
        let commit = found.commit().as_str().to_owned();
        Ok(match found {
            Resolved::Branch(named) => Built { commit, branch: Some(named.name), tag: None },
            Resolved::Tag(named) => Built { commit, branch: None, tag: Some(named.name) },
            Resolved::Commit(_) => Built { commit, branch: None, tag: None },
        })
    }

    /// The tag of the image that is built from a commit; none where a revision is deployed and nobody said which image.
    ///
    /// What was asked for by a commit or a Git tag was built for a branch all the same, where images are called by branches.
    pub async fn image_tag(&self, app: &App, place: &Place, built: &Built) -> Result<Option<String>, Failure> {
        if app.write == Some(Write::Revision) && app.image.is_none() {
            return Ok(None);
        }
        let nameless = match tag::of(&app.tag, built) {
            Err(failure) if failure.code == "tag-needs-branch" && built.branch.is_none() => failure,
            tag => return tag.map(Some),
        };
        let mut tags = Vec::new();
        for name in self.built_for(app, place, built).await?.into_iter().take(NAMES_MAX) {
            tags.push(tag::of(&app.tag, &Built { branch: Some(name), ..built.clone() })?);
        }
        if let Some((registry, name)) = app.image.as_deref().map(|image| self.registry(image)).transpose()?.flatten() {
            for tag in &tags {
                if registry.digest(&name, tag).await?.is_some() {
                    return Ok(Some(tag.clone()));
                }
            }
        }
        tags.into_iter().next().map(Some).ok_or(nameless)
    }

    /// The branches and tags that an image of a commit may have been built for: those of its pipelines, its own Git tag, and
    /// the branch that the app follows, where that has the commit.
    async fn built_for(&self, app: &App, place: &Place, built: &Built) -> Result<Vec<String>, Failure> {
        let (Some(url), commit) = (&app.repository, CommitId::new(&built.commit)?) else { return Ok(Vec::new()) };
        let mut names = match (self.gitlab()?, self.gitlab_project(url)) {
            (Some(gitlab), Some(project)) => gitlab.made_for(&project, &commit).await?,
            _ => Vec::new(),
        };
        names.extend(built.tag.clone().filter(|tag| !names.contains(tag)));
        if let Some(branch) = place.branch.clone().filter(|branch| !names.contains(branch)) {
            let repository = self.repository(url)?;
            let head = self.head(&repository, &Branch::new(&branch)?).await?;
            if repository.is_ancestor(&commit, &head).await? {
                names.push(branch);
            }
        }
        Ok(names)
    }

    /// The commit that a branch is at.
    pub async fn head(&self, repository: &Repository, branch: &Branch) -> Result<CommitId, Failure> {
        let name = format!("refs/heads/{}", branch.as_str());
        Ok(repository.resolve(&name).await?.commit().clone())
    }

    /// Who makes naru's commits.
    pub fn committer(&self) -> Result<Person, Failure> {
        Person::new(&self.config.committer_name, &self.config.committer_email)
    }

    /// Whoever asked, as a commit names them.
    pub fn author(&self, name: &str) -> Result<Person, Failure> {
        // A name that is an address is one; any other has none that naru knows of.
        let email = if name.contains('@') { name } else { self.config.committer_email.as_str() };
        Person::new(name, email).or_else(|_| self.committer())
    }
}

/// What was opened before, else what opens now; a failure is tried again the next time.
fn opened<T>(place: &OnceLock<T>, open: impl FnOnce() -> Result<T, Failure>) -> Result<&T, Failure> {
    if place.get().is_none() {
        // Of two that open at once the first one stays.
        let _ = place.set(open()?);
    }
    place.get().ok_or_else(|| Failure::bug("what was opened is not there"))
}

/// The host of an address.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?;
    Some(host.rsplit_once('@').map_or(host, |(_, host)| host).split(':').next().unwrap_or(host))
}

/// The folder that a path is in, as a prefix of what stands beside it.
pub(crate) fn beside(path: &str, file: &str) -> String {
    match path.trim_matches('/') {
        "" | "." => file.to_owned(),
        folder => format!("{}/{file}", Path::new(folder).display()),
    }
}
