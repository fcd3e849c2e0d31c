//! Promises of `check` and `find`: what an access moves, and to which
//! millisecond a session lives.

use std::time::Duration;

use super::{Shop, at, put_role, role_input, rules, says, seconds, token_name};
use crate::model::{EndReason, Env, KnownRight, Rights, Version};
use crate::store::{Access, NotedToken, Rules, Store, StoreError};

pub(crate) fn an_access_moves_last_access_and_version_and_nothing_else<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let begun = shop.begin("1", "P01", at(0));

    let checked = shop.check(begun.id, at(40)).expect("is live");

    assert_eq!(checked.before, Version(1));
    let mut expected = begun.clone();
    (expected.last_access_at, expected.version) = (at(40), Version(2));
    assert_eq!(checked.session, expected);
    assert_eq!(shop.find(begun.id, at(50)), Some(expected));
    for version in 3..200 {
        let checked = shop.check(begun.id, at(60)).expect("is live");
        assert_eq!(checked.session.version, Version(version));
    }
}

pub(crate) fn an_access_that_does_not_count_changes_nothing<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let begun = shop.begin("1", "P01", at(0));
    let quiet = Access {
        id: begun.id,
        jti_head: None,
        touch: false,
    };

    let checked = shop.run(shop.store.check(quiet, at(40))).expect("is live");

    assert_eq!((&checked.session, checked.before), (&begun, begun.version));
    assert!(checked.principal.is_some());
    assert_eq!(shop.find(begun.id, at(50)), Some(begun));
}

pub(crate) fn last_access_never_goes_back_with_the_clock<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let begun = shop.begin("1", "P01", at(1_000));
    shop.check(begun.id, at(5_000)).expect("is live");

    let checked = shop.check(begun.id, at(2_000)).expect("is live");

    assert_eq!(
        (checked.session.last_access_at, checked.session.version),
        (at(5_000), Version(3))
    );
}

pub(crate) fn a_session_lives_to_the_last_millisecond_of_its_lifetime<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::open(open, rules(100, None));
    let session = shop.begin("1", "P01", at(0));

    let last = shop
        .check(session.id, at(99_999))
        .expect("is live to the last");

    assert_eq!(last.session.expires_at, at(100_000));
    assert!(shop.is_live(session.id, at(99_999)) && !shop.is_live(session.id, at(100_000)));
    let over = Some(StoreError::NotLive(Some(EndReason::Expired)));
    assert_eq!(shop.check(session.id, at(100_000)).err(), over);
    assert_eq!(shop.end(session.id, at(100_000)).err(), over);
    assert_eq!(shop.refresh(session.id, 0, at(100_000)).err(), over);
    assert_eq!(shop.run(shop.store.tokens(session.id, at(100_000))), None);
}

pub(crate) fn an_idle_session_lives_to_the_last_millisecond_of_its_timeout<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::open(open, rules(1_000, Some(60)));
    let session = shop.begin("1", "P01", at(0));
    shop.check(session.id, at(59_999))
        .expect("is live to the last");
    // A look is no access.
    assert!(shop.is_live(session.id, at(119_998)));

    assert_eq!(shop.reason(session.id, at(119_998)), None);
    assert!(!shop.is_live(session.id, at(119_999)));
    assert_eq!(shop.reason(session.id, at(119_999)), Some(EndReason::Idle));
    let over = Some(StoreError::NotLive(Some(EndReason::Idle)));
    assert_eq!(shop.check(session.id, at(119_999)).err(), over);
}

pub(crate) fn the_rule_that_struck_first_is_the_reason<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, Some(60)));
    let idle = shop.begin("1", "Office", at(0));
    let expired = shop.begin("1", "Office", at(0));
    let both = shop.begin("1", "Office", at(0));
    shop.check(expired.id, at(50_000)).expect("is live");
    shop.check(both.id, at(40_000)).expect("is live");

    for now in [at(100_000), at(5_000_000)] {
        assert_eq!(shop.reason(idle.id, now), Some(EndReason::Idle));
        assert_eq!(shop.reason(expired.id, now), Some(EndReason::Expired));
        assert_eq!(
            shop.reason(both.id, now),
            Some(EndReason::Expired),
            "the lifetime comes first"
        );
    }
}

pub(crate) fn every_environment_has_rules_of_its_own<S: Store>(open: &impl Fn(Rules) -> S) {
    let mut rules = Rules::default();
    rules.lifetime[Env::Pda.index()] = seconds(100);
    rules.idle[Env::CashRegister.index()] = Some(seconds(60));
    let shop = Shop::open(open, rules);
    let till = shop.begin("1", "P01", at(0));
    let pda = shop.begin("1", "PDA1", at(0));
    let office = shop.begin("1", "Office", at(0));

    let live = |millis| [&till, &pda, &office].map(|session| shop.is_live(session.id, at(millis)));

    assert_eq!(live(59_999), [true, true, true]);
    assert_eq!(live(60_000), [false, true, true]);
    assert_eq!(live(100_000), [false, false, true]);
}

