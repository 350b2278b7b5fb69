//! What changed between two texts, line by line: the fewest lines gone and new.

/// Cells of the table at most: two texts of a thousand lines each. Beyond that all is gone and all is new.
const CELLS_MAX: usize = 1_000_000;

/// A line of one text or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// In both.
    Same(&'a str),
    /// Only in the first.
    Gone(&'a str),
    /// Only in the second.
    New(&'a str),
}

/// The lines of both, in order; what is gone stands before what is new.
pub fn lines<'a>(from: &'a str, to: &'a str) -> Vec<Line<'a>> {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('\n').collect(), to.split('\n').collect());
    let before = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let most = from.len().min(to.len()) - before;
    let after = from.iter().rev().zip(to.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (changed_from, changed_to) = (&from[before..from.len() - after], &to[before..to.len() - after]);
    let mut lines: Vec<Line> = from[..before].iter().map(|line| Line::Same(line)).collect();
    if changed_from.len() * changed_to.len() > CELLS_MAX {
        lines.extend(changed_from.iter().map(|line| Line::Gone(line)));
        lines.extend(changed_to.iter().map(|line| Line::New(line)));
    } else {
        walk(changed_from, changed_to, &mut lines);
    }
    lines.extend(from[from.len() - after..].iter().map(|line| Line::Same(line)));
    lines
}

/// By the longest run of lines that both have in order.
fn walk<'a>(from: &[&'a str], to: &[&'a str], lines: &mut Vec<Line<'a>>) {
    let width = to.len() + 1;
    // How many lines both have in order from here to the ends.
    let mut common = vec![0u32; (from.len() + 1) * width];
    for i in (0..from.len()).rev() {
        for j in (0..to.len()).rev() {
            common[i * width + j] = if from[i] == to[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        if i < from.len() && j < to.len() && from[i] == to[j] {
            lines.push(Line::Same(from[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < from.len() && (j == to.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            lines.push(Line::Gone(from[i]));
            i += 1;
        } else {
            lines.push(Line::New(to[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(from: &str, to: &str) -> String {
        let mark = |line: &Line| match line {
            Line::Same(line) => format!(" {line}"),
            Line::Gone(line) => format!("-{line}"),
            Line::New(line) => format!("+{line}"),
        };
        lines(from, to).iter().map(mark).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_fewest_lines_are_gone_and_new() {
        for (from, to, expect) in [
            ("a", "a", " a"),
            ("a", "b", "-a|+b"),
            ("a\nb\nc", "a\nx\nc", " a|-b|+x| c"),
            ("a\nb", "a\nb\nc", " a| b|+c"),
            ("a\na", "a", " a|-a"),
            ("a\nb\nc\nd", "b\nx\nd\ny", "-a| b|-c|+x| d|+y"),
            ("a\n", "a", " a|-"),
        ] {
            assert_eq!(told(from, to), expect, "{from:?} {to:?}");
        }
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_out_of_it(from in "[ab\\n]{0,30}", to in "[ab\\n]{0,30}") {
            let lines = lines(&from, &to);
            let side = |gone: bool| {
                let of = lines.iter().filter_map(|line| match line {
                    Line::Same(line) => Some(*line),
                    Line::Gone(line) => gone.then_some(*line),
                    Line::New(line) => (!gone).then_some(*line),
                });
                of.collect::<Vec<_>>().join("\n")
            };
            prop_assert_eq!((side(true), side(false)), (from.clone(), to.clone()));
        }

        #[test]
        fn texts_of_too_many_lines_are_told_all_the_same(extra in 0usize..3) {
            let (from, to) = ("a\n".repeat(1_100 + extra), "b\n".repeat(1_100));
            prop_assert_eq!(lines(&from, &to).len(), 2_201 + extra);
        }
    }
}
