//! What an answer other than a yes means, as a failure a person can act on.

use std::time::Duration;

use http::StatusCode;
use naru_core::failure::{Failure, Kind};
use serde::Deserialize;

/// A server's sentence is shown so far.
const MESSAGE_CHARS_MAX: usize = 600;

/// What a call is about, for the failure that it may end in.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// As RBAC names it: `get`, `patch`.
    pub verb: &'static str,
    /// As RBAC names it: empty for the core group.
    pub group: String,
    /// As RBAC names it, with the subresource: `deployments/scale`.
    pub resource: String,
    /// For people: `Deployment.apps`.
    pub kind: String,
    /// Empty for what belongs to the cluster, and for all namespaces.
    pub namespace: String,
    /// Empty for all of a kind.
    pub name: String,
    /// A patch by steps, which may not fit the object.
    pub by_steps: bool,
}

/// `metav1.Status`, as far as it is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    kind: String,
    message: String,
    reason: String,
    code: u16,
    details: Option<Details>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    kind: String,
    causes: Option<Vec<Cause>>,
    retry_after_seconds: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
    field: String,
}

impl Told {
    /// Reads the body of a refusal, if it is one of the API server's own.
    pub fn read(body: &[u8]) -> Option<Told> {
        serde_json::from_slice(body).ok().filter(|told: &Told| told.kind == "Status")
    }

    /// Reads the object of a watch's `ERROR` event.
    pub fn of_event(object: serde_json::Value) -> Option<Told> {
        serde_json::from_value(object).ok()
    }

    /// The status that it states, for where none was answered.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is missing is one object, not the place where it was looked for.
    fn names_an_object(&self) -> bool {
        self.details.as_ref().is_some_and(|details| !details.name.is_empty())
    }

    /// Of a step of a JSON patch that does not fit, a `test` that finds something else among them, the server says no
    /// more than that the request was in error; of anything else that is wrong it names the object or the field.
    fn names_nothing(&self) -> bool {
        let has_field = |details: &Details| details.causes.iter().flatten().any(|cause| !cause.field.is_empty());
        self.details.as_ref().is_none_or(|details| details.name.is_empty() && !has_field(details))
    }
}

/// Whether a 404 says that the server does not serve the resource, rather than that an object is not there.
pub fn is_resource_gone(status: StatusCode, told: Option<&Told>) -> bool {
    status == StatusCode::NOT_FOUND && !told.is_some_and(Told::names_an_object)
}

/// What `status` with what was `told` means; `after` is what `Retry-After` says.
pub fn refusal(
    status: StatusCode,
    told: Option<&Told>,
    after: Option<Duration>,
    about: &About,
    cluster: &str,
) -> Failure {
    let details = told.and_then(|told| told.details.clone()).unwrap_or_default();
    let reason = told.map_or("", |told| told.reason.as_str());
    let failure = match (status.as_u16(), reason) {
        (401, _) => Failure::new(Kind::Refused, "k8s-token-refused"),
        (403, _) if told.is_some() && is_rbac(told, about) => forbidden(about),
        (404, _) if told.is_some_and(Told::names_an_object) => {
            // A namespace that is missing is told so, whatever was to be made in it.
            let elsewhere = details.name != about.name && details.kind == "namespaces";
            let (kind, namespace) =
                if elsewhere { ("Namespace", "") } else { (about.kind.as_str(), about.namespace.as_str()) };
            let failure = Failure::not_found("k8s-not-found").arg("kind", kind).arg("name", &details.name);
            failure.arg("place", place(namespace))
        }
        (404, _) => Failure::refused("k8s-kind-unknown").arg("kind", &about.kind),
        (409, "AlreadyExists") => {
            let failure = Failure::conflict("k8s-exists").arg("kind", &about.kind).arg("name", &about.name);
            failure.arg("place", place(&about.namespace))
        }
        (409, _) => conflict(about),
        (422, _) if about.by_steps && told.is_some_and(Told::names_nothing) => conflict(about),
        (410, _) => Failure::refused("k8s-expired").arg("kind", &about.kind),
        (429, _) => {
            let seconds = after.map_or(details.retry_after_seconds, |after| after.as_secs()).max(1);
            Failure::new(Kind::TooMany, "k8s-throttled").retry_after(seconds)
        }
        (400..500, _) if told.is_some() => Failure::refused("k8s-refused").arg("what", what(about)),
        (500.., _) => Failure::unavailable("k8s-failing").arg("status", status.as_u16()),
        _ => Failure::unavailable("k8s-answer-unreadable"),
    };
    let failure = failure.arg("cluster", cluster);
    match told {
        Some(told) if !quotes_a_secret(status, about) => causes(failure, told, &details),
        _ => failure,
    }
}

/// What is wrong with an object is said by quoting it.
fn quotes_a_secret(status: StatusCode, about: &About) -> bool {
    let is_secret = about.group.is_empty() && about.resource.starts_with("secrets");
    is_secret && matches!(status.as_u16(), 400 | 422)
}

fn causes(failure: Failure, told: &Told, details: &Details) -> Failure {
    let mut failure = if told.message.is_empty() { failure } else { failure.cause_text(bounded(&told.message)) };
    for cause in details.causes.iter().flatten().take(CAUSES_MAX) {
        let text =
            if cause.field.is_empty() { cause.message.clone() } else { format!("{}: {}", cause.field, cause.message) };
        // The sentence itself often holds them all.
        if !text.is_empty() && cause.reason != "NamespaceTerminating" && !told.message.contains(&cause.message) {
            failure = failure.cause_text(bounded(&text));
        }
    }
    failure
}

/// A wrong object can be wrong in every field.
const CAUSES_MAX: usize = 8;

