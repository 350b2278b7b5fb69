//! Where a change is written: each way that there is, to the end and back.

use naru_operation::operation::State;
use naru_testkit::origin::Origin;
use serde_json::{Value, json};

use crate::shop::Shop;

/// A registry of charts.
const REGISTRY: &str = "https://charts.test";

/// What an image of `api` is called.
fn api(tag: &str) -> String {
    format!("registry.test/shop/api:{tag}")
}

fn deployment(tag: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: api }}\nspec:\n  replicas: 1\n  template:\n    spec:\n      \
         containers:\n      - name: api\n        image: \"registry.test/shop/api:{{{{ .Values.{tag} }}}}\"\n"
    )
}

/// How often an Application's spec was patched.
fn patches(shop: &Shop) -> usize {
    shop.argocd.calls("PATCH /api/v1/applications/api-staging").len()
}

fn spec(shop: &Shop) -> Value {
    shop.argocd.world(|world| world.app("api-staging")["spec"].clone())
}

#[test]
fn a_key_of_a_values_file_is_set_and_all_else_in_the_file_stays() {
    let shop = Shop::new();
    let values = |zone: &str, tag: &str| {
        format!(
            "# 운영팀이 씁니다\nzone: {zone}\nimages:\n  # written by a deploy\n  api:\n    tag: {tag}   # 배포한 버전\n  \
             proxy: \"1.20\" # a text\n\n# the end\n"
        )
    };
    let (first, template) = (|zone: &str| values(zone, "main-first"), deployment("images.api.tag"));
    let files = [
        ("api/values.yaml", first("qa")),
        ("api/staging.yaml", first("staging")),
        ("api/templates/deployment.yaml", template),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_bytes()))).collect();
    shop.charts.commit("main", &files, "Values");
    shop.remake_api("argocd", &json!({ "source": { "helm": { "valueFiles": ["staging.yaml"] } } }));
    shop.argocd.world(|world| {
        let mut qa = world.app("api-staging")["spec"].clone();
        qa["source"]["helm"] = json!({});
        world.add_app("api-qa", qa);
    });
    shop.argocd.settle();
    let keys = "write = 'values'\nvalues_file = 'api/values.yaml'\nimage_key = 'images.api.tag'\n\
                env.qa = { application = 'api-qa', project = 'shop', branch = 'main' }";
    shop.only_api(keys, "values_file = 'api/staging.yaml'");

    let tag = shop.push("main");
    let of_staging = shop.deployed("api").brief.id;
    assert_eq!(shop.file("api/staging.yaml"), values("staging", &tag));
    assert_eq!(shop.file("api/values.yaml"), first("qa"), "the file of another place");
    assert_eq!(shop.image("api"), api(&tag));
    shop.deployed("api to qa");
    assert_eq!(shop.file("api/values.yaml"), values("qa", &tag));
    assert_eq!(shop.images("api-qa", "Deployment", "api"), [api(&tag)]);
    assert_eq!((shop.commits().len(), shop.overlay("api").as_str()), (2, ""), "nothing lies over it");

    shop.undone(of_staging);
    assert_eq!(shop.file("api/staging.yaml"), first("staging"));
    assert_eq!(shop.file("api/values.yaml"), values("qa", &tag));
    assert_eq!(shop.image("api"), api("main-first"));
}

/// The chart of `api`: out of a registry, or out of Git.
#[derive(Clone, Copy)]
enum Chart {
    Registry,
    Git,
}

/// `api` has its values out of a repository of their own.
fn with_values(shop: &Shop, chart: Chart, values: &Origin, owner: Option<&str>) {
    let (template, url) = (deployment("image.tag"), values.url());
    let file = "# 값\nimage:\n  tag: main-first # here\n";
    values.commit("main", &[("staging/api.yaml", Some(file.as_bytes()))], "Values");
    shop.argocd.world(|world| {
        let files =
            [("api/templates/deployment.yaml", Some(template.as_str())), ("api/values.yaml", Some("image: {}\n"))];
        world.repo(REGISTRY).commit("1.4.0", "Other <other@example.com>", "1.4.0", &files);
        world.use_git(&url, &values.path());
    });
    let helm = json!({ "valueFiles": ["$values/staging/api.yaml"] });
    let chart = match chart {
        Chart::Registry => json!({ "repoURL": REGISTRY, "chart": "api", "targetRevision": "1.4.0", "helm": helm }),
        Chart::Git => json!({ "repoURL": shop.charts_url, "path": "api", "targetRevision": "main", "helm": helm }),
    };
    let sources = json!([chart, { "repoURL": url, "ref": "values", "targetRevision": "main" }]);
    shop.remake_api("argocd", &json!({ "source": null, "sources": sources }));
    if let Some(owner) = owner {
        shop.argocd.world(|world| world.own_by_app("api-staging", owner));
    }
}

