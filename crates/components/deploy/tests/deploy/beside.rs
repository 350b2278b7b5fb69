//! The file beside a chart stands for the whole list of parameters of the Application's spec, so it holds what the spec says
//! as well.

use serde_json::{Value, json};

use crate::shop::Shop;

/// `api` is rendered with a number of pods and a zone, which its spec sets.
fn with_parameters(shop: &Shop, namespace: &str) {
    let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: api, labels: { zone: \"{{ .Values.zone }}\" } }\n\
                    spec:\n  replicas: {{ .Values.pods }}\n  template:\n    spec:\n      containers:\n      - name: api\n        \
                    image: \"registry.test/shop/api:{{ .Values.image.tag }}\"\n";
    let values = "pods: 1\nzone: none\nimage:\n  tag: of-the-chart\n";
    let files =
        [("api/templates/deployment.yaml", Some(template.as_bytes())), ("api/values.yaml", Some(values.as_bytes()))];
    shop.charts.commit("main", &files, "Parameters");
    let parameters = json!([{ "name": "pods", "value": "3" }, { "name": "image.tag", "value": "of-the-spec" }]);
    shop.remake_api(namespace, &json!({ "source": { "helm": { "parameters": parameters } } }));
    assert_eq!(runs(shop), "3 none of-the-spec");
}

/// What runs: pods, zone and tag.
fn runs(shop: &Shop) -> String {
    let tag = shop.image("api").rsplit(':').next().unwrap().to_owned();
    shop.argocd.world(|world| {
        let live = world.live("api-staging", "Deployment", "api").unwrap();
        format!("{} {} {tag}", live["spec"]["replicas"], live["metadata"]["labels"]["zone"].as_str().unwrap())
    })
}

/// The parameters that the file names.
fn parameters(text: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(text).unwrap();
    let told = |it: &Value| format!("{}={}", it["name"].as_str().unwrap(), it["value"].as_str().unwrap());
    file["helm"]["parameters"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn what_the_spec_sets_stays_in_force_after_a_deploy_a_rollback_and_the_way_back() {
    let shop = Shop::new();
    with_parameters(&shop, "argocd");
    let holds = |tag: &str| {
        assert_eq!(runs(&shop), format!("3 none {tag}"));
        assert_eq!(parameters(&shop.overlay("api")), ["pods=3".to_owned(), format!("image.tag={tag}")]);
    };
    let first = shop.push("main");
    let id = shop.deployed("api").brief.id;
    holds(&first);
    shop.undone(id);
    assert_eq!(
        (runs(&shop).as_str(), shop.overlay("api").as_str()),
        ("3 none of-the-spec", ""),
        "as if never deployed"
    );

    let second = shop.push("main");
    shop.deployed("api");
    let third = shop.push("main");
    shop.deployed("api");
    holds(&third);
    let back = shop.ask("rollback", json!({ "app": "api" }));
    shop.until(back, naru_operation::operation::State::Done);
    holds(&second);
    shop.undone(back);
    holds(&third);
}

#[test]
fn what_others_wrote_into_the_file_stays_in_it() {
    let shop = Shop::new();
    with_parameters(&shop, "argocd");
    let path = "api/.argocd-source-api-staging.yaml";
    let by_hand = "# by hand\nhelm:\n  parameters:\n  - { name: pods, value: \"3\" }\n  - { name: zone, value: kr }\n  - { name: \
                   image.tag, value: of-the-file }\n";
    shop.charts.commit("main", &[(path, Some(by_hand.as_bytes()))], "By hand");
    let tag = shop.push("main");
    let id = shop.deployed("api").brief.id;
    assert_eq!(parameters(&shop.file(path)), ["pods=3".to_owned(), "zone=kr".to_owned(), format!("image.tag={tag}")]);
    assert_eq!(runs(&shop), format!("3 kr {tag}"));
    shop.undone(id);
    assert_eq!(parameters(&shop.file(path)), ["pods=3", "zone=kr", "image.tag=of-the-file"]);
    assert_eq!(runs(&shop), "3 kr of-the-file");
}

#[test]
fn what_the_spec_gains_is_in_force_with_the_next_deploy() {
    let shop = Shop::new();
    with_parameters(&shop, "argocd");
    shop.push("main");
    shop.deployed("api");
    let more = json!([
        { "name": "pods", "value": "3" }, { "name": "image.tag", "value": "of-the-spec" }, { "name": "zone", "value": "kr" },
    ]);
    shop.argocd.world(|world| {
        world.change_app("api-staging", &json!({ "spec": { "source": { "helm": { "parameters": more } } } }))
    });
    let tag = shop.push("main");
    shop.deployed("api");
    assert_eq!(runs(&shop), format!("3 kr {tag}"));
}

#[test]
fn outside_argo_cds_own_namespace_the_file_is_named_after_both() {
    let shop = Shop::new();
    with_parameters(&shop, "team-a");
    shop.only_api("", "namespace = 'team-a'");
    let tag = shop.push("main");
    let id = shop.deployed("api").brief.id;
    let path = "api/.argocd-source-team-a_api-staging.yaml";
    assert_eq!(parameters(&shop.file(path)), ["pods=3".to_owned(), format!("image.tag={tag}")]);
    assert_eq!((runs(&shop), shop.overlay("api")), (format!("3 none {tag}"), String::new()));
    shop.undone(id);
    assert_eq!((runs(&shop).as_str(), shop.file(path).as_str()), ("3 none of-the-spec", ""));
}

#[test]
fn its_own_namespace_is_in_no_name_even_where_somebody_says_it() {
    let shop = Shop::new();
    with_parameters(&shop, "argocd");
    shop.only_api("", "namespace = 'argocd'");
    let tag = shop.push("main");
    shop.deployed("api");
    assert_eq!(parameters(&shop.overlay("api")), ["pods=3".to_owned(), format!("image.tag={tag}")]);
    assert_eq!(
        (runs(&shop), shop.file("api/.argocd-source-argocd_api-staging.yaml").as_str()),
        (format!("3 none {tag}"), "")
    );
}
