//! Long work in the terminal: a bar while a word is being carried out, and bars while a campaign is followed.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use naru_component::answer::{Answer, Block, Follow};
use naru_component::word::Progress;
use naru_core::failure::Failure;

use crate::client::Client;
use crate::table::grouped;
use crate::terminal::{End, Terminal};

/// How often a bar is moved on.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often a followed word is asked again: what it answers changes about once a second.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Waits for `work` and shows how far it is, where standard error is a terminal.
pub async fn shown<T>(terminal: &Terminal, progress: &Progress, work: impl Future<Output = T>) -> T {
    let bars = Bars::new(terminal);
    let mut ticks = tokio::time::interval(DRAW_EVERY);
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            _ = ticks.tick() => {
                let (done, total) = progress.now();
                if total > 0 {
                    bars.show(0, "", done, total);
                }
            }
        }
    };
    bars.clear();
    outcome
}

/// Prints `answer`, follows it until it is done, keeps its file where `rejected` says, and returns the exit code.
pub async fn to_the_end(
    client: &Client<'_>,
    terminal: &Terminal,
    answer: Answer,
    rejected: Option<&Path>,
) -> Result<u8, End> {
    let mut code = u8::from(answer.refused);
    match &answer.follow {
        None => terminal.answer(&answer)?,
        Some(follow) => {
            if !terminal.json {
                terminal.view(&answer.view)?;
            }
            let last = followed(client, terminal, follow.clone()).await?;
            terminal.answer(&last)?;
            code |= u8::from(last.refused);
        }
    }
    if let Some(file) = &answer.file {
        let to = kept_as(&file.name, rejected)?;
        let old = put_aside(&to)?;
        client.fetch(file, &to).await?;
        // The same again, as after a dry run, replaces nothing.
        let old = old.filter(|old| !is_same(old, &to) || std::fs::remove_file(old).is_err());
        let old = old.map(|old| old.display().to_string());
        let key = if old.is_some() { "file-replaced" } else { "file-kept" };
        note(terminal, key, &to, old.as_deref());
    } else if let Some(name) = &answer.no_file {
        let to = kept_as(name, rejected)?;
        if to.exists() {
            note(terminal, "file-stale", &to, None);
        }
    }
    Ok(code)
}

/// Asks again and again until the answer says `done`, and returns that answer.
async fn followed(client: &Client<'_>, terminal: &Terminal, mut follow: Follow) -> Result<Answer, Failure> {
    let bars = Bars::new(terminal);
    let mut ticks = tokio::time::interval(ASK_EVERY);
    let mut told = None;
    loop {
        ticks.tick().await;
        let word = client.word(&follow.word)?;
        let answer = client.say(word, follow.args.clone(), &Progress::default()).await?;
        if answer.data["done"] == true {
            bars.clear();
            return Ok(answer);
        }
        for (at, block) in answer.view.iter().filter(|block| matches!(block, Block::Progress { .. })).enumerate() {
            if let Block::Progress { label, done, total } = block {
                bars.show(at, label, *done, *total);
            }
        }
        if answer.meanwhile != told {
            told = answer.meanwhile;
            if let (Some(text), false) = (&told, terminal.json) {
                terminal.note(&format!("{text}\n"));
            }
        }
        if let Some(next) = answer.follow {
            follow = next;
        }
    }
}

fn note(terminal: &Terminal, key: &str, path: &Path, old: Option<&str>) {
    if !terminal.json {
        let args = [("path", &*path.display().to_string()), ("old", old.unwrap_or_default())];
        terminal.note(&(terminal.say(key, &args) + "\n"));
    }
}

/// Moves a file that is in the way aside: it may be the very file that was sent, with rows mended by hand.
fn put_aside(path: &Path) -> Result<Option<PathBuf>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let old = path.with_extension(match path.extension() {
        Some(extension) => format!("old.{}", extension.display()),
        None => "old".to_owned(),
    });
    let moved = std::fs::rename(path, &old);
    moved.map_err(|e| Failure::refused("file-uncopied").arg("path", path.display()).cause(&e))?;
    Ok(Some(old))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (File::open(one), File::open(other)) else { return false };
    let mut pairs = BufReader::new(&one).bytes().zip(BufReader::new(&other).bytes());
    let same_size = matches!((one.metadata(), other.metadata()), (Ok(one), Ok(other)) if one.len() == other.len());
    same_size && pairs.all(|pair| matches!(pair, (Ok(one), Ok(other)) if one == other))
}

/// Where a file of an answer is put: where its reader said, else under its own name in the working directory.
fn kept_as(name: &str, asked: Option<&Path>) -> Result<PathBuf, Failure> {
    // Only the last part of its name: whoever answered must not choose the folder.
    let path = asked.or_else(|| Path::new(name).file_name().map(Path::new));
    path.map(Path::to_owned).ok_or_else(|| Failure::bug(format!("{name:?} is no name of a file")))
}

/// Bars under each other, where standard error is a terminal; nothing elsewhere.
pub struct Bars {
    all: MultiProgress,
    bars: std::cell::RefCell<Vec<ProgressBar>>,
}

impl Bars {
    /// No bar yet.
    pub fn new(terminal: &Terminal) -> Bars {
        let hidden = !terminal.environment.err_terminal;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Bars { all: MultiProgress::with_draw_target(target), bars: std::cell::RefCell::default() }
    }

    /// Moves the bar at place `at` on, and makes it where there is none.
    pub fn show(&self, at: usize, label: &str, done: u64, total: u64) {
        let mut bars = self.bars.borrow_mut();
        while bars.len() <= at {
            let bar = ProgressBar::new(total).with_style(style()).with_message(label.to_owned());
            bars.push(self.all.add(bar));
        }
        bars[at].set_length(total);
        bars[at].set_position(done);
        if bars[at].message() != label {
            bars[at].set_message(label.to_owned());
        }
    }

    /// Takes them all away.
    pub fn clear(&self) {
        // An error means that there is no terminal to clear.
        let _ = self.all.clear();
    }
}

fn style() -> ProgressStyle {
    let pace = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // Nobody is left to tell of an error in writing to a string.
        let _ = write!(out, "{}/s", grouped(state.per_sec() as u64));
    };
    ProgressStyle::with_template("{msg} {bar:30} {percent:>3} %  {human_pos} / {human_len}  {pace}  {eta}")
        .expect("the template is a constant")
        .with_key("pace", pace)
        .progress_chars("██░")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_does_not_choose_the_folder() {
        let check = |name: &str, asked: Option<&str>, expect: Option<&str>| {
            assert_eq!(kept_as(name, asked.map(Path::new)).ok(), expect.map(PathBuf::from), "{name}");
        };
        check("rejected.csv", None, Some("rejected.csv"));
        check("rejected.csv", Some("out/bad.csv"), Some("out/bad.csv"));
        check("../../.profile", None, Some(".profile"));
        check("..", None, None);
    }

    #[test]
    fn the_bar_is_drawn_as_its_template_says() {
        let terminal = Terminal {
            environment: crate::environment::Environment {
                lang: naru_core::text::Lang::En,
                out_terminal: false,
                err_terminal: false,
                colour: false,
            },
            lang: naru_core::text::Lang::En,
            json: false,
            texts: naru_core::text::Texts::new(&[crate::kernel::TEXTS]).unwrap().into(),
        };
        let bars = Bars::new(&terminal);
        bars.show(1, "sent", 3, 10);
        let bars = bars.bars.borrow();
        assert_eq!(
            bars.iter().map(|bar| (bar.position(), bar.length())).collect::<Vec<_>>(),
            [(0, Some(10)), (3, Some(10))]
        );
    }
}
