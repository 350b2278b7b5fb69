//! Real parts for tests: a PostgreSQL server, an SMTP server, a Git repository, a browser, the compiled binary, a disk that
//! loses power, and a way to wait.
//!
//! A test that talks to the real thing fails for the real reason, so what can be had on a machine is had here and
//! only what cannot is imitated (message vendors: `sandbox`; [`argocd`]; [`gitlab`]; [`kube`]; [`slack`]; a power cut:
//! [`disk`]). Every part belongs to the value that
//! started it and ends with it, or with the test process, however that ends. Nothing here sleeps for a guess: [`wait`]
//! polls a state.
//!
//! Must never know: a component or the engines, so that each of them can be tested with it. Used as a
//! dev-dependency only. A failure to set a part up is a panic that says what to do: it ends the test.

pub mod argocd;
pub mod chromium;
pub mod database;
pub mod disk;
pub mod gitlab;
pub mod kube;
pub mod origin;
pub mod peers;
pub mod port;
pub mod process;
pub mod proxy;
pub mod random;
pub mod slack;
pub mod smtp;
pub mod wait;

mod server;

/// A fresh folder that is removed when the value is dropped.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("naru_test_").tempdir().expect("the machine's temporary folder can be written to")
}
