//! A bare copy of a repository, as far as it was needed: a cache, and nothing more.
//!
//! Commits and directories are fetched up to a depth, contents of files when they are read (a partial clone, where the
//! server has them). That it is partial is said anew in each call that goes to the server and nowhere else, so a call
//! that stays here finds a file that is not here missing, instead of fetching it behind our back. What is broken is
//! removed, and made anew with the next call.

mod folder;
mod tree;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_core::failure::Failure;
use sha2::{Digest, Sha256};

use self::folder::{exists, folder_name, remove, sweep};
use crate::name::{Branch, CommitId};
use crate::program::{Call, Output, Program};
use crate::remote::{Needs, Remote};
use crate::said;

/// How many commits of a branch are looked at, and fetched unless all are asked for.
pub(crate) const RECENT_COMMITS_MAX: u32 = 1_000;
/// What a call that stays here may print besides the contents of files: lists of some thousand names.
pub(crate) const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// No hook of a template, no upkeep but by [`Mirror::tidy`].
const CONFIG: [(&str, &str); 3] =
    [("core.hooksPath", "/dev/null"), ("core.logAllRefUpdates", "false"), ("maintenance.auto", "false")];
/// A partial clone, and the names Git gives to its parts.
const CONFIG_REMOTE: [(&str, &str); 3] =
    [("remote.origin.promisor", "true"), ("remote.origin.partialclonefilter", "blob:none"), ("credential.helper", "")];
/// What is fetched is kept by a name of its own, one of so many: those of branches grow without end.
const SLOTS: u8 = 16;
/// Where objects are written that the server does not have yet.
const WRITTEN: &str = "naru-objects";

pub(crate) struct Mirror {
    folder: PathBuf,
    program: Arc<Program>,
    remote: Remote,
    /// A call was cut off here, or before we came: its lock files may be left.
    cut_off: bool,
    broken: bool,
    untidy: bool,
}

