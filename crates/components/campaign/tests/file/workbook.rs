//! Workbooks: what the sheet shows is what is sent, and a zip that would swell is not unpacked.

use std::io::{Cursor, Write as _};

use naru_campaign::file::reader::Reader;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Written, check, check_texts, sms, told};

const CONTENT_TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#;
const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="숨김" sheetId="1" state="hidden" r:id="r2"/><sheet name="고객" sheetId="2" r:id="r1"/></sheets></workbook>"#;
const LINKS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#;
/// Styles 0 to 4: none, thousands, day, day and time, the won behind the amount.
const STYLES: &str = r##"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm"/><numFmt numFmtId="165" formatCode="#,##0&quot;원&quot;"/></numFmts><cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="3"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>"##;

fn sheet(rows: &str) -> String {
    format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
    )
}

fn text(text: &str) -> String {
    format!(r#"<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>"#)
}

fn number(style: u32, value: &str) -> String {
    format!(r#"<c s="{style}"><v>{value}</v></c>"#)
}

fn row(number: u32, cells: &[String]) -> String {
    format!(r#"<row r="{number}">{}</row>"#, cells.concat())
}

fn book(rows: &str) -> Vec<u8> {
    zip(&parts(&sheet(rows)))
}

fn parts(sheet: &str) -> Vec<(&'static str, String)> {
    let hidden = self::sheet(&row(1, &[text("to"), text("이름")]));
    vec![
        ("[Content_Types].xml", CONTENT_TYPES.to_owned()),
        ("_rels/.rels", ROOT.to_owned()),
        ("xl/workbook.xml", BOOK.to_owned()),
        ("xl/_rels/workbook.xml.rels", LINKS.to_owned()),
        ("xl/styles.xml", STYLES.to_owned()),
        ("xl/worksheets/sheet1.xml", sheet.to_owned()),
        ("xl/worksheets/sheet2.xml", hidden),
    ]
}

fn zip(parts: &[(&str, String)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in parts {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn check_refused(content: Vec<u8>, expect: &str) {
    let file = Written::new(content);
    let failure = file.open(&sms("#{이름}"), &[]).err().unwrap();
    assert_eq!(told(&failure, &file), expect);
    check_texts(&failure);
}

#[test]
fn the_first_sheet_that_is_shown_is_read_as_it_is_shown() {
    let rows = [
        row(3, &["휴대폰", "고객번호", "이름", "금액", "날짜", "expires_at"].map(text)),
        row(
            4,
            &[
                // The leading zero is gone, as spreadsheets lose it.
                number(0, "1012345678"),
                number(0, "120034"),
                text("김&amp;민 \"서\",\n둘"),
                number(1, "39000"),
                number(2, "46380"),
                number(3, "46380.75"),
            ],
        ),
        row(7, &[text("010-1234-5679"), text(""), text(" 이 "), number(4, "1234567.5"), number(0, "0.1")]),
        // Cells to the right of the header's last; an error instead of a value; empty rows.
        row(8, &[r#"<c r="A8" t="str"><v>01012345670</v></c><c r="G8"><v>1</v></c>"#.to_owned()]),
        row(9, &[number(0, "1012345671"), text(""), r#"<c t="e"><v>#N/A</v></c>"#.to_owned()]),
        row(10, &[text(""), text(" ")]),
    ];
    let expect = [
        "4 01012345678|120034|2026-12-24 18:00:00|김&민 \"서\",",
        "둘/39,000/2026-12-24",
        "7 01012345679|||\u{20}이 /1,234,568원/0.1",
        "8 row-columns found=7 expected=6",
        "9 variable-missing variable=이름",
    ];
    check(book(&rows.concat()), &sms("#{이름} #{금액} #{날짜}"), &[], &expect);
}

#[test]
fn shared_strings_are_read() {
    let rows = row(1, &[text("to"), text("이름")])
        + r#"<row r="2"><c t="str"><v>01012345678</v></c><c t="s"><v>1</v></c></row>"#;
    let mut parts = parts(&sheet(&rows));
    let strings = |count: &str| {
        format!(
            r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" uniqueCount="{count}"><si><t>박</t></si><si><r><t>최</t></r><r><t>수</t></r></si></sst>"#
        )
    };
    parts.push(("xl/sharedStrings.xml", strings("2")));
    check(zip(&parts), &sms("#{이름}"), &[], &["2 01012345678|||최수"]);
    // A count that would make the reader ask for all the memory there is.
    parts.pop();
    parts.push(("xl/sharedStrings.xml", strings("9999999999999")));
    check_refused(zip(&parts), "workbook-unreadable path=\"고객\"");
}

#[test]
fn a_workbook_without_rows_is_empty() {
    check_refused(book(""), "file-empty path=\"고객\"");
    check_refused(book(&row(1, &[text("to"), text("이름")])), "file-empty path=\"고객\"");
    check_refused(book(&row(1, &[text("to")])), "column-missing found=\"to\" map=\"--map 이름=…\" missing=\"이름\"");
}

#[test]
fn a_zip_that_is_no_workbook_is_refused() {
    check_refused(zip(&[("고객.csv", "to\n".to_owned())]), "file-not-workbook path=\"고객\"");
    let mut cut = book(&row(1, &[text("to"), text("이름")]));
    cut.truncate(cut.len() / 2);
    check_refused(cut, "workbook-unreadable path=\"고객\"");
    let broken = zip(&parts("<worksheet><sheetData><row r=\"1\"><c"));
    check_refused(broken, "workbook-unreadable path=\"고객\"");
}

#[test]
fn a_zip_that_would_swell_is_refused_by_its_directory() {
    // 300 MiB of one letter are a third of a megabyte packed.
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("xl/workbook.xml", options).unwrap();
    let block = vec![b' '; 1 << 20];
    for _ in 0..257 {
        zip.write_all(&block).unwrap();
    }
    let content = zip.finish().unwrap().into_inner();
    let (found, max) = (257 << 20, 256 << 20);
    let expect = format!("workbook-too-large found=\"{found}\" max=\"{max}\" path=\"고객\" unit=\"bytes\"");
    check_refused(content, &expect);
}

#[test]
fn an_entry_larger_than_it_declares_is_not_unpacked() {
    let rows: String = (2..2_000).map(|n| row(n, &[number(0, &format!("10{n:08}")), text("김")])).collect();
    let content = book(&(row(1, &[text("to"), text("이름")]) + &rows));
    let size = sheet(&(row(1, &[text("to"), text("이름")]) + &rows)).len() as u32;
    // The sheet's size stands in its own header and in the directory; both now say 1,000 bytes.
    let mut lying = content.clone();
    let places = content.windows(4).enumerate().filter(|(_, bytes)| *bytes == size.to_le_bytes());
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&1_000u32.to_le_bytes());
    }
    check_refused(lying, "workbook-unreadable path=\"고객\"");
}

#[test]
fn cells_beyond_the_bounds_are_refused_unless_they_are_empty() {
    let beyond = |cell: &str| {
        let rows = row(1, &[text("to"), text("이름")]) + &row(2, &[number(0, "1012345678"), text("김")]);
        format!("{rows}<row>{cell}</row>")
    };
    check(book(&beyond(r#"<c r="XFD1048577" s="1"/>"#)), &sms("#{이름}"), &[], &["2 01012345678|||김"]);
    for (cell, unit, found, max) in [("ATK3", "columns", "1207", "1024"), ("A1048577", "rows", "1048577", "1048576")] {
        let expect = format!("workbook-too-large found=\"{found}\" max=\"{max}\" path=\"고객\" unit=\"{unit}\"");
        check_refused(book(&beyond(&format!(r#"<c r="{cell}"><v>1</v></c>"#))), &expect);
    }
}

#[test]
fn a_workbook_that_cannot_be_unpacked_says_where() {
    let file = Written::new(book(&row(1, &[text("to"), text("이름")])));
    let plan = naru_campaign::file::plan::Plan::new(&sms("#{이름}"), &[]).unwrap();
    let nowhere = file.0.path().join("없음");
    let opened = Reader::open(&file.path(), &file.detect().unwrap(), &plan, &nowhere);
    let failure = opened.err().unwrap();
    assert_eq!(told(&failure, &file), "workbook-no-room dir=\"없음\" path=\"고객\"");
    check_texts(&failure);
}

proptest! {
    #[test]
    fn a_damaged_workbook_never_panics(
        part in 2..8usize,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), "[<>/\"=0-9a-z&;#\\[\\]-]{0,4}", 0..4usize), 1..6),
    ) {
        let cells = [number(1, "1012345678"), text("김"), r#"<c t="s"><v>0</v></c>"#.to_owned()];
        let rows = row(1, &["to", "이름", "비고"].map(text)) + &row(2, &cells);
        let mut parts = parts(&sheet(&rows));
        parts.push(("xl/sharedStrings.xml", "<sst uniqueCount=\"1\"><si><t>박</t></si></sst>".to_owned()));
        let content = &mut parts[part].1;
        for (index, put, cut) in damage {
            let at = content.floor_char_boundary(index.index(content.len() + 1));
            let end = content.ceil_char_boundary((at + cut).min(content.len()));
            content.replace_range(at..end, &put);
        }
        crate::outcomes(zip(&parts), &sms("#{이름}"), &[]);
    }
}
