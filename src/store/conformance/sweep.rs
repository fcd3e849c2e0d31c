//! Promises of `sweep`: it tidies up and decides nothing.

use super::{Shop, at, rules};
use crate::model::{EndReason, SessionId};
use crate::store::{Rules, Store, StoreError};

/// Sessions that are idle, expired and live at 100 s.
fn mixed<S: Store>(shop: &Shop<S>) -> [SessionId; 3] {
    let idle = shop.begin("1", "Office", at(0)).id;
    let expired = shop.begin("1", "Office", at(0)).id;
    let live = shop.begin("1", "Office", at(90_000)).id;
    shop.check(expired, at(50_000)).expect("is live");
    [idle, expired, live]
}

pub(crate) fn a_sweep_changes_no_answer<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, Some(60)));
    let [idle, expired, live] = mixed(&shop);
    let now = at(99_999);
    assert_eq!(shop.sweep(now, 10).ended, 1);

    assert_eq!(shop.reason(idle, now), Some(EndReason::Idle));
    assert_eq!(
        shop.check(idle, now).err(),
        Some(StoreError::NotLive(Some(EndReason::Idle)))
    );
    let mut both = vec![expired, live];
    both.sort();
    let mut listed = shop.live(now);
    listed.sort();
    assert_eq!(listed, both);
    assert_eq!(shop.sweep(at(100_000), 10).ended, 1);
    assert!(!shop.is_live(expired, at(100_000)));
    assert_eq!(shop.live(at(100_000)), [live]);
    assert!(shop.check(live, at(100_000)).is_ok());
}

pub(crate) fn a_sweep_moves_at_most_what_it_is_told<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, None));
    for _ in 0..7 {
        shop.begin("1", "Office", at(0));
    }
    let now = at(100_000);
    let ended: Vec<usize> = (0..4).map(|_| shop.sweep(now, 3).ended).collect();

    assert_eq!(ended, [3, 3, 1, 0]);
    assert!(!shop.sweep(now, 3).more);
    let shop = Shop::open(open, rules(100, None));
    for _ in 0..4 {
        shop.begin("1", "Office", at(0));
    }
    assert!(shop.sweep(now, 3).more, "one is left");
}

pub(crate) fn a_sweep_says_when_the_next_is_due<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, Some(60)));
    assert_eq!(shop.store.next_deadline(), None);
    let [.., live] = mixed(&shop);

    shop.sweep(at(100_000), 10);
    let next = shop.store.next_deadline().expect("one lives");
    assert!(next > at(100_000) && next <= at(150_000), "{next}");

    shop.end(live, at(100_001)).expect("is live");
    assert_eq!(shop.store.next_deadline(), None);
}
