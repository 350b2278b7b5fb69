//! What `doctor` looks at: how much is stored, and whether advertisements rest when the law says so.

use std::sync::Arc;

use naru_component::ctx::Ctx;
use naru_component::{Check, Finding};
use naru_core::failure::Failure;
use naru_dispatch::message::Channel;

use crate::ledger::history;
use crate::night::{self, Nights};

/// Every check of the room.
pub fn all(nights: &Nights) -> Vec<Check> {
    let nights = nights.clone();
    let hours = move |_| -> futures_util::future::BoxFuture<'static, Vec<Finding>> {
        let findings = Channel::ALL.map(|channel| night(channel, &nights)).into();
        Box::pin(std::future::ready(findings))
    };
    vec![
        Check { name: "consent rows", run: Arc::new(|ctx| Box::pin(rows(ctx))) },
        Check { name: "consent night", run: Arc::new(hours) },
    ]
}

async fn rows(ctx: Ctx) -> Vec<Finding> {
    let found = match history::counts(ctx.store().reader()).await {
        Ok((blocks, consents)) => {
            Finding::Good(format!("{blocks} blocks stand, {consents} consents are not withdrawn"))
        }
        Err(error) => Finding::Bad(Failure::from(error)),
    };
    vec![found]
}

/// The law exempts e-mail alone.
fn night(channel: Channel, nights: &Nights) -> Finding {
    match nights.of(channel) {
        Some(night) if channel == Channel::Email || night.covers_the_law() => {
            Finding::Good(format!("advertisements on {channel} rest {night} (Asia/Seoul)"))
        }
        None if channel == Channel::Email => Finding::Good("advertisements on email never rest".to_owned()),
        found => {
            let (from, until) = night::LAW;
            let failure = Failure::refused("consent-night-short").arg("channel", channel);
            let hours = found.map_or_else(|| "none".to_owned(), |night| night.to_string());
            Finding::Bad(failure.arg("found", hours).arg("needed", format!("{from}-{until}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_that_is_shorter_than_the_laws_is_found() {
        let config = "night_until = '07:30'\n[channel.sms]\nnight_until = '09:00'\n[channel.push]\nexempt = true";
        let nights = Nights::new(&toml::from_str(config).unwrap());
        let found = |channel| match night(channel, &nights) {
            Finding::Good(_) => "good".to_owned(),
            Finding::Bad(failure) => failure.to_string(),
        };
        assert_eq!(found(Channel::Sms), "good");
        assert_eq!(found(Channel::Email), "good");
        let short =
            |channel, hours| format!("consent-night-short channel={channel:?} found={hours:?} needed=\"21:00-08:00\"");
        assert_eq!(found(Channel::Alimtalk), short("alimtalk", "21:00-07:30"));
        assert_eq!(found(Channel::Brand), short("brand", "20:50-07:30"));
        assert_eq!(found(Channel::Push), short("push", "none"));
    }
}
