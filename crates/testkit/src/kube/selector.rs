//! Which objects a list or a watch is about.

use serde_json::Value;

use super::refusal::Refusal;

/// Labels and fields that are asked for.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    terms: Vec<Term>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug)]
enum Term {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Has(String),
    HasNot(String),
}

impl Selector {
    pub fn read(labels: &str, fields: &str) -> Result<Selector, Refusal> {
        let terms = parts(labels).into_iter().map(|part| term(part.trim()));
        let terms = terms.collect::<Option<Vec<Term>>>();
        let terms = terms
            .ok_or_else(|| Refusal::bad("unable to parse requirement: expected: '=', '!=', '==', 'in', notin'"))?;
        let mut found = Vec::new();
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let (key, is, value) = match (part.split_once("!="), part.split_once("==").or(part.split_once('='))) {
                (Some((key, value)), _) => (key, false, value),
                (_, Some((key, value))) => (key, true, value),
                _ => return Err(Refusal::bad(format!("invalid selector: '{part}'"))),
            };
            if !matches!(key, "metadata.name" | "metadata.namespace") {
                return Err(Refusal::bad(format!("\"{key}\" is not a known field selector")));
            }
            found.push((key.to_owned(), is, value.to_owned()));
        }
        Ok(Selector { terms, fields: found })
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.fields.is_empty()
    }

    pub fn takes(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &str| labels[key].as_str();
        self.terms.iter().all(|term| match term {
            Term::In(key, values) => label(key).is_some_and(|value| values.iter().any(|it| it == value)),
            Term::NotIn(key, values) => label(key).is_none_or(|value| values.iter().all(|it| it != value)),
            Term::Has(key) => label(key).is_some(),
            Term::HasNot(key) => label(key).is_none(),
        }) && self.fields.iter().all(|(key, is, value)| {
            let found = object["metadata"][key.trim_start_matches("metadata.")].as_str().unwrap_or_default();
            (found == value) == *is
        })
    }
}

/// Between commas that stand in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn term(part: &str) -> Option<Term> {
    let values = |list: &str| -> Option<Vec<String>> {
        let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(list.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let key = |text: &str| {
        let text = text.trim();
        (!text.is_empty() && !text.contains([' ', '(', '='])).then(|| text.to_owned())
    };
    if let Some((left, right)) = part.split_once(" notin ") {
        return Some(Term::NotIn(key(left)?, values(right)?));
    }
    if let Some((left, right)) = part.split_once(" in ") {
        return Some(Term::In(key(left)?, values(right)?));
    }
    if let Some((left, right)) = part.split_once("!=") {
        return Some(Term::NotIn(key(left)?, vec![right.trim().to_owned()]));
    }
    if let Some((left, right)) = part.split_once("==").or(part.split_once('=')) {
        return Some(Term::In(key(left)?, vec![right.trim().to_owned()]));
    }
    match part.strip_prefix('!') {
        Some(rest) => Some(Term::HasNot(key(rest)?)),
        None => Some(Term::Has(key(part)?)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(labels: &str, expect: Option<bool>) {
        let object = json!({ "metadata": { "name": "web", "labels": { "app": "web", "tier": "front" } } });
        let selector = Selector::read(labels, "");
        assert_eq!(selector.ok().map(|selector| selector.takes(&object)), expect, "{labels}");
    }

    #[test]
    fn labels_are_selected_as_documented() {
        check("", Some(true));
        check("app=web", Some(true));
        check("app==web,tier!=back", Some(true));
        check("app in (web, api),tier notin (back)", Some(true));
        check("app in (api)", Some(false));
        check("owner!=me", Some(true));
        check("owner", Some(false));
        check("!owner,app", Some(true));
        check("app is web", None);
    }
}
