//! What is said of a platform as a whole: `doctor` names what answers and what is missing, `app` what there is and whose.

use std::process::Output;

use naru_testkit::kube::{Kube, TOKEN};

use crate::house::{House, text};
use crate::platform::Platform;

fn doctor(house: &House) -> (String, Option<i32>) {
    let Output { stdout, status, .. } = house.run(&["doctor", "estate"]);
    (text(&stdout), status.code())
}

#[test]
fn whatever_answers_is_named_and_a_missing_right_comes_with_its_line_of_policy() {
    let (house, platform, kube) = (House::new(), Platform::new(), Kube::start("1.29"));
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("kubeconfig", &kube.kubeconfig(TOKEN));
    let config = format!("{config}\n{}[cluster.main]\nkubeconfig = 'kubeconfig'\n", platform.configure(&house));
    house.write("naru.toml", &config);
    let (said, code) = doctor(&house);
    for part in ["1 apps at 2 places: production, staging", "every right to 2 Applications", "main: Kubernetes v1.29"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(code, Some(0), "{said}");

    platform.argocd.world(|world| {
        world.add_token("reader", "reader", &["applications, get, default/*, allow"]);
    });
    house.write("argocd", "reader");
    house.write("kubeconfig", &kube.kubeconfig("nobody"));
    let (said, code) = doctor(&house);
    assert!(said.contains("p, reader, applications, sync, default/*, allow"), "{said}");
    assert!(said.contains("✗ estate clusters"), "{said}");
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn a_catalogue_is_made_of_what_runs_and_listed_with_owner_and_cluster() {
    let (house, platform) = (House::new(), Platform::new());
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &format!("{config}\n{}", platform.configure(&house)));
    assert_eq!(house.done(&["app", "import"]).trim(), "The catalogue is as Argo CD is");
    let known = house.done(&["app", "import", "--whole"]);
    assert!(known.starts_with("# To be added by hand: `repository`"), "{known}");
    assert!(known.contains(&platform.code.url()), "what the catalogue says stays: {known}");
    std::fs::remove_file(house.path("apps.toml")).unwrap();
    let (code, said) = house.refused(&["app", "list"]);
    assert!(code == 1 && said.contains("There is no catalogue at") && said.contains("naru app import >"), "{said}");
    let made = house.done(&["app", "import"]);
    assert!(made.contains("[app.web.env.staging]") && !made.contains(&platform.code.url()), "{made}");
    house.write("apps.toml", &made);

    platform.argocd.world(|world| {
        world.add_set("shops", serde_json::json!({}));
        world.own_by_set("web-staging", "shops");
        world.remove_app("web-production");
    });
    let difference = house.done(&["app", "import"]);
    assert!(difference.starts_with("# take out of [app.web]:  env.production = {"), "{difference}");
    let listed = house.done(&["app", "list"]);
    let line = |place: &str| listed.lines().find(|line| line.contains(place)).unwrap_or_else(|| panic!("{listed}"));
    let staging = line("web-staging");
    assert!(staging.contains("ApplicationSet shops") && staging.contains("in-cluster"), "{listed}");
    assert!(line("web-production").contains("no Application"), "{listed}");
    let shown = house.done(&["app", "show", "web"]);
    assert!(shown.contains("shop/web:first"), "{shown}");
    assert!(house.refused(&["app", "show", "wbe"]).1.contains("web"), "the nearest name is told");
}
