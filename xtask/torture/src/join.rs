//! The rules: what the shop was promised, what naru says became of it and what the vendor took, joined.
//!
//! Pure, so that each rule is shown to fail on a fault that was planted for it.

use std::collections::{HashMap, HashSet};

use naru_core::clock::Millis;
use naru_dispatch::side::State;

use crate::traffic::{Notes, Promise, Purpose};
use crate::view::{Entry, Message};
use crate::world::{LIMIT, Level};

/// After a pause or a cancel is acknowledged its messages may leave for so long: a request under way ends within its
/// time-out, and an owner that cannot be told has lost its lease after six seconds and starts nothing in the last two.
pub const REST_GRACE_MS: Millis = 8_000;
/// Examples told of a broken rule.
const TOLD_MAX: usize = 5;

/// All that is joined.
pub struct Facts {
    /// What the vendor offers.
    pub level: Level,
    /// What the shop knows.
    pub notes: Notes,
    /// What naru says.
    pub messages: Vec<Message>,
    /// What the vendor took, in order.
    pub entries: Vec<Entry>,
    /// Messages that were in requests started and not ended when something was killed or frozen.
    pub doubts: HashSet<String>,
    /// Most requests that the vendor saw in any second.
    pub peak: u64,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Messages promised.
    pub promised: usize,
    /// Acceptances by the vendor.
    pub taken: usize,
    /// Promised and neither taken, nor cancelled, nor unknown where that may be.
    pub lost: Vec<String>,
    /// Stored and never promised, or promised once and stored twice.
    pub stored_twice: Vec<String>,
    /// Taken more than once where that must not be.
    pub doubled: Vec<String>,
    /// Taken more than once within the window that level none declares.
    pub doubled_declared: usize,
    /// Taken before an earlier message of the same customer.
    pub inversions: Vec<String>,
    /// naru says something else than the vendor.
    pub misstated: Vec<String>,
    /// Taken while the campaign rested.
    pub unrested: Vec<String>,
    /// As `unrested`, but begun before: at level key a request in doubt is looked into by making it again.
    pub unrested_declared: usize,
    /// Left unknown.
    pub unknown: usize,
    /// Left unknown though no request of theirs was in doubt, or though the level could tell.
    pub unknown_undeclared: Vec<String>,
    /// Most requests in any second.
    pub peak: u64,
}

/// Joins.
pub fn join(facts: &Facts) -> Verdict {
    let mut verdict = Verdict {
        promised: facts.notes.promises.len(),
        taken: facts.entries.len(),
        peak: facts.peak,
        ..Verdict::default()
    };
    let mut taken: HashMap<&str, Vec<usize>> = HashMap::new();
    for (n, entry) in facts.entries.iter().enumerate() {
        taken.entry(&entry.reference).or_default().push(n);
    }
    let known: HashMap<&str, &Message> = facts.messages.iter().map(|it| (it.id.as_str(), it)).collect();
    let promised = promised(facts, &mut verdict);
    for (promise, id) in &promised {
        let message = known.get(id.as_str()).copied();
        judge_end(facts, promise, id, message, taken.contains_key(id.as_str()), &mut verdict);
    }
    let purposes: HashMap<&str, Purpose> = promised.iter().map(|(it, id)| (id.as_str(), it.purpose)).collect();
    for (id, times) in taken.iter().filter(|(_, times)| times.len() > 1) {
        let urgent = purposes.get(id).is_some_and(|purpose| *purpose != Purpose::Ad);
        if facts.level == Level::None && urgent && facts.doubts.contains(*id) {
            verdict.doubled_declared += 1;
        } else {
            verdict.doubled.push(format!("{id} was taken {} times", times.len()));
        }
    }
    verdict.misstated.extend(
        taken
            .keys()
            .filter(|id| !known.contains_key(**id))
            .map(|id| format!("the vendor took {id}, which naru has not")),
    );
    find_inversions(&promised, &taken, &mut verdict);
    find_unrested(facts, &known, &mut verdict);
    verdict
}

/// Each promise with its id. A promise that naru does not have is lost.
fn promised<'a>(facts: &'a Facts, verdict: &mut Verdict) -> Vec<(&'a Promise, String)> {
    let mut stored: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    for message in &facts.messages {
        stored.entry((&message.campaign, &message.to)).or_default().push(&message.id);
    }
    let mut promised = Vec::new();
    for promise in &facts.notes.promises {
        let ids = stored.remove(&(promise.campaign.as_str(), promise.to.as_str())).unwrap_or_default();
        if ids.len() > 1 {
            verdict.stored_twice.push(format!("{} was promised once and stored as {}", promise.to, ids.join(", ")));
        }
        let told = promise.id.as_deref().is_none_or(|id| ids.contains(&id));
        match promise.id.as_deref().or(ids.first().copied()) {
            Some(id) if told => promised.push((promise, id.to_owned())),
            _ => verdict.lost.push(format!("{} ({}) is not stored", promise.to, promise.queue)),
        }
    }
    // The shop leaves no call without an acknowledgement, so what is left was stored behind its back.
    let nobody = stored.into_values().flatten().map(|id| format!("{id} is stored and was promised to nobody"));
    verdict.stored_twice.extend(nobody);
    promised
}

