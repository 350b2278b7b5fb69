//! Every sentence a person reads, in Korean and English, kept beside the crate that says it as Fluent files.
//!
//! A crate brings a [`Catalog`]; the binary joins them into [`Texts`]. A failure's code is the key of its detail and
//! `.hint` the key of what to do about it, so a code without texts in both languages fails a test, not a reader.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Characters of what others said of a failure.
const CAUSES_CHARS_MAX: usize = 300;
/// The argument by which a failure names another one that was last seen: it is told as that one's sentence.
const LAST: &str = "last";

/// A language naru speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English; logs and JSON always are.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Lang {
    /// Every language, for tests that compare them.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Ko];

    /// Reads a `LANG`-like value (`ko_KR.UTF-8`) or an `Accept-Language` header: Korean where it comes first.
    pub fn guess(value: &str) -> Lang {
        let first = value.split([',', ';']).next().unwrap_or_default().trim();
        if first.to_ascii_lowercase().starts_with("ko") { Lang::Ko } else { Lang::En }
    }

    /// The tag used in HTML and cookies.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Ko => "ko",
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl FromStr for Lang {
    type Err = ();

    fn from_str(text: &str) -> Result<Lang, ()> {
        match text {
            "en" => Ok(Lang::En),
            "ko" => Ok(Lang::Ko),
            _ => Err(()),
        }
    }
}

/// One crate's sentences in Fluent syntax.
#[derive(Clone, Copy, Debug)]
pub struct Catalog {
    /// The crate, for the error that names a broken file.
    pub name: &'static str,
    /// English.
    pub en: &'static str,
    /// Korean.
    pub ko: &'static str,
}

/// All sentences of the process.
pub struct Texts {
    en: FluentBundle<FluentResource>,
    ko: FluentBundle<FluentResource>,
}

impl Texts {
    /// Joins the catalogs; fails on broken syntax or a key that two crates claim.
    pub fn new(catalogs: &[Catalog]) -> Result<Texts, String> {
        let join = |lang: Lang| {
            let tag = lang.tag().parse().map_err(|_| format!("bad language tag {lang}"))?;
            let mut bundle = FluentBundle::new_concurrent(vec![tag]);
            // Isolation marks are for mixing scripts of two directions; they would end up in terminals and tests.
            bundle.set_use_isolating(false);
            bundle.add_function("JOSA", josa).map_err(|e| e.to_string())?;
            for catalog in catalogs {
                let source = if lang == Lang::En { catalog.en } else { catalog.ko };
                let resource = FluentResource::try_new(source.to_owned())
                    .map_err(|(_, errors)| format!("{} ({lang}): {errors:?}", catalog.name))?;
                bundle.add_resource(resource).map_err(|errors| format!("{} ({lang}): {errors:?}", catalog.name))?;
            }
            Ok::<_, String>(bundle)
        };
        Ok(Texts { en: join(Lang::En)?, ko: join(Lang::Ko)? })
    }

    /// The sentence of `key`, or the key itself where there is none (a test sees to it that there is).
    pub fn say(&self, lang: Lang, key: &str, args: &[(&str, &str)]) -> String {
        self.find(lang, key, args.iter().copied()).unwrap_or_else(|| key.to_owned())
    }

