//! A request made again is the same to the byte, after a kill and after its template has a newer version.

use naru_dispatch::message::Purpose;
use naru_dispatch::template::TemplateText;

use crate::app::{DOWN, TestApp};
use crate::life::{messages, template};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(a_request_made_again_is_the_same_to_the_byte);

with_power_cuts!(a_request_made_again_is_the_same_to_the_byte);

fn a_request_made_again_is_the_same_to_the_byte(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let ids = app.accept(Purpose::Info, messages(10));
    app.until_waiting(1);
    let text = TemplateText { body: "new: #{text}".to_owned(), ..template(Purpose::Info) };
    let pushed = app.wait(app.dispatch.templates().push(text, "test", 0)).unwrap();
    assert_eq!(pushed, (2, true));
    app.kill();
    app.vendor.answer();
    app.clock.skip(DOWN);
    app.start();
    assert_eq!(app.settle().sent, 10);
    // The vendor holds the bodies against each other and notes a difference as an offence, which fails every case.
    let calls = app.vendor.calls();
    assert_eq!((calls.len(), &calls[0].key, &calls[0].ids), (2, &calls[1].key, &calls[1].ids));
    assert_eq!(app.vendor.text(ids[3]).as_deref(), Some("text 3"));
}