#[test]
fn values_that_a_source_refers_to_are_written_in_their_own_repository() {
    for chart in [Chart::Registry, Chart::Git] {
        let (shop, values) = (Shop::new(), Origin::new());
        // Whoever owns it would put a spec back.
        with_values(&shop, chart, &values, Some("root"));
        shop.only_api("values_file = 'staging/api.yaml'", "");
        let text = || String::from_utf8(values.file("main", "staging/api.yaml").unwrap()).unwrap();
        let (before, owned) = (text(), spec(&shop));
        let tag = shop.push("main");
        let id = shop.deployed("api").brief.id;
        assert_eq!((text(), shop.image("api")), (before.replace("main-first", &tag), api(&tag)));
        let log = values.log("main");
        assert!(log[0].message.contains("Naru-Operation: ") && !log[1].message.contains("Naru-Operation: "), "{log:?}");
        assert_eq!((shop.commits(), patches(&shop), spec(&shop)), (vec![], 0, owned));
        assert_eq!(shop.deployed("api").plan.steps, [], "the same once more is nothing to do");
        shop.undone(id);
        assert_eq!((text(), shop.image("api")), (before, api("main-first")));
    }
}

#[test]
fn the_spec_of_an_application_that_nobody_owns_is_patched_once_and_back() {
    let (shop, values) = (Shop::new(), Origin::new());
    with_values(&shop, Chart::Registry, &values, None);
    shop.only_api("", "");
    let before = spec(&shop);
    let tag = shop.push("main");
    let operation = shop.deployed("api");
    let verbs: Vec<&str> = operation.plan.steps.iter().map(|step| step.verb.as_str()).collect();
    assert_eq!(verbs, ["spec", "rollout"]);
    let written = json!([{ "name": "image.tag", "value": tag, "forceString": true }]);
    let mut expect = before.clone();
    expect["sources"][0]["helm"]["parameters"] = written;
    assert_eq!((spec(&shop), shop.image("api")), (expect, api(&tag)));
    assert_eq!(shop.deployed("api").plan.steps, [], "the same once more is nothing to do");
    assert_eq!(patches(&shop), 1);
    shop.undone(operation.brief.id);
    let mut expect = before;
    expect["sources"][0]["helm"]["parameters"] = json!([]);
    assert_eq!((spec(&shop), shop.image("api"), patches(&shop)), (expect, api("main-first"), 2));
    assert_eq!((shop.commits().len(), values.log("main").len()), (0, 2), "no Git was written to");
}

#[test]
fn parameters_of_a_spec_that_others_wrote_stay_when_it_is_patched() {
    let shop = Shop::new();
    let parameters = json!([{ "name": "zone", "value": "kr" }, { "name": "image.tag", "value": "main-first" }]);
    shop.remake_api("argocd", &json!({ "source": { "helm": { "parameters": parameters } } }));
    shop.only_api("write = 'spec'", "");
    let tag = shop.push("main");
    let id = shop.deployed("api").brief.id;
    let now = || spec(&shop)["source"]["helm"]["parameters"].clone();
    let written = json!({ "name": "image.tag", "value": tag, "forceString": true });
    assert_eq!((now(), shop.image("api")), (json!([{ "name": "zone", "value": "kr" }, written]), api(&tag)));
    shop.undone(id);
    let written = json!({ "name": "image.tag", "value": "main-first", "forceString": true });
    assert_eq!((now(), shop.image("api")), (json!([{ "name": "zone", "value": "kr" }, written]), api("main-first")));
    assert_eq!((shop.overlay("api"), shop.commits()), (String::new(), vec![]));
}

