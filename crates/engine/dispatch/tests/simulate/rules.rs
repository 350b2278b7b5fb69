//! Rules that a run of many things at once cannot show well, one at a time.

use std::time::Duration;

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;
use naru_dispatch::consent::Permit;
use naru_dispatch::lane::pace::{Caps, Pace};
use naru_dispatch::lane::{Action, ChunkKey, Doubt, Event, Lane, Loaded, Now, Options, Save};
use naru_dispatch::provider::{Answer, Level, Verdict};
use naru_dispatch::side::{Side, State};

use crate::plan::{MIDNIGHT, SECOND};

const INFO: usize = 1;

/// A lane whose store and consent answer at once and whose provider answers when the test says so.
struct Stand {
    lane: Lane,
    now: Now,
    frames: Vec<(usize, Loaded)>,
    saves: Vec<Save>,
    /// What started, when, of which chunk.
    started: Vec<(Micros, ChunkKey, Vec<u16>)>,
    /// By which outlet, as `started`.
    by: Vec<usize>,
    asked: Vec<(ChunkKey, Vec<u16>)>,
    /// What consent denies when it is asked next, and what happens meanwhile.
    denied: Vec<(u16, Permit)>,
    told: Option<Event>,
}

fn options() -> Options {
    Options {
        batch_max: 1,
        pace: Pace::new(None, None),
        home: None,
        in_flight_max: 1_000,
        per_day_max: None,
        tries_max: 3,
        retry_base_ms: 1_000,
        retry_max_ms: 60_000,
        timeout_ms: 5_000,
        level: Level::Lookup { life: Duration::from_secs(86_400) },
    }
}

/// Nobody knows what became of the request.
fn silent() -> Answer {
    Answer::Unknown { code: "reset".to_owned() }
}

/// A single send that was taken.
fn taken() -> Answer {
    Answer::Each(vec![Verdict::Taken])
}

/// A lane whose outlets have all joined.
fn lane(now: Now, outlets: Vec<Options>) -> Lane {
    let count = outlets.len();
    let mut lane = Lane::new(outlets);
    (0..count).for_each(|outlet| lane.apply(now, Event::Joined { outlet, day: 0, day_used: 0, quiet_until: 0 }));
    lane
}

impl Stand {
    fn new(options: Options, wall: Millis) -> Stand {
        let now = Now { mono: 3_600 * SECOND, wall };
        let lane = lane(now, vec![options]);
        Stand {
            lane,
            now,
            frames: Vec::new(),
            saves: Vec::new(),
            started: Vec::new(),
            by: Vec::new(),
            asked: Vec::new(),
            denied: Vec::new(),
            told: None,
        }
    }

    /// A frame of `count` messages to as many customers.
    fn accept(&mut self, priority: usize, count: usize) -> Id {
        let seq = self.frames.len() as i64 + 1;
        let id = Id([seq as u8; 16]);
        let keys = (0..count as u64).map(|slot| slot + seq as u64 * 10_000).collect();
        let side = Side::new(count);
        let (retries, doubts) = (Vec::new(), Vec::new());
        let frame = Loaded { id, seq, campaign: None, keys, expires: Vec::new(), side, retries, doubts };
        self.frames.push((priority, frame));
        self.step(Event::Work { priority });
        id
    }

    fn step(&mut self, event: Event) {
        self.lane.apply(self.now, event);
        loop {
            let actions = self.lane.pump(self.now);
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Claim { priority, after, .. } => {
                let mine = self.frames.iter().filter(|(of, frame)| *of == priority && frame.seq > after);
                let frames = mine.map(|(_, frame)| frame.clone()).collect();
                self.lane.apply(self.now, Event::Claimed { priority, frames, more: false });
            }
            Action::Ask { chunk, .. } => {
                self.told.take().into_iter().for_each(|event| self.lane.apply(self.now, event));
                self.lane.apply(self.now, Event::Asked { chunk, denied: std::mem::take(&mut self.denied) });
            }
            Action::Save(save) => {
                self.saves.push(save);
                self.lane.apply(self.now, Event::Saved);
            }
            Action::Send { outlet, chunk, slots, .. } => {
                self.started.push((self.now.mono, chunk, slots));
                self.by.push(outlet);
            }
            Action::Lookup { chunk, slots, .. } => self.asked.push((chunk, slots)),
            Action::Done { .. } => {}
        }
    }

    /// Wakes the lane exactly when it asks for it, for so long; once a second at least.
    fn run_for(&mut self, time: Micros) {
        let end = self.now.mono + time;
        while self.now.mono < end {
            let wake = self.lane.wake_at(self.now).unwrap_or(end).min(self.now.mono + SECOND).min(end);
            let (before, after) = (self.now.mono / 1_000, wake / 1_000);
            self.now = Now { mono: wake, wall: self.now.wall + (after - before) as Millis };
            self.step(Event::Tick);
        }
    }

