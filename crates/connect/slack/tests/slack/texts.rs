//! Each code that is said has its sentences.

use std::path::Path;

use naru_core::text::{Lang, Texts};
use naru_slack::TEXTS;

#[test]
fn every_code_has_a_sentence_and_a_hint_in_both_languages() {
    let texts = Texts::new(&[naru_core::TEXTS, TEXTS]).unwrap();
    let mut codes = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    assert!(codes.len() > 20, "{codes:?}");
    for lang in Lang::ALL {
        for code in &codes {
            for key in [code.clone(), format!("{code}.hint")] {
                assert!(texts.find(lang, &key, std::iter::empty()).is_some(), "{lang}: {key}");
            }
        }
        let said = if lang == Lang::En { TEXTS.en } else { TEXTS.ko };
        for key in said.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).filter(|key| !key.contains('.')) {
            assert!(codes.iter().any(|code| code == key), "{key} is said nowhere");
        }
    }
}

/// The codes that stand in the sources below `folder`.
fn read(folder: &Path, codes: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, codes);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let marked = text.split('"').filter(|part| is_code(part));
            codes.extend(marked.map(str::to_owned));
        }
    }
    codes.sort();
    codes.dedup();
}

fn is_code(text: &str) -> bool {
    text.starts_with("slack-") && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}
