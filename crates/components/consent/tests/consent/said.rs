//! Words: who may say them, how a terminal spells them, and what they may not give away.

use std::collections::BTreeSet;

use naru_component::answer::Answer;
use naru_core::text::{Lang, Texts};
use naru_testkit::database::Engine;
use naru_web::role::{Actor, Role};
use serde_json::json;

use crate::house::{House, NOON};

crate::on_both_engines!(an_address_is_shown_with_its_history_and_masked, a_block_repeated_is_kept_beside_the_first);

async fn an_address_is_shown_with_its_history_and_masked(house: House) {
    house.give(&["01012345678,sms,1,2026-01-02", "01012345678,brand,0,2026-01-02"]).await;
    house
        .say("consent block", json!({ "address": "01012345678", "channel": "sms", "scope": "ads", "why": "080" }))
        .await;
    house.clock.set(NOON + 1);
    let unblocked = house.say("consent unblock", json!({ "address": "010-1234-5678", "channel": "sms" })).await;
    let shown = house.say("consent show", json!({ "address": "+82 10 1234 5678" })).await;
    assert_eq!(shown.data["address"], "010-****-5678");
    assert_eq!(
        shown.data["now"],
        json!([
            { "channel": "sms", "auth": "send", "info": "send", "ad": "no-consent" },
            { "channel": "alimtalk", "auth": "send", "info": "send", "ad": "no-consent" },
            { "channel": "brand", "auth": "send", "info": "send", "ad": "send" },
        ])
    );
    assert_eq!(
        shown.data["blocks"],
        json!([{ "channel": "sms", "scope": "ads", "blocked_at": NOON, "why": "080", "who": "local",
                 "lifted_at": NOON + 1, "lifted_by": "local" }])
    );
    let withdrawn: Vec<_> = shown.data["consents"].as_array().unwrap().iter().map(|it| &it["withdrawn_at"]).collect();
    assert_eq!(withdrawn, [&json!(null), &json!(NOON)]);
    for answer in [&shown, &unblocked] {
        assert_hides(answer, "01012345678");
    }
}

async fn a_block_repeated_is_kept_beside_the_first(house: House) {
    for (ms, before) in [(0, false), (0, true), (1, true)] {
        house.clock.set(NOON + ms);
        let answer = house.block("kim@example.com", "ads").await;
        assert_eq!(answer.data["blocked_before"], before);
        assert_hides(&answer, "kim@example.com");
    }
    let shown = house.say("consent show", json!({ "address": "kim@example.com" })).await;
    assert_eq!(shown.data["blocks"].as_array().unwrap().len(), 2);
    assert_eq!(house.unblock("kim@example.com").await.data["lifted"], 2);
}

fn assert_hides(answer: &Answer, address: &str) {
    let all = serde_json::to_string(answer).unwrap();
    assert!(!all.contains(address), "{all}");
}

#[tokio::test]
async fn only_who_may_operate_changes_anything() {
    let house = House::new(Engine::Sqlite).await;
    let actor = |role| Actor::new("kim", role);
    let args = json!({ "address": "01012345678" });
    for word in ["consent block", "consent unblock"] {
        let refused = house.try_say(word, args.clone(), actor(Role::Send), None).await.unwrap_err();
        assert_eq!(refused.code, "role-too-small", "{word}");
        house.try_say(word, args.clone(), actor(Role::Operate), None).await.unwrap();
    }
    let file = Some(house.file(b"address,channel,night,given_at,evidence\n"));
    let args = json!({ "file": "x" });
    let refused = house.try_say("consent import", args, actor(Role::Send), file).await.unwrap_err();
    assert_eq!(refused.code, "role-too-small");
    let shown = house.try_say("consent show", json!({ "address": "01012345678" }), actor(Role::View), None).await;
    assert_eq!(shown.unwrap().data["blocks"][0]["who"], "kim");
    assert!(house.word("consent show").reads);
}