    fn answer(&mut self, index: usize, answer: Answer) {
        let (_, chunk, slots) = self.started[index].clone();
        self.step(Event::Answered { chunk, slots, answer, roll: 7 });
    }

    fn last_side(&self) -> Side {
        let last = self.saves.iter().rev().find_map(|save| save.sides.first()).expect("something was stored");
        Side::read(&last.row).expect("its checksum fits")
    }

    fn started_since(&self, from: Micros) -> Vec<(Micros, Id)> {
        self.started.iter().filter(|(at, ..)| *at >= from).map(|(at, chunk, _)| (*at, chunk.frame)).collect()
    }
}

#[test]
fn starts_are_evenly_spaced_and_use_the_cap() {
    for cap in [1, 7, 50, 300] {
        let mut stand =
            Stand::new(Options { pace: Pace::new(Some(cap), None), in_flight_max: 20_000, ..options() }, MIDNIGHT);
        for _ in 0..20 {
            stand.accept(INFO, 1_000);
        }
        stand.run_for(60 * SECOND);
        let gaps: Vec<Micros> = stand.started.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let even = 1_005_000u64.div_ceil(u64::from(cap));
        assert!(gaps.iter().all(|gap| *gap == even), "{cap} a second: {:?}", gaps.iter().find(|gap| **gap != even));
        assert!(stand.started.len() * 100 >= cap as usize * 60 * 99, "{} at {cap} a second", stand.started.len());
    }
}

#[test]
fn batches_use_the_cap_of_messages() {
    let pace = Pace::new(None, Some(100));
    let mut stand = Stand::new(Options { pace, batch_max: 1_000, in_flight_max: 20_000, ..options() }, MIDNIGHT);
    for _ in 0..10 {
        stand.accept(INFO, 1_000);
    }
    stand.run_for(60 * SECOND);
    let messages: usize = stand.started.iter().map(|(_, _, slots)| slots.len()).sum();
    assert!(stand.started.iter().all(|(_, _, slots)| slots.len() <= 2), "a request is small beside the cap");
    assert!((5_940..=6_000).contains(&messages), "{messages}");
}

#[test]
fn batches_use_the_cap_of_messages_where_customers_have_several() {
    let pace = Pace::new(None, Some(833));
    let mut stand = Stand::new(Options { pace, batch_max: 1_000, in_flight_max: 100, ..options() }, MIDNIGHT);
    for seq in 1..=40u64 {
        // Of ten customers one has 20 messages in a row.
        let keys = (0..1_000).map(|slot| seq * 10_000 + slot / 30 * 10 + (slot % 30).min(9)).collect();
        let (id, side) = (Id([seq as u8; 16]), Side::new(1_000));
        let (expires, retries, doubts) = (Vec::new(), Vec::new(), Vec::new());
        let frame = Loaded { id, seq: seq as i64, campaign: None, keys, expires, side, retries, doubts };
        stand.frames.push((INFO, frame));
    }
    stand.step(Event::Work { priority: INFO });
    let mut answered = 0;
    for _ in 0..400 {
        let started = stand.started.len();
        stand.run_for(SECOND / 20);
        for index in answered..started {
            let taken = vec![Verdict::Taken; stand.started[index].2.len()];
            stand.answer(index, Answer::Each(taken));
        }
        answered = started;
    }
    let messages: usize = stand.started.iter().map(|(_, _, slots)| slots.len()).sum();
    assert!(messages > 833 * 20 * 97 / 100, "{messages}");
}

#[test]
fn a_days_cap_is_counted_in_seoul_and_opens_again_at_midnight() {
    let options = Options { per_day_max: Some(30), pace: Pace::new(Some(50), None), ..options() };
    let mut stand = Stand::new(options, MIDNIGHT - 10_000);
    stand.accept(INFO, 70);
    let midnight = stand.now.mono + 10 * SECOND;
    stand.run_for(86_400 * SECOND);
    assert_eq!(stand.started.iter().filter(|(at, ..)| *at < midnight).count(), 30);
    assert_eq!(stand.started_since(midnight).len(), 30);
    assert!(stand.started_since(midnight)[0].0 < midnight + SECOND);
    assert!(stand.lane.outlet(0).unwrap().day_spent);
    stand.run_for(11 * SECOND);
    assert_eq!(stand.started.len(), 70);
}

