//! A real browser: Chromium without a window, asked in its own protocol (DevTools) over a pipe.
//!
//! A pipe and no socket: it takes no port and no crate, and Chromium ends when it closes, however the test process ends.
//! Tests that run at the same time share one Chromium, each with a [`Profile`] of its own.

mod wire;

use std::sync::{Arc, Mutex, Weak};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::wait::{PATIENCE, eventually};
use wire::Wire;

/// Cookies and a history of its own, as those of a person at a machine of their own.
pub struct Profile {
    wire: Arc<Wire>,
    id: Value,
}

/// A page that is open.
pub struct Tab {
    wire: Arc<Wire>,
    session: String,
}

/// How a reader sees pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// Whether the reader wants light on dark.
    pub dark: bool,
}

/// A key that does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To the next element.
    Tab,
    /// To the one before.
    BackTab,
    /// Follows a link, sends a form.
    Enter,
}

impl Profile {
    /// A fresh one.
    pub async fn new() -> Profile {
        let wire = shared();
        let context = wire.call("", "Target.createBrowserContext", json!({})).await;
        let id = context.unwrap_or_else(|e| panic!("a profile: {e}"))["browserContextId"].clone();
        Profile { wire, id }
    }

    /// Opens an empty page.
    pub async fn tab(&self) -> Tab {
        let ask = async |session: &str, method: &str, params: Value| {
            self.wire.call(session, method, params).await.unwrap_or_else(|e| panic!("{method}: {e}"))
        };
        // A window each: what is behind another one counts as hidden.
        let target = json!({ "url": "about:blank", "browserContextId": self.id, "newWindow": true });
        let target = ask("", "Target.createTarget", target).await["targetId"].clone();
        let attached = ask("", "Target.attachToTarget", json!({ "targetId": target, "flatten": true })).await;
        let session = attached["sessionId"].as_str().expect("a session has an id").to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            ask(&session, domain, json!({})).await;
        }
        ask(&session, "Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await;
        // A phone lays its scroll bar over the page, and pictures look the same everywhere.
        ask(&session, "Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
        Tab { wire: self.wire.clone(), session }
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        self.wire.tell("", "Target.disposeBrowserContext", json!({ "browserContextId": self.id }));
    }
}

impl Tab {
    /// Goes to `url` and waits until it is there with all it needs.
    pub async fn open(&self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(answer.get("errorText"), None, "{url}");
        self.loaded().await;
    }

    /// Goes back to the page before.
    pub async fn back(&self) {
        let history = self.call("Page.getNavigationHistory", json!({})).await;
        let at = history["currentIndex"].as_u64().expect("a history has a place") as usize;
        let entry = at.checked_sub(1).map(|before| history["entries"][before]["id"].clone());
        // What is asked of the page that is left would be answered by it.
        self.eval("window.left = true").await;
        self.call("Page.navigateToHistoryEntry", json!({ "entryId": entry.expect("there is a page before") })).await;
        self.until("the page before", "!window.left").await;
        self.loaded().await;
    }

    /// Waits until the page is there with all it needs.
    pub async fn loaded(&self) {
        self.until("the page to load", "document.readyState === 'complete'").await;
    }

