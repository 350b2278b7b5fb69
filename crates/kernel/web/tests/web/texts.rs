//! Every sentence is there in both languages, and none is there for nothing.

use std::collections::BTreeSet;
use std::path::Path;

use naru_core::text::{Lang, Texts};

/// The text literals of the sources, tests left out.
fn literals(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            literals(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let product = source.split("#[cfg(test)]").next().unwrap();
            found.extend(product.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
}

/// Codes that follow a constructor of a failure.
fn codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            for call in source.split("Failure::").skip(1) {
                let head = call.split(')').next().unwrap();
                found.extend(head.split('"').nth(1).filter(|code| !code.contains(' ')).map(str::to_owned));
            }
        }
    }
}

fn keys() -> BTreeSet<String> {
    let messages = naru_web::TEXTS.en.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    messages.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn sources() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn every_code_has_a_sentence_and_a_hint_in_both_languages() {
    let texts = Texts::new(&[naru_core::TEXTS, naru_web::TEXTS]).unwrap();
    let mut found = BTreeSet::new();
    codes(&sources(), &mut found);
    assert!(found.contains("sign-in-link-spent") && found.contains("role-too-small") && found.len() > 20, "{found:?}");
    for code in found {
        for lang in Lang::ALL {
            for key in [code.clone(), format!("{code}.hint")] {
                assert!(texts.find(lang, &key, std::iter::empty()).is_some(), "{lang}: {key}");
            }
        }
    }
}

#[test]
fn every_sentence_is_said_somewhere_and_every_key_has_one() {
    let mut literals_found = BTreeSet::new();
    literals(&sources(), &mut literals_found);
    let keys = keys();
    let unsaid: Vec<&String> = keys.iter().filter(|key| !literals_found.contains(*key)).collect();
    assert_eq!(unsaid, [""; 0], "sentences nobody says");
    let missing: Vec<&String> =
        literals_found.iter().filter(|text| text.starts_with("web-") && !keys.contains(*text)).collect();
    assert_eq!(missing, [""; 0], "keys without a sentence");
}
