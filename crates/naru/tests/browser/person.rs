//! Somebody in front of a browser of their own.

use naru_testkit::chromium::{Profile, Tab};
use serde_json::{Value, json};

use crate::house::{House, Serve};

/// Signed in, in a profile of their own.
pub struct Person {
    pub profile: Profile,
    pub tab: Tab,
    pub url: String,
}

impl Person {
    /// Adds a person with `role` and signs them in by their link, as they would.
    pub async fn of(house: &House, serve: &Serve, name: &str, role: &str) -> Person {
        let link = house.done(&["user", "add", name, "--role", role]);
        let person = Person::stranger(&serve.url).await;
        let secret = link.trim().rsplit('/').next().unwrap();
        person.open(&format!("/signin/{secret}")).await;
        person.tab.submit("main form").await;
        person.is_at("/password").await;
        person
    }

    /// Nobody yet.
    pub async fn stranger(url: &str) -> Person {
        let profile = Profile::new().await;
        let tab = profile.tab().await;
        tab.cookie(url, "naru_lang", "en").await;
        Person { profile, tab, url: url.to_owned() }
    }

    /// From now on they read `lang`.
    pub async fn reads(&self, lang: &str) {
        self.tab.cookie(&self.url, "naru_lang", lang).await;
    }

    /// Goes to a page of the house.
    pub async fn open(&self, path: &str) {
        self.tab.open(&format!("{}{path}", self.url)).await;
    }

    /// Fills in a field.
    pub async fn fill(&self, selector: &str, value: &str) {
        let fill = format!("document.querySelector({}).value = {}", json!(selector), json!(value));
        self.tab.eval(&fill).await;
    }

    /// Chooses a file of this name and content.
    pub async fn choose(&self, selector: &str, name: &str, content: &str) {
        let choose = format!(
            "(() => {{ const files = new DataTransfer(); files.items.add(new File([{}], {}));
                document.querySelector({}).files = files.files; }})()",
            json!(content),
            json!(name),
            json!(selector)
        );
        self.tab.eval(&choose).await;
    }

    /// Waits until they are on the page at `path`.
    pub async fn is_at(&self, path: &str) {
        let there = format!("location.pathname === {} && document.readyState === 'complete'", json!(path));
        self.tab.until(&format!("{path} to open"), &there).await;
    }

    /// Waits until the page shows `text`.
    pub async fn sees(&self, text: &str) {
        let shown = format!("document.body.innerText.includes({})", json!(text));
        self.tab.until(&format!("the page to show {text:?}"), &shown).await;
    }

    /// Says that the page has nothing that pages of the house do not have: no script but the one, nothing inline,
    /// nothing from elsewhere, nothing that runs when it is clicked.
    pub async fn is_clean(&self, on: &str) {
        assert_eq!(self.tab.eval(STRANGE).await, Value::Array(Vec::new()), "{on}");
        let complaints = self.tab.complaints();
        // A refusal is told with its status, and a browser counts that among its errors.
        let complaints: Vec<&String> = complaints.iter().filter(|it| !it.starts_with(REFUSED)).collect();
        assert_eq!(complaints, [""; 0], "{on}");
    }
}

/// What the console says of a page whose status is 4xx.
pub const REFUSED: &str = "Failed to load resource: the server responded with a status of 4";

/// What a payload would have become.
const STRANGE: &str = r#"[...document.querySelectorAll("*")].filter(it =>
    it.matches("script:not([src^='/assets/']), img:not([src^='/assets/']), style, iframe, object, embed, base, video, audio, math, template, marquee")
    || [...it.attributes].some(own => own.name.startsWith("on") || own.name === "style"
        || /^(javascript|data|vbscript):/i.test(own.value.trim()) && own.name !== "value")
    || it.matches("a, form, button") && ["href", "action", "formaction"].some(name => it.hasAttribute(name)
        && new URL(it.getAttribute(name), location).origin !== location.origin)
).map(it => it.outerHTML.slice(0, 200)).concat(window.ran === undefined ? [] : ["it ran: " + window.ran])"#;
