//! What is wrong with JSON that somebody sent, told without the values found: they may be anybody's number or name.

use std::fmt::Display;

use naru_core::masked::mask_within;
use serde::de::Error;

/// Names the field in whose value `error` came about.
pub fn in_field<E: Error>(field: &str, error: impl Display) -> E {
    E::custom(format_args!("`{field}`: {error}"))
}

/// The parser's sentence without the value in it.
pub fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // `invalid type: string "…", expected an object`: the value stands in marks, and nothing else before "expected".
    let value = text.find("invalid type: ").and_then(|at| {
        let (open, close) = (text[at..].find(['`', '"'])?, text[at..].rfind(", expected ")?);
        (open < close).then_some(at + open..at + close)
    });
    let text = match value {
        Some(value) => format!("{}{}", text[..value.start].trim_end(), &text[value.end..]),
        None => text,
    };
    mask_within(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_not_told() {
        let check = |json: &str, expect: &str| {
            assert_eq!(why(&serde_json::from_str::<Vec<u8>>(json).unwrap_err()), expect, "{json}");
        };
        check("\"010-1234-5678\"", "invalid type: string, expected a sequence at line 1 column 15");
        check("\"김, expected `x`\"", "invalid type: string, expected a sequence at line 1 column 19");
        check("1012345678", "invalid type: integer, expected a sequence at line 1 column 10");
        check("{}", "invalid type: map, expected a sequence at line 1 column 0");
        check("[", "EOF while parsing a list at line 1 column 1");
    }
}
