//! The catalogue: which apps there are, where each runs, and how it is built and written. A TOML file that the team keeps in
//! Git, and that `naru app import` writes the first time.

use std::collections::{BTreeMap, BTreeSet};

use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::{nearest, release};

/// Apps of one catalogue.
pub const APPS_MAX: usize = 2_000;
const FILE_BYTES_MAX: usize = 4 << 20;

/// All apps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalogue {
    /// By name.
    pub app: BTreeMap<String, App>,
}

/// An app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct App {
    /// Where its code is: what a ref is a ref of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Its image, without tag: `registry.example.com/shop/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The tag that a pipeline gives the image, made of the commit and the branch.
    pub tag: String,
    /// The value that holds the tag, as the chart calls it.
    pub image_key: String,
    /// The value that holds the digest, where the chart takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_key: Option<String>,
    /// Where a change is written. Found out from the Application where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
    /// The file that holds the values, from the root of its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_file: Option<String>,
    /// The repository that file is in, where no source of the Application names it: that of the Applications' own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_repository: Option<String>,
    /// The branch of that repository; none is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_branch: Option<String>,
    /// The value that holds the revision, where the revision is what is deployed and a file holds it.
    pub revision_key: String,
    /// Apps that it calls: they are deployed and woken before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// How long until it must be healthy.
    pub deadline_s: u64,
    /// Whether the pipeline writes what the app runs by when it has built it: what is deployed beside it does not stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pipeline_writes: bool,
    /// Whether a deploy waits until what runs in it has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub batch: bool,
    /// Whether environments of persons use the base's instead of one of their own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Where it runs, by environment.
    pub env: BTreeMap<String, Place>,
}

impl Default for App {
    fn default() -> App {
        App {
            repository: None,
            image: None,
            tag: "{branch_slug}-{sha8}".to_owned(),
            image_key: "image.tag".to_owned(),
            digest_key: None,
            write: None,
            values_file: None,
            values_repository: None,
            values_branch: None,
            revision_key: "spec.source.targetRevision".to_owned(),
            needs: Vec::new(),
            stack: None,
            deadline_s: 600,
            pipeline_writes: false,
            batch: false,
            shared: false,
            env: BTreeMap::new(),
        }
    }
}

/// Where an app runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// The Argo CD Application.
    pub application: String,
    /// The namespace the Application lives in, where that is not Argo CD's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The project it belongs to.
    pub project: String,
    /// The branch that is deployed where nobody says another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The file that holds the values here, where it is another than the app's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_file: Option<String>,
}

/// Where a change of an app is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Write {
    /// `.argocd-source-<app>.yaml` beside the chart.
    Override,
    /// The value in its file.
    Values,
    /// The revision in the Application's own file: the branch is what runs.
    Revision,
    /// The Application's spec, which nobody else owns.
    Spec,
}

