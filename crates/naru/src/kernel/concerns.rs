//! What of the house itself wants a person: jobs that failed or did not run, sign-ins that were refused.

use naru_component::Concern;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_job::turn;
use naru_web::page::part::Tone;
use naru_web::page::{Reader, count};
use naru_web::record;
use naru_web::role::Role;

/// A job that was missed is told of for a day.
const MISSED_TOLD_MS: Millis = 24 * 3_600_000;
/// Refused sign-ins are counted over this.
const REFUSED_MS: Millis = 3_600_000;
/// Somebody who mistypes a password does so a few times.
const REFUSED_MIN: u64 = 5;

/// Finds it.
pub async fn find(ctx: Ctx, reader: Reader) -> Result<Vec<Concern>, Failure> {
    let mut concerns = Vec::new();
    let now = reader.now;
    for last in turn::list(ctx.store()).await? {
        let job = last.name.as_str();
        let missed = last.missed_at.is_some_and(|at| now - at < MISSED_TOLD_MS);
        let text = if last.has_failed() {
            reader.say("concern-job-failed", &[("job", job), ("outcome", &last.outcome)])
        } else if missed {
            reader.say("concern-job-missed", &[("job", job)])
        } else {
            continue;
        };
        concerns.push(Concern {
            tone: if last.has_failed() { Tone::Bad } else { Tone::Warn },
            text,
            href: None,
            role: Role::View,
        });
    }
    let refused = record::refused_since(ctx.store(), now - REFUSED_MS).await?;
    if refused >= REFUSED_MIN {
        let text = reader.say("concern-sign-ins", &[("n", &count(refused))]);
        let href = Some("/settings/sign-ins");
        concerns.push(Concern { tone: Tone::Warn, text, href, role: Role::Admin });
    }
    Ok(concerns)
}
