//! Promises of `change` and `directory`: what a change does to sessions.

use super::{
    Shop, USERS, as_stored, at, cause, device_input, device_name, password, put_device, role_name,
    rules, user_id, user_input, user_name,
};
use crate::model::{
    Cause, DeviceInput, DirectoryChange, EndReason, Env, Mode, Precondition, Refusal, Resource,
    Session, UserInput, Version,
};
use crate::store::{Rules, Store, StoreError};

/// A change of the cashier `1`, made on what is stored.
fn edited<S: Store>(shop: &Shop<S>, edit: impl FnOnce(&mut UserInput)) -> DirectoryChange {
    let mut input = as_stored(&shop.directory(), user_id(1)).expect("the user is there");
    edit(&mut input);
    DirectoryChange::PutUser {
        mode: Mode::CreateOrReplace,
        id: user_id(1),
        input,
    }
}

/// The reasons of `1` at the till, `1` in the office, `2` at the handheld, after
/// a change.
fn reasons_after<S: Store>(
    open: &impl Fn(Rules) -> S,
    change: impl FnOnce(&Shop<S>) -> DirectoryChange,
) -> [Option<EndReason>; 3] {
    let shop = Shop::documented(open);
    let sessions = [
        shop.begin("1", "P01", at(0)),
        shop.begin("1", "Office", at(0)),
        shop.begin("2", "PDA1", at(0)),
    ];
    shop.change(change(&shop), at(5)).expect("the operator may");
    sessions.map(|session: Session| {
        let reason = shop.reason(session.id, at(5));
        assert_eq!(shop.is_live(session.id, at(5)), reason.is_none());
        assert_eq!(shop.live(at(5)).contains(&session.id), reason.is_none());
        reason
    })
}

pub(crate) fn a_change_ends_whom_it_concerns_and_nobody_else<S: Store>(open: &impl Fn(Rules) -> S) {
    use EndReason::{AccountDisabled, DeviceDisabled, IdentityChanged, PasswordChanged};
    let till = || device_input("P01", Env::CashRegister);
    let user = |edit: fn(&mut UserInput)| reasons_after(open, move |shop| edited(shop, edit));
    let device = |input: DeviceInput| reasons_after(open, move |_| put_device(input));
    let of_user = |reason| [Some(reason), Some(reason), None];
    let at_till = |reason| [Some(reason), None, None];

    assert_eq!(user(|input| input.name = "Eva".to_owned()), [None; 3]);
    assert_eq!(
        user(|input| input.password = Some("x".into())),
        of_user(PasswordChanged)
    );
    assert_eq!(
        user(|input| input.is_active = false),
        of_user(AccountDisabled)
    );
    assert_eq!(
        user(|input| input.user_name = user_name("7")),
        of_user(IdentityChanged)
    );
    assert_eq!(
        user(|input| input.devices[0].is_active = false),
        at_till(AccountDisabled)
    );
    assert_eq!(
        user(|input| drop(input.devices.remove(0))),
        at_till(AccountDisabled)
    );
    assert_eq!(
        device(DeviceInput {
            is_active: false,
            ..till()
        }),
        at_till(DeviceDisabled)
    );
    assert_eq!(
        device(DeviceInput {
            env: Env::Tool,
            ..till()
        }),
        at_till(IdentityChanged)
    );
    assert_eq!(
        device(DeviceInput {
            description: "x".to_owned(),
            ..till()
        }),
        [None; 3]
    );
    let deleted = reasons_after(open, |_| DirectoryChange::DeleteUser(user_id(1)));
    assert_eq!(deleted, of_user(AccountDisabled));
    let deleted = reasons_after(open, |_| DirectoryChange::DeleteDevice(device_name("P01")));
    assert_eq!(deleted, at_till(DeviceDisabled));
    let deleted = reasons_after(open, |_| DirectoryChange::DeleteRole(role_name("cashier")));
    assert_eq!(deleted, [None; 3]);
}