impl Catalogue {
    /// Reads a catalogue and checks it.
    pub fn read(text: &str) -> Result<Catalogue, Failure> {
        if text.len() > FILE_BYTES_MAX {
            return Err(Failure::usage("catalogue-long").arg("max", FILE_BYTES_MAX));
        }
        let catalogue: Catalogue = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Failure::usage("catalogue-wrong").arg("line", line).cause_text(error.message())
        })?;
        catalogue.check()?;
        Ok(catalogue)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.app.len() > APPS_MAX {
            return Err(Failure::usage("catalogue-long").arg("max", APPS_MAX));
        }
        let mut applications: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for (name, app) in &self.app {
            let wrong = |key: &str, why: &str| {
                Failure::usage("catalogue-app-wrong").arg("app", name).arg("key", key).arg("why", why)
            };
            if name == "all" || name.is_empty() || name.contains(['@', ' ', '/']) {
                return Err(wrong("name", "all @ /"));
            }
            if let Some(unknown) = app.needs.iter().find(|needed| !self.app.contains_key(*needed)) {
                return Err(wrong("needs", unknown));
            }
            for (env, place) in &app.env {
                if env == "all" || env.is_empty() || env.contains(['@', ' ', '/']) || self.app.contains_key(env) {
                    return Err(wrong("env", env));
                }
                if place.application.is_empty() {
                    return Err(wrong(&format!("env.{env}.application"), "\"\""));
                }
                let key = (place.namespace.as_deref().unwrap_or_default(), place.application.as_str());
                if let Some(other) = applications.insert(key, name) {
                    return Err(wrong(&format!("env.{env}.application"), other));
                }
            }
        }
        let all: Vec<String> = self.app.keys().cloned().collect();
        release::waves(&all, |app| self.app.get(app).map(|app| app.needs.clone()).unwrap_or_default()).map(drop)
    }

    /// The app of this name; a stranger is told with the nearest names.
    pub fn named(&self, name: &str) -> Result<&App, Failure> {
        self.app.get(name).ok_or_else(|| {
            let near = nearest::nearest(name, self.app.keys().map(String::as_str));
            let failure = match near.is_empty() {
                true => Failure::not_found("app-unknown"),
                false => Failure::not_found("app-unknown-near").arg("near", near.join(", ")),
            };
            failure.arg("app", name)
        })
    }

    /// Where an app runs in `env`.
    pub fn place(&self, name: &str, env: &str) -> Result<(&App, &Place), Failure> {
        let app = self.named(name)?;
        let place = app.env.get(env).ok_or_else(|| {
            let envs = app.env.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            Failure::not_found("app-not-there").arg("app", name).arg("env", env).arg("envs", envs)
        })?;
        Ok((app, place))
    }

    /// Every environment.
    pub fn envs(&self) -> BTreeSet<&str> {
        self.app.values().flat_map(|app| app.env.keys().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[app.web]
repository = "https://git.example.com/shop/web.git"
image = "registry.example.com/shop/web"
needs = ["api"]
env.staging = { application = "web-staging", project = "shop", branch = "main" }
env.production = { application = "web", project = "shop" }

[app.api]
env.staging = { application = "api-staging", project = "shop" }
"#;

    const DOCS: [&str; 2] = [include_str!("../../../docs/DEPLOY.md"), include_str!("../../../docs/DEPLOY.ko.md")];

    #[test]
    fn every_key_is_explained_and_every_example_is_a_catalogue() {
        let some = || Some(String::new());
        let app = App {
            repository: some(),
            image: some(),
            digest_key: some(),
            write: Some(Write::Values),
            values_file: some(),
            values_repository: some(),
            values_branch: some(),
            needs: vec![String::new()],
            stack: some(),
            pipeline_writes: true,
            batch: true,
            shared: true,
            ..App::default()
        };
        let place = Place { namespace: some(), branch: some(), values_file: some(), ..Place::default() };
        let keys = |text: String| {
            let table: toml::Table = text.parse().unwrap();
            table.into_iter().map(|(key, _)| key).filter(|key| key != "env").collect::<Vec<_>>()
        };
        let keys = [keys(toml::to_string(&app).unwrap()), keys(toml::to_string(&place).unwrap())].concat();
        assert_eq!(keys.len(), 21, "{keys:?}");
        for docs in DOCS {
            for key in &keys {
                assert!(docs.contains(&format!("`{key}`")), "{key}");
            }
            let blocks = docs.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
            let apps: Vec<&str> = blocks.filter(|block| block.contains("[app.")).collect();
            // The app that one of them needs is not in them.
            apps.iter().for_each(|block| drop(Catalogue::read(&block.replace("\"api\"", "")).unwrap()));
            assert_eq!(apps.len(), 2);
        }
    }

    #[test]
    fn a_catalogue_is_read_and_found_by_names() {
        let catalogue = Catalogue::read(GOOD).unwrap();
        let (app, place) = catalogue.place("web", "staging").unwrap();
        assert_eq!((app.deadline_s, place.application.as_str()), (600, "web-staging"));
        let refused = catalogue.named("wbe").unwrap_err();
        assert_eq!((refused.code.as_str(), refused.args["near"].as_str()), ("app-unknown-near", "web"));
        assert_eq!(catalogue.named("zzz").unwrap_err().code, "app-unknown");
        let refused = catalogue.place("api", "production").unwrap_err();
        assert_eq!((refused.code.as_str(), refused.args["envs"].as_str()), ("app-not-there", "staging"));
        assert_eq!(catalogue.envs().into_iter().collect::<Vec<_>>(), ["production", "staging"]);
        let again = Catalogue::read(&toml::to_string(&catalogue).unwrap()).unwrap();
        assert_eq!(again, catalogue);
    }

    #[test]
    fn a_wrong_catalogue_is_told_by_line_or_app() {
        let check = |text: &str, code: &str, args: &[(&str, &str)]| {
            let refused = Catalogue::read(text).unwrap_err();
            assert_eq!(refused.code, code, "{text}");
            for (name, value) in args {
                assert_eq!(refused.args[*name], *value, "{text}");
            }
        };
        check("[app.web]\n\nnedds = []", "catalogue-wrong", &[("line", "3")]);
        check("[app.web]\nneeds = ['x']", "catalogue-app-wrong", &[("app", "web"), ("why", "x")]);
        check("[app.all]", "catalogue-app-wrong", &[("key", "name")]);
        check("[app.web]\nenv.all = { application = 'a' }", "catalogue-app-wrong", &[("key", "env")]);
        check("[app.web]\nenv.x = {}", "catalogue-app-wrong", &[("key", "env.x.application")]);
        let twice = "[app.a]\nenv.x = { application = 'p' }\n[app.b]\nenv.x = { application = 'p' }";
        check(twice, "catalogue-app-wrong", &[("app", "b"), ("why", "a")]);
        let ring = "[app.a]\nneeds = ['b']\n[app.b]\nneeds = ['a']";
        check(ring, "catalogue-ring", &[("apps", "a, b")]);
    }
}
