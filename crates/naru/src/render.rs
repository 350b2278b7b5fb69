//! How an answer is drawn in the terminal.

use naru_component::answer::Block;

use crate::table::{fields, grouped, table};

/// A view as text for standard output, and what wants attention as text for standard error.
///
/// They go apart so that `TOKEN=$(naru token create …)` holds the token and nothing else.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

/// Draws `view`, with colour or without for each of the two.
pub fn draw(view: &[Block], out_colour: bool, err_colour: bool) -> Drawn {
    let head = |text: &str| paint(out_colour, "2", text);
    let mut drawn = Drawn::default();
    for block in view {
        match block {
            Block::Line(text) => drawn.out += &(lines(text) + "\n"),
            Block::Warn(text) => drawn.err += &(paint(err_colour, "33", &lines(text)) + "\n"),
            Block::Fields(rows) => drawn.out += &fields(rows, head),
            Block::Table { columns, rows } => drawn.out += &table(columns, rows, head),
            Block::Progress { label, done, total } => drawn.out += &bar(label, *done, *total),
        }
    }
    drawn
}

const BAR_CELLS: u64 = 30;

/// A bar that stands still: for the end, and where there is no terminal to move it on.
fn bar(label: &str, done: u64, total: u64) -> String {
    let share = |whole: u64| (u128::from(done.min(total)) * u128::from(whole)).checked_div(total.into()).unwrap_or(0);
    let full = share(BAR_CELLS) as usize;
    let cells = "█".repeat(full) + &"░".repeat(BAR_CELLS as usize - full);
    format!("{label}  {cells}  {:>3} %  {} / {}\n", share(100), grouped(done), grouped(total))
}

/// Text from outside must not steer the terminal; its line ends are its own.
fn lines(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use naru_component::answer::Answer;

    use super::*;

    #[test]
    fn each_kind_of_block_has_its_look() {
        let answer = Answer::default()
            .line("2 campaigns")
            .warn("nothing leaves\u{1b} until `naru serve` runs")
            .fields(vec![("lane".into(), "sandbox".into())])
            .table(vec!["name".into(), "sent".into()], vec![vec!["a".into(), "12".into()]])
            .progress("sent", 450_000, 1_000_000)
            .progress("none", 0, 0);
        let expect = Drawn {
            out: "2 campaigns\nlane  sandbox\nname  sent\na       12\n\
                  sent  █████████████░░░░░░░░░░░░░░░░░   45 %  450,000 / 1,000,000\n\
                  none  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0 %  0 / 0\n"
                .into(),
            err: "nothing leaves until `naru serve` runs\n".into(),
        };
        assert_eq!(draw(&answer.view, false, false), expect);
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        let answer = Answer::default().warn("careful").fields(vec![("a".into(), "b".into())]);
        let expect = Drawn { out: "\u{1b}[2ma\u{1b}[0m  b\n".into(), err: "careful\n".into() };
        assert_eq!(draw(&answer.view, true, false), expect);
    }
}
