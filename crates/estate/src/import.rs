//! A catalogue out of a running Argo CD.

use naru_argocd::application::Application;
use naru_core::failure::Failure;

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
    }
}
