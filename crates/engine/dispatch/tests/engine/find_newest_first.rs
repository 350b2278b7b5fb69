//! Who asks what was sent to a number gets ids, newest first, whatever else has its fingerprint.

use std::time::Duration;

use naru_dispatch::message::Purpose;

use crate::app::TestApp;
use crate::file::File;
use crate::life::{message, messages, phone};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(messages_to_a_number_are_found_newest_first);

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