#[test]
fn what_was_marked_before_midnight_counts_in_the_day_in_which_it_starts() {
    let options = Options { per_day_max: Some(10), pace: Pace::new(Some(50), None), ..options() };
    let mut stand = Stand::new(options, MIDNIGHT - 100);
    stand.accept(INFO, 40);
    let midnight = stand.now.mono + SECOND / 10;
    stand.run_for(2 * SECOND);
    let before = stand.started.iter().filter(|(at, ..)| *at < midnight).count();
    assert_eq!((before, stand.started_since(midnight).len()), (5, 10));
}

#[test]
fn an_auth_message_passes_queued_advertisements() {
    let mut stand = Stand::new(Options { pace: Pace::new(Some(10), None), ..options() }, MIDNIGHT);
    stand.accept(2, 500);
    stand.run_for(5 * SECOND);
    let before = stand.now.mono;
    let auth = stand.accept(0, 1);
    stand.run_for(SECOND / 2);
    let since = stand.started_since(before);
    let place = since.iter().position(|(_, frame)| *frame == auth);
    assert!(place.is_some_and(|place| place <= 3), "of {} starts it is {place:?}", since.len());
}

#[test]
fn doubts_of_one_chunk_are_looked_into_together_and_count_once() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    stand.accept(INFO, 64);
    stand.run_for(SECOND);
    let sent = stand.started.len();
    assert_eq!(sent, 64);
    // Some are answered, so that the provider counts as there.
    (0..sent).for_each(|index| stand.answer(index, if index % 5 == 4 { taken() } else { silent() }));
    stand.run_for(30 * SECOND);
    // More looks into one chunk than there may be, were each of its requests counted.
    for _ in 0..3 {
        let asked = std::mem::take(&mut stand.asked);
        assert!(asked.len() > 20, "{} asked about", asked.len());
        for (index, (chunk, slots)) in asked.into_iter().enumerate() {
            let found = if index % 5 == 4 { Ok(Some(vec![Verdict::Taken])) } else { Err("busy".to_owned()) };
            stand.step(Event::LookedUp { chunk, slots, found, roll: 500 });
        }
        stand.run_for(60 * SECOND);
    }
    for (chunk, slots) in std::mem::take(&mut stand.asked) {
        stand.step(Event::LookedUp { chunk, slots, found: Ok(Some(vec![Verdict::Taken])), roll: 0 });
    }
    stand.run_for(SECOND);
    assert_eq!(stand.last_side().account().of(State::Sent), 64);
    assert_eq!((stand.lane.status().frames, stand.lane.status().busy), (0, 0));
}

#[test]
fn lookups_keep_the_caps_too() {
    let pace = Pace::new(Some(20), None);
    let mut stand = Stand::new(Options { pace, in_flight_max: 5, ..options() }, MIDNIGHT);
    stand.accept(INFO, 50);
    for index in 0..50 {
        stand.run_for(SECOND / 20);
        stand.answer(index, if index % 5 == 4 { taken() } else { silent() });
    }
    stand.run_for(10 * SECOND);
    assert_eq!(stand.asked.len(), 5, "no more are asked about than may be in flight");
}

#[test]
fn requests_that_are_throttled_together_are_one_throttle() {
    let mut stand = Stand::new(Options { in_flight_max: 50, ..options() }, MIDNIGHT);
    stand.accept(INFO, 50);
    stand.run_for(SECOND);
    (0..50).for_each(|index| stand.answer(index, Answer::Throttled { after: None }));
    // The first throttle rests for at most twice the base.
    assert!(stand.lane.outlet(0).unwrap().blocked_until <= stand.now.mono + 2 * SECOND);
}

#[test]
fn a_provider_that_does_not_answer_is_asked_with_one_request_at_a_time() {
    let level = Level::Key { life: Duration::from_secs(86_400) };
    let mut stand = Stand::new(Options { level, ..options() }, MIDNIGHT);
    stand.accept(INFO, 64);
    stand.run_for(SECOND);
    // Four unanswered in a row may be bad luck, and an answer between them is one.
    (0..4).for_each(|index| stand.answer(index, silent()));
    stand.answer(4, taken());
    (5..9).for_each(|index| stand.answer(index, silent()));
    assert!(!stand.lane.outlet(0).unwrap().half_open);
    (9..63).for_each(|index| stand.answer(index, silent()));
    assert!(stand.lane.outlet(0).unwrap().half_open);
    stand.run_for(120 * SECOND);
    assert_eq!(stand.started.len(), 64, "one that is on its way may still be answered");
    stand.answer(63, silent());
    // What is not answered lets it rest longer each time, and what is opens it.
    let mut rests = Vec::new();
    for index in 64..67 {
        stand.run_for(120 * SECOND);
        assert_eq!(stand.started.len(), index + 1, "one request finds out whether the provider is there again");
        stand.answer(index, silent());
        rests.push(stand.lane.outlet(0).unwrap().blocked_until - stand.now.mono);
    }
    assert!(rests.is_sorted_by(|a, b| a < b), "{rests:?}");
    stand.run_for(120 * SECOND);
    stand.answer(67, taken());
    assert!(!stand.lane.outlet(0).unwrap().half_open);
    stand.run_for(120 * SECOND);
    assert!(stand.started.len() > 64 + 50, "{} started", stand.started.len());
}

