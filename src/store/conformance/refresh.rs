//! Promises of `refresh`: the exchange, the grace for lost answers, and what
//! a stolen token sets off.

use super::{Shop, at, refresh_sha256, rules, seconds, session_id};
use crate::model::{EndReason, SessionId, Timestamp, Version};
use crate::store::{Access, Rules, Store, StoreError};

/// Rules with a lifetime of 1,000 s and the documented grace of 30 s.
fn shop<S: Store>(open: &impl Fn(Rules) -> S) -> Shop<S> {
    Shop::open(open, rules(1_000, None))
}

/// An access with the newest token.
fn use_newest<S: Store>(shop: &Shop<S>, id: SessionId, now: Timestamp) {
    let newest = shop
        .run(shop.store.tokens(id, now))
        .expect("is live")
        .jti_head();
    let access = Access {
        id,
        jti_head: Some(newest),
        touch: true,
    };
    shop.run(shop.store.check(access, now)).expect("is live");
}

fn ended_for_reuse<S: Store>(shop: &Shop<S>, id: SessionId, presented: u32, now: Timestamp) {
    assert_eq!(
        shop.refresh(id, presented, now).err(),
        Some(StoreError::Reused)
    );
    assert_eq!(shop.reason(id, now), Some(EndReason::RefreshReuse));
    let over = StoreError::NotLive(Some(EndReason::RefreshReuse));
    assert_eq!(shop.refresh(id, presented, now).err(), Some(over));
}

pub(crate) fn a_session_is_found_by_its_current_refresh_token_only<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open);
    let find = |generation, now| {
        let search = shop
            .store
            .session_of_refresh(refresh_sha256(generation), now);
        shop.run(search)
    };
    assert_eq!(find(0, at(0)), None);
    let id = shop.begin("1", "P01", at(0)).id;
    assert_eq!(find(0, at(1)), Some(id));
    shop.refresh(id, 0, at(1)).expect("is the current token");
    assert_eq!((find(0, at(2)), find(1, at(2))), (None, Some(id)));
    assert_eq!(find(1, at(1_000_001)), None, "its time is over");
    shop.end(id, at(3)).expect("is live");
    assert_eq!(find(1, at(3)), None);
}

pub(crate) fn the_current_token_moves_the_end_and_the_version<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open);
    let begun = shop.begin("1", "P01", at(0));
    shop.check(begun.id, at(1)).expect("is live");

    let refreshed = shop
        .refresh(begun.id, 0, at(400_000))
        .expect("is the current token");

    let session = &refreshed.session;
    assert_eq!(
        (session.version, session.expires_at),
        (Version(3), at(1_400_000))
    );
    assert_eq!((session.started_at, session.last_access_at), (at(0), at(1)));
    let tokens = refreshed.tokens;
    assert_eq!(
        (tokens.generation, tokens.issued_at, tokens.used),
        (1, at(400_000), false)
    );
    assert_eq!(
        (tokens.refresh_sha256, tokens.salt),
        (refresh_sha256(1), [7; 16])
    );
    assert_eq!(
        shop.run(shop.store.tokens(begun.id, at(400_000))),
        Some(tokens)
    );
    assert_eq!(shop.find(begun.id, at(1_399_999)).as_ref(), Some(session));
    assert!(!shop.is_live(begun.id, at(1_400_000)));
}

pub(crate) fn the_longest_life_caps_every_refresh<S: Store>(open: &impl Fn(Rules) -> S) {
    let capped = Rules {
        lifetime_max: Some(seconds(1_500)),
        ..rules(1_000, None)
    };
    let shop = Shop::open(open, capped);
    let begun = shop.begin("1", "P01", at(0));

    let expiry = |presented, millis| {
        let refreshed = shop.refresh(begun.id, presented, at(millis));
        refreshed.expect("is the current token").session.expires_at
    };

    assert_eq!(expiry(0, 400_000), at(1_400_000));
    assert_eq!(expiry(1, 900_000), at(1_500_000));
    assert_eq!(expiry(2, 1_499_999), at(1_500_000));
    assert!(!shop.is_live(begun.id, at(1_500_000)));
}

