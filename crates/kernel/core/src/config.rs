//! Pieces that sections of `naru.toml` are made of.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::masked::Secret;

/// Where a secret is kept: never in the file itself. Relative paths count from the configuration file's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum SecretSource {
    /// `{ file = "/run/secrets/nhn" }`: the file's text without surrounding white space.
    File(PathBuf),
    /// `{ env = "NHN_SECRET" }`.
    Env(String),
}

impl SecretSource {
    /// Reads the secret; `key` is the configuration key, for the error.
    pub fn read(&self, base: &Path, key: &str) -> Result<Secret, Failure> {
        let (found, place) = match self {
            SecretSource::File(path) => {
                let path = base.join(path);
                (std::fs::read_to_string(&path).map_err(|e| e.to_string()), path.display().to_string())
            }
            SecretSource::Env(name) => {
                // The one place that reads the environment: a secret said to be there.
                #[allow(clippy::disallowed_methods)]
                let value = std::env::var(name);
                (value.map_err(|e| e.to_string()), format!("${name}"))
            }
        };
        match found {
            Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
            Ok(_) => Err(Failure::usage("secret-empty").arg("key", key).arg("place", place)),
            Err(why) => Err(Failure::usage("secret-unreadable").arg("key", key).arg("place", place).cause_text(why)),
        }
    }
}
