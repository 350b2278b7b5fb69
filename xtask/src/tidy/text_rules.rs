//! Rules about every file: nothing unfinished, nothing of the machine it was written on.

use super::rust::line_of;
use super::tree::File;

/// Checks each text.
pub fn check(files: &[File]) -> Vec<String> {
    files.iter().flat_map(|file| [marks(file), machine_paths(file), registries(file)].concat()).collect()
}

/// The first letters apart, so that this file does not find itself.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

fn marks(file: &File) -> Vec<String> {
    let found = MARKS.iter().flat_map(|mark| file.text.match_indices(mark));
    let words = found.filter(|(at, mark)| is_word(&file.text, *at, mark.len()));
    words.map(|(at, mark)| told(file, at, &format!("{mark}: finish it, or open an issue"))).collect()
}

/// Where people and build services keep checkouts; a path below one holds on one machine only.
const CHECKOUT_FOLDERS: [&str; 7] = ["home", "Users", "root", "work", "workspace", "workspaces", "builds"];

fn machine_paths(file: &File) -> Vec<String> {
    let found = CHECKOUT_FOLDERS.iter().flat_map(|folder| {
        let path = format!("/{folder}/");
        file.text.match_indices(&path).map(|(at, found)| (at, found.to_owned())).collect::<Vec<_>>()
    });
    let paths =
        found.filter(|(at, path)| is_absolute(&file.text, *at) && names_something(&file.text[at + path.len()..]));
    paths.map(|(at, path)| told(file, at, &format!("`{path}…` is a path of one machine"))).collect()
}

/// A path that begins here, not one that goes on, nor a part of a URL.
fn is_absolute(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || "/._-~}*:".contains(c))
}

fn names_something(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_alphanumeric() || c == '.')
}

/// Where packages come from is each machine's own affair: cargo and npm know, and mirrors have other names.
const REGISTRIES: [&str; 5] = [
    concat!("registry.", "npmjs"),
    concat!("registry.", "yarnpkg"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("deb.", "debian"),
];

fn registries(file: &File) -> Vec<String> {
    // Cargo writes the name of its default index into the lock, whatever it was downloaded from.
    if file.path == "Cargo.lock" {
        return Vec::new();
    }
    let found = REGISTRIES.iter().flat_map(|host| file.text.match_indices(host));
    found.map(|(at, host)| told(file, at, &format!("`{host}` is the host of a registry"))).collect()
}

fn is_word(text: &str, at: usize, length: usize) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    !text[..at].ends_with(letter) && !text[at + length..].starts_with(letter)
}

fn told(file: &File, at: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line_of(&file.text, at))
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    fn findings(text: &str) -> usize {
        check(&[file("docs/a.md", text)]).len()
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(
            check(&[file("a.sh", &format!("x\n# {}: y\n", MARKS[0]))]),
            [format!("a.sh:2: {}: finish it, or open an issue", MARKS[0])]
        );
        assert_eq!(findings(&format!("({})", MARKS[1])), 1);
        assert_eq!(findings("mktemp naru.TODOS METHOD_TODOX"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for folder in CHECKOUT_FOLDERS {
            assert_eq!(findings(&format!("cd /{folder}/kim/naru")), 1, "{folder}");
            assert_eq!(findings(&format!("\"/{folder}/.cargo\"")), 1, "{folder}");
        }
        assert_eq!(findings("https://example.com/home/page target/work/main {base}/home/x /home/…"), 0);
    }

    #[test]
    fn hosts_of_registries_are_found() {
        for host in REGISTRIES {
            assert_eq!(findings(&format!("\"resolved\": \"https://{host}/x.tgz\"")), 1, "{host}");
        }
        assert_eq!(check(&[file("Cargo.lock", REGISTRIES[2])]), [""; 0]);
    }
}
