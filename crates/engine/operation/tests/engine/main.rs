//! The engine as a whole on a real SQLite file and on a real PostgreSQL, with kinds of operation that change a world in
//! memory: one rule or fault a file. A kill takes a process away between two polls of whatever it does; the world stands
//! outside and keeps a ledger of what was done to it. Every case ends by joining that with the record.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod app;
mod world;

mod approval;
mod cancel;
mod failure;
mod instances;
mod killed;
mod locks;
mod pages;
mod queue;
mod random;
mod step;

/// Makes each named case a test of its own on either engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                super::$name($crate::app::TestApp::new(naru_testkit::database::Engine::Sqlite));
            })*
        }
        mod postgres {
            $(#[test]
            fn $name() {
                super::$name($crate::app::TestApp::new(naru_testkit::database::Engine::Postgres));
            })*
        }
    };
}
pub(crate) use on_both_engines;
