//! `init`: a folder to begin in, with a configuration that works and templates to change.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use naru_core::failure::Failure;
use serde_json::json;

use crate::config::FILE;
use crate::terminal::{End, Terminal};

/// Write a commented naru.toml with a lane to the sandbox, and sample templates
///
/// Overwrites nothing.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Folder to begin in
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// What the stand-in vendor signs its receipts with.
pub const RECEIPTS_SECRET: &str = include_str!("init/sandbox.secret");

const FILES: &[(&str, &str)] = &[
    (FILE, include_str!("init/naru.toml")),
    ("sandbox.secret", RECEIPTS_SECRET),
    ("templates/shipped.toml", include_str!("init/shipped.toml")),
    ("templates/sale.toml", include_str!("init/sale.toml")),
];

/// What a person types next.
const NEXT: [(&str, &str); 3] = [
    (
        "naru sandbox --receipts-to http://127.0.0.1:7070/v1/receipts/sandbox --receipts-secret sandbox",
        "init-next-sandbox",
    ),
    ("naru serve", "init-next-serve"),
    ("naru template push templates", "init-next-templates"),
];

impl InitArgs {
    /// For a folder.
    pub fn new(folder: &Path) -> InitArgs {
        InitArgs { folder: folder.to_owned() }
    }
}

/// Writes the files and says what comes next.
pub fn init(args: &InitArgs, terminal: &Terminal) -> Result<u8, End> {
    write(args)?;
    if terminal.json {
        let files: Vec<_> = FILES.iter().map(|(name, _)| args.folder.join(name)).collect();
        terminal.data(&json!({ "files": files }))?;
    } else {
        terminal.print(&told(&args.folder, terminal))?;
    }
    Ok(0)
}

/// Writes the files.
pub fn write(args: &InitArgs) -> Result<(), Failure> {
    // All are looked at before one is written, so that a refusal leaves no half of a beginning.
    if let Some((name, _)) = FILES.iter().find(|(name, _)| args.folder.join(name).exists()) {
        return Err(Failure::conflict("init-exists").arg("path", args.folder.join(name).display()));
    }
    for (name, text) in FILES {
        let path = args.folder.join(name);
        write_new(&path, text).map_err(|e| Failure::refused("init-unwritten").arg("path", path.display()).cause(&e))?;
    }
    Ok(())
}

fn told(folder: &Path, terminal: &Terminal) -> String {
    let full = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut text = terminal.say("init-done", &[("folder", &full.display().to_string())]) + "\n\n";
    if folder != Path::new(".") {
        text += &format!("  cd {}\n", folder.display());
    }
    for (command, why) in NEXT {
        text += &format!("  # {}\n  {command}\n", terminal.say(why, &[]));
    }
    text
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use naru_dispatch::template::{Template, TemplateText};

    use super::*;

    #[test]
    fn what_is_written_is_sound() {
        for (name, text) in FILES {
            if *name == FILE {
                let config = crate::config::parse(text).unwrap();
                let lane = &config.dispatch.lane["sandbox"];
                assert_eq!(lane.url.as_deref(), Some(format!("http://{}", crate::sandbox::ADDRESS).as_str()));
                assert_eq!(config.dispatch.route.values().collect::<Vec<_>>(), [&["sandbox"]]);
                let listen = format!("--receipts-to http://{}/v1/receipts/sandbox ", config.web.listen);
                assert!(NEXT[0].0.contains(&listen), "{listen}");
            } else if name.starts_with("templates/") {
                let text: TemplateText = toml::from_str(text).unwrap();
                assert_eq!(*name, format!("templates/{}.toml", text.id));
                Template::new(text, 1).unwrap();
            } else {
                assert!(NEXT[0].0.ends_with(&format!(" --receipts-secret {}", text.trim())));
            }
        }
    }
}