#[test]
fn a_provider_that_can_be_asked_is_asked_about_all_that_is_in_doubt() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    stand.accept(INFO, 64);
    stand.run_for(SECOND);
    (0..64).for_each(|index| stand.answer(index, silent()));
    stand.run_for(60 * SECOND);
    assert_eq!(stand.asked.len(), 1);
    let (chunk, slots) = stand.asked.remove(0);
    stand.step(Event::LookedUp { chunk, slots, found: Ok(Some(vec![Verdict::Taken])), roll: 0 });
    stand.run_for(5 * SECOND);
    assert_eq!(stand.asked.len(), 63, "it answers questions");
    assert!(stand.lane.outlet(0).unwrap().half_open, "whether it takes new messages is for one of them to find out");
    for (chunk, slots) in std::mem::take(&mut stand.asked) {
        stand.step(Event::LookedUp { chunk, slots, found: Ok(Some(vec![Verdict::Taken])), roll: 0 });
    }
    stand.accept(INFO, 20);
    stand.run_for(10 * SECOND);
    assert_eq!(stand.started.len(), 65);
    stand.answer(64, taken());
    stand.run_for(SECOND);
    assert_eq!(stand.started.len(), 64 + 20);
}

#[test]
fn the_next_account_carries_while_the_first_is_silent_and_what_is_in_doubt_stays() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    stand.lane = lane(stand.now, vec![Options { in_flight_max: 8, ..options() }, options()]);
    stand.accept(INFO, 40);
    stand.run_for(SECOND);
    assert_eq!(stand.by, [0; 8], "nothing stands in for an account that is well");
    // What starts before the fifth is not answered either.
    let mut lost = 0;
    while lost < stand.by.len() && stand.by[lost] == 0 {
        stand.answer(lost, silent());
        lost += 1;
    }
    assert!((8..20).contains(&lost), "{lost} are in doubt");
    stand.run_for(SECOND);
    let mut left: Vec<u16> = stand.started.iter().flat_map(|(.., slots)| slots.clone()).collect();
    left.sort_unstable();
    assert_eq!(left, (0..40).collect::<Vec<u16>>(), "all that is not in doubt leaves, once");
    assert!(stand.by[lost..].iter().all(|by| *by == 1));
    (lost..40).for_each(|index| stand.answer(index, taken()));
    // What is in doubt is asked about where it left, and the first message that is taken there brings that account back.
    stand.run_for(60 * SECOND);
    assert_eq!(stand.asked.len(), 1);
    while !stand.asked.is_empty() {
        let (chunk, slots) = stand.asked.remove(0);
        stand.step(Event::LookedUp { chunk, slots, found: Ok(Some(vec![Verdict::Taken])), roll: 0 });
        stand.run_for(SECOND);
    }
    stand.accept(INFO, 1);
    stand.run_for(SECOND);
    assert_eq!((stand.by.len(), stand.by[40]), (41, 0));
    stand.answer(40, taken());
    stand.accept(INFO, 3);
    stand.run_for(SECOND);
    assert_eq!(stand.by[41..], [0; 3]);
}

/// Plays for so many seconds with every request answered at once, as `answer` says of its outlet and chunk.
fn play(stand: &mut Stand, answered: &mut usize, seconds: u64, answer: impl Fn(usize, &ChunkKey) -> Answer) {
    for _ in 0..seconds {
        stand.run_for(SECOND);
        while *answered < stand.started.len() {
            let said = answer(stand.by[*answered], &stand.started[*answered].1);
            stand.answer(*answered, said);
            *answered += 1;
        }
    }
}

