//! Files of consents.

use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{Channel, Purpose};
use naru_testkit::database::Engine;
use naru_web::role::Actor;
use serde_json::{Value, json};

use crate::house::{DAY_MS, House, NO_CONSENT, NOON, SUPPRESSED};

crate::on_both_engines!(
    a_bad_row_is_refused_by_itself,
    a_file_imported_again_changes_nothing,
    the_order_of_files_does_not_matter,
    a_consent_older_than_a_block_is_stored_as_withdrawn,
    a_row_without_an_end_stops_the_file_there,
);

const PHONE: &str = "01012345678";
const HEADER: &str = "address,channel,night,given_at,evidence\n";

fn ad(house: &House, address: &str) -> Permit {
    house.permit(Purpose::Ad, Channel::Sms, address)
}

fn night_ad(house: &House, address: &str) -> Permit {
    house.permit_at(NOON + DAY_MS / 2, Purpose::Ad, Channel::Sms, address)
}

async fn a_bad_row_is_refused_by_itself(house: House) {
    let long = "x".repeat(1_001);
    let token = "t".repeat(3_000);
    let rows = [
        ("01012345678,sms,1,2026-01-02T03:04:05+09:00,form 3", ""),
        ("01012345678,sms,1,2026-01-02", "consent-row-columns"),
        ("01012345678,sms,1,2026-01-02,form, page 2", "consent-row-columns"),
        ("01012345678,fax,1,2026-01-02,form", "consent-channel-unknown"),
        ("01012345678,all,1,2026-01-02,form", "consent-channel-unknown"),
        ("02-123-4567,sms,1,2026-01-02,form", "consent-address-bad"),
        ("kim@example.com,sms,1,2026-01-02,form", "consent-address-bad"),
        (&format!("{token},push,1,2026-01-02,form"), "consent-address-bad"),
        ("01012345678,sms,maybe,2026-01-02,form", "consent-night-bad"),
        ("01012345678,sms,1,02/01/2026,form", "consent-given-bad"),
        ("01012345678,sms,1,2026-02-30,form", "consent-given-bad"),
        ("01012345678,sms,1,2026-01-02T03:04[America/New_York],form", "consent-given-bad"),
        ("01012345678,sms,1,1969-12-31,form", "consent-given-bad"),
        ("01012345678,sms,1,,form", "consent-given-bad"),
        ("01012345678,sms,1,2026-11-22 12:00:01,form", "consent-given-future"),
        ("01012345678,sms,1,2026-01-02,  ", "consent-evidence-missing"),
        (&format!("01012345678,sms,1,2026-01-02,{long}"), "consent-evidence-long"),
        ("01012345678,sms,1,2026-01-02,zero\0byte", "consent-row-encoding"),
        ("\"010-8765-4321\",SMS , Y,2026-11-22 12:00:00,\"form, \"\"page\"\" 2\"", ""),
    ];
    let content = rows.iter().fold(HEADER.to_owned(), |all, (row, _)| format!("{all}{row}\r\n"));
    let answer = house.import(content).await.unwrap();
    let expect: Vec<Value> = (2..)
        .zip(&rows)
        .filter(|(_, (_, code))| !code.is_empty())
        .map(|(line, (_, code))| json!({ "line": line, "code": code }))
        .collect();
    assert_eq!(answer.data["refusals"], json!(expect));
    assert_eq!(answer.data["refused"], expect.len());
    assert_eq!((&answer.data["rows"], &answer.data["stored"]), (&json!(rows.len()), &json!(2)));
    assert_eq!(answer.data["refused_by_code"]["consent-given-bad"], 5);
    assert!(!answer.refused);
    assert_eq!(night_ad(&house, PHONE), Permit::Send);
    assert_eq!(night_ad(&house, "01087654321"), Permit::Send);
    let shown = house.say("consent show", json!({ "address": "01087654321" })).await;
    assert_eq!(shown.data["consents"][0]["evidence"], "form, \"page\" 2");
    assert_eq!(shown.data["consents"][0]["given_at"], NOON);
}

async fn a_file_imported_again_changes_nothing(house: House) {
    let rows = ["01012345678,sms,0,2026-01-02", "01012345678,brand,1,2026-01-02", "01012345678,sms,0,2026-01-02"];
    let first = house.give(&rows).await.data;
    assert_eq!((&first["stored"], &first["unchanged"]), (&json!(2), &json!(1)));
    let before = house.say("consent show", json!({ "address": PHONE })).await.data;
    house.clock.set(NOON + DAY_MS);
    let again = house.give(&rows).await.data;
    assert_eq!((&again["stored"], &again["unchanged"]), (&json!(0), &json!(3)));
    house.clock.set(NOON);
    assert_eq!(house.say("consent show", json!({ "address": PHONE })).await.data, before);
}