pub(crate) fn the_own_password_ends_the_other_sessions_only<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let own = shop.begin("1", "P01", at(0));
    let other = shop.begin("1", "Office", at(0));
    let foreign = shop.begin("2", "Office", at(0));
    let change = DirectoryChange::SetPassword {
        user: user_id(1),
        seen: Some(password("1")),
        password: "another".into(),
        keep: Some(own.id),
    };

    shop.change(change.clone(), at(1))
        .expect("is the stored password");

    assert_eq!(
        shop.reason(other.id, at(1)),
        Some(EndReason::PasswordChanged)
    );
    assert!(shop.is_live(own.id, at(1)) && shop.is_live(foreign.id, at(1)));
    let late = shop.change(change, at(2));
    assert_eq!(late.err(), Some(StoreError::Refused(Refusal::NotFound)));
}

pub(crate) fn a_refused_change_changes_nothing<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let boss = shop.begin("999", "P01", at(0));
    let cashier = cause("1", "P01");
    let delete = |place| DirectoryChange::DeleteUser(user_id(place));
    let refuse = |change, cause| {
        let change = shop
            .store
            .change(change, Precondition::default(), cause, at(1));
        shop.run(change).expect_err("is not allowed")
    };

    let forbidden = refuse(delete(2), cashier);
    let last_admin = refuse(delete(0), Cause::operator());
    let half = refuse(
        DirectoryChange::All(vec![delete(2), delete(0)]),
        Cause::operator(),
    );

    assert!(matches!(
        forbidden,
        StoreError::Refused(Refusal::Forbidden(_))
    ));
    assert!(matches!(
        last_admin,
        StoreError::Refused(Refusal::Invalid(_))
    ));
    assert!(matches!(half, StoreError::Refused(Refusal::Invalid(_))));
    assert_eq!(shop.directory().users().len(), USERS.len());
    assert!(shop.is_live(boss.id, at(1)));
}

pub(crate) fn a_change_answers_the_resource_and_whether_it_was_created<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let input = user_input("7", "cashier");
    let create = DirectoryChange::PutUser {
        mode: Mode::Create,
        id: user_id(7),
        input,
    };

    let (created, was_created) = shop.change(create, at(1)).expect("the name is free");
    let (replaced, was_replaced) = shop
        .change(put_device(device_input("P01", Env::CashRegister)), at(2))
        .expect("the operator may");
    let (deleted, _) = shop
        .change(DirectoryChange::DeleteUser(user_id(7)), at(3))
        .expect("the operator may");

    assert!(was_created && !was_replaced);
    assert!(matches!(created, Resource::User(user) if user.version == Version(1)));
    assert!(matches!(replaced, Resource::Device(device) if device.version == Version(2)));
    assert!(matches!(deleted, Resource::User(user) if user.id == user_id(7)));
    assert!(shop.directory().user(user_id(7)).is_none());
}

pub(crate) fn a_precondition_is_put_to_what_is_stored<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let change = |version| {
        let precondition = Precondition {
            body_version: Some(Version(version)),
            ..Precondition::default()
        };
        let change = put_device(device_input("P01", Env::CashRegister));
        shop.run(
            shop.store
                .change(change, precondition, Cause::operator(), at(1)),
        )
    };

    assert!(change(1).is_ok());
    let Err(StoreError::Refused(Refusal::VersionMismatch { stored, .. })) = change(1) else {
        panic!("the version is no longer stored");
    };
    assert_eq!(stored, Some(Version(2)));
    assert!(change(2).is_ok());
}

pub(crate) fn what_was_over_before_a_change_keeps_its_own_reason<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::open(open, rules(1_000, Some(60)));
    let idle = shop.begin("1", "Office", at(0));
    let live = shop.begin("1", "Office", at(50_000));

    shop.edit(1, at(70_000), |user| user.password = Some("another".into()));

    assert_eq!(shop.reason(idle.id, at(70_000)), Some(EndReason::Idle));
    assert_eq!(
        shop.reason(live.id, at(70_000)),
        Some(EndReason::PasswordChanged)
    );
}

pub(crate) fn a_snapshot_stays_as_it_was<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let before = shop.directory();

    shop.change(DirectoryChange::DeleteUser(user_id(1)), at(1))
        .expect("the operator may");

    assert!(before.user(user_id(1)).is_some());
    assert!(shop.directory().user(user_id(1)).is_none());
}
