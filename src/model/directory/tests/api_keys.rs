//! API keys: what makes and changes them, who may, and what becomes of them
//! and their sessions when something they name changes.

use super::*;
use crate::model::{Rights, Timestamp};

const CREATED_AT: Timestamp = Timestamp::from_millis(7);

pub(super) fn create(number: u8, input: ApiKeyInput) -> DirectoryChange {
    DirectoryChange::CreateApiKey {
        id: key_id(number),
        credentials: Credentials {
            client_id: client_id(number),
            sealed_secret: Arc::from([number]),
        },
        created_at: CREATED_AT,
        input,
    }
}

pub(super) fn replace(number: u8, input: ApiKeyInput) -> DirectoryChange {
    DirectoryChange::ReplaceApiKey {
        id: key_id(number),
        client_id: None,
        sealed_secret: None,
        input,
    }
}

/// The shop with a key of the cashier at the till.
fn with_key() -> Directory {
    let mut shop = shop();
    done(&mut shop, &create(1, api_key("Cashier", "Till", &[])));
    shop
}

fn key(directory: &Directory) -> &ApiKey {
    directory.api_key(key_id(1)).expect("is there")
}

fn key_ends(decision: &DirectoryDecision) -> Vec<(ApiKeyId, EndReason)> {
    decision
        .key_ends
        .iter()
        .map(|ends| (ends.key, ends.reason))
        .collect()
}

fn signed_by(number: u8, user: &str, device: &str) -> Actor {
    Actor::Caller {
        user_name: user_name(user),
        device_name: device_name(device),
        api_key: Some(key_id(number)),
    }
}

#[test]
fn a_key_keeps_its_credentials_and_its_birth_when_it_is_replaced() {
    let mut shop = with_key();
    let input = api_key("Cashier", "Link", &["sale"]);

    let decision = done(&mut shop, &replace(1, input));

    let key = key(&shop);
    assert_eq!(key.version, Version(2));
    assert_eq!(
        (&key.client_id, key.created_at),
        (&client_id(1), CREATED_AT)
    );
    assert_eq!(*key.sealed_secret, [1]);
    assert_eq!(key.device_name, device_name("Link"));
    assert!(!decision.created);
    assert_eq!(
        shop.api_key_named(&client_id(1)).map(|key| key.id),
        Some(key_id(1))
    );
}

#[test]
fn a_public_name_is_unique_and_never_changes() {
    let shop = with_key();
    let mut twin = create(2, api_key("Cashier", "Till", &[]));
    if let DirectoryChange::CreateApiKey { credentials, .. } = &mut twin {
        credentials.client_id = client_id(1);
    }
    assert_eq!(
        fields(decide(&shop, &twin, &boss())),
        [("clientId".to_owned(), Some("2"))]
    );
    let mut other = replace(1, api_key("Cashier", "Till", &[]));
    if let DirectoryChange::ReplaceApiKey {
        client_id: named, ..
    } = &mut other
    {
        *named = Some(client_id(2));
    }
    assert_eq!(
        fields(decide(&shop, &other, &boss())),
        [("clientId".to_owned(), None)]
    );
}

#[test]
fn a_key_names_a_user_and_a_device_that_exist() {
    let shop = shop();
    let refused = decide(
        &shop,
        &create(1, api_key("Nobody", "Nowhere", &[])),
        &boss(),
    );
    assert_eq!(
        fields(refused),
        [
            ("userName".to_owned(), None),
            ("deviceName".to_owned(), None)
        ]
    );
}

#[test]
fn an_unknown_key_is_neither_replaced_nor_deleted() {
    let shop = shop();
    for change in [
        replace(1, api_key("Cashier", "Till", &[])),
        DirectoryChange::DeleteApiKey(key_id(1)),
    ] {
        assert_eq!(
            decide(&shop, &change, &boss()).err(),
            Some(Refusal::NotFound)
        );
    }
    let with_version = Precondition {
        body_version: Some(Version(1)),
        ..Precondition::default()
    };
    let change = replace(1, api_key("Cashier", "Till", &[]));
    let refused = shop.decide(&change, &with_version, &boss());
    assert!(matches!(
        refused,
        Err(Refusal::VersionMismatch { stored: None, .. })
    ));
}

#[test]
fn nobody_makes_changes_or_deletes_a_key_of_a_user_who_has_more() {
    let mut shop = shop();
    let of_boss = api_key("Boss", "Office", &["sale"]);
    forbidden(&shop, &create(1, of_boss.clone()), &manager());

    done(&mut shop, &create(1, of_boss));

    for change in [
        replace(1, api_key("Boss", "Office", &[])),
        replace(1, api_key("Manager", "Office", &[])),
        DirectoryChange::DeleteApiKey(key_id(1)),
    ] {
        forbidden(&shop, &change, &manager());
        assert!(decide(&shop, &change, &boss()).is_ok());
    }
}

#[test]
fn nobody_names_a_permission_that_they_lack_though_what_was_named_may_stay() {
    let mut shop = shop();
    // The cashier holds it nowhere today; who gives it tomorrow is not asked.
    let wide = api_key("Manager", "Office", &["sale", "payroll"]);
    forbidden(&shop, &create(1, wide.clone()), &manager());
    done(&mut shop, &create(1, wide.clone()));
    let renamed = ApiKeyInput {
        name: "another".to_owned(),
        ..wide
    };
    assert!(decide(&shop, &replace(1, renamed), &manager()).is_ok());
    let wider = api_key("Manager", "Office", &["sale", "payroll", "audit"]);
    forbidden(&shop, &replace(1, wider), &manager());
}

