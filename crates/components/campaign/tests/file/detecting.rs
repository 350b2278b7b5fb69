//! What a file is, and files that are not read at all.

use naru_campaign::file::detect::{Encoding, Format};

use crate::{Written, check, check_texts, cp949, sms, told};

const fn csv(encoding: Encoding, delimiter: u8) -> Format {
    Format::Csv { encoding, delimiter }
}

fn check_format(content: impl AsRef<[u8]>, expect: Format) {
    let found = Written::new(content).detect().unwrap();
    assert_eq!(found.format, expect);
}

fn check_refused(content: impl AsRef<[u8]>, expect: &str) {
    let file = Written::new(&content);
    let failure = file.open(&sms("#{이름}"), &[]).err().unwrap();
    assert_eq!(told(&failure, &file), expect, "{:?}", String::from_utf8_lossy(content.as_ref()));
    check_texts(&failure);
}

#[test]
fn encodings_are_told_by_content() {
    check_format("휴대폰,이름\n", csv(Encoding::Utf8, b','));
    check_format("\u{FEFF}휴대폰,이름\n", csv(Encoding::Utf8, b','));
    check_format("to,name\n", csv(Encoding::Utf8, b','));
    check_format(cp949("휴대폰,이름\n"), csv(Encoding::Cp949, b','));
    // Windows-949 has syllables that EUC-KR lacks.
    check_format(cp949("to,이름\n01012345678,뷁똠\n"), csv(Encoding::Cp949, b','));
    // The one Korean letter far behind the first chunk counts as well.
    let late = format!("to,name\n{}", "01012345678,Kim\n".repeat(60_000));
    check_format([late.clone().into_bytes(), cp949("01012345678,김\n")].concat(), csv(Encoding::Cp949, b','));
    check_format(format!("{late}01012345678,김\n"), csv(Encoding::Utf8, b','));
}

#[test]
fn a_character_across_two_chunks_is_no_fault() {
    // Chunks have 256 KiB: each of the three bytes of a syllable meets the edge once.
    for shift in 0..3 {
        let text = format!("to,{}이름\n", "x".repeat(shift)) + &"가".repeat(200_000);
        check_format(text, csv(Encoding::Utf8, b','));
        check_format(cp949(&("x".repeat(shift) + &"가".repeat(200_000))), csv(Encoding::Cp949, b','));
    }
}

#[test]
fn delimiters_are_told_by_the_header() {
    check_format("to\tname\tday\n1,2,3\n", csv(Encoding::Utf8, b'\t'));
    check_format("to;name\n", csv(Encoding::Utf8, b';'));
    check_format("to\n", csv(Encoding::Utf8, b','));
    check_format("\"a;b;c\",to\n", csv(Encoding::Utf8, b','));
}

#[test]
fn objects_are_told_by_their_bracket() {
    check_format("{\"to\":\"1\"}\n", Format::Ndjson);
    check_format("\u{FEFF} \n {\"to\":\"1\"}\n", Format::Ndjson);
}

#[test]
fn the_hash_is_that_of_the_content() {
    let found = Written::new("abc").detect().unwrap();
    let hex: String = found.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(found.size_bytes, 3);
}

#[test]
fn files_that_are_no_table_are_refused_with_what_to_do() {
    check_refused("", "file-empty path=\"고객\"");
    check_refused("\u{FEFF}", "file-empty path=\"고객\"");
    check_refused("\n \r\n", "file-empty path=\"고객\"");
    check_refused("to,이름\r\n", "file-empty path=\"고객\"");
    check_refused("to,이름\n\n  \n,\n", "file-empty path=\"고객\"");
    check_refused("to,이름\n\0\0\n", "file-binary path=\"고객\"");
    check_refused(b"\xFF\xFEt\0o\0", "file-utf16 path=\"고객\"");
    check_refused(b"\xFE\xFF\0t\0o", "file-utf16 path=\"고객\"");
    check_refused(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "file-xls path=\"고객\"");
    check_refused("[\n {\"to\": \"1\"}]", "file-json path=\"고객\"");
    check_refused("to,a\r01012345678,1\r01012345679,1\r", "file-old-mac path=\"고객\"");
    check_refused(b"PK\x03\x04 and no directory", "workbook-unreadable path=\"고객\"");
}