    /// The sentence of `key`, if there is one.
    pub fn find<'a>(&self, lang: Lang, key: &str, args: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
        let bundle = match lang {
            Lang::En => &self.en,
            Lang::Ko => &self.ko,
        };
        let (id, attribute) = key.split_once('.').map_or((key, None), |(id, attribute)| (id, Some(attribute)));
        let message = bundle.get_message(id)?;
        let pattern = match attribute {
            Some(name) => message.get_attribute(name)?.value(),
            None => message.value()?,
        };
        let mut fluent = FluentArgs::new();
        for (name, value) in args {
            fluent.set(name.to_owned(), value_of(value));
        }
        Some(bundle.format_pattern(pattern, Some(&fluent), &mut Vec::new()).into_owned())
    }

    /// What went wrong, in a sentence.
    pub fn detail(&self, lang: Lang, failure: &Failure) -> String {
        let last = failure.args.get(LAST).and_then(|code| self.find(lang, code, pairs(&failure.args)));
        let rest = pairs(&failure.args).filter(|(name, _)| *name != LAST || last.is_none());
        let args = rest.chain(last.as_deref().map(|last| (LAST, last)));
        self.find(lang, &failure.code, args).unwrap_or_else(|| failure.to_string())
    }

    /// What went wrong, and what others said of it: as much as stands well in one line.
    pub fn explained(&self, lang: Lang, failure: &Failure) -> String {
        let detail = self.detail(lang, failure);
        if failure.causes.is_empty() {
            return detail;
        }
        let causes = failure.causes.join("; ");
        match causes.char_indices().nth(CAUSES_CHARS_MAX) {
            Some((end, _)) => format!("{detail}: {}…", &causes[..end]),
            None => format!("{detail}: {causes}"),
        }
    }

    /// What to do about it.
    pub fn hint(&self, lang: Lang, failure: &Failure) -> Option<String> {
        self.find(lang, &format!("{}.hint", failure.code), pairs(&failure.args))
    }
}

/// Counts become numbers, so that `[one]` can be told from the rest. What has a leading zero is no count.
fn value_of(value: &str) -> FluentValue<'static> {
    let is_count = value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
    // Beyond, a number of Fluent is not exact.
    match value.parse::<f64>() {
        Ok(number) if is_count && value.len() <= 15 => FluentValue::from(number),
        _ => FluentValue::from(value.to_owned()),
    }
}

fn pairs(args: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    args.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// `JOSA($word, "이/가")`: the word followed by the particle that its last sound asks for; with `in: "`"` the word stands
/// between those.
fn josa<'a>(positional: &[FluentValue<'a>], named: &FluentArgs) -> FluentValue<'a> {
    let (Some(word), Some(FluentValue::String(pair))) = (positional.first(), positional.get(1)) else {
        return FluentValue::Error;
    };
    let word = match word {
        FluentValue::String(word) => word.to_string(),
        FluentValue::Number(number) => number.as_string().to_string(),
        _ => return FluentValue::Error,
    };
    let quote = match named.get("in") {
        Some(FluentValue::String(quote)) => quote,
        _ => "",
    };
    FluentValue::from(with_josa(&format!("{quote}{word}{quote}"), pair))
}

/// Appends the first of `pair` ("이/가") after a final consonant, the second after a vowel; `으로/로` knows its ㄹ.
pub fn with_josa(word: &str, pair: &str) -> String {
    let (closed, open) = pair.split_once('/').unwrap_or((pair, pair));
    let ending = word.chars().rev().find(|c| c.is_alphanumeric()).map_or(Ending::Open, ending);
    let particle = match ending {
        Ending::Closed => closed,
        Ending::Rieul if closed == "으로" => open,
        Ending::Rieul => closed,
        Ending::Open => open,
    };
    format!("{word}{particle}")
}

enum Ending {
    Open,
    Closed,
    Rieul,
}

