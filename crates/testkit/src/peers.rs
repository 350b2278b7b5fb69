//! The npm packages that tests run against.

use std::path::PathBuf;

/// Where they are: as the test run says, else beside the build that this test is part of.
pub fn peers() -> PathBuf {
    if let Some(folder) = std::env::var_os("NARU_TEST_PEERS") {
        return folder.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let beside =
        test.ancestors().map(|folder| folder.join("peers")).find(|folder| folder.join("node_modules").is_dir());
    beside.expect("the npm packages that tests need are not installed: run `cargo xtask test` once")
}
