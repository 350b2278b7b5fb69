//! The cases, one file each, in the order of the table.

mod api;
mod console;
mod deploys;
mod instances;
mod intake;
mod moves;
mod peak;
mod priorities;
mod queued;
mod receipts;
mod single;
mod stream;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tempfile::TempDir;

use crate::Result;
use crate::report::Row;

/// What every case needs.
pub struct Bench {
    /// The binary.
    pub naru: PathBuf,
    /// The checkout.
    pub root: PathBuf,
    /// The npm packages, where they are installed.
    pub peers: Option<PathBuf>,
    /// The short form.
    pub quick: bool,
    folder: TempDir,
}

impl Bench {
    /// Makes a folder of this run's own below `folder`.
    pub fn new(naru: &Path, folder: &Path, root: &Path, peers: Option<&Path>, quick: bool) -> Result<Bench> {
        let whole = |path: &Path| std::path::absolute(path).map_err(|e| e.to_string());
        let naru = whole(naru)?;
        if !naru.is_file() {
            return Err(format!("there is no {}: `cargo build --release` makes it", naru.display()));
        }
        let folder = whole(folder)?;
        std::fs::create_dir_all(&folder).map_err(|e| format!("could not make {}: {e}", folder.display()))?;
        let folder = tempfile::tempdir_in(&folder).map_err(|e| format!("could not make a folder: {e}"))?;
        Ok(Bench { naru, root: whole(root)?, peers: peers.map(whole).transpose()?, quick, folder })
    }

    /// Where files go: on the disk that is measured.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One number for the short form, another for the whole.
    pub fn pick<T>(&self, quick: T, whole: T) -> T {
        if self.quick { quick } else { whole }
    }
}

type Case = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = Result<Vec<Row>>> + 'a>>;

/// Every case by its name.
pub const CASES: [(&str, Case); NAMES.len()] = [
    ("intake", |bench| Box::pin(intake::measure(bench))),
    ("stream", |bench| Box::pin(stream::measure(bench))),
    ("single", |bench| Box::pin(single::measure(bench))),
    ("api", |bench| Box::pin(api::measure(bench))),
    ("receipts", |bench| Box::pin(receipts::measure(bench))),
    ("peak", |bench| Box::pin(peak::measure(bench))),
    ("queued", |bench| Box::pin(queued::measure(bench))),
    ("streams", |bench| Box::pin(console::streams(bench))),
    ("tabs", |bench| Box::pin(console::tabs(bench))),
    ("priorities", |bench| Box::pin(priorities::measure(bench))),
    ("postgres", |bench| Box::pin(stream::measure_postgres(bench))),
    ("instances", |bench| Box::pin(instances::measure(bench))),
    ("failover", |bench| Box::pin(moves::failover(bench))),
    ("drain", |bench| Box::pin(moves::drain(bench))),
    ("deploys", |bench| Box::pin(deploys::measure(bench))),
];

/// What `--only` takes.
pub const NAMES: [&str; 15] = [
    "intake",
    "stream",
    "single",
    "api",
    "receipts",
    "peak",
    "queued",
    "streams",
    "tabs",
    "priorities",
    "postgres",
    "instances",
    "failover",
    "drain",
    "deploys",
];

/// Where nobody listens: for what is measured while nothing leaves.
const NOBODY: &str = "http://127.0.0.1:9";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_its_name() {
        assert_eq!(CASES.map(|(name, _)| name), NAMES);
    }
}
