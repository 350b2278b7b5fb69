//! Reminders, told to those they are for: in their own direct messages where they are known here, else in the channel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_operation::reminder::{self, Reminder};
use naru_slack::web::Web;

use super::draw;

/// Nobody waits for one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tells them.
pub struct Reminders {
    pub ctx: Ctx,
    pub web: Arc<Web>,
    pub lang: Lang,
    /// Where those are told of who are not known here; none: the console alone tells them.
    pub channel: Option<String>,
    /// What people are called who sign in at the console too, by their ids.
    pub people: BTreeMap<String, String>,
}

impl Reminders {
    /// Until shutdown.
    pub fn tell(self) {
        let lifecycle = self.ctx.lifecycle().clone();
        lifecycle.clone().spawn("slack reminders", async move {
            while !lifecycle.is_stopping() {
                if let Err(failure) = self.tell_those_that_wait().await {
                    tracing::warn!(error = %failure, "reminders are not told, they are tried again");
                }
                tokio::select! {
                    () = lifecycle.stopped() => {}
                    () = tokio::time::sleep_until(tokio::time::Instant::now() + LOOK_EVERY) => {}
                }
            }
        });
    }

    async fn tell_those_that_wait(&self) -> Result<(), Failure> {
        let (store, clock) = (self.ctx.store(), self.ctx.clock());
        for (id, reminder) in reminder::take(store, clock.now_ms()).await? {
            match self.place(&reminder) {
                // What Slack does not take now is tried again in a minute; others may be taken.
                Some(place) => match self.web.post(&place, &draw::reminder(&self.ctx, self.lang, &reminder)).await {
                    Ok(_) => reminder::told(store, id, clock.now_ms()).await?,
                    Err(failure) => {
                        tracing::warn!(person = reminder.person, error = %failure, "a reminder was not told")
                    }
                },
                None => reminder::told(store, id, clock.now_ms()).await?,
            }
        }
        Ok(())
    }

    /// Whoever asked here is called `name (ID)`, or as at the console.
    fn place(&self, reminder: &Reminder) -> Option<String> {
        if let Some((id, _)) = self.people.iter().find(|(_, name)| **name == reminder.person) {
            return Some(id.clone());
        }
        let id = reminder.person.strip_suffix(')').and_then(|name| Some(name.rsplit_once('(')?.1));
        let is_id = |id: &&str| id.starts_with(['U', 'W']) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        id.filter(is_id).map(str::to_owned).or_else(|| self.channel.clone())
    }
}
