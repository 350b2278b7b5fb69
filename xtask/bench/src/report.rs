//! Figures as a table in the terminal and as `docs/BENCHMARKS.md`.

use crate::machine::Machine;

/// One line of the table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub figure: String,
    /// What it should be; empty where it only stands beside another.
    pub reach: String,
    /// What the machine could do, measured in the same run.
    pub ceiling: String,
    /// The figure as a part of the ceiling.
    pub ratio: Option<f64>,
    /// Whether the reach was reached; nothing where there is none.
    pub reached: Option<bool>,
    /// Under which conditions.
    pub conditions: String,
}

impl Row {
    /// A case that could not be run.
    pub fn not_run(what: &str, reason: &str) -> Row {
        Row { what: what.to_owned(), figure: format!("not run: {reason}"), ..Row::default() }
    }

    /// The row as it is printed while others still run.
    pub fn as_text(&self) -> String {
        let mut text = format!("{}\n  {}", self.what, self.figure);
        let reached = [(Some(true), "reached"), (Some(false), "NOT reached")].into_iter();
        let reached = reached.filter(|(it, _)| *it == self.reached).map(|(_, told)| told).next();
        let ratio = self.ratio.map(|ratio| format!("{:.0} % of the ceiling", ratio * 100.0));
        let ceiling = (!self.ceiling.is_empty()).then(|| format!("ceiling {}", self.ceiling));
        let reach = (!self.reach.is_empty()).then(|| format!("reach {}", self.reach));
        for part in [reach, reached.map(str::to_owned), ceiling, ratio].into_iter().flatten() {
            text += &format!(" | {part}");
        }
        if !self.conditions.is_empty() {
            text += &format!("\n  {}", self.conditions);
        }
        text + "\n"
    }

    fn cells(&self) -> [String; 6] {
        let ratio = self.ratio.map_or_else(String::new, |ratio| format!("{:.0} %", ratio * 100.0));
        let reached = match self.reached {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        [&self.what, &self.figure, &self.reach, &self.ceiling, &ratio, reached].map(|cell| cell.to_string())
    }
}

const HEADS: [&str; 6] = ["what", "figure", "reach", "ceiling", "ratio", "reached"];

/// The rows as a Markdown table, aligned so that it reads well as it is.
pub fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 6]> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let heads = HEADS[column].chars().count();
        cells.iter().map(|row| row[column].chars().count()).chain([heads]).max().unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: [&str; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = format!("|{}|\n", widths.map(|width| "-".repeat(width + 2)).join("|"));
    let body = cells.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    [line(HEADS), rule].into_iter().chain(body).collect()
}

/// The whole of `docs/BENCHMARKS.md`.
pub fn document(machine: &Machine, rows: &[Row], others: f64, quick: bool) -> String {
    let command = if quick { "cargo xtask bench --quick --write" } else { "cargo xtask bench --write" };
    let conditions = rows.iter().filter(|row| !row.conditions.is_empty());
    let conditions: String = conditions.map(|row| format!("- **{}**: {}\n", row.what, row.conditions)).collect();
    format!(
        "# Benchmarks\n\n\
         Written by `{command}`; do not edit. Each figure stands beside a ceiling that was measured in the same run, \
         minutes before or after it: compare those two, not figures of two machines. Everything runs as processes of \
         its own on loopback, on the processors named below: the vendor, the load generator and naru share them.\n\n\
         {}\n\
         Other programs used {others:.2} of a core meanwhile.\n\n\
         ## Machine\n\n{}\n\
         ## Conditions\n\n\
         Payload: 444 bytes rendered, 4 variables. fsync is on: naru answers nothing before it is on the disk. Of the \
         customers 10 % have 3 to 20 messages. Where several runs were made the median is given.\n\n{conditions}",
        table(rows),
        machine.as_list(),
    )
}

/// `1234567.8` is `1,234,568`.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in millions.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// The smallest of the numbers that are not below `share` of all; zero of none.
pub fn within(share: f64, mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let at = ((numbers.len() as f64 * share).ceil() as usize).saturating_sub(1);
    numbers.get(at).copied().unwrap_or_default()
}

/// The largest; zero of none.
pub fn slowest(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(0.0, f64::max)
}

/// The one in the middle; zero of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        length if length % 2 == 1 => numbers[middle],
        _ => (numbers[middle - 1] + numbers[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0.4, 999.6, 1_234_567.8].map(grouped), ["0", "1,000", "1,234,568"]);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert_eq!((within(0.99, (1..=100).rev().map(f64::from).collect()), slowest(&[1.0, 3.0, 2.0])), (99.0, 3.0));
    }

    #[test]
    fn rows_become_a_table_and_lines() {
        let row = Row {
            what: "a".into(),
            figure: "9/s".into(),
            reach: "5/s".into(),
            ceiling: "10/s".into(),
            ratio: Some(0.9),
            reached: Some(true),
            conditions: "alone".into(),
        };
        assert_eq!(row.as_text(), "a\n  9/s | reach 5/s | reached | ceiling 10/s | 90 % of the ceiling\n  alone\n");
        assert_eq!(
            table(&[row, Row::not_run("b", "no c")]),
            "| what | figure        | reach | ceiling | ratio | reached |\n\
             |------|---------------|-------|---------|-------|---------|\n\
             | a    | 9/s           | 5/s   | 10/s    | 90 %  | yes     |\n\
             | b    | not run: no c |       |         |       |         |\n"
        );
    }
}
