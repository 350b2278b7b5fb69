//! `doctor` on a platform: what answers is named, and what is missing is told with what to do about it.

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
