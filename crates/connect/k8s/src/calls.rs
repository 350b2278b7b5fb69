//! The calls, one file for each thing that they are about.

pub mod access;
pub mod list;
pub mod objects;
pub mod scale;
