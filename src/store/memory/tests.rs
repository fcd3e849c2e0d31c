//! The oracle keeps the promises, and histories are sharp enough to tell it
//! from a store that does not.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::conformance::twins::{Likeness, assert_same, compare};
use crate::store::conformance::{
    Shop, at, history, on_store, rules, seconds, session_id, user_id, user_name,
};

on_store!(MemoryStore::new);

#[test]
fn the_archive_says_when_why_and_by_whom() {
    let shop = Shop::open(&MemoryStore::new, rules(100, Some(60)));
    let expired = shop.begin("1", "Office", at(0));
    shop.check(expired.id, at(50_000)).expect("is live");
    let idle = shop.begin("1", "Office", at(0));
    let replaced = shop.begin("1", "P01", at(0));
    let last = shop.check(replaced.id, at(1)).expect("is live").session;
    shop.begin("2", "P01", at(2));
    let revoked = shop.begin("1", "Link", at(0));
    shop.end(revoked.id, at(3)).expect("is live");
    shop.sweep(at(500_000), 10);

    let ended: Vec<_> = shop
        .store
        .ended()
        .into_iter()
        .map(|ended| (ended.session.id, ended.ended_at, ended.reason, ended.by))
        .collect();

    let device_name = last.identity.device_name.clone();
    let second = Author::Caller {
        user_name: user_name("2"),
        device_name,
    };
    assert_eq!(ended[0], (replaced.id, at(2), EndReason::Replaced, second));
    assert_eq!(shop.store.ended()[0].session, last);
    assert_eq!(
        ended[1],
        (revoked.id, at(3), EndReason::Revoked, Author::CommandLine)
    );
    assert_eq!(
        ended[2],
        (idle.id, at(60_000), EndReason::Idle, Author::Server)
    );
    assert_eq!(
        ended[4],
        (expired.id, at(100_000), EndReason::Expired, Author::Server)
    );
}

#[test]
fn the_archive_is_cut_to_its_age_and_its_length() {
    let kept = Rules {
        ended_retention: seconds(10),
        ended_max: 3,
        ..Rules::default()
    };
    let shop = Shop::open(&MemoryStore::new, kept);
    for millis in 0..5 {
        let session = shop.begin("1", "Office", at(0));
        shop.end(session.id, at(millis)).expect("is live");
    }

    assert_eq!(
        (shop.sweep(at(10), 1).purged, shop.sweep(at(10), 9).purged),
        (1, 1)
    );
    assert_eq!(shop.store.ended().len(), 3);
    assert_eq!(shop.sweep(at(10_003), 9).purged, 1);
    assert_eq!(
        shop.store.ended().first().map(|ended| ended.ended_at),
        Some(at(3))
    );
}

#[test]
fn a_reason_is_known_as_long_as_the_tokens_could_be() {
    let shop = Shop::open(&MemoryStore::new, rules(100, None));
    let session = shop.begin("1", "Office", at(0));
    shop.edit(1, at(1), |user| user.is_active = false);

    assert_eq!(
        shop.reason(session.id, at(99_999)),
        Some(EndReason::AccountDisabled)
    );
    assert_eq!(shop.reason(session.id, at(100_000)), None);
    assert_eq!(shop.reason(session_id(77), at(1)), None);
    assert!(shop.directory().user(user_id(1)).is_some());
}

proptest! {
    #[test]
    fn a_history_has_one_outcome(history in history::history(60)) {
        let rules = history::rules();
        let stores = (MemoryStore::new(rules.clone()), MemoryStore::new(rules.clone()));
        assert_same(&rules, &history, stores, |store| store, Likeness::Exact);
    }

    #[test]
    fn a_history_without_idle_timeouts_has_one_outcome(history in history::history(60)) {
        let rules = Rules { idle: [None; 4], ..history::rules() };
        let stores = (MemoryStore::new(rules.clone()), MemoryStore::new(rules.clone()));
        assert_same(&rules, &history, stores, |store| store, Likeness::VersionsGrow);
    }
}

/// Whether some of many histories tells a store with these rules from the
/// right one.
fn is_told_apart(other: &Rules) -> bool {
    let rules = history::rules();
    let mut runner = TestRunner::deterministic();
    (0..2_000).any(|_| {
        let history = history::history(60)
            .new_tree(&mut runner)
            .expect("is never refused");
        let stores = (
            MemoryStore::new(rules.clone()),
            MemoryStore::new(other.clone()),
        );
        compare(
            &rules,
            &history.current(),
            stores,
            |store| store,
            Likeness::Exact,
        )
        .is_err()
    })
}

#[test]
fn histories_notice_a_limit_that_is_off_by_a_millisecond() {
    let milli = Duration::from_millis(1);
    let mut wrong = vec![history::rules(); 4];
    wrong[0].lifetime[1] += milli;
    wrong[1].idle[1] = wrong[1].idle[1].map(|idle| idle + milli);
    wrong[2].refresh_grace -= milli;
    wrong[3].lifetime_max = wrong[3].lifetime_max.map(|max| max.saturating_sub(milli));

    for other in &wrong {
        assert!(is_told_apart(other), "{other:?}");
    }
    assert!(!is_told_apart(&history::rules()));
}
