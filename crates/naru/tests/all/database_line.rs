//! A line to the database that is cut, swallows everything or is slow: while there is no answer nothing is acknowledged and
//! everybody is told so at once, and when there is one again all that was acknowledged goes out once, without a restart.

use std::collections::HashMap;
use std::time::Duration;

use naru_testkit::database::{Database, Engine, database};
use naru_testkit::proxy::{Mode, Proxy};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::campaign::{Vendor, post};
use crate::house::{House, Serve, http, text};

/// What is promised within seconds comes within this on a machine that builds meanwhile; without a bound it never would.
const BOUNDED: Duration = Duration::from_secs(20);
const SILENT: &str = "the database does not answer, nothing is acknowledged until it does";

/// A shop on PostgreSQL over a line, with a vendor that takes a fifth of a second.
struct Shop {
    serve: Serve,
    vendor: Vendor,
    token: String,
    /// What was acknowledged, by its key.
    acknowledged: HashMap<usize, String>,
    house: House,
    line: Proxy,
    database: Database,
}

impl Shop {
    async fn open() -> Shop {
        let database = database(Engine::Postgres).await;
        let line = Proxy::to(database.url());
        let house = House::new();
        let vendor = Vendor::start(&house, &["--latency-ms", "200"]).await;
        let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
        let keys = "in_flight_max = 2\nbatch_max = 5\ntimeout_ms = 1000\nretry_base_ms = 10\nretry_max_ms = 50";
        let config = config.replace("in_flight_max = 32", keys);
        house.write("naru.toml", &format!("{config}\n[store]\nurl = \"{}\"\n", line.url()));
        let serve = house.serve().await;
        house.done(&["template", "push", "templates"]);
        let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
        Shop { serve, vendor, token, acknowledged: HashMap::new(), house, line, database }
    }

    /// Sends message `n` under a key of its own; answers the status and what was said.
    async fn take(&mut self, n: usize) -> (u16, String) {
        let variables = json!({ "name": "민수", "order": n });
        let message = json!({ "template": "shipped", "to": format!("010{n:08}"), "variables": variables });
        let key = n.to_string();
        let posted = post(&self.serve, &self.token, Some(&key), "application/json", message.to_string());
        let (status, said) = tokio::time::timeout(BOUNDED, posted).await.expect("every call is answered in time");
        if status == 202 {
            let id = serde_json::from_str::<Value>(&said).unwrap()["id"].as_str().unwrap().to_owned();
            let first = self.acknowledged.entry(n).or_insert_with(|| id.clone());
            assert_eq!(*first, id, "a call that is repeated has its first answer");
        }
        (status, said)
    }

    async fn ask(&self, path: &str) -> (u16, String) {
        let asked = http().get(format!("{}{path}", self.serve.url)).send();
        let response = tokio::time::timeout(BOUNDED, asked).await.expect("it is answered in time").unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn metric(&self, name: &str) -> i64 {
        let (_, metrics) = self.ask("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{metrics}"));
        line.trim().parse().unwrap()
    }

    /// How often the log says it.
    fn said(&self, message: &str) -> usize {
        let lines = self.serve.process.errors();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).count()
    }

    /// Waits until another instance might carry the lane, as the database sees it.
    async fn lease_has_ended(&self) {
        let mut data = PgConnection::connect(self.database.url()).await.unwrap();
        let left = "SELECT expires_at - CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) FROM job_lease
                    WHERE name LIKE 'lane/%'";
        eventually("the lane's lease to have ended", PATIENCE, async || {
            let left: i64 = sqlx::query_scalar(left).fetch_one(&mut data).await.unwrap();
            (left < 0).then_some(())
        })
        .await;
        data.close().await.unwrap();
    }

    /// Everything that was acknowledged has been sent once, and nothing else.
    async fn settled(&mut self) {
        let count = self.acknowledged.len();
        eventually("all that was acknowledged to be sent", PATIENCE * 2, async || {
            (self.vendor.entries().await.len() >= count).then_some(())
        })
        .await;
        eventually("the account to say so", PATIENCE, async || {
            let audit: Value = serde_json::from_str(&text(&self.house.run(&["audit", "--json"]).stdout)).ok()?;
            (audit["total"]["sent"] == count && audit["total"]["accepted"] == count).then_some(())
        })
        .await;
        let entries = self.vendor.entries().await;
        let sent: HashMap<&str, usize> = entries.iter().fold(HashMap::new(), |mut sent, entry| {
            *sent.entry(entry["to"].as_str().unwrap()).or_default() += 1;
            sent
        });
        for n in self.acknowledged.keys() {
            assert_eq!(sent.get(&*format!("010{n:08}")), Some(&1), "message {n}");
        }
        let log = self.serve.process.errors();
        assert!(!log.contains("panicked"), "{log}");
        // What each part says of it is said once a minute, however often it tries.
        assert!(log.lines().count() < 200, "{log}");
    }
}

