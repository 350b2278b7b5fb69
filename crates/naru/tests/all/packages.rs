//! What the chart renders to can be run: its configuration is one, and its pods may do no more than they need.

use std::path::{Path, PathBuf};

use naru_estate::yaml;
use serde_json::{Value, json};

use crate::house::House;

/// What the chart renders to, by case: every object.
fn cases() -> Vec<(String, Vec<Value>)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/helm/cases");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(name) = name.strip_suffix(".rendered.yaml") else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let objects = text.split("\n---\n").map(|part| yaml::read(part).unwrap()).filter(|object| !object.is_null());
        cases.push((name.to_owned(), objects.collect()));
    }
    assert_eq!(cases.len(), 2);
    cases
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind)
}

#[test]
fn the_configuration_of_each_case_is_one() {
    for (name, objects) in cases() {
        let text = of_kind(&objects, "ConfigMap").unwrap()["data"]["naru.toml"].as_str().unwrap().to_owned();
        let house = House::empty();
        // What stands in Secrets there.
        for secret in ["naru-postgres/url", "naru-argocd/token"] {
            let place = house.path(&secret.replace('/', "-"));
            std::fs::write(&place, "postgres://naru:hunter2@db/naru").unwrap();
        }
        let text = text.replace("/run/secrets/naru-postgres/", "naru-postgres-");
        house.write("naru.toml", &text.replace("/run/secrets/naru-argocd/", "naru-argocd-"));
        house.done(&["config", "check"]);
        assert!(text.contains("stop_delay_s = 10") && text.contains("0.0.0.0:7070"), "{name}: {text}");
    }
}

#[test]
fn pods_may_do_no_more_than_they_need() {
    for (name, objects) in cases() {
        let workload = of_kind(&objects, "Deployment").or(of_kind(&objects, "StatefulSet")).unwrap();
        let pod = &workload["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["automountServiceAccountToken"], of_kind(&objects, "ClusterRole").is_some(), "{name}");
        let containers = [&pod["containers"], &pod["initContainers"]].into_iter().filter_map(Value::as_array).flatten();
        for container in containers {
            let context = &container["securityContext"];
            assert_eq!(
                (
                    &context["readOnlyRootFilesystem"],
                    &context["allowPrivilegeEscalation"],
                    &context["capabilities"]["drop"]
                ),
                (&json!(true), &json!(false), &json!(["ALL"])),
                "{name}"
            );
        }
        // Stopping takes no longer than a pod is given: the drain, what is answered meanwhile, and outcomes that are stored.
        let hook = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"].as_array().unwrap();
        let minutes: u64 = hook[6].as_str().unwrap().strip_suffix('m').unwrap().parse().unwrap();
        assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() >= minutes * 60 + 10 + 60, "{name}");
        let words: Vec<&str> = hook[3..].iter().map(|word| word.as_str().unwrap()).collect();
        House::empty().done(&[&words[..1], &["--help"]].concat());
        for role in objects.iter().filter(|object| object["kind"] == "ClusterRole") {
            assert!(!role["rules"].to_string().contains('*'), "{name}: {role}");
        }
    }
}

#[test]
fn an_embedded_store_has_one_pod_and_a_volume_and_postgresql_has_neither() {
    let cases = cases();
    let of = |name: &str| &cases.iter().find(|(case, _)| case == name).unwrap().1;
    let embedded = of_kind(of("embedded"), "StatefulSet").unwrap();
    assert_eq!(
        (&embedded["spec"]["replicas"], &embedded["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]),
        (&json!(1), &json!("data"))
    );
    assert_eq!(of_kind(of("embedded"), "PodDisruptionBudget"), None);
    // What ends a drain before the pod begins is no failure on a volume that is empty.
    let begin = &embedded["spec"]["template"]["spec"]["initContainers"][0]["args"];
    assert_eq!(*begin, json!(["--config", "/etc/naru/naru.toml", "drain", "--undo", "here"]));
    let house = House::empty();
    house.write("naru.toml", "");
    house.done(&["--config", "naru.toml", "drain", "--undo", "here"]);
    let many = of_kind(of("postgres"), "Deployment").unwrap();
    assert_eq!(many["spec"]["replicas"], 3);
    assert_eq!(of_kind(of("postgres"), "PodDisruptionBudget").unwrap()["spec"]["maxUnavailable"], 1);
    for kind in
        ["Service", "Ingress", "ServiceMonitor", "NetworkPolicy", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    {
        assert!(of_kind(of("postgres"), kind).is_some(), "{kind}");
    }
}