/// `api` is a folder of Kustomize's, whose spec names the images that are given; without any, Argo CD alone knows what it is.
fn by_kustomize(shop: &Shop, images: &[&str]) {
    let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: api }\nspec:\n  replicas: 1\n  template:\n    spec:\n      \
                  containers:\n      - { name: api, image: registry.test/shop/api }\n      - { name: proxy, image: \
                  'shop/proxy:1' }\n";
    let own = "resources: [deployment.yaml]\nimages:\n- name: registry.test/shop/api\n  newTag: main-first\n";
    let files =
        [("kustom/kustomization.yaml", Some(own.as_bytes())), ("kustom/deployment.yaml", Some(object.as_bytes()))];
    shop.charts.commit("main", &files, "Kustomize");
    let kustomize = if images.is_empty() { Value::Null } else { json!({ "images": images }) };
    shop.remake_api("argocd", &json!({ "source": { "path": "kustom", "helm": null, "kustomize": kustomize } }));
}

#[test]
fn an_image_of_kustomize_is_written_beside_its_folder_with_those_of_the_spec() {
    for (of_spec, proxy) in [(vec![], "shop/proxy:1"), (vec!["shop/proxy:2"], "shop/proxy:2")] {
        let shop = Shop::new();
        by_kustomize(&shop, &of_spec);
        shop.only_api("", "");
        let runs = |tag: &str| {
            assert_eq!(shop.images("api-staging", "Deployment", "api"), [api(tag), proxy.to_owned()]);
        };
        runs("main-first");
        let before = spec(&shop);
        let tag = shop.push("main");
        let id = shop.deployed("api").brief.id;
        runs(&tag);
        let path = "kustom/.argocd-source-api-staging.yaml";
        let file: Value = serde_json::from_str(&shop.file(path)).unwrap();
        let tagged = api(&tag);
        let images = [of_spec, vec![tagged.as_str()]].concat();
        assert_eq!(file, json!({ "kustomize": { "images": images } }));
        assert_eq!((shop.commits().len(), patches(&shop)), (1, 0));
        shop.undone(id);
        runs("main-first");
        assert_eq!((shop.charts.file("main", path), spec(&shop)), (None, before), "there was no file before");
    }
}

#[test]
fn an_image_of_kustomize_is_written_into_a_spec_that_nobody_owns() {
    let shop = Shop::new();
    by_kustomize(&shop, &["shop/proxy:2"]);
    shop.only_api("write = 'spec'", "");
    let before = spec(&shop);
    let tag = shop.push("main");
    let id = shop.deployed("api").brief.id;
    let mut expect = before.clone();
    expect["source"]["kustomize"]["images"] = json!(["shop/proxy:2", api(&tag)]);
    assert_eq!((spec(&shop), shop.commits(), patches(&shop)), (expect, vec![], 1));
    assert_eq!(shop.images("api-staging", "Deployment", "api"), [api(&tag), "shop/proxy:2".to_owned()]);
    shop.undone(id);
    assert_eq!((spec(&shop), patches(&shop)), (before, 2));
    assert_eq!(shop.images("api-staging", "Deployment", "api"), [api("main-first"), "shop/proxy:2".to_owned()]);
}

#[test]
fn the_digest_of_an_image_that_was_being_built_is_written_into_a_values_file_and_into_a_spec() {
    let ways = ["write = 'values'\nvalues_file = 'api/values.yaml'", "write = 'spec'"];
    for way in ways {
        let shop = Shop::new();
        let values = "image:\n  tag: main-first\n  digest: \"\" # of the tag\n";
        shop.charts.commit("main", &[("api/values.yaml", Some(values.as_bytes()))], "Values");
        shop.remake_api("argocd", &json!({}));
        shop.only_api(&format!("digest_key = 'image.digest'\n{way}"), "");
        let (commit, tag) = shop.push_unbuilt("main");
        shop.gitlab.pipeline("shop/code", &commit, "main", "running");
        let id = shop.deploy("api").unwrap();
        shop.until_waiting(id, "pipeline-running");
        let digest = shop.gitlab.push_image("shop/api", &tag);
        shop.until(id, State::Done);
        let written = shop.file("api/values.yaml") + &spec(&shop)["source"]["helm"]["parameters"].to_string();
        assert!(written.contains(&tag) && written.contains(&digest), "{written}");
        assert_eq!(shop.deployed("api").plan.steps, [], "{way}: the same once more is nothing to do");
        shop.undone(id);
        let written = shop.file("api/values.yaml") + &spec(&shop)["source"]["helm"]["parameters"].to_string();
        assert!(!written.contains(&tag) && !written.contains(&digest), "{written}");
        assert_eq!((shop.file("api/values.yaml").as_str(), shop.image("api")), (values, api("main-first")));
    }
}
