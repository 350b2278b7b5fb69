//! Image registries: the digest that a tag stands for (OCI Distribution Specification 1.1, *Pulling manifests*).
//!
//! One question, `HEAD /v2/NAME/manifests/TAG`, and where the registry asks for it a short-lived token first
//! (`WWW-Authenticate: Bearer`, as the CNCF distribution's token specification has it). A tag moves, a digest does not,
//! so who waits for an image and pins it asks here and nowhere else.

mod challenge;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use naru_core::clock::Clock;
use naru_core::config::SecretSource;
use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::http::{Http, NoReply, Reply};
use crate::name::hex;
use crate::registry::challenge::Challenge;
use crate::url::{address, check_secret};

/// A registry: `[registry."registry.example.com"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its address: `https://registry.example.com`.
    pub url: String,
    /// Who signs in; nobody where it is open.
    #[serde(default)]
    pub user: String,
    /// The password, or a token that may read the registry.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// Certificate authorities in PEM, besides the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Seconds that one call may take.
    #[serde(default = "timeout_s_default")]
    pub timeout_s: u64,
}

fn timeout_s_default() -> u64 {
    20
}

/// A registry, as whoever signs in sees it.
pub struct Registry {
    http: Http,
    base: Url,
    user: String,
    password: Option<Secret>,
}

/// What an image is called by its content: `sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageDigest(String);

impl ImageDigest {
    /// The digest with its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lists of images for several architectures first: their digest is what every node can pull.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";
const DIGEST_HEADER: &str = "docker-content-digest";
/// As the specification bounds a tag.
const TAG_BYTES_MAX: usize = 128;
/// As common registries bound a name.
const NAME_BYTES_MAX: usize = 255;

impl Registry {
    /// The configured registry; relative paths count from `base`, `key` is its section's.
    pub fn new(
        config: &RegistryConfig,
        base: &Path,
        key: &str,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
    ) -> Result<Registry, Failure> {
        let address = address(&config.url, "registry-url-wrong")?;
        if config.password.is_some() {
            check_secret(address.scheme(), address.host_str().unwrap_or_default(), address.as_str())?;
        }
        let password = config.password.as_ref().map(|it| it.read(base, &format!("{key}.password"))).transpose()?;
        let ca_file = config.ca_file.as_ref().map(|path| base.join(path));
        let ca_key = format!("{key}.ca_file");
        let ca_file = ca_file.as_deref().map(|path| (path, ca_key.as_str()));
        let http = Http::new(ca_file, Duration::from_secs(config.timeout_s.max(1)), clock, lifecycle)?;
        Ok(Registry { http, base: address, user: config.user.clone(), password })
    }

