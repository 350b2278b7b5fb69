//! What Git and the server said, and what it means.
//!
//! Git tells failures apart by sentences alone, which are its interface here: English (`LC_ALL=C`), matched by the part
//! that has been the same for years. What is not recognised stays a failure with its words as causes, never a success.

use naru_core::failure::{Failure, Kind};

use crate::remote::Remote;

/// What of a failed call's words is shown.
const CAUSES_MAX: usize = 6;
const CAUSE_CHARS_MAX: usize = 300;

/// The copy of a repository lacks something; it is made anew with the next call.
pub(crate) const MIRROR_BROKEN: &str = "git-mirror-broken";

/// Sentences, and the code of the first row that has one of them.
const MEANINGS: &[(&str, Kind, &[&str])] = &[
    ("git-host-key-unknown", Kind::Unavailable, &["Host key verification failed"]),
    (
        "git-credentials-refused",
        Kind::Refused,
        &[
            "Authentication failed",
            "terminal prompts disabled",
            "Access denied",
            "returned error: 401",
            "Permission denied (publickey",
            "Permission denied, please try again",
            "Too many authentication failures",
        ],
    ),
    (
        "git-access-denied",
        Kind::Refused,
        &["returned error: 403", "not allowed to push", "not allowed to download", "not allowed to upload"],
    ),
    (
        "git-repository-unknown",
        Kind::NotFound,
        &["' not found", "does not appear to be a git repository", "could not be found", "Repository not found"],
    ),
    ("git-disk-full", Kind::Full, &["No space left on device", "Disk quota exceeded"]),
    (
        MIRROR_BROKEN,
        Kind::Unavailable,
        &["not a git repository", "object file", "is corrupt", "bad object", "unable to read", "loose object", PARTIAL],
    ),
    (
        "git-unreachable",
        Kind::Unavailable,
        &[
            "unable to access",
            "Could not resolve host",
            "Could not read from remote repository",
            "hung up unexpectedly",
            "early EOF",
            "RPC failed",
            "Connection ",
            "unexpected disconnect",
        ],
    ),
];

/// The failure of a call that went to the remote.
pub(crate) fn failure(command: &str, stderr: &str, remote: &Remote) -> Failure {
    let found = MEANINGS.iter().find(|(_, _, sentences)| sentences.iter().any(|sentence| stderr.contains(sentence)));
    let failure = match found {
        Some((code, kind, _)) => Failure::new(*kind, code),
        None => Failure::unavailable("git-failed").arg("command", command),
    };
    with_causes(failure.arg("url", remote.url()), stderr, remote)
}

/// Whether the server has no such commit, or does not give it.
pub(crate) fn lacks_commit(stderr: &str) -> bool {
    ["not our ref", "unadvertised object"].iter().any(|sentence| stderr.contains(sentence))
}

/// Whether the server has no such branch.
pub(crate) fn lacks_branch(stderr: &str) -> bool {
    stderr.contains("couldn't find remote ref")
}

/// What became of a push.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// The branch is at the commit.
    Taken,
    /// Somebody else moved the branch in between.
    Moved,
    /// Refused for good.
    Refused(Failure),
    /// No answer came: it may have been taken.
    Unclear(Failure),
}

/// Reasons of a server that mean that another push was faster: it locks a branch and compares.
const MOVED: [&str; 6] = [
    "failed to update ref",
    "cannot lock ref",
    "failed to lock",
    "incorrect old value provided",
    "reference already exists",
    "failed to write",
];

/// Something that Git needs is not here. Of a push: the server's branches have moved on to commits that are not here, so
/// Git would send it all there is, and has not.
const PARTIAL: &str = "from promisor remote";

/// Words by which servers say that a branch is protected: GitLab, GitHub, Gitea, Bitbucket.
const PROTECTED: [&str; 6] = [
    "protected branch",
    "to protected",
    "is protected",
    "GH006",
    "branch permission",
    "not allowed to push code to protected",
];

/// What a server says that has trouble of its own: its disk is full, or what it asks before it takes a push is away.
const PASSING: [&str; 2] = ["unpacker error", "Internal API"];

/// Reads `git push --porcelain`: a line for the branch, `!\tFROM:TO\t[remote rejected] (why)`.
pub(crate) fn of_push(code: i32, stdout: &str, stderr: &str, branch: &str, remote: &Remote) -> Pushed {
    let line = stdout.lines().find(|line| line.contains("\trefs/") || line.contains(":refs/"));
    let (flag, why) = match line {
        Some(line) => (line.chars().next().unwrap_or(' '), line.rsplit('\t').next().unwrap_or_default()),
        None => (' ', ""),
    };
    if code == 0 && line.is_some() && flag != '!' {
        return Pushed::Taken;
    }
    if why.starts_with("[rejected]") || stderr.contains(PARTIAL) || MOVED.iter().any(|sentence| why.contains(sentence))
    {
        return Pushed::Moved;
    }
    if PASSING.iter().any(|words| why.contains(words) || stderr.contains(words)) {
        let failure = Failure::unavailable("git-failed").arg("command", "push").arg("url", remote.url());
        return Pushed::Unclear(with_causes(failure, stderr, remote));
    }
    if why.starts_with("[remote rejected]") || why.starts_with("[no match]") {
        let said = format!("{stderr}\n{why}");
        let is_protected = PROTECTED.iter().any(|words| said.contains(words));
        let failure = Failure::refused(if is_protected { "git-branch-protected" } else { "git-push-refused" });
        return Pushed::Refused(with_causes(failure.arg("branch", branch).arg("url", remote.url()), &said, remote));
    }
    let failure = failure("push", stderr, remote);
    match failure.code.as_str() {
        "git-unreachable" | "git-failed" => Pushed::Unclear(failure),
        _ => Pushed::Refused(failure),
    }
}

