//! Promises about how many sessions there may be.

use super::{Shop, at, seconds};
use crate::model::{AtLimit, AuthenticationType, EndReason, Limit, SessionLimits};
use crate::store::{NewSession, Rules, Store, StoreError};

fn rules(limits: SessionLimits) -> Rules {
    Rules {
        limits,
        ..Rules::default()
    }
}

const fn limit(max: usize, then: AtLimit) -> Limit {
    Limit {
        max: Some(max),
        then,
    }
}

fn per_user(max: usize, then: AtLimit) -> SessionLimits {
    SessionLimits {
        per_user: limit(max, then),
        ..SessionLimits::default()
    }
}

fn per_device(max: usize, then: AtLimit) -> SessionLimits {
    SessionLimits {
        per_device: limit(max, then),
        ..SessionLimits::default()
    }
}

fn installation(max: usize, then: AtLimit) -> SessionLimits {
    SessionLimits {
        installation: limit(max, then),
        ..SessionLimits::default()
    }
}

pub(crate) fn a_limit_denies_one_more_and_lets_others_in<S: Store>(open: &impl Fn(Rules) -> S) {
    // Two logins, one too many, and one that the limit does not concern.
    for (limits, more, other) in [
        (
            per_user(2, AtLimit::Deny),
            ("1", "Office"),
            Some(("2", "Link")),
        ),
        (
            per_device(2, AtLimit::Deny),
            ("2", "Link"),
            Some(("2", "Office")),
        ),
        (installation(2, AtLimit::Deny), ("2", "Office"), None),
    ] {
        let shop = Shop::open(open, rules(limits));
        shop.begin("1", "Link", at(0));
        shop.begin("1", "Link", at(1));
        let refused = shop.try_begin(more.0, more.1, at(2)).map(drop);
        assert_eq!(refused, Err(StoreError::LimitReached), "{limits:?}");
        assert_eq!(shop.live(at(2)).len(), 2);
        if let Some((user, device)) = other {
            shop.begin(user, device, at(3));
        }
    }
}

pub(crate) fn a_limit_replaces_the_one_longest_not_accessed<S: Store>(open: &impl Fn(Rules) -> S) {
    for limits in [
        per_user(3, AtLimit::Replace),
        per_device(3, AtLimit::Replace),
        installation(3, AtLimit::Replace),
    ] {
        let shop = Shop::open(open, rules(limits));
        let [first, second, third] = [0, 1, 2].map(|millis| shop.begin("1", "Link", at(millis)));
        shop.check(first.id, at(10)).expect("is live");

        let begun = shop.try_begin("1", "Link", at(11)).expect("replaces");

        assert_eq!(shop.reason(second.id, at(11)), Some(EndReason::Replaced));
        assert_eq!(begun.replaced, [second], "{limits:?}");
        let mut wanted = vec![first.id, third.id, begun.session.id];
        wanted.sort();
        let mut live = shop.live(at(11));
        live.sort();
        assert_eq!(live, wanted, "{limits:?}");
    }
}

pub(crate) fn what_is_over_or_ends_with_the_login_does_not_count<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let day = 86_400_000;
    for limits in [
        per_user(1, AtLimit::Deny),
        per_device(1, AtLimit::Deny),
        installation(1, AtLimit::Deny),
    ] {
        let shop = Shop::open(open, rules(limits));
        shop.begin("1", "P01", at(0));
        // The till's own session makes place.
        let second = shop.begin("1", "P01", at(1));
        let denied = shop.try_begin("1", "P01", at(2)).map(drop);
        assert_eq!(denied, Ok(()));
        assert!(!shop.is_live(second.id, at(2)));
        // Over by time, whether or not the sweep has run.
        shop.begin("1", "Link", at(day));
        assert_eq!(shop.live(at(day)).len(), 1, "{limits:?}");
    }
}

pub(crate) fn a_denied_login_at_a_till_ends_nobody<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(per_user(1, AtLimit::Deny)));
    let there = shop.begin("2", "P01", at(0));
    shop.begin("1", "Office", at(0));
    let refused = shop.try_begin("1", "P01", at(1)).map(drop);
    assert_eq!(refused, Err(StoreError::LimitReached));
    assert!(shop.is_live(there.id, at(1)));
}

pub(crate) fn sessions_of_api_keys_are_outside_of_all_limits<S: Store>(open: &impl Fn(Rules) -> S) {
    for limits in [
        per_user(1, AtLimit::Deny),
        per_device(1, AtLimit::Deny),
        installation(1, AtLimit::Deny),
    ] {
        let shop = Shop::open(open, rules(limits));
        let signed = |user: &str| NewSession {
            authentication_type: AuthenticationType::Nws4,
            password_seen: None,
            ..shop.new_session(user, "Link")
        };
        for _ in 0..3 {
            let begun = shop
                .store
                .begin(signed("1"), super::cause("1", "Link"), at(0));
            assert!(shop.run(begun).is_ok());
        }
        shop.begin("1", "Link", at(1));
        let begun = shop
            .store
            .begin(signed("1"), super::cause("1", "Link"), at(2));
        assert!(shop.run(begun).is_ok());
        let refused = shop.try_begin("1", "Link", at(3)).map(drop);
        assert_eq!(refused, Err(StoreError::LimitReached), "{limits:?}");
    }
}

pub(crate) fn several_limits_all_hold<S: Store>(open: &impl Fn(Rules) -> S) {
    let limits = SessionLimits {
        per_user: limit(1, AtLimit::Replace),
        per_device: limit(2, AtLimit::Replace),
        installation: limit(3, AtLimit::Deny),
    };
    let shop = Shop::open(open, rules(limits));
    let mut drawn = 0;
    for (user, device) in [
        ("1", "Link"),
        ("2", "Link"),
        ("999", "Link"),
        ("1", "Office"),
        ("2", "Office"),
        ("999", "Office"),
        ("1", "P01"),
    ] {
        drawn += 1;
        let now = at(drawn).plus(seconds(1));
        let _ = shop.try_begin(user, device, now);
        let live = shop.live(now);
        assert!(live.len() <= 3);
        let found: Vec<_> = live.iter().filter_map(|id| shop.find(*id, now)).collect();
        for session in &found {
            let same = |other: &&crate::model::Session| {
                other.identity.user_name == session.identity.user_name
            };
            assert_eq!(found.iter().filter(same).count(), 1);
        }
    }
}
