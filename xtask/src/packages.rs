//! `cargo xtask packages`: what the chart renders to, held against what stands beside it. `helm` does the work; where it is
//! missing that is told, and nothing else.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

/// The chart, and the cases of it: `NAME.values.yaml` and what it renders to, `NAME.rendered.yaml`.
const CHART: &str = "deploy/helm/naru";
const CASES: &str = "deploy/helm/cases";
/// A chart is rendered for a cluster; this one is the newest that naru is tried on.
const KUBE_VERSION: &str = "1.33.0";
/// What must not be taken: a right that nobody has thought of.
const REFUSED: [&str; 2] = ["--set-json", r#"rbac.rules=[{"apiGroups":["*"],"resources":["pods"],"verbs":["get"]}]"#];

/// Checks; with `--write` what is rendered is written instead.
pub fn run(root: &Path, write: bool) -> ExitCode {
    match check(root, write) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// As [`run`], for the test run.
pub fn check(root: &Path, write: bool) -> Result<(), String> {
    if is_there("helm") {
        return chart(root, write);
    }
    println!("not run: helm is not installed; what stands in {CASES} is what it rendered last");
    Ok(())
}

fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn chart(root: &Path, write: bool) -> Result<(), String> {
    said(helm(root, &["lint", "--strict", CHART])?)?;
    let folder = root.join(CASES);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .map_err(|error| format!("{CASES}: {error}"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".values.yaml").map(str::to_owned))
        .collect();
    names.sort();
    for name in names {
        let values = format!("{CASES}/{name}.values.yaml");
        let rendered = said(helm(root, &render(&values))?)?;
        let place = folder.join(format!("{name}.rendered.yaml"));
        if write {
            fs::write(&place, &rendered).map_err(|error| format!("{}: {error}", place.display()))?;
        } else if fs::read_to_string(&place).unwrap_or_default() != rendered {
            return Err(format!(
                "{CASES}/{name}.rendered.yaml is not what the chart renders\n  hint: look at `git diff` after \
                 `cargo xtask packages --write`"
            ));
        }
    }
    let refused = helm(root, &[&render("deploy/helm/cases/embedded.values.yaml")[..], &REFUSED].concat())?;
    match refused.status.success() {
        true => Err("the chart takes a right to everything".to_owned()),
        false => Ok(()),
    }
}

fn render(values: &str) -> [&str; 9] {
    ["template", "naru", CHART, "--namespace", "naru", "--kube-version", KUBE_VERSION, "--values", values]
}

fn helm(root: &Path, args: &[&str]) -> Result<Output, String> {
    Command::new("helm").args(args).current_dir(root).output().map_err(|error| format!("helm: {error}"))
}

/// What it printed, where it went well.
fn said(output: Output) -> Result<String, String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr))),
    }
}
