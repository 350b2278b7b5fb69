//! Rules about sentences: what is said in English is said in Korean, and whatever fails has its sentence and a hint.

use std::collections::BTreeSet;

use super::tree::File;

/// Compares the keys and attributes of each `texts/en.ftl` with those of its `texts/ko.ftl`.
pub fn check(files: &[File]) -> Vec<String> {
    let keys =
        |path: &str| files.iter().find(|file| file.path == path).map_or(BTreeSet::new(), |file| keys_of(&file.text));
    let folders: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("texts/en.ftl").or(file.path.strip_suffix("texts/ko.ftl")))
        .collect();
    let mut findings = Vec::new();
    for folder in folders {
        let (en, ko) = (format!("{folder}texts/en.ftl"), format!("{folder}texts/ko.ftl"));
        let (in_en, in_ko) = (keys(&en), keys(&ko));
        findings.extend(in_en.difference(&in_ko).map(|key| format!("{ko}: `{key}` is missing, {en} has it")));
        findings.extend(in_ko.difference(&in_en).map(|key| format!("{en}: `{key}` is missing, {ko} has it")));
    }
    let said: BTreeSet<String> =
        files.iter().filter(|file| file.path.ends_with("texts/en.ftl")).flat_map(|file| keys_of(&file.text)).collect();
    for file in files.iter().filter(|file| file.is_rust() && !file.is_test() && is_product(&file.path)) {
        // What stands below is the file's own tests.
        let product = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        for code in codes(product) {
            for key in [code.to_owned(), format!("{code}.hint")] {
                if !said.contains(&key) {
                    findings.push(format!("{}: `{key}` has no sentence in any texts/en.ftl", file.path));
                }
            }
        }
    }
    findings
}

fn is_product(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/")
}

/// The codes that failures are made with: `Failure::refused("code")`, `Failure::new(Kind::Refused, "code")`.
fn codes(text: &str) -> Vec<&str> {
    let code = |call: &'_ str| -> Option<usize> {
        let (name, _) = call.split_once('(')?;
        let first = name.len() + 1;
        let args = if name == "new" { first + call[first..].find(',')? + 1 } else { first };
        let quoted = args + call[args..].len() - call[args..].trim_start().len();
        (is_name(name) && call[quoted..].starts_with('"')).then_some(quoted + 1)
    };
    let calls = text.split("Failure::").skip(1);
    calls.filter_map(|call| call[code(call)?..].split('"').next()).filter(|code| is_name(code)).collect()
}

/// `key` for a message, `key.attribute` for each of its attributes.
fn keys_of(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut message = "";
    for line in text.lines() {
        let Some((left, _)) = line.split_once('=') else { continue };
        let name = left.trim_end();
        if let Some(attribute) = name.trim_start().strip_prefix('.') {
            keys.insert(format!("{message}.{attribute}"));
        } else if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') && is_name(name) {
            message = name;
            keys.insert(name.to_owned());
        }
    }
    keys
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn a_sentence_in_one_language_only_is_found() {
        let en = "# Files\nfile-missing = There is no file { $path }\n    .hint = Check a = b\nfile-empty = Empty\n";
        let ko = "file-missing = { $path } 파일이 없습니다\nfile-extra = 더\n";
        assert_eq!(
            check(&[file("crates/a/texts/en.ftl", en), file("crates/a/texts/ko.ftl", ko)]),
            [
                "crates/a/texts/ko.ftl: `file-empty` is missing, crates/a/texts/en.ftl has it",
                "crates/a/texts/ko.ftl: `file-missing.hint` is missing, crates/a/texts/en.ftl has it",
                "crates/a/texts/en.ftl: `file-extra` is missing, crates/a/texts/ko.ftl has it",
            ]
        );
        assert_eq!(check(&[file("crates/a/texts/ko.ftl", ko)]).len(), 2);
        assert!(check(&[file("crates/a/texts/en.ftl", en), file("crates/a/texts/ko.ftl", en)]).is_empty());
    }

    #[test]
    fn a_failure_without_a_sentence_or_a_hint_is_found() {
        let texts = "file-missing = There is none\n    .hint = Look\nfile-empty = Empty\n";
        let source = "Failure::refused(\"file-missing\"); Failure::new(Kind::Refused, \"file-empty\");\n\
                      Failure::usage(\n    \"file-odd\",\n); Failure::bug(\"a sentence\"); Failure::usage(code);\n\
                      #[cfg(test)]\nmod tests { Failure::usage(\"only-here\"); }";
        let texts = |folder: &str| {
            [file(&format!("{folder}/texts/en.ftl"), texts), file(&format!("{folder}/texts/ko.ftl"), texts)]
        };
        let files: Vec<File> = texts("crates/a").into_iter().chain([file("crates/b/src/lib.rs", source)]).collect();
        assert_eq!(
            check(&files),
            [
                "crates/b/src/lib.rs: `file-empty.hint` has no sentence in any texts/en.ftl",
                "crates/b/src/lib.rs: `file-odd` has no sentence in any texts/en.ftl",
                "crates/b/src/lib.rs: `file-odd.hint` has no sentence in any texts/en.ftl",
            ]
        );
        assert!(check(&[file("crates/b/tests/all.rs", source)]).is_empty());
    }

    #[test]
    fn lines_that_go_on_are_no_keys() {
        let text = "long =\n    many words = here\n    { $count ->\n        [one] x = y\n       *[other] z\n    }\n";
        assert_eq!(keys_of(text), BTreeSet::from(["long".to_owned()]));
    }
}
