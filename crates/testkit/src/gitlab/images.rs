//! The image registry (OCI Distribution Specification 1.1) and the tokens that GitLab gives for it.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State as Given};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::state::State;
use super::{Shared, has_password, unauthorized};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Pushes the image of a tag as it comes from its `build`; what the tag stood for before stays by its digest.
pub(super) fn push(state: &mut State, name: &str, tag: &str, build: u32) -> String {
    let annotations = json!({ "tag": tag, "build": build });
    let manifest = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": annotations });
    let manifest = manifest.to_string();
    let digest = digest_of(&manifest);
    for reference in [tag, &digest] {
        state.images.insert((name.to_owned(), reference.to_owned()), manifest.clone());
    }
    digest
}

fn digest_of(manifest: &str) -> String {
    let digits: String = Sha256::digest(manifest).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// Gives a token for a scope: one that opens it to who knows the password, one that opens nothing to who shows none.
pub(super) async fn token(
    Given(shared): Given<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let scope = query.get("scope").cloned().unwrap_or_default();
    let is_here = query.get("service").is_some_and(|service| service == "container_registry");
    if !is_here || headers.contains_key(header::AUTHORIZATION) && !has_password(&headers) {
        return unauthorized("Basic realm=\"GitLab\"", "HTTP Basic: Access denied");
    }
    let mut state = shared.lock();
    let token = format!("registry-token-{}", state.registry_tokens.len());
    let opened = if headers.contains_key(header::AUTHORIZATION) { scope } else { String::new() };
    state.registry_tokens.insert((token.clone(), opened));
    Json(json!({ "token": token, "expires_in": 60 })).into_response()
}

/// `NAME/manifests/TAG`, or a digest; `HEAD` comes here too, and loses the body on its way.
pub(super) async fn manifest(Given(shared): Given<Shared>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let state = shared.lock();
    let Some((name, tag)) = path.split_once("/manifests/") else { return StatusCode::NOT_FOUND.into_response() };
    let scope = format!("repository:{name}:pull");
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !shown.is_some_and(|token| state.registry_tokens.contains(&(token.to_owned(), scope.clone()))) {
        let challenge =
            format!("Bearer realm=\"{}/jwt/auth\",service=\"container_registry\",scope=\"{scope}\"", state.url);
        return unauthorized(&challenge, "{\"errors\":[{\"code\":\"UNAUTHORIZED\"}]}");
    }
    let takes_lists = headers.get_all(header::ACCEPT).iter().any(|it| it.to_str().is_ok_and(|it| it.contains(INDEX)));
    match state.images.get(&(name.to_owned(), tag.to_owned())) {
        Some(manifest) if takes_lists => {
            let mut response = ([(header::CONTENT_TYPE, INDEX)], manifest.clone()).into_response();
            if !state.hides_digests {
                let digest = digest_of(manifest).parse().expect("a digest is plain text");
                response.headers_mut().insert("docker-content-digest", digest);
            }
            response
        }
        _ => (StatusCode::NOT_FOUND, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}").into_response(),
    }
}
