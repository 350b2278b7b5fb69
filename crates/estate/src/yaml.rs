//! YAML as people keep it in Git: read as values, and changed at one place without touching what stands beside it.

use naru_core::failure::Failure;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, Yaml, YamlData};
use serde_json::{Map, Number, Value};

/// Bytes of a file that is read.
const FILE_BYTES_MAX: usize = 1 << 20;
/// How deep values may stand in each other.
const DEPTH_MAX: usize = 64;

/// The first document of a text as a value; null where there is none.
pub fn read(text: &str) -> Result<Value, Failure> {
    bounded(text)?;
    let documents = Yaml::load_from_str(text).map_err(|error| unreadable(&error.to_string()))?;
    documents.first().map_or(Ok(Value::Null), |document| value(document, 0))
}

fn bounded(text: &str) -> Result<(), Failure> {
    let long = || Failure::refused("yaml-too-long").arg("max", FILE_BYTES_MAX);
    if text.len() > FILE_BYTES_MAX { Err(long()) } else { Ok(()) }
}

fn unreadable(why: &str) -> Failure {
    Failure::refused("yaml-unreadable").cause_text(why)
}

fn value(node: &Yaml, depth: usize) -> Result<Value, Failure> {
    if depth > DEPTH_MAX {
        return Err(unreadable("too deep"));
    }
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(is) => Value::Bool(*is),
            Scalar::Integer(number) => Value::Number((*number).into()),
            Scalar::FloatingPoint(number) => Number::from_f64(number.into_inner()).map_or(Value::Null, Value::Number),
            Scalar::String(text) => Value::String(text.to_string()),
        },
        Yaml::Sequence(nodes) => {
            Value::Array(nodes.iter().map(|node| value(node, depth + 1)).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, node) in pairs {
                let key = match value(key, depth + 1)? {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                map.insert(key, value(node, depth + 1)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(_, node) => value(node, depth + 1)?,
        Yaml::Representation(text, ..) => Value::String(text.to_string()),
        Yaml::Alias(_) | Yaml::BadValue => return Err(unreadable("an alias")),
    })
}

/// The text with the value at `path` set, a step of the path a key or the place of an item. The value must be there, and be
/// a single one: what is added where nothing stood would be at a place of our own choosing.
pub fn set(text: &str, path: &[&str], wanted: &str) -> Result<String, Failure> {
    bounded(text)?;
    let told = || path.join(".");
    let missing = || Failure::refused("yaml-key-missing").arg("key", told());
    let documents = MarkedYaml::load_from_str(text).map_err(|error| unreadable(&error.to_string()))?;
    let mut node = documents.first().ok_or_else(missing)?;
    for step in path {
        node = match &node.data {
            YamlData::Mapping(pairs) => {
                let found = pairs.iter().find(|(key, _)| key_of(key) == Some((*step).to_owned()));
                found.map(|(_, node)| node).ok_or_else(missing)?
            }
            YamlData::Sequence(nodes) => {
                step.parse::<usize>().ok().and_then(|place| nodes.get(place)).ok_or_else(missing)?
            }
            _ => return Err(missing()),
        };
    }
    let single = Failure::refused("yaml-key-not-single").arg("key", told());
    if !matches!(node.data, YamlData::Value(_) | YamlData::Representation(..)) {
        return Err(single);
    }
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |at: usize| bytes.get(at).copied().unwrap_or(text.len());
    let (start, end) = (place(node.span.start.index()), place(node.span.end.index()));
    let (before, old, after) = (&text[..start], &text[start..end], &text[end..]);
    // A block of several lines, or nothing at all, has no place of its own that could be written over.
    if old.is_empty() || old.contains('\n') {
        return Err(single);
    }
    let written = format!("{before}{}{}{after}", quoted(wanted, old), &old[end_of(old)..]);
    // The proof of the pudding: nothing else may have become another value.
    check(text, &written, path, wanted)?;
    Ok(written)
}

/// Where a single value ends: the parser counts the white space behind it as well, and a comment behind a quoted one.
fn end_of(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let quote = match chars.next() {
        Some((_, quote @ ('\'' | '"'))) => quote,
        _ => return text.trim_end().len(),
    };
    while let Some((at, c)) = chars.next() {
        let is_twice = || quote == '\'' && text[at + 1..].starts_with(quote);
        match c {
            '\\' if quote == '"' => drop(chars.next()),
            _ if c == quote && is_twice() => drop(chars.next()),
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn key_of(node: &MarkedYaml) -> Option<String> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Representation(text, ..) => Some(text.to_string()),
        _ => None,
    }
}

/// In the quotes that it had, or in double ones where it would be read as anything but a text.
fn quoted(wanted: &str, old: &str) -> String {
    match old.chars().next() {
        Some('\'') if !wanted.contains(['\'', '\n']) => format!("'{wanted}'"),
        Some('"') => double(wanted),
        _ if is_plain(wanted) => wanted.to_owned(),
        _ => double(wanted),
    }
}

fn double(text: &str) -> String {
    // A JSON string is a double-quoted scalar of YAML 1.2.
    Value::String(text.to_owned()).to_string()
}

/// Whether it stands for itself without quotes: letters, digits and the marks of tags and digests, and not a number or a word
/// that YAML reads as something else.
fn is_plain(text: &str) -> bool {
    let is_mark = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let reads_as_text = matches!(read(text), Ok(Value::String(read)) if read == text);
    // YAML 1.1, which Helm's values are read by, knows more words than 1.2.
    let is_word = ["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    begins && text.chars().all(is_mark) && reads_as_text && !is_word
}

fn check(before: &str, after: &str, path: &[&str], wanted: &str) -> Result<(), Failure> {
    let mut expect = read(before)?;
    let mut place = &mut expect;
    for step in path {
        place = match place {
            Value::Array(items) => items.get_mut(step.parse::<usize>().unwrap_or(usize::MAX)),
            Value::Object(map) => map.get_mut(*step),
            _ => None,
        }
        .ok_or_else(|| Failure::refused("yaml-key-missing").arg("key", path.join(".")))?;
    }
    *place = Value::String(wanted.to_owned());
    if read(after)? == expect { Ok(()) } else { Err(Failure::bug("a change of YAML changed something else")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_set_and_the_rest_stays_as_it_is() {
        let text = "# 이미지\nimage:\n  repository: shop/web  # ours\n  tag: main-0123 # by CI\n  pull: 'Always'\nlist:\n- a: 1\n- a: \"x\"\n";
        let check = |path: &[&str], wanted: &str, expect: &str| {
            let set = set(text, path, wanted).unwrap();
            assert_eq!(set, text.replacen(expect.split_once('>').unwrap().0, expect.split_once('>').unwrap().1, 1));
        };
        check(&["image", "tag"], "feature-x-4567", "main-0123>feature-x-4567");
        check(&["image", "tag"], "1.20", "main-0123>\"1.20\"");
        check(&["image", "tag"], "0123456", "main-0123>\"0123456\"");
        check(&["image", "tag"], "on", "main-0123>\"on\"");
        check(&["image", "tag"], "sha256:abc", "main-0123>\"sha256:abc\"");
        check(&["image", "pull"], "Never", "'Always'>'Never'");
        check(&["list", "1", "a"], "y\"z", "\"x\">\"y\\\"z\"");
        check(&["list", "0", "a"], "two", "a: 1>a: two");
    }

    #[test]
    fn a_comment_behind_a_quoted_value_stays() {
        let check = |old: &str, new: &str| {
            let text = |value: &str| format!("tag: {value}  # it's \"ours\", 우리 것\nnext: 1\n");
            assert_eq!(set(&text(old), &["tag"], "v2").unwrap(), text(new), "{old}");
        };
        check("v1", "v2");
        check("'v1'", "'v2'");
        check("''", "'v2'");
        check("'it''s'", "'v2'");
        check("\"\"", "\"v2\"");
        check("\"a \\\"b\\\" #c\"", "\"v2\"");
        assert_eq!(set("{ tag: 'v1' , a: \"#\" } # c\n", &["tag"], "v2").unwrap(), "{ tag: 'v2' , a: \"#\" } # c\n");
    }

    #[test]
    fn what_has_no_place_of_its_own_is_refused() {
        let check = |text: &str, path: &[&str], expect: &str| {
            assert_eq!(set(text, path, "x").unwrap_err().code, expect, "{text}");
        };
        check("image: {tag: a}\n", &["image", "digest"], "yaml-key-missing");
        check("image:\n", &["image", "tag"], "yaml-key-missing");
        check("", &["image"], "yaml-key-missing");
        check("image:\n  tag: a\n", &["image"], "yaml-key-not-single");
        check("image:\n", &["image"], "yaml-key-not-single");
        check("image: |\n  a\n  b\n", &["image"], "yaml-key-not-single");
        check("a: [b\n", &["a"], "yaml-unreadable");
    }

    #[test]
    fn values_are_read_as_they_are_meant() {
        let text = "a: 1\nb: [x, true, null, 1.5]\n2: \"3\"\n";
        assert_eq!(read(text).unwrap(), serde_json::json!({ "a": 1, "b": ["x", true, null, 1.5], "2": "3" }));
        assert_eq!(read("").unwrap(), Value::Null);
    }
}