#[test]
fn who_signs_with_a_cut_key_has_no_more_than_the_key_leaves() {
    let mut shop = shop();
    let cut = api_key("Boss", "Office", &["apiKeyCreate", "userUpdate", "sale"]);
    done(&mut shop, &create(1, cut));
    let signer = signed_by(1, "Boss", "Office");

    let own_twin = create(2, api_key("Boss", "Office", &[]));
    forbidden(&shop, &own_twin, &signer);
    forbidden(&shop, &replace(1, api_key("Boss", "Office", &[])), &signer);
    forbidden(
        &shop,
        &new_user(9, user("x", &[("Office", true, &["owner"])])),
        &signer,
    );
    forbidden(&shop, &DirectoryChange::DeleteUser(id(CASHIER)), &signer);
    assert!(decide(&shop, &own_twin, &boss()).is_ok());
}

#[test]
fn a_key_that_is_not_active_or_of_somebody_else_is_no_caller() {
    let mut shop = shop();
    done(&mut shop, &create(1, api_key("Boss", "Office", &[])));
    let change = new_user(9, user("x", &[]));
    assert!(decide(&shop, &change, &signed_by(1, "Boss", "Office")).is_ok());
    forbidden(&shop, &change, &signed_by(2, "Boss", "Office"));
    forbidden(&shop, &change, &signed_by(1, "Boss", "Till"));

    let inactive = ApiKeyInput {
        is_active: false,
        ..api_key("Boss", "Office", &[])
    };
    done(&mut shop, &replace(1, inactive));

    forbidden(&shop, &change, &signed_by(1, "Boss", "Office"));
}

#[test]
fn the_rights_of_a_key_are_those_of_its_user_there_cut_down() {
    let mut shop = shop();
    done(
        &mut shop,
        &create(1, api_key("Manager", "Office", &["Sale", "payroll"])),
    );
    let signer = |shop: &Directory| shop.signer(key(shop)).map(|who| who.rights);
    let sale: Rights = rights(&["sale"]).into_iter().collect();
    assert_eq!(signer(&shop), Some(sale));

    let mut without = edited(&shop, MANAGER);
    without.devices[0].is_active = false;
    done(&mut shop, &put_user(MANAGER, without));
    assert_eq!(signer(&shop), None);
}

#[test]
fn a_key_that_is_another_one_ends_its_session_and_a_description_does_not() {
    let shop = with_key();
    let same = || api_key("Cashier", "Till", &[]);
    let ended = |change: &DirectoryChange| key_ends(&done(&mut shop.clone(), change));
    let cut = ApiKeyInput {
        permissions: rights(&["sale"]),
        description: Some("x".to_owned()),
        ..same()
    };
    assert_eq!(ended(&replace(1, cut)), []);
    let inactive = ApiKeyInput {
        is_active: false,
        ..same()
    };
    let revoked = [(key_id(1), EndReason::KeyRevoked)];
    assert_eq!(ended(&replace(1, inactive)), revoked);
    assert_eq!(ended(&DirectoryChange::DeleteApiKey(key_id(1))), revoked);
    let mut resealed = replace(1, same());
    if let DirectoryChange::ReplaceApiKey { sealed_secret, .. } = &mut resealed {
        *sealed_secret = Some(Arc::from([9]));
    }
    assert_eq!(ended(&resealed), revoked);
    let changed = [(key_id(1), EndReason::IdentityChanged)];
    assert_eq!(ended(&replace(1, api_key("Manager", "Till", &[]))), changed);
    assert_eq!(ended(&replace(1, api_key("Cashier", "Link", &[]))), changed);
}

#[test]
fn deleting_its_user_or_device_leaves_a_key_behind_that_lets_nobody_in() {
    for change in [
        DirectoryChange::DeleteUser(id(CASHIER)),
        DirectoryChange::DeleteDevice(device_name("Till")),
    ] {
        let mut shop = with_key();
        let decision = done(&mut shop, &change);
        let key = key(&shop);
        assert!(!key.is_active && shop.signer(key).is_none());
        assert_eq!(key.version, Version(2));
        assert_eq!(decision.put_api_keys.len(), 1);
    }
}

#[test]
fn nobody_inherits_a_key_by_taking_the_name_of_its_user() {
    let mut shop = with_key();
    done(&mut shop, &DirectoryChange::DeleteUser(id(CASHIER)));
    let heir = user("Cashier", &[("Till", true, &["cashier"])]);
    done(&mut shop, &new_user(9, heir));
    assert!(shop.signer(key(&shop)).is_none());
}

#[test]
fn a_key_follows_its_user_to_another_name() {
    let mut shop = with_key();
    let mut input = edited(&shop, CASHIER);
    input.user_name = user_name("Seller");
    done(&mut shop, &put_user(CASHIER, input));
    let key = key(&shop);
    assert_eq!(key.user_name, user_name("Seller"));
    assert!(key.is_active && shop.signer(key).is_some());
}
