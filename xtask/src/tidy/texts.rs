//! A rule about sentences: what is said in English is said in Korean.

use std::collections::BTreeSet;

use super::tree::File;

/// Compares the keys and attributes of each `texts/en.ftl` with those of its `texts/ko.ftl`.
pub fn check(files: &[File]) -> Vec<String> {
    let keys =
        |path: &str| files.iter().find(|file| file.path == path).map_or(BTreeSet::new(), |file| keys(&file.text));
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
    findings
}

/// `key` for a message, `key.attribute` for each of its attributes.
fn keys(text: &str) -> BTreeSet<String> {
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
    fn lines_that_go_on_are_no_keys() {
        let text = "long =\n    many words = here\n    { $count ->\n        [one] x = y\n       *[other] z\n    }\n";
        assert_eq!(keys(text), BTreeSet::from(["long".to_owned()]));
    }
}
