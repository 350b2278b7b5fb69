//! What is wrong with JSON that somebody sent.

use std::fmt::Display;

use naru_core::masked::without_value;
use serde::de::Error;

/// Names the field in whose value `error` came about.
pub fn in_field<E: Error>(field: &str, error: impl Display) -> E {
    E::custom(format_args!("`{field}`: {error}"))
}

/// The parser's sentence without the value in it.
pub fn why(error: &serde_json::Error) -> String {
    without_value(&error.to_string())
}
