//! A campaign's outcomes by code, counted again when they have changed, and not more often than they are read.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use maud::html;
use naru_component::ctx::Ctx;
use naru_core::clock::Micros;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_dispatch::account::Account;
use naru_dispatch::campaign::Campaign;
use naru_dispatch::codes;
use naru_dispatch::page::code::told;
use naru_dispatch::side::State;
use naru_web::page::part::{Column, table};
use naru_web::page::{Markup, Reader, count, share};

/// Codes shown; the others are one line.
const SHOWN: usize = 20;
/// A campaign's frames are gone through so often at most.
const COUNT_EVERY_US: Micros = 5_000_000;
/// Campaigns that are kept in mind: more than anybody looks at.
const KEPT: usize = 64;

/// What was counted last.
#[derive(Default)]
pub struct Counted(Mutex<HashMap<Id, Count>>);

#[derive(Clone)]
struct Count {
    at: Micros,
    of: Account,
    codes: Arc<(BTreeMap<String, u64>, u64)>,
}

impl Counted {
    fn kept(&self) -> MutexGuard<'_, HashMap<Id, Count>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn of(&self, ctx: &Ctx, campaign: &Campaign) -> Result<Arc<(BTreeMap<String, u64>, u64)>, Failure> {
        let now = ctx.clock().monotonic_us();
        let known = self.kept().get(&campaign.id).cloned();
        let good = |known: &Count| known.of == campaign.account || now < known.at + COUNT_EVERY_US;
        if let Some(known) = known.filter(good) {
            return Ok(known.codes);
        }
        let counted = Arc::new(codes::of_campaign(ctx.store(), campaign.id).await?);
        let mut kept = self.kept();
        if kept.len() >= KEPT
            && let Some(oldest) = kept.iter().min_by_key(|(_, count)| count.at).map(|(id, _)| *id)
        {
            kept.remove(&oldest);
        }
        let of = campaign.account;
        kept.insert(campaign.id, Count { at: now, of, codes: counted.clone() });
        Ok(counted)
    }
}

/// The table; none where every message went as it should.
pub async fn part(ctx: &Ctx, reader: &Reader, campaign: &Campaign) -> Result<Option<Markup>, Failure> {
    // What goes well has no code.
    let account = &campaign.account;
    let with_code = [State::Failed, State::Expired, State::Suppressed, State::Unknown];
    if with_code.iter().all(|state| account.of(*state) == 0) {
        return Ok(None);
    }
    let counted = ctx.need::<Counted>()?.of(ctx, campaign).await?;
    let (codes, others) = counted.as_ref();
    let mut codes: Vec<(&String, u64)> = codes.iter().map(|(code, count)| (code, *count)).collect();
    if codes.is_empty() {
        return Ok(None);
    }
    codes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let more = codes.split_off(SHOWN.min(codes.len()));
    let others = others + more.iter().map(|(_, count)| count).sum::<u64>();
    let columns = [
        Column::of(&reader.say("page-code", &[])),
        Column::number(&reader.say("page-code-count", &[])),
        Column::number(&reader.say("page-code-share", &[])),
    ];
    let row = |name: Markup, n: u64| vec![name, html! { (count(n)) }, html! { (share(n, account.accepted)) }];
    let mut rows: Vec<Vec<Markup>> = codes.into_iter().map(|(code, n)| row(told(reader, code), n)).collect();
    if others > 0 {
        rows.push(row(html! { (reader.say("page-code-others", &[])) }, others));
    }
    Ok(Some(table(&columns, &rows)))
}
