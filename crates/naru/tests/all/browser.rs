//! A person in front of the console: signed in by a link, following no redirect by itself.

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};

use crate::house::{House, Serve, http};

/// What comes back out as text where it could have run.
pub const EVIL: &str = r#""'><script>alert(1)</script><img src=x onerror=alert(2)>"#;

/// Somebody who is signed in.
pub struct Browser {
    url: String,
    cookie: String,
}

/// An answer.
pub struct Page {
    pub status: u16,
    pub html: String,
    /// Where it leads on.
    pub location: String,
    pub cache: String,
}

impl Page {
    /// Says that it shows `text`.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Page {
        assert!(self.html.contains(text), "{text:?} is not in {} {}", self.status, self.html);
        self
    }

    /// Says that it does not show `text`.
    #[track_caller]
    pub fn hides(&self, text: &str) -> &Page {
        assert!(!self.html.contains(text), "{text:?} is in {} {}", self.status, self.html);
        self
    }

    /// Says that what is shown again cannot run.
    #[track_caller]
    pub fn is_harmless(&self) -> &Page {
        self.hides("<script>alert").hides("<img src=x")
    }

    /// The value of the hidden field `name`.
    #[track_caller]
    pub fn hidden(&self, name: &str) -> String {
        let start = format!(r#"name="{name}" value=""#);
        let from = self.html.find(&start).unwrap_or_else(|| panic!("no field {name} in {}", self.html)) + start.len();
        self.html[from..].split('"').next().unwrap_or_default().to_owned()
    }
}

impl Browser {
    /// Adds a person with `role` and signs them in, in English.
    pub async fn of(house: &House, serve: &Serve, name: &str, role: &str) -> Browser {
        let link = house.done(&["user", "add", name, "--role", role]);
        let secret = link.trim().rsplit('/').next().unwrap().to_owned();
        let response = http().post(format!("{}/signin/{secret}", serve.url)).send().await.unwrap();
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        Browser { url: serve.url.clone(), cookie: format!("{cookie}; naru_lang=en") }
    }

    /// The same person, reading Korean.
    pub fn in_korean(&self) -> Browser {
        Browser { url: self.url.clone(), cookie: self.cookie.replace("naru_lang=en", "naru_lang=ko") }
    }

    pub async fn get(&self, path: &str) -> Page {
        self.open(http().get(format!("{}{path}", self.url))).await
    }

    /// A live stream.
    pub async fn follow(&self, path: &str) -> reqwest::Response {
        let request = http().get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        request.header(ACCEPT, "text/event-stream").send().await.unwrap()
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        // A form is written as the query of an address is.
        let mut form = reqwest::Url::parse(&self.url).unwrap();
        form.query_pairs_mut().extend_pairs(fields);
        let body = form.query().unwrap_or_default().to_owned();
        let request = http().post(format!("{}{path}", self.url)).body(body);
        self.open(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded")).await
    }

    /// Sends a form with a file, as a browser does: what is typed first.
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: &str, content: &[u8]) -> Page {
        const BOUNDARY: &str = "----naru-0123456789abcdef";
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let file = file.replace('"', "%22");
        let head =
            format!("Content-Disposition: form-data; name=\"file\"; filename=\"{file}\"\r\nContent-Type: text/csv");
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        self.send_raw(path, &format!("multipart/form-data; boundary={BOUNDARY}"), &body).await
    }

    /// Sends a body as it is.
    pub async fn send_raw(&self, path: &str, content_type: &str, body: &[u8]) -> Page {
        let request = http().post(format!("{}{path}", self.url)).header(CONTENT_TYPE, content_type);
        self.open(request.body(body.to_vec())).await
    }

    /// Uploads a file of so many bytes, made while it is sent: `head`, and lines of noughts behind it.
    pub async fn upload_long(&self, path: &str, head: &str, bytes: u64) -> Page {
        let line = [b"0".repeat(63), b"\n".to_vec()].concat();
        let piece = axum::body::Bytes::from(line.repeat(16 << 10));
        let length = head.len() as u64 + bytes;
        let pieces = (0..bytes.div_ceil(piece.len() as u64)).map(move |n| {
            let left = bytes - n * piece.len() as u64;
            piece.slice(..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()))
        });
        let all = std::iter::once(axum::body::Bytes::copy_from_slice(head.as_bytes())).chain(pieces);
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(all.map(Ok::<_, std::io::Error>)));
        let request = http().post(format!("{}{path}", self.url)).header(CONTENT_LENGTH, length);
        self.open(request.header(CONTENT_TYPE, "multipart/form-data; boundary=x").body(body)).await
    }

    async fn open(&self, request: reqwest::RequestBuilder) -> Page {
        let response = request.header(COOKIE, &self.cookie).header(ACCEPT, "text/html").send().await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (location, cache) = (header(LOCATION.as_str()), header("cache-control"));
        Page { status: response.status().as_u16(), location, cache, html: response.text().await.unwrap() }
    }
}
