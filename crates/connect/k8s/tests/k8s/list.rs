//! Lists by page and by label.

use naru_k8s::calls::list::ListQuery;
use naru_testkit::kube::fault::Fault;
use serde_json::json;

use crate::server::{CONFIG_MAP, DEPLOYMENT, NAMESPACE, Server, code, text};

on_each!(
    all_pages_are_one_list,
    labels_and_fields_choose,
    more_than_was_asked_for_is_no_answer,
    what_belongs_to_the_cluster_is_in_no_namespace,
);

async fn maps(server: &Server, namespace: &str) {
    for number in 0..5 {
        let labels = json!({ "of": namespace, "odd": (number % 2 == 1).to_string() });
        server.config_map(namespace, &format!("map-{number}"), labels).await;
    }
}

fn of(namespace: &str) -> ListQuery {
    ListQuery { page: 2, ..ListQuery::of(namespace).with_labels(format!("of={namespace}")) }
}

fn names(items: &[serde_json::Value]) -> Vec<&str> {
    items.iter().map(|item| text(item, "/metadata/name")).collect()
}

async fn all_pages_are_one_list(server: &Server) {
    let namespace = server.namespace().await;
    maps(server, &namespace).await;
    let list = server.client.list(&CONFIG_MAP, &of(&namespace)).await.unwrap();
    assert_eq!(names(&list.items), ["map-0", "map-1", "map-2", "map-3", "map-4"]);
    assert!(list.items.iter().all(|item| text(item, "/kind") == "ConfigMap" && text(item, "/apiVersion") == "v1"));
    assert!(!list.resource_version.is_empty());
    let everywhere = ListQuery { namespace: String::new(), ..of(&namespace) };
    assert_eq!(server.client.list(&CONFIG_MAP, &everywhere).await.unwrap().items.len(), 5);
    assert_eq!(server.client.list(&DEPLOYMENT, &of(&namespace)).await.unwrap().items, [] as [serde_json::Value; 0]);
}

async fn labels_and_fields_choose(server: &Server) {
    let namespace = server.namespace().await;
    maps(server, &namespace).await;
    let odd = ListQuery::of(&namespace).with_labels("odd in (true, maybe),of");
    assert_eq!(names(&server.client.list(&CONFIG_MAP, &odd).await.unwrap().items), ["map-1", "map-3"]);
    let one = ListQuery { fields: Some("metadata.name=map-2".to_owned()), ..ListQuery::of(&namespace) };
    assert_eq!(names(&server.client.list(&CONFIG_MAP, &one).await.unwrap().items), ["map-2"]);
    let wrong = ListQuery::of(&namespace).with_labels("of is (");
    assert_eq!(code(server.client.list(&CONFIG_MAP, &wrong).await), "k8s-refused");
}

async fn more_than_was_asked_for_is_no_answer(server: &Server) {
    let namespace = server.namespace().await;
    maps(server, &namespace).await;
    let bounded = ListQuery { objects_max: 4, ..of(&namespace) };
    assert_eq!(code(server.client.list(&CONFIG_MAP, &bounded).await), "k8s-too-many");
}

async fn what_belongs_to_the_cluster_is_in_no_namespace(server: &Server) {
    let namespace = server.namespace().await;
    assert_eq!(code(server.client.list(&NAMESPACE, &ListQuery::of(&namespace)).await), "k8s-name-wrong");
    let all = server.client.list(&NAMESPACE, &ListQuery::default()).await.unwrap();
    assert!(names(&all.items).contains(&namespace.as_str()));
}

#[tokio::test]
async fn a_list_whose_pages_have_expired_begins_anew_a_few_times() {
    let server = Server::stand_in("1.20");
    maps(&server, "default").await;
    let list = "GET /api/v1/namespaces/default/configmaps";
    // The first page is answered, and then the rest of it is gone.
    server.kube().fault_at(list, Fault::Hold);
    let query = of("default");
    let (listed, ()) = tokio::join!(server.client.list(&CONFIG_MAP, &query), async {
        let asked = async || (!server.kube().calls(list).is_empty()).then_some(());
        naru_testkit::wait::eventually("the first page", naru_testkit::wait::PATIENCE, asked).await;
        server.kube().world(|world| world.expire_lists());
        server.kube().release();
    });
    assert_eq!(listed.unwrap().items.len(), 5);
    let statuses: Vec<u16> = server.kube().calls(list).iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [200, 410, 200, 200, 200]);
    (0..9).for_each(|_| server.kube().fault_at(list, Fault::Status(410)));
    assert_eq!(code(server.client.list(&CONFIG_MAP, &query).await), "k8s-expired");
    assert_eq!(server.kube().calls(list).len(), 9, "three times anew, and no more");
}
