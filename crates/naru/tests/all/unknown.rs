//! What a vendor never told, through real processes: listed, settled beside a `serve` and without one.

use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::campaign::Vendor;
use crate::house::{House, text};

fn account(house: &House) -> Value {
    let shown: Value = serde_json::from_str(&house.done(&["campaign", "show", "lost", "--json"])).unwrap();
    shown["account"].clone()
}

fn listed(house: &House, more: &[&str]) -> Value {
    serde_json::from_str(&house.done(&[&["unknown", "list", "--json"], more].concat())).unwrap()
}

#[tokio::test]
async fn what_is_unknown_is_settled_beside_a_serve_and_without_one() {
    let house = House::new();
    let vendor = Vendor::start(&house, &["--level", "none", "--fault", "reset-after-accept=100"]).await;
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let keys = "timeout_ms = 1000\nattempts_max = 1";
    let config = config.replace("in_flight_max = 32", keys);
    assert!(config.contains(keys), "{config}");
    house.write("naru.toml", &format!("{config}\n[provider]\nsandbox_level = \"none\"\n"));
    house.write("c.csv", "to,name,order\n010-1111-2222,민수,1\n010-3333-4444,영희,2\n010-5555-6666,철수,3\n");
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "lost"]);
    assert_eq!(house.done(&["unknown", "list"]), "Nothing is unknown\n");
    let mut serve = house.serve().await;
    eventually("all to be left unknown", PATIENCE, async || (account(&house)["unknown"] == 3).then_some(())).await;
    let page = listed(&house, &["--campaign", "lost"]);
    let ids: Vec<&str> = page["messages"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let table = house.done(&["unknown", "list", "--limit", "2", "--lane", "sandbox"]);
    assert!(table.contains("010-****-2222") && table.contains("connection-lost"), "{table}");
    let go_on = format!("naru unknown list --after {} --lane sandbox`", ids[1]);
    assert!(table.contains("3 messages are unknown") && table.contains(&go_on), "{table}");
    assert_eq!(listed(&house, &["--after", ids[1]])["messages"][0]["id"], ids[2]);

    let said = house.done(&["unknown", "settle", ids[0], "--as", "delivered"]);
    assert_eq!(said, "1 message is settled as delivered\n");
    eventually("the lane to take it over", PATIENCE, async || (account(&house)["delivered"] == 1).then_some(())).await;
    let line = serve.log("unknown messages are settled").await;
    assert_eq!(
        (&line["message.state"], &line["messages"], &line["lane.name"]),
        (&json!("delivered"), &json!(1), &json!("sandbox"))
    );
    let line = serve.said("unknown settle", &format!("as=delivered messages={}", ids[0])).await;
    assert_eq!(line["actor.name"], "local");
    let (code, said) = house.refused(&["unknown", "settle", ids[0], "--as", "failed"]);
    let expect = format!("error: The message {} is not unknown: it is delivered\n  hint: ", ids[0]);
    assert!(code == 1 && said.starts_with(&expect), "{said}");
    // The others all the same, and the exit tells that not all of it was done.
    let output = house.run(&["unknown", "settle", ids[0], ids[1], "--as", "failed"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("1 message is settled as failed"), "{}", text(&output.stdout));
    eventually("the lane to take it over", PATIENCE, async || (account(&house)["failed"] == 1).then_some(())).await;
    serve.stop().await;

    house.done(&["unknown", "settle", "--campaign", "lost", "--as", "sent"]);
    assert_eq!(
        (&account(&house)["sent"], &account(&house)["unknown"], listed(&house, &[])["total"].as_u64()),
        (&json!(1), &json!(0), Some(0))
    );
    assert_eq!(vendor.entries().await.len(), 3);
    house.done(&["audit"]);
    let serve = house.serve().await;
    assert_eq!(account(&house)["sent"], 1);
    serve.stop().await;
}

#[test]
fn what_is_meant_must_be_said() {
    let house = House::new();
    for args in [&["unknown", "settle", "--as", "sent"][..], &["unknown", "settle", "--lane", "sandbox"]] {
        assert_eq!(house.refused(args).0, 2, "{args:?}");
    }
    let (code, said) = house.refused(&["unknown", "settle", "x-1", "--lane", "sandbox", "--as", "sent"]);
    assert!(code == 2 && said.contains("cannot be used with"), "{said}");
    let (code, said) = house.refused(&["unknown", "list", "--limit", "501"]);
    assert!(code == 2 && said.starts_with("error: `--limit 501` is not between 1 and 500\n  hint: "), "{said}");
    let (code, said) = house.refused(&["unknown", "list", "--lane", "mail"]);
    assert!(code == 1 && said.contains("There is no lane mail (known: sandbox)"), "{said}");
}