/// Adds what was said, line by line, without what Git says to everybody.
fn with_causes(failure: Failure, said: &str, remote: &Remote) -> Failure {
    let masked = remote.masked(said);
    let lines = masked.lines().map(|line| line.trim_start_matches("remote:").trim());
    let told = lines.filter(|line| line.contains(char::is_alphanumeric) && !is_routine(line));
    told.take(CAUSES_MAX).fold(failure, |failure, line| {
        failure.cause_text(line.chars().filter(|c| !c.is_control()).take(CAUSE_CHARS_MAX).collect::<String>())
    })
}

fn is_routine(line: &str) -> bool {
    ["error: failed to push some refs", "Please make sure you have", "and the repository exists", "hint:", "To "]
        .iter()
        .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use naru_core::masked::Secret;

    use super::*;
    use crate::remote::Access;
    use crate::url::RemoteUrl;

    fn remote() -> Remote {
        let access = Access { token: Some(Secret::new("glpat-1")), ..Access::default() };
        Remote::new(RemoteUrl::new("https://gitlab.example.com/shop/web.git").unwrap(), access).unwrap()
    }

    #[test]
    fn sentences_have_their_codes() {
        for (said, code) in [
            ("fatal: Authentication failed for 'https://gitlab.example.com/x/'", "git-credentials-refused"),
            ("fatal: could not read Username for 'https://a': terminal prompts disabled", "git-credentials-refused"),
            ("git@a: Permission denied (publickey).\nfatal: Could not read from remote", "git-credentials-refused"),
            ("fatal: unable to access 'https://a/': The requested URL returned error: 403", "git-access-denied"),
            ("fatal: unable to access 'https://a/': The requested URL returned error: 502", "git-unreachable"),
            ("fatal: unable to access 'https://a/': Could not resolve host: a", "git-unreachable"),
            ("fatal: repository 'https://a/' not found", "git-repository-unknown"),
            ("fatal: '/x' does not appear to be a git repository\nfatal: Could not read", "git-repository-unknown"),
            ("Host key verification failed.\nfatal: Could not read from remote", "git-host-key-unknown"),
            ("fatal: write error: No space left on device", "git-disk-full"),
            ("fatal: something new", "git-failed"),
        ] {
            assert_eq!(failure("fetch", said, &remote()).code, code, "{said}");
        }
    }

    #[test]
    fn a_push_is_taken_moved_refused_or_unclear() {
        let check = |code: i32, why: &str, stderr: &str| {
            let stdout = format!("To https://a\n!\tabc:refs/heads/main\t{why}\nDone\n");
            match of_push(code, &stdout, stderr, "main", &remote()) {
                Pushed::Taken => "taken".to_owned(),
                Pushed::Moved => "moved".to_owned(),
                Pushed::Refused(failure) => failure.code,
                Pushed::Unclear(failure) => format!("unclear {}", failure.code),
            }
        };
        for why in [
            "[rejected] (stale info)",
            "[rejected] (fetch first)",
            "[remote rejected] (failed to update ref)",
            "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)",
        ] {
            assert_eq!(check(1, why, ""), "moved");
        }
        let gitlab = "remote: GitLab: You are not allowed to push code to protected branches on this project.";
        assert_eq!(check(1, "[remote rejected] (pre-receive hook declined)", gitlab), "git-branch-protected");
        assert_eq!(check(1, "[remote rejected] (protected branch hook declined)", ""), "git-branch-protected");
        assert_eq!(check(1, "[remote rejected] (pre-receive hook declined)", "remote: no ticket"), "git-push-refused");

        let taken = "To x\n \tabc:refs/heads/main\ta..b\nDone\n";
        assert!(matches!(of_push(0, taken, "", "main", &remote()), Pushed::Taken));
        let lost = "fatal: the remote end hung up unexpectedly";
        assert!(matches!(of_push(128, "", lost, "main", &remote()), Pushed::Unclear(_)));
        let denied = "remote: You are not allowed to push code to this project.\nfatal: returned error: 403";
        assert!(matches!(of_push(128, "", denied, "main", &remote()), Pushed::Refused(_)));
    }

    #[test]
    fn a_repeated_token_is_masked_and_routine_is_left_out() {
        let said = "remote: bad glpat-1\nfatal: Authentication failed\nPlease make sure you have the correct access";
        assert_eq!(failure("fetch", said, &remote()).causes, ["bad ***", "fatal: Authentication failed"]);
    }
}
