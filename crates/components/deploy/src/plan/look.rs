//! An app of a release, looked at: how it runs, what is to be written, whether its image is there.

use naru_argocd::application::Application;
use naru_argocd::calls::apps::Refresh;
use naru_core::failure::Failure;
use naru_estate::catalogue::{App, Catalogue, Place, Write as Wherever};
use naru_estate::edit::{Digest, Edit, FileEdit};
use naru_estate::estate::Estate;
use naru_estate::place::{Way, followed, is_kustomized, reference, way, written_by};
use naru_estate::spec::SpecEdit;
use naru_estate::step::{self, Found, Image, Revision, Rollout, Spec};
use serde_json::Value;

use super::files::Files;
use crate::release::Wanted;

/// An app of a release, looked at.
pub(super) struct Looked {
    pub(super) wanted: Wanted,
    pub(super) deadline_s: u64,
    /// The tag of its image.
    pub(super) tag: String,
    /// What it ran by: the tag that is written now; empty where none is.
    pub(super) was: String,
    /// The image, where it is still being built.
    pub(super) coming: Option<Image>,
    /// The write; none where it is written so already.
    pub(super) write: Option<Write>,
    pub(super) rollout: Rollout,
    /// Whether it runs as it is wanted.
    pub(super) is_there: bool,
    /// Whether what runs in it has to end before.
    pub(super) is_batch: bool,
    /// What else writes what it runs by.
    pub(super) written_by: Option<&'static str>,
    /// Whether its tag stands for another image than when it ran before, and nothing but the tag can be written.
    pub(super) has_moved: bool,
}

/// A change that is to be written.
pub(super) enum Write {
    File { url: String, branch: String, edit: FileEdit, back: FileEdit },
    Spec { spec: Spec, back: Spec },
}
/// An app of a release as Argo CD and the registry have it.
pub(super) struct Seen<'a> {
    wanted: Wanted,
    app: &'a App,
    place: &'a Place,
    live: Application,
    /// The tag of its image.
    tag: String,
    digest: Option<String>,
    coming: Option<Image>,
    /// Where a change is written.
    pub(super) way: Way,
}

/// Looks at one, but for the files that it is written in.
pub(super) async fn see<'a>(estate: &Estate, catalogue: &'a Catalogue, wanted: Wanted) -> Result<Seen<'a>, Failure> {
    let (app, place) = catalogue.place(&wanted.app, &wanted.env)?;
    let live = estate.argocd()?.app(&reference(place), Refresh::No).await?;
    let tag = wanted.image_tag.clone().unwrap_or_default();
    let (coming, digest) = look_for_image(estate, app, &wanted, &tag).await?;
    let way = way(&wanted.app, app, place, &live, &estate.config().tracking_label)?;
    Ok(Seen { wanted, app, place, live, tag, digest, coming, way })
}

/// Finds out what is to be done about one.
pub(super) async fn look(estate: &Estate, seen: Seen<'_>, files: &Files) -> Result<Looked, Failure> {
    let place = seen.place;
    let looked = match seen.app.write {
        Some(Wherever::Revision) => follow(seen, files)?,
        _ => image(seen, files)?,
    };
    if looked.write.is_some() || !looked.is_there {
        pass_windows(estate, place, &looked.wanted).await?;
    }
    Ok(looked)
}

/// An app that is deployed by the image that it runs.
fn image(seen: Seen, files: &Files) -> Result<Looked, Failure> {
    let (write, was, url) = written(&seen, files)?;
    let Seen { wanted, app, place, live, tag, digest, coming, .. } = seen;
    // What nobody has written yet is what runs.
    let running = app.image.as_deref().and_then(|image| step::running_tag(&live, image)).unwrap_or_default();
    let was = if was.is_empty() { running.to_owned() } else { was };
    let rollout = Rollout {
        app: reference(place),
        url,
        image: app.image.clone(),
        tag: tag.clone(),
        revision: None,
        digest,
        has_jobs: app.batch,
    };
    let is_there = rollout.runs(&live) && live.status.sync.status == "Synced" && coming.is_none();
    let written_by = written_by(app, &live);
    let has_moved = wanted.digest.is_some() && rollout.digest.is_some() && wanted.digest != rollout.digest;
    let (deadline_s, is_batch) = (app.deadline_s, app.batch);
    Ok(Looked { wanted, deadline_s, tag, was, coming, write, rollout, is_there, is_batch, written_by, has_moved })
}

/// An app that is deployed by the revision that its Application follows.
fn follow(seen: Seen, files: &Files) -> Result<Looked, Failure> {
    let Seen { wanted, app, place, live, coming, way, .. } = seen;
    let name = wanted.revision().to_owned();
    let now = followed(&live).map_or("", |followed| followed.revision).to_owned();
    let (write, was) = match way {
        Way::Spec { source } => {
            let edit = SpecEdit::Revision(name.clone());
            (write_spec(place, source, edit, None, source_of(&live, source)), now)
        }
        Way::File { url, branch, path, .. } => {
            let (branch, old) = files.get(&url, branch.as_deref(), &path)?;
            let edit = Edit::Values(vec![(app.revision_key.clone(), name.clone())]);
            let was = edit.current(old, &app.revision_key)?.unwrap_or(now);
            let back = FileEdit { path: path.clone(), edit: edit.back(old)?, digest: None };
            let is_written = edit.apply(&path, old)?.as_deref() == old;
            let edit = FileEdit { path, edit, digest: None };
            let branch = branch.as_str().to_owned();
            (if is_written { None } else { Some(Write::File { url, branch, edit, back }) }, was)
        }
    };
    let revision = Some(Revision { name: name.clone(), commit: Some(wanted.commit.clone()) });
    let rollout = Rollout {
        app: reference(place),
        url: None,
        image: None,
        tag: name.clone(),
        revision,
        digest: None,
        has_jobs: app.batch,
    };
    let is_there = rollout.runs(&live) && live.status.sync.status == "Synced" && coming.is_none();
    let (deadline_s, is_batch) = (app.deadline_s, app.batch);
    let (tag, written_by, has_moved) = (name, None, false);
    Ok(Looked { wanted, deadline_s, tag, was, coming, write, rollout, is_there, is_batch, written_by, has_moved })
}

