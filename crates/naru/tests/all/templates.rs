//! Templates come as files from wherever they are typed, and a wrong one loads none.

use serde_json::{Value, json};

use crate::house::{House, http, text};

const BODY: &str = "channel = \"sms\"\npurpose = \"info\"\nbody = \"#{name}\"\n";

fn loaded(house: &House) -> Vec<String> {
    let rows: Value = serde_json::from_str(&house.done(&["template", "list", "--json"])).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["text"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_wrong_file_is_named_and_nothing_is_loaded() {
    let house = House::new();
    std::fs::create_dir(house.path("t")).unwrap();
    house.write("t/a.toml", BODY);
    let check = |name: &str, content: &str, expect: &str| {
        house.write(name, content);
        let (code, said) = house.refused(&["template", "push", "t"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.starts_with(expect), "{said}");
        assert!(loaded(&house).is_empty());
        std::fs::remove_file(house.path(name)).unwrap();
    };
    check("t/b.toml", &format!("id = \"a\"\n{BODY}"), "error: a.toml and b.toml are both the template a\n  hint: ");
    check("t/b.toml", &BODY.replace("#{name}", " "), "error: The template b has no text\n  hint: ");
    let long = "error: The text of the template b has 92 bytes without its values, at most 90 can be sent\n  hint: ";
    check("t/b.toml", &BODY.replace("#{name}", &"가".repeat(46)), long);
    check("t/b.toml", "body = 1", "error: b.toml is no template\n  cause: ");
    house.done(&["template", "push", "t"]);
    assert_eq!(loaded(&house), ["a"]);
}

#[tokio::test]
async fn templates_are_read_where_they_are_typed_and_nowhere_else() {
    let house = House::new();
    let serve = house.serve().await;
    let token = house.done(&["token", "add", "shop", "--role", "send"]);
    let elsewhere = House::empty();
    elsewhere.write("token", &token);
    std::fs::create_dir(elsewhere.path("mine")).unwrap();
    elsewhere.write("mine/greeting.toml", BODY);
    elsewhere.done(&["template", "push", "mine", "--url", &serve.url, "--token-file", "token"]);
    assert_eq!(loaded(&house), ["greeting"]);

    let url = format!("{}/v1/template/push", serve.url);
    let path = json!({ "dir": house.path("naru.toml") }).to_string();
    let asked = http().post(url).bearer_auth(token.trim()).body(path).send().await.unwrap();
    assert_eq!(asked.status(), 400);
    let said = text(&asked.bytes().await.unwrap());
    assert!(said.contains("template-files-missing"), "{said}");
    serve.stop().await;
}
