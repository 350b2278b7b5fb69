//! How a failure is told in the terminal: what went wrong, why, and what to do, in the reader's language.

use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};

/// Draws `error: … / cause: … / hint: …`, each part on lines of its own.
pub fn told(texts: &Texts, lang: Lang, colour: bool, failure: &Failure) -> String {
    let label = |key: &str, code: &str| {
        let word = texts.say(lang, key, &[]);
        if colour { format!("\x1b[{code}m{word}:\x1b[0m") } else { format!("{word}:") }
    };
    let mut text = format!("{} {}\n", label("label-error", "1;31"), texts.detail(lang, failure));
    let mut outer = "";
    for cause in &failure.causes {
        // Some libraries print their source within themselves.
        if outer.ends_with(cause) {
            continue;
        }
        outer = cause;
        text += &format!("  {} {}\n", label("label-cause", "1"), indented(cause));
    }
    if let Some(hint) = texts.hint(lang, failure) {
        text += &format!("  {} {}\n", label("label-hint", "1;36"), indented(&hint));
    }
    text
}

/// The failure as the HTTP API and `--json` tell it: always in English.
pub fn json(texts: &Texts, failure: &Failure) -> serde_json::Value {
    serde_json::json!({ "errors": [{
        "code": failure.code,
        "detail": texts.detail(Lang::En, failure),
        "hint": texts.hint(Lang::En, failure),
    }] })
}

/// A cause of several lines stays under its label.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lang: Lang, failure: &Failure, expect: &str) {
        let texts = Texts::new(&[crate::kernel::TEXTS, naru_store::TEXTS]).unwrap();
        assert_eq!(told(&texts, lang, false, failure), expect);
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure = Failure::conflict("store-locked").arg("path", "/d/naru.lock").arg("pid", 7);
        let failure = failure.cause_text("a\nb").cause_text("b");
        check(
            Lang::En,
            &failure,
            "error: Process 7 already uses this data (/d/naru.lock)\n  cause: a\n    b\n  hint: Stop that process \
             first, or let `naru serve` run and use the verbs beside it\n",
        );
        check(
            Lang::Ko,
            &failure,
            "오류: 프로세스 7번이 이미 이 데이터를 쓰고 있습니다 (/d/naru.lock)\n  원인: a\n    b\n  해결: 그 프로세스를 먼저 \
             멈추거나, `naru serve`를 켜 둔 채 명령을 실행하세요\n",
        );
    }

    #[test]
    fn a_code_without_a_sentence_still_says_itself() {
        let failure = Failure::refused("never-written").arg("what", "x");
        check(Lang::En, &failure, "error: never-written what=\"x\"\n");
    }
}