#[tokio::test]
async fn what_is_no_address_is_refused_before_anything_is_stored() {
    let house = House::new(Engine::Sqlite).await;
    for (args, code) in [
        (json!({ "address": "02-123-4567" }), "consent-address-wrong"),
        (json!({ "address": "0101234567890" }), "consent-address-wrong"),
        (json!({ "address": "01012345678", "channel": "email" }), "consent-address-not-of-channel"),
        (json!({ "address": "t".repeat(4_000), "channel": "push" }), "consent-address-not-of-channel"),
        (json!({ "address": "01012345678", "why": "x".repeat(1_001) }), "consent-why-wrong"),
        (json!({ "address": "01012345678", "why": "\u{0}" }), "consent-why-wrong"),
        (json!({ "address": "01012345678", "scop": "ads" }), "arguments-wrong"),
        (json!({ "address": "01012345678", "scope": "some" }), "arguments-wrong"),
    ] {
        let refused = house.try_say("consent block", args.clone(), Actor::local(), None).await.unwrap_err();
        assert_eq!(refused.code, code, "{args}");
        assert!(!refused.to_string().contains("0101234"), "{refused}");
    }
    let shown = house.say("consent show", json!({ "address": "01012345678" })).await;
    assert_eq!((&shown.data["blocks"], &shown.data["consents"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_terminal_spells_the_words() {
    let house = House::new(Engine::Sqlite).await;
    let check = |path: &str, arguments: &str, expect| {
        let word = house.word(path);
        word.command().debug_assert();
        let line = std::iter::once("word").chain(arguments.split(' '));
        let parsed = word.command().try_get_matches_from(line).and_then(|matches| word.parse(&matches));
        assert_eq!(parsed.map_err(|e| e.to_string()), Ok(expect), "{path} {arguments}");
    };
    let block = "01012345678 --channel sms --scope ads --why 080";
    check("consent block", block, json!({ "address": "01012345678", "channel": "sms", "scope": "ads", "why": "080" }));
    let all = json!({ "address": "a@b.kr", "channel": null, "scope": "all", "why": "" });
    check("consent block", "a@b.kr", all);
    check("consent unblock", "a@b.kr", json!({ "address": "a@b.kr", "channel": null }));
    check("consent show", "a@b.kr --channel push", json!({ "address": "a@b.kr", "channel": "push" }));
    check("consent import", "consents.csv", json!({ "file": "consents.csv" }));
    assert_eq!(house.word("consent import").upload, Some("file"));
    let fax = house.word("consent show").command().try_get_matches_from(["word", "a@b.kr", "--channel", "fax"]);
    assert!(fax.unwrap_err().to_string().contains("sms, alimtalk, brand, email, push"));
}

#[test]
fn every_sentence_is_there_in_both_languages() {
    Texts::new(&[naru_consent::TEXTS]).unwrap();
    let keys = |source: &str| -> BTreeSet<String> {
        let mut id = String::new();
        let mut keys = BTreeSet::new();
        for line in source.lines().filter(|line| line.contains(" = ")) {
            let (name, _) = line.split_once(" = ").unwrap();
            match name.trim().strip_prefix('.') {
                Some(attribute) => drop(keys.insert(format!("{id}.{attribute}"))),
                None => {
                    id = name.to_owned();
                    keys.insert(id.clone());
                }
            }
        }
        keys
    };
    let (en, ko) = (keys(naru_consent::TEXTS.en), keys(naru_consent::TEXTS.ko));
    assert_eq!(en, ko);
    // What is refused says what to do.
    let said = |key: &&String| ["-said-", "-show-", "-import-"].iter().any(|part| key.contains(part));
    for code in en.iter().filter(|key| !key.contains('.') && !said(key)) {
        assert!(en.contains(&format!("{code}.hint")), "{code}");
    }
}

#[tokio::test]
async fn a_block_is_told_in_the_readers_language() {
    let house = House::new(Engine::Sqlite).await;
    let texts = house.ctx.texts().unwrap();
    let say = |lang, channel, scope| {
        texts.say(lang, "consent-said-blocked", &[("address", "k***@b.kr"), ("channel", channel), ("scope", scope)])
    };
    assert_eq!(say(Lang::En, "all", "ads"), "k***@b.kr gets no advertisements any more on any channel");
    assert_eq!(say(Lang::En, "sms", "all"), "k***@b.kr gets no messages any more on sms");
    assert_eq!(say(Lang::Ko, "all", "all"), "이제 k***@b.kr 주소로는 모든 채널에서 메시지를 보내지 않습니다");
    assert_eq!(say(Lang::Ko, "sms", "ads"), "이제 k***@b.kr 주소로는 sms 채널에서 광고를 보내지 않습니다");
}
