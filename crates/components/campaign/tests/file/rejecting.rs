//! `rejected.csv` and the sentences in it.

use std::sync::Arc;

use naru_campaign::file::checker::Checker;
use naru_campaign::file::rejected::Rejected;
use naru_core::text::Lang;

use crate::{NOW, Written, outcomes, sms, texts};

fn rejected(content: &str, lang: Lang) -> String {
    let file = Written::new(content);
    let template = sms("#{이름}");
    let mut reader = file.open(&template, &[]).unwrap();
    let mut rejected = Rejected::new(Vec::new(), reader.columns(), Arc::new(texts()), lang).unwrap();
    let mut checker = Checker::new(template, 7);
    let mut row = reader.row();
    while let Some(outcome) = reader.next(&mut row).unwrap() {
        if let Err(refusal) = outcome.and_then(|()| checker.check(&row, NOW).map(drop)) {
            rejected.write(&refusal, &row).unwrap();
        }
    }
    String::from_utf8(rejected.finish().unwrap()).unwrap()
}

#[test]
fn refused_rows_stand_with_their_reason_before_the_original() {
    let content = "휴대폰,이름,비고\n010-1234-56,김,\"=1+1, 둘\"\n01012345678,박,\n+82 10-1234-5679,,-x\n";
    assert_eq!(
        rejected(content, Lang::Ko),
        "\u{FEFF}line,code,detail,hint,휴대폰,이름,비고\r\n\
         2,address-bad,sms 채널의 주소가 아닙니다: 010-****-3456,\"휴대폰 번호는 010-1234-5678, 이메일은 name@example.com 형식입니다\",010-1234-56,김,\"'=1+1, 둘\"\r\n\
         4,variable-missing,#{이름}에 넣을 값이 비어 있습니다,값을 채우세요. 빈칸이 있는 글은 보내지 않습니다,+82 10-1234-5679,,'-x\r\n"
    );
    let english = rejected(content, Lang::En);
    assert!(english.contains("2,address-bad,This is no address of the channel sms: 010-****-3456,"), "{english}");
}

#[test]
fn a_mended_file_goes_as_it_is_and_does_not_grow() {
    let first = rejected("휴대폰,이름\n01012345678,\n01012345679\n", Lang::En);
    // The short row stands as it was, so it has too few cells here as well.
    assert_eq!(outcomes(&first, &sms("#{이름}"), &[]).lines().count(), 2);
    let mended = first.replace("01012345678,", "01012345678,김");
    let found = outcomes(&mended, &sms("#{이름}"), &[]);
    assert_eq!(found.lines().next(), Some("2 01012345678|||김"));
    let again = rejected(&first, Lang::En);
    assert!(again.starts_with("\u{FEFF}line,code,detail,hint,휴대폰,이름\r\n2,variable-missing,"), "{again}");
}

#[test]
fn a_line_of_ndjson_is_one_cell() {
    let found = rejected("{\"to\":\"x\"}\n{\"to\":\n", Lang::En);
    assert!(found.starts_with("\u{FEFF}line,code,detail,hint,record\r\n1,address-bad,"), "{found}");
    assert!(found.contains(",\"{\"\"to\"\":\"\"x\"\"}\"\r\n2,row-not-json,"), "{found}");
}