pub(crate) fn rights_are_those_of_the_instant_of_the_access<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let session = shop.begin("1", "P01", at(0));
    let rights = || -> Rights {
        let checked = shop.check(session.id, at(5)).expect("is live");
        checked.principal.expect("is active").rights.clone()
    };
    assert!(!rights().allows(KnownRight::AuditRead));

    shop.change(put_role(role_input("cashier", "auditRead")), at(3))
        .expect("the operator may");

    assert!(rights().allows(KnownRight::AuditRead));
}

pub(crate) fn the_newest_token_is_known_by_its_name_until_the_next<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let (id, other) = (
        shop.begin("1", "P01", at(0)).id,
        shop.begin("2", "Office", at(0)).id,
    );
    let tokens = |now| shop.run(shop.store.tokens(id, now)).expect("is live");
    let first = tokens(at(0));
    let (name, next) = (token_name(id, 0), token_name(id, 1));

    // What was not noted, or not of the newest token, is a stranger and counts nothing.
    assert_eq!(shop.store.noted_token(id, &name), None);
    let said = says(&first, &shop.find(id, at(0)).expect("is live"));
    let second = Duration::from_secs(1);
    let others = [
        NotedToken {
            jti_head: said.jti_head ^ 1,
            ..said
        },
        NotedToken {
            issued_at: said.issued_at.minus(second),
            ..said
        },
        NotedToken {
            expires_at: said.expires_at.plus(second),
            ..said
        },
    ];
    for other in &others {
        assert!(!shop.store.note_token(id, other, name));
    }
    assert!(shop.store.check_at_once(id, &name, at(10)).is_none());
    assert!(shop.store.note_token(id, &said, name));
    for stranger in [next, token_name(other, 0)] {
        assert_eq!(shop.store.noted_token(id, &stranger), None);
        assert!(shop.store.check_at_once(id, &stranger, at(10)).is_none());
    }
    assert_eq!(shop.store.noted_token(other, &name), None);
    assert_eq!(
        shop.find(id, at(10)).map(|session| session.version),
        Some(Version(1))
    );

    let noted = NotedToken {
        jti_head: first.jti_head(),
        issued_at: at(0),
        expires_at: shop.find(id, at(10)).expect("is live").expires_at,
    };
    assert_eq!(shop.store.noted_token(id, &name), Some(noted));
    let checked = shop.store.check_at_once(id, &name, at(20));
    let checked = checked.expect("it is noted").expect("is live");
    assert_eq!(
        (checked.session.version, checked.session.last_access_at),
        (Version(2), at(20))
    );

    shop.refresh(id, 0, at(30)).expect("is the current token");
    assert_eq!(shop.store.noted_token(id, &name), None);
    assert!(shop.store.check_at_once(id, &name, at(40)).is_none());
    let said = says(&tokens(at(40)), &shop.find(id, at(40)).expect("is live"));
    assert!(shop.store.note_token(id, &said, next));
    assert_eq!(
        shop.store
            .noted_token(id, &next)
            .map(|noted| noted.issued_at),
        Some(at(30))
    );

    // Whose session is over is told so, as long as the session is known.
    let end = at(0).plus(Rules::default().lifetime[0] * 2);
    let over = shop.store.check_at_once(id, &next, end);
    assert!(
        over.is_none_or(|over| over.err() == Some(StoreError::NotLive(Some(EndReason::Expired))))
    );
    shop.end(id, at(50)).expect("is live");
    assert_eq!(shop.store.noted_token(id, &next), None);
    assert!(shop.store.check_at_once(id, &next, at(60)).is_none());
    assert!(!shop.store.note_token(id, &said, next));
}

pub(crate) fn a_token_that_has_not_begun_is_not_answered_at_once<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let id = shop.begin("1", "P01", at(5_000)).id;
    let first = shop.run(shop.store.tokens(id, at(5_000))).expect("is live");
    let name = token_name(id, 0);
    let said = says(&first, &shop.find(id, at(5_000)).expect("is live"));
    assert!(shop.store.note_token(id, &said, name));

    // Somebody has set the clock back.
    assert!(shop.store.check_at_once(id, &name, at(3_000)).is_none());
    assert!(shop.store.check_at_once(id, &name, at(5_000)).is_some());
}
