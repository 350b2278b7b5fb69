//! Pins: an app that runs something else than the branch it follows, until somebody takes that away.
//!
//! A pin is not stored: it is the last release that is done, where that was asked for as one. So a release of the app's own
//! branch ends it, as does taking it back, and there is nothing that could stand against what runs. It has an owner and an
//! end, but nothing changes by itself when that comes: the owner is asked.

use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_estate::catalogue::Place;
use naru_estate::estate::Estate;
use naru_git::name::CommitId;
use naru_operation::operation::Brief;
use naru_operation::reminder::{self, Press, Reminder};
use naru_store::Store;
use serde::Serialize;
use serde_json::json;

use crate::release::{Release, Wanted};
use crate::{Config, past};

const DAY_MS: Millis = 86_400_000;
/// Commits that a pin hides are counted up to here.
pub const HIDDEN_MAX: usize = 99;

/// A pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// `web@staging`
    pub target: String,
    /// What was typed.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// What runs.
    pub commit: String,
    /// Who asked for it.
    pub owner: String,
    /// Since when.
    pub since: Millis,
    /// When its owner is asked whether it is still needed.
    pub until: Millis,
    /// The operation that it is.
    pub operation: Id,
}

/// The pin on a target, where there is one.
pub async fn of(store: &Store, target: &str, config: &Config) -> Result<Option<Pin>, Failure> {
    let last = past::last(store, target).await?;
    Ok(last.and_then(|(wanted, brief)| pin(&wanted, &brief, config)))
}

/// What a release puts in the place of pins, as a plan tells it.
pub async fn replaced(store: &Store, release: &Release, config: &Config) -> Result<Vec<Failure>, Failure> {
    let mut notes = Vec::new();
    let all = past::all(store).await?;
    for wanted in &release.apps {
        let last = all.get(&wanted.target());
        let Some(pin) = last.and_then(|(wanted, brief)| pin(wanted, brief, config)) else { continue };
        if pin.commit != wanted.commit {
            let note = Failure::conflict("pin-replaced").arg("target", &pin.target).arg("owner", &pin.owner);
            notes.push(note.arg("ref", &pin.git_ref));
        }
    }
    Ok(notes)
}

/// The pin that a release is, where it is one.
pub fn pin(wanted: &Wanted, brief: &Brief, config: &Config) -> Option<Pin> {
    let since = brief.ended_at.unwrap_or(brief.created_at);
    wanted.pin.then(|| Pin {
        target: wanted.target(),
        git_ref: wanted.git_ref.clone(),
        commit: wanted.commit.clone(),
        owner: brief.actor.clone(),
        since,
        until: since + Millis::from(config.pin_days) * DAY_MS,
        operation: brief.id,
    })
}

/// Asks the owners of pins whose time has come whether they are still needed: each once.
pub async fn ask_owners(ctx: &Ctx, config: &Config) -> Result<(), Failure> {
    let now = ctx.clock().now_ms();
    for pin in due(ctx, config).await? {
        let told = Failure::conflict("pin-due").arg("target", &pin.target).arg("ref", &pin.git_ref);
        let (app, env) = pin.target.split_once('@').unwrap_or((&pin.target, ""));
        let press = |word: &str| Press {
            text: format!("{word}-button"),
            word: word.to_owned(),
            args: json!({ "app": app, "words": ["to", env] }),
        };
        let told = told.arg("owner", &pin.owner).arg("days", config.pin_days);
        let reminder = Reminder { person: pin.owner.clone(), told, buttons: vec![press("unpin"), press("pin")] };
        reminder::put(ctx.store(), &format!("pin {} {}", pin.operation, pin.target), &reminder, now).await?;
    }
    Ok(())
}

/// Pins whose time has come.
pub async fn due(ctx: &Ctx, config: &Config) -> Result<Vec<Pin>, Failure> {
    let now = ctx.clock().now_ms();
    let all = past::all(ctx.store()).await?;
    let pins = all.values().filter_map(|(wanted, brief)| pin(wanted, brief, config));
    Ok(pins.filter(|pin| pin.until <= now).collect())
}

/// How many commits of the app's own branch the pinned one does not have, up to [`HIDDEN_MAX`]; the last one's subject.
pub async fn hidden(estate: &Estate, url: &str, place: &Place, pin: &Pin) -> Result<(usize, String), Failure> {
    let Some(branch) = &place.branch else { return Ok((0, String::new())) };
    let repository = estate.repository(url)?;
    let head = repository.resolve(branch).await?.commit().clone();
    let newer = repository.newer(&CommitId::new(&pin.commit)?, &head, HIDDEN_MAX).await?;
    Ok((newer.len(), newer.into_iter().next().map(|commit| commit.subject).unwrap_or_default()))
}
