//! The order of a release of several apps: what an app needs goes before it.

use std::collections::{BTreeMap, BTreeSet};

use naru_core::failure::Failure;

/// Apps in waves: each needs only apps of the waves before, as far as these are released at all. `needs` gives what an app
/// needs directly, apps that are not released included: one may need another by way of them.
pub fn waves(apps: &[String], needs: impl Fn(&str) -> Vec<String>) -> Result<Vec<Vec<String>>, Failure> {
    let released: BTreeSet<&str> = apps.iter().map(String::as_str).collect();
    let mut before: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for app in &released {
        before.insert(app, reached(app, &released, &needs));
    }
    let mut waves: Vec<Vec<String>> = Vec::new();
    while !before.is_empty() {
        let wave: Vec<String> =
            before.iter().filter(|(_, needed)| needed.is_empty()).map(|(app, _)| (*app).to_owned()).collect();
        if wave.is_empty() {
            let ring = before.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(Failure::usage("catalogue-ring").arg("apps", ring));
        }
        before.retain(|app, _| !wave.iter().any(|done| done == app));
        for needed in before.values_mut() {
            needed.retain(|app| !wave.contains(app));
        }
        waves.push(wave);
    }
    Ok(waves)
}

/// The released apps that `app` needs, directly or by way of others.
fn reached(app: &str, released: &BTreeSet<&str>, needs: &impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), needs(app));
    while let Some(next) = open.pop() {
        if !seen.insert(next.clone()) {
            continue;
        }
        open.extend(needs(&next));
        if released.contains(next.as_str()) {
            found.insert(next);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(needs: &[(&str, &[&str])], apps: &[&str], expect: Result<&[&[&str]], &str>) {
        let of = |app: &str| {
            let found = needs.iter().find(|(name, _)| *name == app).map(|(_, needs)| *needs).unwrap_or_default();
            found.iter().map(|name| (*name).to_owned()).collect()
        };
        let apps: Vec<String> = apps.iter().map(|app| (*app).to_owned()).collect();
        let found = waves(&apps, of).map_err(|failure| failure.args["apps"].clone());
        let expect = expect
            .map(|waves| waves.iter().map(|wave| wave.iter().map(|app| (*app).to_owned()).collect()).collect())
            .map_err(str::to_owned);
        assert_eq!(found, expect);
    }

    #[test]
    fn what_an_app_needs_goes_before_it() {
        let needs: &[(&str, &[&str])] = &[("web", &["api"]), ("api", &["auth"]), ("admin", &["api"])];
        check(needs, &["web", "api", "admin"], Ok(&[&["api"], &["admin", "web"]]));
        // By way of api, which is not released.
        check(needs, &["web", "auth"], Ok(&[&["auth"], &["web"]]));
        check(needs, &["web"], Ok(&[&["web"]]));
        check(needs, &[], Ok(&[]));
    }

    #[test]
    fn a_ring_is_told_by_its_apps() {
        let needs: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["c"]), ("c", &["a"])];
        check(needs, &["a", "c", "x"], Err("a, c"));
        check(needs, &["x"], Ok(&[&["x"]]));
    }
}
