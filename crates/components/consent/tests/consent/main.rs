//! The room from outside: words are said, files come along, and the engine asks what it would ask before sending.
//! Every suite runs over a real SQLite file and over a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod history;
mod house;
mod import;
mod instance;
mod permit;
mod said;

/// Makes each named check a test of its own on either engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::house::House::new(naru_testkit::database::Engine::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::house::House::new(naru_testkit::database::Engine::Postgres).await).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;
