//! A stand-in GitLab: its REST API, its Git server and its image registry, on a free port of the loopback.
//!
//! The repositories are real ([`Origin`]) and so is what serves them (`git http-backend`); what GitLab adds is kept in
//! memory and follows its documented rules: everything is private and wants the token, a project that is not seen is
//! "404 Project Not Found", one open merge request for each pair of branches (409), protected branches refuse pushes, a
//! registry asks for a token of its own first and shows lists of manifests to those alone who take them. Each call is
//! in the ledger with its answer, and faults are asked for by a part of the path.

mod api;
mod git_http;
mod images;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Given};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::gitlab::state::{MergeRequest, Pipeline, Planned, Project, State};
use crate::origin::Origin;

/// The token that sees and may do everything: as `PRIVATE-TOKEN`, and as the password of Git and of the registry.
pub const TOKEN: &str = "glpat-0123456789abcdef";

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// This status, and nothing done.
    Status(u16),
    /// 429 with `Retry-After`, and nothing done.
    Throttle {
        /// Seconds.
        retry_after_s: u64,
    },
    /// It is done, and the answer breaks off.
    LoseAnswer,
    /// It is done, and answered when the test says so ([`Gitlab::release`]).
    Hold,
    /// A page of something that stands between, with 200.
    Page,
    /// An answer without an end worth waiting for.
    Flood,
}

/// A call that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET` and the like.
    pub method: String,
    /// The path with its query, as it was sent.
    pub path: String,
    /// The status of the answer, whether or not it arrived.
    pub status: u16,
}

/// A running stand-in. Dropping it ends it.
pub struct Gitlab {
    /// Its address, without a slash at its end; of the registry too.
    pub url: String,
    shared: Shared,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Gitlab {
    /// Starts one without projects.
    pub fn start() -> Gitlab {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a machine has room for a thread");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        listener.set_nonblocking(true).expect("a socket can be told not to block");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let shared = Shared(Arc::new(Mutex::new(State::new(url.clone()))));
        let app = router(shared.clone());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("it listens");
            axum::serve(listener, app).await
        });
        Gitlab { url, shared, runtime: Some(runtime) }
    }

    /// Makes a project with a fresh repository, whose default branch is `main`.
    pub fn project(&self, path: &str) -> Arc<Origin> {
        let origin = Arc::new(Origin::new());
        origin.config("http.receivepack", "true");
        let mut state = self.shared.lock();
        let id = state.projects.len() as u64 + 1;
        let project = Project { id, origin: origin.clone(), pipelines: Vec::new(), merge_requests: Vec::new() };
        state.projects.insert(path.to_owned(), project);
        origin
    }

    /// The repository of a project that there is.
    pub fn project_of(&self, path: &str) -> Arc<Origin> {
        self.shared.lock().project_mut(path).origin.clone()
    }

    /// The address of a project's repository over HTTP.
    pub fn git_url(&self, project: &str) -> String {
        format!("{}/{project}.git", self.url)
    }

    /// Makes a pipeline for a commit and answers its number.
    pub fn pipeline(&self, project: &str, commit: &str, name: &str, status: &str) -> u64 {
        let mut state = self.shared.lock();
        state.pipelines_made += 1;
        let id = state.pipelines_made;
        let pipeline = Pipeline { id, sha: commit.to_owned(), name: name.to_owned(), status: status.to_owned() };
        state.project_mut(project).pipelines.push(pipeline);
        id
    }

    /// Opens a merge request of somebody's fork, and answers its number.
    pub fn request_of_fork(&self, project: &str, source: &str, target: &str) -> u64 {
        let mut state = self.shared.lock();
        let web_url = format!("{}/{project}/-/merge_requests/", state.url);
        let project = state.project_mut(project);
        let iid = project.merge_requests.len() as u64 + 1;
        project.merge_requests.push(MergeRequest {
            iid,
            web_url: format!("{web_url}{iid}"),
            state: "opened",
            source_branch: source.to_owned(),
            target_branch: target.to_owned(),
            title: "Of a fork".to_owned(),
            source_project_id: project.id + 1_000,
            target_project_id: project.id,
            sha: None,
            merge_commit_sha: None,
            squash_commit_sha: None,
        });
        iid
    }

    /// Merges a merge request, as a person does, and answers the commit.
    pub fn merge(&self, project: &str, number: u64) -> String {
        let mut state = self.shared.lock();
        let project = state.project_mut(project);
        let request = project.merge_requests.iter_mut().find(|it| it.iid == number).expect("it was opened");
        let commit = project.origin.merge(&request.source_branch, &request.target_branch);
        (request.state, request.merge_commit_sha) = ("merged", Some(commit.clone()));
        commit
    }

    /// Closes a merge request, as a person does.
    pub fn close(&self, project: &str, number: u64) {
        let mut state = self.shared.lock();
        let requests = &mut state.project_mut(project).merge_requests;
        requests.iter_mut().find(|it| it.iid == number).expect("it was opened").state = "closed";
    }

    /// How a merge request stands: `opened`, `merged`, `closed`.
    pub fn merge_request_state(&self, project: &str, number: u64) -> &'static str {
        let mut state = self.shared.lock();
        let requests = &state.project_mut(project).merge_requests;
        requests.iter().find(|it| it.iid == number).expect("it was opened").state
    }

    /// The merge requests of a project, `(number, source, target)`.
    pub fn merge_requests(&self, project: &str) -> Vec<(u64, String, String)> {
        let mut state = self.shared.lock();
        let of = |it: &MergeRequest| (it.iid, it.source_branch.clone(), it.target_branch.clone());
        state.project_mut(project).merge_requests.iter().map(of).collect()
    }

    /// Puts an image for several architectures into the registry and answers its digest.
    pub fn push_image(&self, name: &str, tag: &str) -> String {
        images::push(&mut self.shared.lock(), name, tag, 1)
    }

    /// Pushes another image by a tag that there is, and answers its digest.
    pub fn move_tag(&self, name: &str, tag: &str) -> String {
        images::push(&mut self.shared.lock(), name, tag, 2)
    }

    /// Leaves the digest out of the registry's headers, as some do.
    pub fn hide_digests(&self) {
        self.shared.lock().hides_digests = true;
    }

    /// Asks for a fault at the next `times` calls whose path holds `path`.
    pub fn fault(&self, path: &str, fault: Fault, times: u32) {
        self.fault_at("", path, fault, times);
    }

    /// As [`Gitlab::fault`], for calls of one method.
    pub fn fault_at(&self, method: &str, path: &str, fault: Fault, times: u32) {
        let planned = Planned { method: method.to_owned(), path: path.to_owned(), fault, times };
        self.shared.lock().faults.push(planned);
    }

    /// How many calls [`Fault::Hold`] has kept so far.
    pub fn held(&self) -> usize {
        self.shared.lock().held
    }

    /// Answers all calls that [`Fault::Hold`] keeps.
    pub fn release(&self) {
        self.shared.lock().released.send_modify(|times| *times += 1);
    }

    /// Sends every call to another server from now on.
    pub fn redirect_to(&self, url: &str) {
        self.shared.lock().moved_to = Some(url.to_owned());
    }

    /// Every call so far, oldest first.
    pub fn ledger(&self) -> Vec<Call> {
        self.shared.lock().ledger.clone()
    }

    /// How many calls with that method had `path` in theirs.
    pub fn calls(&self, method: &str, path: &str) -> usize {
        self.ledger().iter().filter(|call| call.method == method && call.path.contains(path)).count()
    }
}

