//! The words of the house itself, as a component like any other: people, tokens, and what `doctor` looks at.

mod people;
mod tokens;

use naru_component::Component;
use naru_component::word::Word;
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
    words.push(doctor::word());
    Component { words, checks: doctor::checks(), ..Component::new("naru", TEXTS) }
}

/// Keeps a reading word for administrators: who may sign in is not for everybody to know.
fn for_admins(mut word: Word) -> Word {
    word.role = Role::Admin;
    word
}

/// Reads a role on the command line and lists those there are in help and errors.
fn role_parser() -> impl clap::builder::TypedValueParser<Value = Role> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(Role::ALL.map(Role::name)).try_map(|name| name.parse())
}
