//! `cargo xtask tidy`: the house's own rules, as a program.
//!
//! Each rule is a pure function from texts to findings, in a file of its own with a test that plants what it looks
//! for. A finding says where, what, and so what to change. What cannot be a rule without being a nuisance (how long a
//! file may be) is printed instead of enforced.

mod figures;
mod floors;
mod lock;
mod readme;
mod rust;
mod rust_rules;
mod text_rules;
mod texts;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use crate::cargo::metadata;

/// Checks every rule and prints findings and figures.
pub fn run(root: &Path) -> ExitCode {
    match check(root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// As [`run`], for the test run.
pub fn check(root: &Path) -> Result<(), String> {
    let files = tree::read(root)?;
    let findings = [
        floors::check(&floors::packages(&metadata(root)?, root)),
        rust_rules::check(&files),
        text_rules::check(&files),
        readme::check(&files),
        texts::check(&files),
        lock::check(&files),
    ]
    .concat();
    print!("{}", figures::render(&files));
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    Err(format!("tidy found {} to put right", findings.len()))
}
