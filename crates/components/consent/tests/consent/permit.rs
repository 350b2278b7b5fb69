//! What may be sent after something was said.

use naru_component::Finding;
use naru_core::clock::Millis;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{Channel, Purpose};
use naru_testkit::database::Engine;
use serde_json::json;

use crate::house::{DAY_MS, HOUR_MS, House, NO_CONSENT, NOON, SUPPRESSED};

crate::on_both_engines!(
    an_advertisement_needs_consent_on_its_channel,
    an_advertisement_is_held_at_night_until_eight,
    an_opt_out_stops_advertisements_alone,
    a_block_of_everything_stops_sign_in_codes_too,
    a_block_on_one_channel_leaves_the_others,
    lifting_a_block_brings_no_consent_back,
    one_spelling_of_an_address_blocks_all_of_them,
    before_the_rows_are_read_everything_is_held,
);

const PHONE: &str = "01012345678";
const MAIL: &str = "Kim.Minsu@example.com";

async fn an_advertisement_needs_consent_on_its_channel(house: House) {
    house.give(&["010-1234-5678,sms,0,2026-01-02", "Kim.Minsu@EXAMPLE.com,email,0,2026-01-02"]).await;
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), Permit::Send);
    assert_eq!(house.permit(Purpose::Ad, Channel::Email, MAIL), Permit::Send);
    for channel in [Channel::Alimtalk, Channel::Brand] {
        assert_eq!(house.permit(Purpose::Ad, channel, PHONE), NO_CONSENT);
    }
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, "01012345679"), NO_CONSENT);
    for purpose in [Purpose::Auth, Purpose::Info] {
        assert_eq!(house.permit(purpose, Channel::Alimtalk, "01012345679"), Permit::Send);
    }
}

async fn an_advertisement_is_held_at_night_until_eight(house: House) {
    house
        .give(&[
            "01012345678,sms,0,2026-01-02",
            "01012345678,brand,0,2026-01-02",
            "01087654321,sms,1,2026-01-02",
            "Kim.Minsu@example.com,email,0,2026-01-02",
        ])
        .await;
    let midnight = NOON - 12 * HOUR_MS;
    let at = |hour: Millis, minute: Millis| midnight + hour * HOUR_MS + minute * 60_000;
    let check = |now, channel, address, expect| {
        assert_eq!(house.permit_at(now, Purpose::Ad, channel, address), expect, "{}", naru_core::clock::seoul(now));
    };
    let tomorrow = Permit::Hold(at(8, 0) + DAY_MS);
    check(at(21, 0) - 1, Channel::Sms, PHONE, Permit::Send);
    check(at(21, 0), Channel::Sms, PHONE, tomorrow.clone());
    check(at(8, 0) - 1, Channel::Sms, PHONE, Permit::Hold(at(8, 0)));
    check(at(8, 0), Channel::Sms, PHONE, Permit::Send);
    check(at(20, 50) - 1, Channel::Brand, PHONE, Permit::Send);
    check(at(20, 50), Channel::Brand, PHONE, tomorrow);
    check(at(23, 0), Channel::Sms, "01087654321", Permit::Send);
    check(at(23, 0), Channel::Email, MAIL, Permit::Send);
    // Without any consent the morning would change nothing.
    check(at(23, 0), Channel::Sms, "01011112222", NO_CONSENT);
    for purpose in [Purpose::Auth, Purpose::Info] {
        assert_eq!(house.permit_at(at(23, 0), purpose, Channel::Sms, PHONE), Permit::Send);
    }
}

async fn an_opt_out_stops_advertisements_alone(house: House) {
    house.give(&["01012345678,sms,1,2026-01-02"]).await;
    let answer = house.block(PHONE, "ads").await;
    assert_eq!(answer.data["consents_withdrawn"], 1);
    assert_eq!(answer.data["blocked_before"], false);
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), SUPPRESSED);
    assert_eq!(house.permit(Purpose::Info, Channel::Sms, PHONE), Permit::Send);
    assert_eq!(house.permit(Purpose::Auth, Channel::Sms, PHONE), Permit::Send);
}

async fn a_block_of_everything_stops_sign_in_codes_too(house: House) {
    house.say("consent block", json!({ "address": PHONE })).await;
    for purpose in Purpose::ALL {
        assert_eq!(house.permit(purpose, Channel::Sms, PHONE), SUPPRESSED);
        assert_eq!(house.permit(purpose, Channel::Alimtalk, PHONE), SUPPRESSED);
    }
    assert_eq!(house.permit(Purpose::Auth, Channel::Sms, "01012345679"), Permit::Send);
}

