//! `naru app …`: the catalogue, and what of it naru can change.

use naru_argocd::application::Application;
use naru_argocd::calls::apps::{ListQuery, Refresh};
use naru_argocd::owner::{Owner, owner};
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_operation::engine::Operations;
use naru_operation::plan::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::catalogue::{App, Catalogue, Place};
use crate::estate::Estate;
use crate::import;
use crate::place::{Way, reference, way};

/// List the apps of the catalogue: where each runs, and where a change of it is written
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListArgs {
    /// Only those of this environment
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
}

/// Show one app of the catalogue
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowArgs {
    /// Its name
    #[arg(value_name = "APP")]
    app: String,
}

/// Print a catalogue made of a running Argo CD, or what is to be changed in the one there is
///
/// Needs its URL and a token alone. What it cannot know is for people to add: `repository`, `tag`, `needs`, and the `branch`
/// of a place. Where there is a catalogue, only the difference is printed; with `--whole` all of it, with what the catalogue
/// says kept: print that into another file than the catalogue, which the shell would empty before it is read.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportArgs {
    /// All of it, and not the difference
    #[arg(long)]
    #[serde(default)]
    whole: bool,
}

/// Lists them.
pub async fn list(ctx: Ctx, call: Call<ListArgs>) -> Result<Answer, Failure> {
    let estate = ctx.need::<Estate>()?;
    let catalogue = estate.catalogue().await?;
    let sight = ctx.need::<Operations>()?.sight(&call.actor);
    let applications = estate.argocd()?.list(&ListQuery::default()).await?;
    let mut data = Vec::new();
    let mut rows = Vec::new();
    for (name, app, env, place) in places(&catalogue) {
        if !sight.covers(name, env) || call.args.env.as_ref().is_some_and(|wanted| wanted != env) {
            continue;
        }
        let is_it = |it: &&Application| {
            it.metadata.name == place.application
                && place.namespace.as_ref().is_none_or(|namespace| *namespace == it.metadata.namespace)
        };
        let live = applications.iter().find(is_it);
        let (owned_by, cluster) = live.map_or_else(Default::default, |live| {
            (owned_by(&owner(live, &estate.config().tracking_label)), cluster(live))
        });
        let found = match live {
            Some(live) => way(name, app, place, live, &estate.config().tracking_label),
            None => Err(Failure::not_found("app-gone").arg("app", name).arg("application", &place.application)),
        };
        let (told, is_good) = told(&ctx, call.lang, &found);
        data.push(json!({
            "app": name, "env": env, "application": place.application, "owner": owned_by, "cluster": cluster, "way": told,
            "can": is_good,
        }));
        rows.push(vec![name.to_owned(), env.to_owned(), place.application.clone(), owned_by, cluster, told]);
    }
    let columns = ["app", "env", "application", "owner", "cluster", "way"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("app-column-{name}"), &[])).to_vec();
    Ok(Answer::data(data)?.table(columns, rows))
}

/// Who writes an Application's spec, by the kinds that Argo CD gives them.
fn owned_by(owner: &Owner) -> String {
    match owner {
        Owner::Hydrator => "hydrator".to_owned(),
        Owner::ApplicationSet(name) => format!("ApplicationSet {name}"),
        Owner::Application(name) => format!("Application {name}"),
        Owner::Nobody => "-".to_owned(),
    }
}

/// Where it runs, by the name that Argo CD has for a cluster, else by its address.
fn cluster(live: &Application) -> String {
    let destination = &live.spec["destination"];
    let named = destination["name"].as_str().or_else(|| destination["server"].as_str());
    named.unwrap_or_default().to_owned()
}

fn places(catalogue: &Catalogue) -> impl Iterator<Item = (&str, &App, &str, &Place)> {
    let of_app =
        |(name, app): (&'_ String, &'_ App)| app.env.keys().map(|env| (name.clone(), env.clone())).collect::<Vec<_>>();
    let names: Vec<(String, String)> = catalogue.app.iter().flat_map(of_app).collect();
    names.into_iter().filter_map(|(name, env)| {
        let (name, app) = catalogue.app.get_key_value(&name)?;
        let (env, place) = app.env.get_key_value(&env)?;
        Some((name.as_str(), app, env.as_str(), place))
    })
}

fn told(ctx: &Ctx, lang: Lang, found: &Result<Way, Failure>) -> (String, bool) {
    match found {
        Ok(Way::File { path, branch, .. }) => {
            let branch = branch.as_deref().unwrap_or("HEAD");
            (ctx.say(lang, "app-way-file", &[("path", path), ("branch", branch)]), true)
        }
        Ok(Way::Spec { .. }) => (ctx.say(lang, "app-way-spec", &[]), true),
        Err(failure) => {
            let text = ctx.texts().map_or_else(|| failure.to_string(), |texts| texts.detail(lang, failure));
            (text, false)
        }
    }
}

/// Shows one.
pub async fn show(ctx: Ctx, call: Call<ShowArgs>) -> Result<Answer, Failure> {
    let estate = ctx.need::<Estate>()?;
    let catalogue = estate.catalogue().await?;
    let app = catalogue.named(&call.args.app)?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let sight = ctx.need::<Operations>()?.sight(&call.actor);
    let targets = app.env.keys().map(|env| Target {
        name: format!("{}@{env}", call.args.app),
        scopes: vec![call.args.app.clone(), env.clone()],
    });
    sight.must(&targets.collect::<Vec<_>>())?;
    let mut rows = Vec::new();
    for (env, place) in app.env.iter().filter(|(env, _)| sight.covers(&call.args.app, env)) {
        let live = estate.argocd()?.app(&reference(place), Refresh::No).await;
        let (health, images, can) = match &live {
            Ok(live) => {
                let found = way(&call.args.app, app, place, live, &estate.config().tracking_label);
                let health = format!("{:?}", live.status.health.status);
                (health, live.status.summary.images.join(" "), told(&ctx, call.lang, &found).0)
            }
            Err(failure) => (String::new(), String::new(), told(&ctx, call.lang, &Err(failure.clone())).0),
        };
        rows.push(vec![env.clone(), place.application.clone(), health, images, can]);
    }
    let optional = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let fields = vec![
        (say("app-column-app"), call.args.app.clone()),
        (say("app-column-repository"), optional(&app.repository)),
        (say("app-column-image"), optional(&app.image)),
        (say("app-column-tag"), app.tag.clone()),
        (say("app-column-needs"), app.needs.join(", ")),
    ];
    let columns = ["env", "application", "health", "images", "way"].map(|name| say(&format!("app-column-{name}")));
    Ok(Answer::data(json!({ "app": app }))?.fields(fields).table(columns.to_vec(), rows))
}

/// Prints one.
pub async fn import(ctx: Ctx, call: Call<ImportArgs>) -> Result<Answer, Failure> {
    let estate = ctx.need::<Estate>()?;
    let known = match estate.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(failure) if ["catalogue-none", "catalogue-absent"].contains(&failure.code.as_str()) => Catalogue::default(),
        Err(failure) => return Err(failure),
    };
    let applications = estate.argocd()?.list(&ListQuery::default()).await?;
    if !call.args.whole && !known.app.is_empty() {
        let difference = import::difference(&known, &applications, estate.config());
        let answer = Answer::data(&difference)?;
        return Ok(match difference.is_none() {
            true => answer.line(ctx.say(call.lang, "app-import-same", &[])),
            false => answer.line(difference.text()?.trim_end()),
        });
    }
    let catalogue = import::catalogue(known, &applications, estate.config());
    let text = import::text(&catalogue)?;
    Ok(Answer::data(&catalogue)?.line(text.trim_end()))
}
