//! What every adapter must do whatever its protocol. Each case ends by joining what the adapter said with what the
//! vendor's own ledger holds.

use std::collections::BTreeMap;
use std::time::Duration;

use naru_dispatch::provider::{Answer, Level, Outgoing, Verdict};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::house::{messages, send, send_within};
use crate::vendors::{Account, Lookup, MailVendor, Nothing, SandboxAt, SandboxVendor, Trouble, TwoPhase, Vendor};

macro_rules! suite {
    ($($adapter:ident: $vendor:ty;)*) => { $(
        mod $adapter {
            use super::*;

            #[tokio::test]
            async fn what_is_taken_is_in_the_vendors_ledger_once() {
                super::accept::<$vendor>().await;
            }

            #[tokio::test]
            async fn a_mixed_lot_retries_only_what_may_come_again() {
                super::mixed::<$vendor>().await;
            }

            #[tokio::test]
            async fn a_throttled_request_sends_nothing_and_may_come_again() {
                super::throttle::<$vendor>().await;
            }

            #[tokio::test]
            async fn a_time_out_after_acceptance_is_unknown() {
                super::unanswered::<$vendor>(Trouble::Silence, "timeout").await;
            }

            #[tokio::test]
            async fn a_connection_cut_after_acceptance_is_unknown() {
                super::unanswered::<$vendor>(Trouble::Cut, "connection-lost").await;
            }

            #[tokio::test]
            async fn a_refusal_is_for_good() {
                super::refuse::<$vendor>().await;
            }

            #[tokio::test]
            async fn the_same_request_again_is_what_the_level_says() {
                super::duplicate::<$vendor>().await;
            }

            #[tokio::test]
            async fn nobody_there_is_certainly_unsent() {
                super::nobody_there::<$vendor>().await;
            }

            #[tokio::test]
            async fn many_at_a_time_are_each_taken_once() {
                super::many::<$vendor>().await;
            }
        }
    )* };
}

suite! {
    sandbox_at_key: SandboxVendor;
    sandbox_at_two_phase: SandboxAt<TwoPhase>;
    sandbox_at_lookup: SandboxAt<Lookup>;
    sandbox_at_none: SandboxAt<Nothing>;
    smtp: MailVendor;
}

async fn accept<V: Vendor>() {
    let account = Account::<V>::open().await;
    assert_eq!(account.provider.check().await, Ok(()));
    let mut books = Books::default();
    // Alone, and as many together as there may be.
    for count in [1, account.provider.batch_max()] {
        let messages = messages(&account.house.ctx, (0..count).map(|n| account.vendor.address(n)));
        let answer = send(&*account.provider, &format!("lot of {count}"), &messages).await;
        assert_eq!(answer, Answer::Each(vec![Verdict::Taken; count]));
        books.note(&messages, &answer);
    }
    books.join(&account.vendor).await;
}

async fn mixed<V: Vendor>() {
    let account = Account::<V>::open().await;
    let mut rest = messages(&account.house.ctx, account.vendor.mixed().await);
    let mut books = Books::default();
    let mut kinds = [0; 3];
    for round in ["first", "second"] {
        let mut again = Vec::new();
        for lot in rest.chunks(account.provider.batch_max()) {
            let answer = send(&*account.provider, round, lot).await;
            books.note(lot, &answer);
            let Answer::Each(verdicts) = answer else { panic!("{answer:?}") };
            for (message, verdict) in lot.iter().zip(&verdicts) {
                match verdict {
                    Verdict::Taken => kinds[0] += 1,
                    Verdict::Refused(_) => kinds[1] += 1,
                    Verdict::Retry { after, .. } => {
                        assert_eq!(*after, None);
                        kinds[2] += 1;
                        again.push(message.clone());
                    }
                }
            }
        }
        rest = again;
    }
    assert!(kinds.iter().all(|count| *count > 0) && rest.is_empty(), "{kinds:?}, left {rest:?}");
    books.join(&account.vendor).await;
}

