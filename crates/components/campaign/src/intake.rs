//! Feeding a file to the engine: reads, checks and pushes row by row, on a thread that may block.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_component::ctx::Ctx;
use naru_component::word::Progress;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};
use naru_dispatch::import::Import;
use naru_dispatch::template::Template;

use crate::file::checker::Checker;
use crate::file::detect::Detected;
use crate::file::plan::Plan;
use crate::file::reader::Reader;
use crate::file::refusal::Refusal;
use crate::file::rejected::Rejected;
use crate::file::row::Row;
use crate::rejects;
use crate::summary::Summary;

/// Rows between two looks at the clock of progress and at shutdown.
const LOOK_EVERY: u64 = 4_096;
/// Rendered samples of a dry run.
pub const SAMPLES: usize = 3;
/// Refusals listed in an answer; all of them are in `rejected.csv`.
const REFUSALS_SHOWN: usize = 5;

/// What a file is read with.
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub detected: Detected,
    /// Which column fills what.
    pub plan: Plan,
    /// The template of its messages.
    pub template: Arc<Template>,
    /// Where refused rows go.
    pub rejected: PathBuf,
    /// In whose language.
    pub lang: Lang,
}

/// What came of a file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Rows that are messages now, or would be.
    pub accepted: u64,
    /// Rows that are not.
    pub refused: u64,
    /// The first of them.
    pub refusals: Vec<Refusal>,
    /// The first messages as they would leave, of a dry run.
    pub samples: Vec<(String, Option<String>, String)>,
    /// Bytes of the file.
    pub size_bytes: u64,
}

impl Source {
    /// Finds its columns and stands before its first row; a workbook is unpacked into `spool_dir`.
    pub fn open(&self, spool_dir: &Path) -> Result<Reader, Failure> {
        Reader::open(&self.path, &self.detected, &self.plan, spool_dir)
    }
}

/// Takes every row in: pushes it into `import`, or with none only counts.
pub fn run(
    ctx: &Ctx,
    source: &Source,
    mut reader: Reader,
    import: Option<Import>,
    progress: &Progress,
) -> Result<Outcome, Failure> {
    let texts = ctx.texts().ok_or_else(|| Failure::bug("no sentences were handed over"))?;
    let now = import.as_ref().map_or_else(|| ctx.clock().now_ms(), |import| import.started_at);
    let mut feed = Feed {
        checker: Checker::new(source.template.as_ref().clone(), random_key()?),
        rejects: Rejects::new(&source.rejected, reader.columns(), texts, source.lang),
        outcome: Outcome { size_bytes: source.detected.size_bytes, ..Outcome::default() },
        lines_done: import.as_ref().map_or(0, |import| import.lines_done),
        import,
        now,
    };
    let mut row = reader.row();
    let mut rows = 0u64;
    let mut last_line = 0;
    while let Some(read) = reader.next(&mut row)? {
        last_line = row.line().max(last_line);
        feed.take(read, &row, &source.template)?;
        rows += 1;
        if rows.is_multiple_of(LOOK_EVERY) {
            let (done, total) = reader.progress();
            progress.set(done, total);
            if ctx.lifecycle().is_stopping() {
                return Err(Failure::unavailable("import-interrupted"));
            }
            feed.keep_up(last_line)?;
        }
    }
    progress.set(source.detected.size_bytes, source.detected.size_bytes);
    feed.finish(last_line)
}

/// Nobody who writes a file may foresee which numbers look like repeated ones.
fn random_key() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Failure::bug)?;
    Ok(u64::from_le_bytes(bytes))
}

struct Feed {
    checker: Checker,
    rejects: Rejects,
    import: Option<Import>,
    lines_done: u64,
    now: Millis,
    outcome: Outcome,
}

impl Feed {
    fn take(&mut self, read: Result<(), Refusal>, row: &Row, template: &Template) -> Result<(), Failure> {
        let checked = read.and_then(|()| self.checker.check(row, self.now));
        let to = match checked {
            Ok(to) => to,
            Err(refusal) => {
                self.outcome.refused += 1;
                self.rejects.write(&refusal, row)?;
                if self.outcome.refusals.len() < REFUSALS_SHOWN {
                    self.outcome.refusals.push(refusal);
                }
                return Ok(());
            }
        };
        self.outcome.accepted += 1;
        match &mut self.import {
            // Rows that an earlier run stored are only checked again, so that repeated numbers are known.
            Some(import) if row.line() > self.lines_done => {
                let progress = (row.line(), self.outcome.refused);
                import.push(to, row.customer(), row.expires_at(), row.values(), progress)
            }
            Some(_) => Ok(()),
            None => {
                if self.outcome.samples.len() < SAMPLES {
                    let values: Vec<&str> = row.values().collect();
                    let masked = naru_core::masked::mask(to);
                    self.outcome.samples.push((masked, template.subject(&values), template.body(&values)));
                }
                Ok(())
            }
        }
    }

    /// What an earlier run stored is not stored again.
    fn keep_up(&mut self, line: u64) -> Result<(), Failure> {
        let refused = self.outcome.refused;
        match &mut self.import {
            Some(import) if line > self.lines_done => import.keep_up(line, refused),
            _ => Ok(()),
        }
    }

    fn finish(self, last_line: u64) -> Result<Outcome, Failure> {
        self.rejects.finish()?;
        if let Some(import) = self.import {
            let summary = Summary {
                size_bytes: self.outcome.size_bytes,
                lengths: self.checker.lengths(),
                refusals: self.outcome.refusals.iter().map(Refusal::failure).collect(),
                stopped: None,
            };
            import.finish(last_line, self.outcome.refused, summary.to_text())?;
        }
        Ok(self.outcome)
    }
}

/// `rejected.csv`, made when the first row is refused.
struct Rejects {
    path: PathBuf,
    columns: Vec<String>,
    texts: Arc<Texts>,
    lang: Lang,
    out: Option<Rejected<BufWriter<File>>>,
}

impl Rejects {
    fn new(path: &Path, columns: &[String], texts: Arc<Texts>, lang: Lang) -> Rejects {
        Rejects { path: path.to_owned(), columns: columns.to_vec(), texts, lang, out: None }
    }

    fn write(&mut self, refusal: &Refusal, row: &Row) -> Result<(), Failure> {
        if self.out.is_none() {
            let file = BufWriter::new(rejects::create(&self.path)?);
            self.out = Some(Rejected::new(file, &self.columns, self.texts.clone(), self.lang)?);
        }
        match &mut self.out {
            Some(out) => out.write(refusal, row),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self.out {
            Some(out) => out.finish().map(drop),
            None => Ok(()),
        }
    }
}
