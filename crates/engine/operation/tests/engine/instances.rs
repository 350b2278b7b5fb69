//! One instance carries operations out; when it is killed another one goes on, and orders may be given to either.

use naru_operation::operation::State;
use naru_testkit::database::Engine;

use crate::app::TestApp;
use crate::world::{Fault, in_order};

#[test]
fn another_instance_goes_on() {
    let mut app = TestApp::new(Engine::Postgres);
    let first = app.ask(in_order(&[("a@x", "v1")]));
    app.until(first, State::Done);
    let another = app.another();
    // Asked of the one that carries nothing out.
    let second = another.ask(in_order(&[("a@x", "v2")]));
    app.until(second, State::Done);
    app.world.fail(&[Fault::HangAfter]);
    let third = another.ask(in_order(&[("a@x", "v3"), ("b@x", "v3")]));
    another.wait(app.world.hanging.one());
    app.kill();
    // Its lease lasts six seconds more, by the database's clock.
    another.until(third, State::Done);
    assert_eq!(app.world.value("b@x"), "v3");
    another.kill();
    app.start();
}