    /// The value of an expression, awaited where it is a promise.
    pub async fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).await.unwrap_or_else(|e| panic!("{}: {e}", head(expression)))
    }

    /// Waits until `expression` is something else than false, null or 0, and returns that.
    pub async fn until(&self, what: &str, expression: &str) -> Value {
        // A page that is on its way out answers nothing.
        let found = eventually(what, PATIENCE, async || match self.try_eval(expression).await {
            Ok(Value::Null | Value::Bool(false)) | Err(_) => None,
            Ok(value) if value == 0 => None,
            Ok(value) => Some(value),
        });
        found.await
    }

    /// Sends the form that matches `selector`, as its button would, and waits for the answer.
    pub async fn submit(&self, selector: &str) {
        let button = format!(
            "(it => {{ window.left = true; it.form ? it.form.requestSubmit(it) : it.requestSubmit(); }})(\
             document.querySelector({}))",
            json!(selector)
        );
        self.eval(&button).await;
        self.until("the answer to a form", "!window.left && document.readyState === 'complete'").await;
    }

    /// Presses a key.
    pub async fn press(&self, key: Key) {
        let (name, code, text, modifiers) = match key {
            Key::Tab => ("Tab", 9, "", 0),
            Key::BackTab => ("Tab", 9, "", 8),
            Key::Enter => ("Enter", 13, "\r", 0),
        };
        let stroke = |kind: &str| {
            json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text,
                "modifiers": modifiers })
        };
        self.call("Input.dispatchKeyEvent", stroke("keyDown")).await;
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": name, "code": name })).await;
    }

    /// Types into whatever has the focus.
    pub async fn write(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Changes how the page is seen, without asking for it again.
    pub async fn see(&self, view: View) {
        let View { width, height, dark } = view;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let theme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        // Nothing is caught halfway.
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [theme, still] })).await;
    }

    /// The whole page as PNG, however long it is.
    pub async fn picture(&self) -> Vec<u8> {
        let sizes = self.call("Page.getLayoutMetrics", json!({})).await;
        let mut clip = sizes["cssContentSize"].clone();
        clip["scale"] = 1.into();
        let asked = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.call("Page.captureScreenshot", asked).await;
        STANDARD.decode(answer["data"].as_str().expect("a picture is text")).expect("a picture is base64")
    }

    /// Sets a cookie for `url`.
    pub async fn cookie(&self, url: &str, name: &str, value: &str) {
        self.call("Network.setCookie", json!({ "url": url, "name": name, "value": value })).await;
    }

    /// Forgets all cookies.
    pub async fn forget(&self) {
        self.call("Network.clearBrowserCookies", json!({})).await;
    }

    /// What the console said of errors since it was last asked: exceptions, what the policy of a page forbids, what could
    /// not be loaded.
    pub fn complaints(&self) -> Vec<String> {
        self.wire.take(&self.session).iter().filter_map(complaint).collect()
    }

    async fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.wire.call(&self.session, "Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.wire.call(&self.session, method, params).await.unwrap_or_else(|e| panic!("{method}: {e}"))
    }
}

/// Started by the first who needs it, ended with the last.
fn shared() -> Arc<Wire> {
    static SHARED: Mutex<Weak<Wire>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(|e| e.into_inner());
    shared.upgrade().unwrap_or_else(|| {
        let wire = Arc::new(Wire::open());
        *shared = Arc::downgrade(&wire);
        wire
    })
}

fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if matches!(params["type"].as_str(), Some("error" | "assert")) => {
            Some(params["args"].to_string())
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            Some(format!("{} {}", entry["text"].as_str()?, entry["url"].as_str().unwrap_or_default()))
        }
        wire::DIALOG => Some(format!("dialog: {}", params["message"])),
        _ => None,
    }
}

fn head(expression: &str) -> String {
    expression.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn on(html: &str) -> (Profile, Tab) {
        let profile = Profile::new().await;
        let tab = profile.tab().await;
        let page: String = html.bytes().map(|byte| format!("%{byte:02x}")).collect();
        tab.open(&format!("data:text/html,{page}")).await;
        (profile, tab)
    }

    #[tokio::test]
    async fn keys_and_text_arrive_where_the_focus_is() {
        let (_profile, tab) = on("<input id=a><input id=b>").await;
        tab.press(Key::Tab).await;
        tab.write("하나").await;
        tab.press(Key::Tab).await;
        tab.write("둘").await;
        tab.press(Key::BackTab).await;
        assert_eq!(tab.eval("[a.value, b.value, document.activeElement.id].join()").await, "하나,둘,a");
        assert_eq!(tab.complaints(), [""; 0]);
    }

    #[tokio::test]
    async fn what_the_console_complains_of_is_heard_once() {
        let policy = "<meta http-equiv=content-security-policy content=\"default-src 'none'\">";
        let (_profile, tab) = on(&format!("{policy}<script>alert(1)</script>")).await;
        tab.eval("console.error('lost'), setTimeout(() => { throw 'thrown' }), alert('asked')").await;
        let mut heard = String::new();
        for what in ["Content Security Policy", "lost", "thrown", "dialog: \"asked\""] {
            eventually(what, PATIENCE, async || {
                heard += &tab.complaints().join("\n");
                heard.contains(what).then_some(())
            })
            .await;
        }
        assert!(!heard.contains("dialog: \"1\""), "{heard}");
        assert_eq!(tab.complaints(), [""; 0]);
    }

    #[tokio::test]
    async fn a_picture_shows_the_whole_page_as_it_is_seen() {
        let (_profile, tab) = on("<meta name=color-scheme content='light dark'><div style='height:3000px'>").await;
        for (width, dark) in [(390, false), (1440, true)] {
            tab.see(View { width, height: 800, dark }).await;
            assert_eq!(tab.eval("matchMedia('(prefers-color-scheme: dark)').matches").await, dark);
            let picture = tab.picture().await;
            let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
            assert!(number(16) == width && number(20) >= 3000, "{} x {}", number(16), number(20));
        }
    }
}
