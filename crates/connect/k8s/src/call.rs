//! One request, and the no that it may end in.

use http::Method;
use naru_core::failure::Failure;
use serde_json::Value;

use crate::refusal::About;

/// One request.
pub struct Call {
    pub method: Method,
    /// From `/api` or `/apis`, its parts checked.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
    pub media_type: &'static str,
    /// Asking twice is as good as asking once.
    pub is_question: bool,
    pub about: About,
}

/// A no, and whether it was that the server does not serve the resource.
pub struct Refused {
    pub failure: Failure,
    pub resource_gone: bool,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused { failure, resource_gone: false }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        refused.failure
    }
}

impl Call {
    pub fn get(path: String, about: About) -> Call {
        let (method, media_type) = (Method::GET, "");
        Call { method, path, query: Vec::new(), body: None, media_type, is_question: true, about }
    }

    pub fn write(method: Method, path: String, body: Value, about: About) -> Call {
        let (body, media_type) = (Some(body), "application/json");
        Call { method, path, query: Vec::new(), body, media_type, is_question: false, about }
    }

    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.query.push((name, value.into()));
        self
    }

    pub fn maybe(self, name: &'static str, value: Option<&str>) -> Call {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
}
