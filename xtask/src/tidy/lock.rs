//! A rule about dependencies: one cryptography backend.

use super::tree::File;

/// Checks that the lock does not hold a second backend beside ring.
pub fn check(files: &[File]) -> Vec<String> {
    let packages = packages(files);
    let second = packages.iter().find(|name| name.starts_with("aws-lc-"));
    match (packages.contains(&"ring"), second) {
        (true, Some(second)) => vec![format!(
            "Cargo.lock: `{second}` beside `ring`: turn off the features that bring it (`cargo tree -i {second}` tells which)"
        )],
        _ => Vec::new(),
    }
}

/// The names of all locked packages.
pub fn packages(files: &[File]) -> Vec<&str> {
    let lock = files.iter().find(|file| file.path == "Cargo.lock").map_or("", |file| file.text.as_str());
    lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn a_second_backend_is_found() {
        let lock = |names: &[&str]| {
            let packages = names.iter().map(|name| format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\n"));
            check(&[file("Cargo.lock", &packages.collect::<String>())]).len()
        };
        assert_eq!(lock(&["aws-lc-rs", "ring"]), 1);
        assert_eq!(lock(&["ring", "rustls"]), 0);
        assert_eq!(lock(&["aws-lc-rs", "aws-lc-sys"]), 0);
    }
}
