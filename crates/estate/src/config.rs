//! `[estate]`, and the sections of what it speaks to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use naru_git::program::ProgramConfig;
use naru_git::remote::HostConfig;
use serde::{Deserialize, Serialize};

/// `[argocd]`.
pub type ArgocdConfig = naru_argocd::config::Config;
/// `[gitlab]`.
pub type GitlabConfig = naru_git::gitlab::GitlabConfig;
/// A cluster of `[cluster]`.
pub type ClusterConfig = naru_k8s::config::Config;
/// A registry of `[registry]`.
pub type RegistryConfig = naru_git::registry::RegistryConfig;

/// Where the catalogue is, and how Applications are told apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstateConfig {
    /// The file of the catalogue, relative to the folder of the configuration. None: naru knows no apps.
    pub catalogue: Option<PathBuf>,
    /// The namespace that Argo CD itself lives in.
    pub argocd_namespace: String,
    /// The label by which Argo CD tracks what an Application manages, where it is told to by label.
    pub tracking_label: String,
    /// The label whose value is the app's name, for `naru app import`; where an Application has none its name is taken apart.
    pub app_label: String,
    /// How an Application is called where no label says it: `{app}-{env}`.
    pub application_name: String,
    /// Who makes naru's commits: a name and an address.
    pub committer_name: String,
    /// The committer's address; whoever asked is the author.
    pub committer_email: String,
}

impl Default for EstateConfig {
    fn default() -> EstateConfig {
        EstateConfig {
            catalogue: None,
            argocd_namespace: "argocd".to_owned(),
            tracking_label: naru_argocd::owner::INSTANCE_LABEL.to_owned(),
            app_label: "app.kubernetes.io/part-of".to_owned(),
            application_name: "{app}-{env}".to_owned(),
            committer_name: "naru".to_owned(),
            committer_email: "naru@localhost".to_owned(),
        }
    }
}

/// `[git]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GitConfig {
    /// The program.
    #[serde(flatten)]
    pub program: ProgramConfig,
    /// What opens the repositories of a host, by the host.
    pub host: BTreeMap<String, HostConfig>,
}

/// What the estate speaks to, each a section of its own.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// `[argocd]`.
    pub argocd: Option<ArgocdConfig>,
    /// `[git]`.
    pub git: GitConfig,
    /// `[gitlab]`.
    pub gitlab: Option<GitlabConfig>,
    /// `[registry]`, by the host that stands in images' names.
    pub registry: BTreeMap<String, RegistryConfig>,
    /// `[cluster]`, by the name that a cluster is called here.
    pub cluster: BTreeMap<String, ClusterConfig>,
}