#[test]
fn one_request_that_is_never_answered_does_not_keep_all_others() {
    let level = Level::Key { life: Duration::from_secs(86_400) };
    let mut stand = Stand::new(Options { level, retry_max_ms: 300_000, tries_max: 8, ..options() }, MIDNIGHT);
    let poison = stand.accept(INFO, 1);
    let (mut answered, mut seconds) = (0, 0);
    let answer = |_, chunk: &ChunkKey| if chunk.frame == poison { silent() } else { taken() };
    while !stand.lane.outlet(0).unwrap().open {
        play(&mut stand, &mut answered, 1, answer);
        seconds += 1;
        assert!(seconds < 7_200, "the same request again and again opens it");
    }
    let other = stand.accept(0, 1);
    play(&mut stand, &mut answered, 120, answer);
    assert!(stand.started.iter().any(|(_, chunk, _)| chunk.frame == other));
}

#[test]
fn an_account_that_names_hours_is_passed_over_and_stays_so() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    stand.lane = lane(stand.now, vec![Options { in_flight_max: 2, ..options() }, options()]);
    let hours = |by, _: &ChunkKey| match by {
        0 => Answer::Throttled { after: Some(Duration::from_secs(4 * 3_600)) },
        _ => taken(),
    };
    let mut answered = 0;
    stand.accept(INFO, 20);
    play(&mut stand, &mut answered, 2, hours);
    assert_eq!(stand.last_side().account().of(State::Sent), 20);
    // One that finds out and is told hours again ends nothing.
    stand.now = Now { mono: stand.now.mono + 14_400 * SECOND, wall: stand.now.wall + 14_400_000 };
    stand.accept(INFO, 3);
    play(&mut stand, &mut answered, 10, hours);
    stand.accept(INFO, 3);
    play(&mut stand, &mut answered, 10, hours);
    assert_eq!(stand.by.iter().filter(|by| **by == 0).count(), 3, "two, and one four hours later");
    assert_eq!(stand.by.len(), 26 + 3);
}

#[test]
fn an_answer_about_an_earlier_request_does_not_say_that_new_ones_are_taken() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    let own = Options { in_flight_max: 8, tries_max: 8, ..options() };
    stand.lane = lane(stand.now, vec![own.clone(), own]);
    stand.accept(INFO, 200);
    let mut answered = 0;
    for _ in 0..600 {
        play(&mut stand, &mut answered, 1, |by, _| if by == 0 { silent() } else { taken() });
        for (chunk, slots) in std::mem::take(&mut stand.asked) {
            stand.step(Event::LookedUp { chunk, slots, found: Ok(None), roll: 7 });
        }
    }
    let account = stand.last_side().account();
    // One may be finding out whether anybody is there.
    assert!(account.of(State::Sent) >= 199 && account.of(State::Failed) == 0, "{account:?}");
    let lost = stand.by.iter().filter(|by| **by == 0).count();
    assert!(lost < 40, "{lost} requests to an account that takes nothing");
}

#[test]
fn what_nobody_can_tell_any_more_is_given_up_where_the_account_is_lent_too() {
    let level = Level::Lookup { life: Duration::from_secs(600) };
    let mut stand = Stand::new(options(), MIDNIGHT);
    let first = Options { in_flight_max: 5, level: Level::None, ..options() };
    stand.lane = lane(stand.now, vec![first, Options { level, in_flight_max: 1, ..options() }]);
    stand.accept(INFO, 6);
    stand.run_for(SECOND / 10);
    (0..5).for_each(|index| stand.answer(index, Answer::Unsent { code: "connection-refused".to_owned() }));
    stand.run_for(SECOND / 10);
    let at = stand.by.iter().position(|by| *by == 1).expect("the next account carries");
    stand.step(Event::Parted { outlet: 1 });
    stand.answer(at, silent());
    stand.run_for(700 * SECOND);
    let ended = stand.saves.iter().any(|save| save.ended.contains(&stand.started[at].1));
    assert!(ended, "its customer waits for nothing");
    assert!(stand.lane.outlet(1).unwrap().idle);
}

#[test]
fn one_message_that_is_not_urgent_finds_out_whether_the_first_account_is_back() {
    const AUTH: usize = 0;
    const AD: usize = 2;
    let mut stand = Stand::new(Options { level: Level::None, ..options() }, MIDNIGHT);
    let batches = |in_flight_max| Options { level: Level::None, batch_max: 10, in_flight_max, ..options() };
    stand.lane = lane(stand.now, vec![batches(5), batches(1)]);
    stand.accept(INFO, 50);
    stand.run_for(SECOND);
    (0..5).for_each(|index| stand.answer(index, Answer::Unsent { code: "connection-refused".to_owned() }));
    assert!(stand.lane.outlet(0).unwrap().open);
    // The other account is busy with one batch, so that there is always something to choose from.
    stand.accept(AUTH, 20);
    stand.accept(AD, 20);
    stand.run_for(120 * SECOND);
    let probes: Vec<_> = stand.by.iter().zip(&stand.started).skip(5).filter(|(by, _)| **by == 0).collect();
    let [(_, (_, chunk, slots))] = probes[..] else { panic!("{} requests find out", probes.len()) };
    assert_eq!((chunk.frame, slots.len()), (Id([3; 16]), 1), "one ad");
}

