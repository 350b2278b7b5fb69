//! The engine as a whole on a real SQLite file, on SQLite on a disk that loses power, and on a real PostgreSQL: one rule or
//! fault a file, each case written once and run on all of them. A kill is a power cut where there is a power to cut. Every
//! case ends by proving the account and by joining it with the vendor's ledger.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod app;
mod clock;
mod data;
mod file;
mod joined;
mod life;
mod people;
mod vendor;

mod accepted_is_durable;
mod account_always_balances;
mod account_summed;
mod allow_list;
mod campaign_cancel;
mod campaign_hold;
mod campaign_pause;
mod campaign_search;
mod clock_is_set;
mod commit_answer_lost;
mod consent;
mod damage;
mod database_gone;
mod day_cap;
mod expiry;
mod failover;
mod fence;
mod file_or_stream;
mod find_newest_first;
mod held_open;
mod history;
mod idempotency_key;
mod import_cancelled;
mod import_killed;
mod import_lease;
mod instances;
mod message_view;
mod order_per_customer;
mod power_cut;
mod receipts;
mod receipts_early;
mod receipts_killed;
mod refusal;
mod rendered_again;
mod restart;
mod retention;
mod retries;
mod seen_from_outside;
mod shares;
mod stop;
mod throttle;
mod timeout_after_accept;
mod two_writers;
mod unknown;

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

/// Besides [`on_both_engines`], for what is killed in its midst: SQLite on a disk whose power goes instead.
macro_rules! with_power_cuts {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test]
            fn $name() {
                super::$name($crate::app::TestApp::new(naru_testkit::database::Engine::Memory));
            })*
        }
    };
}
pub(crate) use with_power_cuts;

/// As [`on_both_engines`], for what cannot be on an embedded store: several processes.
macro_rules! on_postgres {
    ($($name:ident),* $(,)?) => {
        mod processes {
            $(#[test]
            fn $name() {
                super::$name($crate::app::TestApp::new(naru_testkit::database::Engine::Postgres));
            })*
        }
    };
}
pub(crate) use on_postgres;