async fn throttle<V: Vendor>() {
    let account = Account::<V>::open().await;
    let messages = messages(&account.house.ctx, [account.vendor.address(1)]);
    let mut books = Books::default();
    // Each under a key of its own, as a lane tries again what certainly was not taken.
    for (trouble, expect) in [(Trouble::Throttle, None), (Trouble::ThrottleWithTime, V::COME_BACK)] {
        account.vendor.trouble(trouble).await;
        let answer = send(&*account.provider, &format!("{trouble:?}"), &messages).await;
        let after = match &answer {
            Answer::Throttled { after } => *after,
            Answer::Unsent { .. } => None,
            Answer::Each(verdicts) if matches!(verdicts[..], [Verdict::Retry { after: None, .. }]) => None,
            other => panic!("{trouble:?}: {other:?}"),
        };
        assert_eq!(after, expect, "{trouble:?}");
        books.note(&messages, &answer);
        books.join(&account.vendor).await;
    }
    account.vendor.trouble(Trouble::None).await;
    let answer = send(&*account.provider, "key", &messages).await;
    assert_eq!(answer, Answer::Each(vec![Verdict::Taken]));
    books.note(&messages, &answer);
    books.join(&account.vendor).await;
}

async fn unanswered<V: Vendor>(trouble: Trouble, expect: &str) {
    let account = Account::<V>::open().await;
    let count = account.provider.batch_max().min(3);
    let messages = messages(&account.house.ctx, (0..count).map(|n| account.vendor.address(n)));
    account.vendor.trouble(trouble).await;
    // Longer than any answer takes that comes.
    let timeout = Duration::from_secs(3);
    let answer = send_within(timeout, &*account.provider, "key", &messages).await;
    assert_eq!(answer, Answer::Unknown { code: expect.to_owned() });
    // It was taken all the same: to call this unsent would double it, to call it sent would be a guess.
    eventually("the messages in the ledger", PATIENCE, async || {
        (account.vendor.ledger().await.len() == count).then_some(())
    })
    .await;
    let mut books = Books::default();
    books.note(&messages, &answer);
    books.join(&account.vendor).await;

    account.vendor.trouble(Trouble::None).await;
    let level = account.provider.level();
    if level == Level::None {
        return assert!(account.provider.lookup("key").await.is_err());
    }
    assert_eq!(account.provider.lookup("a key that never came").await, Ok(None));
    let taken = vec![Verdict::Taken; count];
    assert_eq!(account.provider.lookup("key").await, Ok(Some(taken.clone())));
    if !matches!(level, Level::Lookup { .. }) {
        assert_eq!(send(&*account.provider, "key", &messages).await, Answer::Each(taken));
    }
    assert_eq!(account.vendor.ledger().await.len(), count);
}

#[tokio::test]
async fn an_error_of_the_server_may_hide_an_acceptance() {
    for (fault, code, taken) in [("fail-after-accept", "http-500", 3), ("fail-before-accept", "http-503", 0)] {
        let account = Account::<SandboxVendor>::open().await;
        let messages = messages(&account.house.ctx, (0..3).map(|n| account.vendor.address(n)));
        account.vendor.faults(json!({ fault: 100 })).await;
        let answer = send(&*account.provider, "key", &messages).await;
        assert_eq!(answer, Answer::Unknown { code: code.to_owned() });
        assert_eq!(account.vendor.ledger().await.len(), taken, "{fault}");
        account.vendor.trouble(Trouble::None).await;
        let mut books = Books::default();
        let answer = send(&*account.provider, "key", &messages).await;
        assert_eq!(answer, Answer::Each(vec![Verdict::Taken; 3]));
        books.note(&messages, &answer);
        books.join(&account.vendor).await;
    }
}

async fn refuse<V: Vendor>() {
    let account = Account::<V>::open().await;
    account.vendor.trouble(Trouble::Refuse).await;
    let messages = messages(&account.house.ctx, [account.vendor.address(1)]);
    let mut books = Books::default();
    for key in ["first", "second"] {
        let answer = send(&*account.provider, key, &messages).await;
        assert_eq!(answer, Answer::Each(vec![Verdict::Refused(V::REFUSED.to_owned())]));
        books.note(&messages, &answer);
    }
    books.join(&account.vendor).await;
}

