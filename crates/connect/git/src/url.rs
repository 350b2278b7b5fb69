//! Addresses: of a repository over each transport, and of a server that is asked over HTTP.
//!
//! Checked where they come in: no password in them, since they are shown; nothing that a program further down would read
//! as an option.

use naru_wire::address::without_user;
use std::fmt;

use naru_core::failure::Failure;
use reqwest::Url;

/// A repository's address without anything secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteUrl {
    text: String,
    pub(crate) scheme: Scheme,
    host: String,
    /// Scheme, host and port, as a credential is asked for; empty for what has none.
    pub(crate) origin: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    File,
    Http,
    Https,
    Ssh,
}

impl RemoteUrl {
    /// Reads `https://HOST/PATH`, `ssh://USER@HOST/PATH`, `USER@HOST:PATH` or `file:///PATH`; `http://` too, which takes
    /// no token beyond this machine.
    pub fn new(text: impl Into<String>) -> Result<RemoteUrl, Failure> {
        let text = text.into();
        let parsed = if text.contains("://") { of_url(&text) } else { of_scp(&text) };
        let Some((scheme, host, origin)) = parsed else {
            return Err(Failure::usage("git-url-wrong").arg("url", without_user(&text)));
        };
        Ok(RemoteUrl { text, scheme, host, origin })
    }

    /// The address, as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, empty for a file.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How Git names the transport, to let this one pass and no other.
    pub(crate) fn transport(&self) -> &'static str {
        match self.scheme {
            Scheme::File => "file",
            // A server may lead on to what is encrypted, never back.
            Scheme::Http => "http:https",
            Scheme::Https => "https",
            Scheme::Ssh => "ssh",
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn of_url(text: &str) -> Option<(Scheme, String, String)> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let scheme = match url.scheme() {
        "file" => Scheme::File,
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "ssh" => Scheme::Ssh,
        _ => return None,
    };
    // The user of SSH is part of the address, a password never is.
    let is_open = url.password().is_none() && (url.username().is_empty() || scheme == Scheme::Ssh);
    let is_whole = (scheme == Scheme::File) == host.is_empty() && url.path().len() > 1;
    let is_plain = url.query().is_none() && url.fragment().is_none() && is_safe(text);
    // `ssh` would read either as an option.
    let is_no_option = !host.starts_with('-') && !url.username().starts_with('-');
    (is_open && is_whole && is_plain && is_no_option).then(|| (scheme, host, url.origin().ascii_serialization()))
}

/// `USER@HOST:PATH`, as Git's own documentation writes it.
fn of_scp(text: &str) -> Option<(Scheme, String, String)> {
    let (place, path) = text.split_once(':')?;
    let host = place.split_once('@').map_or(place, |(_, host)| host);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_place = !place.starts_with('-') && !host.starts_with('-') && !host.is_empty() && host.chars().all(is_host);
    let is_path = !path.is_empty() && !path.starts_with([':', '-']);
    (is_place && is_path && is_safe(text)).then(|| (Scheme::Ssh, host.to_owned(), String::new()))
}

fn is_safe(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || c.is_whitespace()) && !text.starts_with('-')
}

/// A server's address with a slash at its end; `code` is the failure of one that is none.
pub(crate) fn address(text: &str, code: &str) -> Result<Url, Failure> {
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).ok().filter(|url| {
        let is_open = url.username().is_empty() && url.password().is_none();
        let is_plain = url.query().is_none() && url.fragment().is_none();
        is_open && is_plain && matches!(url.scheme(), "http" | "https") && url.has_host()
    });
    url.ok_or_else(|| Failure::usage(code).arg("url", without_user(text)))
}

/// Refuses to send a secret in clear to another machine.
pub(crate) fn check_secret(scheme: &str, host: &str, shown: &str) -> Result<(), Failure> {
    let is_near = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    if scheme == "http" && !is_near { Err(Failure::usage("git-secret-in-clear").arg("url", shown)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_three_transports() {
        for (url, transport, host) in [
            ("https://gitlab.example.com/shop/web.git", "https", "gitlab.example.com"),
            ("http://127.0.0.1:8080/shop/web", "http:https", "127.0.0.1"),
            ("ssh://git@gitlab.example.com:2222/shop/web.git", "ssh", "gitlab.example.com"),
            ("git@gitlab.example.com:shop/web.git", "ssh", "gitlab.example.com"),
            ("file:///srv/web.git", "file", ""),
        ] {
            let read = RemoteUrl::new(url).unwrap();
            assert_eq!((read.transport(), read.host(), read.as_str()), (transport, host, url));
        }
        for url in [
            "",
            "web.git",
            "/srv/web.git",
            "../web.git",
            "ext::sh -c x",
            "git://example.com/x",
            "https://example.com",
            "https:///x",
            "file://host/x",
            "--upload-pack=x:y",
            "-oProxyCommand=x:y",
            "a@-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "ssh://-a@example.com/y",
            "https://e.com/a?b",
            "https://e.com/a#b",
            "https://e.com/a b",
            "https://e.com/a\nb",
            "a:-b",
            "a::b",
        ] {
            assert_eq!(RemoteUrl::new(url).unwrap_err().code, "git-url-wrong", "{url:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for url in ["https://kim:hunter2@example.com/x", "https://hunter2@example.com/x", "ssh://a:hunter2@b/c"] {
            let failure = RemoteUrl::new(url).unwrap_err();
            assert_eq!(failure.code, "git-url-wrong");
            assert!(!failure.to_string().contains("hunter2"), "{failure}");
        }
    }

    #[test]
    fn a_secret_travels_in_clear_on_this_machine_alone() {
        for (scheme, host, is_taken) in [
            ("https", "example.com", true),
            ("http", "127.0.0.1", true),
            ("http", "[::1]", true),
            ("http", "example.com", false),
            ("http", "127.0.0.1.example.com", false),
        ] {
            assert_eq!(check_secret(scheme, host, "x").is_ok(), is_taken, "{scheme} {host}");
        }
    }
}
