//! A lease has one holder, and whoever lost it can write nothing.

use naru_core::clock::SystemClock;
use naru_job::instance::Instance;
use naru_job::lease::{self, LEASE_MS};
use naru_testkit::database::Engine;

use crate::shop;

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_and_its_fence_only_grows() {
    let shop = shop(Engine::Postgres).await;
    let clock = SystemClock::shared();
    let (one, two) = (Instance::named("one"), Instance::named("two"));
    let before = clock.monotonic_us();
    let first = lease::take(&shop.store, clock.as_ref(), &one, "lane").await.unwrap().unwrap();
    assert_eq!(first.fence, 1);
    assert!(first.until >= before + LEASE_MS as u64 * 1_000);
    assert_eq!(lease::take(&shop.store, clock.as_ref(), &two, "lane").await.unwrap(), None);
    assert!(shop.holds(1).await);
    shop.let_end().await;
    let second = lease::take(&shop.store, clock.as_ref(), &two, "lane").await.unwrap().unwrap();
    assert_eq!(second.fence, 2);
    assert!(!shop.holds(1).await);
    // The first comes back: it is told at its next renewal, and what it says then changes nothing.
    let mut late = [first.clone()];
    assert_eq!(lease::renew(&shop.store, clock.as_ref(), &mut late).await.unwrap(), ["lane"]);
    assert_eq!(late[0].until, first.until);
    lease::release(&shop.store, &first, 0).await.unwrap();
    assert_eq!(lease::standing(&shop.store, "lane").await.unwrap().unwrap().holder, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_has_ended_and_nobody_took_is_renewed() {
    let shop = shop(Engine::Postgres).await;
    let clock = SystemClock::shared();
    let one = Instance::named("one");
    let mut held = [lease::take(&shop.store, clock.as_ref(), &one, "lane").await.unwrap().unwrap()];
    shop.let_end().await;
    assert_eq!(lease::renew(&shop.store, clock.as_ref(), &mut held).await.unwrap(), Vec::<String>::new());
    assert!(lease::standing(&shop.store, "lane").await.unwrap().unwrap().left_ms > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_rests_before_it_is_taken_again_by_anybody() {
    let shop = shop(Engine::Postgres).await;
    let clock = SystemClock::shared();
    let one = Instance::named("one");
    let held = lease::take(&shop.store, clock.as_ref(), &one, "lane").await.unwrap().unwrap();
    lease::release(&shop.store, &held, 60_000).await.unwrap();
    assert_eq!(lease::take(&shop.store, clock.as_ref(), &one, "lane").await.unwrap(), None);
    shop.let_end().await;
    let again = lease::take(&shop.store, clock.as_ref(), &one, "lane").await.unwrap().unwrap();
    assert_eq!(again.fence, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_comes_back_has_its_own_at_once() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let shop = shop(engine).await;
        let clock = SystemClock::shared();
        let one = Instance::named("one");
        for life in 1..=2 {
            let held = lease::take(&shop.store, clock.as_ref(), &one, "lane").await.unwrap().unwrap();
            assert_eq!(held.fence, life, "{engine:?}");
        }
    }
}
