//! A catalogue out of a running Argo CD.

use naru_argocd::application::Application;
use naru_core::failure::Failure;
use serde::Serialize;

use crate::catalogue::{Catalogue, Place};
use crate::config::EstateConfig;

/// Adds every Application that the catalogue does not name yet; what it says already stays.
pub fn catalogue(mut known: Catalogue, applications: &[Application], config: &EstateConfig) -> Catalogue {
    for live in applications {
        let name = &live.metadata.name;
        let is_known = |place: &Place| place.application == *name;
        if known.app.values().any(|app| app.env.values().any(is_known)) {
            continue;
        }
        let Some((app, env)) = parts(live, config) else { continue };
        let elsewhere = !live.metadata.namespace.is_empty() && live.metadata.namespace != config.argocd_namespace;
        let place = Place {
            application: name.clone(),
            namespace: elsewhere.then(|| live.metadata.namespace.clone()),
            project: live.project().to_owned(),
            ..Place::default()
        };
        let entry = known.app.entry(app).or_default();
        if entry.image.is_none() {
            // One image alone is the app's; of several nobody knows which.
            entry.image = match live.status.summary.images.as_slice() {
                [image] => Some(crate::overlay::image_name(image).to_owned()),
                _ => None,
            };
        }
        entry.env.entry(env).or_insert(place);
    }
    known
}

/// The app and the environment of an Application: by its label, else by its name.
fn parts(live: &Application, config: &EstateConfig) -> Option<(String, String)> {
    let name = live.metadata.name.as_str();
    if let Some(app) = live.metadata.labels.get(&config.app_label) {
        let rest = name.replacen(app.as_str(), "", 1);
        let env = rest.trim_matches(['-', '_', '.']);
        return Some((app.clone(), if env.is_empty() { "default".to_owned() } else { env.to_owned() }));
    }
    let (before, rest) = config.application_name.split_once("{app}")?;
    let (between, after) = rest.split_once("{env}")?;
    let middle = name.strip_prefix(before)?.strip_suffix(after)?;
    // The environment is the last part: an app's name has dashes of its own.
    let (app, env) = if between.is_empty() { (middle, "default") } else { middle.rsplit_once(between)? };
    (!app.is_empty() && !env.is_empty()).then(|| (app.to_owned(), env.to_owned()))
}

/// What Argo CD has otherwise than the catalogue says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Apps that the catalogue does not name.
    pub new: Catalogue,
    /// Places of its apps that it does not name.
    pub places: Vec<Found>,
    /// Places whose Application belongs to another project.
    pub moved: Vec<Found>,
    /// Places without an Application.
    pub gone: Vec<Found>,
}

/// A place of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The app.
    pub app: String,
    /// Where.
    pub env: String,
    /// As Argo CD has it; as the catalogue has it where Argo CD has it no more.
    pub place: Place,
}

/// What is to be changed in a catalogue to be as Argo CD is.
pub fn difference(known: &Catalogue, applications: &[Application], config: &EstateConfig) -> Difference {
    let mut told = Difference::default();
    for (name, app) in catalogue(known.clone(), applications, config).app {
        let Some(before) = known.app.get(&name) else {
            told.new.app.insert(name, app);
            continue;
        };
        for (env, place) in app.env {
            let found = |place: Place| Found { app: name.clone(), env: env.clone(), place };
            let namespace = place.namespace.as_deref().unwrap_or(&config.argocd_namespace);
            let is_it = |it: &&Application| {
                let stands_in = Some(it.metadata.namespace.as_str()).filter(|name| !name.is_empty());
                it.metadata.name == place.application && stands_in.unwrap_or(&config.argocd_namespace) == namespace
            };
            match applications.iter().find(is_it) {
                None => told.gone.push(found(place)),
                Some(_) if !before.env.contains_key(&env) => told.places.push(found(place)),
                Some(live) if live.project() != place.project => {
                    told.moved.push(found(Place { project: live.project().to_owned(), ..place }));
                }
                Some(_) => {}
            }
        }
    }
    told
}

impl Difference {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Difference::default()
    }

    /// To be pasted into the file: new apps as they are written there, all else as what is to be done about it.
    pub fn text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        if !self.new.app.is_empty() {
            text += &toml::to_string(&self.new).map_err(Failure::bug)?;
            text += "\n";
        }
        let lists = [("add to", &self.places), ("change in", &self.moved), ("take out of", &self.gone)];
        for (what, list) in lists {
            for Found { app, env, place } in list {
                let place = toml::Value::try_from(place).map_err(Failure::bug)?;
                text += &format!("# {what} [app.{app}]:  env.{env} = {place}\n");
            }
        }
        Ok(text)
    }
}

