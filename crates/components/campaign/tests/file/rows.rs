//! Rows, good and bad: each bad one is refused by itself with its line, and the others go.

use naru_campaign::file::ROW_BYTES_MAX;
use naru_dispatch::message::Channel;

use crate::{NOW, check, cp949, sms, template};

#[test]
fn every_row_is_refused_for_its_own_fault() {
    let file = "\
휴대폰,고객번호,이름,expires_at
010-1234-5678,C1,김민서,
010-1234-5678,C1,김민서
,C2,김민서,
02-123-4567,C2,김민서,
1012345679,C2, ,
01012345670,C2,뷁,
01012345671,C2,가나다라마바사아자차카타파하가나다라마바사아자차카타파하가나다라마바사아자차카타파하가나다라,
+82 10-1234-5678,C2,이서준,
01012345672,C2,이서준,내일
01012345673,C2,이서준,2026-11-22 15:30
01012345674,,이서준,2026-11-23 00:31
";
    let expect = [
        "2 01012345678|C1||김민서",
        "3 row-columns found=3 expected=4",
        "4 address-missing",
        "5 address-bad address=021-****-4567 channel=sms",
        "6 variable-missing variable=이름",
        "7 text-character character=뷁",
        "8 text-too-long length=92 max=90 unit=bytes",
        "9 address-repeated address=010-****-5678",
        "10 expires-bad value=내일",
        "11 expires-past at=2026-11-22 15:30:00",
        "12 01012345674||2026-11-23 00:31:00|이서준",
    ];
    check(file, &sms("#{이름}"), &[], &expect);
    check(file.replace('\n', "\r\n"), &sms("#{이름}"), &[], &expect);
    check(cp949(file), &sms("#{이름}"), &[], &expect);
    check(format!("\u{FEFF}{file}"), &sms("#{이름}"), &[], &expect);
    check(file.trim_end(), &sms("#{이름}"), &[], &expect);
}

#[test]
fn a_moment_that_is_now_has_passed() {
    let row = |at: i64| format!("to,expires_at\n01012345678,{}\n", jiff::Timestamp::from_millisecond(at).unwrap());
    check(row(NOW), &sms("x"), &[], &["2 expires-past at=2026-11-23 00:30:00"]);
    check(row(NOW + 1_000), &sms("x"), &[], &["2 01012345678||2026-11-23 00:30:01|"]);
}

#[test]
fn a_number_whose_row_was_refused_may_come_again() {
    let file = "to,이름\n01012345678,\n01012345678,김\n01012345678,김\n";
    let expect = ["2 variable-missing variable=이름", "3 01012345678|||김", "4 address-repeated address=010-****-5678"];
    check(file, &sms("#{이름}"), &[], &expect);
}

#[test]
fn quoted_cells_may_hold_anything() {
    let file = "to,이름\r\n01012345678,\"김 \"\"민\"\", 서\r\n둘째 줄\"\r\n01012345679,이\r\n";
    check(file, &sms("#{이름}"), &[], &["2 01012345678|||김 \"민\", 서", "둘째 줄", "4 01012345679|||이"]);
}

#[test]
fn empty_lines_are_passed_over_and_counted() {
    let file = "\n\nto,이름\n\n01012345678,김\n , \n\n01012345679,이\n\n,\n\n";
    check(file, &sms("#{이름}"), &[], &["5 01012345678|||김", "8 01012345679|||이"]);
}

#[test]
fn a_stray_mark_costs_its_own_line_only() {
    let file = "to,이름\n01012345678,\"김\n01012345679,이\n01012345670,\"박\"민\n01012345671,최\n01012345672,\"오\n";
    let max = format!(" max={ROW_BYTES_MAX}");
    let expect = [
        &format!("2 row-quote{max}"),
        "3 01012345679|||이",
        &format!("4 row-quote{max}"),
        "5 01012345671|||최",
        &format!("6 row-quote{max}"),
    ];
    check(file, &sms("#{이름}"), &[], &expect);
    // However far the next mark is.
    let filler: String = (0..20_000).map(|n| format!("010{n:08},이\n")).collect();
    let found = crate::outcomes(format!("to,이름\n01112345678,\"김\n{filler}"), &sms("#{이름}"), &[]);
    assert_eq!(found.lines().count(), 20_001);
    assert_eq!(found.matches(" row-quote").count(), 1);
    assert!(found.ends_with("20002 01000019999|||이\n"), "{}", &found[found.len() - 100..]);
}

#[test]
fn a_row_beyond_the_bound_is_passed_over_whatever_its_length() {
    let refused = format!("2 row-too-long max={ROW_BYTES_MAX}");
    for bytes in [ROW_BYTES_MAX + 1, 3 * ROW_BYTES_MAX, 20 * ROW_BYTES_MAX] {
        let file = format!("to,이름,비고\n01012345678,김,{}\n01012345679,이,\n", "가".repeat(bytes / 3));
        check(&file, &sms("#{이름}"), &[], &[&refused, "3 01012345679|||이"]);
        let objects = format!("{{\"to\":\"{}\"}}\n{{\"to\":\"01012345679\"}}\n", "1".repeat(bytes));
        let refused = refused.replace("2 ", "1 ");
        check(objects, &sms("x"), &[], &[&refused, "2 01012345679|||"]);
    }
    let header = format!("to,{}\n01012345678,\n", "x".repeat(ROW_BYTES_MAX));
    check(header, &sms("x"), &[], &[&format!("row-too-long line=\"1\" max=\"{ROW_BYTES_MAX}\"")]);
    // A row within the bound goes, wherever the chunks of the file are cut.
    let file = format!("to,이름,비고\n01012345678,김,{}\n01012345679,이,\n", "가".repeat(ROW_BYTES_MAX / 3 - 20));
    check(file, &sms("#{이름}"), &[], &["2 01012345678|||김", "3 01012345679|||이"]);
}

