//! The patches that change what they are given: RFC 7396, RFC 6902, and the strategic one of built-in kinds.

use serde_json::{Map, Value};

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    let target = object(target);
    for (key, value) in fields {
        match value {
            Value::Null => drop(target.remove(key)),
            value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

/// RFC 6902; the sentence of an error is the one that tells of it.
pub fn json(target: &mut Value, patch: &Value) -> Result<(), String> {
    let steps = patch.as_array().ok_or("a JSON patch is a list")?;
    steps.iter().try_for_each(|step| json_step(target, step))
}

fn json_step(target: &mut Value, step: &Value) -> Result<(), String> {
    let path = step["path"].as_str().ok_or("a step has no path")?;
    let value = || step.get("value").cloned().ok_or_else(|| format!("a step at {path} has no value"));
    match step["op"].as_str().unwrap_or_default() {
        "test" if target.pointer(path) == Some(&value()?) => Ok(()),
        "test" => Err(format!("testing value {path} failed: test failed")),
        "add" => add(target, path, value()?),
        "remove" => take(target, path).map(drop),
        "replace" => {
            let place =
                target.pointer_mut(path).ok_or(format!("replace operation does not apply: {path} is missing"))?;
            *place = value()?;
            Ok(())
        }
        "move" => {
            let from = step["from"].as_str().ok_or("a step has no from")?;
            let moved = take(target, from)?;
            add(target, path, moved)
        }
        "copy" => {
            let from = step["from"].as_str().ok_or("a step has no from")?;
            let copied =
                target.pointer(from).cloned().ok_or(format!("copy operation does not apply: {from} is missing"))?;
            add(target, path, copied)
        }
        op => Err(format!("unexpected kind: {op}")),
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.insert(last, value)),
        Some(Value::Array(items)) if last == "-" => items.push(value),
        Some(Value::Array(items)) => {
            let at = last.parse::<usize>().ok().filter(|at| *at <= items.len());
            items.insert(at.ok_or(format!("add operation does not apply: {path}"))?, value);
        }
        _ => return Err(format!("add operation does not apply: doc is missing path: \"{path}\": missing value")),
    }
    Ok(())
}

fn take(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = split(path)?;
    let taken = match target.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(&last),
        Some(Value::Array(items)) => {
            last.parse::<usize>().ok().filter(|at| *at < items.len()).map(|at| items.remove(at))
        }
        _ => None,
    };
    taken.ok_or(format!("remove operation does not apply: doc is missing path: \"{path}\": missing value"))
}

fn split(path: &str) -> Result<(&str, String), String> {
    let (parent, last) = path.rsplit_once('/').ok_or(format!("{path} is no path"))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

/// By which field the items of a list of a built-in kind are told apart; other lists are replaced whole.
const MERGE_KEYS: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("conditions", "type"),
    ("ownerReferences", "uid"),
];
/// Lists of plain values that are united.
const SETS: &[&str] = &["finalizers"];

/// A strategic merge patch.
pub fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    let target = object(target);
    match fields.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = fields.clone();
            target.remove("$patch");
            return;
        }
        Some("delete") => return target.clear(),
        _ => {}
    }
    for (key, value) in fields {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(Value::Array(items)) = target.get_mut(list) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        // Order of a list, and which keys a union retains: both beyond what is stored here.
        if key.starts_with("$setElementOrder/") || key == "$retainKeys" {
            continue;
        }
        match value {
            Value::Null => drop(target.remove(key)),
            Value::Array(items) => strategic_list(target.entry(key.clone()).or_insert(Value::Null), key, items),
            value => strategic(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn strategic_list(target: &mut Value, name: &str, patch: &[Value]) {
    let kept = target.as_array().cloned().unwrap_or_default();
    if SETS.contains(&name) {
        let new = patch.iter().filter(|item| !kept.contains(item)).cloned().collect::<Vec<_>>();
        *target = Value::Array([kept, new].concat());
        return;
    }
    let key = MERGE_KEYS.iter().find(|(list, _)| *list == name).map(|(_, key)| *key);
    let Some(key) = key.filter(|_| !patch.iter().any(|item| item["$patch"] == "replace")) else {
        *target = patch.iter().filter(|item| item["$patch"] != "replace").cloned().collect();
        return;
    };
    let mut items = kept;
    for change in patch {
        let at = items.iter().position(|item| item[key] == change[key]);
        match (at, change["$patch"] == "delete") {
            (Some(at), true) => drop(items.remove(at)),
            (None, true) => {}
            (Some(at), false) => strategic(&mut items[at], change),
            (None, false) => items.push(change.clone()),
        }
    }
    *target = Value::Array(items);
}

fn object(target: &mut Value) -> &mut Map<String, Value> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    target.as_object_mut().expect("it was just made one")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_is_rfc_7396() {
        let mut target = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
        merge(&mut target, &json!({ "a": { "b": null, "c": [3] }, "d": { "e": { "f": null } } }));
        assert_eq!(target, json!({ "a": { "c": [3] }, "d": { "e": {} } }));
    }

    #[test]
    fn a_json_patch_is_rfc_6902() {
        let mut target = json!({ "a/b": [1, 2] });
        let steps = json!([
            { "op": "test", "path": "/a~1b/0", "value": 1 },
            { "op": "add", "path": "/a~1b/1", "value": 9 },
            { "op": "copy", "from": "/a~1b", "path": "/c" },
            { "op": "remove", "path": "/a~1b/0" },
            { "op": "move", "from": "/c", "path": "/d" },
        ]);
        json(&mut target, &steps).unwrap();
        assert_eq!(target, json!({ "a/b": [9, 2], "d": [1, 9, 2] }));
        let failed = json(&mut target, &json!([{ "op": "test", "path": "/d", "value": 1 }]));
        assert_eq!(failed.unwrap_err(), "testing value /d failed: test failed");
        assert!(json(&mut target, &json!([{ "op": "replace", "path": "/none", "value": 1 }])).is_err());
    }

    #[test]
    fn a_strategic_patch_knows_the_lists_of_a_pod() {
        let mut target =
            json!({ "containers": [{ "name": "web", "image": "a" }, { "name": "log", "image": "b" }], "args": [1] });
        strategic(
            &mut target,
            &json!({
                "$setElementOrder/containers": [{ "name": "web" }],
                "containers": [{ "name": "web", "image": "c" }, { "name": "log", "$patch": "delete" }], "args": [2],
            }),
        );
        assert_eq!(target, json!({ "containers": [{ "name": "web", "image": "c" }], "args": [2] }));
    }
}
