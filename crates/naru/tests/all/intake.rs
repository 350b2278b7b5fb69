//! Files on their way in, through real processes: what is refused, what is kept, and what a second run does.

use std::fmt::Write;

use naru_testkit::process::Process;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::campaign::lines_stored;
use crate::house::{House, text};

const SEND: [&str; 7] = ["send", "--template", "shipped", "--to", "c.csv", "--name", "fall"];

/// One bad row in a hundred.
fn rows(count: usize) -> String {
    let mut text = "to,name,order\n".to_owned();
    for row in 0..count {
        let name = if row % 100 == 7 { "" } else { "민수" };
        writeln!(text, "010-{:04}-{:04},{name},{row}", row / 10_000, row % 10_000).unwrap();
    }
    text
}

fn json_of(house: &House, args: &[&str]) -> Value {
    serde_json::from_str(&house.done(&[args, &["--json"]].concat())).unwrap()
}

#[tokio::test]
async fn an_intake_goes_on_with_the_version_it_was_begun_with() {
    const ROWS: usize = 60_000;
    let house = House::new();
    house.write("c.csv", &rows(ROWS));
    house.done(&["template", "push", "templates"]);
    let url = format!("sqlite:{}", house.path("naru-data/naru.db").display());
    let mut data = SqliteConnection::connect(&url).await.unwrap();
    let mut process = Process::start(&mut house.command(&SEND));
    eventually("a part of the file to be stored", PATIENCE, async || {
        assert!(process.ended().is_none(), "the file must be long enough to be interrupted");
        (lines_stored(&mut data).await > 3_000).then_some(())
    })
    .await;
    process.kill();
    data.close().await.unwrap();

    // The next version asks for a column that the file does not have.
    let template = std::fs::read_to_string(house.path("templates/shipped.toml")).unwrap();
    house.write("templates/shipped.toml", &template.replace("#{name}", "#{name} #{coupon}"));
    assert_eq!(json_of(&house, &["template", "push", "templates"])[1]["version"], 2);
    let sent = json_of(&house, &SEND);
    assert_eq!((&sent["accepted"], &sent["version"]), (&json!(ROWS - ROWS / 100), &json!(1)));
    let last = json_of(&house, &["message", "find", "--to", "010-0005-9999"])[0]["id"].clone();
    assert_eq!(json_of(&house, &["message", "show", last.as_str().unwrap()])["version"], 1);
    house.done(&["audit"]);
}

#[test]
fn a_file_that_cannot_be_read_makes_no_campaign() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    for (content, code) in [("to,order\n010-1111-2222,1\n", "name"), ("to,name,order\n", "no rows")] {
        house.write("c.csv", content);
        let (exit, said) = house.refused(&SEND);
        assert_eq!(exit, 1);
        assert!(said.contains(code), "{said}");
    }
    assert_eq!(json_of(&house, &["campaign", "list"]), json!([]));
}

#[test]
fn a_file_taken_in_before_tells_its_refused_rows_again() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    house.write("c.csv", &rows(200));
    house.done(&SEND);
    let rejected = house.path("rejected.csv");
    let first = std::fs::read_to_string(&rejected).unwrap();
    // As for whoever was not there when the first answer came.
    std::fs::remove_file(&rejected).unwrap();
    let again = house.run(&SEND);
    assert_eq!(again.status.code(), Some(1));
    let said = text(&again.stderr) + &text(&again.stdout);
    assert!(said.contains("198 messages, 2 rows were refused"), "{said}");
    assert_eq!(std::fs::read_to_string(&rejected).unwrap(), first);
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    house.write("c.csv", &rows(200));
    house.done(&[&SEND[..], &["--dry-run"]].concat());
    assert_eq!(std::fs::read_to_string(house.path("rejected.csv")).unwrap().lines().count(), 3);
    assert_eq!(std::fs::read_dir(house.path("naru-data/rejected")).unwrap().count(), 0);
}
