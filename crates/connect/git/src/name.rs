//! What may stand in a call: branches, commits and paths that are checked once, at the border.
//!
//! Whatever begins with `-` would be read as an option, and whatever climbs out of the repository has no business in
//! one. Neither becomes a value of these types, so nothing further in has to ask again.

use std::fmt;

use naru_core::failure::Failure;

/// Longer names are refused by common file systems.
const NAME_BYTES_MAX: usize = 240;
/// As Linux bounds a path.
const PATH_BYTES_MAX: usize = 4096;
/// What of a wrong value is shown.
const SHOWN_CHARS_MAX: usize = 100;

/// A branch's name, without `refs/heads/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Branch(String);

impl Branch {
    /// Checks a name by the rules of `git check-ref-format --branch`.
    pub fn new(name: impl Into<String>) -> Result<Branch, Failure> {
        let name = name.into();
        if is_ref_name(&name) { Ok(Branch(name)) } else { Err(ref_wrong(&name)) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with `refs/heads/`.
    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit's whole id: 40 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(String);

impl CommitId {
    /// Reads a whole id.
    pub fn new(id: impl Into<String>) -> Result<CommitId, Failure> {
        let id = id.into();
        match id.len() == ID_DIGITS && is_hex(&id) {
            true => Ok(CommitId(id.to_ascii_lowercase())),
            false => Err(ref_wrong(&id)),
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file's path inside a repository: relative, with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

impl FilePath {
    /// Checks a path: no empty part, none that is `.`, `..` or `.git`, no control characters.
    pub fn new(path: impl Into<String>) -> Result<FilePath, Failure> {
        let path = path.into();
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
        let is_path = path.len() <= PATH_BYTES_MAX && !path.contains(char::is_control) && path.split('/').all(is_part);
        if is_path { Ok(FilePath(path)) } else { Err(Failure::usage("git-path-wrong").arg("path", shown(&path))) }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digits of a whole id.
pub(crate) const ID_DIGITS: usize = 40;

pub(crate) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn ref_wrong(name: &str) -> Failure {
    Failure::usage("git-ref-wrong").arg("ref", shown(name))
}

/// Whether `name` may name a branch or a tag (git-check-ref-format(1)); a `-` in front is for branches what it is there.
pub(crate) fn is_ref_name(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name != "@"
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c))
        && name.split('/').all(is_part)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_git_takes() {
        for name in ["main", "feature/pay-2", "v1.2.3", "배포", "a@b", "@a", "x.locks"] {
            assert!(Branch::new(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "-d",
            "--upload-pack=x",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.",
            "a.lock",
            "a.lock/b",
            "@",
            "a@{1}",
            "a\nb",
            "a\u{7f}",
        ] {
            assert_eq!(Branch::new(name).unwrap_err().code, "git-ref-wrong", "{name:?}");
        }
    }

    #[test]
    fn a_commit_is_forty_digits() {
        let id = "0123456789abcdef0123456789ABCDEF01234567";
        assert_eq!(CommitId::new(id).unwrap().as_str(), id.to_ascii_lowercase());
        for id in ["", "0123456", &id[..39], &format!("{id}0"), &id.replace('0', "-"), &id.replace('0', "g")] {
            assert!(CommitId::new(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_path_stays_inside() {
        for path in ["a", "-a/--b", "charts/web/.argocd-source-web.yaml", "값.yaml", "a b/c", ".gitignore", "a/..b"] {
            assert!(FilePath::new(path).is_ok(), "{path}");
        }
        for path in ["", "/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", ".git/config", "a/.GIT/b", "a\nb", "a\0b"] {
            assert_eq!(FilePath::new(path).unwrap_err().code, "git-path-wrong", "{path:?}");
        }
    }
}