async fn a_block_on_one_channel_leaves_the_others(house: House) {
    house.give(&["01012345678,sms,0,2026-01-02", "01012345678,brand,0,2026-01-02"]).await;
    house.say("consent block", json!({ "address": PHONE, "channel": "sms", "scope": "all" })).await;
    assert_eq!(house.permit(Purpose::Info, Channel::Sms, PHONE), SUPPRESSED);
    assert_eq!(house.permit(Purpose::Info, Channel::Brand, PHONE), Permit::Send);
    assert_eq!(house.permit(Purpose::Ad, Channel::Brand, PHONE), Permit::Send);

    // What was blocked on all channels is not lifted on one of them.
    house.block(PHONE, "ads").await;
    let answer = house.say("consent unblock", json!({ "address": PHONE, "channel": "sms" })).await;
    assert_eq!((&answer.data["lifted"], &answer.data["still_blocked"]), (&json!(1), &json!(1)));
    assert_eq!(house.permit(Purpose::Info, Channel::Sms, PHONE), Permit::Send);
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), SUPPRESSED);
}

async fn lifting_a_block_brings_no_consent_back(house: House) {
    house.give(&["01012345678,sms,0,2026-01-02"]).await;
    house.block(PHONE, "all").await;
    house.clock.set(NOON + 1);
    assert_eq!(house.unblock(PHONE).await.data["lifted"], 1);
    assert_eq!(house.permit(Purpose::Info, Channel::Sms, PHONE), Permit::Send);
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), NO_CONSENT);
    assert_eq!(house.unblock(PHONE).await.data["lifted"], 0);

    // The file from before the block changes nothing, one that is younger does.
    house.give(&["01012345678,sms,0,2026-01-02", "01012345678,sms,0,2026-05-06"]).await;
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), NO_CONSENT);
    house.clock.set(NOON + DAY_MS);
    house.give(&["01012345678,sms,0,2026-11-22 12:00:01"]).await;
    assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), Permit::Send);
}

async fn one_spelling_of_an_address_blocks_all_of_them(house: House) {
    house.block("+82 10-1234-5678", "all").await;
    assert_eq!(house.permit(Purpose::Info, Channel::Sms, PHONE), SUPPRESSED);
    house.say("consent block", json!({ "address": "abc:DEF", "channel": "push" })).await;
    assert_eq!(house.permit(Purpose::Info, Channel::Push, "abc:DEF"), SUPPRESSED);
}

async fn before_the_rows_are_read_everything_is_held(house: House) {
    house.give(&["01012345678,sms,0,2026-01-02"]).await;
    house.block("01087654321", "all").await;
    let fresh = house.another().await;
    for purpose in Purpose::ALL {
        let permit = fresh.permit(purpose, Channel::Sms, PHONE);
        assert!(matches!(permit, Permit::Hold(until) if until > NOON), "{permit:?}");
    }
    fresh.refresh().await;
    assert_eq!(fresh.permit(Purpose::Ad, Channel::Sms, PHONE), Permit::Send);
    assert_eq!(fresh.permit(Purpose::Auth, Channel::Sms, "01087654321"), SUPPRESSED);
    assert!(fresh.ctx.metrics().render().contains("naru_consent_addresses 2"), "{}", fresh.ctx.metrics().render());
}

#[tokio::test]
async fn the_doctor_tells_counts_and_nights() {
    let house = House::new(Engine::Sqlite).await;
    house.give(&["01012345678,sms,0,2026-01-02", "01012345678,brand,0,2026-01-02"]).await;
    house.block("01087654321", "ads").await;
    let good = |text: &str| Finding::Good(text.to_owned());
    assert_eq!(house.findings("consent rows").await, [good("1 blocks stand, 2 consents are not withdrawn")]);
    assert_eq!(
        house.findings("consent night").await,
        [
            good("advertisements on sms rest 21:00-08:00 (Asia/Seoul)"),
            good("advertisements on alimtalk rest 21:00-08:00 (Asia/Seoul)"),
            good("advertisements on brand rest 20:50-08:00 (Asia/Seoul)"),
            good("advertisements on email never rest"),
            good("advertisements on push rest 21:00-08:00 (Asia/Seoul)"),
        ]
    );
}
