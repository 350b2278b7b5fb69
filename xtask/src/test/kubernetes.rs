//! The one Kubernetes API server of a test run that asks for it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running control plane. It stops when the value is dropped, or when this process ends in any other way: its pipe
/// closes.
pub struct Kubernetes {
    child: Child,
    folder: String,
}

/// What the scripts end with where the machine lacks something; they have said what.
const NOT_RUN: i32 = 3;

impl Kubernetes {
    /// Builds it, unless that was done, and starts it; nothing where it cannot be had here.
    pub fn start(root: &Path, target: &Path) -> Result<Option<Kubernetes>, String> {
        let scripts = root.join("xtask/peers/kubernetes");
        let Some(built) = build(&scripts.join("build.sh"), target)? else { return Ok(None) };
        let mut child = Command::new("sh")
            .arg(scripts.join("serve.sh"))
            .arg(built)
            .args(ports()?.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C goes to this process's group; the servers end by its pipe and clean up.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("could not start Kubernetes: {e}"))?;
        let mut folder = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut folder).map_err(|e| format!("could not read Kubernetes' folder: {e}"))?;
        if folder.is_empty() {
            let ended = child.wait().map_err(|e| format!("could not wait for Kubernetes: {e}"))?;
            return if ended.code() == Some(NOT_RUN) {
                Ok(None)
            } else {
                Err("Kubernetes ended before it was ready".into())
            };
        }
        Ok(Some(Kubernetes { child, folder: folder.trim_end().to_owned() }))
    }

    /// Where its kubeconfigs are.
    pub fn folder(&self) -> &str {
        &self.folder
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Built anew when the script is another one.
fn build(script: &Path, target: &Path) -> Result<Option<PathBuf>, String> {
    let folder = target.join("peers/kubernetes");
    let recipe = fs::read_to_string(script).map_err(|e| format!("could not read {}: {e}", script.display()))?;
    // Written last, so a broken-off build is not taken for a whole one.
    let built = folder.join("built");
    if fs::read_to_string(&built).is_ok_and(|it| it == recipe) {
        return Ok(Some(folder));
    }
    fs::create_dir_all(&folder).map_err(|e| format!("could not make {}: {e}", folder.display()))?;
    println!("building Kubernetes 1.20; this takes some minutes, once");
    let status = Command::new("sh").arg(script).arg(&folder).status();
    match status.map_err(|e| format!("could not start sh: {e}"))? {
        status if status.success() => {}
        status if status.code() == Some(NOT_RUN) => return Ok(None),
        status => return Err(format!("Kubernetes could not be built: {status}")),
    }
    fs::write(&built, recipe).map_err(|e| format!("could not write {}: {e}", built.display()))?;
    Ok(Some(folder))
}

/// Free ones; they are asked for together, so that no two are the same.
fn ports() -> Result<[u16; 4], String> {
    let mut ports = [0; 4];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no port is free: {e}"))?;
        *port = listener.local_addr().map_err(|e| format!("no port is free: {e}"))?.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(build: &str, serve: &str) -> (String, Result<Option<Kubernetes>, String>) {
        let folder =
            std::env::temp_dir().join(format!("naru-xtask-{}-{}", std::process::id(), build.len() + serve.len()));
        let scripts = folder.join("xtask/peers/kubernetes");
        fs::create_dir_all(&scripts).unwrap();
        fs::write(scripts.join("build.sh"), format!("echo built >>\"$1/times\"; {build}")).unwrap();
        fs::write(scripts.join("serve.sh"), serve).unwrap();
        let target = folder.join("target");
        let first = Kubernetes::start(&folder, &target).map(|it| it.map(drop));
        let second = Kubernetes::start(&folder, &target);
        assert_eq!(first.is_ok(), second.is_ok());
        let times = fs::read_to_string(target.join("peers/kubernetes/times")).unwrap();
        fs::remove_dir_all(folder).unwrap();
        (times, second)
    }

    #[test]
    fn it_is_built_once_and_ends_with_its_pipe() {
        let (times, started) = start("true", "echo $1; cat >/dev/null");
        assert_eq!(times, "built\n");
        assert!(started.unwrap().unwrap().folder().ends_with("target/peers/kubernetes"));
    }

    #[test]
    fn what_cannot_be_had_is_no_failure_and_what_fails_is() {
        let (times, started) = start("exit 3", "never");
        assert!(times == "built\nbuilt\n" && started.unwrap().is_none());
        assert!(start("true", "exit 3 # not here").1.unwrap().is_none());
        assert!(start("exit 1", "").1.is_err());
        assert!(start("true", "exit 1 # fails").1.is_err());
    }
}