/// Admission says 403 too; its sentences do not say who may not do what.
fn is_rbac(told: Option<&Told>, about: &About) -> bool {
    let who_may_not = format!(" cannot {} ", about.verb);
    told.is_some_and(|told| told.message.contains(&who_may_not) && !told.message.contains("admission webhook"))
}

fn forbidden(about: &About) -> Failure {
    let group = match about.group.as_str() {
        "" => "\"\"",
        group => group,
    };
    let rule = format!("apiGroups: [{group}], resources: [{}], verbs: [{}]", about.resource, about.verb);
    let (binding, place) = match about.namespace.as_str() {
        "" => ("ClusterRole", "*"),
        namespace => ("Role", namespace),
    };
    Failure::new(Kind::Refused, "k8s-forbidden")
        .arg("verb", about.verb)
        .arg("resource", &about.resource)
        .arg("namespace", place)
        .arg("role", binding)
        .arg("rule", rule)
}

fn conflict(about: &About) -> Failure {
    Failure::conflict("k8s-conflict").arg("what", what(about))
}

/// `Deployment.apps shop/web`.
fn what(about: &About) -> String {
    match (about.namespace.as_str(), about.name.as_str()) {
        ("", "") => about.kind.clone(),
        ("", name) => format!("{} {name}", about.kind),
        (namespace, name) => format!("{} {namespace}/{name}", about.kind),
    }
}

/// The namespace, or that there is none.
fn place(namespace: &str) -> &str {
    if namespace.is_empty() { "*" } else { namespace }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn about() -> About {
        About {
            verb: "patch",
            group: "apps".to_owned(),
            resource: "deployments/scale".to_owned(),
            kind: "Deployment.apps".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            by_steps: true,
        }
    }

    fn told(status: u16, reason: &str, message: &str, details: serde_json::Value) -> Failure {
        let body =
            json!({ "kind": "Status", "status": "Failure", "reason": reason, "message": message, "details": details });
        answered(status, &body.to_string())
    }

    fn answered(status: u16, body: &str) -> Failure {
        let told = Told::read(body.as_bytes());
        refusal(StatusCode::from_u16(status).unwrap(), told.as_ref(), None, &about(), "old")
    }

    #[test]
    fn refusals_become_failures() {
        let object = json!({ "name": "web", "group": "apps", "kind": "deployments" });
        for (status, reason, message, details, expect) in [
            (401, "Unauthorized", "Unauthorized", json!({}), "k8s-token-refused"),
            (
                403,
                "Forbidden",
                "deployments.apps \"web\" is forbidden: User \"n\" cannot patch resource \"deployments\"",
                object.clone(),
                "k8s-forbidden",
            ),
            (403, "Forbidden", "exceeded quota: pods", object.clone(), "k8s-refused"),
            (
                403,
                "Forbidden",
                "admission webhook \"tags\" denied: one cannot patch this",
                object.clone(),
                "k8s-refused",
            ),
            (404, "NotFound", "deployments.apps \"web\" not found", object.clone(), "k8s-not-found"),
            (404, "NotFound", "the server could not find the requested resource", json!({}), "k8s-kind-unknown"),
            (409, "AlreadyExists", "exists", object.clone(), "k8s-exists"),
            (409, "Conflict", "the object has been modified", object.clone(), "k8s-conflict"),
            (410, "Expired", "too old resource version", json!({}), "k8s-expired"),
            (422, "Invalid", "is invalid: spec.replicas", object.clone(), "k8s-refused"),
            (422, "Invalid", "the server rejected our request due to an error", json!({}), "k8s-conflict"),
            (429, "TooManyRequests", "slow down", json!({ "retryAfterSeconds": 7 }), "k8s-throttled"),
            (500, "InternalError", "etcdserver: request timed out", json!({}), "k8s-failing"),
        ] {
            let failure = told(status, reason, message, details);
            assert_eq!(failure.code, expect, "{status} {message}");
            assert_eq!(failure.causes[0], message);
        }
        assert_eq!(answered(429, "").retry_after_s, Some(1), "always a time");
    }

    #[test]
    fn what_stands_between_is_no_api_server() {
        for (status, body, expect) in [
            (403, "<html>denied</html>", "k8s-answer-unreadable"),
            (302, "", "k8s-answer-unreadable"),
            (502, "<html>bad gateway</html>", "k8s-failing"),
            (404, "404 page not found", "k8s-kind-unknown"),
        ] {
            assert_eq!(answered(status, body).code, expect, "{status}");
        }
    }

    #[test]
    fn what_quotes_a_secret_is_not_shown() {
        let body =
            json!({ "kind": "Status", "message": "Invalid value: {\"data\":{\"password\":\"geheim\"}}", "code": 422 });
        let told = Told::read(body.to_string().as_bytes());
        let about = About { group: String::new(), resource: "secrets".to_owned(), ..about() };
        for status in [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY] {
            let failure = refusal(status, told.as_ref(), None, &about, "old");
            assert!(!format!("{failure:?}").contains("geheim"), "{failure}");
        }
        let failure = refusal(StatusCode::CONFLICT, told.as_ref(), None, &about, "old");
        assert_eq!(failure.causes.len(), 1, "elsewhere nothing is quoted");
    }

    #[test]
    fn the_missing_rule_can_be_copied() {
        let failure = told(403, "Forbidden", "User \"n\" cannot patch resource", json!({ "name": "web" }));
        assert_eq!(failure.args["rule"], "apiGroups: [apps], resources: [deployments/scale], verbs: [patch]");
        assert_eq!((failure.args["role"].as_str(), failure.args["namespace"].as_str()), ("Role", "shop"));
    }
}
