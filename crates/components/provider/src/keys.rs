//! A lane's own keys in the configuration, as adapters read them.

use std::path::Path;

use http::Uri;
use naru_core::failure::Failure;
use naru_core::masked::Secret;
use naru_dispatch::config::LaneConfig;
use rustls::pki_types::ServerName;

/// `[dispatch.lane.NAME]`, with what is needed to say which key is wrong.
pub struct LaneKeys<'a> {
    /// The lane's name.
    pub lane: &'a str,
    /// Its keys.
    pub config: &'a LaneConfig,
    /// What relative paths count from.
    pub base: &'a Path,
}

/// Where a provider is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// One of those the adapter speaks.
    pub scheme: &'static str,
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// As written, or the scheme's own.
    pub port: u16,
    /// As written, without a slash at the end.
    pub path: String,
}

impl LaneKeys<'_> {
    /// The full name of `key`, as the file has it.
    pub fn name(&self, key: &str) -> String {
        format!("dispatch.lane.{}.{key}", self.lane)
    }

    /// Reads `url`, which must have one of `schemes` (with their ports).
    pub fn endpoint(&self, schemes: &[(&'static str, u16)]) -> Result<Endpoint, Failure> {
        let url = self.config.url.as_deref().ok_or_else(|| self.missing("url"))?;
        endpoint(url, schemes).ok_or_else(|| {
            let expected: Vec<String> = schemes.iter().map(|(scheme, _)| format!("{scheme}://HOST:PORT")).collect();
            Failure::usage("provider-url-wrong")
                .arg("key", self.name("url"))
                .arg("url", url)
                .arg("expected", expected.join(", "))
        })
    }

    /// Reads `secret`, where it is set.
    pub fn secret(&self) -> Result<Option<Secret>, Failure> {
        let source = self.config.secret.as_ref();
        source.map(|source| source.read(self.base, &self.name("secret"))).transpose()
    }

    /// Reads `receipt_secret`, where it is set.
    pub fn receipt_secret(&self) -> Result<Option<Secret>, Failure> {
        let source = self.config.receipt_secret.as_ref();
        source.map(|source| source.read(self.base, &self.name("receipt_secret"))).transpose()
    }

    /// The failure of a lane that lacks a key its adapter needs.
    pub fn missing(&self, key: &str) -> Failure {
        Failure::usage("provider-key-missing").arg("key", self.name(key)).arg("provider", &self.config.provider)
    }
}

fn endpoint(url: &str, schemes: &[(&'static str, u16)]) -> Option<Endpoint> {
    let uri: Uri = url.parse().ok()?;
    let (scheme, default_port) = *schemes.iter().find(|(name, _)| uri.scheme_str() == Some(name))?;
    let authority = uri.authority()?;
    // A name and a password have keys of their own, the password never in this file; a query would be lost silently.
    if authority.as_str().contains('@') || uri.query().is_some() {
        return None;
    }
    // A port that is no number reads as none.
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str().len() > authority.host().len() => return None,
        None => default_port,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    // What no certificate can be for is no host.
    ServerName::try_from(host.as_str()).ok()?;
    Some(Endpoint { scheme, host, port, path: uri.path().trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [(&str, u16); 2] = [("https", 443), ("smtp+starttls", 587)];

    fn check(url: &str, expect: Option<(&str, &str, u16, &str)>) {
        let found = endpoint(url, &SCHEMES);
        let found = found.as_ref().map(|it| (it.scheme, it.host.as_str(), it.port, it.path.as_str()));
        assert_eq!(found, expect, "{url}");
    }

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_what_else_is_written() {
        check("https://vendor.example", Some(("https", "vendor.example", 443, "")));
        check("https://vendor.example:8443/api/", Some(("https", "vendor.example", 8443, "/api")));
        check("smtp+starttls://mail.example", Some(("smtp+starttls", "mail.example", 587, "")));
        check("https://[::1]:7080", Some(("https", "::1", 7080, "")));
        check("http://vendor.example", None);
        check("vendor.example", None);
        check("vendor.example:443", None);
        check("https://", None);
        check("https://-vendor-.example", None);
        check("https://가게.example", None);
        check("https://vendor.example:https", None);
        check("https://vendor.example:70000", None);
        check("https://key:secret@vendor.example", None);
        check("https://vendor.example/?key=1", None);
    }
}
