//! What is wrong with a configuration is told with its place and what to do, before anything is opened.

use crate::house::{House, text};

fn check(config: &str, expect: &str) {
    let house = House::empty();
    house.write("naru.toml", config);
    for args in [&["serve"][..], &["config", "check"], &["user", "list"]] {
        assert_eq!(house.refused(args), (2, expect.to_owned()), "{args:?}");
    }
    assert_eq!(std::fs::read_dir(house.path("")).unwrap().count(), 1, "nothing was opened or made");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    check(
        "[web]\nlisten = \"127.0.0.1:0\"\nlisen = 1\n",
        "error: The configuration naru.toml is wrong in line 3, column 1\n  cause: unknown field `lisen`, expected one \
         of `listen`, `stop_delay_s`, `url`\n  hint: `naru config show --default` prints every key and what it means\n",
    );
}

#[test]
fn an_unknown_engine_is_refused() {
    check(
        "[store]\nurl = \"mysql://naru:hunter2@db/naru\"\n",
        "error: naru has no database engine for mysql://naru:***@db/naru\n  hint: Set `store.url` to `sqlite:FILE` or \
         `postgres://USER@HOST/DATABASE`\n",
    );
}

#[test]
fn the_address_of_the_database_may_be_a_secret() {
    let house = House::empty();
    house.write("naru.toml", "[store]\nurl_from = { file = \"address\" }\n");
    let (code, said) = house.refused(&["config", "check"]);
    let place = house.path("address");
    assert!(code == 2 && said.contains(&format!("`store.url_from` cannot be read from {}", place.display())), "{said}");
    house.write("address", "mysql://naru:hunter2@db/naru\n");
    let (code, said) = house.refused(&["config", "check"]);
    assert!(code == 2 && said.contains("mysql://naru:***@db/naru"), "{said}");
    house.write("address", "sqlite:elsewhere.db\n");
    house.done(&["user", "add", "minji", "--role", "view"]);
    assert!(house.path("naru-data/elsewhere.db").exists());
}

#[test]
fn a_lane_that_cannot_be_is_refused_before_a_door_opens() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("provider = \"sandbox\"", "provider = \"pigeon\""));
    let (code, said) = house.refused(&["config", "check"]);
    assert_eq!(code, 2);
    assert!(said.contains("pigeon") && said.contains("sandbox") && said.contains("hint: "), "{said}");
    let serve = house.run(&["serve"]);
    assert_eq!(serve.status.code(), Some(2));
    assert!(!text(&serve.stderr).contains("naru serves"));
    assert!(!house.path("naru-data/naru.sock").exists());
}

#[test]
fn a_lane_whose_name_leads_elsewhere_is_refused() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("[dispatch.lane.sandbox]", "[dispatch.lane.\"../a b\"]"));
    let expect = "error: `[dispatch.lane.../a b]` has a name that cannot stand in an address\n  hint: Use letters, digits, \
                  hyphens, underscores and dots, 100 at most\n";
    assert_eq!(house.refused(&["config", "check"]), (2, expect.to_owned()));
}

#[test]
fn a_test_recipient_that_is_no_address_is_refused() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("allow_list = []", "allow_list = [\"zzz\"]"));
    let (code, said) = house.refused(&["config", "check"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("error: `dispatch.allow_list` holds something that is no address: z***\n"), "{said}");
}

#[test]
fn without_a_configuration_the_way_to_one_is_told() {
    let house = House::empty();
    let (code, said) = house.refused(&["serve"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("error: There is no naru.toml in /"), "{said}");
    assert!(said.contains("  hint: Run `naru init` to begin here"), "{said}");
    let (code, said) = house.refused(&["--config", "b.toml", "serve"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("error: The configuration b.toml cannot be read\n  cause: No such file"), "{said}");
}

#[test]
fn a_failure_is_told_in_the_language_of_the_terminal() {
    let house = House::empty();
    let korean = |args: &[&str], lang: &str| text(&house.command(args).env("LANG", lang).output().unwrap().stderr);
    assert!(korean(&["serve"], "ko_KR.UTF-8").starts_with("오류: "));
    assert!(korean(&["serve", "--lang", "ko"], "C").starts_with("오류: "));
    assert!(korean(&["serve", "--lang", "en"], "ko_KR.UTF-8").starts_with("error: "));
    let json = korean(&["serve", "--json"], "ko_KR.UTF-8");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["errors"][0]["code"], "config-missing");
    assert!(json["errors"][0]["detail"].as_str().unwrap().starts_with("There is no naru.toml"), "{json}");
}

#[test]
fn no_variable_of_the_environment_changes_what_the_file_says() {
    let house = House::new();
    let shown = house.done(&["config", "show"]);
    let mut command = house.command(&["config", "show"]);
    command.envs([("NARU_DATA_DIR", "/elsewhere"), ("NARU_WEB_LISTEN", "1.2.3.4:5"), ("DATABASE_URL", "sqlite:other")]);
    assert_eq!(text(&command.output().unwrap().stdout), shown);
}

#[test]
fn what_is_shown_is_a_configuration() {
    let house = House::new();
    let shown = house.done(&["config", "show"]);
    house.write("shown.toml", &shown);
    assert!(house.done(&["config", "check", "shown.toml"]).ends_with("shown.toml is sound\n"));
    assert_eq!(house.done(&["config", "show", "--config", "shown.toml"]), shown);
    let json: serde_json::Value = serde_json::from_str(&house.done(&["config", "show", "--json"])).unwrap();
    assert_eq!(json["dispatch"]["route"]["sms"][0], "sandbox");
    house.write("manual.toml", &house.done(&["config", "show", "--default"]));
    house.done(&["config", "check", "manual.toml"]);
}

#[test]
fn init_overwrites_nothing() {
    let house = House::new();
    let before = std::fs::read(house.path("naru.toml")).unwrap();
    let (code, said) = house.refused(&["init"]);
    assert_eq!(code, 1);
    assert!(said.contains("naru.toml is there already"), "{said}");
    assert_eq!(std::fs::read(house.path("naru.toml")).unwrap(), before);

    let other = House::empty();
    std::fs::create_dir_all(other.path("shop/templates")).unwrap();
    other.write("shop/templates/sale.toml", "mine");
    let (code, said) = other.refused(&["init", "shop"]);
    assert_eq!(code, 1);
    assert!(said.contains("shop/templates/sale.toml is there already"), "{said}");
    assert!(!other.path("shop/naru.toml").exists(), "a refusal leaves no half of a beginning");
}

#[test]
fn init_says_what_comes_next() {
    let house = House::empty();
    let said = house.done(&["init", "shop"]);
    let lines = said.lines().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    let sandbox = "naru sandbox --receipts-to http://127.0.0.1:7070/v1/receipts/sandbox --receipts-secret sandbox";
    assert_eq!(commands, ["cd shop", sandbox, "naru serve", "naru template push templates"]);
}
