//! `consent import`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::file::{ConsentFile, Refusal};
use crate::ledger::given::{self, CONSENTS_PER_CHANGE, Given};
use crate::snapshot::Snapshot;

/// Refused rows that an answer names; the others are counted by code.
const REFUSALS_SHOWN_MAX: usize = 100;

/// Take in consents to advertisements from a CSV file
///
/// Columns, in any order: address, channel (sms, alimtalk, brand, email, push), night (1 or 0), given_at (2026-01-31,
/// 2026-01-31 14:05:00 in Korean time, or RFC 3339), evidence. UTF-8, or CP949 as Korean Excel writes it.
///
/// A bad row is refused by itself and the others are stored. Importing a file again changes nothing. A consent that is
/// not younger than a block of its address is kept as withdrawn.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportArgs {
    /// The file
    file: PathBuf,
}

/// Says `consent import`.
pub async fn import(ctx: Ctx, snapshot: Arc<Snapshot>, call: Call<ImportArgs>) -> Result<Answer, Failure> {
    // Only the file that came along: a path in the arguments of a caller elsewhere names nothing here.
    let path = call.upload.ok_or_else(|| Failure::usage("consent-file-missing"))?;
    let _activity = ctx.lifecycle().activity("consent import");
    let now = ctx.clock().now_ms();
    let mut file = aside(move || ConsentFile::open(&path, now)).await?;
    let mut total = Total::default();
    loop {
        let (back, chunk) = aside(move || {
            let chunk = file.chunk()?;
            Ok((file, chunk))
        })
        .await?;
        file = back;
        let Some(chunk) = chunk else { break };
        total.refuse(&chunk.refused);
        let mut rows = chunk.given.into_iter();
        while rows.len() > 0 {
            if ctx.lifecycle().is_stopping() {
                return Err(Failure::unavailable("consent-import-stopped").arg("rows", total.rows()));
            }
            let given: Vec<Given> = rows.by_ref().take(CONSENTS_PER_CHANGE).collect();
            let count = given.len() as u64;
            let added = given::add(ctx.store(), given, &call.actor.name, ctx.clock().now_ms()).await?;
            snapshot.follow().await?;
            total.stored += added.stored;
            total.unchanged += count - added.stored;
            total.withdrawn += added.withdrawn;
            call.progress.set(total.rows(), file.rows_about(total.rows() + rows.len() as u64));
        }
    }
    tracing::info!(stored = total.stored, unchanged = total.unchanged, refused = total.refused, "consents imported");
    total.answer(&ctx, call.lang)
}

/// What a file came to.
#[derive(Default)]
struct Total {
    stored: u64,
    unchanged: u64,
    withdrawn: u64,
    refused: u64,
    by_code: BTreeMap<&'static str, u64>,
    first: Vec<Refusal>,
}

impl Total {
    fn rows(&self) -> u64 {
        self.stored + self.unchanged + self.refused
    }

    fn refuse(&mut self, refused: &[Refusal]) {
        self.refused += refused.len() as u64;
        refused.iter().for_each(|refusal| *self.by_code.entry(refusal.code).or_default() += 1);
        self.first.extend(refused.iter().take(REFUSALS_SHOWN_MAX - self.first.len()));
    }

    fn answer(&self, ctx: &Ctx, lang: Lang) -> Result<Answer, Failure> {
        let refusals = self.first.iter().map(|refusal| json!({ "line": refusal.line, "code": refusal.code }));
        let data = json!({
            "rows": self.rows(), "stored": self.stored, "unchanged": self.unchanged, "withdrawn": self.withdrawn,
            "refused": self.refused, "refused_by_code": self.by_code,
            "refusals": refusals.collect::<serde_json::Value>(),
        });
        let say = |key: &str| ctx.say(lang, key, &[]);
        let counts = [
            ("rows", self.rows()),
            ("stored", self.stored),
            ("unchanged", self.unchanged),
            ("withdrawn", self.withdrawn),
            ("refused", self.refused),
        ];
        let named = counts.map(|(name, count)| (say(&format!("consent-import-{name}")), count.to_string()));
        let mut answer = Answer::data(data)?.fields(named.into());
        if self.refused > 0 {
            let columns = ["line", "code", "detail", "hint"].map(|it| say(&format!("consent-import-{it}")));
            let row = |it: &Refusal| {
                vec![it.line.to_string(), it.code.to_owned(), say(it.code), say(&format!("{}.hint", it.code))]
            };
            answer = answer.table(columns.into(), self.first.iter().map(row).collect());
        }
        if self.refused > self.first.len() as u64 {
            let more = (self.refused - self.first.len() as u64).to_string();
            answer = answer.line(ctx.say(lang, "consent-import-more", &[("count", &more)]));
        }
        // A file of which no row was good is not the file that was meant.
        answer.refused = self.refused > 0 && self.refused == self.rows();
        Ok(answer)
    }
}

/// Runs what reads a disk where it keeps no other task waiting.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::bug)?
}
