//! The front over real HTTP, on a real SQLite file and a real PostgreSQL.

// Clippy knows tests by their attribute; their helpers have none.
#![allow(clippy::unwrap_used)]

mod cross_origin;
mod errors;
mod feed;
mod headers;
mod house;
mod links;
mod live;
mod people;
mod sessions;
mod sign_in;
mod texts;
mod tokens;
