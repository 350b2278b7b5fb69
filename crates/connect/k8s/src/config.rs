//! Where a cluster is and how it is asked: `[cluster.<name>]`.
//!
//! A cluster of EKS needs no key of its own: `aws eks update-kubeconfig --kubeconfig PATH` writes a kubeconfig whose
//! user is the program `aws eks get-token`. It is run at the first call (twice, since such a program may print a
//! certificate as well as a token), whenever its token runs out, and when the server refuses the token. It must be
//! installed beside naru, and has the credentials that the process has (a role of the pod or of the machine).

use std::path::{Path, PathBuf};
use std::time::Duration;

use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

/// One cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster that naru itself runs in, with the account of its pod.
    #[serde(default)]
    pub in_cluster: bool,
    /// A kubeconfig; its user may be a token, a certificate or a program that prints a token.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig, if not its current one.
    #[serde(default)]
    pub context: Option<String>,
    /// How long a call may take, in seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// How many calls are made in a second at most.
    #[serde(default = "calls_per_s")]
    pub calls_per_s: u32,
    /// How long one connection of a watch lasts, in seconds.
    #[serde(default = "watch_s")]
    pub watch_s: u64,
    /// The first wait before a question is repeated or a watch connects again, in milliseconds; it doubles.
    #[serde(default = "retry_ms")]
    pub retry_ms: u64,
}

/// Where the address and the credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    InCluster,
    Kubeconfig { path: PathBuf, context: Option<String> },
}

impl Config {
    /// The cluster of a kubeconfig, with the defaults.
    pub fn kubeconfig(path: impl Into<PathBuf>) -> Config {
        Config { kubeconfig: Some(path.into()), in_cluster: false, ..Config::in_cluster() }
    }

    /// The cluster that this process runs in, with the defaults.
    pub fn in_cluster() -> Config {
        Config {
            in_cluster: true,
            kubeconfig: None,
            context: None,
            timeout_s: timeout_s(),
            calls_per_s: calls_per_s(),
            watch_s: watch_s(),
            retry_ms: retry_ms(),
        }
    }

    /// Exactly one of the two; paths count from `folder`.
    pub(crate) fn source(&self, cluster: &str, folder: &Path) -> Result<Source, Failure> {
        match (&self.kubeconfig, self.in_cluster, &self.context) {
            (Some(path), false, context) => {
                Ok(Source::Kubeconfig { path: folder.join(path), context: context.clone() })
            }
            (None, true, None) => Ok(Source::InCluster),
            _ => Err(Failure::usage("k8s-config-wrong").arg("cluster", cluster)),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.max(1))
    }
}

fn timeout_s() -> u64 {
    30
}

/// A server shares its room for requests among all who ask; kubectl takes 50 at most.
fn calls_per_s() -> u32 {
    20
}

/// Servers end a watch after five to ten minutes by themselves; what stands between may end a silent one sooner.
fn watch_s() -> u64 {
    240
}

fn retry_ms() -> u64 {
    250
}
