//! The pages of templates over HTTP: written, compared, refused with nothing lost, tried out on the allow-list.

use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;

use crate::browser::{Browser, EVIL};
use crate::house::{House, Serve};

const NEW: &str = "/templates/-new";

fn fields<'a>(body: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("channel", "sms"), ("purpose", "info"), ("subject", ""), ("body", body)];
    fields.extend_from_slice(more);
    fields
}

async fn writer(house: &House, serve: &Serve) -> Browser {
    Browser::of(house, serve, "writer", "send").await
}

#[tokio::test]
async fn a_template_is_written_looked_at_and_saved_as_versions() {
    let house = House::new();
    let serve = house.serve().await;
    let writer = writer(&house, &serve).await;
    writer.get("/templates").await.shows("No template yet").shows(NEW);

    let looked = writer.post(NEW, &fields("#{name}님\r\n주문", &[("id", "order"), ("v.name", "민수")])).await;
    assert_eq!(looked.status, 200);
    looked.shows("<pre class=\"wording\">\n민수님\n주문</pre>").shows("11 of 90 bytes").shows("value=\"order\"");
    writer.get("/templates").await.shows("No template yet");

    let saved = writer.post(NEW, &fields("#{name}님\r\n주문", &[("id", "order"), ("do", "save")])).await;
    assert_eq!((saved.status, saved.location.as_str()), (303, "/templates/order?saved=1"));
    writer.get(&saved.location).await.shows("Version 1 is saved").shows("#{name}님\n주문");
    let edit = writer.get("/templates/order/edit").await;
    assert_eq!(edit.hidden("onto"), "1");
    let same = [("onto", "1"), ("do", "save")];
    let same = writer.post("/templates/order/edit", &fields("#{name}님\r\n주문", &same)).await;
    assert_eq!(same.location, "/templates/order?same=1");
    let second = [("onto", "1"), ("do", "save")];
    let second = writer.post("/templates/order/edit", &fields("#{name}님\r\n출고", &second)).await;
    assert_eq!(second.location, "/templates/order?saved=2");

    let told: Value = serde_json::from_str(&house.done(&["template", "show", "order", "--json"])).unwrap();
    assert_eq!((&told["version"], told["text"]["body"].as_str()), (&2.into(), Some("#{name}님\n출고")));
    let page = writer.get("/templates/order").await;
    page.shows("Version 2").shows("/templates/order/difference?from=1&amp;to=2").shows("writer");
    writer.get("/templates/order?version=1").await.shows("주문</pre>");
    let difference = writer.get("/templates/order/difference?from=1&to=2").await;
    difference
        .shows("removed</td><td><del>주문</del>")
        .shows("added</td><td><ins>출고</ins>")
        .shows("<td>#{name}님</td>");
    writer.get("/templates/order/difference?from=2&to=2").await.shows("The two versions are the same");
    for path in ["/templates/none", "/templates/order?version=9", "/templates/order/difference?from=1&to=9"] {
        assert_eq!(writer.get(path).await.status, 404, "{path}");
    }
    serve.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_shown_again_with_the_reason_a_file_is_refused_for() {
    let house = House::new();
    let serve = house.serve().await;
    let writer = writer(&house, &serve).await;
    let save = ("do", "save");
    let check = async |body: &str, more: &[(&str, &str)], status: u16, why: &str| {
        let page = writer.post(NEW, &fields(body, &[more, &[save]].concat())).await;
        assert_eq!(page.status, status);
        page.shows(why).shows(&format!("\n{body}</textarea>"));
    };
    check("hello", &[("id", "a b")], 422, "cannot name a template").await;
    check("#{name", &[("id", "a")], 422, "without its").await;
    check("(광고) sale", &[("id", "a"), ("purpose", "ad")], 422, "free way to refuse").await;
    check("가나다 🙂", &[("id", "a")], 422, "🙂").await;
    writer.post(NEW, &fields("one", &[("id", "a"), save])).await;
    check("two", &[("id", "a")], 409, "There is a template a already").await;

    // Two people have the same version open.
    let edit = |body: &'static str, onto: &'static str| fields(body, &[("onto", onto), ("do", "save")]);
    assert_eq!(writer.post("/templates/a/edit", &edit("two", "1")).await.location, "/templates/a?saved=2");
    let late = writer.post("/templates/a/edit", &edit("three", "1")).await;
    assert_eq!((late.status, late.hidden("onto").as_str()), (409, "2"));
    late.shows("Somebody else saved version 2").shows("three</textarea>");
    assert_eq!(writer.post("/templates/a/edit", &edit("three", "2")).await.location, "/templates/a?saved=3");
    assert_eq!(writer.post("/templates/a/edit", &[("channel", "fax"), save]).await.status, 400);
    serve.stop().await;
}

#[tokio::test]
async fn many_templates_and_versions_come_page_by_page() {
    let house = House::new();
    std::fs::create_dir(house.path("many")).unwrap();
    for n in 0..55 {
        house.write(&format!("many/t{n:02}.toml"), "channel = \"sms\"\npurpose = \"info\"\nbody = \"x\"\n");
    }
    let serve = house.serve().await;
    house.done(&["template", "push", "many"]);
    let reader = Browser::of(&house, &serve, "reader", "view").await;
    reader.get("/templates").await.shows(">t00<").shows(">t49<").hides(">t50<").shows("/templates?after=t49");
    reader.get("/templates?after=t49").await.shows(">t50<").shows(">t54<").hides(">t49<").hides("after=");
    let writer = writer(&house, &serve).await;
    for n in 1..=55 {
        let (body, onto) = (format!("text {n}"), n.to_string());
        writer.post("/templates/t00/edit", &fields(&body, &[("onto", &onto), ("do", "save")])).await;
    }
    reader.get("/templates/t00").await.shows(">v56<").shows(">v7<").hides(">v6<").shows("?before=7");
    reader.get("/templates/t00?before=7").await.shows(">v6<").shows(">v1<").shows("the first").hides(">v7<");
    serve.stop().await;
}

#[tokio::test]
async fn who_may_only_look_sees_no_button_and_can_do_nothing() {
    let house = House::new();
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let reader = Browser::of(&house, &serve, "reader", "view").await;
    reader.get("/templates").await.hides(NEW);
    reader.get("/templates/shipped").await.hides("/edit").hides("/test");
    for path in [NEW, "/templates/shipped/edit"] {
        assert_eq!(reader.get(path).await.status, 403, "{path}");
        let page = reader.post(path, &fields("x", &[("id", "x"), ("do", "save")])).await;
        assert_eq!(page.status, 403);
        page.shows("send");
    }
    assert_eq!(reader.post("/templates/shipped/test", &[("to", "0")]).await.status, 403);
    serve.stop().await;
}

#[tokio::test]
async fn a_test_goes_to_the_allow_list_and_is_a_message_like_others() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let browser = writer(&house, &serve).await;
    browser.get("/templates/shipped").await.shows("Nobody may be sent a test by SMS").shows("dispatch.allow_list");
    let none = browser.post("/templates/shipped/test", &[("to", "0")]).await;
    assert_eq!(none.status, 422);
    serve.stop().await;

    let listed = "allow_list = [\"010-1234-5678\", \"kim@example.com\", \"+82 10 9999 0000\"]";
    assert!(config.contains("allow_list = []"), "{config}");
    house.write("naru.toml", &config.replace("allow_list = []", listed));
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "second", "send").await;
    let page = browser.get("/templates/shipped").await;
    page.shows(">010-****-5678</option>").shows(">010-****-0000</option>").hides("example.com").hides("01012345678");
    let key = page.hidden("key");
    let values = [("to", "1"), ("key", key.as_str()), ("v.name", "민수"), ("v.order", "A-1")];
    let sent = browser.post("/templates/shipped/test", &values).await;
    assert_eq!(sent.status, 303);
    browser.get(&sent.location).await.shows("010-****-0000").shows("shipped v1");
    assert_eq!(browser.post("/templates/shipped/test", &values).await.location, sent.location, "sent twice is one");
    let values = [("to", "1"), ("key", key.as_str()), ("v.name", "영희"), ("v.order", "A-1")];
    assert_ne!(browser.post("/templates/shipped/test", &values).await.location, sent.location);

    let lacking = [("to", "1"), ("v.name", "철수")];
    let lacking = browser.post("/templates/shipped/test", &lacking).await;
    assert_eq!(lacking.status, 422);
    lacking.shows("#{order}").shows("value=\"철수\"").shows("value=\"1\" selected");
    let stranger = browser.post("/templates/shipped/test", &[("to", "010-7777-7777"), ("v.name", "x")]).await;
    assert_eq!(stranger.status, 422);
    eventually("both to be accounted for", PATIENCE, async || {
        let audit: Value = serde_json::from_str(&house.done(&["audit", "--json"])).unwrap();
        (audit["total"]["accepted"] == 2).then_some(())
    })
    .await;
    serve.stop().await;
}

