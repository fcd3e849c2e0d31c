//! Promises of `check_signed` and `begin_signed`: the sessions that signed
//! requests go on in.

use super::{
    Shop, api_key_input, at, create_api_key, device_input, key_id, put_device, rules, session_id,
};
use crate::model::{
    ApiKeyInput, AuthenticationType, Cause, DirectoryChange, EndReason, Env, Right, Session,
    Timestamp, Version,
};
use crate::store::{Checked, Rules, Signer, Store, StoreError};

/// A shop with a key of the cashier `1` on a device.
fn shop<S: Store>(open: &impl Fn(Rules) -> S, rules: Rules, device: &str) -> Shop<S> {
    let shop = Shop::open(open, rules);
    shop.change(create_api_key(0, api_key_input("1", device)), at(0))
        .expect("the operator may");
    shop
}

impl<S: Store> Shop<S> {
    /// Key number 0 as it is stored.
    pub(crate) fn signer(&self) -> Signer {
        let key = self.directory().api_key(key_id(0)).cloned();
        Signer {
            key: key.expect("the key is there"),
        }
    }

    /// A session for the key, under a number that was not drawn before.
    pub(crate) fn begin_signed(
        &self,
        signer: &Signer,
        number: u32,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        let (id, cause) = (session_id(number), Cause::server());
        self.run(self.store.begin_signed(signer.clone(), id, cause, now))
    }

    pub(crate) fn check_signed(
        &self,
        signer: &Signer,
        now: Timestamp,
    ) -> Result<Checked, StoreError> {
        self.run(self.store.check_signed(signer, now))
    }
}

fn replaced(input: ApiKeyInput) -> DirectoryChange {
    DirectoryChange::ReplaceApiKey {
        id: key_id(0),
        client_id: None,
        sealed_secret: None,
        input,
    }
}

pub(crate) fn the_requests_of_a_key_go_on_in_one_session<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = shop(open, Rules::default(), "Link");
    let signer = shop.signer();
    let none = shop.check_signed(&signer, at(1)).err();
    assert_eq!(none, Some(StoreError::NotLive(None)));

    let opened = shop.begin_signed(&signer, 900, at(1)).expect("is active");
    let again = shop.begin_signed(&signer, 901, at(2)).expect("is active");
    let checked = shop.check_signed(&signer, at(3)).expect("is live");

    assert_eq!(
        opened.identity.authentication_type,
        AuthenticationType::Nws4
    );
    assert_eq!((opened.version, opened.last_access_at), (Version(1), at(1)));
    assert_eq!(again, opened, "of many at once one opens");
    assert_eq!(
        (checked.session.id, checked.before),
        (opened.id, Version(1))
    );
    assert_eq!(checked.session.version, Version(2));
    assert_eq!(checked.session.last_access_at, at(3));
    assert_eq!(shop.live(at(3)), [opened.id]);
}

pub(crate) fn after_its_end_a_key_goes_on_under_another_id<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = shop(open, rules(60, None), "Link");
    let signer = shop.signer();
    let first = shop.begin_signed(&signer, 900, at(0)).expect("is active");
    shop.end(first.id, at(1)).expect("is live");
    assert_eq!(
        shop.check_signed(&signer, at(2)).err(),
        Some(StoreError::NotLive(None))
    );

    let second = shop.begin_signed(&signer, 901, at(2)).expect("is active");
    assert!(!shop.is_live(first.id, at(2)) && shop.is_live(second.id, at(2)));
    let expired = at(60_002);
    assert!(shop.check_signed(&signer, expired).is_err());
    let third = shop.begin_signed(&signer, 902, expired).expect("is active");

    assert_eq!(shop.live(expired), [third.id]);
    assert_eq!(
        shop.reason(first.id, expired.minus(super::seconds(1))),
        Some(EndReason::Revoked)
    );
}

pub(crate) fn a_till_holds_its_session_and_that_of_its_key<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = shop(open, Rules::default(), "P01");
    let signer = shop.signer();
    let person = shop.begin("2", "P01", at(0));
    let signed = shop.begin_signed(&signer, 900, at(1)).expect("is active");
    assert!(shop.is_live(person.id, at(1)), "it replaces nobody");

    let next = shop
        .try_begin("1", "P01", at(2))
        .expect("the login is good");

    assert_eq!(
        next.replaced.first().map(|session| session.id),
        Some(person.id)
    );
    assert!(shop.is_live(signed.id, at(2)), "nobody replaces it");
}

