//! What an answer other than a yes means, as a failure a person can act on.

use std::time::Duration;

use naru_core::failure::{Failure, Kind};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::application::AppRef;
use crate::resource::ResourceRef;

/// A server's sentence is shown so far.
const MESSAGE_CHARS_MAX: usize = 600;

/// gRPC's codes, which the server writes beside HTTP's.
mod grpc {
    pub const INVALID_ARGUMENT: i64 = 3;
    pub const NOT_FOUND: i64 = 5;
    pub const ALREADY_EXISTS: i64 = 6;
    pub const PERMISSION_DENIED: i64 = 7;
    pub const RESOURCE_EXHAUSTED: i64 = 8;
    pub const FAILED_PRECONDITION: i64 = 9;
    pub const ABORTED: i64 = 10;
    pub const UNAUTHENTICATED: i64 = 16;
}

/// What a call is about, for the failure that it may end in.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The Application.
    pub app: Option<AppRef>,
    /// One of its objects.
    pub resource: Option<ResourceRef>,
    /// The right that the server asks for: `applications, sync, shop/web`.
    pub right: String,
}

impl About {
    /// A call that needs no right of its own.
    pub fn nothing() -> About {
        About::default()
    }

    /// A call about no Application that needs a right.
    pub fn right(right: impl Into<String>) -> About {
        About { right: right.into(), ..About::default() }
    }

    /// A call about an Application that needs the right to `action` on it.
    pub fn app(app: &AppRef, action: &str) -> About {
        let right = format!("applications, {action}, {}", app.rbac_object());
        About { app: Some(app.clone()), resource: None, right }
    }

    /// A call about one of an Application's objects.
    pub fn resource(app: &AppRef, resource: &ResourceRef, action: &str) -> About {
        About { resource: Some(resource.clone()), ..About::app(app, action) }
    }

    fn app_name(&self) -> &str {
        self.app.as_ref().map_or("", |app| &app.name)
    }

    fn project(&self) -> &str {
        // Of `projects, get, NAME` the last is the project.
        self.app.as_ref().map_or_else(|| self.right.rsplit(", ").next().unwrap_or_default(), |app| &app.project)
    }

    /// Adds what a failure's texts may name.
    fn name_in(&self, failure: Failure) -> Failure {
        match &self.app {
            Some(app) => failure.arg("app", &app.name).arg("project", &app.project),
            None => failure,
        }
    }
}

/// What the server says of a refusal; read by serde it is the stream's, which has names of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    #[serde(rename = "grpc_code")]
    code: i64,
    http_code: u16,
    message: String,
}

impl Told {
    /// Reads the body of a refusal, if it is one of Argo CD's own.
    pub fn read(body: &[u8]) -> Option<Told> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        // Both `error` and `message` are written, alike.
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let message = text("message").or_else(|| text("error"))?;
        Some(Told { code: value["code"].as_i64().unwrap_or_default(), http_code: 0, message })
    }

    /// The stream's error.
    pub fn refusal(&self, about: &About, url: &str) -> Failure {
        let status = StatusCode::from_u16(self.http_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        refusal(status, Some(self), None, about, url)
    }
}

/// What `status` with what was `told` means.
pub fn refusal(status: StatusCode, told: Option<&Told>, after: Option<Duration>, about: &About, url: &str) -> Failure {
    let (code, message) = told.map_or((0, ""), |told| (told.code, told.message.as_str()));
    let failure = match (status, code) {
        (StatusCode::UNAUTHORIZED, _) | (_, grpc::UNAUTHENTICATED) => Failure::refused("argocd-token-refused"),
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, grpc::RESOURCE_EXHAUSTED) => {
            Failure::new(Kind::TooMany, "argocd-throttled").retry_after(after.map_or(1, |after| after.as_secs()))
        }
        _ if is_conflict(status, code, message) => Failure::conflict("argocd-conflict").arg("what", what(about)),
        (_, grpc::ALREADY_EXISTS) => Failure::conflict("argocd-app-exists"),
        _ if message.contains("existing application spec is different") => Failure::conflict("argocd-app-exists"),
        (StatusCode::FORBIDDEN, _) | (_, grpc::PERMISSION_DENIED) => forbidden(message, told.is_some(), about),
        (_, grpc::NOT_FOUND) => unknown(message, about),
        (_, grpc::FAILED_PRECONDITION) if message.contains("another operation") => {
            Failure::conflict("argocd-operation-running")
        }
        (_, grpc::INVALID_ARGUMENT) if message.contains("not found as part of application") => unknown(message, about),
        (_, grpc::FAILED_PRECONDITION | grpc::INVALID_ARGUMENT) => Failure::refused("argocd-refused"),
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, _) if told.is_some() => {
            Failure::refused("argocd-refused")
        }
        _ if status.is_server_error() => {
            let failure = Failure::unavailable("argocd-failing").arg("status", status.as_u16());
            after.map_or(failure.clone(), |after| failure.retry_after(after.as_secs()))
        }
        _ => Failure::unavailable("argocd-bad-answer").cause_text(format!("HTTP {}", status.as_u16())),
    };
    let failure = about.name_in(failure.arg("url", url));
    if message.is_empty() { failure } else { failure.cause_text(shortened(message)) }
}

