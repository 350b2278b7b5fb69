//! Rules about Rust files: no `unwrap()` in the product, and a crate says what it is before anything else.

use super::rust::{code_of, line_of, product_of};
use super::tree::File;

/// Checks each Rust file.
pub fn check(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| [unwraps(file), opening(file)].concat()).collect()
}

fn unwraps(file: &File) -> Vec<String> {
    if file.is_test() {
        return Vec::new();
    }
    let product = product_of(&code_of(&file.text));
    let told = |(at, _)| {
        format!(
            "{}:{}: `unwrap()` outside tests: return the error, or `expect` an invariant",
            file.path,
            line_of(&product, at)
        )
    };
    product.match_indices(".unwrap()").map(told).collect()
}

fn opening(file: &File) -> Vec<String> {
    let is_crate = file.path.ends_with("src/lib.rs");
    if !is_crate || file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!("{}:1: a crate opens with `//!`: what it does, why, and what it must never know", file.path)]
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn unwrap_in_the_product_is_found() {
        let text = "fn a() {\n    b().unwrap();\n}\n#[cfg(test)]\nmod tests {\n    fn c() { d().unwrap() }\n}\n";
        assert_eq!(
            check(&[file("crates/naru/src/a.rs", text)]),
            ["crates/naru/src/a.rs:2: `unwrap()` outside tests: return the error, or `expect` an invariant"]
        );
        assert!(check(&[file("crates/naru/tests/a.rs", text)]).is_empty());
        assert!(check(&[file("crates/naru/src/a.rs", "// never .unwrap()\nfn a() { \".unwrap()\" }")]).is_empty());
    }

    #[test]
    fn a_crate_that_does_not_say_what_it_is_is_found() {
        let findings = check(&[
            file("crates/a/src/lib.rs", "pub mod b;"),
            file("crates/b/src/lib.rs", "//! The b."),
            file("crates/b/src/c.rs", "fn c() {}"),
        ]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("crates/a/src/lib.rs:1: "), "{findings:?}");
    }
}
