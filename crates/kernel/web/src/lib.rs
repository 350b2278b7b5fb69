//! Pages, people, sessions, roles and live updates.

pub mod page;
pub mod role;