/// Whose requests may be made again, with 100 messages a second of its own.
fn repeating() -> Options {
    let level = Level::Key { life: Duration::from_secs(3_600) };
    let pace = Pace::new(Some(10), Some(100));
    Options { level, pace, home: Some(100), batch_max: 50, in_flight_max: 4, ..options() }
}

/// A part of what [`repeating`] has, and all of it.
const PART: Caps = Caps { requests: Some(2), messages: Some(10), in_flight: 1 };
const WHOLE: Caps = Caps { requests: Some(10), messages: Some(100), in_flight: 4 };

#[test]
fn a_part_of_the_caps_is_given_away_when_nothing_needs_it_any_more() {
    let mut stand = Stand::new(repeating(), MIDNIGHT);
    stand.accept(INFO, 1_000);
    stand.run_for(2 * SECOND);
    assert_eq!(stand.started[0].2.len(), 20);
    stand.step(Event::Capped { outlet: 0, caps: PART });
    assert!(!stand.lane.is_within_caps(0), "more is in flight");
    let mut next = stand.started.len();
    (1..next).for_each(|index| stand.answer(index, Answer::Each(vec![Verdict::Taken; stand.started[index].2.len()])));
    stand.answer(0, silent());
    let mut sends_on = |stand: &mut Stand| {
        let from = next;
        for _ in 0..50 {
            stand.run_for(SECOND);
            let Some((_, _, slots)) = stand.started.get(next) else { continue };
            let most = stand.lane.outlet(0).unwrap().caps.messages.unwrap() as usize;
            assert!(slots.len() <= most || !stand.lane.is_within_caps(0), "{slots:?}");
            stand.answer(next, Answer::Each(vec![Verdict::Taken; slots.len()]));
            next += 1;
        }
        assert!(next > from + 10);
        stand.started[from..next].to_vec()
    };
    let others = sends_on(&mut stand);
    assert!(others.iter().all(|(_, chunk, _)| *chunk != stand.started[0].1), "a request of twenty waits for more");
    assert!(stand.lane.outlet(0).unwrap().wants && !stand.lane.is_within_caps(0), "and keeps what there is");
    stand.step(Event::Capped { outlet: 0, caps: WHOLE });
    let all = sends_on(&mut stand);
    assert!(all.iter().any(|(_, chunk, slots)| *chunk == stand.started[0].1 && slots.len() == 20));
    stand.step(Event::Capped { outlet: 0, caps: PART });
    assert!(stand.lane.is_within_caps(0), "nothing needs more any more");
}

#[test]
fn what_others_gave_away_meanwhile_is_not_used_by_a_request_in_doubt() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    let first = Options { in_flight_max: 5, level: Level::None, ..options() };
    stand.lane = lane(stand.now, vec![first, repeating()]);
    stand.accept(INFO, 100);
    stand.run_for(SECOND / 10);
    (0..5).for_each(|index| stand.answer(index, Answer::Unsent { code: "connection-refused".to_owned() }));
    for index in 5.. {
        while stand.started.len() <= index {
            stand.run_for(SECOND / 10);
        }
        let messages = stand.started[index].2.len();
        let large = stand.by[index] == 1 && messages == 20;
        stand.answer(index, if large { silent() } else { Answer::Each(vec![Verdict::Taken; messages]) });
        if large {
            break;
        }
    }
    let at = stand.started.iter().position(|(_, _, slots)| slots.len() == 20).expect("the next account carries");
    stand.step(Event::Parted { outlet: 1 });
    stand.run_for(SECOND);
    assert!(stand.lane.outlet(1).unwrap().idle, "the account goes to its own lane, which knows of no doubt");
    stand.step(Event::Capped { outlet: 1, caps: PART });
    stand.step(Event::Joined { outlet: 1, day: 0, day_used: 0, quiet_until: 0 });
    let mut answered = at + 1;
    let mut minute = |stand: &mut Stand| {
        for _ in 0..60 {
            stand.run_for(SECOND);
            while let Some((_, _, slots)) = stand.started.get(answered) {
                stand.answer(answered, Answer::Each(vec![Verdict::Taken; slots.len()]));
                answered += 1;
            }
        }
    };
    minute(&mut stand);
    let by_second = |stand: &Stand| {
        let all = stand.by.iter().zip(&stand.started).skip(at + 1).filter(|(by, _)| **by == 1);
        all.map(|(_, (_, chunk, slots))| (*chunk, slots.len())).collect::<Vec<_>>()
    };
    assert!(by_second(&stand).iter().all(|(_, messages)| *messages <= 10), "{:?}", by_second(&stand));
    assert!(stand.lane.outlet(1).unwrap().wants);
    stand.step(Event::Capped { outlet: 1, caps: WHOLE });
    minute(&mut stand);
    assert!(by_second(&stand).contains(&(stand.started[at].1, 20)));
    assert!(!stand.lane.outlet(1).unwrap().wants);
}

