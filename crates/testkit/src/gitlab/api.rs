//! The REST API: the calls that are used, with the fields that are read, and GitLab's words for what it refuses.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State as Given};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{MergeRequest, Project, State};
use super::{Shared, TOKEN};

type Parameters = Query<HashMap<String, String>>;

/// Runs `work` for whoever shows the token and names a project.
fn within(
    shared: &Shared,
    headers: &HeaderMap,
    project: &str,
    work: impl FnOnce(&str, &Project, &str) -> Response,
) -> Response {
    let state = shared.lock();
    if headers.get("private-token").is_none_or(|token| token != TOKEN) {
        return refusal(StatusCode::UNAUTHORIZED, json!("401 Unauthorized"));
    }
    match state.project(project) {
        Some((path, project)) => work(path, project, &state.url),
        None => refusal(StatusCode::NOT_FOUND, json!("404 Project Not Found")),
    }
}

fn refusal(status: StatusCode, message: Value) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

pub(super) async fn project(Given(shared): Given<Shared>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    within(&shared, &headers, &name, |path, project, url| {
        let default = project.origin.head("main").map(|_| "main");
        let web_url = format!("{url}/{path}");
        Json(json!({ "id": project.id, "path_with_namespace": path, "web_url": web_url, "default_branch": default }))
            .into_response()
    })
}

