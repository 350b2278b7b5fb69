//! Where Argo CD is and how it is asked.

use std::path::PathBuf;
use std::time::Duration;

use naru_core::config::SecretSource;
use serde::{Deserialize, Serialize};

/// One Argo CD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its address as a browser has it, with the root path if there is one: `https://argocd.example.com/argo`.
    pub url: String,
    /// The token of the account that acts: `argocd account generate-token --account naru`.
    pub token: SecretSource,
    /// Certificate authorities to trust besides the public ones, in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long a call may take, in seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// How often a watch lists everything again, in seconds: the server drops events of a slow reader.
    #[serde(default = "relist_s")]
    pub relist_s: u64,
    /// The first wait before a read is repeated or a watch connects again, in milliseconds; it doubles.
    #[serde(default = "retry_ms")]
    pub retry_ms: u64,
}

impl Config {
    /// An Argo CD at `url` with the defaults.
    pub fn new(url: impl Into<String>, token: SecretSource) -> Config {
        let (timeout_s, relist_s, retry_ms) = (timeout_s(), relist_s(), retry_ms());
        Config { url: url.into(), token, ca_file: None, timeout_s, relist_s, retry_ms }
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.max(1))
    }

    pub(crate) fn relist(&self) -> Duration {
        Duration::from_secs(self.relist_s.max(1))
    }
}

/// A hard refresh renders every manifest before it answers.
fn timeout_s() -> u64 {
    60
}

fn relist_s() -> u64 {
    240
}

fn retry_ms() -> u64 {
    250
}