#[test]
fn what_others_lend_makes_no_request_larger_than_half_of_ones_own() {
    let mut stand = Stand::new(Options { home: Some(16), ..repeating() }, MIDNIGHT);
    stand.accept(INFO, 100);
    stand.run_for(SECOND);
    assert!(stand.started.iter().all(|(_, _, slots)| slots.len() <= 8) && stand.started.len() == 4);
}

#[test]
fn a_throttled_repeat_says_nothing_about_the_first_request() {
    let level = Level::Key { life: Duration::from_secs(3_600) };
    let mut stand = Stand::new(Options { level, ..options() }, MIDNIGHT);
    stand.accept(INFO, 1);
    stand.run_for(SECOND);
    stand.answer(0, Answer::Unknown { code: "timed-out".to_owned() });
    stand.run_for(10 * SECOND);
    for index in 1..5 {
        let last = stand.started.last().cloned().unwrap();
        assert_eq!(
            (stand.started.len(), last.1),
            (index + 1, stand.started[0].1),
            "the same request under the same key"
        );
        let answer =
            if index % 2 == 0 { Answer::Unsent { code: "dns".to_owned() } } else { Answer::Throttled { after: None } };
        stand.answer(index, answer);
        stand.run_for(120 * SECOND);
    }
}

#[test]
fn a_message_that_will_be_too_old_when_it_is_due_ends_now() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    stand.accept(INFO, 2);
    stand.frames[0].1.expires = vec![MIDNIGHT + 60_000, Millis::MAX];
    let mut stand = Stand {
        lane: lane(stand.now, vec![options()]),
        started: Vec::new(),
        by: Vec::new(),
        saves: Vec::new(),
        ..stand
    };
    stand.step(Event::Work { priority: INFO });
    stand.run_for(SECOND);
    for index in 0..2 {
        let again = Verdict::Retry { code: "busy".to_owned(), after: Some(Duration::from_secs(3_600)) };
        stand.answer(index, Answer::Each(vec![again]));
    }
    stand.run_for(SECOND);
    let side = stand.last_side();
    assert_eq!((side.state(0), side.code(0), side.state(1)), (State::Expired, Some("expired"), State::Pending));
}

#[test]
fn what_never_left_is_not_counted_in_the_day() {
    let options = Options { per_day_max: Some(40), pace: Pace::new(Some(50), None), ..options() };
    let mut stand = Stand::new(options, MIDNIGHT);
    stand.accept(INFO, 64);
    for _ in 0..10 {
        stand.run_for(SECOND / 20);
        stand.step(Event::Pause(true));
        stand.step(Event::Pause(false));
    }
    stand.run_for(10 * SECOND);
    assert_eq!(stand.started.len(), 40);
}

#[test]
fn a_report_that_comes_first_stands() {
    let mut stand = Stand::new(Options { level: Level::None, ..options() }, MIDNIGHT);
    let frame = stand.accept(INFO, 1);
    stand.run_for(SECOND);
    stand.answer(0, Answer::Each(vec![Verdict::Retry { code: "busy".to_owned(), after: None }]));
    stand.denied = vec![(0, Permit::Suppress("opted-out"))];
    // While consent is asked about the second try, the provider tells what became of the first.
    stand.told = Some(Event::Reported { frame, ends: vec![(0, State::Failed, "switched-off".to_owned())] });
    stand.run_for(10 * SECOND);
    let side = stand.last_side();
    assert_eq!((side.state(0), side.code(0)), (State::Failed, Some("switched-off")));
    assert_eq!((stand.lane.status().frames, stand.lane.status().busy), (0, 0));
}

#[test]
fn a_paused_lane_leaves_only_what_left_in_doubt() {
    let mut stand = Stand::new(Options { in_flight_max: 4, batch_max: 5, ..options() }, MIDNIGHT);
    stand.accept(INFO, 64);
    stand.run_for(SECOND / 10);
    stand.step(Event::Pause(true));
    stand.run_for(SECOND / 10);
    let marks = stand.saves.iter().flat_map(|save| save.marks.iter().map(|mark| mark.key));
    let ended: Vec<ChunkKey> = stand.saves.iter().flat_map(|save| save.ended.clone()).collect();
    let in_doubt: Vec<ChunkKey> = marks.filter(|key| !ended.contains(key)).collect();
    let left: Vec<ChunkKey> = stand.started.iter().map(|(_, chunk, _)| *chunk).collect();
    assert_eq!((left.len(), in_doubt), (4, left));
}

