//! Every failure is said in both languages.

use std::collections::BTreeSet;

use naru_argocd::TEXTS;
use naru_core::text::{Lang, Texts};

/// The codes that the sources name.
fn codes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            let words = text.split('"').filter(|word| word.starts_with("argocd-") && !word.contains(' '));
            found.extend(words.map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_code_has_a_sentence_and_a_hint_and_none_is_left_over() {
    let texts = Texts::new(&[TEXTS]).unwrap();
    let codes = codes();
    for lang in Lang::ALL {
        for code in &codes {
            assert!(texts.find(lang, code, [].into_iter()).is_some(), "{code} {lang}");
            assert!(texts.find(lang, &format!("{code}.hint"), [].into_iter()).is_some(), "{code}.hint {lang}");
        }
    }
    let said = TEXTS.en.lines().filter(|line| line.starts_with("argocd-"));
    let said: BTreeSet<String> = said.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(said, codes);
}
