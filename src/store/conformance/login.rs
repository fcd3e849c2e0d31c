//! Promises of `begin`.

use super::{Shop, at, cause, device_input, put_device, rules, seconds, user_id};
use crate::model::{DeviceInput, EndReason, Env, KnownRight, Session, Version};
use crate::store::{Rules, Store, StoreError};

pub(crate) fn a_login_opens_a_session_that_is_found_at_once<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);

    let begun = shop
        .try_begin("999", "P01", at(5))
        .expect("the login is good");

    let session = &begun.session;
    assert_eq!((session.started_at, session.last_access_at), (at(5), at(5)));
    assert_eq!(session.expires_at, at(5).plus(seconds(12 * 3600)));
    assert_eq!(
        (session.version, session.identity.env),
        (Version::FIRST, Env::CashRegister)
    );
    assert_eq!(begun.principal.user.id, user_id(0));
    assert!(begun.principal.rights.allows(KnownRight::Admin));
    assert!(begun.replaced.is_empty());
    assert_eq!(shop.find(session.id, at(5)).as_ref(), Some(session));
    let tokens = shop
        .run(shop.store.tokens(session.id, at(5)))
        .expect("is live");
    assert_eq!(
        (tokens.generation, tokens.issued_at, tokens.used),
        (0, at(5), false)
    );
}

pub(crate) fn a_sale_device_holds_one_session_and_an_office_any_number<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    for (device, held) in [("P01", 1), ("PDA1", 1), ("Office", 3), ("Link", 3)] {
        let before = shop.live(at(9)).len();
        for user in ["1", "2", "1"] {
            shop.begin(user, device, at(1));
        }

        assert_eq!(shop.live(at(9)).len() - before, held, "{device}");
    }
}

pub(crate) fn a_login_on_a_sale_device_takes_the_place_of_whoever_was_there<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let elsewhere = shop.begin("1", "PDA1", at(0));
    let first = shop.begin("1", "P01", at(0));
    let touched = shop.check(first.id, at(3)).expect("is live").session;

    let begun = shop
        .try_begin("2", "P01", at(7))
        .expect("the login is good");

    assert_eq!(begun.replaced, [touched]);
    assert!(!shop.is_live(first.id, at(7)));
    assert_eq!(shop.reason(first.id, at(7)), Some(EndReason::Replaced));
    assert!(shop.is_live(begun.session.id, at(7)) && shop.is_live(elsewhere.id, at(7)));
}

pub(crate) fn what_was_over_already_is_not_replaced<S: Store>(open: &impl Fn(Rules) -> S) {
    let replaced_after = |millis| {
        let shop = Shop::open(open, rules(100, Some(60)));
        let first = shop.begin("1", "P01", at(0));
        if millis >= 100_000 {
            // Not idle, so that the lifetime strikes.
            shop.check(first.id, at(50_000)).expect("is live");
        }
        let begun = shop
            .try_begin("2", "P01", at(millis))
            .expect("the login is good");
        (
            begun
                .replaced
                .first()
                .map(|session: &Session| session.id == first.id),
            shop.reason(first.id, at(millis)),
        )
    };

    assert_eq!(
        replaced_after(59_999),
        (Some(true), Some(EndReason::Replaced))
    );
    assert_eq!(replaced_after(60_000), (None, Some(EndReason::Idle)));
    // The reason of an expired session may be forgotten with its tokens.
    assert_eq!(replaced_after(100_000).0, None);
}

pub(crate) fn a_login_needs_user_device_and_assignment_active<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let denied = |make: &dyn Fn(&Shop<S>), user: &str, device: &str| {
        let shop = Shop::documented(open);
        make(&shop);
        let answer = shop.try_begin(user, device, at(9));
        assert_eq!(answer.err(), Some(StoreError::Denied), "{user} {device}");
        assert!(shop.live(at(9)).is_empty());
    };
    let till_off = DeviceInput {
        is_active: false,
        ..device_input("P01", Env::CashRegister)
    };

    denied(&|_| {}, "nobody", "P01");
    denied(&|_| {}, "1", "nowhere");
    denied(
        &|shop| shop.edit(1, at(1), |user| user.is_active = false),
        "1",
        "P01",
    );
    denied(
        &|shop| shop.edit(1, at(1), |user| user.devices[0].is_active = false),
        "1",
        "P01",
    );
    denied(
        &|shop| shop.edit(1, at(1), |user| drop(user.devices.remove(0))),
        "1",
        "P01",
    );
    denied(
        &|shop| {
            shop.change(put_device(till_off.clone()), at(1))
                .expect("the operator may");
        },
        "1",
        "P01",
    );
}

pub(crate) fn a_login_with_a_password_that_changed_meanwhile_is_denied<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let late = shop.new_session("1", "P01");
    let mut unasked = shop.new_session("1", "P01");
    unasked.password_seen = None;
    shop.edit(1, at(1), |user| user.password = Some("another".into()));

    assert_eq!(
        shop.run(shop.store.begin(late, cause("1", "P01"), at(2)))
            .err(),
        Some(StoreError::Denied)
    );
    assert!(
        shop.run(shop.store.begin(unasked, cause("1", "P01"), at(2)))
            .is_ok()
    );
}

pub(crate) fn a_denied_login_ends_nobody<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let there = shop.begin("1", "P01", at(0));
    shop.edit(2, at(1), |user| user.is_active = false);

    assert_eq!(
        shop.try_begin("2", "P01", at(2)).err(),
        Some(StoreError::Denied)
    );
    assert!(shop.is_live(there.id, at(2)));
}

pub(crate) fn an_id_that_exists_is_not_opened_again<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let new = shop.new_session("1", "Office");
    let first = shop
        .run(shop.store.begin(new.clone(), cause("1", "P01"), at(0)))
        .expect("the login is good")
        .session;

    assert_eq!(
        shop.run(shop.store.begin(new, cause("1", "P01"), at(5)))
            .err(),
        Some(StoreError::Unknown)
    );
    assert_eq!(shop.find(first.id, at(5)), Some(first));
}
