//! `doctor`: asks every part whether it is well, and says what to do where it is not.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_component::{Check, Finding};
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_store::Engine;
use naru_store::reach::CLOCKS_APART_MAX_MS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engines;
use crate::house::Checks;

/// Check that every part works, and say what to do where one does not
///
/// Sends nothing to anybody. Ends with 1 if anything wants attention.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Doctor {
    /// Look at this part only
    part: Option<String>,
}

/// A part that has not answered by then has not answered.
const CHECK_MAX: Duration = Duration::from_secs(20);
/// A day of 13 million messages takes about 1 GiB, its file as much again, and the database needs room to work.
const DISK_FREE_BYTES_MIN: u64 = 3 << 30;

/// The word.
pub fn word() -> Word {
    Word::reading("doctor", doctor)
}

/// What stands below all components.
pub fn checks() -> Vec<Check> {
    vec![
        Check { name: "config", run: Arc::new(|ctx| Box::pin(async move { vec![config(&ctx)] })) },
        Check { name: "store", run: Arc::new(|ctx| Box::pin(async move { vec![store(&ctx).await] })) },
        Check { name: "disk", run: Arc::new(|ctx| Box::pin(async move { vec![space(&ctx), privacy(&ctx)] })) },
    ]
}

async fn doctor(ctx: Ctx, call: Call<Doctor>) -> Result<Answer, Failure> {
    let checks = ctx.need::<Checks>()?;
    let wanted = |check: &&Check| call.args.part.as_deref().is_none_or(|part| is_part(part, check.name));
    let checks: Vec<&Check> = checks.0.iter().filter(wanted).collect();
    if checks.is_empty() {
        let parts: Vec<_> = ctx.need::<Checks>()?.0.iter().map(|check| check.name).collect();
        let part = call.args.part.unwrap_or_default();
        return Err(Failure::usage("doctor-part-unknown").arg("part", part).arg("parts", parts.join(", ")));
    }
    let mut found = Vec::new();
    for check in &checks {
        let findings = match tokio::time::timeout(CHECK_MAX, (check.run)(ctx.clone())).await {
            Ok(findings) => findings,
            Err(_) => vec![Finding::Bad(Failure::unavailable("doctor-silent").arg("part", check.name))],
        };
        found.extend(findings.into_iter().map(|finding| (check.name, finding)));
    }
    let bad = found.iter().filter(|(_, finding)| matches!(finding, Finding::Bad(_))).count();
    let data: Vec<Value> = found.iter().map(|(part, finding)| data(&ctx, part, finding)).collect();
    let mut answer = Answer::data(json!({ "findings": data, "bad": bad }))?;
    answer.refused = bad > 0;
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for (part, finding) in &found {
        answer = answer.line(drawn(&ctx, call.lang, &format!("{part:width$}"), finding));
    }
    let key = if bad == 0 { "doctor-well" } else { "doctor-bad" };
    Ok(answer.line(ctx.say(call.lang, key, &[("count", &bad.to_string())])))
}

/// `consent` means `consent rows` and `consent night`.
fn is_part(part: &str, name: &str) -> bool {
    name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn data(ctx: &Ctx, part: &str, finding: &Finding) -> Value {
    match finding {
        Finding::Good(text) => json!({ "part": part, "good": true, "detail": text }),
        Finding::Bad(failure) => {
            let texts = ctx.texts();
            let detail = texts.as_ref().map(|texts| texts.detail(Lang::En, failure));
            let hint = texts.and_then(|texts| texts.hint(Lang::En, failure));
            json!({ "part": part, "good": false, "code": failure.code, "detail": detail, "hint": hint })
        }
    }
}

fn drawn(ctx: &Ctx, lang: Lang, part: &str, finding: &Finding) -> String {
    match finding {
        Finding::Good(text) => format!("✓ {part}  {text}"),
        Finding::Bad(failure) => {
            let Some(texts) = ctx.texts() else { return format!("✗ {part}  {failure}") };
            let mut lines = vec![format!("✗ {part}  {}", texts.detail(lang, failure))];
            let more = failure.causes.iter().map(|cause| (texts.say(lang, "label-cause", &[]), cause.clone()));
            let hint = texts.hint(lang, failure).map(|hint| (texts.say(lang, "label-hint", &[]), hint));
            lines.extend(more.chain(hint).map(|(label, text)| format!("    {label}: {text}")));
            lines.join("\n")
        }
    }
}

/// Its text was read when the process began; this is what only the parts together can tell.
fn config(ctx: &Ctx) -> Finding {
    match engines::check(ctx) {
        Ok(()) => Finding::Good(format!("sound, in {}", ctx.parts().config_dir.display())),
        Err(failure) => Finding::Bad(failure),
    }
}

async fn store(ctx: &Ctx) -> Finding {
    let engine = match ctx.store().engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    match ctx.store().clock_ahead_ms(ctx.clock()).await {
        Ok(ahead_ms) if ahead_ms.abs() > CLOCKS_APART_MAX_MS => {
            Finding::Bad(Failure::refused("doctor-clocks-apart").arg("seconds", ahead_ms.abs() / 1_000))
        }
        Ok(_) => Finding::Good(engine.to_owned()),
        Err(error) => Finding::Bad(error.into()),
    }
}

fn space(ctx: &Ctx) -> Finding {
    let folder = &ctx.parts().data_dir;
    let space = match rustix::fs::statvfs(folder) {
        Ok(space) => space,
        Err(e) => return Finding::Bad(Failure::refused("store-folder").arg("path", folder.display()).cause(&e)),
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free < DISK_FREE_BYTES_MIN {
        let failure = Failure::refused("disk-low").arg("path", folder.display()).arg("free", gib(free));
        return Finding::Bad(failure.arg("needed", gib(DISK_FREE_BYTES_MIN)));
    }
    Finding::Good(format!("{} free in {}", gib(free), folder.display()))
}

/// The folder holds everybody's phone number.
fn privacy(ctx: &Ctx) -> Finding {
    let folder = ctx.parts().data_dir.display();
    match std::fs::metadata(&ctx.parts().data_dir) {
        Ok(meta) if meta.mode() & 0o007 != 0 => Finding::Bad(Failure::refused("data-dir-open").arg("path", folder)),
        Ok(_) => Finding::Good(format!("{folder} is closed to other users")),
        Err(e) => Finding::Bad(Failure::refused("store-folder").arg("path", folder).cause(&e)),
    }
}

fn gib(bytes: u64) -> String {
    format!("{}.{} GiB", bytes >> 30, ((bytes & ((1 << 30) - 1)) * 10) >> 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_in_whole_words() {
        let check = |part: &str, expect: bool| assert_eq!(is_part(part, "consent night"), expect, "{part}");
        check("consent", true);
        check("consent night", true);
        check("con", false);
        check("night", false);
    }

    #[test]
    fn space_is_told_in_tenths() {
        for (bytes, expect) in [(0, "0.0 GiB"), (3 << 30, "3.0 GiB"), ((3 << 30) - 1, "2.9 GiB"), (5 << 29, "2.5 GiB")]
        {
            assert_eq!(gib(bytes), expect);
        }
    }
}
