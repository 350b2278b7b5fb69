//! AppProjects, which hold the windows in which Applications may sync.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An AppProject, whole: it is written back as it was read but for what was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Project(pub Value);

impl Project {
    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// What a write compares with: it is refused where somebody wrote in between.
    pub fn resource_version(&self) -> &str {
        self.0["metadata"]["resourceVersion"].as_str().unwrap_or_default()
    }

    /// Whether there is a place for what is asked of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.0["spec"].is_object()
    }

    /// `spec.syncWindows`; one that cannot be read is `None`, so that no index shifts.
    pub fn windows(&self) -> Vec<Option<Window>> {
        let windows = self.0["spec"]["syncWindows"].as_array();
        windows.into_iter().flatten().map(|window| serde_json::from_value(window.clone()).ok()).collect()
    }

    /// Adds a window at the end.
    pub fn add_window(&mut self, window: &Window) {
        let window = serde_json::to_value(window).expect("text and lists are JSON");
        let windows = &mut self.0["spec"]["syncWindows"];
        match windows.as_array_mut() {
            Some(windows) => windows.push(window),
            None => *windows = Value::Array(vec![window]),
        }
    }

    /// Keeps the windows that `keep` says yes to, and those that cannot be read; answers how many went.
    pub fn retain_windows(&mut self, keep: impl Fn(&Window) -> bool) -> usize {
        let Some(windows) = self.0["spec"]["syncWindows"].as_array_mut() else { return 0 };
        let before = windows.len();
        windows.retain(|window| serde_json::from_value(window.clone()).map_or(true, |window| keep(&window)));
        before - windows.len()
    }
}

/// A time in which Applications may or may not sync.
///
/// What a version does not know must not be sent to it ([`crate::version`]); unknown fields are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Window {
    /// `allow` or `deny`.
    pub kind: String,
    /// Cron, five fields: when it begins.
    pub schedule: String,
    /// How long it lasts, as Go writes it: `10h30m`.
    pub duration: String,
    /// Names or globs of Applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applications: Option<Vec<String>>,
    /// Names or globs of namespaces deployed into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Names or globs of clusters deployed into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
    /// Whether a sync that a person asks for passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual_sync: Option<bool>,
    /// The zone of the schedule, since 2.4; UTC without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What it is for, since 3.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whatever else it holds.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What the windows say of one Application now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WindowState {
    /// Those that are open, with the four fields that this answer has.
    #[serde(deserialize_with = "crate::application::null_is_default")]
    pub active_windows: Vec<Window>,
    /// Those that are about it.
    #[serde(deserialize_with = "crate::application::null_is_default")]
    pub assigned_windows: Vec<Window>,
    /// Whether a sync that is asked for passes.
    pub can_sync: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_written_back() {
        let window = json!({ "kind": "deny", "schedule": "0 0 1 1 *", "duration": "1h", "syncOverrun": true });
        let mut project = Project(json!({
            "metadata": { "name": "shop", "resourceVersion": "7" },
            "spec": { "roles": [{ "name": "ci" }], "syncWindows": [window, "odd"] },
        }));
        let own = Window { kind: "deny".to_owned(), manual_sync: Some(true), ..Window::default() };
        project.add_window(&own);
        assert_eq!(project.windows(), [serde_json::from_value(window.clone()).ok(), None, Some(own.clone())]);
        assert_eq!(project.retain_windows(|window| *window != own), 1);
        assert_eq!(project.0["spec"], json!({ "roles": [{ "name": "ci" }], "syncWindows": [window, "odd"] }));
    }
}
