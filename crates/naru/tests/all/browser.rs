//! A person at a browser without scripts: signed in, in a language, with a cookie jar of one.

use crate::house::{House, Serve, http};

/// Somebody who is signed in.
pub struct Browser {
    url: String,
    cookie: String,
    lang: &'static str,
}

/// What a page is, as its reader gets it.
pub struct Page {
    pub status: u16,
    pub text: String,
}

impl Browser {
    /// A new person of a role, signed in by the link that the terminal printed.
    pub async fn sign_in(house: &House, serve: &Serve, name: &str, role: &str) -> Browser {
        let link = house.done(&["user", "add", name, "--role", role]);
        let secret = link.trim().rsplit('/').next().unwrap().to_owned();
        let path = format!("{}/signin/{secret}", serve.url);
        let answer = http().post(path).header("sec-fetch-site", "same-origin").send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookie = cookies.map(|it| it.to_str().unwrap().split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
        assert!(!cookie.is_empty(), "{answer:?}");
        Browser { url: serve.url.clone(), cookie, lang: "en" }
    }

    /// The same person, reading another language.
    pub fn reading(mut self, lang: &'static str) -> Browser {
        self.lang = lang;
        self
    }

    pub async fn get(&self, path: &str) -> Page {
        let answer = self.request(reqwest::Method::GET, path, "text/html").send().await.unwrap();
        Page { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
    }

    /// Sends a form, as the page that it stands on would.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.request(reqwest::Method::POST, path, "text/html").header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(body).send().await.unwrap();
        Page { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
    }

    /// A live stream.
    pub async fn follow(&self, path: &str) -> reqwest::Response {
        self.request(reqwest::Method::GET, path, "text/event-stream").send().await.unwrap()
    }

    fn request(&self, method: reqwest::Method, path: &str, accept: &str) -> reqwest::RequestBuilder {
        let request = http().request(method, format!("{}{path}", self.url)).header("accept", accept);
        request.header("cookie", &self.cookie).header("accept-language", self.lang)
    }
}