pub(super) async fn commit(
    Given(shared): Given<Shared>,
    Path((name, commit)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    within(&shared, &headers, &name, |path, project, url| {
        let Some(id) = commit_of(project, &commit) else {
            return refusal(StatusCode::NOT_FOUND, json!("404 Commit Not Found"));
        };
        let told = project.origin.git(&["log", "-1", "--format=%an%x00%s", &id]);
        let (author, title) = told.split_once('\0').unwrap_or_default();
        let web_url = format!("{url}/{path}/-/commit/{id}");
        Json(json!({ "id": id, "title": title, "author_name": author, "web_url": web_url })).into_response()
    })
}

/// A branch, a tag, a commit's id or the beginning of one.
fn commit_of(project: &Project, name: &str) -> Option<String> {
    let kinds = ["refs/heads/", "refs/tags/", ""];
    let ids = kinds.iter().map(|kind| format!("{kind}{name}^{{commit}}"));
    let listed = project.origin.git(&["for-each-ref", "--format=%(refname)"]);
    let is_known = |id: &String| {
        let bare = id.trim_end_matches("^{commit}");
        listed.lines().any(|line| line == bare) || bare.len() >= 7 && bare.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let mut known = ids.filter(is_known);
    known.find_map(|id| {
        let found = project.origin.git(&["log", "--all", "--format=%H"]);
        let bare = id.trim_end_matches("^{commit}").to_owned();
        if bare.starts_with("refs/") {
            return Some(project.origin.git(&["rev-parse", &id]));
        }
        found.lines().find(|line| line.starts_with(&bare)).map(str::to_owned)
    })
}

fn named(project: &Project, kind: &str) -> Vec<Value> {
    let listed = project.origin.git(&["for-each-ref", "--format=%(refname:strip=2)", kind]);
    listed.lines().map(|name| json!({ "name": name })).collect()
}

pub(super) async fn branches(Given(shared): Given<Shared>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    within(&shared, &headers, &name, |_, project, _| Json(named(project, "refs/heads")).into_response())
}

pub(super) async fn tags(Given(shared): Given<Shared>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    within(&shared, &headers, &name, |_, project, _| Json(named(project, "refs/tags")).into_response())
}

pub(super) async fn branch(
    Given(shared): Given<Shared>,
    Path((name, branch)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    within(&shared, &headers, &name, |_, project, _| {
        let Some(id) = project.origin.head(&branch) else {
            return refusal(StatusCode::NOT_FOUND, json!("404 Branch Not Found"));
        };
        let protected = project.origin.is_protected(&branch);
        let commit = json!({ "id": id });
        Json(json!({ "name": branch, "commit": commit, "protected": protected, "can_push": !protected }))
            .into_response()
    })
}

pub(super) async fn pipelines(
    Given(shared): Given<Shared>,
    Path(name): Path<String>,
    Query(query): Parameters,
    headers: HeaderMap,
) -> Response {
    within(&shared, &headers, &name, |path, project, url| {
        let is = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
        let mut found: Vec<_> =
            project.pipelines.iter().filter(|it| is("sha", &it.sha) && is("ref", &it.name)).collect();
        // By id, and the newest first unless asked otherwise.
        if !is("sort", "asc") || !query.contains_key("sort") {
            found.reverse();
        }
        let told = found.into_iter().take(per_page(&query)).map(|it| {
            let web_url = format!("{url}/{path}/-/pipelines/{}", it.id);
            json!({ "id": it.id, "sha": it.sha, "ref": it.name, "status": it.status, "web_url": web_url })
        });
        Json(told.collect::<Vec<_>>()).into_response()
    })
}

fn per_page(query: &HashMap<String, String>) -> usize {
    query.get("per_page").and_then(|count| count.parse().ok()).unwrap_or(20).min(100)
}

pub(super) async fn merge_requests(
    Given(shared): Given<Shared>,
    Path(name): Path<String>,
    Query(query): Parameters,
    headers: HeaderMap,
) -> Response {
    within(&shared, &headers, &name, |_, project, _| {
        let is = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
        let found = project.merge_requests.iter().rev().filter(|it| {
            let is_state = is("state", "all") || is("state", it.state);
            is_state && is("source_branch", &it.source_branch) && is("target_branch", &it.target_branch)
        });
        Json(found.take(per_page(&query)).cloned().collect::<Vec<MergeRequest>>()).into_response()
    })
}

pub(super) async fn merge_request(
    Given(shared): Given<Shared>,
    Path((name, iid)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Response {
    within(&shared, &headers, &name, |_, project, _| match project.merge_requests.iter().find(|it| it.iid == iid) {
        Some(found) => Json(found).into_response(),
        None => refusal(StatusCode::NOT_FOUND, json!("404 Not found")),
    })
}

#[derive(Deserialize)]
pub(super) struct Change {
    state_event: String,
}

/// Of changes only `close`, which a merged one refuses.
pub(super) async fn change_merge_request(
    Given(shared): Given<Shared>,
    Path((name, iid)): Path<(String, u64)>,
    headers: HeaderMap,
    Json(change): Json<Change>,
) -> Response {
    let seen = within(&shared, &headers, &name, |_, project, _| {
        match project.merge_requests.iter().find(|it| it.iid == iid) {
            None => refusal(StatusCode::NOT_FOUND, json!("404 Not found")),
            Some(_) if change.state_event != "close" => {
                refusal(StatusCode::BAD_REQUEST, json!("state_event does not have a valid value"))
            }
            Some(it) if it.state != "opened" => {
                refusal(StatusCode::UNPROCESSABLE_ENTITY, json!(["State cannot transition via \"close\""]))
            }
            Some(_) => StatusCode::OK.into_response(),
        }
    });
    if seen.status() != StatusCode::OK {
        return seen;
    }
    let mut state = shared.lock();
    let Some((path, _)) = state.project(&name).map(|(path, project)| (path.to_owned(), project.id)) else {
        return seen;
    };
    let found = state.project_mut(&path).merge_requests.iter_mut().find(|it| it.iid == iid);
    let found = found.expect("it was just seen");
    found.state = "closed";
    Json(found.clone()).into_response()
}

#[derive(Deserialize)]
pub(super) struct Create {
    source_branch: String,
    target_branch: String,
    title: String,
}

pub(super) async fn open_merge_request(
    Given(shared): Given<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(create): Json<Create>,
) -> Response {
    let seen = within(&shared, &headers, &name, |path, project, url| {
        let is_same = |it: &&MergeRequest| {
            let are_same = (&it.source_branch, &it.target_branch) == (&create.source_branch, &create.target_branch);
            it.state == "opened" && are_same && it.source_project_id == project.id
        };
        if let Some(open) = project.merge_requests.iter().find(is_same) {
            let text = format!("Another open merge request already exists for this source branch: !{}", open.iid);
            return refusal(StatusCode::CONFLICT, json!([text]));
        }
        let iid = project.merge_requests.len() as u64 + 1;
        let made = MergeRequest {
            iid,
            web_url: format!("{url}/{path}/-/merge_requests/{iid}"),
            state: "opened",
            sha: project.origin.head(&create.source_branch),
            source_branch: create.source_branch.clone(),
            target_branch: create.target_branch.clone(),
            title: create.title.clone(),
            source_project_id: project.id,
            target_project_id: project.id,
            merge_commit_sha: None,
            squash_commit_sha: None,
        };
        let mut response = (StatusCode::CREATED, Json(made.clone())).into_response();
        response.extensions_mut().insert(made);
        response
    });
    if let Some(made) = seen.extensions().get::<MergeRequest>() {
        keep(&mut shared.lock(), &name, made.clone());
    }
    seen
}

fn keep(state: &mut State, name: &str, made: MergeRequest) {
    let found = state.projects.iter_mut().find(|(path, project)| *path == name || project.id.to_string() == name);
    if let Some((_, project)) = found {
        project.merge_requests.push(made);
    }
}
