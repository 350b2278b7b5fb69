//! A person in front of the console: signed in by a link, asking for pages, sending forms, following what is live.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::Result;
use crate::house::{House, Serving};
use crate::process;

/// Languages of the console.
pub const LANGS: [&str; 2] = ["ko", "en"];

/// For a page, or for the beginning of a stream.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Somebody who is signed in, in a browser that keeps its connections.
#[derive(Clone)]
pub struct Person {
    client: Client,
    url: String,
    cookie: String,
}

/// What changes on a page, as it comes.
pub struct Stream {
    response: Response,
    /// What came of the next event so far.
    begun: Vec<u8>,
}

impl Person {
    /// Adds a person with `role` and signs them in.
    pub async fn of(house: &House, serve: &Serving, name: &str, role: &str) -> Result<Person> {
        let (printed, _) = process::run(&mut house.naru(&["user", "add", name, "--role", role]))?;
        let answer: Value = serde_json::from_str(&printed).map_err(|e| format!("naru user: {e}"))?;
        let link = answer["url"].as_str().ok_or_else(|| format!("naru user: {printed}"))?;
        let secret = link.rsplit('/').next().unwrap_or_default();
        let client = Client::builder().redirect(Policy::none()).tcp_nodelay(true).no_proxy().build();
        let client = client.map_err(|e| e.to_string())?;
        let url = format!("http://{}", serve.address);
        let signed_in = client.post(format!("{url}/signin/{secret}")).send().await.map_err(|e| e.to_string())?;
        let cookie = signed_in.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.ok_or_else(|| format!("{name} was not signed in: {}", signed_in.status()))?.to_owned();
        Ok(Person { client, url, cookie })
    }

    /// Asks for a page and reads it to its end; returns the time that it took.
    pub async fn get(&self, path: &str) -> Result<Duration> {
        self.read(path, self.client.get(self.at(path))).await
    }

    /// As [`Person::get`], for a form that is sent. Where it leads to is not followed.
    pub async fn post(&self, path: &str, form: &str) -> Result<Duration> {
        let request = self.client.post(self.at(path)).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.read(path, request.body(form.to_owned())).await
    }

    /// Follows a live page.
    pub async fn follow(&self, path: &str, lang: &str) -> Result<Stream> {
        let request = self.client.get(self.at(path)).header(ACCEPT, "text/event-stream");
        let request = request.header(COOKIE, format!("{}; naru_lang={lang}", self.cookie)).send();
        let response = tokio::time::timeout(ANSWER_MAX, request).await.map_err(|_| format!("{path}: no answer"))?;
        let response = response.and_then(Response::error_for_status).map_err(|e| format!("{path}: {e}"))?;
        Ok(Stream { response, begun: Vec::new() })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn read(&self, path: &str, request: RequestBuilder) -> Result<Duration> {
        let start = Instant::now();
        let request = request.header(COOKIE, &self.cookie).header(ACCEPT, "text/html").timeout(ANSWER_MAX);
        let answer = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.text().await?))
        };
        let (status, html) = answer.await.map_err(|e| format!("{path}: {e}"))?;
        let took = start.elapsed();
        // A form that was taken leads on.
        if status.is_success() || status == reqwest::StatusCode::SEE_OTHER {
            return Ok(took);
        }
        Err(format!("{path}: {status}: {}", title(&html)))
    }
}

/// What a page is called: of one that was not expected that is reason enough.
fn title(html: &str) -> &str {
    let title = html.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.map_or("", |(title, _)| title)
}

impl Stream {
    /// The data of the next event; nothing where the stream has ended.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(event) = cut(&mut self.begun) {
                match data(&event) {
                    Some(data) => return Ok(Some(data)),
                    // What keeps proxies from cutting it.
                    None => continue,
                }
            }
            match self.response.chunk().await.map_err(|e| e.to_string())? {
                Some(chunk) => self.begun.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Takes the first whole event out of what came.
fn cut(came: &mut Vec<u8>) -> Option<Vec<u8>> {
    const END: &[u8] = b"\n\n";
    let end = came.windows(END.len()).position(|two| two == END)? + END.len();
    Some(came.drain(..end).collect())
}

fn data(event: &[u8]) -> Option<String> {
    let event = String::from_utf8_lossy(event);
    event.lines().find_map(|line| line.strip_prefix("data:")).map(|data| data.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_where_they_end() {
        let mut came = "retry:1000\nid:1\ndata: 가\n\n:\n\ndata: b".as_bytes().to_vec();
        let cut = [(); 3].map(|()| cut(&mut came));
        assert_eq!(cut.map(|event| event.and_then(|event| data(&event))), [Some("가".to_owned()), None, None]);
        assert_eq!(came, b"data: b");
    }
}