impl Mirror {
    /// The copy below `folder`; nothing is made before [`Mirror::open`].
    pub fn new(folder: &Path, program: Arc<Program>, remote: Remote) -> Mirror {
        let folder = folder.join(folder_name(remote.url().as_str()));
        Mirror { folder, program, remote, cut_off: true, broken: false, untidy: false }
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Makes the folder where there is none, and removes what a call that was cut off left behind.
    pub async fn open(&mut self) -> Result<(), Failure> {
        let unusable = |folder: &Path, error: std::io::Error| {
            Failure::unavailable("git-folder-unusable").arg("path", folder.display()).cause(&error)
        };
        if self.broken {
            remove(&self.folder).await.map_err(|e| unusable(&self.folder, e))?;
            self.broken = false;
        }
        if !exists(&self.folder.join("HEAD")).await {
            // Under another name until it is whole.
            let fresh = self.folder.with_extension("new");
            remove(&fresh).await.map_err(|e| unusable(&fresh, e))?;
            tokio::fs::create_dir_all(&fresh).await.map_err(|e| unusable(&fresh, e))?;
            let args = ["init", "--bare", "--quiet", "--template=", "--initial-branch=none"];
            let call = self.call(&args, &[], &[], LIST_BYTES_MAX, Some(&fresh));
            let output = self.program.run(&call).await?;
            if !output.is_ok() {
                return Err(said::failure("init", &output.stderr, &self.remote));
            }
            remove(&self.folder).await.map_err(|e| unusable(&self.folder, e))?;
            tokio::fs::rename(&fresh, &self.folder).await.map_err(|e| unusable(&self.folder, e))?;
        }
        if self.cut_off {
            sweep(&self.folder).await.map_err(|e| unusable(&self.folder, e))?;
            self.cut_off = false;
        }
        Ok(())
    }

    /// Whether the commit is here.
    pub async fn has(&mut self, commit: &CommitId) -> Result<bool, Failure> {
        let output = self.run(&["cat-file", "-e", &format!("{commit}^{{commit}}")], &[], LIST_BYTES_MAX).await?;
        match output.is_ok() || output.stderr.contains("Not a valid object name") || output.stderr.is_empty() {
            true => Ok(output.is_ok()),
            false => Err(self.failed("cat-file", &output)),
        }
    }

    /// Brings a commit here, with its directories; its history only where all of it is here already.
    pub async fn fetch_commit(&mut self, commit: &CommitId) -> Result<(), Failure> {
        if self.has(commit).await? {
            return Ok(());
        }
        let depth = self.takes_depth().await?.then_some("--depth=1");
        let output = self.fetch(depth.as_slice(), &[commit.as_str()]).await?;
        match output.is_ok() {
            true => Ok(()),
            false if said::lacks_commit(&output.stderr) => {
                Err(Failure::not_found("git-commit-unknown").arg("commit", commit).arg("url", self.remote.url()))
            }
            false => Err(self.failed("fetch", &output)),
        }
    }

    /// Brings a branch's recent commits here; none where the server has no such branch.
    pub async fn fetch_branch(&mut self, branch: &Branch) -> Result<Option<CommitId>, Failure> {
        let slot = slot(branch);
        let depth = format!("--depth={RECENT_COMMITS_MAX}");
        let depth = self.takes_depth().await?.then_some(depth.as_str());
        let output = self.fetch(depth.as_slice(), &[&format!("+{}:{slot}", branch.full())]).await?;
        if said::lacks_branch(&output.stderr) {
            return Ok(None);
        }
        if !output.is_ok() {
            return Err(self.failed("fetch", &output));
        }
        let head = self.print(&["rev-parse", "--verify", "--quiet", &format!("{slot}^{{commit}}")], &[]).await?;
        Ok(Some(CommitId::new(String::from_utf8_lossy(&head).trim())?))
    }

    /// Brings the whole history of all branches and tags here, without the contents of files.
    pub async fn fetch_all(&mut self) -> Result<(), Failure> {
        let options: &[&str] = if self.is_cut().await { &["--prune", "--unshallow"] } else { &["--prune"] };
        let output = self.fetch(options, &["+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"]).await?;
        if output.is_ok() { Ok(()) } else { Err(self.failed("fetch", &output)) }
    }

    /// Brings the whole history of commits that are here.
    pub async fn deepen(&mut self, commits: &[&CommitId]) -> Result<(), Failure> {
        if !self.is_cut().await {
            return Ok(());
        }
        let commits: Vec<&str> = commits.iter().map(|commit| commit.as_str()).collect();
        let output = self.fetch(&["--unshallow"], &commits).await?;
        if output.is_ok() { Ok(()) } else { Err(self.failed("fetch", &output)) }
    }

    /// Whether the history here ends before its beginning, so that what is not seen in it may be there all the same.
    pub async fn is_cut(&self) -> bool {
        exists(&self.folder.join("shallow")).await
    }

    /// Whether to fetch up to a depth: never where all is here, which a depth would cut.
    async fn takes_depth(&mut self) -> Result<bool, Failure> {
        Ok(self.is_cut().await || self.print(&["for-each-ref", "--count=1"], &[]).await?.is_empty())
    }

    /// Brings objects here by their ids.
    pub async fn fetch_objects(&mut self, ids: &[String]) -> Result<(), Failure> {
        let input = ids.join("\n") + "\n";
        // As Git itself fetches what a partial clone lacks: nothing is told of what is here.
        let args = [&FETCH[..], &["--filter=blob:none", "--stdin", "origin"]].concat();
        let config = [("fetch.negotiationAlgorithm", "noop")];
        let output = self.run_remote(&args, &config, input.as_bytes()).await?;
        if output.is_ok() { Ok(()) } else { Err(self.failed("fetch", &output)) }
    }

    async fn fetch(&mut self, options: &[&str], what: &[&str]) -> Result<Output, Failure> {
        let args = [&FETCH[..], &["--filter=blob:none"], options, &["origin"], what].concat();
        self.untidy = true;
        self.run_remote(&args, &[], &[]).await
    }

    /// Runs a call that stays here and succeeds, and answers what it printed.
    pub async fn print(&mut self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, Failure> {
        let output = self.run(args, input, LIST_BYTES_MAX).await?;
        if output.is_ok() { Ok(output.stdout) } else { Err(self.failed(args[0], &output)) }
    }

    /// Runs a call that stays here.
    pub async fn run(&mut self, args: &[&str], input: &[u8], bytes_max: usize) -> Result<Output, Failure> {
        self.run_with(args, &[], input, bytes_max).await
    }

    /// As [`Mirror::run`], with more in its environment.
    pub async fn run_with(
        &mut self,
        args: &[&str],
        environment: &[(&str, OsString)],
        input: &[u8],
        bytes_max: usize,
    ) -> Result<Output, Failure> {
        let environment = [environment, &[("GIT_ALLOW_PROTOCOL", "none".into())]].concat();
        let call = Call { input, ..self.call(args, &environment, &[], bytes_max, None) };
        self.cut_off = true;
        let output = self.program.run(&call).await?;
        self.cut_off = false;
        Ok(output)
    }

    /// Runs a call that goes to the server.
    pub async fn run_remote(
        &mut self,
        args: &[&str],
        config: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Output, Failure> {
        self.run_remote_with(args, &[], config, input).await
    }

    /// As [`Mirror::run_remote`], with more in its environment.
    pub async fn run_remote_with(
        &mut self,
        args: &[&str],
        environment: &[(&str, OsString)],
        config: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Output, Failure> {
        let Needs { environment: own_environment, config: own } = self.remote.needs();
        let environment = [environment, &own_environment].concat();
        let fixed = CONFIG_REMOTE.iter().chain(config).map(|(key, value)| ((*key).to_owned(), OsString::from(value)));
        // First the empty helper, which clears the list, then ours.
        let config: Vec<(String, OsString)> = fixed.chain(own).collect();
        let call = Call { input, ..self.call(args, &environment, &config, LIST_BYTES_MAX, None) };
        self.cut_off = true;
        let output = self.program.run(&call).await?;
        self.cut_off = false;
        Ok(output)
    }

    fn call<'a>(
        &self,
        args: &[&'a str],
        environment: &[(&str, OsString)],
        config: &[(String, OsString)],
        output_bytes_max: usize,
        folder: Option<&Path>,
    ) -> Call<'a> {
        let fixed = CONFIG.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value)));
        let config: Vec<(String, OsString)> = fixed.chain(config.iter().cloned()).collect();
        let own = |(name, value): &(&str, OsString)| (OsString::from(name), value.clone());
        let mut all: Vec<(OsString, OsString)> = environment.iter().map(own).collect();
        all.push(("GIT_DIR".into(), folder.unwrap_or(&self.folder).into()));
        all.push(("GIT_CONFIG_COUNT".into(), config.len().to_string().into()));
        for (at, (key, value)) in config.into_iter().enumerate() {
            all.push((format!("GIT_CONFIG_KEY_{at}").into(), key.into()));
            all.push((format!("GIT_CONFIG_VALUE_{at}").into(), value));
        }
        Call { args: args.iter().map(|arg| OsStr::new(*arg)).collect(), environment: all, input: &[], output_bytes_max }
    }

