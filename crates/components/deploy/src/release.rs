//! What a deploy asks for: each app with the commit that its ref was when it was asked for.

use naru_core::failure::Failure;
use naru_estate::catalogue::Place;
use naru_estate::tag::Built;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Apps of one release.
pub const APPS_MAX: usize = 200;

/// A release, as the engine stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its apps.
    pub apps: Vec<Wanted>,
}

/// An app that is to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name in the catalogue.
    pub app: String,
    /// Where.
    pub env: String,
    /// The ref as it was typed.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The commit that it was.
    pub commit: String,
    /// The branch that it names, where it names one.
    pub branch: Option<String>,
    /// The Git tag that it names, where it names one.
    pub tag: Option<String>,
    /// The tag of its image, by the pattern as it was then; none where no image is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// The digest that it ran by, where it ran before and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether it is to stay where it is, beside the branch that the app follows there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pin: bool,
    /// Whether the commit is wanted and not what its branch is by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
}

impl Release {
    /// From what the engine stores.
    pub fn read(request: Value) -> Result<Release, Failure> {
        serde_json::from_value(request).map_err(Failure::bug)
    }
}

impl Wanted {
    /// A ref of an app, resolved. Any other than the branch that the app follows is a pin.
    pub fn new(
        app: &str,
        env: &str,
        place: &Place,
        git_ref: String,
        built: Built,
        image_tag: Option<String>,
    ) -> Wanted {
        let pin = place.branch.is_some() && built.branch != place.branch;
        let Built { commit, branch, tag } = built;
        let (app, env) = (app.to_owned(), env.to_owned());
        Wanted { app, env, git_ref, commit, branch, tag, image_tag, digest: None, pin, fixed: false }
    }

    /// What an Application follows to run it.
    pub fn revision(&self) -> &str {
        if self.fixed {
            return &self.commit;
        }
        self.branch.as_deref().or(self.tag.as_deref()).unwrap_or(&self.commit)
    }

    /// What is locked and queued by: `web@staging`.
    pub fn target(&self) -> String {
        format!("{}@{}", self.app, self.env)
    }
}
