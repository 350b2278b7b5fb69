//! From a release to a plan: what is written, in which order, and what is seen through.

mod back;
mod files;
mod look;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use naru_core::failure::Failure;
use naru_estate::edit::FileEdit;
use naru_estate::estate::Estate;
use naru_estate::step::{Commit, Drain, Revision, Rollout};
use naru_estate::{merge, release};
use naru_operation::plan::{Plan, Step, Target, Undo};
use serde::Serialize;
use serde_json::Value;

pub use self::back::back;
use self::files::Files;
use self::look::{Looked, Seen, Write, look, see};
use crate::release::{Release, Wanted};

/// Apps that are looked at at once.
const LOOKED_AT_ONCE: usize = 16;
/// How long a pipeline may take that builds an image.
const IMAGE_DEADLINE_S: u64 = 3_600;
/// How long a write may take: a branch that moves is tried again.
const WRITE_DEADLINE_S: u64 = 300;
/// How long what runs in a batch app may take to end.
const DRAIN_DEADLINE_S: u64 = 12 * 3_600;
/// How long a person may take to merge.
const MERGE_DEADLINE_S: u64 = 7 * 24 * 3_600;
/// Digits of a commit that people are shown.
const SHORT: usize = 8;

/// Steps by app that come before anything of it is written.
type Ready<'a> = BTreeMap<&'a str, Vec<usize>>;

/// Repositories and branches that only a merge request changes.
type Guarded = BTreeSet<(String, String)>;

/// An app of a commit: what is to be otherwise in its file, and what takes that back.
type Change<'a> = (&'a Looked, &'a FileEdit, &'a FileEdit);

/// Plans a release.
pub async fn plan(estate: &Estate, request: Release) -> Result<Plan, Failure> {
    let catalogue = estate.catalogue().await?;
    let names: Vec<String> = request.apps.iter().map(|wanted| wanted.app.clone()).collect();
    let needs = |app: &str| catalogue.app.get(app).map(|app| app.needs.clone()).unwrap_or_default();
    let waves = release::waves(&names, needs)?;
    let seen: Vec<_> = request.apps.iter().cloned().map(|wanted| see(estate, &catalogue, wanted)).collect();
    let seen: Vec<Seen> = all(seen).await?;
    let files = Files::read(estate, seen.iter().map(|seen| &seen.way)).await?;
    let looked: Vec<_> = seen.into_iter().map(|seen| look(estate, seen, &files)).collect();
    let looked: Vec<Looked> = all(looked).await?;
    let mut by_app: BTreeMap<&str, &Looked> = BTreeMap::new();
    for it in &looked {
        by_app.insert(&it.wanted.app, it);
    }
    let guarded = guarded(estate, &looked).await?;
    let mut steps = Vec::new();
    // What a wave writes waits for what the waves before it rolled out.
    let mut before: Vec<usize> = Vec::new();
    for wave in &waves {
        let of_wave: Vec<&Looked> = wave.iter().filter_map(|app| by_app.get(app.as_str()).copied()).collect();
        let rollouts = add_wave(&mut steps, &of_wave, &before, &guarded)?;
        before.extend(rollouts);
    }
    let title = title(&request);
    let target =
        |wanted: &Wanted| Target { name: wanted.target(), scopes: vec![wanted.app.clone(), wanted.env.clone()] };
    let notes = looked.iter().flat_map(notes).collect();
    Ok(Plan { title, targets: request.apps.iter().map(target).collect(), steps, notes })
}

/// Some at once, in their order.
async fn all<T>(of: Vec<impl Future<Output = Result<T, Failure>>>) -> Result<Vec<T>, Failure> {
    let ended: Vec<Result<T, Failure>> = futures_util::stream::iter(of).buffered(LOOKED_AT_ONCE).collect().await;
    ended.into_iter().collect()
}

