//! A helper program that prints one line when it is ready and ends when its standard input closes.
//!
//! The pipe is what ties it to the test process: the kernel closes it however that process ends.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A running helper. Dropping it lets the helper end.
pub struct Server {
    child: Child,
    /// The line it printed when it was ready.
    pub ready: String,
}

impl Server {
    /// Starts `command` and waits for its line; `name` is for the panic when none comes.
    pub fn start(name: &str, command: &mut Command) -> Server {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C goes to the test's process group; the helper ends by its pipe and cleans up.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("could not start {name}: {e}; `cargo xtask test` installs what tests need"));
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut ready).expect("a helper prints text");
        assert!(ready.ends_with('\n'), "{name} ended before it was ready; `cargo xtask test` installs what tests need");
        Server { child, ready: ready.trim_end().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
