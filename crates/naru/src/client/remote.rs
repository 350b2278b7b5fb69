//! A running `serve`, asked over HTTP: the same calls over its socket and over a URL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::TryStreamExt;
use naru_component::answer::Answer;
use naru_component::word::{Progress, Word};
use naru_core::failure::{Failure, Kind};
use naru_core::masked::Secret;
use naru_core::text::Lang;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::upload_of;
use crate::wire::{HEARTBEAT_S, LINES, Line};

/// A running `serve`.
pub struct Remote {
    http: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    token: Option<Secret>,
    lang: Lang,
    /// Whether it reads the same disk as we do.
    near: bool,
}

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A server sends at least a heartbeat; three that fail to come mean that it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(3 * HEARTBEAT_S);
/// An answer is read by a person or held in memory by a program: more than this is a fault.
const LINE_BYTES_MAX: usize = 64 << 20;
/// What of a foreign error page is worth showing.
const ERROR_CHARS_MAX: usize = 300;

impl Remote {
    /// The one of this machine.
    pub fn near(socket: &Path, lang: Lang) -> Result<Remote, Failure> {
        let http = client().unix_socket(socket).build().map_err(Failure::bug)?;
        // HTTP wants a host; the socket decides who hears it.
        Ok(Remote { http, base: "http://naru".to_owned(), token: None, lang, near: true })
    }

    /// One at a URL.
    pub fn far(url: &str, token: Option<Secret>, lang: Lang) -> Result<Remote, Failure> {
        let wrong = |why: &str| Failure::usage("url-wrong").arg("url", url).cause_text(why);
        let parsed = reqwest::Url::parse(url).map_err(|e| wrong(&e.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong("it begins with neither http:// nor https://"));
        }
        let http = client().build().map_err(Failure::bug)?;
        Ok(Remote { http, base: url.trim_end_matches('/').to_owned(), token, lang, near: false })
    }

    /// Says `word` there.
    pub async fn say(&self, word: &Word, args: Value, progress: &Progress) -> Result<Answer, Failure> {
        let url = format!("{}/v1/{}", self.base, word.path.replace(' ', "/"));
        let (Some(path), Some(name)) = (upload_of(word, &args)?, word.upload) else {
            return self.ask(self.http.post(url).json(&args), progress).await;
        };
        if self.near {
            let mut args = args.clone();
            args[name] = path.display().to_string().into();
            let outcome = self.ask(self.http.post(&url).json(&args), progress).await;
            if !outcome.as_ref().is_err_and(|failure| failure.code == "upload-unreadable") {
                return outcome;
            }
            // It runs as a user who may not read our file: hand the bytes over instead.
        }
        let body = reqwest::Body::wrap_stream(bytes_of(&path, progress).await?);
        let args = form_urlencoded::byte_serialize(args.to_string().as_bytes()).collect::<String>();
        self.ask(self.http.post(format!("{url}?args={args}")).body(body), progress).await
    }

    /// Brings the file at `href` here.
    pub async fn fetch(&self, href: &str, to: &Path) -> Result<(), Failure> {
        // A path of that server and nothing else: the token must not go to where an answer points.
        if !href.starts_with('/') || href.starts_with("//") {
            return Err(Failure::bug(format!("{href} is no path")));
        }
        let mut response = self.send(self.http.get(format!("{}{href}", self.base))).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let unwritten = |e: std::io::Error| Failure::refused("file-uncopied").arg("path", to.display()).cause(&e);
        let mut file = File::create(to).await.map_err(unwritten)?;
        while let Some(bytes) = self.chunk(&mut response).await? {
            file.write_all(&bytes).await.map_err(unwritten)?;
        }
        file.flush().await.map_err(unwritten)
    }

    async fn ask(&self, request: RequestBuilder, progress: &Progress) -> Result<Answer, Failure> {
        let response = self.send(request.header("accept", LINES)).await?;
        let is_lines = response.headers().get("content-type").is_some_and(|kind| kind == LINES);
        if is_lines { self.read(response, progress).await } else { Err(refusal(response).await) }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = request.header("accept-language", self.lang.tag());
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        };
        let sent = request.send().await;
        sent.map_err(|e| if e.is_connect() { self.unreachable(&e) } else { self.stopped(&e) })
    }

    async fn read(&self, mut response: Response, progress: &Progress) -> Result<Answer, Failure> {
        let mut line = Vec::new();
        while let Some(bytes) = self.chunk(&mut response).await? {
            let mut parts = bytes.split(|byte| *byte == b'\n');
            line.extend_from_slice(parts.next().unwrap_or_default());
            // Each further part begins behind the end of a line.
            for part in parts {
                match serde_json::from_slice(&line).map_err(|e| self.unreachable(&e))? {
                    Line::Progress(done, total) => progress.set(done, total),
                    Line::Answer(answer) => return Ok(answer),
                    Line::Failure(failure) => return Err(failure),
                }
                line.clear();
                line.extend_from_slice(part);
            }
            if line.len() > LINE_BYTES_MAX {
                break;
            }
        }
        Err(Failure::unavailable("server-silent").arg("url", &self.base))
    }

    /// The next bytes. Bounded here and not in the client, which would count the sending of a long file as silence.
    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
            Ok(read) => read.map_err(|e| self.stopped(&e)),
            Err(_) => Err(Failure::unavailable("server-silent").arg("url", &self.base)),
        }
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::unavailable("server-unreachable").arg("url", &self.base).cause(error)
    }

    /// It heard what was asked and did not get to the end of its answer.
    fn stopped(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        if self.near {
            return Failure::unavailable("serve-stopped");
        }
        Failure::unavailable("server-broke-off").arg("url", &self.base).cause(error)
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_MAX)
        // A redirect could carry the token elsewhere, and no naru sends one to a word.
        .redirect(reqwest::redirect::Policy::none())
        // The socket and the URL that was given are where to go; no environment layer decides otherwise.
        .no_proxy()
}

/// The bytes of a file, telling how many have gone.
async fn bytes_of(
    path: &PathBuf,
    progress: &Progress,
) -> Result<impl futures_util::TryStream<Ok = Bytes, Error = std::io::Error> + use<>, Failure> {
    let unreadable = |e: std::io::Error| Failure::refused("upload-unreadable").arg("path", path.display()).cause(&e);
    let file = File::open(path).await.map_err(unreadable)?;
    let total = file.metadata().await.map_err(unreadable)?.len();
    let (progress, mut gone) = (progress.clone(), 0);
    Ok(ReaderStream::with_capacity(file, 1 << 16).inspect_ok(move |bytes| {
        gone += bytes.len() as u64;
        progress.set(gone, total);
    }))
}

/// What a server said that did not answer in lines: our own error JSON, or a page of something that stands between.
async fn refusal(mut response: Response) -> Failure {
    let status = response.status();
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await
        && body.len() < LINE_BYTES_MAX
    {
        body.extend_from_slice(&bytes);
    }
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = &json["errors"][0];
    let kind = match status {
        StatusCode::UNAUTHORIZED => Kind::Unauthorized,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Kind::TooMany,
        StatusCode::INSUFFICIENT_STORAGE => Kind::Full,
        _ => Kind::Unavailable,
    };
    let failure = Failure::new(kind, "server-refused").arg("status", status.as_u16());
    match (error["detail"].as_str(), error["hint"].as_str()) {
        (Some(detail), Some(hint)) => failure.cause_text(format!("{detail}\n{hint}")),
        (Some(detail), None) => failure.cause_text(detail),
        _ => failure.cause_text(String::from_utf8_lossy(&body).chars().take(ERROR_CHARS_MAX).collect::<String>()),
    }
}
