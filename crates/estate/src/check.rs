//! What `doctor` looks at: the catalogue, whether everything outside answers, and whether naru's account at Argo CD has each
//! right that it needs, with the line of policy for those that are missing. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use futures_util::StreamExt;
use naru_component::ctx::Ctx;
use naru_component::{Check, Finding};
use naru_core::failure::Failure;

use crate::catalogue::{Catalogue, Write};
use crate::estate::Estate;

/// Questions that are asked at once.
const ASKED_AT_ONCE: usize = 16;
/// Repositories and projects that are looked at: `doctor` gives a check some seconds.
const LOOKED_MAX: usize = 60;
/// Applications whose rights are asked for.
const APPLICATIONS_MAX: usize = 300;

/// Every check of the estate.
pub fn all() -> Vec<Check> {
    fn check<F>(name: &'static str, look: impl Fn(Arc<Estate>, Catalogue) -> F + Clone + Send + Sync + 'static) -> Check
    where
        F: Future<Output = Result<Vec<Finding>, Failure>> + Send + 'static,
    {
        let run = move |ctx: Ctx| -> futures_util::future::BoxFuture<'static, Vec<Finding>> {
            let look = look.clone();
            Box::pin(async move {
                let found = async {
                    let estate = ctx.need::<Estate>()?;
                    if estate.config().catalogue.is_none() {
                        return Ok(vec![Finding::Good("no apps: there is no catalogue".to_owned())]);
                    }
                    let catalogue = estate.catalogue().await?;
                    look(estate, catalogue).await
                };
                found.await.unwrap_or_else(|failure| vec![Finding::Bad(failure)])
            })
        };
        Check { name, run: Arc::new(run) }
    }
    vec![
        check("estate catalogue", |_, catalogue| async move { Ok(vec![catalogued(&catalogue)]) }),
        check("estate argocd", argocd),
        check("estate git", git),
        check("estate gitlab", gitlab),
        Check { name: "estate clusters", run: Arc::new(|ctx| Box::pin(clusters(ctx))) },
    ]
}

fn catalogued(catalogue: &Catalogue) -> Finding {
    let places: usize = catalogue.app.values().map(|app| app.env.len()).sum();
    let envs = catalogue.envs().into_iter().collect::<Vec<_>>().join(", ");
    Finding::Good(format!("{} apps at {places} places: {envs}", catalogue.app.len()))
}

async fn argocd(estate: Arc<Estate>, catalogue: Catalogue) -> Result<Vec<Finding>, Failure> {
    let client = estate.argocd()?;
    let (version, user) = (client.version().await?, client.user().await?);
    let mut needed: Vec<(String, String, &'static str)> = Vec::new();
    for app in catalogue.app.values() {
        // A spec is written where the catalogue says so; where it says nothing nobody knows before it is asked for.
        let writes = matches!(app.write, Some(Write::Spec | Write::Revision)) && app.values_file.is_none();
        let actions = ["get", "sync"].into_iter().chain(writes.then_some("update"));
        for place in app.env.values() {
            needed.extend(actions.clone().map(|action| (place.project.clone(), place.application.clone(), action)));
        }
    }
    needed.truncate(APPLICATIONS_MAX * 3);
    let count = needed.iter().map(|(_, name, _)| name.clone()).collect::<BTreeSet<String>>().len();
    let mut asked = Vec::new();
    for (project, name, action) in needed {
        asked.push(async move {
            let may = client.can_i("applications", action, &format!("{project}/{name}")).await?;
            Ok::<_, Failure>((project, name, action, may))
        });
    }
    let answers: Vec<Result<_, Failure>> = futures_util::stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    let mut missing: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for answer in answers {
        let (project, name, action, may) = answer?;
        if !may {
            missing.entry((project, action)).or_default().push(name);
        }
    }
    let mut found = vec![Finding::Good(format!("Argo CD {version}, as {}", user.username))];
    if missing.is_empty() {
        found.push(Finding::Good(format!("every right to {} Applications", count)));
    }
    found.extend(missing.into_iter().map(|((project, action), names)| {
        let line = format!("p, {}, applications, {action}, {project}/*, allow", user.username);
        let failure = Failure::refused("estate-right-missing").arg("action", action).arg("line", line);
        Finding::Bad(failure.arg("count", names.len()).arg("app", &names[0]))
    }));
    Ok(found)
}

async fn git(estate: Arc<Estate>, catalogue: Catalogue) -> Result<Vec<Finding>, Failure> {
    let version = estate.git_version().await?;
    let urls = catalogue.app.values().flat_map(|app| [app.repository.clone(), app.values_repository.clone()]);
    let urls: BTreeSet<String> = urls.flatten().collect();
    let mut looks = Vec::new();
    for url in urls.into_iter().take(LOOKED_MAX) {
        let estate = estate.clone();
        looks.push(async move { estate.repository(&url)?.refs().await.map(drop) });
    }
    let looked: Vec<Result<(), Failure>> = futures_util::stream::iter(looks).buffered(ASKED_AT_ONCE).collect().await;
    let (all, mut found) = (looked.len(), Vec::new());
    found.extend(looked.into_iter().filter_map(Result::err).map(Finding::Bad));
    let good = all - found.len();
    found.insert(0, Finding::Good(format!("Git {version}, {good} of {all} repositories answer")));
    Ok(found)
}

async fn gitlab(estate: Arc<Estate>, catalogue: Catalogue) -> Result<Vec<Finding>, Failure> {
    let Some(gitlab) = estate.gitlab()? else {
        return Ok(vec![Finding::Good("none: no pipeline is waited for".to_owned())]);
    };
    let urls = catalogue.app.values().filter_map(|app| app.repository.as_deref());
    let projects: BTreeSet<String> = urls.filter_map(|url| estate.gitlab_project(url)).collect();
    let mut asks = Vec::new();
    for project in projects.into_iter().take(LOOKED_MAX) {
        asks.push(async move { gitlab.project(&project).await });
    }
    let asked: Vec<Result<_, Failure>> = futures_util::stream::iter(asks).buffered(ASKED_AT_ONCE).collect().await;
    let (all, mut found) = (asked.len(), Vec::new());
    found.extend(asked.into_iter().filter_map(Result::err).map(Finding::Bad));
    let good = all - found.len();
    found.insert(0, Finding::Good(format!("{good} of {all} projects answer")));
    Ok(found)
}

/// Clusters that are asked directly: whether each answers, and which it is.
async fn clusters(ctx: Ctx) -> Vec<Finding> {
    let estate = match ctx.need::<Estate>() {
        Ok(estate) => estate,
        Err(failure) => return vec![Finding::Bad(failure)],
    };
    let mut asks = Vec::new();
    for name in estate.clusters().take(LOOKED_MAX) {
        let cluster = estate.cluster(name);
        asks.push(async move { Ok::<_, Failure>(format!("{name}: Kubernetes {}", cluster?.version().await?)) });
    }
    let asked: Vec<Result<String, Failure>> = futures_util::stream::iter(asks).buffered(ASKED_AT_ONCE).collect().await;
    if asked.is_empty() {
        return vec![Finding::Good("none is asked directly: Argo CD reaches its own".to_owned())];
    }
    asked.into_iter().map(|asked| asked.map_or_else(Finding::Bad, Finding::Good)).collect()
}