async fn the_order_of_files_does_not_matter(house: House) {
    // The younger says no to the night, of two of one moment the one that says no to it holds.
    let cases = [
        (["2026-01-02,1", "2026-03-04,0"], Permit::Hold(NOON + 20 * DAY_MS / 24)),
        (["2026-01-02,0", "2026-03-04,1"], Permit::Send),
        (["2026-01-02,0", "2026-01-02,1"], Permit::Hold(NOON + 20 * DAY_MS / 24)),
    ];
    for (case, (pair, expect)) in cases.iter().enumerate() {
        for order in [[0, 1], [1, 0]] {
            let address = format!("0105555{case:02}{}{}", order[0], order[1]);
            for index in order {
                let (given_at, night) = pair[index].split_once(',').unwrap();
                house.give(&[&format!("{address},sms,{night},{given_at}")]).await;
            }
            assert_eq!(night_ad(&house, &address), *expect, "{pair:?} {order:?}");
        }
    }
}

async fn a_consent_older_than_a_block_is_stored_as_withdrawn(house: House) {
    house.block(PHONE, "ads").await;
    let answer = house.give(&["01012345678,sms,0,2026-01-02", "01012345678,sms,0,2026-11-22 12:00:00"]).await;
    assert_eq!((&answer.data["stored"], &answer.data["withdrawn"]), (&json!(2), &json!(2)));
    house.clock.set(NOON + DAY_MS);
    house.unblock(PHONE).await;
    assert_eq!(ad(&house, PHONE), NO_CONSENT);

    // A refusal on one channel says nothing about another, nor about another address.
    house.say("consent block", json!({ "address": "01087654321", "channel": "brand", "scope": "ads" })).await;
    let answer = house.give(&["01087654321,sms,0,2026-01-02", "01087654321,brand,0,2026-01-02"]).await;
    assert_eq!(answer.data["withdrawn"], 1);
    assert_eq!(ad(&house, "01087654321"), Permit::Send);
    assert_eq!(house.permit(Purpose::Ad, Channel::Brand, "01087654321"), SUPPRESSED);

    // A consent younger than a standing block is kept and counts once the block is lifted.
    house.block("01011112222", "ads").await;
    house.clock.set(NOON + 2 * DAY_MS);
    let answer = house.give(&["01011112222,sms,0,2026-11-24"]).await;
    assert_eq!(answer.data["withdrawn"], 0);
    assert_eq!(ad(&house, "01011112222"), SUPPRESSED);
    house.unblock("01011112222").await;
    assert_eq!(ad(&house, "01011112222"), Permit::Send);
}

async fn a_row_without_an_end_stops_the_file_there(house: House) {
    let sound = "01012345678,sms,0,2026-01-02,form\n".repeat(5_000);
    let endless = "01087654321,sms,0,2026-01-02,form\n".repeat(10_000);
    let content = format!("{HEADER}{sound}01087654321,sms,0,2026-01-02,\"never closed\n{endless}");
    let failure = house.import(content).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["line"].as_str()), ("consent-row-long", "5002"));
    assert_eq!((ad(&house, PHONE), ad(&house, "01087654321")), (Permit::Send, NO_CONSENT));
}