fn is_conflict(status: StatusCode, code: i64, message: &str) -> bool {
    // As a JSON patch says it whose `test` found something else; a repository is tested too.
    let is_test = message.contains("testing value ") && message.contains("failed");
    code == grpc::ABORTED
        || message.contains("the object has been modified")
        || is_test
        || status == StatusCode::CONFLICT && code != grpc::ALREADY_EXISTS
}

fn forbidden(message: &str, is_own: bool, about: &About) -> Failure {
    if message.contains("blocked by sync window") {
        return Failure::refused("argocd-window-blocks");
    }
    if !is_own {
        // A gateway before it; Argo CD itself always says why.
        return Failure::unavailable("argocd-bad-answer").cause_text("HTTP 403");
    }
    // Without a project the server says no more than this of what is missing.
    if about.app.as_ref().is_some_and(|app| app.project.is_empty()) {
        return Failure::not_found("argocd-app-unknown");
    }
    // Where it says which right, that is the one; where it must not tell whether the Application exists, ours is.
    let named = message.strip_prefix("permission denied: ").map(|named| named.split(", sub:").next().unwrap_or(named));
    Failure::refused("argocd-forbidden").arg("right", named.unwrap_or(&about.right))
}

fn unknown(message: &str, about: &About) -> Failure {
    // An object that is missing is told of with its own kind, an Application with its.
    match (&about.resource, &about.app) {
        (Some(resource), _) if !message.contains("applications.argoproj.io") => {
            Failure::not_found("argocd-resource-unknown").arg("kind", &resource.kind).arg("name", &resource.name)
        }
        (_, Some(_)) => Failure::not_found("argocd-app-unknown"),
        _ => Failure::not_found("argocd-project-unknown").arg("project", about.project()),
    }
}

fn what(about: &About) -> &str {
    if about.app.is_some() { about.app_name() } else { about.project() }
}

fn shortened(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(status: u16, body: &str, expect: &str) -> Failure {
        let about = About::app(&AppRef::new("shop", "web"), "sync");
        let told = Told::read(body.as_bytes());
        let failure = refusal(StatusCode::from_u16(status).unwrap(), told.as_ref(), None, &about, "http://argocd");
        assert_eq!(failure.code, expect, "{status} {body}");
        failure
    }

    fn body(code: i64, message: &str) -> String {
        json!({ "code": code, "error": message, "message": message }).to_string()
    }

    #[test]
    fn each_refusal_has_its_code() {
        for (status, code, message, expect) in [
            (401, 16, "invalid session: token is expired", "argocd-token-refused"),
            (403, 7, "permission denied", "argocd-forbidden"),
            (403, 7, "cannot sync: blocked by sync window", "argocd-window-blocks"),
            (404, 5, "applications.argoproj.io \"web\" not found", "argocd-app-unknown"),
            (400, 9, "another operation is already in progress", "argocd-operation-running"),
            (400, 9, "Cannot sync to x: auto-sync currently set to main", "argocd-refused"),
            (400, 3, "error applying patch: testing value /spec failed", "argocd-conflict"),
            (400, 3, "existing application spec is different, use upsert flag", "argocd-app-exists"),
            (409, 6, "application already exists", "argocd-app-exists"),
            (409, 10, "conflict", "argocd-conflict"),
            (500, 2, "Operation cannot be fulfilled: the object has been modified", "argocd-conflict"),
            (429, 8, "slow down", "argocd-throttled"),
            (500, 2, "boom", "argocd-failing"),
            (503, 14, "no repo server", "argocd-failing"),
        ] {
            check(status, &body(code, message), expect);
        }
    }

    #[test]
    fn what_stands_between_is_not_argo_cd() {
        check(403, "<html>denied</html>", "argocd-bad-answer");
        check(404, "404 page not found", "argocd-bad-answer");
        check(302, "", "argocd-bad-answer");
        check(502, "<html>bad gateway</html>", "argocd-failing");
    }

    #[test]
    fn the_missing_right_is_the_servers_where_it_names_one() {
        let right = |message: &str| check(403, &body(7, message), "argocd-forbidden").args["right"].clone();
        assert_eq!(right("permission denied"), "applications, sync, shop/web");
        assert_eq!(
            right("permission denied: applications, override, shop/web, sub: naru, iat: 2026"),
            "applications, override, shop/web"
        );
    }
}
