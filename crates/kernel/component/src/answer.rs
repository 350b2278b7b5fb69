//! What a word answers: data for programs, and a view that terminal, page and chat each draw in their own way.

use naru_core::failure::Failure;
use naru_core::text::Lang;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ctx::Ctx;

/// What a word answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What `--json` and the HTTP API give.
    pub data: Value,
    /// What a person reads, in the language of the call.
    pub view: Vec<Block>,
    /// A word to ask again and again, showing its answer, until it says `done`: what `--watch` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Follow>,
    /// What a person is told while this is followed, each time it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<String>,
    /// A file the caller should keep, such as `rejected.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<AnswerFile>,
    /// The name of the file that there would be, where this time there is nothing to put into it: a caller who keeps
    /// one of that name is told that it is of another time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_file: Option<String>,
    /// Whether the process should end with 1 all the same: an audit that does not balance, an intake done before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// One part of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// A sentence.
    Line(String),
    /// A sentence that wants attention.
    Warn(String),
    /// A name and a value a line.
    Fields(Vec<(String, String)>),
    /// A table; cells that look like numbers stand to the right.
    Table {
        /// Heads.
        columns: Vec<String>,
        /// Rows of as many cells.
        rows: Vec<Vec<String>>,
    },
    /// A bar.
    Progress {
        /// What it shows.
        label: String,
        /// How far.
        done: u64,
        /// Of how much.
        total: u64,
    },
}

/// A word and its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Follow {
    /// Such as `campaign show`.
    pub word: String,
    /// Its arguments.
    pub args: Value,
}

/// Where a file of the answer can be had, on the machine that answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerFile {
    /// What it should be called at the caller's.
    pub name: String,
    /// `GET` this path from the one who answered.
    pub href: String,
    /// The file itself, where caller and answerer share a disk.
    pub path: String,
    /// Whether it was made for this answer alone and goes once it was handed over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

impl Answer {
    /// Answers with `data`, which says everything, and no view yet.
    pub fn data(data: impl Serialize) -> Result<Answer, Failure> {
        let data = serde_json::to_value(data).map_err(Failure::bug)?;
        Ok(Answer { data, ..Answer::default() })
    }

    /// Adds a sentence.
    pub fn line(mut self, text: impl Into<String>) -> Answer {
        self.view.push(Block::Line(text.into()));
        self
    }

    /// Adds a sentence that wants attention.
    pub fn warn(mut self, text: impl Into<String>) -> Answer {
        self.view.push(Block::Warn(text.into()));
        self
    }

    /// Ends as refused, and says why as failures are told: one with an answer of its own.
    pub fn refuse(mut self, ctx: &Ctx, lang: Lang, failure: &Failure) -> Answer {
        self.refused = true;
        let Some(texts) = ctx.texts() else { return self.warn(failure.to_string()) };
        let mut told = format!("{}: {}", texts.say(lang, "label-error", &[]), texts.detail(lang, failure));
        if let Some(hint) = texts.hint(lang, failure) {
            told += &format!("\n  {}: {hint}", texts.say(lang, "label-hint", &[]));
        }
        self.warn(told)
    }

    /// Adds names and values.
    pub fn fields(mut self, rows: Vec<(String, String)>) -> Answer {
        self.view.push(Block::Fields(rows));
        self
    }

    /// Adds a table.
    pub fn table(mut self, columns: Vec<String>, rows: Vec<Vec<String>>) -> Answer {
        self.view.push(Block::Table { columns, rows });
        self
    }

    /// Adds a bar.
    pub fn progress(mut self, label: impl Into<String>, done: u64, total: u64) -> Answer {
        self.view.push(Block::Progress { label: label.into(), done, total });
        self
    }
}
