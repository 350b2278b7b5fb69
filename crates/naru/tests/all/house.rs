//! A folder with a configuration of its own, and the binary run in it.

use std::path::PathBuf;
use std::process::{Command, Output};

use naru_testkit::process::{Process, naru_binary};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// A folder to run naru in; it goes when the value is dropped.
pub struct House {
    folder: TempDir,
}

/// A running `serve`.
pub struct Serve {
    pub process: Process,
    /// Where it listens, as a URL without a slash at its end.
    pub url: String,
}

impl House {
    /// As `naru init` makes it, but on a free port.
    pub fn new() -> House {
        let house = House::empty();
        let init = house.run(&["init"]);
        assert!(init.status.success(), "{}", text(&init.stderr));
        let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
        assert!(config.contains("127.0.0.1:7070"), "{config}");
        house.write("naru.toml", &config.replace("127.0.0.1:7070", "127.0.0.1:0"));
        house
    }

    /// With nothing in it.
    pub fn empty() -> House {
        House { folder: naru_testkit::temp_dir() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// The binary with `args`, in English unless the caller says otherwise.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(naru_binary());
        command.args(args).current_dir(self.folder.path()).env("LANG", "en_US.UTF-8").env_remove("LC_ALL");
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it and returns what it printed; it must have done what was asked.
    pub fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "naru {}: {}", args.join(" "), text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs it and returns the exit code and what it said of the failure.
    pub fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert_eq!(text(&output.stdout), "", "naru {}", args.join(" "));
        (output.status.code().expect("it ends by itself"), text(&output.stderr))
    }

    /// Starts `serve` and waits until its doors are open.
    pub async fn serve(&self) -> Serve {
        let mut serve = Serve { process: Process::start(&mut self.command(&["serve"])), url: String::new() };
        let line = serve.log("naru serves").await;
        serve.url = format!("http://{}", line["address"].as_str().unwrap());
        serve
    }
}

impl Serve {
    /// Waits until the log has a line with this message, and returns the line.
    pub async fn log(&mut self, message: &str) -> Value {
        eventually(&format!("the log to say {message:?}"), PATIENCE, async || {
            let lines = self.process.errors();
            let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line["message"] == message)
        })
        .await
    }

    /// Waits until the log says that somebody did what this word does with these arguments, and returns the line.
    pub async fn said(&mut self, word: &str, about: &str) -> Value {
        eventually(&format!("the log to tell of {word} {about}"), PATIENCE, async || {
            let lines = self.process.errors();
            let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let is_meant = |line: &Value| line["word.path"] == word && line["word.about"] == about;
            lines.into_iter().find(|line| line["message"] == "word said" && is_meant(line))
        })
        .await
    }

    /// As [`naru_testkit::process::Process::stop`]: asks it to stop and expects that all ended well.
    pub async fn stop(mut self) {
        let status = self.process.stop().await;
        assert_eq!(status.code(), Some(0), "{}", self.process.errors());
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A client that asks the address it is given and no proxy.
pub fn http() -> reqwest::Client {
    // The binary does so in `main`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
