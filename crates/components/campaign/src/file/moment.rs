//! `expires_at` as people and programs write it.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use naru_core::clock::Millis;

/// Korea keeps one offset all year and has since 1988.
const SEOUL: Offset = Offset::constant(9);

/// Reads RFC 3339, or `YYYY-MM-DD HH:MM[:SS]` by the clock in Asia/Seoul.
pub(crate) fn parse_moment(text: &str) -> Option<Millis> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let local = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"].iter().find_map(|form| DateTime::strptime(form, text).ok())?;
    SEOUL.to_timestamp(local).ok().map(|at| at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_written_zone_or_in_seoul() {
        let at = 1_795_361_400_000;
        for text in ["2026-11-22T15:30:00Z", "2026-11-23T00:30:00+09:00", "2026-11-23 00:30", "2026-11-23 00:30:00"] {
            assert_eq!(parse_moment(text), Some(at), "{text}");
        }
        for text in ["", "2026-11-23", "2026-11-23T00:30", "00:30", "내일", "2026-13-01 00:00", "1795361400000"] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
