//! Whatever stands in a table is read back the same, however it was written.

use naru_campaign::file::checker::Checker;
use naru_campaign::file::detect::Encoding;
use naru_campaign::file::generate::{Customers, template, write_csv};
use naru_dispatch::message::Channel;
use naru_dispatch::template::Template;
use proptest::prelude::*;

use crate::{NOW, Written, cp949};

/// Number, customer, two values.
type Line = (u32, String, String, String);

fn any_line(letters: &'static str) -> impl Strategy<Value = Line> {
    let value = || proptest::string::string_regex(&format!("{letters}{{0,12}}")).unwrap();
    (0..100_000_000u32, "[A-Z0-9]{0,8}", value(), value())
}

fn table(lines: &[Line], delimiter: u8, end: csv::Terminator) -> String {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(end).from_writer(Vec::new());
    writer.write_record(["토큰", "이름", "고객번호", "글"]).unwrap();
    for (number, customer, name, text) in lines {
        writer.write_record([&format!("010{number:08}"), name, customer, text]).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn objects(lines: &[Line]) -> String {
    let lines = lines.iter().map(|(number, customer, name, text)| {
        let to = format!("010{number:08}");
        serde_json::json!({"to": to, "customer": customer, "variables": {"이름": name, "글": text}}).to_string() + "\n"
    });
    lines.collect()
}

fn read(content: impl AsRef<[u8]>) -> Vec<Line> {
    let file = Written::new(content);
    let template = crate::template(Channel::Push, "#{이름}#{글}");
    let mut reader = file.open(&template, &[]).unwrap();
    let mut row = reader.row();
    let mut lines = Vec::new();
    while let Some(outcome) = reader.next(&mut row).unwrap() {
        outcome.unwrap();
        let mut values = row.values().map(str::to_owned);
        let (name, text) = (values.next().unwrap(), values.next().unwrap());
        let number = row.to().strip_prefix("010").unwrap().parse().unwrap();
        lines.push((number, row.customer().unwrap_or_default().to_owned(), name, text));
    }
    lines
}

proptest! {
    #[test]
    fn a_table_in_utf_8_reads_back(
        lines in proptest::collection::vec(any_line("[ -~가-힣🙂\r\n\t\"',;]"), 1..30),
        delimiter in prop::sample::select(vec![b',', b'\t', b';']),
        returns in any::<bool>(),
        marked in any::<bool>(),
    ) {
        let end = if returns { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mark = if marked { "\u{FEFF}" } else { "" };
        prop_assert_eq!(read(mark.to_owned() + &table(&lines, delimiter, end)), lines);
    }

    #[test]
    fn a_table_in_cp949_reads_back(lines in proptest::collection::vec(any_line("[ -~가-힣\r\n\"',]"), 1..30)) {
        prop_assert_eq!(read(cp949(&table(&lines, b',', csv::Terminator::CRLF))), lines);
    }

    #[test]
    fn objects_read_back(lines in proptest::collection::vec(any_line("[ -~가-힣🙂\r\n\t\"',\\\\]"), 1..30)) {
        prop_assert_eq!(read(objects(&lines)), lines);
    }

    #[test]
    fn no_bytes_make_it_panic(
        header in prop::sample::select(vec!["to,이름\n", "{", "PK\x03\x04", ""]),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let content = [header.as_bytes(), &bytes].concat();
        let file = Written::new(content);
        let Ok(mut reader) = file.open(&crate::sms("#{이름}"), &[]) else { return Ok(()) };
        let mut row = reader.row();
        let mut rows = 0;
        while reader.next(&mut row).unwrap().is_some() {
            rows += 1;
        }
        prop_assert!(rows <= bytes.len() + 1);
    }
}

#[test]
fn a_generated_file_reads_back_over_many_chunks() {
    let template = Template::new(template(), 1).unwrap();
    for encoding in [Encoding::Utf8, Encoding::Cp949] {
        let mut content = Vec::new();
        write_csv(&mut content, 30_000, 3, encoding).unwrap();
        let file = Written::new(content);
        let mut reader = file.open(&template, &[]).unwrap();
        let mut checker = Checker::new(template.clone(), 7);
        let mut row = reader.row();
        for (index, customer) in Customers::new(30_000, 3).enumerate() {
            reader.next(&mut row).unwrap().unwrap().unwrap();
            assert_eq!(checker.check(&row, NOW), Ok(customer.to.replace('-', "").as_str()));
            assert_eq!(row.line(), index as u64 + 2);
            assert_eq!(row.customer(), Some(customer.customer.as_str()));
            let values: Vec<&str> = row.values().collect();
            assert_eq!(values, [&customer.name, &customer.product, &customer.amount, &customer.date]);
        }
        assert!(reader.next(&mut row).unwrap().is_none());
    }
}