pub(crate) fn a_repeat_within_the_grace_gets_the_first_answer_again<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open);
    let begun = shop.begin("1", "P01", at(0));
    let first = shop
        .refresh(begun.id, 0, at(10_000))
        .expect("is the current token");

    for millis in [10_000, 25_000, 39_999] {
        let again = shop
            .refresh(begun.id, 0, at(millis))
            .expect("is within the grace");
        assert_eq!(
            (&again.session, again.tokens),
            (&first.session, first.tokens)
        );
    }
    assert!(
        shop.refresh(begun.id, 1, at(39_999)).is_ok(),
        "the successor is good"
    );
}

pub(crate) fn a_repeat_after_the_grace_ends_the_session<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = shop(open);
    let begun = shop.begin("1", "P01", at(0));
    shop.refresh(begun.id, 0, at(10_000))
        .expect("is the current token");

    ended_for_reuse(&shop, begun.id, 0, at(40_000));
}

pub(crate) fn a_repeat_after_the_new_token_was_used_ends_the_session<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open);
    let begun = shop.begin("1", "P01", at(0));
    shop.refresh(begun.id, 0, at(10_000))
        .expect("is the current token");
    use_newest(&shop, begun.id, at(10_001));
    assert!(
        shop.run(shop.store.tokens(begun.id, at(10_001)))
            .is_some_and(|tokens| tokens.used)
    );

    ended_for_reuse(&shop, begun.id, 0, at(10_002));
}

pub(crate) fn an_access_with_an_older_token_leaves_the_grace_open<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open);
    let begun = shop.begin("1", "P01", at(0));
    let older = shop
        .run(shop.store.tokens(begun.id, at(0)))
        .expect("is live")
        .jti_head();
    shop.refresh(begun.id, 0, at(10_000))
        .expect("is the current token");
    let access = Access {
        id: begun.id,
        jti_head: Some(older),
        touch: true,
    };
    shop.run(shop.store.check(access, at(10_001)))
        .expect("is live");
    shop.check(begun.id, at(10_001)).expect("is live");

    let again = shop
        .refresh(begun.id, 0, at(10_002))
        .expect("nobody used the new pair");
    assert_eq!(
        (again.tokens.generation, again.session.version),
        (1, Version(4))
    );
}

pub(crate) fn a_repeat_after_the_next_exchange_ends_the_session<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    for repeated in [0, 1] {
        let shop = shop(open);
        let begun = shop.begin("1", "P01", at(0));
        for generation in 0..3 {
            shop.refresh(begun.id, generation, at(10_000))
                .expect("is the current token");
        }

        ended_for_reuse(&shop, begun.id, repeated, at(10_001));
    }
}

pub(crate) fn a_token_of_no_generation_ends_nothing<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = shop(open);
    let begun = shop.begin("1", "P01", at(0));

    assert_eq!(
        shop.refresh(begun.id, 1, at(1)).err(),
        Some(StoreError::Denied)
    );
    assert_eq!(shop.find(begun.id, at(1)), Some(begun));
}

pub(crate) fn what_is_not_live_is_not_refreshed<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = shop(open);
    let ended = shop.begin("1", "P01", at(0));
    shop.end(ended.id, at(1)).expect("is live");
    let expired = shop.begin("1", "PDA1", at(0));
    let refused = |id, millis| shop.refresh(id, 0, at(millis)).err();

    let over = |reason| Some(StoreError::NotLive(Some(reason)));
    assert_eq!(refused(ended.id, 2), over(EndReason::Revoked));
    assert_eq!(refused(expired.id, 1_000_000), over(EndReason::Expired));
    assert_eq!(refused(session_id(999), 2), Some(StoreError::NotLive(None)));
}
