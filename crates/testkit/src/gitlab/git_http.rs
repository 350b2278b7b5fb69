//! The Git server: `git http-backend`, called as a web server calls it (git-http-backend(1)).

use std::process::Stdio;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Given};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncWriteExt;

use super::{METHODS, Shared, has_password, unauthorized};

/// No test pushes more.
const REQUEST_BYTES_MAX: usize = 64 << 20;

pub(super) async fn serve(Given(shared): Given<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Some((project, service)) = path.split_once(".git/") else {
        return (StatusCode::NOT_FOUND, "404 Not Found").into_response();
    };
    if !METHODS.contains(&head.method) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    // First, so that who has no token cannot tell what there is.
    if !has_password(&head.headers) {
        return unauthorized("Basic realm=\"GitLab\"", "HTTP Basic: Access denied.\n");
    }
    let origin = shared.lock().project(project.trim_start_matches('/')).map(|(_, project)| project.origin.clone());
    let Some(origin) = origin else {
        let told = "The project you were looking for could not be found or you don't have permission to view it.\n";
        return (StatusCode::NOT_FOUND, told).into_response();
    };
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    let text = |name: header::HeaderName| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut command = tokio::process::Command::from(crate::origin::command(&origin.path()));
    command
        .arg("http-backend")
        .env_remove("GIT_DIR")
        .env("GIT_PROJECT_ROOT", origin.path())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{service}"))
        .env("REQUEST_METHOD", head.method.as_str())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING))
        .env("GIT_PROTOCOL", text(header::HeaderName::from_static("git-protocol")))
        .env("REMOTE_USER", "naru")
        .stdin(Stdio::piped())
        // Goes on when the caller has gone, as behind a web server.
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("Git is installed: apt-get install git");
    let mut stdin = child.stdin.take().expect("it is piped");
    let fed = async move {
        // It may refuse before it has read all.
        let _ = stdin.write_all(&body).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), fed);
    answer(&output.expect("a child can be waited for").stdout)
}

/// What a CGI program printed: headers, an empty line, the body.
fn answer(printed: &[u8]) -> Response {
    let end = printed.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(printed.len());
    let head = String::from_utf8_lossy(&printed[..end]).into_owned();
    let body = printed.get(end + 4..).unwrap_or_default().to_vec();
    let mut response = Response::builder();
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or("500")),
            name => response.header(name, value),
        };
    }
    response.body(Body::from(body)).expect("Git prints headers")
}