async fn duplicate<V: Vendor>() {
    let account = Account::<V>::open().await;
    let messages = messages(&account.house.ctx, [account.vendor.address(1)]);
    for _ in 0..2 {
        assert_eq!(send(&*account.provider, "key", &messages).await, Answer::Each(vec![Verdict::Taken]));
    }
    let taken = account.vendor.ledger().await;
    let expect = match account.provider.level() {
        Level::Key { .. } | Level::TwoPhase { .. } => 1,
        Level::Lookup { .. } | Level::None => 2,
    };
    assert_eq!(taken.len(), expect);
    // The reference does not change with the try: it is what a receiver can know a double by.
    assert!(taken.iter().all(|(reference, _)| *reference == messages[0].id.to_string()), "{taken:?}");
}

async fn nobody_there<V: Vendor>() {
    let account = Account::<V>::open().await;
    // Bound and not listened on: nobody else gets the port, and who connects is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut config = account.vendor.config(&account.house);
    let scheme = config["url"].as_str().unwrap().split(':').next().unwrap().to_owned();
    config["url"] = format!("{scheme}://127.0.0.1:{port}").into();
    let provider = account.house.provider(&config).unwrap();
    let messages = messages(&account.house.ctx, [account.vendor.address(1)]);
    let answer = send(&*provider, "key", &messages).await;
    assert_eq!(answer, Answer::Unsent { code: "connection-refused".to_owned() });
    assert!(provider.check().await.is_err());
    config["url"] = format!("{scheme}://no-such-host.invalid:{port}").into();
    let answer = send(&*account.house.provider(&config).unwrap(), "key", &messages).await;
    assert_eq!(answer, Answer::Unsent { code: "host-unknown".to_owned() });
}

async fn many<V: Vendor>() {
    let account = Account::<V>::open().await;
    let messages = messages(&account.house.ctx, (0..200).map(|n| account.vendor.address(n)));
    let mut books = Books::default();
    // More than the pool keeps, so that some connections are kept and some are not.
    for lot in messages.chunks(50) {
        let keys: Vec<String> = lot.iter().map(|message| message.id.to_string()).collect();
        let sends =
            lot.iter().zip(&keys).map(|(message, key)| send(&*account.provider, key, std::slice::from_ref(message)));
        for (message, answer) in lot.iter().zip(futures_util::future::join_all(sends).await) {
            assert_eq!(answer, Answer::Each(vec![Verdict::Taken]));
            books.note(std::slice::from_ref(message), &answer);
        }
    }
    books.join(&account.vendor).await;
}

/// What the adapter said: for each reference its address, and how often the vendor may have taken it.
#[derive(Default)]
struct Books(BTreeMap<String, (String, usize, usize)>);

impl Books {
    fn note(&mut self, messages: &[Outgoing], answer: &Answer) {
        for (at, message) in messages.iter().enumerate() {
            let (least, most) = match answer {
                Answer::Each(verdicts) if verdicts[at] == Verdict::Taken => (1, 1),
                Answer::Unknown { .. } => (0, 1),
                Answer::Each(_) | Answer::Throttled { .. } | Answer::Unsent { .. } | Answer::Refused { .. } => (0, 0),
            };
            let entry = self.0.entry(message.id.to_string()).or_insert_with(|| (message.to.reveal().to_owned(), 0, 0));
            (entry.1, entry.2) = (entry.1 + least, entry.2 + most);
        }
    }

    /// Both ledgers hold the same messages, to the same addresses, as often as was said.
    async fn join(&self, vendor: &impl Vendor) {
        let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (reference, to) in vendor.ledger().await {
            taken.entry(reference).or_default().push(to);
        }
        for (reference, (to, least, most)) in &self.0 {
            let found = taken.remove(reference).unwrap_or_default();
            assert!((*least..=*most).contains(&found.len()), "{reference}: said {least} to {most}, took {found:?}");
            assert!(found.iter().all(|found| found == to), "{reference}: to {to}, took {found:?}");
        }
        assert_eq!(taken, BTreeMap::new(), "taken and never sent");
    }
}
