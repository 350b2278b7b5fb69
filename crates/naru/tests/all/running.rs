//! `serve` and verbs beside it: who owns the data, who may look at it, how it ends.

use std::process::Command;

use naru_testkit::database::{Engine, database};
use naru_testkit::process::Process;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::{House, http, text};

fn tokens(house: &House) -> usize {
    let listed: Value = serde_json::from_str(&house.done(&["token", "list", "--json"])).unwrap();
    listed["tokens"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_verb_is_said_to_the_one_that_runs_and_in_process_otherwise() {
    let house = House::new();
    let first = house.done(&["token", "add", "alone", "--role", "send"]);
    assert!(
        first.starts_with("naru_") && first.lines().count() == 1,
        "only the token goes to standard output: {first}"
    );
    let mut serve = house.serve().await;
    let token = house.done(&["token", "add", "beside", "--role", "send"]);
    let line = serve.log("word said").await;
    assert_eq!((&line["word.path"], &line["actor.name"]), (&"token add".into(), &"local".into()));
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert!(!serve.process.errors().contains(token.trim()), "a token stands in no log");
    assert_eq!(tokens(&house), 2);
    serve.stop().await;
    assert!(!house.path("naru-data/naru.sock").exists());
    assert_eq!(tokens(&house), 2);
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_owns_the_data() {
    let house = House::new();
    let serve = house.serve().await;
    let second = house.run(&["serve"]);
    assert_eq!(second.status.code(), Some(1));
    let pid = std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap();
    let said = text(&second.stderr);
    assert!(said.contains(&format!("error: Process {pid} already uses this data")), "{said}");
    house.done(&["token", "list"]);
    serve.stop().await;
}

#[tokio::test]
async fn who_only_reads_needs_neither_the_socket_nor_the_lock() {
    let house = House::new();
    let serve = house.serve().await;
    house.done(&["token", "add", "shop", "--role", "send"]);
    // As a reader that cannot reach the owner, such as one while it stops.
    std::fs::remove_file(house.path("naru-data/naru.sock")).unwrap();
    assert_eq!(tokens(&house), 1);
    let (code, said) = house.refused(&["token", "add", "other", "--role", "send"]);
    assert_eq!(code, 1);
    assert!(said.contains("already uses this data"), "{said}");
    serve.stop().await;
}

#[tokio::test]
async fn what_a_crash_leaves_is_in_nobodys_way() {
    let house = House::new();
    let mut serve = house.serve().await;
    house.done(&["token", "add", "one", "--role", "send"]);
    std::fs::create_dir_all(house.path("naru-data/spool")).unwrap();
    house.write("naru-data/spool/left", "x");
    serve.process.kill();
    assert!(house.path("naru-data/naru.sock").exists(), "a killed process removes nothing");
    house.done(&["token", "add", "two", "--role", "send"]);
    assert_eq!(tokens(&house), 2, "nobody listens on the socket, so the verb runs in process");
    let serve = house.serve().await;
    house.done(&["token", "add", "three", "--role", "send"]);
    assert_eq!(tokens(&house), 3);
    assert!(!house.path("naru-data/spool").exists());
    serve.stop().await;
}

#[tokio::test]
async fn the_data_are_closed_to_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let serve = house.serve().await;
    let mode = |name: &str| std::fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("naru-data"), 0o700);
    assert_eq!(mode("naru-data/naru.sock"), 0o600);
    serve.stop().await;
}

#[tokio::test]
async fn tables_older_than_the_binary_are_no_trouble_for_a_reader() {
    let house = House::new();
    std::fs::create_dir(house.path("naru-data")).unwrap();
    // An empty file is a database in which nothing was made yet.
    house.write("naru-data/naru.db", "");
    assert_eq!(tokens(&house), 0);
}

#[tokio::test]
async fn an_impatient_signal_drops_nothing_and_is_told_what_is_waited_for() {
    let house = House::new();
    let token = house.done(&["token", "add", "shop", "--role", "send"]);
    let mut serve = house.serve().await;
    let signal = |pid: &str| {
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    };
    let pid = std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap();
    // A file of which the second half does not come.
    let mut caller = TcpStream::connect(serve.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /v1/send?args=%7B%7D HTTP/1.1\r\nhost: naru\r\nauthorization: Bearer {}\r\ncontent-length: 10\r\n\r\nhalf",
        token.trim()
    );
    caller.write_all(head.as_bytes()).await.unwrap();
    eventually("the file to come in", PATIENCE, async || {
        let spool = house.path("naru-data/spool");
        std::fs::read_dir(spool).is_ok_and(|mut files| files.next().is_some()).then_some(())
    })
    .await;
    signal(&pid);
    serve.log("stopping: what has begun ends first").await;
    signal(&pid);
    let waiting = serve.log("still stopping").await["waiting_for"].to_string();
    assert!(waiting.contains("1 request"), "{waiting}");
    drop(caller);
    assert_eq!(serve.process.exit().await.code(), Some(0), "{}", serve.process.errors());
    serve.log("naru has stopped").await;
}

#[tokio::test]
async fn the_house_stands_on_postgresql_too() {
    let database = database(Engine::Postgres).await;
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &format!("{config}\n[store]\nurl = \"{}\"\n", database.url()));
    assert_eq!(tokens(&house), 0, "a reader that comes first finds the tables made");
    house.done(&["token", "add", "alone", "--role", "send"]);
    let serve = house.serve().await;
    house.done(&["token", "add", "beside", "--role", "send"]);
    assert_eq!(tokens(&house), 2);
    let log = serve.process.errors();
    assert!(!log.contains("already exists"), "what is there already is no news: {log}");
    serve.stop().await;
    assert_eq!(tokens(&house), 2);
}

