//! Steps that change apps: a commit, a change of an Application's spec, an image that is waited for, a sync that is seen
//! through until the app is healthy. Each reads before it writes, so that doing it twice is doing it once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use naru_argocd::application::{AppRef, Application, Info};
use naru_argocd::calls::apps::{Refresh, Sync};
use naru_argocd::judge::{Asked, Judged, judge};
use naru_argocd::resource::{Node, Patch};
use naru_argocd::status::{Health, ManagedResource};
use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_git::files::Files;
use naru_git::gitlab::pipeline::PipelineStatus;
use naru_git::name::{Branch, CommitId, FilePath};
use naru_git::person::Trailer;
use naru_git::repository::Repository;
use naru_git::repository::commit::Order;
use naru_operation::kind::{Outcome, Work};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::edit::{Digest, FileEdit};
use crate::estate::Estate;
use crate::overlay;
use crate::place::followed;
use crate::spec::SpecEdit;

/// How often what is under way is looked at: a fourth of the time that it has taken, within these. Most syncs end in
/// seconds, and of the others nobody minds a second.
const LOOK_SOONEST: Duration = Duration::from_millis(250);
const LOOK_LATEST: Duration = Duration::from_secs(2);
/// A pipeline takes minutes.
const LOOK_AT_PIPELINE: Duration = Duration::from_secs(10);
/// A job takes minutes as well.
const LOOK_AT_JOBS: Duration = Duration::from_secs(5);
/// Jobs that are named, of those that run.
const JOBS_SHOWN: usize = 5;
/// A pipeline that goes on when a person says so.
const PIPELINE_MANUAL: &str = "pipeline-manual";
/// The name under which an operation of Argo CD carries ours.
const MARK: &str = "naru";
/// The trailer by which a commit is found again.
const TRAILER: &str = "Naru-Operation";

/// A commit of several files to one branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The repository's address.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// Subject and body.
    pub message: String,
    /// What is to be otherwise.
    pub edits: Vec<FileEdit>,
}

/// A change of an Application's spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The Application.
    pub app: AppRef,
    /// Which of several sources.
    pub source: Option<usize>,
    /// What is to be otherwise there.
    pub edit: SpecEdit,
    /// A digest that is known once an image is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// An image that is to be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its name, with the registry.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// The GitLab project whose pipeline builds it.
    pub project: Option<String>,
    /// What it is built from.
    pub commit: String,
    /// The branch or tag whose pipeline builds it: others may have pipelines on the same commit.
    #[serde(default)]
    pub git_ref: Option<String>,
}

/// What runs in an app that has to end before it changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// The Application.
    pub app: AppRef,
}

/// A sync that is seen through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The Application.
    pub app: AppRef,
    /// The repository that the commit before it went to; none where nothing was committed.
    pub url: Option<String>,
    /// The image that is to run; none where that cannot be told.
    pub image: Option<String>,
    /// Its tag or digest.
    pub tag: String,
    /// What it is to follow, where that is what is deployed.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// What a tag stands for, where that is known: what runs by another digest is another image.
    #[serde(default)]
    pub digest: Option<String>,
    /// Whether it has jobs, which run by their old image until they run again.
    #[serde(default)]
    pub has_jobs: bool,
}

/// A revision that an Application is to follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// As its spec names it.
    pub name: String,
    /// What it was when it was asked for; none is whatever it is.
    pub commit: Option<String>,
}

/// The arguments of a step, those of one that takes back included.
pub fn args<T: for<'de> Deserialize<'de>>(work: &Work) -> Result<T, Failure> {
    let args = work.step.args.get("undo").unwrap_or(&work.step.args);
    serde_json::from_value(args.clone()).map_err(Failure::bug)
}

/// Makes a commit, or finds that it was made.
pub async fn commit(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let commit: Commit = commit_of(work)?;
    let repository = estate.repository(&commit.url)?;
    let order = order(estate, work, &commit, Branch::new(&commit.branch)?, None)?;
    let committed = repository.commit(&order, |files| wanted(&commit.edits, files)).await?;
    Ok(Outcome::Done { note: json!({ "commit": committed.commit().as_str() }) })
}

/// The commit that a step is to make, with the digests that are known by now.
pub(crate) fn commit_of(work: &Work) -> Result<Commit, Failure> {
    let mut commit: Commit = args(work)?;
    for edit in &mut commit.edits {
        let Some(coming) = &edit.digest else { continue };
        if let Some(digest) = found(work, coming) {
            edit.edit.put(&coming.key, digest);
        }
    }
    Ok(commit)
}