/// How a word that ends in `last` sounds at its end when read aloud in Korean.
fn ending(last: char) -> Ending {
    match last {
        '가'..='힣' => match (last as u32 - '가' as u32) % 28 {
            0 => Ending::Open,
            8 => Ending::Rieul,
            _ => Ending::Closed,
        },
        '1' | '7' | '8' | 'l' | 'L' | 'r' | 'R' => Ending::Rieul,
        '0' | '3' | '6' | 'm' | 'M' | 'n' | 'N' => Ending::Closed,
        'b' | 'B' | 'c' | 'C' | 'k' | 'K' | 'p' | 'P' | 't' | 'T' if last.is_ascii_lowercase() => Ending::Closed,
        _ => Ending::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: Catalog = Catalog {
        name: "test",
        en: "file-missing = There is no file { $path }\n    .hint = Check the path",
        ko: "file-missing = { JOSA($path, \"이/가\") } 없습니다\n    .hint = 경로를 확인하세요",
    };

    #[test]
    fn a_particle_follows_the_word_and_not_what_it_stands_in() {
        let ko = "said = { JOSA($word, \"이/가\", in: \"`\") } 없습니다";
        let texts = Texts::new(&[Catalog { name: "test", en: "said = none", ko }]).expect("the catalog is sound");
        assert_eq!(texts.say(Lang::Ko, "said", &[("word", "main")]), "`main`이 없습니다");
        assert_eq!(texts.say(Lang::Ko, "said", &[("word", "web")]), "`web`이 없습니다");
        assert_eq!(texts.say(Lang::Ko, "said", &[("word", "api")]), "`api`가 없습니다");
    }

    #[test]
    fn a_failure_is_told_in_both_languages() {
        let texts = Texts::new(&[TEST]).expect("the catalog is sound");
        let failure = Failure::not_found("file-missing").arg("path", "고객.csv 파일");
        assert_eq!(texts.detail(Lang::En, &failure), "There is no file 고객.csv 파일");
        assert_eq!(texts.detail(Lang::Ko, &failure), "고객.csv 파일이 없습니다");
        assert_eq!(texts.hint(Lang::Ko, &failure).as_deref(), Some("경로를 확인하세요"));
        let caused = failure.cause_text("permission denied").cause_text("x".repeat(400));
        let told = texts.explained(Lang::Ko, &caused);
        assert!(told.starts_with("고객.csv 파일이 없습니다: permission denied; xxx") && told.ends_with("x…"), "{told}");
    }

    #[test]
    fn what_was_last_seen_is_told_as_its_own_sentence() {
        let en = "late = Not in time; the last that was seen: { $last }\nstarting = { $app } starts";
        let texts = Texts::new(&[Catalog { name: "test", en, ko: en }]).expect("the catalog is sound");
        let late = |last: &str| Failure::refused("late").arg("app", "web").arg("last", last);
        assert_eq!(texts.detail(Lang::En, &late("starting")), "Not in time; the last that was seen: web starts");
        assert_eq!(texts.detail(Lang::En, &late("nothing")), "Not in time; the last that was seen: nothing");
    }

    #[test]
    fn one_is_told_from_many_and_digits_that_count_nothing_stay() {
        let en = "rows = { $n ->\n        [one] 1 row\n       *[other] { $n } rows\n    }\nof = of { $n }";
        let texts = Texts::new(&[Catalog { name: "test", en, ko: en }]).expect("the catalog is sound");
        for (n, rows) in [("0", "0 rows"), ("1", "1 row"), ("1000000", "1000000 rows"), ("many", "many rows")] {
            assert_eq!(texts.say(Lang::En, "rows", &[("n", n)]), rows);
        }
        for n in ["01012345678", "00", "12345678901234567890", "-1", "1e3", ""] {
            assert_eq!(texts.say(Lang::En, "of", &[("n", n)]), format!("of {n}"));
        }
    }

    #[test]
    fn particles_follow_the_last_sound() {
        for (word, pair, expect) in [
            ("메시지", "이/가", "메시지가"),
            ("캠페인", "이/가", "캠페인이"),
            ("서울", "으로/로", "서울로"),
            ("부산", "으로/로", "부산으로"),
            ("3", "이/가", "3이"),
            ("(쿠폰)", "을/를", "(쿠폰)을"),
        ] {
            assert_eq!(with_josa(word, pair), expect);
        }
    }

    #[test]
    fn the_first_language_asked_for_counts() {
        assert_eq!(Lang::guess("ko-KR,ko;q=0.9,en;q=0.8"), Lang::Ko);
        assert_eq!(Lang::guess("en-US,ko"), Lang::En);
        assert_eq!(Lang::guess("ko_KR.UTF-8"), Lang::Ko);
    }
}
