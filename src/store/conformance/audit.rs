//! Promises of `audit` and `note`: who did what, in the order of commits.

use std::net::Ipv4Addr;

use super::{Shop, at, cause, put_role, role_input, rules, seconds};
use crate::model::{
    AuditAction, AuditEntry, AuditObject, Author, Cause, DirectoryChange, EndReason, Origin,
    Timestamp,
};
use crate::ndata::{AuditMember, Limits, Query, parse};
use crate::store::{Rules, Store};

fn query(text: &str) -> Query<AuditMember> {
    parse(Some(text), &Limits::default()).expect("a good query")
}

fn actions<S: Store>(shop: &Shop<S>, text: &str, now: Timestamp) -> Vec<AuditAction> {
    let page = shop.audit(&query(text), now);
    page.items.iter().map(|entry| entry.action).collect()
}

pub(crate) fn what_is_done_is_in_the_audit_with_its_cause<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, None));
    let before = shop.audit(&query("$count=true"), at(0)).total;
    assert!(before > 0, "the shop itself was set up");
    let origin = Origin {
        peer: Some(Ipv4Addr::new(10, 0, 0, 7).into()),
        request_id: Some("r-1".into()),
        ..Origin::default()
    };
    let new = shop.new_session("1", "P01");
    let cashier = Cause {
        origin: origin.clone(),
        ..cause("1", "P01")
    };
    let begun = shop.run(shop.store.begin(new, cashier.clone(), at(1)));
    let first = begun.expect("a login").session;
    let second = shop.begin("2", "P01", at(2));
    shop.end(second.id, at(3)).expect("is live");
    let third = shop.begin("1", "P01", at(4));
    shop.refresh(third.id, 0, at(5)).expect("is live");
    shop.refresh(third.id, 1, at(6)).expect("is live");
    shop.refresh(third.id, 0, at(7)).expect_err("a repeat");
    shop.change(put_role(role_input("cashier", "auditRead")), at(8))
        .expect("the operator may");
    shop.begin("2", "Office", at(9));
    shop.edit(2, at(10), |user| user.is_active = false);
    // What is refused or over by itself tells nothing.
    shop.end(second.id, at(11)).expect_err("is over");
    shop.sweep(at(200_000), 9);

    let page = shop.audit(&query(&format!("$skip={before}")), at(200_000));
    let told: Vec<_> = page
        .items
        .iter()
        .map(|entry| (entry.action, entry.at, entry.reason))
        .collect();
    assert_eq!(
        told,
        [
            (AuditAction::Login, at(1), None),
            (AuditAction::SessionEnded, at(2), Some(EndReason::Replaced)),
            (AuditAction::Login, at(2), None),
            (AuditAction::SessionEnded, at(3), Some(EndReason::Revoked)),
            (AuditAction::Login, at(4), None),
            (
                AuditAction::RefreshReused,
                at(7),
                Some(EndReason::RefreshReuse)
            ),
            (AuditAction::Updated, at(8), None),
            (AuditAction::Login, at(9), None),
            (AuditAction::Updated, at(10), None),
            (
                AuditAction::SessionsEnded,
                at(10),
                Some(EndReason::AccountDisabled)
            ),
        ]
    );
    let [login, replaced, .., disabled, ended] = page.items.as_slice() else {
        panic!("ten entries");
    };
    assert_eq!(login.cause, cashier);
    assert_eq!(login.object, Some(AuditObject::session(&first)));
    assert_eq!(replaced.object, Some(AuditObject::session(&first)));
    assert_eq!(replaced.cause.by, cause("2", "P01").by);
    assert_eq!(disabled.changed, [Box::from("isActive")]);
    assert_eq!((ended.count, &ended.cause.by), (1, &Author::CommandLine));
    let numbers: Vec<_> = page.items.iter().map(|entry| entry.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(
        actions(&shop, "peer=10.0.0.7&requestId=r-1", at(200_000)).len(),
        1
    );
}

pub(crate) fn a_flood_of_failed_logins_makes_few_entries<S: Store>(open: &impl Fn(Rules) -> S) {
    let kept = Rules {
        audit_max: 40,
        ..Rules::default()
    };
    let shop = Shop::open(open, kept);
    let note = |action, user: &str, millis| {
        let mut cause = Cause::server();
        cause.origin.peer = Some(Ipv4Addr::new(10, 0, 0, 9).into());
        let name = super::user_name(user);
        let object = AuditObject::login(&shop.directory(), Some(&name), None);
        let entry = AuditEntry::new(action, cause, at(millis)).on(object);
        shop.run(shop.store.note(entry)).expect("the store is well");
    };
    let counts = |text: &str| {
        let page = shop.audit(&query(text), at(500_000));
        page.items
            .iter()
            .map(|entry| entry.count)
            .collect::<Vec<_>>()
    };
    for millis in 0..1_000 {
        note(AuditAction::LoginFailed, "1", millis);
        note(AuditAction::LoginLocked, "1", millis);
        // A name that is nobody's is not told.
        note(
            AuditAction::LoginFailed,
            &format!("secret-{millis}"),
            millis,
        );
    }
    assert_eq!(counts("action=loginFailed"), [1_000, 1_000]);
    assert_eq!(counts("action=loginLocked"), [1_000]);
    assert!(counts("resourceUserName=startsWith:secret").is_empty());
    note(AuditAction::LoginFailed, "1", 60_000);
    assert_eq!(counts("action=loginFailed"), [1_000, 1_000, 1]);

    // However many minutes it goes on, what was done is not washed away.
    let done = counts("action=created").len();
    for minute in 2..80 {
        note(AuditAction::LoginFailed, "1", minute * 60_000);
        shop.sweep(at(minute * 60_000), 100);
    }
    assert_eq!(counts("action=created").len(), done);
    assert!(shop.audit(&query(""), at(5_000_000)).total <= 40);
}

pub(crate) fn the_audit_is_cut_to_its_age<S: Store>(open: &impl Fn(Rules) -> S) {
    let kept = Rules {
        audit_retention: seconds(10),
        ..Rules::default()
    };
    let shop = Shop::open(open, kept);
    shop.begin("1", "P01", at(5_000));
    assert!(shop.audit(&query(""), at(10_000)).total > 1);
    assert_eq!(actions(&shop, "", at(10_001)), [AuditAction::Login]);
    assert!(shop.sweep(at(10_001), 500).purged > 0);
    assert_eq!(actions(&shop, "", at(10_001)), [AuditAction::Login]);
    assert_eq!(actions(&shop, "", at(15_001)), []);
}

pub(crate) fn a_large_import_is_one_entry<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let before = shop.audit(&query(""), at(0)).total;
    let roles = (0..300).map(|n| put_role(role_input(&format!("r{n}"), "x")));
    shop.change(DirectoryChange::All(roles.collect()), at(1))
        .expect("the operator may");
    let page = shop.audit(&query(&format!("$skip={before}")), at(1));
    let told: Vec<_> = page.items.iter().map(|e| (e.action, e.count)).collect();
    assert_eq!(told, [(AuditAction::Imported, 300)]);
}
