//! The floors of the house: which folder's crates may use which. Arrows only point down.
//!
//! The table is the one in `docs/ARCHITECTURE.md`; a wall that moves moves in both.

use std::path::Path;

use serde_json::Value;

/// Folder, and the folders its crates may use. `*` is any one name.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "crates/naru",
        &[
            "crates/components/*",
            "crates/estate",
            "crates/engine/*",
            "crates/connect/*",
            "crates/sandbox",
            "crates/kernel/*",
        ],
    ),
    (
        "crates/components/*",
        &["crates/estate", "crates/engine/*", "crates/connect/*", "crates/sandbox", "crates/kernel/*"],
    ),
    ("crates/estate", &["crates/engine/operation", "crates/connect/*", "crates/kernel/*"]),
    ("crates/engine/*", &["crates/kernel/*"]),
    (WIRE, &["crates/kernel/core"]),
    ("crates/connect/*", &[WIRE, "crates/kernel/core"]),
    ("crates/sandbox", &["crates/kernel/core"]),
    (
        "crates/kernel/component",
        &["crates/kernel/core", "crates/kernel/store", "crates/kernel/job", "crates/kernel/web"],
    ),
    ("crates/kernel/web", &["crates/kernel/core", "crates/kernel/store"]),
    ("crates/kernel/job", &["crates/kernel/core", "crates/kernel/store"]),
    ("crates/kernel/store", &["crates/kernel/core"]),
    ("crates/kernel/core", &[]),
    (TESTKIT, &["crates/sandbox", "crates/kernel/*", TESTVFS]),
    (TESTVFS, &[]),
    ("xtask", &[]),
    (BENCH, &["crates/components/campaign", "crates/kernel/core", TESTKIT]),
    (TORTURE, &["crates/engine/dispatch", "crates/kernel/core"]),
];

/// What the clients of outside services share.
const WIRE: &str = "crates/connect/wire";

/// What tests of every floor may use besides.
const TESTKIT: &str = "crates/testkit";

/// The one crate that talks to C; what it means stands in testkit.
const TESTVFS: &str = "crates/testvfs";

/// Measures from outside; of the house it has only the generator of customers and the clock. What stands outside a house
/// it has from the tests.
const BENCH: &str = "xtask/bench";

/// Kills from outside; of the house it has only how a stored frame is read, and the clock.
const TORTURE: &str = "xtask/torture";

/// A crate of the workspace.
pub struct Package {
    /// Its folder from the workspace's.
    folder: String,
    uses: Vec<Use>,
}

struct Use {
    folder: String,
    in_tests_only: bool,
}

/// Reads the workspace's crates, and what each uses of the others, from `cargo metadata`.
pub fn packages(metadata: &Value, root: &Path) -> Vec<Package> {
    let folder = |path: &Value| {
        let path = Path::new(path.as_str().unwrap_or_default());
        path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let uses = |package: &Value| {
        let own = list(&package["dependencies"]).into_iter().filter(|dependency| dependency["path"].is_string());
        own.map(|it| Use { folder: folder(&it["path"]), in_tests_only: it["kind"] == "dev" }).collect()
    };
    let package = |package: &Value| Package {
        folder: folder(&package["manifest_path"]).trim_end_matches("/Cargo.toml").to_owned(),
        uses: uses(package),
    };
    list(&metadata["packages"]).iter().map(package).collect()
}

/// Checks each crate against the table.
pub fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let folder = &package.folder;
    let Some((_, may_use)) = FLOORS.iter().find(|(pattern, _)| matches(pattern, folder)) else {
        return vec![format!("{folder}: stands on no floor that docs/ARCHITECTURE.md knows")];
    };
    let allowed = |it: &&Use| {
        may_use.iter().any(|pattern| matches(pattern, &it.folder)) || it.in_tests_only && it.folder == TESTKIT
    };
    let refused = package.uses.iter().filter(|it| !allowed(it));
    refused.map(|it| format!("{folder}/Cargo.toml: {folder} may not use {}", it.folder)).collect()
}

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => folder.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.contains('/')),
        None => pattern == folder,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether `from` may use `to`.
    fn may(from: &str, to: &str, in_tests_only: bool) -> bool {
        let uses = vec![Use { folder: to.to_owned(), in_tests_only }];
        check(&[Package { folder: from.to_owned(), uses }]).is_empty()
    }

    #[test]
    fn arrows_point_down() {
        for (from, to) in [
            ("crates/naru", "crates/components/campaign"),
            ("crates/components/campaign", "crates/engine/dispatch"),
            ("crates/engine/dispatch", "crates/kernel/component"),
            ("crates/kernel/component", "crates/kernel/web"),
            ("crates/kernel/web", "crates/kernel/store"),
            ("crates/sandbox", "crates/kernel/core"),
            ("crates/testkit", "crates/sandbox"),
            (BENCH, "crates/components/campaign"),
            (TESTKIT, TESTVFS),
        ] {
            assert!(may(from, to, false), "{from} uses {to}");
            assert!(!may(to, from, false), "{to} uses {from}");
        }
    }

    #[test]
    fn a_wall_broken_is_found() {
        for (from, to) in [
            ("crates/components/campaign", "crates/components/consent"),
            ("crates/engine/dispatch", "crates/engine/operation"),
            ("crates/engine/dispatch", "crates/sandbox"),
            ("crates/kernel/job", "crates/kernel/web"),
            ("crates/kernel/web", "crates/kernel/job"),
            ("crates/sandbox", "crates/kernel/store"),
            ("xtask", "crates/kernel/core"),
            (BENCH, "crates/engine/dispatch"),
            ("crates/kernel/store", TESTVFS),
        ] {
            assert!(!may(from, to, false), "{from} uses {to}");
            assert!(!may(from, to, true), "{from} uses {to} in tests");
        }
    }

    #[test]
    fn testkit_is_for_tests() {
        assert!(may("crates/kernel/store", TESTKIT, true));
        assert!(!may("crates/naru", TESTKIT, false));
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        let findings = check(&[Package { folder: "crates/helper".to_owned(), uses: Vec::new() }]);
        assert_eq!(findings, ["crates/helper: stands on no floor that docs/ARCHITECTURE.md knows"]);
    }

    #[test]
    fn crates_are_read_from_metadata() {
        let metadata = json!({ "packages": [{
            "manifest_path": "/x/crates/components/campaign/Cargo.toml",
            "dependencies": [
                { "name": "serde", "kind": null },
                { "name": "naru-consent", "path": "/x/crates/components/consent", "kind": null },
                { "name": "naru-testkit", "path": "/x/crates/testkit", "kind": "dev" },
            ],
        }] });
        assert_eq!(
            check(&packages(&metadata, Path::new("/x"))),
            ["crates/components/campaign/Cargo.toml: crates/components/campaign may not use crates/components/consent"]
        );
    }
}
