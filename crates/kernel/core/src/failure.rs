//! How anything that went wrong is told: one type, from the deepest refusal to the terminal, the page and the API.
//!
//! A [`Failure`] carries no sentence. It carries a stable kebab-case code and the values found; the sentence and the
//! hint are looked up in the reader's language when it is shown ([`crate::text`]). So a code means the same thing
//! everywhere, and a translation can be mended without touching logic.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What sort of failure it is: decides exit code and HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Wrong words, wrong configuration: exit 2, HTTP 400.
    Usage,
    /// Asked properly and refused for what was found: exit 1, HTTP 422.
    Refused,
    /// Nothing of that name: exit 1, HTTP 404.
    NotFound,
    /// It contradicts what is stored: exit 1, HTTP 409.
    Conflict,
    /// Nobody is signed in: exit 1, HTTP 401.
    Unauthorized,
    /// Signed in, but the role is too small: exit 1, HTTP 403.
    Forbidden,
    /// Body or file over its bound: exit 1, HTTP 413.
    TooLarge,
    /// A body of a type that the call does not take: exit 1, HTTP 415.
    WrongType,
    /// Too much at once; come back later: exit 1, HTTP 429.
    TooMany,
    /// No room to store it: exit 1, HTTP 507.
    Full,
    /// Something that is needed is not there just now: exit 1, HTTP 503.
    Unavailable,
    /// Our own fault: exit 255, HTTP 500.
    Bug,
}

impl Kind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::Bug => 255,
            _ => 1,
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Kind::Usage => 400,
            Kind::Refused => 422,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::Unauthorized => 401,
            Kind::Forbidden => 403,
            Kind::TooLarge => 413,
            Kind::WrongType => 415,
            Kind::TooMany => 429,
            Kind::Full => 507,
            Kind::Unavailable => 503,
            Kind::Bug => 500,
        }
    }
}

/// One thing that went wrong, ready to be told in any language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Decides exit code and HTTP status.
    pub kind: Kind,
    /// Stable and kebab-case; the key of its texts.
    pub code: String,
    /// The values found, by the names the texts use.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// Why, one cause a line, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// When coming back makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl Failure {
    /// A failure of `kind` with `code`.
    pub fn new(kind: Kind, code: &str) -> Failure {
        Failure { kind, code: code.to_owned(), args: BTreeMap::new(), causes: Vec::new(), retry_after_s: None }
    }

    /// [`Kind::Usage`].
    pub fn usage(code: &str) -> Failure {
        Failure::new(Kind::Usage, code)
    }

    /// [`Kind::Refused`].
    pub fn refused(code: &str) -> Failure {
        Failure::new(Kind::Refused, code)
    }

    /// [`Kind::NotFound`].
    pub fn not_found(code: &str) -> Failure {
        Failure::new(Kind::NotFound, code)
    }

    /// [`Kind::Conflict`].
    pub fn conflict(code: &str) -> Failure {
        Failure::new(Kind::Conflict, code)
    }

    /// [`Kind::Unavailable`].
    pub fn unavailable(code: &str) -> Failure {
        Failure::new(Kind::Unavailable, code)
    }

    /// [`Kind::Bug`], for what should never happen; `error` becomes the cause.
    pub fn bug(error: impl fmt::Display) -> Failure {
        Failure::new(Kind::Bug, "bug").cause_text(error.to_string())
    }

    /// Adds a value for the texts.
    pub fn arg(mut self, name: &str, value: impl fmt::Display) -> Failure {
        self.args.insert(name.to_owned(), value.to_string());
        self
    }

    /// Adds `error` and each of its sources as causes.
    pub fn cause(mut self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// Adds a cause given as text.
    pub fn cause_text(mut self, cause: impl Into<String>) -> Failure {
        self.causes.push(cause.into());
        self
    }

    /// Says when coming back makes sense.
    pub fn retry_after(mut self, seconds: u64) -> Failure {
        self.retry_after_s = Some(seconds);
        self
    }
}

/// For logs: the code and the values. Never shown to a person where texts can be had.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        for (name, value) in &self.args {
            write!(f, " {name}={value:?}")?;
        }
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
