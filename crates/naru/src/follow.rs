//! Long work in the terminal: a bar while a word is being carried out, and bars while a campaign is followed.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use naru_component::answer::{Answer, AnswerFile, Block, Follow};
use naru_component::word::Progress;
use naru_core::failure::Failure;
use serde_json::Value;

use crate::client::Client;
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

/// Prints `answer`, keeps its file, follows it until it is done, and returns the exit code.
pub async fn to_the_end(client: &Client<'_>, terminal: &Terminal, answer: Answer, args: &Value) -> Result<u8, End> {
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
        let to = kept_as(file, args)?;
        client.fetch(file, &to).await?;
        if !terminal.json {
            terminal.note(&(terminal.say("file-kept", &[("path", &to.display().to_string())]) + "\n"));
        }
    }
    Ok(code)
}

/// Asks again and again until the answer says `done`, and returns that answer.
async fn followed(client: &Client<'_>, terminal: &Terminal, mut follow: Follow) -> Result<Answer, Failure> {
    let bars = Bars::new(terminal);
    let mut ticks = tokio::time::interval(ASK_EVERY);
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
        if let Some(next) = answer.follow {
            follow = next;
        }
    }
}

/// Where a file of an answer is put: what the argument `rejected` says, else its own name in the working directory.
fn kept_as(file: &AnswerFile, args: &Value) -> Result<PathBuf, Failure> {
    if let Some(path) = args["rejected"].as_str() {
        return Ok(PathBuf::from(path));
    }
    // Only the last part: whoever answered must not choose the folder.
    let name = Path::new(&file.name).file_name();
    name.map(PathBuf::from).ok_or_else(|| Failure::bug(format!("{:?} is no name of a file", file.name)))
}

pub struct Bars {
    all: MultiProgress,
    bars: std::cell::RefCell<Vec<ProgressBar>>,
}

impl Bars {
    pub fn new(terminal: &Terminal) -> Bars {
        let hidden = !terminal.environment.err_terminal;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Bars { all: MultiProgress::with_draw_target(target), bars: std::cell::RefCell::default() }
    }

    pub fn show(&self, at: usize, label: &str, done: u64, total: u64) {
        let mut bars = self.bars.borrow_mut();
        while bars.len() <= at {
            bars.push(self.all.add(ProgressBar::new(total).with_style(style())));
        }
        bars[at].set_length(total);
        bars[at].set_position(done);
        if bars[at].message() != label {
            bars[at].set_message(label.to_owned());
        }
    }

    pub fn clear(&self) {
        // An error means that there is no terminal to clear.
        let _ = self.all.clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {bar:30} {percent:>3} %  {human_pos} / {human_len}  {per_sec}  {eta}")
        .expect("the template is a constant")
        .progress_chars("██░")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_answers_does_not_choose_the_folder() {
        let check = |name: &str, args: Value, expect: Option<&str>| {
            let file = AnswerFile { name: name.into(), href: "/x".into(), path: "/y".into() };
            assert_eq!(kept_as(&file, &args).ok(), expect.map(PathBuf::from), "{name}");
        };
        check("rejected.csv", json!({}), Some("rejected.csv"));
        check("rejected.csv", json!({ "rejected": "out/bad.csv" }), Some("out/bad.csv"));
        check("rejected.csv", json!({ "rejected": null }), Some("rejected.csv"));
        check("../../.profile", json!({}), Some(".profile"));
        check("..", json!({}), None);
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