async fn goes_and_comes_back(mode: Mode) {
    let mut shop = Shop::open().await;
    assert_eq!((shop.ask("/readyz").await, shop.metric("naru_store_answers").await), ((200, "ok\n".to_owned()), 1));
    for n in 0..60 {
        assert_eq!(shop.take(n).await.0, 202);
    }
    eventually("a part to be sent", PATIENCE, async || (shop.vendor.entries().await.len() > 5).then_some(())).await;

    shop.line.set(mode);
    // Whatever it meets: in the midst of a commit, between two, or when it is known already.
    for n in 60..70 {
        let (status, said) = shop.take(n).await;
        assert_eq!(status, 503, "{said}");
        let error = &serde_json::from_str::<Value>(&said).unwrap()["errors"][0];
        assert!(error["code"].as_str().unwrap().starts_with("store-") && error["hint"].is_string(), "{said}");
    }
    let line = shop.serve.log(SILENT).await;
    assert_eq!(line["level"], "error");
    let (status, said) = shop.take(70).await;
    assert!(status == 503 && said.contains("store-silent"), "{said}");
    let (status, why) = shop.ask("/readyz").await;
    assert!(status == 503 && why.starts_with("the database does not answer: "), "{why}");
    assert_eq!(shop.metric("naru_store_answers").await, 0);
    let doctor = text(&shop.house.run(&["doctor", "store"]).stdout);
    assert!(doctor.contains("✗ store  The database does not answer") && doctor.contains("    hint: "), "{doctor}");
    // Requests that were marked before may still be on their way; after that nothing leaves without its mark.
    let mut before = None;
    let rest = eventually("the lane to be at rest", PATIENCE, async || {
        let in_flight = shop.metric("naru_lane_requests_in_flight{lane=\"sandbox\"}").await;
        let taken = shop.vendor.entries().await.len();
        (before.replace(taken) == Some(taken) && in_flight == 0).then_some(taken)
    })
    .await;
    assert!(rest < 60, "something is left to be sent when the database is back");
    shop.lease_has_ended().await;
    for n in 60..70 {
        assert_eq!(shop.take(n).await.0, 503);
    }
    assert_eq!(shop.vendor.entries().await.len(), rest, "nothing is sent without the database");

    shop.line.mend();
    shop.serve.log("the database answers again, all goes on").await;
    eventually("it to be ready", PATIENCE, async || (shop.ask("/readyz").await.0 == 200).then_some(())).await;
    assert_eq!(shop.metric("naru_store_answers").await, 1);
    for n in 60..71 {
        eventually("what was refused to be taken", PATIENCE, async || (shop.take(n).await.0 == 202).then_some(()))
            .await;
    }
    assert_eq!((shop.said(SILENT), shop.acknowledged.len()), (1, 71));
    shop.settled().await;
    shop.serve.stop().await;
}

#[tokio::test]
async fn a_database_that_is_cut_off_stops_acknowledging_and_all_goes_on_when_it_is_back() {
    goes_and_comes_back(Mode::Cut).await;
}

#[tokio::test]
async fn a_database_that_swallows_everything_stops_acknowledging_and_all_goes_on_when_it_is_back() {
    goes_and_comes_back(Mode::Swallow).await;
}

#[tokio::test]
async fn with_a_database_far_away_all_goes_on() {
    let mut shop = Shop::open().await;
    shop.line.set(Mode::Carry(Duration::from_millis(200)));
    // Each takes a dozen trips one after the other.
    for n in 0..3 {
        assert_eq!(shop.take(n).await.0, 202);
    }
    assert_eq!((shop.ask("/readyz").await.0, shop.metric("naru_store_answers").await), (200, 1));
    shop.settled().await;
    assert_eq!(shop.said(SILENT), 0);
    shop.serve.stop().await;
}

#[tokio::test]
async fn connections_that_are_dead_without_a_sign_of_it_are_found_and_made_anew() {
    let mut shop = Shop::open().await;
    for n in 0..40 {
        assert_eq!(shop.take(n).await.0, 202);
    }
    shop.line.forget_connections();
    for n in 40..50 {
        eventually("it to be taken", PATIENCE, async || (shop.take(n).await.0 == 202).then_some(())).await;
    }
    assert_eq!(shop.ask("/readyz").await.0, 200);
    shop.settled().await;
    shop.serve.stop().await;
}

#[tokio::test]
async fn a_row_that_a_person_holds_locked_holds_nobody_up_for_long() {
    let mut shop = Shop::open().await;
    assert_eq!(shop.take(0).await.0, 202);
    let mut person = PgConnection::connect(shop.database.url()).await.unwrap();
    for statement in ["BEGIN", "SELECT seq FROM dispatch_shard FOR UPDATE"] {
        person.execute(statement).await.unwrap();
    }
    let (status, said) = shop.take(1).await;
    assert!(status == 503 && said.contains("store-statement"), "{said}");
    shop.serve.log("somebody else holds a row locked in the database, what needs it fails until it is let go").await;
    // Everything else goes on.
    assert_eq!((shop.ask("/readyz").await.0, shop.metric("naru_store_answers").await), (200, 1));
    shop.house.done(&["token", "add", "other", "--role", "send"]);
    person.execute("ROLLBACK").await.unwrap();
    assert_eq!(shop.take(1).await.0, 202);
    shop.settled().await;
    shop.serve.stop().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_answered_once_and_sent_once() {
    let mut shop = Shop::open().await;
    for n in 0..20 {
        shop.line.lose_a_commits_answer();
        eventually("it to be taken", PATIENCE, async || (shop.take(n).await.0 == 202).then_some(())).await;
    }
    assert!(shop.line.has_lost());
    shop.settled().await;
    shop.serve.stop().await;
}
