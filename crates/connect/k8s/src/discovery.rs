//! Which version of a kind a server serves, under which name, and what can be done with it.
//!
//! Asked once a kind and remembered; asked again when the server says that it no longer serves it, as after an upgrade
//! of the cluster. The documents are the ones that every server has had: the newer, gathered one begins with 1.26.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use naru_core::failure::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::{Call, Refused};
use crate::client::Client;
use crate::object::{GroupKind, ObjectRef};
use crate::refusal::About;
use crate::version::priority;

/// A kind as a server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// `apps`; empty for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// `Deployment`.
    pub kind: String,
    /// As paths and RBAC name it: `deployments`.
    pub plural: String,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
    /// `scale`, `status`.
    pub subresources: Vec<String>,
}

/// What has been asked so far.
#[derive(Default)]
pub(crate) struct Catalogue {
    served: Mutex<BTreeMap<GroupKind, Arc<Served>>>,
}

/// Of kinds that are asked for by name; whoever names more than these asks anew.
const KINDS_MAX: usize = 512;
/// No group has so many.
const VERSIONS_MAX: usize = 16;

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
}

impl Served {
    /// `apps/v1`, as `apiVersion` has it.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether it can be scaled.
    pub fn has_scale(&self) -> bool {
        self.subresources.iter().any(|it| it == "scale")
    }

    /// The path of a list, in one namespace or (empty) in all.
    pub(crate) fn list_path(&self, namespace: &str) -> String {
        let base = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            "" => format!("{base}/{}", self.plural),
            namespace => format!("{base}/namespaces/{namespace}/{}", self.plural),
        }
    }

    /// The path of an object, which must have a namespace if its kind has one.
    pub(crate) fn path(&self, object: &ObjectRef) -> Result<String, Failure> {
        object.check()?;
        self.stands(&object.kind, &object.namespace, &object.name)?;
        Ok(format!("{}/{}", self.list_path(&object.namespace), object.name))
    }

    pub(crate) fn stands(&self, kind: &GroupKind, namespace: &str, name: &str) -> Result<(), Failure> {
        if self.namespaced == namespace.is_empty() {
            let failure = Failure::usage("k8s-name-wrong").arg("kind", kind);
            return Err(failure.arg("name", format!("{namespace}/{name}")));
        }
        Ok(())
    }

    pub(crate) fn about(&self, verb: &'static str, object: &ObjectRef, subresource: &str) -> About {
        let resource = match subresource {
            "" => self.plural.clone(),
            subresource => format!("{}/{subresource}", self.plural),
        };
        let ObjectRef { kind, namespace, name } = object;
        let (namespace, name) = (namespace.clone(), name.clone());
        let (group, kind) = (self.group.clone(), kind.to_string());
        About { verb, group, resource, kind, namespace, name, by_steps: false }
    }
}

impl Catalogue {
    fn served(&self) -> MutexGuard<'_, BTreeMap<GroupKind, Arc<Served>>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, kind: &GroupKind, served: &Arc<Served>) {
        let mut all = self.served();
        if all.len() >= KINDS_MAX {
            all.clear();
        }
        all.insert(kind.clone(), served.clone());
    }
}

impl Client {
    /// How the server serves `kind`: in the version that it names, else in the newest that there is.
    pub async fn served(&self, kind: &GroupKind) -> Result<Arc<Served>, Failure> {
        let known = self.catalogue().served().get(kind).cloned();
        match known {
            Some(served) => Ok(served),
            None => self.discover(kind).await,
        }
    }

    /// Whether the server serves `kind` at all: KEDA's and Argo's are not everywhere.
    pub async fn serves(&self, kind: &GroupKind) -> Result<bool, Failure> {
        match self.served(kind).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.code == "k8s-kind-unknown" => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a call on `kind`; where the server does not know the resource any more it is looked for once again, since
    /// then nothing was done.
    pub(crate) async fn on<T: DeserializeOwned>(
        &self,
        kind: &GroupKind,
        make: impl Fn(&Served) -> Result<Call, Failure>,
    ) -> Result<T, Failure> {
        let served = self.served(kind).await?;
        let refused: Refused = match self.ask(make(&served)?).await {
            Err(refused) if refused.resource_gone => refused,
            answer => return answer.map_err(Failure::from),
        };
        let now = self.discover(kind).await?;
        if now == served {
            return Err(refused.failure);
        }
        Ok(self.ask(make(&now)?).await?)
    }

    /// As [`Client::served`], but asks.
    pub(crate) async fn discover(&self, kind: &GroupKind) -> Result<Arc<Served>, Failure> {
        self.catalogue().served().remove(kind);
        for version in self.versions(kind).await? {
            if let Some(served) = self.served_at(kind, &version).await? {
                let served = Arc::new(served);
                self.catalogue().keep(kind, &served);
                return Ok(served);
            }
        }
        Err(self.unknown(kind))
    }

    /// Best first.
    async fn versions(&self, kind: &GroupKind) -> Result<Vec<String>, Failure> {
        let mut versions = match (&kind.version, kind.group.as_ref()) {
            (Some(version), _) => vec![version.to_string()],
            (None, "") => vec!["v1".to_owned()],
            (None, group) => {
                let group: Option<Group> = self.document(kind, format!("/apis/{group}")).await?;
                group.into_iter().flat_map(|group| group.versions).map(|it| it.version).collect()
            }
        };
        versions.sort_by_key(|version| priority(version));
        versions.truncate(VERSIONS_MAX);
        Ok(versions)
    }

    async fn served_at(&self, kind: &GroupKind, version: &str) -> Result<Option<Served>, Failure> {
        let path = match kind.group.as_ref() {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let Some(Resources { resources }) = self.document(kind, path).await? else { return Ok(None) };
        let found = resources.iter().find(|it| it.kind == kind.kind && !it.name.contains('/'));
        let Some(found) = found else { return Ok(None) };
        let below = format!("{}/", found.name);
        Ok(Some(Served {
            group: kind.group.to_string(),
            version: version.to_owned(),
            kind: kind.kind.to_string(),
            plural: found.name.clone(),
            namespaced: found.namespaced,
            subresources: resources.iter().filter_map(|it| it.name.strip_prefix(&below)).map(str::to_owned).collect(),
        }))
    }

    /// Nothing where there is none.
    async fn document<T: DeserializeOwned>(&self, kind: &GroupKind, path: String) -> Result<Option<T>, Failure> {
        if kind.group.contains(['/', '?', '#', '%', ' ']) || path.contains(['?', '#', '%', ' ']) {
            return Err(self.unknown(kind));
        }
        let about = About { verb: "get", resource: path.clone(), kind: kind.to_string(), ..About::default() };
        match self.ask(Call::get(path, about)).await {
            Ok(document) => Ok(Some(document)),
            Err(refused) if refused.resource_gone => Ok(None),
            Err(refused) => Err(refused.failure),
        }
    }

    fn unknown(&self, kind: &GroupKind) -> Failure {
        Failure::refused("k8s-kind-unknown").arg("kind", kind).arg("cluster", self.cluster())
    }
}