#[tokio::test]
async fn a_refused_row_is_named_by_the_line_on_which_it_begins() {
    let house = House::new(Engine::Sqlite).await;
    let good = "01012345678,sms,0,2026-01-02,\"two\nlines\"\n";
    let bad = "x,sms,0,2026-01-02,\"three\n\nlines\"\n";
    let lines = async |content: String| {
        let answer = house.import(content).await.unwrap();
        let refusals = answer.data["refusals"].as_array().unwrap().clone();
        refusals.iter().map(|it| it["line"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let rows = format!("\n{good}\n\n{bad}{bad}{good}  \n\n{bad}");
    for header in [HEADER, "address,channel,night,given_at,\"evidence\"\n"] {
        assert_eq!(lines(format!("{header}{rows}")).await, [7, 10, 17]);
        assert_eq!(lines(format!("{header}{rows}\n\n")).await, [7, 10, 17]);
        assert_eq!(lines(format!("{header}{}", rows.trim_end())).await, [7, 10, 17]);
        assert_eq!(lines(format!("{header}{rows}").replace('\n', "\r\n")).await, [7, 10, 17]);
    }
}

/// `(what it says of a phone's consent, the evidence as read back)`.
async fn encoded(content: &[u8]) -> (Permit, String) {
    let house = House::new(Engine::Sqlite).await;
    house.import(content).await.unwrap();
    let shown = house.say("consent show", json!({ "address": PHONE })).await;
    (ad(&house, PHONE), shown.data["consents"][0]["evidence"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn encodings_are_told_apart_by_content() {
    const EVIDENCE: &str = "가입 양식, 똠방각하 뷁";
    let text = format!("{HEADER}{PHONE},sms,0,2026-01-02,\"{EVIDENCE}\"\n");
    let with_mark = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let (cp949, _, unmapped) = encoding_rs::EUC_KR.encode(&text);
    assert!(!unmapped);
    for content in [text.as_bytes(), &with_mark, &cp949] {
        assert_eq!(encoded(content).await, (Permit::Send, EVIDENCE.to_owned()));
    }
    // One byte that fits neither spoils its own row.
    let (first, second) = ("01087654321,sms,0,2026-01-02,", format!("\n{PHONE},sms,0,2026-01-02,\"{EVIDENCE}\"\n"));
    let (second, _, _) = encoding_rs::EUC_KR.encode(&second);
    let spoilt = [HEADER.as_bytes(), first.as_bytes(), b"\xff\xff", &second].concat();
    assert_eq!(encoded(&spoilt).await, (Permit::Send, EVIDENCE.to_owned()));
}

#[tokio::test]
async fn a_character_cut_by_the_readers_buffer_is_whole_again() {
    // Each shift puts the 64 KiB border elsewhere in a three-byte character.
    for shift in 0..4 {
        let row = format!("{PHONE},sms,0,2026-01-02,{}\n", "가".repeat(300));
        let text = format!("{HEADER}{}{}", "\n".repeat(shift), row.repeat(80));
        let (permit, evidence) = encoded(text.as_bytes()).await;
        assert_eq!((permit, evidence), (Permit::Send, "가".repeat(300)), "{shift}");
    }
    // Cut at the very end of the file it is no UTF-8, and as CP949 its row is the only one that suffers.
    let text = format!("{HEADER}{PHONE},sms,0,2026-01-02,form\n01087654321,sms,0,2026-01-02,가");
    let (permit, evidence) = encoded(&text.as_bytes()[..text.len() - 1]).await;
    assert_eq!((permit, evidence.as_str()), (Permit::Send, "form"));
}

async fn refused(content: &[u8]) -> Failure {
    House::new(Engine::Sqlite).await.import(content).await.unwrap_err()
}

#[tokio::test]
async fn a_file_that_is_no_list_of_consents_is_refused_whole() {
    for content in [&b"PK\x03\x04..."[..], b"\xd0\xcf\x11\xe0...", b"\xff\xfea\0", b"\xfe\xff\0a"] {
        assert_eq!(refused(content).await.code, "consent-file-not-csv");
    }
    let failure = refused(b"address,channel,given_at,evidence\n").await;
    assert_eq!((failure.code.as_str(), failure.args["column"].as_str()), ("consent-column-missing", "night"));
    assert_eq!(failure.args["found"], "address, channel, given_at, evidence");
    let failure = refused(b"01012345678,kim@example.com,form\n").await;
    assert_eq!((failure.code.as_str(), failure.args["address"].as_str()), ("consent-header-missing", "010-****-5678"));
    assert!(!failure.to_string().contains("kim"), "{failure}");
    assert_eq!(refused(b"").await.code, "consent-column-missing");
    assert_eq!(refused(b"Address,channel,night,given_at,evidence,address\n").await.code, "consent-column-twice");

    let house = House::new(Engine::Sqlite).await;
    let args = json!({ "file": "consents.csv" });
    let failure = house.try_say("consent import", args.clone(), Actor::local(), None).await.unwrap_err();
    assert_eq!(failure.code, "consent-file-missing");
    let missing = Some(std::env::temp_dir().join("no-such-file.csv"));
    let failure = house.try_say("consent import", args, Actor::local(), missing).await.unwrap_err();
    assert_eq!(failure.code, "consent-file-unreadable");
}

#[tokio::test]
async fn a_file_of_bad_rows_alone_ends_as_refused_and_names_the_first() {
    let house = House::new(Engine::Sqlite).await;
    let answer = house.import(format!("{HEADER}{}", "x,sms,0,2026-01-02,form\n".repeat(7_000))).await.unwrap();
    assert!(answer.refused);
    assert_eq!(answer.data["refused"], 7_000);
    assert_eq!(answer.data["refusals"].as_array().unwrap().len(), 100);
    let view = format!("{:?}", answer.view);
    assert!(view.contains("6900 more refused rows"), "{view}");
    let texts = Texts::new(&[naru_consent::TEXTS]).unwrap();
    assert!(view.contains(&texts.say(Lang::En, "consent-address-bad", &[])), "{view}");
}

#[tokio::test]
async fn an_import_gives_way_to_a_shutdown_and_goes_on_later() {
    let house = House::new(Engine::Sqlite).await;
    let content = format!("{HEADER}{PHONE},sms,0,2026-01-02,form\n");
    house.ctx.lifecycle().stop();
    assert_eq!(house.import(&content).await.unwrap_err().code, "consent-import-stopped");
    let next = house.another().await;
    assert_eq!(next.import(&content).await.unwrap().data["stored"], 1);
}
