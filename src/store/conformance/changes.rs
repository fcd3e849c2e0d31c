//! Promises of `changes`: whoever watches hears of everything that is created,
//! changed or ended, once and in order, and of no access.

use std::collections::BTreeSet;

use super::{Shop, at, role_input, rules};
use crate::model::{Author, DirectoryChange, EndReason, Mode, SessionId};
use crate::store::{Action, ChangePlace, Changed, Rules, Store};

type Told = (Action, String, Option<EndReason>);

/// Everything behind a place, and the place behind that.
fn told<S: Store>(shop: &Shop<S>, since: ChangePlace) -> (Vec<Told>, ChangePlace) {
    let part = shop.store.changes().after(since, usize::MAX);
    assert!(!part.lost);
    let said = part.changes.iter().map(|change| match &change.what {
        Changed::Session(session, reason) => (change.action, session.id.to_string(), *reason),
        Changed::Resource { kind, .. } => (change.action, kind.as_str().to_owned(), None),
    });
    (said.collect(), part.next)
}

pub(crate) fn every_change_is_told_once_with_what_it_brought_about<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::open(open, rules(100, None));
    let start = shop.store.changes().last();
    let session = |action, id: SessionId, reason| (action, id.to_string(), reason);
    let created = |id| session(Action::Created, id, None);
    let ended = |id, reason| session(Action::Deleted, id, Some(reason));

    let office = shop.begin("1", "Office", at(0)).id;
    let first = shop.begin("1", "P01", at(1)).id;
    let second = shop.begin("2", "P01", at(2)).id;
    let (logins, place) = told(&shop, start);
    assert_eq!(
        logins,
        [
            created(office),
            created(first),
            ended(first, EndReason::Replaced),
            created(second),
        ]
    );

    shop.check(office, at(3)).expect("is live");
    assert_eq!(
        told(&shop, place),
        (vec![], place),
        "an access is no change"
    );
    shop.refresh(office, 0, at(4)).expect("is live");
    shop.end(office, at(5)).expect("is live");
    shop.edit(2, at(6), |user| user.is_active = false);
    let (changes, place) = told(&shop, place);
    assert_eq!(
        changes,
        [
            session(Action::Updated, office, None),
            ended(office, EndReason::Revoked),
            (Action::Updated, "user".to_owned(), None),
            ended(second, EndReason::AccountDisabled),
        ]
    );

    let last = shop.begin("1", "P01", at(7)).id;
    shop.sweep(at(200_000), 9);
    let put = DirectoryChange::PutRole {
        mode: Mode::Create,
        input: role_input("new", "pos.sale"),
    };
    shop.change(put, at(200_001)).expect("the operator may");
    assert_eq!(
        told(&shop, place).0,
        [
            created(last),
            ended(last, EndReason::Expired),
            (Action::Created, "role".to_owned(), None),
        ]
    );
    let part = shop.store.changes().after(start, usize::MAX);
    let authors: BTreeSet<_> = part
        .changes
        .iter()
        .map(|change| change.by.as_str())
        .collect();
    assert_eq!(authors, BTreeSet::from(["caller", "cli", "server"]));
    let login = &part.changes[0];
    let who = Author::of(match &login.what {
        Changed::Session(session, _) => &session.identity,
        Changed::Resource { .. } => panic!("{login:?}"),
    });
    assert_eq!((&login.by, login.at), (&who, at(0)));
}

pub(crate) fn the_changes_make_up_the_list_of_who_is_live<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let mut place = shop.store.changes().last();
    let mut live = BTreeSet::new();
    for step in 0..60 {
        let now = at(step);
        let (user, device) = [("1", "P01"), ("2", "P01"), ("1", "Office"), ("2", "Office")]
            [usize::try_from(step).expect("small") % 4];
        shop.begin(user, device, now);
        if step % 7 == 3 {
            let id = shop.live(now)[0];
            shop.end(id, now).expect("is live");
        }
        if step % 20 == 19 {
            shop.edit(2, now, |user| user.is_active = false);
            shop.edit(2, now, |user| user.is_active = true);
        }
        let part = shop.store.changes().after(place, usize::MAX);
        for change in part.changes {
            if let Changed::Session(session, _) = &change.what {
                match change.action {
                    Action::Created => assert!(live.insert(session.id)),
                    Action::Updated => assert!(live.contains(&session.id)),
                    Action::Deleted => assert!(live.remove(&session.id)),
                }
            }
        }
        place = part.next;
        let shown: BTreeSet<_> = shop.live(now).into_iter().collect();
        assert_eq!(live, shown, "{step}");
    }
}
