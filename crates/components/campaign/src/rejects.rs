//! Files of refused rows as this machine keeps them, until whoever sent them has fetched his: `data_dir/rejected`.
//!
//! They hold what customers' files hold, so only naru's own user reads them, and they go when messages of their age go.
//! A dry run has a file of its own, which goes when it was handed over.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use naru_component::answer::AnswerFile;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::{Id, write_hex};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::import::ImportKey;
use naru_job::{Job, Place};
use naru_web::failed::Failed;
use naru_web::role::Role;
use naru_web::visit::Visit;

/// What the file of refused rows is called where it is handed over.
pub const NAME: &str = "rejected.csv";
/// What the file of a dry run begins with.
const DRY: &str = "dry-";
const DAY_MS: Millis = 86_400_000;
/// How often old files are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Where the rows go that an import refuses.
pub fn path(ctx: &Ctx, key: &ImportKey) -> PathBuf {
    file(ctx, "", key)
}

/// Where the rows go that a dry run refuses: nobody else's, since the same file may be sent just now.
pub fn dry_path(ctx: &Ctx) -> PathBuf {
    file(ctx, DRY, &Id::new(ctx.clock().now_ms()).0)
}

fn file(ctx: &Ctx, prefix: &str, name: &[u8; 16]) -> PathBuf {
    let mut hex = [0u8; 32];
    folder(ctx).join(format!("{prefix}{}.csv", write_hex(name, &mut hex)))
}

fn folder(ctx: &Ctx) -> PathBuf {
    ctx.parts().data_dir.join("rejected")
}

/// Makes the file at `path`, for this user alone.
pub fn create(path: &Path) -> Result<File, Failure> {
    let made = path.parent().map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o700).create(folder));
    let made = made.and_then(|()| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path));
    made.map_err(|error| Failure::unavailable("rejected-unwritable").cause(&error))
}

/// The file at `path` as part of an answer, while it is there.
pub fn answer_file(path: &Path) -> Option<AnswerFile> {
    let name = path.file_name()?.to_str().filter(|_| path.exists())?;
    Some(AnswerFile {
        name: NAME.to_owned(),
        href: format!("/v1/rejected/{name}"),
        path: path.display().to_string(),
        once: name.starts_with(DRY),
    })
}

/// Hands a file to a caller on another machine.
pub async fn fetch(
    State(ctx): State<Ctx>,
    visit: Visit,
    extract::Path(file): extract::Path<String>,
) -> Result<Response, Failed> {
    visit.must(Role::Send)?;
    let name = file.strip_suffix(".csv").unwrap_or_default();
    let hex = name.strip_prefix(DRY).unwrap_or(name);
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failed(Failure::not_found("rejected-missing").arg("file", file)));
    }
    let path = folder(&ctx).join(&file);
    let bytes = tokio::fs::read(&path).await.map_err(|_| Failure::not_found("rejected-missing").arg("file", &file))?;
    if name.starts_with(DRY) {
        // What stays is swept later.
        let _ = tokio::fs::remove_file(path).await;
    }
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], bytes).into_response())
}

/// Removes files as old as messages that are let go.
pub fn sweep_job(ctx: &Ctx) -> Job {
    let ctx = ctx.clone();
    let run = move || {
        let ctx = ctx.clone();
        Box::pin(async move {
            let keep_days = ctx.need::<Dispatch>()?.config().keep_days;
            let before = ctx.clock().now_ms() - Millis::from(keep_days) * DAY_MS;
            tokio::task::spawn_blocking(move || sweep(&folder(&ctx), before)).await.map_err(Failure::bug)?
        }) as futures_util::future::BoxFuture<'static, Result<(), Failure>>
    };
    Job { name: "refused rows", every: SWEEP_EVERY, place: Place::Everywhere, run: Arc::new(run) }
}

fn sweep(folder: &Path, before: Millis) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::unavailable("rejected-unwritable").cause(&error);
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let written = entry.metadata().and_then(|data| data.modified()).map_err(failed)?;
        let age = written.duration_since(UNIX_EPOCH).unwrap_or_default();
        if (age.as_millis() as Millis) < before {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_for_one_user_and_go_with_their_age() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("rejected");
        sweep(&folder, Millis::MAX).unwrap();
        for (name, written_ms) in [("old.csv", 1_000), ("young.csv", 3_000)] {
            let file = create(&folder.join(name)).unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            file.set_modified(UNIX_EPOCH + Duration::from_millis(written_ms)).unwrap();
        }
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        sweep(&folder, 2_000).unwrap();
        assert!(answer_file(&folder.join("old.csv")).is_none());
        assert!(answer_file(&folder.join("young.csv")).is_some());
    }
}