fn judge_end(
    facts: &Facts,
    promise: &Promise,
    id: &str,
    message: Option<&Message>,
    is_taken: bool,
    verdict: &mut Verdict,
) {
    let Some(message) = message else { return verdict.lost.push(format!("{id} is not stored")) };
    let state = message.state;
    let cancelled = facts.notes.cancelled.contains(&promise.campaign);
    match state {
        State::Sent | State::Delivered if is_taken => {}
        State::Sent | State::Delivered => {
            verdict.lost.push(format!("{id} is {} and the vendor never took it", state.name()));
        }
        State::Cancelled if cancelled && !is_taken => {}
        State::Unknown => {
            verdict.unknown += 1;
            if facts.level != Level::None || !facts.doubts.contains(id) {
                verdict.unknown_undeclared.push(format!("{id} ({}) is unknown", promise.purpose.name()));
            }
        }
        _ if is_taken => verdict.misstated.push(format!("{id} is {} and the vendor took it", state.name())),
        _ => verdict.lost.push(format!("{id} ended as {}", state.name())),
    }
}

/// Each acceptance of a message comes after every acceptance of the one before it in its queue.
fn find_inversions(promised: &[(&Promise, String)], taken: &HashMap<&str, Vec<usize>>, verdict: &mut Verdict) {
    let mut last: HashMap<&str, (usize, &str)> = HashMap::new();
    for (promise, id) in promised {
        let Some(times) = taken.get(id.as_str()) else { continue };
        let (first, end) = (times[0], times[times.len() - 1]);
        let before = last.entry(&promise.queue).or_insert((first, id));
        if before.0 > first {
            let queue = &promise.queue;
            verdict.inversions.push(format!("{queue}: {id} came as {first}, before {} as {}", before.1, before.0));
        }
        if end >= before.0 {
            *before = (end, id);
        }
    }
}

fn find_unrested(facts: &Facts, known: &HashMap<&str, &Message>, verdict: &mut Verdict) {
    let mut rests: HashMap<&str, Vec<(Millis, Millis)>> = HashMap::new();
    for rest in &facts.notes.rests {
        rests.entry(&rest.campaign).or_default().push((rest.from + REST_GRACE_MS, rest.until));
    }
    for entry in &facts.entries {
        let Some(message) = known.get(entry.reference.as_str()) else { continue };
        let at = (entry.at_us / 1_000) as Millis;
        for (from, until) in rests.get(message.campaign.as_str()).into_iter().flatten() {
            if (*from..*until).contains(&at) {
                if facts.level == Level::Key && facts.doubts.contains(&message.id) {
                    verdict.unrested_declared += 1;
                    continue;
                }
                let late = at - from + REST_GRACE_MS;
                verdict.unrested.push(format!("{} left {late} ms after {} was to rest", message.id, message.campaign));
            }
        }
    }
}

