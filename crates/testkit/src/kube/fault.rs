//! What goes wrong on request, and what was asked.

use std::collections::VecDeque;

use serde_json::Value;

/// What happens to a call instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the connection ends before the answer is.
    DropAfter,
    /// It is not done, and the connection ends.
    DropBefore,
    /// It is not done: a `Status` of that code.
    Status(u16),
    /// It is not done: a page of something that stands before it.
    Page(u16),
    /// It is not done: 429, come back after so many seconds.
    Throttle(u64),
    /// It is not done: the token is not taken.
    TokenExpired,
    /// It is done, and answered when the test says so ([`super::Kube::release`]).
    Hold,
    /// It is done, and answered with what is no JSON.
    Garbage,
    /// It is done, and answered with more than anybody should read.
    Huge,
}

/// A call as it came, and how it was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `GET`.
    pub method: String,
    /// Decoded.
    pub path: String,
    /// Decoded, in order.
    pub query: Vec<(String, String)>,
    /// `null` for none.
    pub body: Value,
    /// The `Content-Type` it came with.
    pub content_type: Option<String>,
    /// Whose token it was; empty for nobody's.
    pub user: String,
    /// What was answered, also where the answer was lost.
    pub status: u16,
    /// What it met.
    pub fault: Option<Fault>,
}

impl Entry {
    /// `PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale`.
    pub fn place(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Those that wait for their call.
#[derive(Default)]
pub(super) struct Faults {
    waiting: VecDeque<(String, Fault)>,
}

impl Faults {
    pub fn push(&mut self, place: &str, fault: Fault) {
        self.waiting.push_back((place.to_owned(), fault));
    }

    /// The first that is meant for `place`.
    pub fn take(&mut self, place: &str) -> Option<Fault> {
        let at = self.waiting.iter().position(|(part, _)| place.contains(part.as_str()))?;
        self.waiting.remove(at).map(|(_, fault)| fault)
    }
}
