//! The process and its pipe: calls out, answers and events back, each ended by a zero byte.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::process::{keep, read};

/// A page asks a person. It would stand still until it is answered.
pub const DIALOG: &str = "Page.javascriptDialogOpening";

/// By which names Chromium is called.
const PROGRAMS: [&str; 3] = ["chromium", "google-chrome", "chromium-browser"];

/// Nothing of a person's own, nothing over the network but what a test asks for.
const FLAGS: [&str; 10] = [
    "--headless",
    // There is no other user to be protected from, and root may not have one.
    "--no-sandbox",
    "--disable-gpu",
    // A container has little of it, and pages that need more would crash.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// Chromium reads calls from its file 3 and writes to its file 4.
const ON_FILES_3_AND_4: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#;

/// A running Chromium. Dropping it kills it.
pub struct Wire {
    child: Child,
    line: Arc<Line>,
    errors: Arc<Mutex<String>>,
    _folder: TempDir,
}

struct Line {
    calls: Mutex<ChildStdin>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    calls: u64,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    /// By session, what happened there since it was last asked.
    events: HashMap<String, Vec<Value>>,
}

impl Wire {
    /// Starts one with an empty profile.
    pub fn open() -> Wire {
        let program = PROGRAMS.into_iter().find(|program| runs(program));
        let program = program.expect("there is no Chromium: run `cargo xtask test`, which installs it, or install it");
        let folder = crate::temp_dir();
        let mut child = Command::new("sh")
            .args(["-c", ON_FILES_3_AND_4, "sh", program])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its many processes are ended together.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let errors = keep(child.stderr.take().expect("standard error is piped"));
        let calls = Mutex::new(child.stdin.take().expect("standard input is piped"));
        let line = Arc::new(Line { calls, heard: Mutex::default() });
        let answers = child.stdout.take().expect("standard output is piped");
        let listening = line.clone();
        std::thread::spawn(move || listening.listen(answers));
        Wire { child, line, errors, _folder: folder }
    }

    /// Asks a page's session, or with no session the browser itself, and waits for the answer.
    pub async fn call(&self, session: &str, method: &str, params: Value) -> Result<Value, String> {
        let (answered, answer) = oneshot::channel();
        self.line.send(session, method, params, Some(answered));
        let Ok(mut answer) = answer.await else { panic!("Chromium ended: {}", read(&self.errors)) };
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Asks and waits for nothing.
    pub fn tell(&self, session: &str, method: &str, params: Value) {
        self.line.send(session, method, params, None);
    }

    /// What happened in a session since it was last asked.
    pub fn take(&self, session: &str) -> Vec<Value> {
        self.line.heard().events.remove(session).unwrap_or_default()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let group = format!("kill -KILL -{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.child.wait();
    }
}

impl Line {
    fn send(&self, session: &str, method: &str, params: Value, waits: Option<oneshot::Sender<Value>>) {
        let mut call = json!({ "method": method, "params": params });
        if !session.is_empty() {
            call["sessionId"] = session.into();
        }
        {
            let mut heard = self.heard();
            heard.calls += 1;
            call["id"] = heard.calls.into();
            if let Some(waits) = waits {
                let id = heard.calls;
                heard.waiting.insert(id, waits);
            }
        }
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        let mut calls = self.calls.lock().expect("no holder panics");
        if calls.write_all(&bytes).is_err() {
            // It has ended, and nobody will answer.
            self.heard().waiting.clear();
        }
    }

    fn listen(&self, answers: impl Read) {
        let mut answers = BufReader::new(answers);
        let mut message = Vec::new();
        while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
            message.pop();
            let value: Value = serde_json::from_slice(&message).expect("Chromium speaks JSON");
            message.clear();
            self.hear(value);
        }
        self.heard().waiting.clear();
    }

    fn hear(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(waits) = self.heard().waiting.remove(&id) {
                // Whoever asked may have given up.
                let _ = waits.send(message);
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
        if message["method"] == DIALOG {
            self.send(&session, "Page.handleJavaScriptDialog", json!({ "accept": true }), None);
        }
        self.heard().events.entry(session).or_default().push(message);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no holder panics")
    }
}

fn runs(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
