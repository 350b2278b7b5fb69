//! Who asks what was sent to a number gets ids, newest first, whatever else has its fingerprint.

use std::time::Duration;

use naru_dispatch::find::Wanted;
use naru_dispatch::message::{Message, Purpose};

use crate::app::TestApp;
use crate::file::File;
use crate::life::{message, messages, phone};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(messages_to_a_number_are_found_newest_first, messages_of_a_trace_are_found_page_by_page);

fn messages_of_a_trace_are_found_page_by_page(mut app: TestApp) {
    app.start();
    let trace = |n: usize| Some(format!("trace-{}", n % 3));
    let mut mine = Vec::new();
    for _ in 0..2 {
        app.clock.skip(Duration::from_millis(10));
        let all = messages(20).into_iter().enumerate();
        let all: Vec<Message> = all.map(|(n, message)| Message { trace_id: trace(n), ..message }).collect();
        // One to an address that reads as the trace does.
        let ids = app.accept(Purpose::Info, [all, vec![message("trace-1", "")]].concat());
        mine.splice(0..0, ids.into_iter().take(20).skip(1).step_by(3).rev());
    }
    app.settle();
    let wanted = Wanted::Trace("trace-1".to_owned());
    let find = |before, limit| app.wait(app.dispatch.find_before(&wanted, before, limit)).unwrap();
    assert_eq!(find(None, 100), mine);
    assert_eq!(find(None, 5), mine[..5]);
    for at in [0, 4, 6, 9] {
        assert_eq!(find(Some(mine[at]), 5), mine[at + 1..(at + 6).min(mine.len())]);
    }
    let none = Wanted::Trace("trace-9".to_owned());
    assert_eq!(app.wait(app.dispatch.find_before(&none, None, 5)).unwrap(), []);
    app.restart();
    assert_eq!(app.wait(app.dispatch.find_before(&wanted, None, 100)).unwrap(), mine);
}

with_power_cuts!(messages_to_a_number_are_found_newest_first);

fn messages_to_a_number_are_found_newest_first(mut app: TestApp) {
    app.start();
    let to = message(&phone(7), "").to;
    let mut newest_first = Vec::new();
    // Three calls, one of them with two to the same number, and a campaign between them.
    for call in 0..3 {
        app.clock.skip(Duration::from_millis(10));
        let mut all = messages(20);
        if call == 1 {
            all.push(message(&phone(7), "again"));
        }
        let ids = app.accept(Purpose::Info, all);
        newest_first.insert(0, ids[7]);
        newest_first.splice(0..0, ids.get(20).copied());
        app.clock.skip(Duration::from_millis(10));
        if call == 1 {
            app.take_in(&File::new("campaign", 3_000, 10));
        }
    }
    app.settle();
    let found = app.wait(app.dispatch.find(&to, 100)).unwrap();
    assert_eq!(found.len(), 5);
    assert_eq!([found[0], found[2], found[3], found[4]], newest_first[..]);
    assert!(app.look(found[1]).campaign.is_some());
    assert_eq!(app.wait(app.dispatch.find(&to, 2)).unwrap(), found[..2]);
    assert_eq!(app.wait(app.dispatch.find(&message("01077777777", "").to, 2)).unwrap(), []);
    // The secret of the fingerprints is the same in the next life.
    app.restart();
    assert_eq!(app.wait(app.dispatch.find(&to, 100)).unwrap(), found);
}
