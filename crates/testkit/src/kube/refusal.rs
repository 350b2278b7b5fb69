//! Anything but a yes, as a `Status` with the sentences that the API server has.

use serde_json::{Value, json};

use super::kind::Kind;

/// Why not.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>, details: Value) -> Refusal {
        Refusal { code, reason, message: message.into(), details }
    }

    fn of(code: u16, reason: &'static str, kind: &Kind, name: &str, message: String) -> Refusal {
        Refusal::new(code, reason, message, json!({ "name": name, "group": kind.group, "kind": kind.plural }))
    }

    /// A `Status` of this code, for a fault.
    pub fn fault(code: u16, seconds: Option<u64>) -> Refusal {
        let (reason, message) = match code {
            401 => return Refusal::unauthorized(),
            410 => return Refusal::expired("too old resource version"),
            429 => ("TooManyRequests", "too many requests, please try again later"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "the server was unable to return a response in the time allotted"),
            _ => ("InternalError", "a fault that was asked for"),
        };
        let details = seconds.map_or(json!({}), |seconds| json!({ "retryAfterSeconds": seconds }));
        Refusal::new(code, reason, message, details)
    }

    pub fn unauthorized() -> Refusal {
        Refusal::new(401, "Unauthorized", "Unauthorized", Value::Null)
    }

    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Refusal {
        let named = if name.is_empty() { kind.resource() } else { format!("{} \"{name}\"", kind.resource()) };
        Refusal::of(403, "Forbidden", kind, name, format!("{named} is forbidden: {why}"))
    }

    pub fn terminating(kind: &Kind, name: &str, namespace: &str) -> Refusal {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Refusal::forbidden(kind, name, &why);
        let message = format!("namespace {namespace} is being terminated");
        refusal.details["causes"] =
            json!([{ "reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace" }]);
        refusal
    }

    pub fn not_found(kind: &Kind, name: &str) -> Refusal {
        Refusal::of(404, "NotFound", kind, name, format!("{} \"{name}\" not found", kind.resource()))
    }

    pub fn no_namespace(name: &str) -> Refusal {
        let details = json!({ "name": name, "kind": "namespaces" });
        Refusal::new(404, "NotFound", format!("namespaces \"{name}\" not found"), details)
    }

    /// The server has no such resource.
    pub fn no_resource() -> Refusal {
        Refusal::new(404, "NotFound", "the server could not find the requested resource", json!({}))
    }

    pub fn not_allowed() -> Refusal {
        let message = "the server does not allow this method on the requested resource";
        Refusal::new(405, "MethodNotAllowed", message, json!({}))
    }

    pub fn exists(kind: &Kind, name: &str) -> Refusal {
        Refusal::of(409, "AlreadyExists", kind, name, format!("{} \"{name}\" already exists", kind.resource()))
    }

    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Refusal::of(409, "Conflict", kind, name, message)
    }

    pub fn modified(kind: &Kind, name: &str) -> Refusal {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Refusal::conflict(kind, name, why)
    }

    /// Fields of an apply that others state otherwise: manager and path.
    pub fn owned(api_version: &str, fields: &[(String, String)]) -> Refusal {
        let causes: Vec<Value> = fields
            .iter()
            .map(|(manager, field)| {
                let message = format!("conflict with \"{manager}\" using {api_version}");
                json!({ "reason": "FieldManagerConflict", "message": message, "field": field })
            })
            .collect();
        let all: Vec<String> = fields.iter().map(|(manager, field)| format!("\"{manager}\": {field}")).collect();
        let message = format!("Apply failed with {} conflict(s): conflicts with {}", fields.len(), all.join(", "));
        Refusal::new(409, "Conflict", message, json!({ "causes": causes }))
    }

    pub fn expired(message: &str) -> Refusal {
        Refusal::new(410, "Expired", message, json!({}))
    }

    pub fn invalid(kind: &Kind, name: &str, field: &str, why: &str) -> Refusal {
        let message = format!("{} \"{name}\" is invalid: {field}: {why}", kind.full_kind());
        let causes = json!([{ "reason": "FieldValueInvalid", "message": why, "field": field }]);
        let details = json!({ "name": name, "group": kind.group, "kind": kind.kind, "causes": causes });
        Refusal::new(422, "Invalid", message, details)
    }

    /// A step of a patch that does not fit; the server keeps to itself which.
    pub fn unfit() -> Refusal {
        Refusal::new(422, "Invalid", "the server rejected our request due to an error in our request", json!({}))
    }

    /// An apply by nobody.
    pub fn no_manager() -> Refusal {
        let why = "Required value: is required for apply patch";
        let causes = json!([{ "reason": "FieldValueRequired", "message": why, "field": "fieldManager" }]);
        let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: {why}");
        Refusal::new(
            422,
            "Invalid",
            message,
            json!({ "group": "meta.k8s.io", "kind": "PatchOptions", "causes": causes }),
        )
    }

    pub fn bad(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "BadRequest", message, Value::Null)
    }

    pub fn wrong_type(accepted: &str) -> Refusal {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Refusal::new(415, "UnsupportedMediaType", message, json!({}))
    }

    /// `metav1.Status`.
    pub fn body(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
            "reason": self.reason, "details": self.details, "code": self.code,
        })
    }
}
