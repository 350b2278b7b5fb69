//! Figures that are printed and not enforced: what is longest, and how many crates are locked.

use std::cmp::Reverse;

use super::lock;
use super::rust::{code_of, item_end, line_of, product_of};
use super::tree::File;

/// The figures as text. Lines of tests are not counted.
pub fn render(files: &[File]) -> String {
    let product: Vec<(&File, String)> = files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test())
        .map(|file| (file, product_of(&code_of(&file.text))))
        .collect();
    let lengths = product.iter().map(|(file, code)| (lines(file, code), file.path.clone())).collect();
    let functions = product.iter().flat_map(|(file, code)| functions(file, code)).collect();
    format!(
        "longest files, in lines:\n{}longest functions, in lines:\n{}locked crates: {}\n",
        longest(lengths),
        longest(functions),
        lock::packages(files).len()
    )
}

const SHOWN_MAX: usize = 10;

fn longest(mut lengths: Vec<(usize, String)>) -> String {
    lengths.sort_by_key(|(lines, _)| Reverse(*lines));
    lengths.iter().take(SHOWN_MAX).map(|(lines, name)| format!("{lines:>6}  {name}\n")).collect()
}

/// The lines of the file up to its last product code; unit tests stand behind it.
fn lines(file: &File, code: &str) -> usize {
    let end = code.trim_end().len();
    if end == 0 { file.text.lines().count() } else { line_of(code, end) }
}

fn functions(file: &File, code: &str) -> Vec<(usize, String)> {
    let starts =
        code.match_indices("fn ").filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    let measured = starts.map(|(at, mark)| {
        let name: String = code[at + mark.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let first = line_of(code, at);
        let last = line_of(code, item_end(code, at).saturating_sub(1));
        (last - first + 1, format!("{name}  {}:{first}", file.path))
    });
    measured.collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn the_longest_come_first_and_tests_do_not_count() {
        let long = "//! A.\nfn short() {}\n\nfn long(f: impl Fn(u8)) {\n    f(1);\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {\n\n\n\n\n    }\n}\n";
        let files = [
            file("crates/a/src/a.rs", long),
            file("crates/a/src/b.rs", "//! Only words.\n"),
            file("Cargo.lock", "name = \"a\"\nname = \"b\"\n"),
        ];
        assert_eq!(
            render(&files),
            "longest files, in lines:
     6  crates/a/src/a.rs
     1  crates/a/src/b.rs
longest functions, in lines:
     3  long  crates/a/src/a.rs:4
     1  short  crates/a/src/a.rs:2
locked crates: 2
"
        );
    }
}
