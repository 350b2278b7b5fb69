//! What can go wrong with a store.

use std::path::PathBuf;
use std::sync::Arc;

use naru_core::failure::{Failure, Kind};

/// It is asked each second whether it answers.
const SILENT_RETRY_S: u64 = 2;
/// Room is made by people.
const FULL_RETRY_S: u64 = 60;

/// What can go wrong with a store. Cloned where one commit answers many.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened or reached.
    #[error("could not open the database {url}")]
    Open {
        /// The address, without a password.
        url: String,
        /// Why.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The folder of the data cannot be used.
    #[error("could not use the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Another process owns the data.
    #[error("process {pid} already uses {path}")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        pid: String,
    },
    /// The address names no engine that naru knows.
    #[error("unknown database address {url}")]
    UnknownEngine {
        /// The address, without a password.
        url: String,
    },
    /// The engine would acknowledge what a power cut can take back.
    #[error("{setting} is {found}, naru needs {needed}")]
    Unsafe {
        /// The engine's setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The value that keeps the promise.
        needed: &'static str,
    },
    /// The schema was moved on by a newer naru that this one cannot work with.
    #[error("the schema of {component} needs naru {oldest} or newer")]
    TooNew {
        /// Whose tables.
        component: String,
        /// The oldest version that can run on it.
        oldest: String,
    },
    /// Opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The disk has no room for it; nothing of it was acknowledged.
    #[error("the disk is full")]
    Full(#[source] Arc<sqlx::Error>),
    /// So little room is left that only what was acknowledged before may use it.
    #[error("{free_mb} MB are free")]
    NearlyFull {
        /// What is left.
        free_mb: u64,
        /// What is kept free.
        kept_mb: u64,
    },
    /// The server does not answer; nothing of it was acknowledged.
    #[error("the database does not answer: {why}")]
    Silent {
        /// How that shows.
        why: Arc<str>,
    },
    /// A statement or a commit failed; nothing of it was acknowledged.
    #[error("a database statement failed")]
    Statement(#[source] Arc<sqlx::Error>),
    /// A stored value that cannot be what was written.
    #[error("stored data is damaged: {what}")]
    Damaged {
        /// Which value, and how it shows.
        what: String,
    },
}

/// Carries [`StoreError::Silent`] through a function that fails as sqlx does.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Silence(Arc<str>);

impl StoreError {
    /// As sqlx would tell it; the way back is `From`.
    pub(crate) fn into_sqlx(self) -> sqlx::Error {
        match self {
            StoreError::Silent { why } => {
                sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, Silence(why)))
            }
            StoreError::Full(error) | StoreError::Statement(error) => {
                Arc::try_unwrap(error).unwrap_or_else(|error| sqlx::Error::Protocol(error.to_string()))
            }
            other => sqlx::Error::Protocol(other.to_string()),
        }
    }

    /// Whether a row was held locked by somebody else for too long.
    pub(crate) fn is_locked_out(&self) -> bool {
        const LOCK_NOT_AVAILABLE: &str = "55P03";
        let StoreError::Statement(error) = self else { return false };
        error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
    }

    /// Whether whatever comes next fails in the same way: the database is not there.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, StoreError::Silent { .. } | StoreError::Open { .. })
    }
}

/// What SQLite and PostgreSQL say when the disk is full.
const SQLITE_FULL: &str = "13";
const POSTGRES_DISK_FULL: &str = "53100";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        if let sqlx::Error::Io(io) = &error
            && let Some(Silence(why)) = io.get_ref().and_then(|inner| inner.downcast_ref())
        {
            return StoreError::Silent { why: why.clone() };
        }
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            Some(SQLITE_FULL | POSTGRES_DISK_FULL) => StoreError::Full(Arc::new(error)),
            _ => StoreError::Statement(Arc::new(error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let failure = match &error {
            StoreError::Open { url, .. } => Failure::unavailable("store-unreachable").arg("url", url),
            StoreError::Folder { path, .. } => Failure::usage("store-folder").arg("path", path.display()),
            StoreError::Locked { path, pid } => {
                Failure::conflict("store-locked").arg("path", path.display()).arg("pid", pid)
            }
            StoreError::UnknownEngine { url } => Failure::usage("store-engine-unknown").arg("url", url),
            StoreError::Unsafe { setting, found, needed } => {
                Failure::usage("store-unsafe").arg("setting", setting).arg("found", found).arg("needed", needed)
            }
            StoreError::TooNew { component, oldest } => {
                Failure::usage("store-too-new").arg("component", component).arg("oldest", oldest)
            }
            StoreError::ReadOnly => Failure::unavailable("store-read-only"),
            StoreError::Full(_) => Failure::new(Kind::Full, "store-full").retry_after(FULL_RETRY_S),
            StoreError::NearlyFull { free_mb, kept_mb } => Failure::new(Kind::Full, "store-nearly-full")
                .arg("free", free_mb)
                .arg("kept", kept_mb)
                .retry_after(FULL_RETRY_S),
            StoreError::Silent { why } => {
                Failure::unavailable("store-silent").cause_text(&**why).retry_after(SILENT_RETRY_S)
            }
            StoreError::Statement(_) => Failure::unavailable("store-statement"),
            StoreError::Damaged { what } => Failure::new(Kind::Bug, "store-damaged").arg("what", what),
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.cause(source),
            None => failure,
        }
    }
}