impl Drop for Gitlab {
    fn drop(&mut self) {
        // Also inside a test's own runtime, where waiting for another one is refused.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

fn router(shared: Shared) -> Router {
    let project = "/api/v4/projects/{project}";
    Router::new()
        .route(project, get(api::project))
        .route(&format!("{project}/repository/commits/{{name}}"), get(api::commit))
        .route(&format!("{project}/repository/branches"), get(api::branches))
        .route(&format!("{project}/repository/branches/{{name}}"), get(api::branch))
        .route(&format!("{project}/repository/tags"), get(api::tags))
        .route(&format!("{project}/pipelines"), get(api::pipelines))
        .route(&format!("{project}/merge_requests"), get(api::merge_requests).post(api::open_merge_request))
        .route(&format!("{project}/merge_requests/{{iid}}"), get(api::merge_request).put(api::change_merge_request))
        .route("/jwt/auth", get(images::token))
        .route("/v2/{*path}", get(images::manifest))
        .fallback(git_http::serve)
        .layer(from_fn_with_state(shared.clone(), noted))
        .with_state(shared)
}

/// Applies a fault, and writes what came and what was answered into the ledger.
async fn noted(Given(shared): Given<Shared>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let fault = shared.lock().fault_of(&method, &path);
    let moved_to = shared.lock().moved_to.clone();
    if let Some(url) = moved_to {
        return Redirect::temporary(&format!("{url}{path}")).into_response();
    }
    let response = match fault {
        Some(Fault::Status(status)) => StatusCode::from_u16(status).expect("a test asks for a status").into_response(),
        Some(Fault::Throttle { retry_after_s }) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, retry_after_s.to_string())]).into_response()
        }
        Some(Fault::Page) => axum::response::Html("<title>Sign in</title>").into_response(),
        Some(Fault::Flood) => Bytes::from(vec![b' '; 64 << 20]).into_response(),
        Some(Fault::LoseAnswer | Fault::Hold) | None => next.run(request).await,
    };
    shared.lock().ledger.push(Call { method, path, status: response.status().as_u16() });
    match fault {
        Some(Fault::Hold) => {
            let mut released = shared.lock().hold();
            // An error means that the stand-in has gone.
            let _ = released.changed().await;
            response
        }
        Some(Fault::LoseAnswer) => {
            let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
            response.map(|_| Body::from_stream(broken))
        }
        _ => response,
    }
}

/// Whether `Authorization: Basic` carries the token as its password.
fn has_password(headers: &axum::http::HeaderMap) -> bool {
    use base64::Engine;
    let encoded = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = encoded.and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    decoded.is_some_and(|bytes| String::from_utf8_lossy(&bytes).split_once(':').is_some_and(|(_, it)| it == TOKEN))
}

fn unauthorized(challenge: &str, body: &'static str) -> Response {
    let challenge = HeaderValue::from_str(challenge).expect("it is plain text");
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], body).into_response()
}

/// The only methods that any of it takes besides `HEAD`.
const METHODS: [Method; 2] = [Method::GET, Method::POST];