/// The branches of a release that people guard: each is asked for once.
async fn guarded(estate: &Estate, looked: &[Looked]) -> Result<Guarded, Failure> {
    let mut found = Guarded::new();
    let of = |it: &Looked| match &it.write {
        Some(Write::File { url, branch, .. }) => Some((url.clone(), branch.clone())),
        _ => None,
    };
    for (url, branch) in looked.iter().filter_map(of).collect::<BTreeSet<_>>() {
        if merge::is_guarded(estate, &url, &branch).await? {
            found.insert((url, branch));
        }
    }
    Ok(found)
}

/// What is to be known before it is done: a pin that somebody else writes over, a tag that is another image by now.
fn notes(of: &Looked) -> impl Iterator<Item = Failure> {
    let of_app = |code: &str| Failure::conflict(code).arg("app", &of.wanted.app).arg("env", &of.wanted.env);
    let not_held = of.written_by.filter(|_| of.wanted.pin).map(|by| of_app("pin-not-held").arg("by", by));
    let moved = of.has_moved.then(|| of_app("rollback-tag-moved").arg("tag", &of.tag));
    not_held.into_iter().chain(moved)
}

/// `web api@staging feature/cart`
fn title(request: &Release) -> String {
    let apps = request.apps.iter().map(|wanted| wanted.app.as_str()).collect::<Vec<_>>().join(" ");
    let (env, git_ref) = request.apps.first().map_or(("", ""), |wanted| (wanted.env.as_str(), wanted.git_ref.as_str()));
    format!("{apps} → {env} ({git_ref})")
}

/// Adds the steps of one wave; answers its rollouts.
fn add_wave(
    steps: &mut Vec<Step>,
    wave: &[&Looked],
    before: &[usize],
    guarded: &Guarded,
) -> Result<Vec<usize>, Failure> {
    let mut ready: Ready = BTreeMap::new();
    for it in wave.iter().filter(|it| it.is_batch && (it.write.is_some() || !it.is_there)) {
        ready.entry(&it.wanted.app).or_default().push(steps.len());
        steps.push(Step {
            verb: "drain".to_owned(),
            subject: it.wanted.target(),
            needs: before.to_vec(),
            deadline_s: DRAIN_DEADLINE_S,
            args: json(&Drain { app: it.rollout.app.clone() })?,
            ..Step::default()
        });
    }
    for it in wave {
        let Some(image) = &it.coming else { continue };
        ready.entry(&it.wanted.app).or_default().push(steps.len());
        // Building it waits for nobody.
        steps.push(Step {
            verb: "image".to_owned(),
            subject: it.wanted.app.clone(),
            before: String::new(),
            after: it.tag.clone(),
            deadline_s: IMAGE_DEADLINE_S,
            args: json(image)?,
            ..Step::default()
        });
    }
    let written = add_writes(steps, wave, &ready, before, guarded)?;
    let mut rollouts = Vec::new();
    for it in wave {
        let write = written.get(it.wanted.app.as_str());
        if it.is_there && write.is_none() {
            continue;
        }
        let first = ready.get(it.wanted.app.as_str()).into_iter().flatten();
        let mut needs: Vec<usize> = write.into_iter().chain(first).copied().collect();
        needs.extend(before);
        let revision = it.rollout.revision.as_ref().map(|_| Revision { name: it.was.clone(), commit: None });
        // What nobody wrote and nothing ran cannot run again.
        let image = it.rollout.image.clone().filter(|_| !it.was.is_empty());
        let was = Rollout { tag: it.was.clone(), digest: None, image, revision, ..it.rollout.clone() };
        rollouts.push(steps.len());
        steps.push(Step {
            verb: "rollout".to_owned(),
            subject: it.wanted.target(),
            before: it.was.clone(),
            after: it.tag.clone(),
            needs,
            deadline_s: it.deadline_s,
            args: json(&it.rollout)?,
            undo: Some(Undo { verb: "rollout".to_owned(), args: json(&was)? }),
        });
    }
    Ok(rollouts)
}