    /// The digest of an image's tag, or of an image by its digest; none where there is none such.
    pub async fn digest(&self, name: &str, tag: &str) -> Result<Option<ImageDigest>, Failure> {
        let url = self.manifest(name, tag)?;
        let mut authorization = None;
        let mut reply = self.ask(Method::HEAD, &url, authorization.as_ref()).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            authorization = self.authorization(name, &reply).await?;
            reply = self.ask(Method::HEAD, &url, authorization.as_ref()).await?;
        }
        let told = reply.headers.get(DIGEST_HEADER).and_then(|value| value.to_str().ok());
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if !status.is_success() => Err(self.refusal(name, &reply)),
            _ => match told {
                Some(told) if is_digest(told) => Ok(Some(ImageDigest(told.to_owned()))),
                // The header is a recommendation; the content is what it would be computed from.
                _ => self.computed(name, &url, authorization.as_ref()).await,
            },
        }
    }

    /// The failure of who needs a tag that is not there.
    pub fn tag_absent(&self, name: &str, tag: &str) -> Failure {
        let failure = Failure::not_found("registry-tag-absent").arg("image", name).arg("tag", tag);
        failure.arg("url", &self.base)
    }

    async fn computed(
        &self,
        name: &str,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Option<ImageDigest>, Failure> {
        let reply = self.ask(Method::GET, url, authorization).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                Ok(Some(ImageDigest(format!("sha256:{}", hex(&Sha256::digest(&reply.body))))))
            }
            _ => Err(self.refusal(name, &reply)),
        }
    }

    async fn ask(&self, method: Method, url: &Url, authorization: Option<&HeaderValue>) -> Result<Reply, Failure> {
        let request = || {
            let request = self.http.client().request(method.clone(), url.clone()).header(ACCEPT, MANIFESTS);
            authorization.iter().fold(request, |request, value| request.header(AUTHORIZATION, (*value).clone()))
        };
        self.http.ask(request).await.map_err(|none| self.unreachable(none))
    }

    /// What the registry wants to see, by what it answered to who showed nothing.
    async fn authorization(&self, name: &str, reply: &Reply) -> Result<Option<HeaderValue>, Failure> {
        let headers = reply.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = headers.flat_map(challenge::read).collect();
        let is = |scheme: &'static str| move |it: &&Challenge| it.scheme.eq_ignore_ascii_case(scheme);
        if let Some(bearer) = challenges.iter().find(is("bearer")) {
            let token = self.token(name, bearer).await?;
            return Ok(Some(sensitive(&format!("Bearer {token}")).ok_or_else(|| self.unreadable())?));
        }
        match (challenges.iter().find(is("basic")), &self.password) {
            (Some(_), Some(password)) => Ok(basic(&self.user, password)),
            _ => Err(self.refusal(name, reply)),
        }
    }

    async fn token(&self, name: &str, challenge: &Challenge) -> Result<String, Failure> {
        let realm =
            challenge.value("realm").and_then(|realm| Url::parse(realm).ok()).ok_or_else(|| self.unreadable())?;
        // The password goes where the registry says, but not in clear.
        let mut url = realm;
        if self.password.is_some() {
            check_secret(url.scheme(), url.host_str().unwrap_or_default(), url.as_str())?;
        }
        let scope = challenge.value("scope").map_or_else(|| format!("repository:{name}:pull"), str::to_owned);
        url.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = challenge.value("service") {
            url.query_pairs_mut().append_pair("service", service);
        }
        let request = || {
            let request = self.http.client().get(url.clone());
            match &self.password {
                Some(password) => request.basic_auth(&self.user, Some(password.reveal())),
                None => request,
            }
        };
        let reply = self.http.ask(request).await.map_err(|none| self.unreachable(none))?;
        if !reply.status.is_success() {
            return Err(self.refusal(name, &reply));
        }
        let answer: Token = serde_json::from_slice(&reply.body).map_err(|_| self.unreadable())?;
        answer.token.or(answer.access_token).ok_or_else(|| self.unreadable())
    }

    fn manifest(&self, name: &str, tag: &str) -> Result<Url, Failure> {
        if !is_name(name) || !(is_tag(tag) || is_digest(tag)) {
            return Err(Failure::usage("registry-image-wrong").arg("image", format!("{name}:{tag}")));
        }
        Url::parse(&format!("{}v2/{name}/manifests/{tag}", self.base)).map_err(Failure::bug)
    }

    fn refusal(&self, name: &str, reply: &Reply) -> Failure {
        let (kind, code) = match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (Kind::Refused, "registry-credentials-refused"),
            StatusCode::TOO_MANY_REQUESTS => (Kind::Unavailable, "registry-throttled"),
            status if status.is_server_error() => (Kind::Unavailable, "registry-unavailable"),
            _ => (Kind::Refused, "registry-refused"),
        };
        let failure = Failure::new(kind, code).arg("url", &self.base).arg("image", name);
        let failure = failure.arg("status", reply.status.as_u16());
        reply.retry_after_s.map_or(failure.clone(), |seconds| failure.retry_after(seconds))
    }

    fn unreachable(&self, none: NoReply) -> Failure {
        none.explain(Failure::unavailable("registry-unreachable").arg("url", &self.base))
    }

    fn unreadable(&self) -> Failure {
        Failure::unavailable("registry-answer-unreadable").arg("url", &self.base)
    }
}

fn basic(user: &str, password: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()))))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` between slashes.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && !part.contains("..")
            && part.chars().all(|c| is_plain(c) || "._-".contains(c))
    };
    name.len() <= NAME_BYTES_MAX && name.split('/').all(is_part)
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
fn is_tag(tag: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= TAG_BYTES_MAX && tag.starts_with(is_plain) && tag.chars().all(|c| is_plain(c) || ".-".contains(c))
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64);
    let digits = digits.or(text.strip_prefix("sha512:").filter(|digits| digits.len() == 128));
    digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// A token under either of the names it has had.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tags_and_digests_are_those_of_the_specification() {
        for name in ["web", "shop/web", "shop/web-api/app_1", "a.b/c__d", "a--b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "/web", "web/", "Web", "a//b", "-a", "a-", "a..b", "../a", "a b", "a%2fb", "a?b"] {
            assert!(!is_name(name), "{name}");
        }
        for tag in ["latest", "main-1a2b3c4d", "_x", "v1.2.3", &"a".repeat(128)] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", "-x", ".x", "a/b", "a:b", "a b", &"a".repeat(129)] {
            assert!(!is_tag(tag), "{tag}");
        }
        assert!(is_digest(&format!("sha256:{}", "0a".repeat(32))));
        for digest in ["", "sha256:", "sha256:0A", &format!("sha256:{}", "0A".repeat(32)), &"0a".repeat(32)] {
            assert!(!is_digest(digest), "{digest}");
        }
    }
}
