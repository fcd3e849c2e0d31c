//! The oracle keeps the promises, and histories are sharp enough to tell it
//! from a store that does not.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::conformance::twins::{Likeness, assert_same, compare};
use crate::store::conformance::{Shop, at, history, on_store, rules, session_id, user_id};

on_store!(MemoryStore::new);

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