#[test]
fn broken_bytes_in_a_marked_file_cost_their_own_row() {
    let mut file = "\u{FEFF}to,이름\n01012345678,김\n01012345679,".as_bytes().to_vec();
    file.extend_from_slice(b"\xB0\xA1\n");
    file.extend_from_slice("01012345670,박\n".as_bytes());
    let expect = ["2 01012345678|||김", "3 row-encoding", "4 01012345670|||박"];
    check(file, &sms("#{이름}"), &[], &expect);
    let objects = b"{\"to\":\"01012345678\"}\n{\"to\":\"\xB0\xA1\"}\n";
    check(objects, &sms("x"), &[], &["1 01012345678|||", "2 row-encoding"]);
}

#[test]
fn a_message_that_no_frame_takes_is_refused() {
    let file = |bytes: usize| format!("email,글\na@b.kr,{}\n", "x".repeat(bytes));
    let mail = template(Channel::Email, "#{글}");
    check(file(20_001), &mail, &[], &["2 text-too-long length=20001 max=20000 unit=bytes"]);
    check(file(60_000), &mail, &[], &["2 message-too-large max=59757"]);
}

#[test]
fn objects_are_read_as_rows_are() {
    let file = r#"{"to":"010-1234-5678","customer":"C1","expires_at":"2026-12-24 18:00","variables":{"이름":"김\n\"민\"","금액":39000}}

{"variables":{"금액":1.0,"남는 값":[1,{}],"이름":"이"},"to":1012345679,"customer":7,"expires_at":null}
{"to":"01012345670","variables":{"이름":"박"}}
{"to":"01012345671"
{"to":"01012345671"} x
{"to":"01012345671","expire_at":"2026-12-24 18:00"}
{"to":["01012345671"]}
{"to":"01012345671","to":"01012345672"}
["01012345671"]
{"variables":{"이름":"최","금액":1.5}}
{"to":"01012345671","expires_at":1795361400000}"#;
    let expect = [
        "1 01012345678|C1|2026-12-24 18:00:00|김",
        "\"민\"/39000",
        "3 01012345679|7||이/1",
        "4 variable-missing variable=금액",
        "5 row-not-json why=EOF while parsing an object (column 19)",
        "6 row-not-json why=trailing characters (column 22)",
        "7 row-not-json why=`expire_at` is none of `to`, `customer`, `expires_at`, `variables` (column 31)",
        "8 row-not-json why=`to`: invalid type: sequence, expected a text or a number (column 7)",
        "9 row-not-json why=a key stands twice (column 24)",
        "10 row-not-json why=invalid type: sequence, expected an object (column 0)",
        "11 address-missing",
        "12 expires-bad value=1795361400000",
    ];
    let found = crate::outcomes(file, &sms("#{이름} #{금액}"), &[]);
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found, expect);
    let mapped = r#"{"phone":"01012345678","variables":{"name":"김"}}"#;
    check(mapped, &sms("#{이름}"), &["to=phone", "이름=name"], &["1 01012345678|||김"]);
}

#[test]
fn a_value_that_is_no_text_is_refused_with_its_field_and_not_told() {
    let lines = r#"{"to":true}
{"to":"01012345678","variables":{"이름":false}}
{"to":"01012345678","variables":"010-1234-5678 김민서"}
{"to":"01012345678","010-1234-5678":1}
{"to":"01012345678","expires_at":"내일 010-1234-5678"}"#;
    let fields = "`to`, `customer`, `expires_at`, `variables`";
    let expect = [
        "1 row-not-json why=`to`: invalid type: boolean, expected a text or a number (column 10)",
        "2 row-not-json why=`variables`: `이름`: invalid type: boolean, expected a text or a number (column 47)",
        "3 row-not-json why=`variables`: invalid type: string, expected an object (column 57)",
        &format!("4 row-not-json why=`010-****-5678` is none of {fields} (column 35)"),
        "5 expires-bad value=내일 010-****-5678",
    ];
    check(lines, &sms("#{이름}"), &[], &expect);
}

#[test]
fn what_was_taken_before_counts_as_seen() {
    let file = crate::Written::new("to\n010-1234-5678\n01012345679\n");
    let mut reader = file.open(&sms("x"), &[]).unwrap();
    let mut checker = naru_campaign::file::checker::Checker::new(sms("x"), 7);
    checker.remember("01012345678");
    let mut row = reader.row();
    reader.next(&mut row).unwrap().unwrap().unwrap();
    assert_eq!(checker.check(&row, NOW).unwrap_err().code, "address-repeated");
    reader.next(&mut row).unwrap().unwrap().unwrap();
    assert_eq!(checker.check(&row, NOW), Ok("01012345679"));
    assert!(reader.next(&mut row).unwrap().is_none());
    let (done, total) = reader.progress();
    assert_eq!((done, total), (29, 29));
}