#[test]
fn a_line_in_no_encoding_is_named() {
    // A name cut in the middle of a character, as databases with fields of so many bytes do.
    let mut cut = cp949("to,이름\n01012345678,김\n01012345679,박");
    cut.extend_from_slice(b"\xC0,\n");
    check_refused(cut, "file-encoding line=\"3\" path=\"고객\"");
    // Mostly UTF-8: as CP949 this would be read without complaint, and sent.
    let mut broken = "to,이름\n01012345678,가나\n01012345679,".as_bytes().to_vec();
    broken.extend_from_slice(b"\xB0\xA1\n");
    check_refused(broken, "file-encoding line=\"3\" path=\"고객\"");
}

#[test]
fn a_file_that_is_not_there_is_told_with_its_cause() {
    let file = Written::new("x");
    let failure = naru_campaign::file::detect::detect(&file.0.path().join("없음.csv")).unwrap_err();
    assert_eq!(failure.code, "file-unreadable");
    assert_eq!(failure.causes.len(), 1);
    check_texts(&failure);
}

#[test]
fn columns_are_found_by_name_by_custom_or_by_map() {
    let template = sms("#{이름}");
    let expect = ["2 01012345678|C1||김"];
    check("to,customer,이름\n01012345678,C1,김\n", &template, &[], &expect);
    check("이름,고객번호,휴대폰\n김,C1,010-1234-5678\n", &template, &[], &expect);
    check(" Phone ,회원번호,이름\n01012345678, C1 ,김\n", &template, &[], &expect);
    check("연락처,주문자,번호\n01012345678,김,C1\n", &template, &["이름=주문자", "customer = 번호"], &expect);
    // The field's own name wins over what is only usual, and the map over both.
    check("to,휴대폰,이름\n01012345678,0212345678,김\n", &template, &[], &["2 01012345678|||김"]);
    check("to,휴대폰,이름\n0212345678,01012345678,김\n", &template, &["to=휴대폰"], &["2 01012345678|||김"]);
    let email = crate::template(naru_dispatch::message::Channel::Email, "#{이름}");
    check("휴대폰,이메일,이름\n01012345678,a@B.kr,김\n", &email, &[], &["2 a@b.kr|||김"]);
}

#[test]
fn columns_that_do_not_fit_are_refused_with_a_map_to_try() {
    check_refused(
        "휴대폰,고객명\n1,2\n",
        "column-missing found=\"휴대폰, 고객명\" map=\"--map 이름=…\" missing=\"이름\"",
    );
    check_refused(
        "핸드폰 번호,이 름\n1,2\n",
        "column-missing found=\"핸드폰 번호, 이 름\" map=\"--map to=핸드폰 번호 --map 이름=이 름\" missing=\"to, 이름\"",
    );
    check_refused("to,이름,이름\n1,2,3\n", "column-repeated column=\"이름\"");
    check_refused(
        "휴대폰,전화번호,이름\n1,2,3\n",
        "column-ambiguous columns=\"휴대폰, 전화번호\" field=\"to\" map=\"--map to=휴대폰\"",
    );
    // A customer's row is no header, and is not told.
    check_refused("010-1234-5678,김,1\n01012345679,이,2\n", "header-missing address=\"010-****-5678\"");
    check_refused("김,kim@example.com\n", "header-missing address=\"k***@example.com\"");
    check_refused(
        "수신 02-123-4567,이름\n1,2\n",
        "column-missing found=\"수신 021-****-4567, 이름\" map=\"--map to=…\" missing=\"to\"",
    );
    // Columns without a name are nobody's.
    check("to,이름,,\n01012345678,김,,\n", &sms("#{이름}"), &[], &["2 01012345678|||김"]);
}

#[test]
fn maps_that_mean_nothing_are_refused() {
    let file = Written::new("to,이름\n01012345678,김\n");
    let check = |maps: &[&str], expect: &str| {
        let failure = file.open(&sms("#{이름}"), maps).err().unwrap();
        assert_eq!(told(&failure, &file), expect);
        check_texts(&failure);
    };
    check(&["이름"], "map-syntax map=\"이름\"");
    check(&["이름="], "map-syntax map=\"이름=\"");
    check(&["성=이름"], "map-field-unknown field=\"성\" fields=\"to, customer, expires_at, 이름\"");
    check(&["to=to", "to=이름"], "map-repeated field=\"to\"");
    check(&["to=이릉"], "map-column-missing column=\"이릉\" found=\"to, 이름\" map=\"--map to=이름\"");
}
