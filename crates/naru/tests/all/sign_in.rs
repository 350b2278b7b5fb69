//! The first way in: a link that a terminal shows once and no log ever holds.

use std::process::Command;

use naru_testkit::process::{Process, naru_binary};
use naru_testkit::wait::{PATIENCE, eventually};

use crate::house::{House, http};

#[tokio::test]
async fn where_nobody_can_sign_in_the_terminal_shows_a_link_that_works() {
    let house = House::new();
    // Of util-linux, as essential on Debian as `sh`: gives the program a terminal of its own.
    let mut command = Command::new("script");
    let serve = format!("exec {} serve", naru_binary().display());
    command.args(["-qefc", &serve, "/dev/null"]).current_dir(house.path("")).env("LANG", "en_US.UTF-8");
    let mut serve = Process::start(&mut command);
    let line = serve.line_with("/signin/").await;
    let url = line.trim();
    assert!(!line.contains("INFO"), "the link is no line of the log: {line}");
    let page = http().get(url).header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("admin"));
    // Asked to stop by its own pid: `script` stands between.
    let pid = std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap();
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    assert_eq!(serve.exit().await.code(), Some(0), "{}", serve.output());
}

#[tokio::test]
async fn a_log_never_holds_the_link() {
    let house = House::new();
    let mut serve = house.serve().await;
    serve.log("nobody can sign in yet: `naru user add NAME --role admin` prints a link to begin with").await;
    let link = house.done(&["user", "add", "first", "--role", "admin"]);
    let link = link.trim();
    assert!(link.contains("/signin/"), "{link}");
    let secret = link.rsplit('/').next().unwrap();
    let path = format!("{}/signin/{secret}", serve.url);
    assert_eq!(http().get(path).header("accept", "text/html").send().await.unwrap().status(), 200);
    eventually("the log of the word", PATIENCE, async || serve.process.errors().contains("user add").then_some(()))
        .await;
    let printed = serve.process.output() + &serve.process.errors();
    assert!(!printed.contains(secret), "{printed}");
    assert!(!printed.contains("/signin/"), "{printed}");
    serve.stop().await;
}
