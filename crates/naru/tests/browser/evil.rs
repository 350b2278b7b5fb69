//! What people and files bring along is shown as the text it is, on every page, also where a part of a page is put in
//! place by the script.

use std::time::Duration;

use naru_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::house::{House, Serve, http};
use crate::person::Person;
use crate::shop::house_without_a_vendor;

/// From public lists (OWASP, PortSwigger): each breaks out of another place, and says `ran` if it runs.
const PAYLOADS: [&str; 28] = [
    "<script>ran=1</script>",
    "\"><script>ran=1</script>",
    "'><img src=x onerror=ran=1>",
    "\"><img src=x onerror=ran=1>",
    "<svg onload=ran=1>",
    "<svg><script>ran=1</script></svg>",
    "<svg/onload=ran=1//",
    "<body onload=ran=1>",
    "<iframe src=javascript:parent.ran=1>",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<details open ontoggle=ran=1>",
    "<input autofocus onfocus=ran=1>",
    "\" autofocus onfocus=ran=1 x=\"",
    "' onmouseover=ran=1 '",
    "javascript:ran=1",
    "<a href=javascript:ran=1>x</a>",
    "</title><script>ran=1</script>",
    "</textarea><script>ran=1</script>",
    "</pre></code></td><img src=x onerror=ran=1>",
    "</option></select><img src=x onerror=ran=1>",
    "</script><script>ran=1</script>",
    "<!--><img src=x onerror=ran=1>-->",
    "]]><img src=x onerror=ran=1>",
    "<math><mtext><style><img src=x onerror=ran=1></style></mtext></math>",
    "<style>@import 'x';*{background:url(x)}</style>",
    "<base href=//example.invalid/>",
    "{{constructor.constructor('ran=1')()}}${ran=1}",
    "&lt;script&gt;ran=1&lt;/script&gt;&#60;img src=x onerror=ran=1&#62;",
];

/// Of a campaign's name.
const NAME_CHARS_MAX: usize = 100;

/// All payloads in as few names as they fit into.
fn names() -> Vec<String> {
    PAYLOADS.iter().fold(Vec::new(), |mut names: Vec<String>, payload| {
        match names.last_mut().filter(|name| name.len() + 1 + payload.len() <= NAME_CHARS_MAX) {
            Some(name) => *name += &format!(" {payload}"),
            None => names.push((*payload).to_owned()),
        }
        names
    })
}

