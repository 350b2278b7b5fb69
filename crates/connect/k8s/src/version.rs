//! Which Kubernetes it is, and which version of an API is the newer one.

use std::cmp::Reverse;
use std::fmt;

use serde::Deserialize;

/// What `/version` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// `1`.
    pub major: u32,
    /// `20`.
    pub minor: u32,
    /// `v1.20.15-eks-6d3986b`.
    pub git: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    #[serde(default)]
    major: String,
    #[serde(default)]
    minor: String,
    pub(crate) git_version: String,
}

impl ServerVersion {
    /// EKS writes `20+`; a build of one's own leaves both numbers empty.
    pub(crate) fn read(told: Told) -> Option<ServerVersion> {
        let mut parts = told.git_version.trim_start_matches('v').split('.');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let major = digits(&told.major).or_else(|| digits(first))?;
        let minor = digits(&told.minor).or_else(|| digits(second))?;
        Some(ServerVersion { major, minor, git: told.git_version })
    }

    /// Whether it is at least this one.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.git)
    }
}

fn digits(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Orders versions of an API, best first: stable before beta before alpha, then the higher number; other names last,
/// by the alphabet (Kubernetes' documentation, "Versions in CustomResourceDefinitions", version priority).
pub fn priority(version: &str) -> impl Ord + use<> {
    let other = (Reverse(0), Reverse(0), Reverse(0), version.to_owned());
    let Some(rest) = version.strip_prefix('v') else { return other };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..end].parse::<u32>() else { return other };
    let stage = |name: &str| rest[end..].strip_prefix(name)?.parse::<u32>().ok();
    let (stage, minor) = match (&rest[end..], stage("beta"), stage("alpha")) {
        ("", ..) => (3, 0),
        (_, Some(minor), _) => (2, minor),
        (_, _, Some(minor)) => (1, minor),
        _ => return other,
    };
    (Reverse(stage), Reverse(major), Reverse(minor), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_is_newer_than_beta_and_numbers_count() {
        let mut versions =
            ["v1alpha1", "v2beta2", "foo1", "v1", "v11alpha2", "v2", "v10", "v1beta1", "v2beta10", "bar"];
        versions.sort_by_key(|version| priority(version));
        assert_eq!(
            versions,
            ["v10", "v2", "v1", "v2beta10", "v2beta2", "v1beta1", "v11alpha2", "v1alpha1", "bar", "foo1"]
        );
    }

    fn check(major: &str, minor: &str, git: &str, expect: Option<(u32, u32)>) {
        let told = Told { major: major.to_owned(), minor: minor.to_owned(), git_version: git.to_owned() };
        assert_eq!(ServerVersion::read(told).map(|it| (it.major, it.minor)), expect);
    }

    #[test]
    fn versions_are_read_as_providers_write_them() {
        check("1", "20+", "v1.20.15-eks-6d3986b", Some((1, 20)));
        check("1", "33", "v1.33.1", Some((1, 33)));
        check("", "", "v1.20.2", Some((1, 20)));
        check("", "", "v0.0.0-master+$Format:%h$", Some((0, 0)));
        check("", "", "unknown", None);
    }
}