    /// What a call that failed means; where the copy itself is at fault it is made anew with the next one.
    pub fn failed(&mut self, command: &str, output: &Output) -> Failure {
        let failure = said::failure(command, &output.stderr, &self.remote);
        self.note_broken(&failure);
        failure
    }

    /// Has the copy made anew with the next call where a failure says that it is at fault.
    pub fn note_broken(&mut self, failure: &Failure) {
        self.broken |= failure.code == said::MIRROR_BROKEN;
    }

    /// Packs what has become many small pieces, once Git thinks that they are too many. Nothing depends on it.
    pub async fn tidy(&mut self) {
        if !std::mem::take(&mut self.untidy) {
            return;
        }
        let config = [("gc.autoDetach", "false"), ("gc.pruneExpire", "now")];
        match self.run_remote(&["gc", "--auto", "--quiet"], &config, &[]).await {
            Ok(output) if output.is_ok() => {}
            Ok(output) => {
                tracing::warn!(path = %self.folder.display(), error = output.stderr, "a mirror stays unpacked")
            }
            Err(error) => tracing::warn!(path = %self.folder.display(), %error, "a mirror stays unpacked"),
        }
    }

    /// What makes a call write its objects beside those of the server and see both. A mirror holds nothing but what the
    /// server gave: in a partial clone Git's upkeep takes our own commits for such as can be fetched again, and drops
    /// them (seen with 2.39).
    pub fn aside(&self) -> [(&'static str, OsString); 2] {
        [
            ("GIT_OBJECT_DIRECTORY", self.scratch(WRITTEN).into()),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.scratch("objects").into()),
        ]
    }

    /// Removes what was written before: what was pushed comes back with the next fetch.
    pub async fn forget_written(&self) -> Result<(), Failure> {
        let path = self.scratch(WRITTEN);
        let unusable = |e| Failure::unavailable("git-folder-unusable").arg("path", path.display()).cause(&e);
        remove(&path).await.map_err(unusable)?;
        tokio::fs::create_dir_all(&path).await.map_err(unusable)
    }

    /// A file of ours in the folder, which Git does not know.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

const FETCH: [&str; 5] = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"];

fn slot(branch: &Branch) -> String {
    format!("refs/naru/{}", Sha256::digest(branch.as_str())[0] % SLOTS)
}
