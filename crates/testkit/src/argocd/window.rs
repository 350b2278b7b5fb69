//! Sync windows: when they are open, whom they are about, and what they let pass.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::Value;

use super::json::fits;

/// Whether windows let a sync pass; one that a person asks for passes more.
pub fn lets_pass(windows: &[Value], app: &Value, now_ms: i64, is_manual: bool) -> bool {
    let own: Vec<&Value> = windows.iter().filter(|window| is_about(window, app)).collect();
    let (open, shut): (Vec<&Value>, Vec<&Value>) = own.into_iter().partition(|window| is_open(window, now_ms));
    let of = |windows: &[&Value], kind: &str| -> Vec<bool> {
        let own = windows.iter().filter(|window| window["kind"] == kind);
        own.map(|window| window["manualSync"] == true).collect()
    };
    let denies = of(&open, "deny");
    if !denies.is_empty() {
        return is_manual && denies.iter().all(|manual| *manual);
    }
    let shut_allows = of(&shut, "allow");
    if !of(&open, "allow").is_empty() || shut_allows.is_empty() {
        return true;
    }
    is_manual && shut_allows.iter().all(|manual| *manual)
}

/// Whether a window is about an Application: one of its lists names it, all that there are with `andOperator`.
pub fn is_about(window: &Value, app: &Value) -> bool {
    let destination = &app["spec"]["destination"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let server = if destination["server"].is_string() { &destination["server"] } else { &destination["name"] };
    let asked = [
        (&window["applications"], text(&app["metadata"]["name"])),
        (&window["namespaces"], text(&destination["namespace"])),
        (&window["clusters"], text(server)),
    ];
    let mut said = asked.iter().filter_map(|(patterns, name)| {
        let patterns = patterns.as_array().filter(|patterns| !patterns.is_empty())?;
        Some(patterns.iter().any(|pattern| fits(pattern.as_str().unwrap_or_default(), name)))
    });
    match window["andOperator"] == true {
        true => said.all(|fits| fits),
        false => said.any(|fits| fits),
    }
}

/// Whether it began less than its duration ago.
pub fn is_open(window: &Value, now_ms: i64) -> bool {
    let schedule = window["schedule"].as_str().expect("a window has a schedule");
    let minutes = minutes(window["duration"].as_str().expect("a window has a duration"));
    let zone = match window["timeZone"].as_str() {
        Some(zone) if !zone.is_empty() => TimeZone::get(zone).expect("the zone is known"),
        _ => TimeZone::UTC,
    };
    // Argo CD asks whether the next beginning after `now - duration` is before now.
    let minute = now_ms.div_euclid(60_000);
    let first = (now_ms - minutes * 60_000).div_euclid(60_000) + 1;
    (first..=minute).filter(|at| at * 60_000 < now_ms).any(|at| {
        let at = Timestamp::from_second(at * 60).expect("the clock is within what is known");
        fires(schedule, zone.to_datetime(at))
    })
}

/// `10h30m` in minutes; parts of one do not count.
fn minutes(duration: &str) -> i64 {
    let (mut total, mut number) = (0, 0);
    for c in duration.chars() {
        match c {
            '0'..='9' => number = number * 10 + i64::from(c as u8 - b'0'),
            'h' => (total, number) = (total + number * 60, 0),
            'm' => (total, number) = (total + number, 0),
            _ => number = 0,
        }
    }
    total
}

fn fires(schedule: &str, at: civil::DateTime) -> bool {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else { panic!("a schedule has five fields: {schedule}") };
    let days = (is_in(day, at.day().into()), is_in(weekday, at.weekday().to_sunday_zero_offset().into()));
    // Where both days are given either will do.
    let day = if day.starts_with('*') || weekday.starts_with('*') { days.0 && days.1 } else { days.0 || days.1 };
    is_in(minute, at.minute().into()) && is_in(hour, at.hour().into()) && is_in(month, at.month().into()) && day
}

fn is_in(field: &str, value: i64) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').map_or((part, 1), |(range, step)| (range, number(step)));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None if range == "*" => (0, i64::MAX),
            None if step > 1 => (number(range), i64::MAX),
            None => (number(range), number(range)),
        };
        (from..=to).contains(&value) && (value - from) % step == 0
    })
}

fn number(text: &str) -> i64 {
    const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let name = NAMES.iter().position(|name| text.eq_ignore_ascii_case(name));
    name.map_or_else(|| text.parse().expect("a field is numbers"), |at| at as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(window: &Value, at: &str, expect: bool) {
        let at: Timestamp = at.parse().unwrap();
        assert_eq!(is_open(window, at.as_millisecond()), expect, "{window} {at}");
    }

    #[test]
    fn a_window_is_open_from_its_beginning_for_its_duration() {
        let night = json!({ "schedule": "0 22 * * 1-5", "duration": "10h" });
        check(&night, "2026-11-23T21:59:59Z", false);
        check(&night, "2026-11-23T22:00:01Z", true);
        check(&night, "2026-11-24T07:59:59Z", true);
        check(&night, "2026-11-24T08:00:01Z", false);
        check(&night, "2026-11-28T23:00:00Z", false);
        let once = json!({ "schedule": "30 13 23 11 *", "duration": "10h" });
        check(&once, "2026-11-23T13:30:01Z", true);
        check(&once, "2026-11-23T23:30:01Z", false);
        check(&once, "2026-11-24T14:00:00Z", false);
        let seoul = json!({ "schedule": "0 22 * * *", "duration": "1h", "timeZone": "Asia/Seoul" });
        check(&seoul, "2026-11-23T13:30:00Z", true);
        check(&seoul, "2026-11-23T22:30:00Z", false);
    }

    #[test]
    fn windows_let_pass_as_documented() {
        let app = json!({ "metadata": { "name": "web" }, "spec": { "destination": { "namespace": "shop" } } });
        let at = "2026-11-23T12:30:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let window = |kind: &str, hour: u32, manual: bool, apps: &str| {
            json!({
                "kind": kind, "schedule": format!("0 {hour} * * *"), "duration": "1h", "manualSync": manual,
                "applications": [apps],
            })
        };
        for (windows, automated, manual) in [
            (vec![], true, true),
            (vec![window("deny", 12, false, "*")], false, false),
            (vec![window("deny", 12, true, "w*")], false, true),
            (vec![window("deny", 12, true, "*"), window("deny", 12, false, "*")], false, false),
            (vec![window("deny", 13, false, "*")], true, true),
            (vec![window("deny", 12, false, "other")], true, true),
            (vec![window("allow", 12, false, "*")], true, true),
            (vec![window("allow", 13, false, "*")], false, false),
            (vec![window("allow", 13, true, "*")], false, true),
        ] {
            assert_eq!(lets_pass(&windows, &app, at, false), automated, "{windows:?}");
            assert_eq!(lets_pass(&windows, &app, at, true), manual, "{windows:?}");
        }
    }
}