#[test]
fn a_database_that_is_not_there_is_told_with_its_cause() {
    let house = House::new();
    let port = naru_testkit::port::free();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &format!("{config}\n[store]\nurl = \"postgres://naru@127.0.0.1:{port}/naru\"\n"));
    for args in [&["doctor"][..], &["campaign", "list"], &["serve"]] {
        let output = house.run(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains("Connection refused") && !said.contains("timed out"), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("127.0.0.1:0", &address));
    let output = house.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("error: {address} cannot be listened on")), "{said}");
}

#[tokio::test]
async fn readiness_and_numbers_are_seen_from_outside() {
    let house = House::new();
    let serve = house.serve().await;
    let ask = async |path: &str| {
        let response = http().get(format!("{}{path}", serve.url)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ask("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(ask("/readyz").await, (200, "ok\n".to_owned()));
    let (status, metrics) = ask("/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("# TYPE naru_http_requests_total counter\n"), "{metrics}");
    assert!(metrics.contains("naru_http_requests_total{status=\"2xx\"} 2\n"), "{metrics}");
    serve.stop().await;
}

#[tokio::test]
async fn doctor_looks_at_every_part_and_ends_with_1_where_one_is_not_well() {
    let sandbox_house = House::empty();
    let mut sandbox = Process::start(&mut sandbox_house.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let line = sandbox.line_with("http://").await;
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches('.');
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("http://127.0.0.1:7071", url));
    assert!(house.done(&["doctor"]).ends_with("All is well.\n"));
    let ledger = house.done(&["sandbox", "ledger", "--url", url, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&ledger).unwrap()["messages"]["accepted"], 0);

    assert_eq!(sandbox.stop().await.code(), Some(0));
    let output = house.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("✗ lanes") && said.contains("    hint: "), "{said}");
    let json = house.run(&["doctor", "lanes", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["bad"], &json["findings"][0]["code"]), (&1.into(), &"provider-unreachable".into()));
}

#[tokio::test]
async fn a_vendor_that_is_not_there_is_seen_in_log_lanes_campaign_and_doctor() {
    let house = House::new();
    house.write("c.csv", "to,name,order\n010-1111-2222,민수,1\n");
    house.done(&["template", "push", "templates"]);
    // A port that was free a moment ago and that nobody listens on.
    let port = naru_testkit::port::free();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let config = config.replace("127.0.0.1:7071", &format!("127.0.0.1:{port}"));
    house.write("naru.toml", &config);
    let mut serve = house.serve().await;
    house.done(&["send", "--template", "shipped", "--to", "c.csv"]);
    let line = serve.log("the provider takes nothing, the lane asks again and again").await;
    assert_eq!((&line["level"], &line["code"]), (&"warn".into(), &"connection-refused".into()), "{line}");
    assert!(house.done(&["lane", "list"]).contains("blocked: connection-refused"));
    assert!(house.done(&["campaign", "show", "c"]).contains("sandbox (blocked: connection-refused)"));
    serve.stop().await;

    house.write("naru.toml", &config.replace("lane.sandbox]", "lane.other]").replace("[\"sandbox\"]", "[\"other\"]"));
    let mut serve = house.serve().await;
    let line = serve.log("messages wait for a lane that is not configured any more").await;
    assert_eq!((&line["lane.name"], &line["messages"]), (&"sandbox".into(), &1.into()), "{line}");
    let doctor = text(&house.run(&["doctor", "lanes"]).stdout);
    assert!(doctor.contains("1 message waits for the lane sandbox, which is not configured"), "{doctor}");
    assert!(house.done(&["campaign", "show", "c"]).contains("sandbox (not configured)"));
    serve.stop().await;
}

#[tokio::test]
async fn readiness_goes_first_and_requests_are_answered_until_the_doors_close() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("[web]\n", "[web]\nstop_delay_s = 300\n"));
    let mut serve = house.serve().await;
    let pid = std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap();
    let terminate = || Command::new("kill").args(["-TERM", &pid]).status().unwrap().success();
    assert!(terminate());
    serve.log("not ready any more, stopping when load balancers have seen it").await;
    let ask = async |path: &str| {
        // Each over a connection of its own, as one who comes new.
        let response = http().get(format!("{}{path}", serve.url)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ask("/readyz").await, (503, "stopping\n".to_owned()));
    assert_eq!(ask("/healthz").await, (200, "ok\n".to_owned()));
    house.done(&["token", "add", "late", "--role", "send"]);
    assert!(terminate(), "who is impatient need not wait for load balancers");
    assert_eq!(serve.process.exit().await.code(), Some(0));
}
