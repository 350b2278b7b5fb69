//! The console in a real browser: how it looks, what a person does there by keyboard, and what nobody can make it do.
//!
//! Pictures of every page are left in `target/screenshots`; `cargo xtask screenshots` puts some of them into `docs/img`.

// Clippy knows a test by its attribute; what tests share has none.
#![allow(clippy::unwrap_used)]

// Not everything that processes are tested with is needed here.
#[allow(dead_code)]
#[path = "../all/house.rs"]
mod house;
#[allow(dead_code)]
#[path = "../all/platform.rs"]
mod platform;

mod evil;
mod keyboard;
mod links;
mod live;
mod look;
mod person;
mod script;
mod session;
mod shop;
mod sights;

#[test]
fn no_file_was_forgotten() {
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(listed.contains(&format!("mod {module};")), "tests/browser/main.rs does not list {name}");
        }
    }
}
