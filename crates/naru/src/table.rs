//! Tables whose columns line up, also where a Korean character takes two cells of the terminal.

use unicode_width::UnicodeWidthStr;

const GAP: &str = "  ";

/// Draws `rows` under `columns`. A column that holds nothing but numbers stands to the right.
pub fn table(columns: &[String], rows: &[Vec<String>], head: impl Fn(&str) -> String) -> String {
    let cell = |row: &[String], at: usize| clean(row.get(at).map_or("", String::as_str));
    let shapes: Vec<Shape> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| Shape {
            width: rows.iter().map(|row| cell(row, at).width()).chain([name.width()]).max().unwrap_or(0),
            right: is_numeric(rows.iter().map(|row| cell(row, at))),
        })
        .collect();
    let line = |row: &[String]| {
        let cells = shapes.iter().enumerate().map(|(at, shape)| shape.pad(&cell(row, at)));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let mut text = head(&line(columns)) + "\n";
    rows.iter().for_each(|row| text += &(line(row) + "\n"));
    text
}

/// Draws a name and a value a line, the values under each other.
pub fn fields(rows: &[(String, String)], head: impl Fn(&str) -> String) -> String {
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let shape = Shape { width, right: false };
    rows.iter().map(|(name, value)| format!("{}{GAP}{}\n", head(&shape.pad(name)), clean(value))).collect()
}

/// Groups digits by three: `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

struct Shape {
    width: usize,
    right: bool,
}

impl Shape {
    fn pad(&self, text: &str) -> String {
        let space = " ".repeat(self.width.saturating_sub(text.width()));
        if self.right { space + text } else { text.to_owned() + &space }
    }
}

fn is_numeric(cells: impl Iterator<Item = String>) -> bool {
    let mut some = false;
    for cell in cells.filter(|cell| !cell.is_empty()) {
        let body = cell.trim_end_matches([' ', '%']);
        let number = body.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
            && body.ends_with(|c: char| c.is_ascii_digit())
            && body.chars().skip(1).all(|c| c.is_ascii_digit() || c == ',' || c == '.');
        if !number {
            return false;
        }
        some = true;
    }
    some
}

/// A cell is one line, and what came from outside must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: &[&str], rows: &[&[&str]], expect: &str) {
        let own = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows: Vec<_> = rows.iter().map(|row| own(row)).collect();
        assert_eq!(table(&own(columns), &rows, str::to_owned), expect);
    }

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        check(
            &["campaign", "sent", "state"],
            &[&["11월 세일", "1,204", "running"], &["november", "98", "done"], &["가", "", "-"]],
            "campaign    sent  state\n11월 세일  1,204  running\nnovember      98  done\n가                -\n",
        );
    }

    #[test]
    fn phone_numbers_and_dates_are_no_numbers() {
        check(&["to"], &[&["010-****-5678"], &["2026-11-22"]], "to\n010-****-5678\n2026-11-22\n");
        check(&["share", "n"], &[&["9.5 %", "1"], &["10 %", "-22"]], "share    n\n9.5 %    1\n 10 %  -22\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        check(&["name"], &[&["a\u{1b}[2Jb\nc"]], "name\na [2Jb c\n");
    }

    #[test]
    fn values_stand_under_each_other() {
        let rows = [("이름".to_owned(), "가".to_owned()), ("state".to_owned(), "done".to_owned())];
        assert_eq!(fields(&rows, str::to_owned), "이름   가\nstate  done\n");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, expect) in [(0, "0"), (999, "999"), (1_000, "1,000"), (13_000_000, "13,000,000")] {
            assert_eq!(grouped(number), expect);
        }
    }
}
