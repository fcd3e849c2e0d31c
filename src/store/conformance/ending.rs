//! Promises of `end`, `end_all` and `reason`.

use super::{Shop, at, ending, session_id, user_name};
use crate::model::{Cause, EndReason, KeyNumber, Precondition, Subject, Version, VersionTag};
use crate::store::{End, Rules, Scope, Store, StoreError};

pub(crate) fn an_ended_session_is_gone_at_once_from_everywhere<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let begun = shop.begin("1", "P01", at(0));
    let other = shop.begin("1", "Office", at(0));
    let last = shop.check(begun.id, at(1)).expect("is live").session;

    let ended = shop.end(begun.id, at(2)).expect("is live");

    assert_eq!(
        ended, last,
        "the last state; ending does not raise the version"
    );
    let over = Some(StoreError::NotLive(Some(EndReason::Revoked)));
    assert_eq!(shop.find(begun.id, at(2)), None);
    assert_eq!(shop.run(shop.store.tokens(begun.id, at(2))), None);
    assert_eq!(shop.check(begun.id, at(2)).err(), over);
    assert_eq!(shop.end(begun.id, at(2)).err(), over);
    assert_eq!(shop.refresh(begun.id, 0, at(2)).err(), over);
    assert_eq!(shop.live(at(2)), [other.id]);
}

pub(crate) fn the_reason_of_every_ending_is_told<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    for reason in [
        EndReason::LoggedOut,
        EndReason::Revoked,
        EndReason::KeyRevoked,
    ] {
        let session = shop.begin("1", "P01", at(0));
        assert_eq!(shop.reason(session.id, at(1)), None, "it is live");
        let end = End {
            reason,
            cause: Cause::server(),
            ..ending(session.id)
        };
        shop.run(shop.store.end(end, at(1))).expect("is live");

        assert_eq!(shop.reason(session.id, at(2)), Some(reason));
        assert_eq!(
            shop.check(session.id, at(2)).err(),
            Some(StoreError::NotLive(Some(reason)))
        );
    }
    let never = session_id(999);
    assert_eq!(shop.reason(never, at(1)), None);
    assert_eq!(
        shop.end(never, at(1)).err(),
        Some(StoreError::NotLive(None))
    );
}

pub(crate) fn if_match_must_name_the_stored_version<S: Store>(open: &impl Fn(Rules) -> S) {
    let exactly = |version| VersionTag::Exactly(Version(version));
    for (tags, ends) in [
        (vec![exactly(3)], true),
        (vec![VersionTag::Any], true),
        (vec![VersionTag::Never, exactly(2), exactly(3)], true),
        (vec![exactly(2)], false),
        (vec![exactly(4)], false),
        (vec![VersionTag::Never], false),
    ] {
        let shop = Shop::documented(open);
        let session = shop.begin("1", "P01", at(0));
        shop.check(session.id, at(1)).expect("is live");
        shop.check(session.id, at(2)).expect("is live");

        let answer = shop.end_if(session.id, &tags, false, at(3));

        let stale = StoreError::Stale(Version(3));
        assert_eq!(answer.err(), (!ends).then_some(stale), "{tags:?}");
        assert_eq!(shop.is_live(session.id, at(3)), !ends, "{tags:?}");
        // What was refused has held nothing back.
        assert_eq!(shop.check(session.id, at(4)).is_ok(), !ends, "{tags:?}");
    }
}

pub(crate) fn the_asking_access_is_left_out_of_if_match<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let session = shop.begin("1", "P01", at(0));
    let checked = shop.check(session.id, at(1)).expect("is live");
    let tag = |version| [VersionTag::Exactly(version)];

    let after = shop.end_if(session.id, &tag(checked.session.version), true, at(1));
    assert_eq!(after.err(), Some(StoreError::Stale(checked.before)));

    let before = shop.end_if(session.id, &tag(checked.before), true, at(1));
    assert_eq!(
        before.expect("is the version asked for").version,
        checked.session.version
    );
}

pub(crate) fn what_is_out_of_scope_is_neither_found_nor_ended<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let session = shop.begin("1", "P01", at(0));
    let (own, foreign) = (Scope::Own(user_name("1")), Scope::Own(user_name("2")));
    let find = |scope: &Scope| shop.run(shop.store.find(session.id, scope, at(1)));
    let end = |scope: &Scope, tag: Option<VersionTag>| {
        let end = End {
            scope: scope.clone(),
            if_match: Precondition {
                if_match: tag.map(|tag| vec![tag]),
                ..Precondition::default()
            },
            ..ending(session.id)
        };
        shop.run(shop.store.end(end, at(1)))
    };
    let nothing = Some(StoreError::NotLive(None));

    assert_eq!(find(&foreign), None);
    // Not even a condition that fails tells that there is something.
    for tag in [None, Some(VersionTag::Any), Some(VersionTag::Never)] {
        assert_eq!(end(&foreign, tag).err(), nothing, "{tag:?}");
    }
    assert_eq!(find(&own), Some(session.clone()));
    // What was out of reach is held back by nothing.
    shop.check(session.id, at(1)).expect("is live");
    assert_eq!(end(&own, None).expect("is the owner's").id, session.id);
    assert_eq!(end(&foreign, None).err(), nothing);
}

pub(crate) fn ending_everybody_spares_only_who_logs_in_later<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let before: Vec<_> = ["P01", "Office", "Office"]
        .iter()
        .map(|device| shop.begin("1", device, at(0)).id)
        .collect();

    let (reason, cause) = (EndReason::Restored, Cause::server());
    shop.run(shop.store.end_all(Subject::Everybody, reason, cause, at(1)))
        .expect("the store is well");
    let later = shop.begin("1", "P01", at(1));

    assert_eq!(shop.live(at(1)), [later.id]);
    for id in before {
        assert_eq!(
            shop.check(id, at(1)).err(),
            Some(StoreError::NotLive(Some(reason)))
        );
    }
}

pub(crate) fn a_revoked_key_ends_whose_newest_token_it_signed<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let [old, refreshed] = [(); 2].map(|()| shop.begin("1", "Office", at(0)).id);
    shop.refresh(refreshed, 0, at(1)).expect("is live");
    let key = |id| {
        let tokens = shop.run(shop.store.tokens(id, at(2)));
        tokens.expect("is live").key()
    };
    let (first, second) = (key(old), key(refreshed));
    assert_ne!(first, second);
    let reason = EndReason::KeyRevoked;
    let revoke = |key: KeyNumber, now| {
        let ended = shop
            .store
            .end_all(Subject::Key(key), reason, Cause::operator(), now);
        shop.run(ended).expect("the store is well");
    };

    revoke(first, at(3));
    assert_eq!(shop.live(at(3)), [refreshed]);
    assert_eq!(shop.reason(old, at(3)), Some(reason));

    revoke(first, at(4));
    assert_eq!(shop.live(at(4)), [refreshed]);
    revoke(second, at(5));
    assert_eq!(shop.live(at(5)), []);
    assert_eq!(shop.reason(refreshed, at(5)), Some(reason));
}
