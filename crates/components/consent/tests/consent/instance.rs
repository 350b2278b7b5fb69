//! Several processes on one database, and large numbers.

use futures_util::future::join_all;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{Channel, Purpose};
use serde_json::json;

use crate::house::{DAY_MS, House, NO_CONSENT, NOON, SUPPRESSED};

crate::on_both_engines!(
    another_instance_knows_a_change_after_its_next_run,
    changes_made_at_once_are_all_known_everywhere,
    a_file_of_many_pages_is_known_to_its_last_row,
    a_process_that_decides_nothing_reads_nothing,
);

const PHONE: &str = "01012345678";

async fn another_instance_knows_a_change_after_its_next_run(house: House) {
    let other = house.another().await;
    other.refresh().await;
    let both = |expect: Permit| {
        assert_eq!(house.permit(Purpose::Ad, Channel::Sms, PHONE), expect);
        assert_eq!(other.permit(Purpose::Ad, Channel::Sms, PHONE), expect);
    };
    house.give(&["01012345678,sms,0,2026-01-02"]).await;
    assert_eq!(other.permit(Purpose::Ad, Channel::Sms, PHONE), NO_CONSENT);
    other.refresh().await;
    both(Permit::Send);

    other.block(PHONE, "ads").await;
    house.refresh().await;
    both(SUPPRESSED);

    house.clock.set(NOON + DAY_MS);
    house.unblock(PHONE).await;
    other.refresh().await;
    both(NO_CONSENT);
}

async fn changes_made_at_once_are_all_known_everywhere(house: House) {
    let other = house.another().await;
    other.refresh().await;
    let phone = |n: usize| format!("0101111{n:04}");
    let by = |n: usize| if n.is_multiple_of(2) { &house } else { &other };
    let refuse = |n: usize| async move {
        by(n).block(&phone(n), "ads").await;
    };
    let give = |n: usize| async move {
        by(n / 2).give(&[&format!("{},sms,0,2026-01-02", phone(n))]).await;
    };
    tokio::join!(join_all((0..20).map(refuse)), join_all((0..40).map(give)));
    house.refresh().await;
    other.refresh().await;
    for n in 0..40 {
        let expect = if n < 20 { SUPPRESSED } else { Permit::Send };
        for instance in [&house, &other] {
            assert_eq!(instance.permit(Purpose::Ad, Channel::Sms, &phone(n)), expect, "{n}");
        }
    }
    // Whichever came first, the consent of an earlier day is withdrawn.
    for n in 0..20 {
        other.unblock(&phone(n)).await;
        assert_eq!(other.permit(Purpose::Ad, Channel::Sms, &phone(n)), NO_CONSENT, "{n}");
    }
}

async fn a_file_of_many_pages_is_known_to_its_last_row(house: House) {
    const ROWS: usize = 23_456;
    let phone = |n: usize| format!("010{n:08}");
    let mut content = String::from("address,channel,night,given_at,evidence\n");
    for n in 0..ROWS {
        content += &format!("{},{},{},2026-01-02,form\n", phone(n), ["sms", "brand"][n % 2], n % 3 % 2);
    }
    let answer = house.import(&content).await.unwrap();
    assert_eq!((&answer.data["stored"], &answer.data["refused"]), (&json!(ROWS), &json!(0)));
    let fresh = house.another().await;
    fresh.refresh().await;
    for instance in [&house, &fresh] {
        for n in 0..ROWS {
            let [own, other] = if n % 2 == 0 { [Channel::Sms, Channel::Brand] } else { [Channel::Brand, Channel::Sms] };
            let night = instance.permit_at(NOON + 11 * 3_600_000, Purpose::Ad, own, &phone(n));
            assert_eq!(matches!(night, Permit::Send), n % 3 == 1, "{n}");
            assert_eq!(instance.permit(Purpose::Ad, own, &phone(n)), Permit::Send, "{n}");
            assert_eq!(instance.permit(Purpose::Ad, other, &phone(n)), NO_CONSENT, "{n}");
        }
    }
    let again = house.import(&content).await.unwrap();
    assert_eq!((&again.data["stored"], &again.data["unchanged"]), (&json!(0), &json!(ROWS)));
}

async fn a_process_that_decides_nothing_reads_nothing(house: House) {
    let command = house.another().await;
    command.block(PHONE, "all").await;
    assert!(matches!(command.permit(Purpose::Info, Channel::Sms, PHONE), Permit::Hold(_)));
    house.refresh().await;
    assert_eq!(house.permit(Purpose::Info, Channel::Sms, PHONE), SUPPRESSED);
}