/// One commit for each repository and branch, and one patch for each Application that nobody owns.
fn add_writes<'a>(
    steps: &mut Vec<Step>,
    wave: &[&'a Looked],
    ready: &Ready,
    before: &[usize],
    guarded: &Guarded,
) -> Result<BTreeMap<&'a str, usize>, Failure> {
    let mut commits: BTreeMap<(&str, &str), Vec<Change>> = BTreeMap::new();
    let mut written = BTreeMap::new();
    let needs = |apps: &[&Looked]| {
        let of_apps = apps.iter().filter_map(|it| ready.get(it.wanted.app.as_str())).flatten().copied();
        of_apps.chain(before.iter().copied()).collect::<Vec<usize>>()
    };
    for it in wave {
        match &it.write {
            Some(Write::File { url, branch, edit, back }) => {
                commits.entry((url, branch)).or_default().push((it, edit, back));
            }
            Some(Write::Spec { spec, back }) => {
                written.insert(it.wanted.app.as_str(), steps.len());
                steps.push(Step {
                    verb: "spec".to_owned(),
                    subject: it.wanted.target(),
                    before: it.was.clone(),
                    after: it.tag.clone(),
                    needs: needs(&[it]),
                    deadline_s: WRITE_DEADLINE_S,
                    args: json(spec)?,
                    undo: Some(Undo { verb: "spec".to_owned(), args: json(back)? }),
                });
            }
            None => {}
        }
    }
    for ((url, branch), changes) in commits {
        let apps: Vec<&Looked> = changes.iter().map(|(it, ..)| *it).collect();
        for it in &apps {
            written.insert(it.wanted.app.as_str(), steps.len());
        }
        let told = |tag: fn(&Looked) -> &str| {
            apps.iter().map(|it| format!("{} {}", it.wanted.app, tag(it))).collect::<Vec<_>>().join(", ")
        };
        let commit = |message: String, edits: Vec<FileEdit>| Commit {
            url: url.to_owned(),
            branch: branch.to_owned(),
            message,
            edits,
        };
        let forward = changes.iter().map(|(_, edit, _)| (*edit).clone()).collect();
        let backward = changes.iter().map(|(.., back)| (*back).clone()).collect();
        let is_guarded = guarded.contains(&(url.to_owned(), branch.to_owned()));
        let verb = if is_guarded { "merge" } else { "commit" };
        steps.push(Step {
            verb: verb.to_owned(),
            subject: format!("{} {branch}: {}", name_of(url), files(&changes)),
            before: told(|it| &it.was),
            after: told(|it| &it.tag),
            needs: needs(&apps),
            deadline_s: if is_guarded { MERGE_DEADLINE_S } else { WRITE_DEADLINE_S },
            args: json(&commit(message(&apps, false), forward))?,
            undo: Some(Undo { verb: verb.to_owned(), args: json(&commit(message(&apps, true), backward))? }),
        });
    }
    Ok(written)
}

fn message(apps: &[&Looked], back: bool) -> String {
    let subject = match apps {
        [one] => format!("{} to {}", one.wanted.app, one.wanted.env),
        [first, ..] => format!("{} apps to {}", apps.len(), first.wanted.env),
        [] => String::new(),
    };
    let lines = apps.iter().map(|it| {
        let commit = it.wanted.commit.get(..SHORT).unwrap_or(&it.wanted.commit);
        match back {
            true => format!("{}: back to {}", it.wanted.app, it.was),
            false => format!("{}: {} ({} at {commit})", it.wanted.app, it.tag, it.wanted.git_ref),
        }
    });
    let what = if back { "Take back" } else { "Deploy" };
    format!("{what} {subject}\n\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The first file of a commit by its path, and how many more there are.
fn files(changes: &[Change]) -> String {
    let paths: BTreeSet<&str> = changes.iter().map(|(_, edit, _)| edit.path.as_str()).collect();
    let first = paths.first().copied().unwrap_or_default();
    match paths.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} +{}", more - 1),
    }
}

/// The last part of a repository's address.
fn name_of(url: &str) -> &str {
    let path = url.trim_end_matches('/').trim_end_matches(".git");
    path.rsplit(['/', ':']).next().unwrap_or(path)
}

fn json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::bug)
}