/// The digest of an image that was waited for.
fn found<'a>(work: &'a Work, coming: &Digest) -> Option<&'a str> {
    let note = work.needed.iter().find(|note| note["image"] == coming.image)?;
    note["digest"].as_str()
}

/// A commit as it is asked of the repository.
pub(crate) fn order(
    estate: &Estate,
    work: &Work,
    commit: &Commit,
    branch: Branch,
    start: Option<Branch>,
) -> Result<Order, Failure> {
    let Commit { message, edits, .. } = commit;
    let paths = edits.iter().map(|edit| FilePath::new(&edit.path)).collect::<Result<Vec<_>, _>>()?;
    let mut trailers = vec![Trailer::new("Requested-by", &work.actor)?];
    if !work.approved_by.is_empty() {
        trailers.push(Trailer::new("Approved-by", &work.approved_by)?);
    }
    Ok(Order {
        branch,
        start,
        paths,
        message: message.clone(),
        mark: Trailer::new(TRAILER, mark(work))?,
        trailers,
        author: estate.author(&work.actor)?,
        committer: estate.committer()?,
        at: estate.clock().now_ms(),
    })
}

/// The files that are to be otherwise.
pub(crate) fn wanted(edits: &[FileEdit], files: &Files) -> Result<Files, Failure> {
    let mut texts: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for FileEdit { path, edit, .. } in edits {
        let old = match texts.get(path.as_str()) {
            // An earlier edit of the same file.
            Some(text) => text.clone(),
            None => text_of(files, path)?,
        };
        texts.insert(path, edit.apply(path, old.as_deref())?);
    }
    let mut changed = Files::new();
    for (path, text) in texts {
        if text != text_of(files, path)? {
            changed.insert(FilePath::new(path)?, text.map(String::into_bytes));
        }
    }
    Ok(changed)
}

fn text_of(files: &Files, path: &str) -> Result<Option<String>, Failure> {
    let bytes = files.get(&FilePath::new(path)?).cloned().flatten();
    let wrong = |_| Failure::refused("yaml-unreadable").arg("path", path);
    bytes.map(|bytes| String::from_utf8(bytes).map_err(wrong)).transpose()
}

/// The texts of files at the head of a branch; none where there is no such file.
pub async fn read(
    estate: &Estate,
    repository: &Repository,
    branch: &Branch,
    paths: &BTreeSet<String>,
) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let head = estate.head(repository, branch).await?;
    let names = paths.iter().map(FilePath::new).collect::<Result<Vec<_>, _>>()?;
    let files = repository.read(&head, &names).await?;
    paths.iter().map(|path| Ok((path.clone(), text_of(&files, path)?))).collect()
}

/// Changes an Application's spec, which nobody else writes.
pub async fn spec(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let Spec { app, source, mut edit, digest } = args(work)?;
    if let Some((coming, digest)) = digest.as_ref().and_then(|coming| Some((coming, found(work, coming)?))) {
        edit.put(&coming.key, digest);
    }
    let live = estate.argocd()?.app(&app, Refresh::No).await?;
    let patch = match source {
        None => edit.patch(&live.spec["source"]).map(|patch| json!({ "spec": { "source": patch } })),
        // A merge patch would replace all sources.
        Some(place) => edit.patch(&live.spec["sources"][place]).map(|patch| {
            let mut sources = live.spec["sources"].clone();
            overlay::merge(&mut sources[place], &patch);
            json!({ "spec": { "sources": sources } })
        }),
    };
    if let Some(patch) = patch {
        estate.argocd()?.patch(&app, &Patch::Merge(patch)).await?;
    }
    Ok(Outcome::Done { note: Value::Null })
}