#[tokio::test]
async fn what_was_typed_is_shown_as_text_in_both_languages() {
    let house = House::new();
    let serve = house.serve().await;
    let writer = writer(&house, &serve).await;
    let korean = writer.in_korean();
    let body = format!("{EVIL}</pre></textarea>#{{{EVIL}}}");
    let name = format!("v.{EVIL}");
    let mail = |body: &str| {
        let fields =
            [("channel", "email"), ("purpose", "info"), ("subject", EVIL), ("body", body), (name.as_str(), EVIL)];
        fields.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (person, word) in [(&writer, "removed"), (&korean, "삭제")] {
        let mut all = mail(&body).to_vec();
        all.push(("id".to_owned(), EVIL.to_owned()));
        all.push(("onto".to_owned(), EVIL.to_owned()));
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for action in ["look", "save"] {
            let page = person.post(NEW, &[&all[..], &[("do", action)]].concat()).await;
            page.shows("&lt;script&gt;").is_harmless().hides("</textarea>#{");
        }
        let id = format!("mail-{word}");
        let stored = person.post(NEW, &[&all[..], &[("id", id.as_str()), ("do", "save")]].concat()).await;
        assert_eq!(stored.status, 303, "{}", stored.html);
        person.get(&stored.location).await.shows("&lt;script&gt;").is_harmless();
        let edit = person.get(&format!("{}/edit", stored.location.split('?').next().unwrap())).await;
        edit.is_harmless();
        let path = stored.location.split('?').next().unwrap();
        let other = format!("{EVIL}\nother");
        let more = [("channel", "email"), ("purpose", "info"), ("subject", "s"), ("body", other.as_str())];
        person.post(&format!("{path}/edit"), &[&more[..], &[("onto", "1"), ("do", "save")]].concat()).await;
        person.get(&format!("{path}/difference?from=1&to=2")).await.shows(word).shows("&lt;script&gt;").is_harmless();
    }
    korean.get("/templates").await.shows("새 템플릿").is_harmless();
    serve.stop().await;
}