fn path(payload: &str) -> String {
    payload.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A house in which everything that can be named is named by somebody evil.
async fn house_of_evil() -> (House, Serve, Vec<String>) {
    let house = house_without_a_vendor();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let from = json!(PAYLOADS.concat());
    house.write("naru.toml", &config.replace("in_flight_max = 32", &format!("in_flight_max = 32\nfrom = {from}")));
    // What stands between quotes in JSON does so in TOML.
    let text = |body: &str| {
        let subject = json!(PAYLOADS.concat());
        format!("channel = \"email\"\npurpose = \"info\"\nsubject = {subject}\nbody = {}\n", json!(body))
    };
    house.write("templates/evil.toml", &text(&PAYLOADS.join("\n")));
    house.done(&["template", "push", "templates"]);
    house.write("templates/evil.toml", &text(&PAYLOADS.map(|it| format!("{it}{it}")).join("\n")));
    // What no name of a variable may hold goes.
    let name = |payload: &str| format!("#{{{}}}", payload.replace(['.', '#', '{', '}'], ""));
    house.write(
        "templates/note.toml",
        "channel = \"sms\"\npurpose = \"info\"\nbody = \"#{name} #{order}\"\nlong = true\n",
    );
    let variables: String = PAYLOADS.iter().map(|payload| name(payload)).collect();
    house.write("templates/names.toml", &text(&variables));
    house.done(&["template", "push", "templates"]);
    let serve = house.serve().await;
    let campaigns = names();
    for name in &campaigns {
        house.write("c.csv", &format!("to,고객번호,name,order\n01012345678,C,{},1\n", csv(name)));
        house.done(&["send", "--template", "note", "--to", "c.csv", "--name", name]);
    }
    let refused: String = PAYLOADS.iter().map(|payload| format!("{},C,x,1\n", csv(payload))).collect();
    house.write("c.csv", &format!("to,고객번호,name,order\n01012345678,C,{},1\n{refused}", csv(PAYLOADS[0])));
    house.run(&["send", "--template", "note", "--to", "c.csv", "--name", HELD, "--hold"]);
    (house, serve, campaigns)
}

/// A campaign that waits, with a refused row a payload.
const HELD: &str = "<svg onload=ran=1>held";

fn csv(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Calls and guesses from outside.
async fn come_from_outside(house: &House, serve: &Serve) -> Vec<String> {
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    let message = |payload: &&str| {
        json!({ "template": "note", "to": "01012345678", "customer": payload, "trace_id": payload,
            "variables": { "name": payload, "order": payload } })
    };
    let messages: Vec<Value> = PAYLOADS.iter().map(message).collect();
    let request = http().post(format!("{}/v1/messages", serve.url)).bearer_auth(token).json(&messages);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    for payload in PAYLOADS {
        let guess = http().post(format!("{}/signin", serve.url)).header("user-agent", payload);
        let body = format!("name={0}&password={0}&next={0}", path(payload));
        guess.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    }
    let ids = answer["messages"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
    ids.map(|it| it["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()).collect()
}

#[tokio::test]
async fn nothing_that_is_shown_again_runs_or_becomes_an_element() {
    let (house, serve, campaigns) = house_of_evil().await;
    let messages = come_from_outside(&house, &serve).await;
    let person = Person::of(&house, &serve, "minji", "admin").await;
    let all = PAYLOADS.join(" ");
    let sees = async |path: &str| {
        person.open(path).await;
        person.is_clean(path).await;
    };
    for page in ["/", "/lanes", "/campaigns", "/templates", "/running", "/settings/sign-ins", "/settings/config"] {
        sees(page).await;
    }
    for page in ["", "/edit", "/difference?from=1&to=2"] {
        sees(&format!("/templates/evil{page}")).await;
    }
    person.open("/campaigns").await;
    person
        .tab
        .eval(&format!(
            "[...document.querySelectorAll('main a')].find(it => it.textContent === {}).click()",
            json!(HELD)
        ))
        .await;
    person.sees("Before it is sent").await;
    person.is_clean("a campaign that waits").await;
    person.open("/campaigns/-new").await;
    for (field, value) in [("[name=template]", "note"), ("[name=name]", PAYLOADS[0]), ("[name=maps]", "")] {
        person.fill(field, value).await;
    }
    // The columns that there are instead stand in the refusal.
    person.choose("[type=file]", PAYLOADS[3], &format!("{}\n1\n", PAYLOADS.map(csv).join(","))).await;
    person.tab.submit("main form").await;
    person.sees("onerror").await;
    person.is_clean("a file that was refused").await;
    person.choose("[type=file]", PAYLOADS[3], "to\n1\n").await;
    person.fill("[name=template]", PAYLOADS[2]).await;
    person.fill("[name=maps]", PAYLOADS[1]).await;
    person.tab.submit("main form").await;
    person.is_clean("a file for no template").await;
    sees("/templates/names").await;
    sees("/templates/names/edit").await;
    for message in &messages {
        sees(&format!("/messages/{message}")).await;
    }
    for payload in PAYLOADS {
        let payload = path(payload);
        sees(&format!("/messages?trace={payload}")).await;
    }
    for (payload, lang) in names().iter().zip(["en", "ko"].iter().cycle()) {
        person.reads(lang).await;
        let payload = path(payload);
        for page in ["/nowhere-", "/campaigns/", "/messages/", "/templates/", "/unknown?lane=", "/unknown?campaign="] {
            sees(&format!("{page}{payload}")).await;
        }
    }
    person.reads("en").await;
    for (form, field) in [("/settings/people", "[name=name]"), ("/settings/tokens", "[name=name]"), ("/messages", "#q")]
    {
        person.open(form).await;
        person.fill(field, &all).await;
        person.tab.submit("main form").await;
        person.is_clean(form).await;
        assert_eq!(person.tab.eval(&format!("document.querySelector({}).value", json!(field))).await, all);
    }
    person.open(&format!("/messages/{}", messages[0])).await;
    person.fill("[name=reason]", &PAYLOADS.concat()[..400]).await;
    person.tab.submit("details.ask form").await;
    person.is_clean("a message that is open").await;
    sees("/messages/access").await;
    shown_by_the_script(&house, &person, &campaigns).await;
    let stranger = Person::stranger(&serve.url).await;
    for payload in PAYLOADS {
        stranger.open(&format!("/signin?next={}", path(payload))).await;
        stranger.is_clean("/signin").await;
        stranger.open(&format!("/signin/{}", path(payload))).await;
        stranger.is_clean("/signin/…").await;
    }
    serve.stop().await;
}

/// Parts of pages that are put in place without the page being asked for again.
async fn shown_by_the_script(house: &House, person: &Person, campaigns: &[String]) {
    for name in campaigns {
        person.open("/campaigns").await;
        let find =
            format!("[...document.querySelectorAll('main a')].find(it => it.textContent === {}).pathname", json!(name));
        let page = person.tab.eval(&find).await.as_str().unwrap().to_owned();
        person.open(&page).await;
        assert_eq!(person.tab.eval("document.querySelector('h1').textContent").await, name.as_str());
        house.done(&["campaign", "pause", page.rsplit('/').next().unwrap()]);
        person.sees("paused").await;
        person.is_clean(name).await;
    }
    person.open("/templates/-new").await;
    for payload in PAYLOADS {
        person.tab.eval("document.querySelector('textarea').select()").await;
        person.tab.eval("document.querySelector('textarea').focus()").await;
        person.tab.write(payload).await;
        let shown = format!("document.querySelector('#preview pre')?.textContent.includes({})", json!(payload));
        eventually("the preview", Duration::from_secs(30), async || {
            (person.tab.eval(&shown).await == true).then_some(())
        })
        .await;
        person.is_clean("a preview").await;
    }
}
