//! What the surroundings say: language, terminal, colour. The one place of the binary that reads the environment.

use std::io::IsTerminal;

use naru_core::text::Lang;

/// What the surroundings say.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    /// From `LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set.
    pub lang: Lang,
    /// Standard output is a terminal.
    pub out_terminal: bool,
    /// Standard error is a terminal.
    pub err_terminal: bool,
    /// `NO_COLOR` is not set (no-color.org) and the terminal is not a dumb one.
    pub colour: bool,
}

impl Environment {
    /// Reads it.
    pub fn read() -> Environment {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        // POSIX, 8.2: the first of these that is set and not empty decides.
        let lang = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set).unwrap_or_default();
        Environment {
            lang: Lang::guess(&lang.to_string_lossy()),
            out_terminal: std::io::stdout().is_terminal(),
            err_terminal: std::io::stderr().is_terminal(),
            colour: set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb"),
        }
    }
}
