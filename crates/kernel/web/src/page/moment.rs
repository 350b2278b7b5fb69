//! Moments: in Asia/Seoul, as the shop lives, with UTC on hover, as logs are written.

use maud::html;
use naru_core::clock::{Millis, seoul};

use super::{Markup, Reader};

/// The moment itself: `2026-11-22 14:03:07`.
pub fn at(at: Millis) -> Markup {
    html! { time datetime=(iso(at)) title=(utc(at)) { (seoul(at)) } }
}

/// How long ago, or how soon: `3 min ago`. After a week the day itself.
pub fn ago(reader: &Reader, at: Millis) -> Markup {
    html! { time datetime=(iso(at)) title={ (seoul(at)) " KST · " (utc(at)) } { (words(reader, at)) } }
}

fn words(reader: &Reader, at: Millis) -> String {
    let (past, ahead) = (reader.now - at, at - reader.now);
    let minutes = past.max(ahead) / 60_000;
    let (n, keys) = match minutes {
        0 => return reader.say("web-now", &[]),
        1..60 => (minutes, ["web-minutes-ago", "web-in-minutes"]),
        60..1_440 => (minutes / 60, ["web-hours-ago", "web-in-hours"]),
        1_440..10_080 => (minutes / 1_440, ["web-days-ago", "web-in-days"]),
        _ => return seoul(at)[..10].to_owned(),
    };
    reader.say(keys[usize::from(ahead > 0)], &[("n", &n.to_string())])
}

fn utc(at: Millis) -> String {
    stamp(at).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn iso(at: Millis) -> String {
    stamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn stamp(at: Millis) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use naru_core::text::Lang;

    use super::super::part::tests::reader;
    use super::*;

    // 2026-11-22 15:30:00 UTC, 00:30 of the next day in Seoul.
    const AT: Millis = 1_795_361_400_000;

    #[test]
    fn a_moment_shows_seoul_and_tells_utc() {
        let expect =
            r#"<time datetime="2026-11-22T15:30:00Z" title="2026-11-22 15:30:00 UTC">2026-11-23 00:30:00</time>"#;
        assert_eq!(at(AT).0, expect);
    }

    #[test]
    fn how_long_ago_is_told_in_words() {
        let check = |passed_s: i64, en: &str, ko: &str| {
            for (lang, expect) in [(Lang::En, en), (Lang::Ko, ko)] {
                let shown = ago(&reader(lang, AT + passed_s * 1_000), AT).0;
                assert!(shown.contains(&format!(">{expect}</time>")), "{passed_s}: {shown}");
                assert!(shown.contains(r#"title="2026-11-23 00:30:00 KST · 2026-11-22 15:30:00 UTC""#), "{shown}");
            }
        };
        check(59, "just now", "방금");
        check(60, "1 min ago", "1분 전");
        check(2 * 3_600, "2 h ago", "2시간 전");
        check(6 * 86_400, "6 d ago", "6일 전");
        check(7 * 86_400, "2026-11-23", "2026-11-23");
        check(-300, "in 5 min", "5분 후");
    }
}
