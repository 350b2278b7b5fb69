//! Which column fills what.
//!
//! A field takes the column it is mapped to (`--map to=주문자폰`), else the column of its own name, else the one column
//! that is called what such columns are usually called. Two columns that could both be meant are refused and not chosen
//! between: a campaign to the wrong numbers cannot be taken back. A variable of the template takes the column it is
//! mapped to or the column of its name. Columns that nothing asks for are passed over.

use naru_core::failure::Failure;
use naru_core::masked::{mask, mask_within};
use naru_dispatch::address::normalise;
use naru_dispatch::message::Channel;
use naru_dispatch::template::Template;

use super::row::Layout;

/// What columns with phone numbers are called, letters of either case.
pub const PHONE_COLUMNS: [&str; 13] = [
    "휴대폰",
    "휴대폰번호",
    "휴대전화",
    "휴대전화번호",
    "핸드폰",
    "핸드폰번호",
    "전화번호",
    "연락처",
    "수신번호",
    "phone",
    "phone_number",
    "mobile",
    "cellphone",
];
/// What columns with e-mail addresses are called.
pub const EMAIL_COLUMNS: [&str; 6] = ["이메일", "이메일주소", "메일", "email", "e-mail", "mail"];
/// What columns with push tokens are called.
pub const PUSH_COLUMNS: [&str; 4] = ["토큰", "푸시토큰", "token", "push_token"];
/// What columns with customer numbers are called.
pub const CUSTOMER_COLUMNS: [&str; 5] = ["고객번호", "고객ID", "회원번호", "회원ID", "customer_id"];

/// The fields that every message has, beside its template's variables.
const FIELDS: [&str; 3] = ["to", "customer", "expires_at"];

/// What is wanted from a file: the address, the order, the expiry, and a value for each variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    channel: Channel,
    variables: Vec<String>,
    maps: Vec<(String, String)>,
}

impl Plan {
    /// The plan for `template`, with what `--map FIELD=COLUMN` said.
    pub fn new(template: &Template, maps: &[String]) -> Result<Plan, Failure> {
        let variables = template.variables.clone();
        let mut plan = Plan { channel: template.text.channel, variables, maps: Vec::with_capacity(maps.len()) };
        for map in maps {
            let (field, column) = map
                .split_once('=')
                .map(|(field, column)| (field.trim(), column.trim()))
                .filter(|(field, column)| !field.is_empty() && !column.is_empty())
                .ok_or_else(|| Failure::usage("map-syntax").arg("map", map))?;
            if !FIELDS.contains(&field) && !plan.variables.iter().any(|name| name == field) {
                let fields = FIELDS.into_iter().chain(plan.variables.iter().map(String::as_str));
                return Err(Failure::usage("map-field-unknown").arg("field", field).arg("fields", list(fields)));
            }
            if plan.mapped(field).is_some() {
                return Err(Failure::usage("map-repeated").arg("field", field));
            }
            plan.maps.push((field.to_owned(), column.to_owned()));
        }
        Ok(plan)
    }

    /// The template's variables.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The name under which `field` stands in the file, where nothing is guessed.
    pub(super) fn name<'a>(&'a self, field: &'a str) -> &'a str {
        self.mapped(field).unwrap_or(field)
    }

    /// Finds every field among `columns`, or says which are missing.
    pub(super) fn layout(&self, columns: &[String]) -> Result<Layout, Failure> {
        check_header(columns)?;
        check_repeats(columns)?;
        let mut missing = Vec::new();
        let to = self.field("to", self.address_columns(), columns)?;
        let customer = self.field("customer", &CUSTOMER_COLUMNS, columns)?;
        let expires_at = self.field("expires_at", &[], columns)?;
        if to.is_none() {
            missing.push("to");
        }
        let mut values = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            match self.field(variable, &[], columns)? {
                Some(index) => values.push(index),
                None => missing.push(variable),
            }
        }
        match to {
            Some(to) if missing.is_empty() => Ok(Layout { to, customer, expires_at, values, original: 0..usize::MAX }),
            _ => Err(self.missing(&missing, columns)),
        }
    }

    fn mapped(&self, field: &str) -> Option<&str> {
        self.maps.iter().find(|(name, _)| name == field).map(|(_, column)| column.as_str())
    }

    fn address_columns(&self) -> &'static [&'static str] {
        match self.channel {
            Channel::Sms | Channel::Alimtalk | Channel::Brand => &PHONE_COLUMNS,
            Channel::Email => &EMAIL_COLUMNS,
            Channel::Push => &PUSH_COLUMNS,
        }
    }

    fn field(&self, field: &str, usual: &[&str], columns: &[String]) -> Result<Option<usize>, Failure> {
        let position = |name: &str| columns.iter().position(|column| column == name);
        if let Some(name) = self.mapped(field) {
            return position(name).map(Some).ok_or_else(|| {
                let near = nearest(&[name], columns).unwrap_or("…");
                Failure::refused("map-column-missing")
                    .arg("column", name)
                    .arg("found", list(columns.iter().map(String::as_str)))
                    .arg("map", format!("--map {field}={near}"))
            });
        }
        if let Some(index) = position(field) {
            return Ok(Some(index));
        }
        let is_usual = |column: &String| usual.iter().any(|name| column.eq_ignore_ascii_case(name));
        let found: Vec<usize> = (0..columns.len()).filter(|&index| is_usual(&columns[index])).collect();
        match found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [first, ..] => Err(Failure::refused("column-ambiguous")
                .arg("field", field)
                .arg("columns", list(found.iter().map(|&index| columns[index].as_str())))
                .arg("map", format!("--map {field}={}", columns[first]))),
        }
    }

    fn missing(&self, missing: &[&str], columns: &[String]) -> Failure {
        let maps = missing.iter().map(|&field| {
            let usual = if field == "to" { self.address_columns() } else { &[] };
            let near = nearest(&[&[field], usual].concat(), columns).unwrap_or("…");
            format!("--map {field}={near}")
        });
        Failure::refused("column-missing")
            .arg("missing", list(missing.iter().copied()))
            .arg("found", list(columns.iter().map(String::as_str)))
            .arg("map", maps.collect::<Vec<_>>().join(" "))
    }
}

/// No column is called like an address: where one is, the first row is a customer's.
fn check_header(columns: &[String]) -> Result<(), Failure> {
    let is_address = |cell: &&String| [Channel::Sms, Channel::Email].iter().any(|it| normalise(*it, cell).is_some());
    match columns.iter().find(is_address) {
        Some(cell) => Err(Failure::refused("header-missing").arg("address", mask(cell))),
        None => Ok(()),
    }
}

/// A name that stands twice cannot be told apart; columns without a name are nobody's.
fn check_repeats(columns: &[String]) -> Result<(), Failure> {
    for (index, column) in columns.iter().enumerate() {
        if !column.is_empty() && columns[..index].contains(column) {
            return Err(Failure::refused("column-repeated").arg("column", mask_within(column)));
        }
    }
    Ok(())
}

/// The column most like one of `names`, where at least half of its letters agree.
fn nearest<'a>(names: &[&str], columns: &'a [String]) -> Option<&'a str> {
    let score = |column: &String| {
        let distances = names.iter().filter_map(|name| {
            let distance = edits(name, column);
            let length = name.chars().count().max(column.chars().count());
            (distance * 2 <= length).then_some(distance)
        });
        distances.min()
    };
    let scored = columns.iter().filter_map(|column| score(column).map(|score| (score, column)));
    scored.min_by_key(|(score, _)| *score).map(|(_, column)| column.as_str())
}

/// Letters to insert, remove or change until `a` is `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    mask_within(&names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", "))
}
