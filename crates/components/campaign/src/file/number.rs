//! Numbers of a workbook as its reader sees them.
//!
//! A cell holds 39000 and a format, and shows `39,000원`: that is what whoever made the sheet means to send. Formats of
//! plain numbers are followed: digits, thousands, decimals, percent, texts around them. Of anything else (scientific,
//! fractions, conditions) the number itself is taken, as the formula bar shows it.

/// How numbers of one cell style are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NumberFormat(Option<Pattern>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pattern {
    before: String,
    after: String,
    digits_min: usize,
    thousands: bool,
    decimals_min: usize,
    decimals_max: usize,
    percent: bool,
}

/// Digits that a 64-bit float holds and spreadsheets show.
const DIGITS_MAX: usize = 15;

impl NumberFormat {
    /// Reads a format code such as `#,##0"원"`.
    pub(super) fn new(code: &str) -> NumberFormat {
        NumberFormat(if code == "General" { None } else { Pattern::parse(code) })
    }

    /// `number` as shown.
    pub(super) fn show(&self, number: f64) -> String {
        match &self.0 {
            Some(pattern) if number.abs() < 1e15 => pattern.show(number),
            _ => plain(number),
        }
    }
}

impl Pattern {
    fn parse(code: &str) -> Option<Pattern> {
        let mut pattern = Pattern::default();
        let mut chars = code.chars().peekable();
        let mut decimals = false;
        let mut numbered = false;
        while let Some(c) = chars.next() {
            let mut literal = String::new();
            match c {
                // Only positive numbers matter in what follows; a negative one keeps its sign.
                ';' => break,
                '#' | '0' | '?' if !pattern.after.is_empty() => return None,
                '#' | '0' | '?' if decimals => {
                    pattern.decimals_max += 1;
                    if c == '0' {
                        pattern.decimals_min = pattern.decimals_max;
                    }
                }
                '#' | '0' | '?' => {
                    numbered = true;
                    pattern.digits_min += usize::from(c == '0');
                }
                ',' if numbered && !decimals && matches!(chars.peek(), Some('#' | '0')) => pattern.thousands = true,
                '.' if numbered && !decimals => decimals = true,
                '%' => {
                    pattern.percent = true;
                    literal.push('%');
                }
                '"' => literal.extend(chars.by_ref().take_while(|c| *c != '"')),
                '\\' => literal.extend(chars.next()),
                // Room of a character's width, and a character that fills the cell: nothing to read.
                '_' | '*' => drop(chars.next()),
                '[' => {
                    let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    // `[$₩-412]` is a currency; colours and conditions show nothing, conditions mean more formats.
                    match inside.strip_prefix('$') {
                        Some(currency) => literal.extend(currency.split('-').next()),
                        None if inside.starts_with(['<', '>', '=']) => return None,
                        None => {}
                    }
                }
                ' ' | '-' | '+' | '(' | ')' | '$' | '₩' => literal.push(c),
                _ => return None,
            }
            if numbered { pattern.after.push_str(&literal) } else { pattern.before.push_str(&literal) }
        }
        (numbered && pattern.decimals_max <= DIGITS_MAX && pattern.digits_min <= DIGITS_MAX).then_some(pattern)
    }

    fn show(&self, number: f64) -> String {
        let number = if self.percent { number * 100.0 } else { number };
        let scale = 10f64.powi(self.decimals_max as i32);
        // Halves go away from zero, as spreadsheets round; formatting alone would take them to the even digit.
        let rounded = (number * scale).round() / scale;
        let text = format!("{:.*}", self.decimals_max, rounded.abs());
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let surplus = decimals.len() - decimals.trim_end_matches('0').len();
        let decimals = &decimals[..decimals.len() - surplus.min(self.decimals_max - self.decimals_min)];
        let whole = if whole == "0" { "" } else { whole };
        let whole = format!("{whole:0>width$}", width = self.digits_min);
        let sign = if rounded < 0.0 { "-" } else { "" };
        let whole = if self.thousands { thousands(&whole) } else { whole };
        let point = if decimals.is_empty() { "" } else { "." };
        format!("{sign}{}{whole}{point}{decimals}{}", self.before.trim_start(), self.after.trim_end())
    }
}

fn thousands(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The number itself: no `.0`, and no digits that only binary fractions have.
fn plain(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    let rounded = format!("{number:.*e}", DIGITS_MAX - 1).parse().unwrap_or(number);
    f64::to_string(&rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, cases: &[(f64, &str)]) {
        let format = NumberFormat::new(code);
        for (number, expect) in cases {
            assert_eq!(format.show(*number), *expect, "{code} {number}");
        }
    }

    #[test]
    fn numbers_are_shown_as_the_sheet_shows_them() {
        check("General", &[(1012345678.0, "1012345678"), (0.1 + 0.2, "0.3"), (-2.5, "-2.5"), (0.0, "0")]);
        check("0", &[(2.5, "3"), (0.4, "0"), (-1.5, "-2"), (-0.4, "0")]);
        check("#,##0", &[(39000.0, "39,000"), (999.0, "999"), (-1234567.0, "-1,234,567"), (0.0, "0")]);
        check("#,##0.00", &[(1234.5, "1,234.50")]);
        check("0.0#", &[(1.25, "1.25"), (1.0, "1.0")]);
        check("0%", &[(0.15, "15%")]);
        check("00000", &[(42.0, "00042")]);
        check("#,##0\"원\"", &[(39000.0, "39,000원")]);
        check("#,##0\\원", &[(39000.0, "39,000원")]);
        check("[$₩-412]#,##0", &[(39000.0, "₩39,000")]);
        // What the comma button of Korean Excel sets.
        check("_-* #,##0_-;\\-* #,##0_-;_-* \"-\"_-;_-@_-", &[(39000.0, "39,000"), (-39000.0, "-39,000")]);
        check("[Red]#,##0", &[(1000.0, "1,000")]);
    }

    #[test]
    fn formats_beyond_plain_numbers_show_the_number() {
        for code in ["0.00E+00", "# ?/?", "[>100]0.0;0", "@", "", "\"원\"", "000-0000"] {
            check(code, &[(1234.5, "1234.5")]);
        }
        check("#,##0", &[(1e20, "100000000000000000000")]);
    }
}