/// Waits until no Job of an Application runs any more.
pub async fn drain(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let Drain { app } = args(work)?;
    let tree = estate.argocd()?.tree(&app).await?;
    let runs = |node: &&Node| {
        let is_job = node.resource.kind == "Job" && node.resource.group == "batch";
        is_job && node.health.as_ref().is_some_and(|health| health.status == Health::Progressing)
    };
    let running: Vec<&str> = tree.nodes.iter().filter(runs).map(|node| node.resource.name.as_str()).collect();
    if running.is_empty() {
        return Ok(Outcome::Done { note: Value::Null });
    }
    let shown = running.iter().take(JOBS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    let why = Failure::unavailable("drain-runs").arg("app", &app.name).arg("count", running.len()).arg("jobs", shown);
    Ok(Outcome::NotYet { why, note: Value::Null, again: LOOK_AT_JOBS })
}

/// Waits until an image is there.
pub async fn image(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let image: Image = args(work)?;
    match look_at(estate, &image).await? {
        Found::There(digest) => Ok(Outcome::Done { note: json!({ "image": image.whole(), "digest": digest }) }),
        // Somebody has to press a button there.
        Found::Coming(why) if why.code == PIPELINE_MANUAL => {
            Ok(Outcome::WaitsForPerson { why, note: Value::Null, again: LOOK_AT_PIPELINE })
        }
        Found::Coming(why) => Ok(Outcome::NotYet { why, note: Value::Null, again: LOOK_AT_PIPELINE }),
    }
}

impl Image {
    /// Its name with its tag.
    pub fn whole(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

/// Where an image is.
pub enum Found {
    /// There, with its digest where the registry tells one.
    There(Option<String>),
    /// It is being built.
    Coming(Failure),
}

/// Looks for an image, and where it is not there for the pipeline that builds it. One that failed, or that ended without an
/// image, is a failure.
pub async fn look_at(estate: &Estate, image: &Image) -> Result<Found, Failure> {
    let registry = estate.registry(&image.name)?;
    if let Some((registry, name)) = &registry
        && let Some(digest) = registry.digest(name, &image.tag).await?
    {
        return Ok(Found::There(Some(digest.as_str().to_owned())));
    }
    let (Some(project), Some(gitlab)) = (&image.project, estate.gitlab()?) else {
        // Nobody can be asked: where there is no registry either, the image is taken to be there.
        return match registry {
            Some((registry, name)) => Err(registry.tag_absent(&name, &image.tag)),
            None => Ok(Found::There(None)),
        };
    };
    let told = |failure: Failure, url: &str| {
        failure.arg("project", project).arg("commit", &image.commit[..12.min(image.commit.len())]).arg("url", url)
    };
    let commit = CommitId::new(&image.commit)?;
    let pipeline = match &image.git_ref {
        Some(git_ref) => gitlab.pipeline(project, &commit, Some(git_ref)).await?,
        None => None,
    };
    let pipeline = match pipeline {
        Some(pipeline) => Some(pipeline),
        None => gitlab.pipeline(project, &commit, None).await?,
    };
    match pipeline {
        Some(pipeline) => match pipeline.status {
            PipelineStatus::Success | PipelineStatus::Skipped => match registry {
                // It may have been pushed since it was asked for.
                Some((registry, name)) => match registry.digest(&name, &image.tag).await? {
                    Some(digest) => Ok(Found::There(Some(digest.as_str().to_owned()))),
                    None => Err(registry.tag_absent(&name, &image.tag)),
                },
                None => Ok(Found::There(None)),
            },
            PipelineStatus::Failed | PipelineStatus::Canceled => {
                Err(told(Failure::refused("pipeline-failed"), &pipeline.web_url))
            }
            PipelineStatus::Manual => Ok(Found::Coming(told(Failure::unavailable(PIPELINE_MANUAL), &pipeline.web_url))),
            PipelineStatus::Running => {
                Ok(Found::Coming(told(Failure::unavailable("pipeline-running"), &pipeline.web_url)))
            }
        },
        None => match registry {
            Some((registry, name)) => Err(registry.tag_absent(&name, &image.tag)),
            None => Ok(Found::There(None)),
        },
    }
}

/// Sees that an image is there by its digest; where there is no registry to be asked it is taken to be.
pub async fn find_digest(estate: &Estate, image: &str, digest: &str) -> Result<(), Failure> {
    let Some((registry, name)) = estate.registry(image)? else { return Ok(()) };
    match registry.digest(&name, digest).await? {
        Some(_) => Ok(()),
        None => Err(registry.tag_absent(&name, digest)),
    }
}

/// Syncs an Application and sees it through: no operation runs, what was committed is synced, the image runs, it is healthy.
pub async fn rollout(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let rollout: Rollout = args(work)?;
    let argocd = estate.argocd()?;
    let commit = work.needed.iter().find_map(|note| note["commit"].as_str());
    let asked_at = work.note["asked_at"].as_i64();
    let refresh = if work.note.is_null() || work.note["behind"] == true { Refresh::Normal } else { Refresh::No };
    let live = argocd.app(&rollout.app, refresh).await?;
    let not_yet = |code: Failure, note: Value| {
        let why = code.arg("app", &rollout.app.name);
        Ok(Outcome::NotYet { why, note, again: look_again(estate, asked_at) })
    };
    let followed = followed(&live);
    let now = followed.as_ref().map_or("", |followed| followed.revision);
    if let Some(wanted) = rollout.revision.as_ref().filter(|wanted| wanted.name != now) {
        let why = Failure::unavailable("rollout-revision").arg("revision", &wanted.name);
        return not_yet(why, json!({ "asked_at": asked_at, "behind": true }));
    }
    let (commit, url) = match (&rollout.revision, &followed) {
        (Some(wanted), Some(followed)) => (wanted.commit.as_deref(), Some(followed.url)),
        _ => (commit, rollout.url.as_deref()),
    };
    if let (Some(commit), Some(url)) = (commit, url)
        && !has_commit(estate, url, commit, &live).await?
    {
        let note = json!({ "asked_at": asked_at, "behind": true });
        return not_yet(Failure::unavailable("rollout-behind").arg("commit", &commit[..12.min(commit.len())]), note);
    }
    let mark = Info::new(MARK, mark(work));
    // Asked for, and killed before that was noted: what Argo CD carries out has our mark.
    let carried = live.status.operation_state.as_ref().map(|state| &state.operation).into_iter().chain(&live.operation);
    let was_asked = carried.into_iter().any(|operation| operation.info.contains(&mark));
    let asked_at = asked_at.or(was_asked.then_some(0));
    let note = json!({ "asked_at": asked_at });
    if let Some(at) = asked_at {
        match judge(&live, &Asked { at, mark: Some(mark.clone()), revisions: Vec::new() }) {
            Judged::Running { message } => {
                return not_yet(Failure::unavailable("rollout-syncing").cause_text(message), note);
            }
            Judged::Failed { phase, message } => {
                let failure = Failure::refused("rollout-failed").arg("app", &rollout.app.name);
                return Err(failure.arg("phase", format!("{phase:?}")).cause_text(message));
            }
            Judged::Overtaken | Judged::Elsewhere { .. } | Judged::Synced { .. } => {}
        }
    }
    let runs =
        live.operation.is_some() || live.status.operation_state.as_ref().is_some_and(|it| !it.phase.is_terminal());
    if runs {
        return not_yet(Failure::unavailable("rollout-other"), note);
    }
    // Asked for once even where Argo CD was faster by itself: its history then names whoever wanted it. And once alone,
    // since hooks run with each: what Argo CD says after a sync may be what it compared before.
    if asked_at.is_none() {
        return ask(estate, work, &rollout, mark).await;
    }
    if !is_synced(&live) {
        let note = json!({ "asked_at": asked_at, "behind": true });
        return not_yet(Failure::unavailable("rollout-out-of-sync"), note);
    }
    if !rollout.with_digest(work).runs_image(&live) {
        return not_yet(Failure::unavailable("rollout-image").arg("tag", &rollout.tag), note);
    }
    let message = live.status.health.message.clone();
    match live.status.health.status {
        Health::Healthy => {
            Ok(Outcome::Done { note: json!({ "revision": live.revisions(), "images": live.status.summary.images }) })
        }
        Health::Suspended => {
            let why = Failure::unavailable("rollout-suspended").arg("app", &rollout.app.name).cause_text(message);
            Ok(Outcome::WaitsForPerson { why, note, again: look_again(estate, asked_at) })
        }
        Health::Degraded => not_yet(Failure::unavailable("rollout-degraded").cause_text(message), note),
        Health::Progressing | Health::Missing | Health::Unknown => {
            not_yet(Failure::unavailable("rollout-progressing").cause_text(message), note)
        }
    }
}

/// Whether everything is as Git says, but for what is left over of before: nothing is pruned unasked.
fn is_synced(live: &Application) -> bool {
    let left = |it: &&ManagedResource| it.status == "OutOfSync" && !it.requires_pruning;
    let is_left_over = || !live.status.resources.is_empty() && !live.status.resources.iter().any(|it| left(&it));
    live.status.sync.status == "Synced" || live.status.sync.status == "OutOfSync" && is_left_over()
}

/// When to look at a sync again that was asked for at a time.
fn look_again(estate: &Estate, asked_at: Option<Millis>) -> Duration {
    // Not yet: what Argo CD reads anew each time.
    let Some(at) = asked_at else { return LOOK_LATEST / 2 };
    let taken = Duration::from_millis(u64::try_from(estate.clock().now_ms() - at).unwrap_or(0));
    (taken / 4).clamp(LOOK_SOONEST, LOOK_LATEST)
}

async fn ask(estate: &Estate, work: &Work, rollout: &Rollout, mark: Info) -> Result<Outcome, Failure> {
    let at: Millis = estate.clock().now_ms();
    let mut infos = vec![mark, Info::new("by", &work.actor)];
    if !work.approved_by.is_empty() {
        infos.push(Info::new("approved by", &work.approved_by));
    }
    let sync = Sync { infos, ..Sync::default() };
    let why = |code: &str| Failure::new(Kind::Unavailable, code).arg("app", &rollout.app.name);
    match estate.argocd()?.sync(&rollout.app, &sync).await {
        Ok(_) => {
            Ok(Outcome::NotYet { why: why("rollout-syncing"), note: json!({ "asked_at": at }), again: LOOK_SOONEST })
        }
        Err(failure) if failure.code == "argocd-operation-running" => {
            Ok(Outcome::NotYet { why: why("rollout-other"), note: work.note.clone(), again: LOOK_LATEST })
        }
        // It was open when the deploy was planned, and opens again.
        Err(failure) if failure.code == "argocd-window-blocks" => {
            Ok(Outcome::NotYet { why: why("rollout-window"), note: work.note.clone(), again: LOOK_AT_PIPELINE })
        }
        Err(failure) => Err(failure),
    }
}

/// What Argo CD compares with is the commit, or descends from it.
async fn has_commit(estate: &Estate, url: &str, commit: &str, live: &Application) -> Result<bool, Failure> {
    let wanted = CommitId::new(commit)?;
    let repository = estate.repository(url)?;
    for revision in live.revisions() {
        if revision == commit {
            return Ok(true);
        }
        let Ok(found) = CommitId::new(revision) else { continue };
        match repository.is_ancestor(&wanted, &found).await {
            Ok(true) => return Ok(true),
            Err(failure) if failure.kind == Kind::Unavailable => return Err(failure),
            // A revision of another source is no commit of this repository.
            Ok(false) | Err(_) => {}
        }
    }
    Ok(false)
}

impl Rollout {
    /// Whether the wanted revision is followed, and the wanted image is among those that run.
    pub fn runs(&self, live: &Application) -> bool {
        let follows = |wanted: &Revision| {
            let is_named = followed(live).is_some_and(|followed| followed.revision == wanted.name);
            is_named && wanted.commit.as_ref().is_none_or(|commit| live.revisions().contains(&commit.as_str()))
        };
        self.revision.as_ref().is_none_or(follows) && self.runs_image(live)
    }

    /// Whether the wanted image is among those that run. Argo CD tells the images of pods alone: where no pod has one of
    /// this name, nothing runs that could be another.
    fn runs_image(&self, live: &Application) -> bool {
        let Some(name) = &self.image else { return true };
        let versions = || live.status.summary.images.iter().filter_map(|image| version(image, name));
        let is_it = |version: &str| {
            let (tag, digest) = version.split_once('@').map_or((version, None), |(tag, digest)| (tag, Some(digest)));
            let by_tag = tag.strip_prefix(':') == Some(self.tag.as_str());
            // Told by both, it is both; where the digest is not known the tag alone says it.
            let by_digest = digest.is_none_or(|digest| self.digest.as_deref().is_none_or(|wanted| wanted == digest));
            let by_digest_alone = tag.is_empty() && digest.is_some() && digest == self.digest.as_deref();
            digest == Some(self.tag.as_str()) || by_digest_alone || by_tag && by_digest
        };
        // What a job ran by stays listed until it runs again.
        self.has_jobs || versions().next().is_none() || versions().any(is_it)
    }

    /// With the digest that was found once the image was there.
    fn with_digest(&self, work: &Work) -> Rollout {
        let image = self.image.as_ref().map(|name| format!("{name}:{}", self.tag));
        let note = work.needed.iter().find(|note| image.is_some() && note["image"].as_str() == image.as_deref());
        let found = note.and_then(|note| note["digest"].as_str()).map(str::to_owned);
        Rollout { digest: self.digest.clone().or(found), ..self.clone() }
    }
}

/// What stands behind the name of an image, where it is of that name: `:TAG`, `@DIGEST`, or both.
fn version<'a>(image: &'a str, name: &str) -> Option<&'a str> {
    image.strip_prefix(name).filter(|rest| rest.starts_with([':', '@']))
}

/// The tag or digest of `image` that runs, where one does.
pub fn running_tag<'a>(live: &'a Application, image: &str) -> Option<&'a str> {
    let rest = live.status.summary.images.iter().find_map(|it| version(it, image))?;
    rest.strip_prefix(':').or(rest.strip_prefix('@')).map(|tag| tag.split('@').next().unwrap_or(tag))
}

/// What names a step for ever: nobody else's has it.
fn mark(work: &Work) -> String {
    format!("{}/{}", work.operation, work.number)
}
