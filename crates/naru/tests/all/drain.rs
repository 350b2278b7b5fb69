//! Several `serve` on one database: each is seen, and a drain makes one or all take no new work.

use naru_testkit::database::{Database, Engine, database};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;

use crate::browser::Browser;
use crate::house::{House, text};

/// A house on `database`, with a folder of its own: an instance.
pub fn house_on(database: &Database) -> House {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &format!("{config}\n[store]\nurl = \"{}\"\n", database.url()));
    house
}

/// The instances that `house` sees.
pub fn instances(house: &House) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&house.done(&["instance", "list", "--json"])).unwrap();
    listed["instances"].as_array().unwrap().clone()
}

/// The name of the one that runs in `house`.
pub fn name_of(house: &House) -> String {
    let own = std::fs::read_to_string(house.path("naru-data/instance")).unwrap();
    let known = instances(house).into_iter().map(|it| it["name"].as_str().unwrap().to_owned());
    known.into_iter().find(|name| name.ends_with(own.trim())).unwrap()
}

#[tokio::test]
async fn a_drain_of_one_leaves_the_other_at_work_and_all_end_by_undo() {
    let database = database(Engine::Postgres).await;
    let (one, two) = (house_on(&database), house_on(&database));
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    assert_eq!(instances(&one).iter().filter(|it| it["live"] == true).count(), 2);
    let (first, second) = (name_of(&one), name_of(&two));
    assert_ne!(first, second);

    // Said in one house about the instance of the other.
    let said = one.done(&["drain", "--wait", &second]);
    assert!(said.contains(&second) && said.contains("Nothing runs there any more."), "{said}");
    let state = |name: &str| {
        let all = instances(&one);
        all.iter().find(|it| it["name"] == name).map(|it| it["state"].as_str().unwrap().to_owned()).unwrap()
    };
    assert_eq!((state(&first), state(&second)), ("open".to_owned(), "closed".to_owned()));
    let listed = two.done(&["instance", "list"]);
    let row = listed.lines().find(|line| line.starts_with(&second)).unwrap();
    assert!(row.contains("drained"), "{listed}");

    one.done(&["drain", "--wait", "here"]);
    assert_eq!(state(&first), "closed");
    one.done(&["drain", "--undo"]);
    eventually("both to be open", PATIENCE, async || {
        (state(&first) == "open" && state(&second) == "open").then_some(())
    })
    .await;
    let (code, said) = one.refused(&["instance", "wait", &first]);
    assert_eq!(code, 1);
    assert!(said.contains("does not drain any more"), "{said}");
    serve_one.stop().await;
    assert_eq!(state(&first), "stopped");
    serve_two.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_told_with_those_that_are() {
    let database = database(Engine::Postgres).await;
    let house = house_on(&database);
    let serve = house.serve().await;
    let name = name_of(&house);
    let (code, said) = house.refused(&["drain", "shop-1f3a"]);
    assert_eq!(code, 1);
    assert!(said.contains("There is no instance shop-1f3a") && said.contains(&name), "{said}");
    serve.stop().await;
}

#[tokio::test]
async fn who_runs_nothing_can_drain_the_others_on_one_database() {
    let database = database(Engine::Postgres).await;
    let (one, other) = (house_on(&database), house_on(&database));
    let said = other.done(&["drain", "--wait"]);
    assert!(said.contains("Nothing runs here that could drain."), "{said}");
    let serve = one.serve().await;
    let said = other.done(&["drain", "--wait"]);
    assert!(said.contains(&name_of(&one)), "{said}");
    assert_eq!(instances(&one)[0]["state"], "closed");
    assert!(other.done(&["drain", "--undo", "here"]).contains("Nothing runs here"));
    serve.stop().await;
}

#[tokio::test]
async fn on_an_embedded_database_without_serve_nothing_runs() {
    let house = House::new();
    let before = text(&house.run(&["drain", "--wait"]).stdout);
    assert_eq!(before, "Nothing runs here that could drain.\n");
    let serve = house.serve().await;
    house.done(&["drain", "--wait"]);
    let listed = instances(&house);
    assert_eq!((&listed[0]["state"], &listed[0]["live"]), (&"closed".into(), &true.into()));
    serve.stop().await;
    assert_eq!(instances(&house)[0]["live"], false);
    assert!(house.done(&["drain"]).contains("Nothing runs here"));
    // It would still drain after its next start: a service that is stopped ends its drain then.
    assert!(house.done(&["drain", "--undo", "here"]).contains("Work may begin again"));
    assert_eq!(instances(&house)[0]["drain_until"], Value::Null);
}

#[tokio::test]
async fn what_another_instance_has_in_flight_is_not_made_up() {
    let database = database(Engine::Postgres).await;
    let (one, two) = (house_on(&database), house_on(&database));
    let (serve_one, serve_two) = (one.serve().await, two.serve().await);
    let viewer = Browser::of(&one, &serve_one, "minji", "view").await;
    let other = Browser::of(&two, &serve_two, "jun", "view").await;
    let names = [name_of(&one), name_of(&two)];
    // Whoever carries the lane knows how many are on their way; whoever does not says where it is.
    eventually("the lane to be seen from both", PATIENCE, async || {
        let pages = [viewer.get("/lanes").await.html, other.get("/lanes").await.html];
        let is_so = |here: usize| {
            pages[here].contains(r#"<td class="number">0 of "#)
                && pages[1 - here].contains(&format!(r#"<td class="number">on {}</td>"#, names[here]))
        };
        (is_so(0) || is_so(1)).then_some(())
    })
    .await;
    serve_one.stop().await;
    serve_two.stop().await;
}
