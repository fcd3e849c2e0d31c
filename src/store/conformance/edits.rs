//! From an edit of a history to a change of the directory as it is.

use super::history::{Condition, Edit, Typed};
use super::{
    DEVICES, USERS, api_key_input, as_stored, create_api_key, device_input, device_name, key_id,
    put_device, put_role, role_input, role_name, user_id, user_input, user_name,
};
use crate::model::{
    Directory, DirectoryChange, Mode, Precondition, SessionId, UserDeviceInput, UserId, UserInput,
    UserName, Version, VersionTag,
};

/// The change that an edit comes to, if what it names is there. `login` tells
/// who logged in that many logins ago, and as which session.
pub(super) fn as_change(
    directory: &Directory,
    edit: &Edit,
    step: usize,
    login: impl Fn(usize) -> Option<(UserName, SessionId)>,
) -> Option<DirectoryChange> {
    let hash = || format!("hash of step {step}").into();
    let of_user = |user: usize, change: &dyn Fn(&mut UserInput)| {
        let id = user_id(user);
        let mut input = as_stored(directory, id)?;
        change(&mut input);
        Some(DirectoryChange::PutUser {
            mode: Mode::CreateOrReplace,
            id,
            input,
        })
    };
    match *edit {
        Edit::UserActive { user, is_active } => of_user(user, &|input| input.is_active = is_active),
        Edit::Entry {
            user,
            device,
            is_active,
        } => of_user(user, &|input| set_entry(input, device, is_active)),
        Edit::Password { user } => of_user(user, &|input| input.password = Some(hash())),
        Edit::Name { user, original } => of_user(user, &|input| {
            let name = USERS[user];
            input.user_name = if original {
                user_name(name)
            } else {
                user_name(&format!("{name} too"))
            };
        }),
        Edit::OwnPassword { session, typed } => {
            let (name, id) = login(session)?;
            let user = directory.user_named(&name)?;
            let stored = user.password.clone();
            let seen = if typed == Typed::Stored {
                stored
            } else {
                Some("older".into())
            };
            let (user, keep) = (user.id, Some(id));
            Some(DirectoryChange::SetPassword {
                user,
                seen,
                password: hash(),
                keep,
            })
        }
        Edit::NewUser { user } => {
            let input = user_input(USERS[user], if user == 0 { "owner" } else { "cashier" });
            Some(DirectoryChange::PutUser {
                mode: Mode::Create,
                id: user_id(user),
                input,
            })
        }
        Edit::DeleteUser { user } => Some(DirectoryChange::DeleteUser(user_id(user))),
        Edit::Device {
            device,
            env,
            is_active,
        } => {
            let mut input = device_input(DEVICES[device].0, env);
            input.is_active = is_active;
            Some(put_device(input))
        }
        Edit::DeleteDevice { device } => Some(DirectoryChange::DeleteDevice(device_name(
            DEVICES[device].0,
        ))),
        Edit::Role { admin, env } => {
            let mut input = role_input("cashier", if admin { "admin" } else { "userUpdate" });
            input
                .env_names
                .retain(|one| env.is_none_or(|env| env == *one));
            Some(put_role(input))
        }
        Edit::DeleteRole => Some(DirectoryChange::DeleteRole(role_name("cashier"))),
        Edit::Key {
            key,
            user,
            device,
            is_active,
            other_secret,
        } => {
            let mut input = api_key_input(USERS[user], DEVICES[device].0);
            input.is_active = is_active;
            if directory.api_key(key_id(key)).is_none() {
                return Some(create_api_key(key, input));
            }
            let secret = other_secret.then(|| step.to_be_bytes().as_slice().into());
            Some(DirectoryChange::ReplaceApiKey {
                id: key_id(key),
                client_id: None,
                sealed_secret: secret,
                input,
            })
        }
        Edit::DeleteKey { key } => Some(DirectoryChange::DeleteApiKey(key_id(key))),
    }
}

fn set_entry(input: &mut UserInput, device: usize, is_active: Option<bool>) {
    let name = device_name(DEVICES[device].0);
    let roles = input
        .devices
        .first()
        .map_or_else(Vec::new, |entry| entry.roles.clone());
    input.devices.retain(|entry| entry.name != name);
    input
        .devices
        .extend(is_active.map(|is_active| UserDeviceInput {
            name,
            is_active,
            roles,
        }));
}

/// The version of what a change is about.
pub(super) fn stored_version(directory: &Directory, change: &DirectoryChange) -> Version {
    let user = |id: &UserId| directory.user(*id).map(|user| user.version);
    let stored = match change {
        DirectoryChange::PutUser { id, .. } | DirectoryChange::DeleteUser(id) => user(id),
        DirectoryChange::PutDevice { input, .. } => {
            directory.device(&input.name).map(|device| device.version)
        }
        DirectoryChange::PutRole { input, .. } => {
            directory.role(&input.name).map(|role| role.version)
        }
        DirectoryChange::ReplaceApiKey { id, .. } | DirectoryChange::DeleteApiKey(id) => {
            directory.api_key(*id).map(|key| key.version)
        }
        _ => None,
    };
    stored.unwrap_or(Version::FIRST)
}

/// The condition, given the version of what is changed.
pub(super) fn as_precondition(condition: Condition, stored: Version) -> Precondition {
    let none = Precondition::default();
    let matching = |version| Some(vec![VersionTag::Exactly(version)]);
    match condition {
        Condition::None => none,
        Condition::BodyStored => Precondition {
            body_version: Some(stored),
            ..none
        },
        Condition::BodyAhead => Precondition {
            body_version: Some(stored.next()),
            ..none
        },
        Condition::MatchStored => Precondition {
            if_match: matching(stored),
            ..none
        },
        Condition::MatchAhead => Precondition {
            if_match: matching(stored.next()),
            ..none
        },
        Condition::CreateOnly => Precondition {
            create_only: true,
            ..none
        },
    }
}
