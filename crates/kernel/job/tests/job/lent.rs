//! What is lent to processes beside an instance: to one at a time, on either engine.

use naru_job::lent::{self, Ask, Loan};
use naru_job::presence::{self, Presence};
use naru_job::turn;
use naru_testkit::database::Engine;

use crate::shop;

fn ask(name: &str, holder: &str) -> Ask {
    Ask { name: name.to_owned(), holder: holder.to_owned(), last_ms: 6_000, every_ms: 0 }
}

fn fence(loan: Loan) -> i64 {
    match loan {
        Loan::Lent(fence) => fence,
        other => panic!("it was not lent: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_beside_one_instance_do_not_hold_the_same() {
    for engine in Engine::REAL {
        let shop = shop(engine).await;
        let process = shop.process("shop-1");
        let first = fence(lent::take(&process, &ask("leader/feed", "a")).await.unwrap());
        let Loan::Held(holder, left_ms) = lent::take(&process, &ask("leader/feed", "b")).await.unwrap() else {
            panic!("it was lent twice on {engine:?}")
        };
        assert!(holder == "shop-1/a" && (1..=6_000).contains(&left_ms), "{holder} {left_ms}");
        assert!(lent::renew(&shop.store, "leader/feed", first, 6_000).await.unwrap());
        // Asked again by the one that has it, as after an answer that did not arrive.
        let again = fence(lent::take(&process, &ask("leader/feed", "a")).await.unwrap());
        assert!(again > first && !lent::renew(&shop.store, "leader/feed", first, 6_000).await.unwrap());

        assert!(lent::give_back(&shop.store, "leader/feed", again, "").await.unwrap());
        assert!(!lent::renew(&shop.store, "leader/feed", again, 6_000).await.unwrap(), "what was given back is gone");
        let second = fence(lent::take(&process, &ask("leader/feed", "b")).await.unwrap());
        assert!(second > again);
        shop.let_end().await;
        assert!(fence(lent::take(&process, &ask("leader/feed", "c")).await.unwrap()) > second);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_seen_where_it_runs_and_how_it_ended() {
    let shop = shop(Engine::Postgres).await;
    let process = shop.process("shop-1");
    let own = Presence::announce(process.clone(), "0.1.0").await.unwrap();
    let job = fence(lent::take(&process, &ask("job/nightly", "a")).await.unwrap());
    fence(lent::take(&process, &ask("leader/feed", "b")).await.unwrap());
    let seen = presence::list(&shop.store, Some(&own)).await.unwrap().remove(0);
    assert_eq!(seen.busy.keys().collect::<Vec<_>>(), ["job nightly"]);
    assert_eq!(seen.leads, ["feed"]);
    assert!(turn::list(&shop.store).await.unwrap()[0].running);
    assert!(lent::give_back(&shop.store, "job/nightly", job, "exit 3").await.unwrap());
    let last = turn::list(&shop.store).await.unwrap().remove(0);
    assert!(!last.running && last.ended_at.is_some());
    assert_eq!((last.outcome.as_str(), last.instance.as_str()), ("exit 3", "shop-1/a"));
    assert!(presence::list(&shop.store, Some(&own)).await.unwrap()[0].busy.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_run_is_not_run_again_too_early_unless_it_was_cut_off() {
    let shop = shop(Engine::Postgres).await;
    let (one, two) = (shop.process("one"), shop.process("two"));
    let ask = |holder: &str| Ask { every_ms: 3_600_000, ..ask("job/nightly", holder) };
    let first = fence(lent::take(&one, &ask("a")).await.unwrap());
    shop.let_end().await;
    // The process was killed: its work is not done.
    let second = fence(lent::take(&two, &ask("b")).await.unwrap());
    assert!(!lent::give_back(&shop.store, "job/nightly", first, "exit 0").await.unwrap(), "it is not its any more");
    assert!(lent::give_back(&shop.store, "job/nightly", second, "exit 0").await.unwrap());
    assert_eq!(turn::list(&shop.store).await.unwrap()[0].missed, 1);
    let Loan::Early(left) = lent::take(&one, &ask("c")).await.unwrap() else { panic!("it ran again") };
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    shop.run("UPDATE job_run SET started_at = started_at - 3600000, ended_at = ended_at - 3600000").await;
    fence(lent::take(&one, &ask("c")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_drains_begins_no_job_and_lets_a_leader_be() {
    let shop = shop(Engine::Postgres).await;
    let process = shop.process("one");
    let job = fence(lent::take(&process, &ask("job/nightly", "a")).await.unwrap());
    process.gate.close(true);
    assert_eq!(lent::take(&process, &ask("job/other", "b")).await.unwrap(), Loan::Draining);
    assert!(lent::renew(&shop.store, "job/nightly", job, 6_000).await.unwrap(), "what has begun goes on");
    fence(lent::take(&process, &ask("leader/feed", "c")).await.unwrap());
    assert_eq!(process.gate.names(), [], "what is lent stands in the store and not inside the gate");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_end_are_refused() {
    let shop = shop(Engine::Sqlite).await;
    let process = shop.process("one");
    fence(lent::take(&process, &ask("job/first", "a")).await.unwrap());
    shop.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO job_lease (name, fence, holder, expires_at) SELECT 'job/' || i, 1, '', 0 FROM n",
    )
    .await;
    assert_eq!(lent::take(&process, &ask("leader/new", "b")).await.unwrap(), Loan::TooMany);
    fence(lent::take(&process, &ask("job/first", "a")).await.unwrap());
}
