//! The two streams of the terminal, and how a command ends early.

use std::io::{self, Write};
use std::sync::Arc;

use naru_component::answer::{Answer, Block};
use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};
use serde_json::Value;

use crate::environment::Environment;
use crate::render::draw;
use crate::report;

/// Why a command ended early.
#[derive(Debug)]
pub enum End {
    /// Something went wrong.
    Failure(Failure),
    /// Whoever read the output has read enough (`naru … | head`): no failure.
    Enough,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        End::Failure(failure)
    }
}

/// Of what no machine in order refuses: to listen for signals, to say which port was bound.
impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        Failure::bug(error).into()
    }
}

/// Where a person or a program reads what naru says.
#[derive(Clone)]
pub struct Terminal {
    /// What the surroundings say.
    pub environment: Environment,
    /// The language of everything but JSON and logs.
    pub lang: Lang,
    /// Whether programs read along.
    pub json: bool,
    /// Every sentence.
    pub texts: Arc<Texts>,
}

impl Terminal {
    /// Prints to standard output.
    pub fn print(&self, text: &str) -> Result<(), End> {
        written(io::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()))
    }

    /// Prints an answer: its data where programs read, else its view.
    pub fn answer(&self, answer: &Answer) -> Result<(), End> {
        if self.json { self.data(&answer.data) } else { self.view(&answer.view) }
    }

    /// Prints a value for programs.
    pub fn data(&self, data: &Value) -> Result<(), End> {
        self.print(&(serde_json::to_string_pretty(data).map_err(Failure::bug)? + "\n"))
    }

    /// Prints a view for people.
    pub fn view(&self, view: &[Block]) -> Result<(), End> {
        let Environment { out_terminal, err_terminal, colour, .. } = self.environment;
        let drawn = draw(view, colour && out_terminal, colour && err_terminal);
        self.print(&drawn.out)?;
        self.note(&drawn.err);
        Ok(())
    }

    /// Prints to standard error, where nothing is lost if nobody reads.
    pub fn note(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// A sentence in the reader's language.
    pub fn say(&self, key: &str, args: &[(&str, &str)]) -> String {
        self.texts.say(self.lang, key, args)
    }

    /// Tells a failure and returns the exit code it asks for.
    pub fn failure(&self, failure: &Failure) -> u8 {
        let text = if self.json {
            report::json(&self.texts, failure).to_string() + "\n"
        } else {
            let colour = self.environment.colour && self.environment.err_terminal;
            report::told(&self.texts, self.lang, colour, failure)
        };
        self.note(&text);
        failure.kind.exit_code()
    }
}

fn written(outcome: io::Result<()>) -> Result<(), End> {
    match outcome {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(End::Enough),
        Err(e) => Err(Failure::refused("output-unwritable").cause(&e).into()),
    }
}
