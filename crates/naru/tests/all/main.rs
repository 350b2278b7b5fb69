//! The binary as people and service managers meet it: processes, files, sockets and signals, nothing inside.

// Clippy knows a test by its attribute; what tests share has none.
#![allow(clippy::unwrap_used)]

mod browser;
mod campaign;
mod campaign_list;
mod configuration;
mod database_line;
mod disk;
mod doors;
mod drain;
mod help;
mod hooks;
mod house;
mod intake;
mod jobs;
mod leader;
mod levels;
mod message_pages;
mod messages;
mod overview;
mod packages;
mod platform;
mod platform_words;
mod removal;
mod running;
mod settings;
mod sign_in;
mod slack;
mod template_pages;
mod templates;
mod unknown;
mod upload_pages;
mod vendor_faults;

#[test]
fn no_file_was_forgotten() {
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(listed.contains(&format!("mod {module};")), "tests/all/main.rs does not list {name}");
        }
    }
}