/// What nobody but people knows, at the head of the file.
const HEAD: &str = "# To be added by hand: `repository`, where branches are looked up; `tag`, where images are not tagged BRANCH-COMMIT;
# `needs`, the apps that go first; and the `branch` that a place follows.
";

/// As a file.
pub fn text(catalogue: &Catalogue) -> Result<String, Failure> {
    Ok(format!("{HEAD}\n{}", toml::to_string(catalogue).map_err(Failure::bug)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn applications_become_apps_and_what_is_known_stays() {
        let live = |metadata: Value, images: &[&str]| -> Application {
            let status = json!({ "summary": { "images": images } });
            serde_json::from_value(json!({ "metadata": metadata, "spec": { "project": "shop" }, "status": status }))
                .unwrap()
        };
        let label = |app: &str| json!({ "app.kubernetes.io/part-of": app });
        let applications = [
            live(json!({ "name": "web-admin-staging" }), &["shop/web-admin:main-1"]),
            live(json!({ "name": "qa-web", "labels": label("web") }), &["shop/web:main-1", "shop/proxy:2"]),
            live(json!({ "name": "api-production", "namespace": "team-a" }), &[]),
            live(json!({ "name": "api-staging" }), &["shop/api:main-1"]),
            live(json!({ "name": "root" }), &[]),
        ];
        let known = "[app.api]\nimage = 'other/api'\nenv.staging = { application = 'api-staging', project = 'x' }\n";
        let known = Catalogue::read(known).unwrap();
        let found = catalogue(known, &applications, &EstateConfig::default());
        let again = Catalogue::read(&text(&found).unwrap()).unwrap();
        assert_eq!(again, found);
        let told: Vec<String> = found
            .app
            .iter()
            .flat_map(|(name, app)| {
                app.env.iter().map(move |(env, place)| format!("{name}@{env} {}", place.application))
            })
            .collect();
        assert_eq!(
            told,
            [
                "api@production api-production",
                "api@staging api-staging",
                "web@qa qa-web",
                "web-admin@staging web-admin-staging"
            ]
        );
        assert_eq!(found.app["api"].image.as_deref(), Some("other/api"));
        assert_eq!(found.app["api"].env["staging"].project, "x");
        assert_eq!(found.app["api"].env["production"].namespace.as_deref(), Some("team-a"));
        assert_eq!(found.app["web-admin"].image.as_deref(), Some("shop/web-admin"));
        assert_eq!(found.app["web"].image, None);
        // Against what it made there is no difference.
        assert!(difference(&found, &applications[..2], &EstateConfig::default()).new.app.is_empty());
    }

    #[test]
    fn what_argo_cd_has_otherwise_is_told_and_the_rest_is_not() {
        let live = |name: &str, project: &str, namespace: &str| -> Application {
            let metadata = json!({ "name": name, "namespace": namespace });
            serde_json::from_value(json!({ "metadata": metadata, "spec": { "project": project } })).unwrap()
        };
        let known = "[app.api]\nenv.staging = { application = 'api-staging', project = 'shop' }\n\
                     env.dev = { application = 'api-dev', project = 'shop' }\n\
                     env.qa = { application = 'api-qa', project = 'shop', namespace = 'team-a' }\n";
        let known = Catalogue::read(known).unwrap();
        let same =
            [live("api-staging", "shop", "argocd"), live("api-dev", "shop", ""), live("api-qa", "shop", "team-a")];
        assert!(difference(&known, &same, &EstateConfig::default()).is_none());
        let other = [
            live("api-staging", "retail", "argocd"),
            live("api-qa", "shop", "argocd"),
            live("api-production", "shop", "argocd"),
            live("web-staging", "shop", "argocd"),
        ];
        let told = difference(&known, &other, &EstateConfig::default());
        assert_eq!(
            told.text().unwrap(),
            "[app.web]\ntag = \"{branch_slug}-{sha8}\"\nimage_key = \"image.tag\"\n\
             revision_key = \"spec.source.targetRevision\"\ndeadline_s = 600\n\n[app.web.env.staging]\n\
             application = \"web-staging\"\nproject = \"shop\"\n\n\
             # add to [app.api]:  env.production = { application = \"api-production\", project = \"shop\" }\n\
             # change in [app.api]:  env.staging = { application = \"api-staging\", project = \"retail\" }\n\
             # take out of [app.api]:  env.dev = { application = \"api-dev\", project = \"shop\" }\n\
             # take out of [app.api]:  env.qa = { application = \"api-qa\", namespace = \"team-a\", project = \"shop\" }\n"
        );
        // What is pasted can be read.
        Catalogue::read(&told.text().unwrap()).unwrap();
    }
}
