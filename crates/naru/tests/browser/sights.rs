//! Everything there is to see: each page, and what its forms answer.

use crate::person::Person;
use crate::shop::{PHONE, Shop, TRACE};

/// Something to see.
pub struct Sight {
    /// Of its pictures.
    pub name: &'static str,
    path: String,
    /// What is filled in there before it is sent.
    fields: Vec<(&'static str, String)>,
    /// The content of the file that is chosen.
    file: Option<&'static str>,
    /// What sends the form.
    button: Option<&'static str>,
    /// What the console says of an answer that is a refusal.
    pub refused: bool,
}

/// A page.
fn page(name: &'static str, path: &str) -> Sight {
    Sight { name, path: path.to_owned(), fields: Vec::new(), file: None, button: None, refused: false }
}

impl Sight {
    fn with(mut self, field: &'static str, value: &str) -> Sight {
        self.fields.push((field, value.to_owned()));
        self
    }

    fn with_file(mut self, content: &'static str) -> Sight {
        self.file = Some(content);
        self
    }

    fn sent_by(mut self, button: &'static str) -> Sight {
        self.button = Some(button);
        self
    }

    fn and_refused(mut self) -> Sight {
        self.refused = true;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Goes there.
    pub async fn show(&self, to: &Person) {
        to.open(&self.path).await;
        for (field, value) in &self.fields {
            to.fill(field, value).await;
        }
        if let Some(content) = self.file {
            to.choose("[type=file]", "customers.csv", content).await;
        }
        if let Some(button) = self.button {
            to.tab.submit(button).await;
        }
    }
}

/// What an administrator sees in a shop at work. Names that are given go to the reader of one language.
pub fn of_a_shop(shop: &Shop, lang: &str) -> Vec<Sight> {
    let message = format!("/messages/{}", shop.message);
    vec![
        page("overview", "/"),
        page("lanes", "/lanes"),
        page("operations", "/operations"),
        page("operations-on", "/operations?on=web%40staging"),
        page("apps", "/apps"),
        page("apps-sought", "/apps?name=we&env=staging"),
        page("operation-done", &format!("/operations/{}", shop.operations[0])),
        page("operation-failed", &format!("/operations/{}", shop.operations[1])),
        page("operation-planned", &format!("/operations/{}", shop.operations[2])),
        page("campaigns", "/campaigns"),
        page("campaigns-sought", "/campaigns?name=%EC%95%88%EB%82%B4&state=done"),
        page("campaigns-no-match", "/campaigns?name=zzz"),
        page("campaign-running", &shop.campaign("주말 특가 미리 보기")),
        page("campaign-done", &shop.campaign("가을 신상품 출고 안내")),
        page("campaign-held", &shop.campaign("내일 아침 안내")),
        page("campaign-paused", &shop.campaign("VIP 사전 안내")),
        page("campaign-time-bad", &shop.campaign("내일 아침 안내"))
            .with("[name=at]", "2020-01-01T09:00")
            .sent_by("form[action$='/schedule'] button")
            .and_refused(),
        page("campaign-new", "/campaigns/-new"),
        page("campaign-new-refused", "/campaigns/-new")
            .with("[name=template]", "shipped")
            .with("[name=name]", "주말 안내")
            .with_file("받는 분,name,order\n010-1234-5678,김민지,A-1\n")
            .sent_by("main form")
            .and_refused(),
        page("messages", "/messages"),
        page("messages-found", "/messages").with("#q", PHONE).sent_by("main form"),
        page("messages-of-trace", &format!("/messages?trace={TRACE}")),
        page("messages-none", "/messages").with("#q", "010-0000-0000").sent_by("main form"),
        page("messages-empty", "/messages").sent_by("main form").and_refused(),
        page("message", &message),
        page("message-open", &message).with("[name=reason]", "고객 문의 1024").sent_by("details.ask form"),
        page("message-reason", &message).with("[name=reason]", " ").sent_by("details.ask form").and_refused(),
        page("access", "/messages/access"),
        page("templates", "/templates"),
        page("template", "/templates/order"),
        page("template-test", "/templates/shipped"),
        page("template-test-refused", "/templates/shipped")
            .with("main form [name='v.name']", "민수")
            .sent_by("main form[action$='/test']")
            .and_refused(),
        page("template-saved", "/templates/order?saved=2"),
        page("template-version", "/templates/order?version=1"),
        page("template-difference", "/templates/order/difference?from=1&to=2"),
        page("template-new", "/templates/-new"),
        page("template-refused", "/templates/-new")
            .with("[name=id]", "a b")
            .with("[name=body]", "#{name}님 안녕하세요")
            .sent_by("[name=do][value=save]")
            .and_refused(),
        page("template-edit", "/templates/order/edit"),
        page("unknown", "/unknown"),
        page("unknown-none-chosen", "/unknown").sent_by("[name=as][value=sent]").and_refused(),
        page("running", "/running"),
        page("people", "/settings/people"),
        page("people-link", "/settings/people")
            .with("[name=name]", &format!("new-{lang}"))
            .sent_by("main form.row-form"),
        page("people-refused", "/settings/people")
            .with("[name=name]", "김 민지")
            .sent_by("main form.row-form")
            .and_refused(),
        page("tokens", "/settings/tokens"),
        page("tokens-once", "/settings/tokens")
            .with("[name=name]", &format!("token-{lang}"))
            .sent_by("main form.row-form"),
        page("sign-ins", "/settings/sign-ins"),
        page("config", "/settings/config"),
        page("password", "/password"),
        page("error-missing", "/nowhere").and_refused(),
        page("error-unknown", "/campaigns/nobody").and_refused(),
    ]
}

/// What stands where there is nothing yet.
pub fn of_an_empty_house() -> Vec<Sight> {
    vec![
        page("empty-overview", "/"),
        page("empty-lanes", "/lanes"),
        page("empty-operations", "/operations"),
        page("empty-apps", "/apps"),
        page("empty-campaigns", "/campaigns"),
        page("empty-templates", "/templates"),
        page("empty-unknown", "/unknown"),
        page("empty-access", "/messages/access"),
        page("empty-tokens", "/settings/tokens"),
    ]
}

/// What everybody sees who is not signed in.
pub fn of_a_stranger(link: &str) -> Vec<Sight> {
    vec![
        page("sign-in", "/signin?next=/lanes"),
        page("sign-in-refused", "/signin")
            .with("[name=name]", "minji")
            .with("[name=password]", "wrong")
            .sent_by("main form")
            .and_refused(),
        page("sign-in-link", link),
        page("sign-in-link-spent", "/signin/spent").and_refused(),
    ]
}
