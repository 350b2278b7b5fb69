//! Campaigns are found by a part of their name and by where they stand, page by page, and none is left out between two.

use naru_core::id::Id;
use naru_dispatch::campaign::CampaignState;
use naru_dispatch::campaign::search::{Found, Sought, search};

use crate::app::TestApp;
use crate::file::File;
use crate::on_both_engines;

on_both_engines!(
    a_part_of_the_name_is_enough_in_whatever_case,
    each_state_finds_those_that_stand_there,
    pages_follow_each_other_without_a_gap,
);

fn find(app: &TestApp, sought: &Sought, limit: usize) -> Found {
    app.wait(search(app.store(), sought, limit)).unwrap()
}

fn names(found: &Found) -> Vec<&str> {
    found.campaigns.iter().map(|campaign| campaign.name.as_str()).collect()
}

fn a_part_of_the_name_is_enough_in_whatever_case(mut app: TestApp) {
    app.start_intake();
    for name in ["Spring sale", "봄맞이 할인", "ÜBERRASCHUNG", "100% spring", "empty_spring"] {
        app.take_in(&File::new(name, 2, 10));
    }
    let check = |part: &str, expect: &[&str]| {
        let found = find(&app, &Sought { name: part.to_owned(), ..Sought::default() }, 10);
        assert_eq!(names(&found), expect, "{part}");
        assert_eq!(found.next, None);
    };
    check("SPRING", &["empty_spring", "100% spring", "Spring sale"]);
    check("맞이", &["봄맞이 할인"]);
    check("überr", &["ÜBERRASCHUNG"]);
    // Nothing in a name or in what is sought is a pattern.
    check("%", &["100% spring"]);
    check("y_s", &["empty_spring"]);
    check("autumn", &[]);
}

fn each_state_finds_those_that_stand_there(mut app: TestApp) {
    app.start();
    app.take_in(&File::new("sent", 3, 10));
    app.settle();
    app.take_in(&File { hold: true, ..File::new("waits", 3, 10) });
    let ended = app.take_in(&File { hold: true, ..File::new("ended", 3, 10) }).campaign;
    app.wait(app.dispatch.cancel(ended)).unwrap();
    app.stop();
    app.start_intake();
    let waits = app.take_in(&File::new("stopped", 3, 10)).campaign;
    app.wait(app.dispatch.pause(waits)).unwrap();
    app.take_in(&File::new("goes", 3, 10));
    let coming = File::new("comes in", 3, 10);
    let (import, ending) = app.open(&coming);
    for (state, expect) in [
        (CampaignState::Done, &["sent"][..]),
        (CampaignState::Held, &["waits"]),
        (CampaignState::Cancelled, &["ended"]),
        (CampaignState::Loading, &["comes in"]),
        (CampaignState::Paused, &["stopped"]),
        (CampaignState::Running, &["goes"]),
    ] {
        let found = find(&app, &Sought { state: Some(state), ..Sought::default() }, 10);
        assert_eq!(names(&found), expect, "{state:?}");
        assert!(found.campaigns.iter().all(|campaign| campaign.state == state), "{found:?}");
    }
    let both = Sought { name: "S".to_owned(), state: Some(CampaignState::Running), before: None };
    assert_eq!(names(&find(&app, &both, 10)), ["goes"]);
    coming.feed_all(import).unwrap();
    app.wait(ending.wait()).unwrap();
}

fn pages_follow_each_other_without_a_gap(mut app: TestApp) {
    app.start_intake();
    // The clock stands still: many are made in one millisecond.
    let all: Vec<String> = (0..13).map(|n| format!("{} {n}", if n % 2 == 0 { "even" } else { "odd" })).collect();
    for name in &all {
        app.take_in(&File::new(name.clone().leak(), 1, 10));
    }
    for (name, limit, expect) in [("", 5, 13), ("even", 3, 7), ("odd", 6, 6)] {
        let mut seen: Vec<String> = Vec::new();
        let mut before: Option<Id> = None;
        loop {
            let found = find(&app, &Sought { name: name.to_owned(), state: None, before }, limit);
            assert!(found.next.is_none() || found.campaigns.len() == limit, "{found:?}");
            seen.extend(names(&found).into_iter().map(str::to_owned));
            let Some(next) = found.next else { break };
            before = Some(next);
        }
        assert_eq!(seen.len(), expect, "{seen:?}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), expect, "none twice");
    }
    let stranger = Sought { before: Some(Id::new(1)), ..Sought::default() };
    assert_eq!(app.wait(search(app.store(), &stranger, 5)).unwrap_err().code, "campaign-unknown");
}
