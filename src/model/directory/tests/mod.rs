//! The rules of the directory, one by one: the shop they are tried on, and
//! short ways to say what is tried.

use std::sync::Arc;

use super::*;
use crate::model::{EndReason, Env, Precondition, Right, SessionId, Version, VersionTag};

mod api_keys;
mod ends;
mod guard;
mod records;

const BOSS: u8 = 1;
const MANAGER: u8 = 2;
const CASHIER: u8 = 3;

pub(super) fn id(number: u8) -> UserId {
    UserId::from_bytes([number; 12])
}

pub(super) fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect("a good name")
}

pub(super) fn device_name(text: &str) -> DeviceName {
    DeviceName::parse(text).expect("a good name")
}

pub(super) fn role_name(text: &str) -> RoleName {
    RoleName::parse(text).expect("a good name")
}

pub(super) fn rights(names: &[&str]) -> Vec<Right> {
    names
        .iter()
        .map(|name| Right::parse(name).expect("a good right"))
        .collect()
}

pub(super) fn user(name: &str, devices: &[(&str, bool, &[&str])]) -> UserInput {
    let entry = |(device, is_active, roles): &(&str, bool, &[&str])| UserDeviceInput {
        name: device_name(device),
        is_active: *is_active,
        roles: roles.iter().map(|role| role_name(role)).collect(),
    };
    UserInput {
        user_name: user_name(name),
        name: name.to_owned(),
        is_active: true,
        is_virtual: false,
        feature_name: None,
        devices: devices.iter().map(entry).collect(),
        must_change_password: false,
        password: Some(format!("hash of {name}").into()),
    }
}

pub(super) fn device(name: &str, env: Env) -> DeviceInput {
    DeviceInput {
        name: device_name(name),
        is_active: true,
        env,
        description: String::new(),
        roles: Vec::new(),
        preferences: serde_json::Map::new(),
        settings: serde_json::Map::new(),
    }
}

pub(super) fn role(name: &str, names: &[&str], env_names: &[Env]) -> RoleInput {
    RoleInput {
        name: role_name(name),
        label: name.to_owned(),
        description: String::new(),
        rights: rights(names),
        env_names: env_names.to_vec(),
    }
}

pub(super) fn key_id(number: u8) -> ApiKeyId {
    ApiKeyId::from_bytes([number; 12])
}

pub(super) fn client_id(number: u8) -> ClientId {
    ClientId::parse(&format!("{number:032x}")).expect("32 digits")
}

pub(super) fn api_key(user: &str, device: &str, permissions: &[&str]) -> ApiKeyInput {
    ApiKeyInput {
        is_active: true,
        name: format!("key of {user}"),
        description: None,
        user_name: user_name(user),
        device_name: device_name(device),
        permissions: rights(permissions),
    }
}

pub(super) fn put_user(number: u8, input: UserInput) -> DirectoryChange {
    DirectoryChange::PutUser {
        mode: Mode::CreateOrReplace,
        id: id(number),
        input,
    }
}

pub(super) fn new_user(number: u8, input: UserInput) -> DirectoryChange {
    DirectoryChange::PutUser {
        mode: Mode::Create,
        id: id(number),
        input,
    }
}

pub(super) fn put_device(input: DeviceInput) -> DirectoryChange {
    DirectoryChange::PutDevice {
        mode: Mode::CreateOrReplace,
        input,
    }
}

pub(super) fn put_role(input: RoleInput) -> DirectoryChange {
    DirectoryChange::PutRole {
        mode: Mode::CreateOrReplace,
        input,
    }
}

/// A boss with `admin` everywhere, a manager in the office who may manage all
/// three kinds of resources, a cashier at the till. `stock` counts on
/// handhelds only.
fn shop() -> Directory {
    let manager_rights = [
        "userCreate",
        "userUpdate",
        "userDelete",
        "deviceCreate",
        "deviceUpdate",
        "deviceDelete",
        "roleCreate",
        "roleUpdate",
        "roleDelete",
        "apiKeyCreate",
        "apiKeyUpdate",
        "apiKeyDelete",
        "sale",
    ];
    let steps = vec![
        put_role(role("owner", &["admin"], &Env::ALL)),
        put_role(role("manager", &manager_rights, &Env::ALL)),
        put_role(role("cashier", &["sale"], &Env::ALL)),
        put_role(role("stock", &["stock.edit"], &[Env::Pda])),
        put_device(device("Till", Env::CashRegister)),
        put_device(device("Office", Env::BackOffice)),
        put_device(device("Link", Env::Tool)),
        new_user(
            BOSS,
            user(
                "Boss",
                &[("Office", true, &["owner"]), ("Till", true, &["owner"])],
            ),
        ),
        new_user(MANAGER, user("Manager", &[("Office", true, &["manager"])])),
        new_user(
            CASHIER,
            user(
                "Cashier",
                &[("Till", true, &["cashier"]), ("Link", true, &["stock"])],
            ),
        ),
    ];
    let mut directory = Directory::default();
    done(&mut directory, &DirectoryChange::SetUp(steps));
    directory
}

fn caller(user: &str, device: &str) -> Actor {
    Actor::Caller {
        user_name: user_name(user),
        device_name: device_name(device),
        api_key: None,
    }
}

fn manager() -> Actor {
    caller("Manager", "Office")
}

fn boss() -> Actor {
    caller("Boss", "Office")
}

fn decide(
    directory: &Directory,
    change: &DirectoryChange,
    actor: &Actor,
) -> Result<DirectoryDecision, Refusal> {
    directory.decide(change, &Precondition::default(), actor)
}

/// Makes a change as the operator, who may everything.
fn done(directory: &mut Directory, change: &DirectoryChange) -> DirectoryDecision {
    let decision = decide(directory, change, &Actor::System).expect("the operator may");
    directory.apply(&decision);
    decision
}

fn forbidden(directory: &Directory, change: &DirectoryChange, actor: &Actor) {
    let refused = decide(directory, change, actor);
    assert!(
        matches!(refused, Err(Refusal::Forbidden(_))),
        "{change:?} {refused:?}"
    );
}

fn fields(refused: Result<DirectoryDecision, Refusal>) -> Vec<(String, Option<&'static str>)> {
    match refused {
        Err(Refusal::Invalid(fields)) => fields
            .into_iter()
            .map(|field| (field.member, field.code))
            .collect(),
        other => panic!("not invalid: {other:?}"),
    }
}

fn edited(directory: &Directory, number: u8) -> UserInput {
    let user = directory.user(id(number)).expect("is there");
    UserInput {
        user_name: user.user_name.clone(),
        name: user.name.clone(),
        is_active: user.is_active,
        is_virtual: user.is_virtual,
        feature_name: user.feature_name.clone(),
        devices: user
            .devices
            .iter()
            .map(|entry| UserDeviceInput {
                name: entry.name.clone(),
                is_active: entry.is_active,
                roles: entry.roles.clone(),
            })
            .collect(),
        must_change_password: user.must_change_password,
        password: None,
    }
}

fn ends(decision: &DirectoryDecision) -> Vec<(Subject, EndReason)> {
    decision
        .ends
        .iter()
        .map(|ends| (ends.subject.clone(), ends.reason))
        .collect()
}
