//! The revision that an Application follows is what is deployed: a branch of its chart.

use naru_operation::operation::State;
use serde_json::json;

use crate::shop::Shop;

/// `api` is deployed by revision, and its chart is its code.
fn by_revision(shop: &Shop, more: &str) {
    shop.rewrite_catalogue(&format!(
        "[app.api]\nrepository = '{}'\nwrite = 'revision'\ndeadline_s = 60\n{more}\
         env.staging = {{ application = 'api-staging', project = 'shop', branch = 'main' }}\n",
        shop.charts_url
    ));
}

/// A branch of the chart that is rendered with another image; answers its head.
fn branch(shop: &Shop, name: &str, tag: &str) -> String {
    if shop.charts.head(name).is_none() {
        shop.charts.branch(name, "main");
    }
    let values = format!("image:\n  tag: {tag}\n");
    shop.charts.commit(name, &[("api/values.yaml", Some(values.as_bytes()))], "Values")
}

fn follows(shop: &Shop) -> String {
    let app = shop.argocd.world(|world| world.app("api-staging").clone());
    app["spec"]["source"]["targetRevision"].as_str().unwrap().to_owned()
}

#[test]
fn an_application_that_nobody_owns_follows_another_branch_and_back() {
    let shop = Shop::new();
    by_revision(&shop, "");
    branch(&shop, "feature/cart", "cart-1");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until(id, State::Done);
    assert_eq!(
        (follows(&shop).as_str(), shop.image("api").as_str()),
        ("feature/cart", "registry.test/shop/api:cart-1")
    );
    assert_eq!(shop.deploy("api feature/cart").map(|id| shop.until(id, State::Done).plan.steps.len()).unwrap(), 0);
    // The branch goes on: nothing is written, and what it is now is rolled out.
    branch(&shop, "feature/cart", "cart-2");
    let id = shop.deploy("api feature/cart").unwrap();
    let steps: Vec<String> = shop.until(id, State::Done).plan.steps.into_iter().map(|step| step.verb).collect();
    assert_eq!((steps, shop.image("api").as_str()), (vec!["rollout".to_owned()], "registry.test/shop/api:cart-2"));
    let answer = shop.say("unpin", json!({ "app": "api" })).unwrap();
    shop.until(answer.data["operation"]["id"].as_str().unwrap().parse().unwrap(), State::Done);
    assert_eq!((follows(&shop).as_str(), shop.image("api").as_str()), ("main", "registry.test/shop/api:main-first"));
}

#[test]
fn the_file_of_an_application_that_somebody_writes_is_changed_in_git() {
    let shop = Shop::new();
    let file = "kind: Application\nspec:\n  source:\n    targetRevision: main # until somebody deploys\n";
    shop.charts.commit("main", &[("apps/api.yaml", Some(file.as_bytes()))], "Application");
    by_revision(&shop, &format!("values_repository = '{}'\nvalues_file = 'apps/api.yaml'\n", shop.charts_url));
    shop.argocd.world(|world| world.own_by_app("api-staging", "root"));
    branch(&shop, "feature/cart", "cart-1");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until_waiting(id, "rollout-revision");
    let written = String::from_utf8(shop.charts.file("main", "apps/api.yaml").unwrap()).unwrap();
    assert_eq!(written, file.replace("main #", "feature/cart #"));
    // Whoever writes the Application takes it over.
    shop.argocd.world(|world| {
        world.change_template("api-staging", &json!({ "source": { "targetRevision": "feature/cart" } }))
    });
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), "registry.test/shop/api:cart-1");
}
