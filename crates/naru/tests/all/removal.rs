//! A room can be removed by its folder, its line and its word; and a new one is added by the same three.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files of a workspace by their path in it.
struct Workspace(BTreeMap<PathBuf, Vec<u8>>);

const LIST: &str = "crates/naru/src/components.rs";
const MANIFEST: &str = "crates/naru/Cargo.toml";

#[test]
fn a_room_is_removed_by_its_folder_its_line_and_its_word() {
    let workspace = Workspace::read();
    let rooms = workspace.rooms();
    assert!(!rooms.is_empty(), "there is a room to remove");
    for room in &rooms {
        let mut without = Workspace(workspace.0.clone());
        without.0.retain(|path, _| !path.starts_with(format!("crates/components/{room}")));
        without.change(MANIFEST, |text| {
            let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(&format!("{room} = "))).collect();
            assert_eq!(kept.len() + 1, text.lines().count(), "{room} is one line of {MANIFEST}");
            kept.join("\n") + "\n"
        });
        let left: Vec<_> = rooms.iter().filter(|other| *other != room).cloned().collect();
        without.set_rooms(&left);
        without.check(&format!("without {room}"));
    }
}

#[test]
fn a_room_is_added_by_its_folder_its_line_and_its_word() {
    let mut with = Workspace::read();
    let mut rooms = with.rooms();
    let manifest = "[package]\nname = \"naru-parrot\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
        naru-component = { workspace = true }\nnaru-core = { workspace = true }\nserde = { workspace = true }\n";
    let code = "#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]\n\
        #[serde(deny_unknown_fields, default)]\npub struct Config {\n    pub words: Vec<String>,\n}\n\n\
        pub fn component(_: Config, _: &naru_component::ctx::Ctx) -> naru_component::Component {\n    \
        naru_component::Component::new(\"parrot\", naru_core::TEXTS)\n}\n";
    with.0.insert("crates/components/parrot/Cargo.toml".into(), manifest.into());
    with.0.insert("crates/components/parrot/src/lib.rs".into(), code.into());
    with.change(MANIFEST, |text| {
        let line = "parrot = { package = \"naru-parrot\", path = \"../components/parrot\" }";
        text.replacen("[dependencies]\n", &format!("[dependencies]\n{line}\n"), 1)
    });
    rooms.push("parrot".to_owned());
    with.set_rooms(&rooms);
    with.check("with a parrot");
}

impl Workspace {
    /// The house alone: what stands outside it, such as a bench, may know a room by name and goes when that goes.
    fn read() -> Workspace {
        let mut files = BTreeMap::new();
        walk(&root(), Path::new(""), &mut files);
        files.retain(|path, _| path.starts_with("crates") || path.parent() == Some(Path::new("")));
        let mut workspace = Workspace(files);
        workspace.change("Cargo.toml", |text| {
            let line = text.lines().find(|line| line.starts_with("members = ")).unwrap();
            let inside: Vec<&str> = line.split('"').filter(|member| member.starts_with("crates/")).collect();
            let text = text.replace(line, &format!("members = {inside:?}"));
            // Cargo tells packages apart by name, version and place in the workspace: ours and the copy's must differ, or
            // each would be taken for the other in the target folder that both build into.
            let ours = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
            assert_eq!(text.matches(&ours).count(), 1, "the version stands in one place");
            text.replace(&ours, "version = \"0.0.0-copy\"")
        });
        workspace
    }

    fn change(&mut self, path: &str, change: impl FnOnce(String) -> String) {
        let file = self.0.get_mut(Path::new(path)).unwrap();
        *file = change(String::from_utf8(file.clone()).unwrap()).into_bytes();
    }

    /// The words of `components!`.
    fn rooms(&self) -> Vec<String> {
        let text = String::from_utf8(self.0[Path::new(LIST)].clone()).unwrap();
        let (_, list, _) = around(&text);
        list.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    fn set_rooms(&mut self, rooms: &[String]) {
        self.change(LIST, |text| {
            let (before, _, after) = around(&text);
            format!("{before} {} {after}", rooms.join(", "))
        });
    }

    /// Lays the workspace out and lets cargo check the binary. The folder stays the same from run to run, and only
    /// files that differ are written, so that cargo checks again what was changed and nothing else.
    fn check(&self, what: &str) {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("removal");
        // One check at a time, also of two test runs side by side; the system lets go however a run ends.
        let lock = File::create(copy.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let mut there = BTreeMap::new();
        if copy.exists() {
            walk(&copy, Path::new(""), &mut there);
        }
        for path in there.keys().filter(|path| !self.0.contains_key(*path)) {
            std::fs::remove_file(copy.join(path)).unwrap();
        }
        // A folder that is a member by its place must have a manifest.
        for entry in std::fs::read_dir(copy.join("crates/components")).into_iter().flatten() {
            let folder = entry.unwrap().path();
            if !folder.join("Cargo.toml").exists() {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
        for (path, content) in self.0.iter().filter(|(path, content)| there.get(*path) != Some(content)) {
            let path = copy.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let output = cargo(&copy).args(["check", "--offline", "--quiet"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}:\n{said}");
    }
}

/// What stands before, in and after the braces of `components! { … }`.
fn around(text: &str) -> (&str, &str, &str) {
    let begin = "\ncomponents! {";
    assert_eq!(text.matches(begin).count(), 1, "{LIST} lists the rooms once");
    let from = text.find(begin).unwrap() + begin.len();
    let to = from + text[from..].find('}').unwrap();
    (&text[..from], &text[from..to], &text[to..])
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// What is built, what git keeps, and what naru writes when it is run here.
const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "naru-data", "rejected.csv"];

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if SKIPPED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, files);
        } else {
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// Cargo as a person would call it at `folder`. It builds into our own target folder, where all that is not ours is
/// checked already.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    command.current_dir(folder).env("CARGO_TARGET_DIR", target);
    // What cargo tells a test about its package would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "CARGO"
            || text.starts_with("CARGO_BIN_")
            || text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
        {
            command.env_remove(&name);
        }
    }
    command
}
