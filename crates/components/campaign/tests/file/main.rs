//! Files as a shop's spreadsheets make them: told apart, read, refused row by row, written back.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod detecting;
mod rejecting;
mod roundtrip;
mod rows;
mod workbook;

use std::fmt::Write as _;
use std::path::Path;

use naru_campaign::file::checker::Checker;
use naru_campaign::file::detect::{Detected, detect};
use naru_campaign::file::plan::Plan;
use naru_campaign::file::reader::Reader;
use naru_campaign::file::row::Row;
use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};
use naru_dispatch::message::{Channel, Purpose};
use naru_dispatch::template::{Template, TemplateText};

/// 2026-11-22 15:30 UTC.
const NOW: i64 = 1_795_361_400_000;

fn template(channel: Channel, body: &str) -> Template {
    let subject = (channel == Channel::Email).then(|| "제목".to_owned());
    let id = "t".to_owned();
    let text = TemplateText { id, channel, purpose: Purpose::Info, subject, body: body.to_owned(), long: false };
    Template::new(text, 1).unwrap()
}

fn sms(body: &str) -> Template {
    template(Channel::Sms, body)
}

/// A file in a folder of its own.
struct Written(tempfile::TempDir);

impl Written {
    fn new(content: impl AsRef<[u8]>) -> Written {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("고객"), content).unwrap();
        Written(dir)
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("고객")
    }

    fn detect(&self) -> Result<Detected, Failure> {
        detect(&self.path())
    }

    fn open(&self, template: &Template, maps: &[&str]) -> Result<Reader, Failure> {
        let maps: Vec<String> = maps.iter().map(|map| (*map).to_owned()).collect();
        open(&self.path(), &Plan::new(template, &maps)?)
    }
}

fn open(path: &Path, plan: &Plan) -> Result<Reader, Failure> {
    Reader::open(path, &detect(path)?, plan, path.parent().unwrap())
}

/// Every row on a line of its own: `line address|customer|expiry|values`, or `line code values found`.
fn outcomes(content: impl AsRef<[u8]>, template: &Template, maps: &[&str]) -> String {
    let file = Written::new(content);
    let mut reader = match file.open(template, maps) {
        Ok(reader) => reader,
        Err(failure) => {
            check_texts(&failure);
            return told(&failure, &file);
        }
    };
    let mut checker = Checker::new(template.clone(), 7);
    let mut row = reader.row();
    let mut out = String::new();
    while let Some(outcome) = reader.next(&mut row).unwrap() {
        match outcome.and_then(|()| checker.check(&row, NOW).map(str::to_owned)) {
            Ok(to) => writeln!(out, "{} {}", row.line(), taken(&to, &row)).unwrap(),
            Err(refusal) => {
                check_texts(&refusal.failure());
                let args = refusal.args.iter().map(|(name, value)| format!(" {name}={value}"));
                writeln!(out, "{} {}{}", refusal.line, refusal.code, args.collect::<String>()).unwrap();
            }
        }
    }
    out
}

fn taken(to: &str, row: &Row) -> String {
    let expires_at = row.expires_at().map(naru_core::clock::seoul).unwrap_or_default();
    let values: Vec<&str> = row.values().collect();
    format!("{to}|{}|{expires_at}|{}", row.customer().unwrap_or_default(), values.join("/"))
}

/// A failure of the whole file, without the folder it happened to stand in.
fn told(failure: &Failure, file: &Written) -> String {
    let mut failure = failure.clone();
    failure.causes.clear();
    let folder = file.0.path().display().to_string();
    failure.to_string().replace(&format!("{folder}/"), "")
}

fn check(content: impl AsRef<[u8]>, template: &Template, maps: &[&str], expect: &[&str]) {
    let found = outcomes(&content, template, maps);
    assert_eq!(found.lines().collect::<Vec<_>>(), expect, "{:?}", String::from_utf8_lossy(content.as_ref()));
}

fn cp949(text: &str) -> Vec<u8> {
    let (bytes, _, broken) = encoding_rs::EUC_KR.encode(text);
    assert!(!broken, "{text:?} does not fit CP949");
    bytes.into_owned()
}

fn texts() -> Texts {
    Texts::new(&[naru_dispatch::component::TEXTS, naru_campaign::TEXTS]).unwrap()
}

/// Both languages say what happened and what to do, with every value filled in.
fn check_texts(failure: &Failure) {
    let texts = texts();
    for lang in Lang::ALL {
        let detail = texts.detail(lang, failure);
        let hint = texts.hint(lang, failure).unwrap_or_default();
        for sentence in [&detail, &hint] {
            let filled = !sentence.is_empty() && !sentence.contains("{$") && !sentence.contains("{ $");
            assert!(filled, "{lang} {}: {sentence:?}", failure.code);
        }
        assert_ne!(detail, failure.to_string(), "{lang}: no text for {}", failure.code);
    }
}
