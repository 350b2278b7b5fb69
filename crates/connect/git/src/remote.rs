//! Where a repository is, and what opens it.
//!
//! A token travels in the environment of the one call that needs it: never in an argument, which every process of the
//! machine may read, never in the URL, which Git prints, and never on the disk. A credential helper hands it to Git for
//! the host it was given for, so a redirect to another host does not carry it away.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_core::masked::Secret;
use serde::{Deserialize, Serialize};

use crate::url::{RemoteUrl, Scheme, check_secret};

/// What opens the repositories of one host: `[git.host."gitlab.example.com"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// Who signs in with the token, over HTTPS. GitLab takes any name beside an access token, and that of a deploy token.
    pub user: String,
    /// The token or password, over HTTPS.
    pub token: Option<SecretSource>,
    /// Certificate authorities in PEM, instead of those of the machine, over HTTPS.
    pub ca_file: Option<PathBuf>,
    /// The private key, over SSH; without a passphrase.
    pub ssh_key: Option<PathBuf>,
    /// The hosts' keys, over SSH, as `ssh-keyscan` prints them; default: those that this user trusts. A host that is not
    /// in it is refused.
    pub known_hosts: Option<PathBuf>,
}

impl Default for HostConfig {
    fn default() -> HostConfig {
        HostConfig { user: "oauth2".to_owned(), token: None, ca_file: None, ssh_key: None, known_hosts: None }
    }
}

impl HostConfig {
    /// Reads the token; relative paths count from `base`. `key` is this section's, for the error.
    pub fn access(&self, base: &Path, key: &str) -> Result<Access, Failure> {
        let token = self.token.as_ref().map(|token| token.read(base, &format!("{key}.token"))).transpose()?;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| base.join(path));
        Ok(Access {
            user: self.user.clone(),
            token,
            ca_file: path(&self.ca_file),
            ssh_key: path(&self.ssh_key),
            known_hosts: path(&self.known_hosts),
        })
    }
}

/// What opens a repository.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who signs in with the token.
    pub user: String,
    /// The token, over HTTPS.
    pub token: Option<Secret>,
    /// Certificate authorities in PEM, over HTTPS.
    pub ca_file: Option<PathBuf>,
    /// The private key, over SSH.
    pub ssh_key: Option<PathBuf>,
    /// The hosts' keys, over SSH.
    pub known_hosts: Option<PathBuf>,
}

/// A repository's address with what opens it.
#[derive(Clone, Debug)]
pub struct Remote {
    url: RemoteUrl,
    access: Access,
}

/// Answers Git's credential protocol (gitcredentials(7)) from the environment; `erase` and `store` change nothing.
const HELPER: &str =
    r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$NARU_GIT_USER" "$NARU_GIT_TOKEN"; }; f"#;

impl Remote {
    /// Refuses a token that would travel in clear to another machine.
    pub fn new(url: RemoteUrl, access: Access) -> Result<Remote, Failure> {
        if url.scheme == Scheme::Http && access.token.is_some() {
            check_secret("http", url.host(), url.as_str())?;
        }
        let one_line = |text: &str| !text.contains(['\n', '\r', '\0']);
        if !one_line(&access.user) || !access.token.as_ref().is_none_or(|token| one_line(token.reveal())) {
            return Err(Failure::usage("git-secret-wrong").arg("url", &url));
        }
        Ok(Remote { url, access })
    }

    /// The address.
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// What a call that goes there needs.
    pub(crate) fn needs(&self) -> Needs {
        let mut config = vec![("remote.origin.url".to_owned(), self.url.as_str().into())];
        let mut environment = vec![("GIT_ALLOW_PROTOCOL", self.url.transport().into())];
        match self.url.scheme {
            Scheme::File => {}
            Scheme::Http | Scheme::Https => {
                if let Some(token) = &self.access.token {
                    environment.push(("NARU_GIT_USER", self.access.user.clone().into()));
                    environment.push(("NARU_GIT_TOKEN", token.reveal().into()));
                    config.push((format!("credential.{}.helper", self.url.origin), HELPER.into()));
                }
                if let Some(path) = &self.access.ca_file {
                    config.push(("http.sslCAInfo".to_owned(), path.into()));
                }
            }
            Scheme::Ssh => {
                environment.push(("GIT_SSH_VARIANT", "ssh".into()));
                environment.push(("GIT_SSH_COMMAND", self.ssh()));
            }
        }
        Needs { environment, config }
    }

    /// Git hands this to a shell, so what comes from the configuration is quoted.
    fn ssh(&self) -> OsString {
        let mut command = OsString::from("ssh -F none -o BatchMode=yes");
        if let Some(path) = &self.access.ssh_key {
            command.push(" -o IdentitiesOnly=yes -i ");
            command.push(quoted(path));
        }
        if let Some(path) = &self.access.known_hosts {
            command.push(" -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=none -o ");
            command.push(quoted(format!("UserKnownHostsFile=\"{}\"", path.display()).as_ref()));
        }
        command
    }

    /// `text` with the token masked, should a server have repeated it.
    pub(crate) fn masked(&self, text: &str) -> String {
        match &self.access.token {
            Some(token) if !token.reveal().is_empty() => text.replace(token.reveal(), "***"),
            _ => text.to_owned(),
        }
    }
}

/// What a call finds besides what every call does.
pub(crate) struct Needs {
    pub environment: Vec<(&'static str, OsString)>,
    pub config: Vec<(String, OsString)>,
}

fn quoted(path: &Path) -> OsString {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_in_clear_on_this_machine_alone() {
        let open = |url: &str, token: &str| {
            let access = Access { token: Some(Secret::new(token)), ..Access::default() };
            Remote::new(RemoteUrl::new(url).unwrap(), access).map(drop).map_err(|failure| failure.code)
        };
        assert_eq!(open("https://example.com/x", "t"), Ok(()));
        assert_eq!(open("http://127.0.0.1:1/x", "t"), Ok(()));
        assert_eq!(open("http://example.com/x", "t"), Err("git-secret-in-clear".to_owned()));
        assert_eq!(open("https://example.com/x", "t\nhost=evil"), Err("git-secret-wrong".to_owned()));
    }

    #[test]
    fn what_a_shell_reads_is_quoted() {
        let access = Access { ssh_key: Some("/k'; x".into()), known_hosts: Some("/h h".into()), ..Access::default() };
        let remote = Remote::new(RemoteUrl::new("git@example.com:x").unwrap(), access).unwrap();
        let needs = remote.needs();
        let command = &needs.environment.iter().find(|(name, _)| *name == "GIT_SSH_COMMAND").unwrap().1;
        assert_eq!(
            command.to_str().unwrap(),
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -i '/k'\\''; x' -o StrictHostKeyChecking=yes \
             -o GlobalKnownHostsFile=none -o 'UserKnownHostsFile=\"/h h\"'"
        );
    }
}
