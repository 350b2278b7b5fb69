//! What is done with JSON: patched, compared, picked from.

use serde_json::{Map, Value};

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().expect("it was made one");
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.remove(key)),
            value => merge(target.entry(key).or_insert(Value::Null), value),
        }
    }
}

/// RFC 6902, but for `move` and `copy`.
pub fn patch(target: &mut Value, steps: &Value) -> Result<(), String> {
    for step in steps.as_array().ok_or("a JSON patch is a list")? {
        let path = step["path"].as_str().ok_or("a step has a path")?;
        let (parent, last) = path.rsplit_once('/').ok_or("a path begins with a slash")?;
        let last = last.replace("~1", "/").replace("~0", "~");
        match step["op"].as_str() {
            Some("test") => {
                if target.pointer(path).unwrap_or(&Value::Null) != &step["value"] {
                    return Err(format!("testing value {path} failed: test failed"));
                }
            }
            Some("remove") => remove(at(target, parent)?, &last, path)?,
            Some("add") => add(at(target, parent)?, &last, step["value"].clone())?,
            Some("replace") => {
                let found = target.pointer_mut(path).ok_or_else(|| missing(path))?;
                *found = step["value"].clone();
            }
            other => return Err(format!("unexpected kind: {other:?}")),
        }
    }
    Ok(())
}

fn missing(path: &str) -> String {
    format!("replace operation does not apply: doc is missing key: {path}")
}

fn at<'a>(target: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    target.pointer_mut(path).ok_or_else(|| missing(path))
}

fn remove(parent: &mut Value, last: &str, path: &str) -> Result<(), String> {
    let removed = match parent {
        Value::Object(map) => map.remove(last),
        Value::Array(list) => last.parse().ok().filter(|at: &usize| *at < list.len()).map(|at| list.remove(at)),
        _ => None,
    };
    removed.map(drop).ok_or_else(|| missing(path))
}

fn add(parent: &mut Value, last: &str, value: Value) -> Result<(), String> {
    match parent {
        Value::Object(map) => drop(map.insert(last.to_owned(), value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at = last.parse().ok().filter(|at| *at <= list.len()).ok_or_else(|| missing(last))?;
            list.insert(at, value);
        }
        _ => return Err(missing(last)),
    }
    Ok(())
}

/// Whether everything that is wanted is there.
pub fn holds(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            want.iter().all(|(key, want)| have.get(key).is_some_and(|have| holds(have, want)))
        }
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(have, want)| holds(have, want))
        }
        (have, want) => have == want,
    }
}

/// Removes what a JSON pointer names.
pub fn forget(value: &mut Value, pointer: &str) {
    if let Some((parent, last)) = pointer.rsplit_once('/')
        && let Some(parent) = value.pointer_mut(parent)
    {
        // What is not there need not go.
        let _ = remove(parent, &last.replace("~1", "/").replace("~0", "~"), pointer);
    }
}

/// Only what the dotted paths name; a list counts as each of its items.
pub fn pick(value: &Value, paths: &[&str]) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|item| pick(item, paths)).collect(),
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                let below = paths.iter().filter_map(|path| match path.split_once('.') {
                    Some((first, rest)) => (first == key).then_some(rest),
                    None => (path == key).then_some(""),
                });
                let below: Vec<&str> = below.collect();
                if below.contains(&"") {
                    out.insert(key.clone(), value.clone());
                } else if !below.is_empty() {
                    out.insert(key.clone(), pick(value, &below));
                }
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// Puts a value at a dotted path.
pub fn put(target: &mut Value, path: &str, value: Value) {
    let mut at = target;
    for part in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut().expect("it was made one").entry(part).or_insert(Value::Null);
    }
    *at = value;
}

/// Whether `text` fits a pattern in which `*` is anything.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| fits(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patches_do_what_the_rfcs_say() {
        let mut value = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
        merge(&mut value, &json!({ "a": { "b": null, "c": [3] }, "e": { "f": 1 } }));
        assert_eq!(value, json!({ "a": { "c": [3] }, "d": 1, "e": { "f": 1 } }));
        let steps = json!([
            { "op": "test", "path": "/d", "value": 1 }, { "op": "add", "path": "/a/c/-", "value": 4 },
            { "op": "remove", "path": "/e" }, { "op": "replace", "path": "/d", "value": 2 },
        ]);
        patch(&mut value, &steps).unwrap();
        assert_eq!(value, json!({ "a": { "c": [3, 4] }, "d": 2 }));
        assert!(
            patch(&mut value, &json!([{ "op": "test", "path": "/d", "value": 9 }])).unwrap_err().contains("testing")
        );
    }

    #[test]
    fn fields_are_picked_out_of_lists() {
        let value =
            json!({ "items": [{ "metadata": { "name": "a", "uid": "1" }, "spec": { "x": 1 } }], "metadata": {} });
        assert_eq!(pick(&value, &["items.metadata.name"]), json!({ "items": [{ "metadata": { "name": "a" } }] }));
    }

    #[test]
    fn a_star_is_anything() {
        assert!(fits("shop-*", "shop-web") && fits("*", "") && fits("a*c", "abc") && !fits("a*c", "ab"));
    }
}
