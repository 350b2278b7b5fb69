//! One line of NDJSON, read straight into cells.
//!
//! `{"to": "…", "customer": "…", "expires_at": "…", "variables": {"이름": "…"}}`. Values are texts or numbers, as over
//! the API; `null` is as good as absent. A key that is not known is a fault, since it is most likely `expires_at`
//! misspelt; variables that the template does not use are passed over as columns are.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::cells::Cells;
use super::plan::Plan;
use super::row::Layout;
use crate::json::{in_field, why};

const LINE: usize = 0;
const TO: usize = 1;
const CUSTOMER: usize = 2;
const EXPIRES_AT: usize = 3;
const VALUES: usize = 4;

const FIELDS: [(&str, usize); 3] = [("to", TO), ("customer", CUSTOMER), ("expires_at", EXPIRES_AT)];

/// The one column of such a file, in `rejected.csv`.
pub(super) const COLUMN: &str = "record";

/// Where [`read`] puts things.
pub(super) fn layout(variables: usize) -> Layout {
    Layout {
        to: TO,
        customer: Some(CUSTOMER),
        expires_at: Some(EXPIRES_AT),
        values: (VALUES..VALUES + variables).collect(),
        original: LINE..TO,
    }
}

/// Reads `line` into `cells`; says what is wrong with it.
pub(super) fn read(line: &str, plan: &Plan, cells: &mut Cells) -> Result<(), String> {
    cells.reset(VALUES + plan.variables().len());
    cells.set(LINE, line);
    let mut seen = 0;
    let mut json = serde_json::Deserializer::from_str(line);
    let object = Object { plan, cells, seen: &mut seen, inside: false };
    object.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| {
        let text = why(&error);
        // The parser counts lines within this one.
        text.split_once(" at line 1 ").map_or(text.clone(), |(why, place)| format!("{why} ({place})"))
    })
}

/// The object of a message, or the object of its variables.
struct Object<'a> {
    plan: &'a Plan,
    cells: &'a mut Cells,
    /// One bit a cell that is set: a key that stands twice is a fault. Variables are at most 64.
    seen: &'a mut u128,
    inside: bool,
}

/// What a key names.
enum Key {
    Cell(usize),
    Variables,
    Unused,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key_seed(Name { plan: self.plan, inside: self.inside })? {
            match key {
                Key::Cell(index) => {
                    if *self.seen >> index & 1 == 1 {
                        return Err(M::Error::custom("a key stands twice"));
                    }
                    *self.seen |= 1 << index;
                    map.next_value_seed(Cell { plan: self.plan, cells: self.cells, index })?;
                }
                Key::Variables => {
                    let object = Object { plan: self.plan, cells: self.cells, seen: self.seen, inside: true };
                    map.next_value_seed(object).map_err(|error| in_field("variables", error))?;
                }
                Key::Unused => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Tells what a key names, without keeping it.
struct Name<'a> {
    plan: &'a Plan,
    inside: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        if self.inside {
            let index = self.plan.variables().iter().position(|variable| self.plan.name(variable) == key);
            return Ok(index.map_or(Key::Unused, |index| Key::Cell(VALUES + index)));
        }
        if let Some((_, index)) = FIELDS.into_iter().find(|(field, _)| self.plan.name(field) == key) {
            return Ok(Key::Cell(index));
        }
        match key {
            "variables" => Ok(Key::Variables),
            _ => Err(E::custom(format_args!("`{key}` is none of `to`, `customer`, `expires_at`, `variables`"))),
        }
    }
}

/// The name of the field or variable in the cell at `index`.
fn field(plan: &Plan, index: usize) -> &str {
    let found = FIELDS.into_iter().find(|(_, place)| *place == index);
    found.map_or_else(|| plan.variables()[index - VALUES].as_str(), |(field, _)| field)
}

/// Writes one value.
struct Cell<'a> {
    plan: &'a Plan,
    cells: &'a mut Cells,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let (plan, index) = (self.plan, self.index);
        deserializer.deserialize_any(self).map_err(|error| in_field(field(plan, index), error))
    }
}

impl Cell<'_> {
    fn set(self, text: &str) {
        self.cells.set(self.index, text);
    }
}

impl Visitor<'_> for Cell<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.set(text);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.set(&number.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.set(&number.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.set(&number.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