impl Verdict {
    /// A sentence for each rule that is broken.
    pub fn broken(&self) -> Vec<String> {
        let rules = [
            ("messages were lost", &self.lost),
            ("messages were stored twice", &self.stored_twice),
            ("messages were taken twice", &self.doubled),
            ("messages overtook an earlier one of their customer", &self.inversions),
            ("messages are not what naru says", &self.misstated),
            ("messages left while their campaign rested", &self.unrested),
            ("messages were left unknown without need", &self.unknown_undeclared),
        ];
        let mut broken: Vec<String> = rules
            .iter()
            .filter(|(_, found)| !found.is_empty())
            .map(|(what, found)| format!("{} {what}: {}", found.len(), found[..found.len().min(TOLD_MAX)].join("; ")))
            .collect();
        if self.peak > u64::from(LIMIT) {
            broken.push(format!("the vendor saw {} requests within a second, {LIMIT} are allowed", self.peak));
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Rest;

    /// Two calls of one customer and a campaign of two, all taken and delivered.
    fn facts() -> Facts {
        let promise = |id: Option<&str>, campaign: &str, to: &str, queue: &str| Promise {
            id: id.map(str::to_owned),
            campaign: campaign.to_owned(),
            to: to.to_owned(),
            queue: queue.to_owned(),
            purpose: Purpose::Info,
        };
        let message = |id: &str, campaign: &str, to: &str| Message {
            id: id.to_owned(),
            campaign: campaign.to_owned(),
            to: to.to_owned(),
            state: State::Delivered,
        };
        let entry = |reference: &str| Entry { at_us: 1_000_000, reference: reference.to_owned() };
        Facts {
            level: Level::None,
            notes: Notes {
                promises: vec![
                    promise(Some("a"), "", "1", "kim"),
                    promise(Some("b"), "", "2", "kim"),
                    promise(None, "fall", "3", "fall/1"),
                    promise(None, "fall", "4", "fall/2"),
                ],
                rests: Vec::new(),
                cancelled: Vec::new(),
            },
            messages: vec![
                message("a", "", "1"),
                message("b", "", "2"),
                message("c", "fall", "3"),
                message("d", "fall", "4"),
            ],
            entries: ["a", "c", "b", "d"].map(entry).to_vec(),
            doubts: HashSet::new(),
            peak: 30,
        }
    }

    /// What is said after `plant` has put a fault into what is sound.
    fn check(plant: impl Fn(&mut Facts), expect: &[&str]) {
        let mut facts = facts();
        plant(&mut facts);
        let broken = join(&facts).broken();
        assert_eq!(broken.len(), expect.len(), "{broken:?}");
        broken.iter().zip(expect).for_each(|(told, expect)| assert!(told.contains(expect), "{told}"));
    }

    fn again(facts: &mut Facts, id: &str) {
        let entry = facts.entries.iter().find(|entry| entry.reference == id).unwrap().clone();
        facts.entries.push(entry);
    }

    #[test]
    fn a_sound_account_is_sound() {
        check(|_| {}, &[]);
    }

    #[test]
    fn what_is_missing_is_found() {
        check(
            |it| drop(it.messages.remove(2)),
            &["1 messages were lost: 3 (fall/1) is not stored", "the vendor took c, which naru has not"],
        );
        check(|it| it.messages[0].id = "x".into(), &["1 messages were lost: 1 (kim)", "took a, which"]);
        check(|it| drop(it.entries.remove(3)), &["d is delivered and the vendor never took it"]);
        check(
            |it| (it.messages[3].state, _) = (State::Failed, it.entries.remove(3)),
            &["1 messages were lost: d ended as failed"],
        );
        check(|it| (it.messages[3].state, _) = (State::Cancelled, it.entries.remove(3)), &["d ended as cancelled"]);
    }

    #[test]
    fn what_is_there_twice_is_found() {
        check(|it| again(it, "d"), &["1 messages were taken twice: d was taken 2 times"]);
        let twice = |it: &mut Facts| it.messages.push(Message { id: "e".into(), ..it.messages[0].clone() });
        check(twice, &["1 was promised once and stored as a, e"]);
        let more =
            |it: &mut Facts| it.messages.push(Message { id: "e".into(), to: "9".into(), ..it.messages[0].clone() });
        check(more, &["e is stored and was promised to nobody"]);
    }

    #[test]
    fn level_none_may_double_only_what_was_in_doubt_and_is_no_advertisement() {
        let plant = |level: Level, purpose: Purpose| {
            move |it: &mut Facts| {
                it.level = level;
                it.notes.promises[3].purpose = purpose;
                it.doubts.insert("d".into());
                again(it, "d");
            }
        };
        check(plant(Level::None, Purpose::Info), &[]);
        check(plant(Level::None, Purpose::Ad), &["d was taken 2 times"]);
        check(plant(Level::Lookup, Purpose::Info), &["d was taken 2 times"]);
    }

    #[test]
    fn an_overtaken_message_is_found_also_behind_its_own_double() {
        check(|it| it.entries.swap(0, 2), &["kim: b came as 0, before a as 2"]);
        let doubled = |it: &mut Facts| {
            it.doubts.insert("a".into());
            again(it, "a");
        };
        check(doubled, &["kim: b came as 2, before a as 4"]);
    }

    #[test]
    fn a_wrong_statement_is_found() {
        check(|it| it.messages[3].state = State::Pending, &["d is pending and the vendor took it"]);
        check(|it| it.messages[3].state = State::Suppressed, &["d is suppressed and the vendor took it"]);
    }

    #[test]
    fn what_leaves_while_it_rests_is_found() {
        let rest = |from: Millis, until: Millis| {
            move |it: &mut Facts| it.notes.rests.push(Rest { campaign: "fall".into(), from, until })
        };
        check(rest(1_001 - REST_GRACE_MS, Millis::MAX), &[]);
        check(rest(900 - REST_GRACE_MS, Millis::MAX), &["2 messages left while"]);
        check(rest(900 - REST_GRACE_MS, 1_000), &[]);
        let in_doubt = |level: Level| {
            move |it: &mut Facts| {
                it.level = level;
                it.doubts.extend(["c".to_owned(), "d".to_owned()]);
                rest(900 - REST_GRACE_MS, Millis::MAX)(it);
            }
        };
        check(in_doubt(Level::Key), &[]);
        check(in_doubt(Level::Lookup), &["2 messages left while"]);
    }

    #[test]
    fn what_is_unknown_without_need_is_found() {
        let plant = |level: Level, in_doubt: bool| {
            move |it: &mut Facts| {
                it.level = level;
                it.messages[3].state = State::Unknown;
                if in_doubt {
                    it.doubts.insert("d".into());
                }
            }
        };
        check(plant(Level::None, true), &[]);
        check(plant(Level::None, false), &["d (info) is unknown"]);
        check(plant(Level::Key, true), &["d (info) is unknown"]);
    }

    #[test]
    fn a_second_with_too_many_requests_is_found() {
        check(|it| it.peak = u64::from(LIMIT), &[]);
        check(|it| it.peak = u64::from(LIMIT) + 1, &["the vendor saw 49 requests within a second"]);
    }
}