#[test]
fn outcomes_are_stored_together_unless_somebody_waits_for_one() {
    let mut stand = Stand::new(options(), MIDNIGHT);
    stand.accept(INFO, 64);
    stand.run_for(SECOND);
    assert_eq!(stand.started.len(), 64);
    let before = stand.saves.len();
    for index in 0..32 {
        stand.answer(index, Answer::Each(vec![Verdict::Taken]));
        stand.run_for(500);
    }
    // 16 ms of answers, half a millisecond apart.
    assert_eq!(stand.saves.len() - before, 1);
    // A second message to the customer of the last one.
    let (id, keys) = (Id([9; 16]), vec![stand.frames[0].1.keys[63]]);
    let next = Loaded { id, seq: 9, keys, side: Side::new(1), ..stand.frames[0].1.clone() };
    stand.frames.push((INFO, next));
    stand.step(Event::Work { priority: INFO });
    let before = stand.saves.len();
    stand.answer(63, Answer::Each(vec![Verdict::Taken]));
    stand.run_for(6_000);
    assert!(stand.saves.len() > before, "the next message waits");
    assert_eq!(stand.started.last().map(|(_, chunk, _)| chunk.frame), Some(id));
}

#[test]
fn an_outage_of_a_day_leaves_nothing_unknown_that_the_provider_still_remembers() {
    let mut stand = Stand::new(Options { retry_base_ms: 50, retry_max_ms: 500, ..options() }, MIDNIGHT);
    stand.accept(INFO, 1);
    stand.run_for(SECOND);
    stand.answer(0, silent());
    let mut looks = 0;
    for _ in 0..20 * 60 {
        stand.run_for(60 * SECOND);
        for (chunk, slots) in std::mem::take(&mut stand.asked) {
            looks += 1;
            let found = Err("connection-refused".to_owned());
            stand.step(Event::LookedUp { chunk, slots, found, roll: u64::MAX / 3 });
        }
    }
    assert!(looks > 100, "{looks} looks in twenty hours");
    stand.run_for(600 * SECOND);
    let (chunk, slots) = stand.asked.remove(0);
    stand.step(Event::LookedUp { chunk, slots, found: Ok(Some(vec![Verdict::Taken])), roll: 0 });
    stand.run_for(SECOND);
    assert_eq!(stand.last_side().account().of(State::Sent), 1);
}

#[test]
fn what_an_earlier_owner_marked_ahead_does_not_keep_a_lane_standing_still() {
    let mut stand = Stand::new(Options { in_flight_max: 8, ..options() }, MIDNIGHT);
    let id = Id([7; 16]);
    let slots: Vec<u16> = (0..64).collect();
    let doubt = Doubt {
        key: ChunkKey { frame: id, first: 0, attempt: 0 },
        outlet: Some(0),
        single: Some(true),
        slots,
        tries: 0,
        started_at: MIDNIGHT - 1_000,
        deadline: MIDNIGHT + 30_000,
    };
    let (keys, side) = ((0..64).collect(), Side::new(64));
    let (expires, retries, doubts) = (Vec::new(), Vec::new(), vec![doubt]);
    let frame = Loaded { id, seq: 1, campaign: None, keys, expires, side, retries, doubts };
    stand.step(Event::Restored { priority: INFO, frames: vec![frame] });
    stand.accept(INFO, 50);
    stand.run_for(SECOND);
    assert_eq!(stand.started.len(), 4, "half of what may be in flight");
    assert!(stand.asked.is_empty(), "nothing is asked about before the deadline");
}

#[test]
fn a_stopped_lane_leaves_nothing_in_doubt_and_wants_nothing() {
    let mut stand = Stand::new(Options { in_flight_max: 4, ..options() }, MIDNIGHT);
    stand.accept(INFO, 64);
    stand.run_for(SECOND / 10);
    stand.step(Event::Stop);
    (0..stand.started.len()).for_each(|index| stand.answer(index, Answer::Unknown { code: "reset".to_owned() }));
    stand.run_for(60 * SECOND);
    assert!(stand.lane.is_quiet());
    assert!(stand.asked.is_empty(), "it asks about nothing");
    assert!(stand.lane.wake_at(stand.now).is_none_or(|at| at > stand.now.mono));
}
