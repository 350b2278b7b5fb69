//! What people read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};

/// The codes in the sources: literals that begin as ours do.
fn codes(folder: &Path) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes.append(&mut self::codes(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let literals = product.split('"').skip(1).step_by(2);
        let is_code = |text: &&str| {
            let is_ours = ["git-", "gitlab-", "registry-"].iter().any(|start| text.starts_with(start));
            is_ours && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        codes.extend(literals.filter(is_code).map(str::to_owned));
    }
    codes
}

#[test]
fn every_code_has_a_sentence_and_a_hint_in_both_languages() {
    let texts = Texts::new(&[naru_core::TEXTS, naru_git::TEXTS]).unwrap();
    let codes = codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(codes.len() > 40, "{codes:?}");
    for code in &codes {
        for lang in Lang::ALL {
            let failure = Failure::refused(code);
            assert_ne!(texts.detail(lang, &failure), failure.to_string(), "{code} in {lang}");
            assert!(texts.hint(lang, &failure).is_some(), "{code} in {lang}");
        }
    }
    let lines = naru_git::TEXTS.en.lines().filter_map(|line| line.split_once(" = "));
    let said: BTreeSet<String> = lines.map(|(key, _)| key.trim().to_owned()).filter(|key| key != ".hint").collect();
    assert_eq!(said.difference(&codes).collect::<Vec<_>>(), Vec::<&String>::new(), "sentences that nobody says");
}
