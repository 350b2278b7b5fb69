//! Rules about Markdown: the two READMEs tell the same, and links lead somewhere.

use super::rust::line_of;
use super::tree::File;

/// Compares the READMEs and follows the links of every Markdown file.
pub fn check(files: &[File]) -> Vec<String> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let mut findings = match (text("README.md"), text("README.ko.md")) {
        (Some(english), Some(korean)) => compare(english, korean),
        _ => vec!["README.md: the README stands in English and, as README.ko.md, in Korean".to_owned()],
    };
    findings.extend(files.iter().filter(|file| file.path.ends_with(".md")).flat_map(|file| dead_links(file, files)));
    findings
}

fn compare(english: &str, korean: &str) -> Vec<String> {
    let (english, korean) = (Shape::of(english), Shape::of(korean));
    let mut findings = Vec::new();
    if english.levels != korean.levels {
        findings.push(format!(
            "README.ko.md: its headings have the levels {:?}, those of README.md {:?}",
            korean.levels, english.levels
        ));
    }
    if english.blocks.len() != korean.blocks.len() {
        findings.push(format!(
            "README.ko.md: it has {} code blocks, README.md {}",
            korean.blocks.len(),
            english.blocks.len()
        ));
    }
    let pairs = english.blocks.iter().zip(&korean.blocks);
    findings.extend(
        pairs
            .filter(|(a, b)| a.1 != b.1)
            .map(|(a, b)| format!("README.ko.md:{}: this code block differs from the one at README.md:{}", b.0, a.0)),
    );
    findings
}

/// What the two languages must share.
#[derive(Default)]
struct Shape {
    levels: Vec<usize>,
    /// The line a block starts at, and its lines with the fence's own.
    blocks: Vec<(usize, String)>,
}

impl Shape {
    fn of(text: &str) -> Shape {
        let mut shape = Shape::default();
        let mut in_block = false;
        for (number, line) in (1..).zip(text.lines()) {
            let fence = line.trim_start().starts_with("```");
            if fence && !in_block {
                shape.blocks.push((number, String::new()));
            }
            if fence || in_block {
                let (_, block) = shape.blocks.last_mut().expect("a block has begun");
                *block += line;
                *block += "\n";
            } else if line.starts_with('#') {
                shape.levels.push(line.bytes().take_while(|byte| *byte == b'#').count());
            }
            in_block ^= fence;
        }
        shape
    }
}

fn dead_links(file: &File, files: &[File]) -> Vec<String> {
    let links = file.text.match_indices("](").filter_map(|(at, mark)| {
        let target = file.text[at + mark.len()..].split([')', '\n', ' ']).next()?;
        Some((at, target.split('#').next().unwrap_or_default()))
    });
    let local = links.filter(|(_, target)| !target.is_empty() && !target.contains(':'));
    let dead = local.filter(|(_, target)| !leads_somewhere(&file.path, target, files));
    dead.map(|(at, target)| format!("{}:{}: there is no {target}", file.path, line_of(&file.text, at))).collect()
}

fn leads_somewhere(from: &str, target: &str, files: &[File]) -> bool {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    files
        .iter()
        .any(|file| file.path == path || file.path.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    const ENGLISH: &str = "# naru\n\n```sh\n# not a heading\ncargo xtask test\n```\n## Words\n";

    fn findings(korean: &str) -> Vec<String> {
        check(&[file("README.md", ENGLISH), file("README.ko.md", korean)])
    }

    #[test]
    fn a_readme_that_tells_something_else_is_found() {
        assert!(findings("# 나루\n```sh\n# not a heading\ncargo xtask test\n```\n\n## 말\n").is_empty());
        assert_eq!(
            findings("# 나루\n```sh\ncargo test\n```\n### 말\n"),
            [
                "README.ko.md: its headings have the levels [1, 3], those of README.md [1, 2]",
                "README.ko.md:2: this code block differs from the one at README.md:3",
            ]
        );
        assert_eq!(findings("# 나루\n## 말\n"), ["README.ko.md: it has 0 code blocks, README.md 1"]);
        assert_eq!(check(&[file("README.md", ENGLISH)]).len(), 1);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let text = "[a](ARCHITECTURE.md#floors) [b](../crates/naru) [c](https://example.com) [d](#x) [e](gone.md)";
        let files = [file("docs/a.md", text), file("docs/ARCHITECTURE.md", ""), file("crates/naru/Cargo.toml", "")];
        assert_eq!(dead_links(&files[0], &files), ["docs/a.md:1: there is no gone.md"]);
    }
}