pub(crate) fn a_key_that_is_not_the_one_that_signed_lets_nobody_in<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open, Rules::default(), "Link");
    let denied = |signer: &Signer, now| {
        let opened = shop.begin_signed(signer, 950, now).err();
        (shop.check_signed(signer, now).err(), opened)
    };
    let both = (Some(StoreError::Denied), Some(StoreError::Denied));
    let mut other = shop.signer();
    std::sync::Arc::make_mut(&mut other.key).sealed_secret = [9, 9].as_slice().into();
    assert_eq!(denied(&other, at(1)), both);

    let signer = shop.signer();
    shop.edit(1, at(2), |user| user.is_active = false);
    assert_eq!(denied(&signer, at(2)), both);
    shop.edit(1, at(3), |user| user.is_active = true);
    let inactive = ApiKeyInput {
        is_active: false,
        ..api_key_input("1", "Link")
    };
    shop.change(replaced(inactive), at(4))
        .expect("the operator may");
    assert_eq!(denied(&signer, at(4)), both);
    assert_eq!(denied(&shop.signer(), at(4)), both);
    shop.change(DirectoryChange::DeleteApiKey(key_id(0)), at(5))
        .expect("the operator may");
    assert_eq!(denied(&signer, at(5)), both);
}

pub(crate) fn a_change_of_a_key_ends_its_session_with_the_reason<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let same = || api_key_input("1", "Link");
    let inactive = ApiKeyInput {
        is_active: false,
        ..same()
    };
    let renamed = ApiKeyInput {
        name: "another".to_owned(),
        ..same()
    };
    let closed = || {
        let mut input = device_input("Link", Env::Tool);
        input.is_active = false;
        put_device(input)
    };
    for (change, reason) in [
        (replaced(inactive), Some(EndReason::KeyRevoked)),
        (
            DirectoryChange::DeleteApiKey(key_id(0)),
            Some(EndReason::KeyRevoked),
        ),
        (
            replaced(api_key_input("2", "Link")),
            Some(EndReason::IdentityChanged),
        ),
        (
            replaced(api_key_input("1", "Office")),
            Some(EndReason::IdentityChanged),
        ),
        (
            DirectoryChange::DeleteUser(super::user_id(1)),
            Some(EndReason::AccountDisabled),
        ),
        (closed(), Some(EndReason::DeviceDisabled)),
        (replaced(renamed), None),
    ] {
        let shop = shop(open, Rules::default(), "Link");
        let person = shop.begin("1", "Office", at(0));
        let signed = shop
            .begin_signed(&shop.signer(), 900, at(0))
            .expect("is active");

        shop.change(change.clone(), at(1))
            .expect("the operator may");

        assert_eq!(shop.reason(signed.id, at(1)), reason, "{change:?}");
        assert_eq!(shop.is_live(signed.id, at(1)), reason.is_none());
        let of_user = reason == Some(EndReason::AccountDisabled);
        assert_eq!(shop.is_live(person.id, at(1)), !of_user);
    }
}

pub(crate) fn the_rights_of_a_signed_request_are_those_of_its_instant_cut_down<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = shop(open, Rules::default(), "Link");
    shop.begin_signed(&shop.signer(), 900, at(0))
        .expect("is active");
    let rights = |now| {
        let checked = shop.check_signed(&shop.signer(), now).expect("is live");
        let principal = checked.principal.expect("is active");
        let names = principal.rights.iter();
        names
            .map(|right| right.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(rights(at(1)), ["sale"]);
    let cut = ApiKeyInput {
        permissions: vec![Right::parse("stock").expect("a good right")],
        ..api_key_input("1", "Link")
    };
    shop.change(replaced(cut), at(2)).expect("the operator may");
    assert_eq!(rights(at(2)), [""; 0]);
    shop.change(
        super::put_role(super::role_input("cashier", "stock")),
        at(3),
    )
    .expect("the operator may");
    assert_eq!(rights(at(3)), ["stock"]);
}
