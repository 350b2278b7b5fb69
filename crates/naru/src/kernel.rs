//! The words of the house itself, as a component like any other: people, tokens, instances, jobs, leases, and what
//! `doctor` looks at.

mod concerns;
mod instances;
mod jobs;
mod leases;
mod page;
mod people;
mod tokens;

use std::sync::Arc;

use naru_component::word::Word;
use naru_component::{Component, MenuEntry};
use naru_core::text::Catalog;
use naru_web::role::Role;

use crate::doctor;

/// The sentences of the binary.
pub const TEXTS: Catalog =
    Catalog { name: "naru", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// Builds it.
pub fn component() -> Component {
    let mut words = people::words();
    words.extend(tokens::words());
    words.extend(instances::words());
    words.extend(jobs::words());
    words.extend(leases::words());
    words.push(doctor::word());
    Component {
        words,
        routes: page::routes(),
        menu: &[
            MenuEntry { order: 0, text: "menu-overview", href: "/", role: Role::View },
            MenuEntry { order: 70, text: "menu-running", href: "/running", role: Role::View },
            MenuEntry { order: 90, text: "menu-settings", href: "/settings", role: Role::Admin },
        ],
        concerns: vec![Arc::new(|ctx, reader| Box::pin(concerns::find(ctx, reader)))],
        checks: doctor::checks(),
        ..Component::new("naru", TEXTS)
    }
}

/// Keeps a reading word for administrators: who may sign in is not for everybody to know.
fn for_admins(mut word: Word) -> Word {
    word.role = Role::Admin;
    word
}

/// Reads a length of time on the command line: `90s`, `30m`, `1h30m`, or a number of seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|time| time.as_secs().try_into().ok()),
    };
    let seconds = seconds.ok_or("a time is written like 90s, 30m or 1h30m")?;
    if (1..=SECONDS_MAX).contains(&seconds) { Ok(seconds) } else { Err("it lies between 1 s and 400 days".to_owned()) }
}

/// Longer than whatever repeats once a year.
const SECONDS_MAX: u64 = 400 * 86_400;

/// Reads a role on the command line and lists those there are in help and errors.
fn role_parser() -> impl clap::builder::TypedValueParser<Value = Role> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(Role::ALL.map(Role::name)).try_map(|name| name.parse())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_time_is_a_number_with_a_unit_or_seconds() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(seconds(text).ok(), expect, "{text}");
        check("90", Some(90));
        check("90s", Some(90));
        check("30m", Some(1_800));
        check("1h30m", Some(5_400));
        check("0", None);
        check("-5s", None);
        check("soon", None);
        check("999999999999h", None);
    }
}