/// Refuses an app that Argo CD would not sync now: what is written would wait there, half done.
async fn pass_windows(estate: &Estate, place: &Place, wanted: &Wanted) -> Result<(), Failure> {
    let state = estate.argocd()?.sync_windows(&reference(place)).await?;
    if state.can_sync {
        return Ok(());
    }
    let open = if state.active_windows.is_empty() { &state.assigned_windows } else { &state.active_windows };
    let windows = open.iter().map(|it| format!("{} {} {}", it.kind, it.schedule, it.duration)).collect::<Vec<_>>();
    let refused = Failure::refused("deploy-window").arg("app", &wanted.app).arg("env", &wanted.env);
    Err(refused.arg("windows", windows.join("; ")))
}

async fn look_for_image(
    estate: &Estate,
    app: &App,
    wanted: &Wanted,
    tag: &str,
) -> Result<(Option<Image>, Option<String>), Failure> {
    let Some(name) = &app.image else { return Ok((None, None)) };
    // What ran before runs again by its digest, whatever its tag stands for by now.
    if let (Some(digest), Some(_)) = (&wanted.digest, &app.digest_key) {
        step::find_digest(estate, name, digest).await.map_err(|failure| failure.arg("app", &wanted.app))?;
        return Ok((None, Some(digest.clone())));
    }
    let project = app.repository.as_deref().and_then(|url| estate.gitlab_project(url));
    let git_ref = wanted.branch.clone().or_else(|| wanted.tag.clone());
    let image = Image { name: name.clone(), tag: tag.to_owned(), project, commit: wanted.commit.clone(), git_ref };
    Ok(match step::look_at(estate, &image).await.map_err(|failure| failure.arg("app", &wanted.app))? {
        Found::There(digest) => (None, digest),
        Found::Coming(_) => (Some(image), None),
    })
}

/// What is to be written, what stands there now, and the repository that it goes to.
fn written(seen: &Seen, files: &Files) -> Result<(Option<Write>, String, Option<String>), Failure> {
    let Seen { app, place, live, tag, digest, coming, way, .. } = seen;
    let mut values = vec![(app.image_key.clone(), Some(tag.clone()))];
    // A digest that is not known yet is taken away: beside the new tag an old one would win.
    values.extend(app.digest_key.clone().map(|key| (key, digest.clone())));
    let coming = app.digest_key.clone().zip(coming.as_ref()).map(|(key, image)| Digest { key, image: image.whole() });
    match way {
        Way::File { url, branch, path, edit } => {
            let (branch, old) = files.get(url, branch.as_deref(), path)?;
            let edit = with(edit.clone(), app, values);
            let was = edit.current(old, &app.image_key)?.unwrap_or_default();
            let is_written = edit.apply(path, old)?.as_deref() == old;
            let back = FileEdit { path: path.clone(), edit: edit.back(old)?, digest: None };
            let edit = FileEdit { path: path.clone(), edit, digest: coming };
            let write =
                (!is_written).then(|| Write::File { url: url.clone(), branch: branch.as_str().to_owned(), edit, back });
            Ok((write, was, Some(url.clone())))
        }
        Way::Spec { source } => {
            let now = source_of(live, *source);
            let edit = match &app.image {
                Some(name) if is_kustomized(live, now) => {
                    SpecEdit::Image { name: name.clone(), wanted: Some(format!("{name}:{tag}")) }
                }
                _ => SpecEdit::Parameters(values),
            };
            let was = edit.current(now, &app.image_key);
            Ok((write_spec(place, *source, edit, coming, now), was, None))
        }
    }
}

/// The source of an Application that is written.
fn source_of(live: &Application, place: Option<usize>) -> &Value {
    match place {
        None => &live.spec["source"],
        Some(place) => &live.spec["sources"][place],
    }
}

/// The write of a spec; none where it is written so already.
fn write_spec(
    place: &Place,
    source: Option<usize>,
    edit: SpecEdit,
    coming: Option<Digest>,
    now: &Value,
) -> Option<Write> {
    edit.patch(now)?;
    let spec = |edit: SpecEdit, digest| Spec { app: reference(place), source, edit, digest };
    Some(Write::Spec { back: spec(edit.back(now), None), spec: spec(edit, coming) })
}

/// The edit with the values that are wanted.
fn with(edit: Edit, app: &App, values: Vec<(String, Option<String>)>) -> Edit {
    match edit {
        Edit::Parameters { source, .. } => Edit::Parameters { source, parameters: values },
        Edit::Image { source, name, .. } => {
            let tag = values.into_iter().next().and_then(|(_, tag)| tag).unwrap_or_default();
            let image = app.image.as_deref().unwrap_or(&name);
            let wanted = if image == name { format!("{image}:{tag}") } else { format!("{name}={image}:{tag}") };
            Edit::Image { source, name, wanted: Some(wanted) }
        }
        Edit::Values(_) => {
            Edit::Values(values.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
        }
    }
}
