//! The rules of users: put, delete, unlock, own password, another hash of it.

use std::sync::Arc;

use super::guard::Asker;
use super::target::Target;
use super::{
    Actor, Directory, DirectoryDecision, Ends, Field, Mode, Refusal, Resource, Subject,
    UserDeviceInput, UserInput, api_keys, next_version, without_doubles,
};
use crate::model::{EndReason, KnownRight, Precondition, SessionId, User, UserDevice, UserId};

/// Creates a user or replaces one.
pub(super) fn put(
    directory: &Directory,
    asker: &Asker,
    mode: Mode,
    id: UserId,
    input: &UserInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(match mode {
        Mode::Create => &[KnownRight::UserCreate],
        Mode::CreateOrReplace => &[KnownRight::UserCreate, KnownRight::UserUpdate],
    })?;
    let stored = match mode {
        Mode::Create => directory.user_named(&input.user_name),
        Mode::CreateOrReplace => directory.user(id),
    };
    target(stored.map(AsRef::as_ref), id, input).meets(precondition, mode)?;
    if mode == Mode::CreateOrReplace {
        let stored = stored.ok_or(Refusal::NotFound)?;
        must_cover(directory, asker, stored)?;
    }
    look_at_members(directory, mode, id, input)?;
    let stored = stored.filter(|_| mode == Mode::CreateOrReplace);
    let user = Arc::new(as_user(id, input, stored.map(AsRef::as_ref)));
    must_cover(directory, asker, &user)?;
    let mut decision = DirectoryDecision::about(Resource::User(Arc::clone(&user)), directory);
    decision.created = stored.is_none();
    decision.held_user = true;
    if let Some(stored) = stored {
        decision.ends = ended(stored, &user);
        if stored.user_name != user.user_name {
            decision.put_api_keys =
                api_keys::renamed(directory, &stored.user_name, &user.user_name);
        }
    }
    decision.put_users.push(user);
    Ok(decision)
}

/// Deletes a user; its sessions end, its API keys are no longer active.
pub(super) fn delete(
    directory: &Directory,
    asker: &Asker,
    id: UserId,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::UserDelete])?;
    let user = directory.user(id).ok_or(Refusal::NotFound)?;
    Target {
        resource: "user",
        name: user.user_name.to_string(),
        id: Some(id.to_string()),
        stored: Some(user.version),
    }
    .meets(precondition, Mode::CreateOrReplace)?;
    must_cover(directory, asker, user)?;
    let mut decision = DirectoryDecision::about(Resource::User(Arc::clone(user)), directory);
    decision.put_api_keys = api_keys::deactivated(directory, |key| key.user_name == user.user_name);
    decision.removed_users.push(id);
    decision.ends.push(all_of(user, EndReason::AccountDisabled));
    Ok(decision)
}

/// Puts another hash of the same password.
pub(super) fn rehash(
    directory: &Directory,
    asker: &Asker,
    id: UserId,
    seen: &Arc<str>,
    password: &Arc<str>,
) -> Result<DirectoryDecision, Refusal> {
    if !matches!(asker, Asker::System) {
        let sentence = "Only the server hashes a password again.";
        return Err(Refusal::Forbidden(sentence.to_owned()));
    }
    let stored = directory.user(id).ok_or(Refusal::NotFound)?;
    if stored.password.as_ref() != Some(seen) {
        return Err(Refusal::NotFound);
    }
    let user = Arc::new(User {
        password: Some(Arc::clone(password)),
        ..(**stored).clone()
    });
    let mut decision = DirectoryDecision::about(Resource::User(Arc::clone(&user)), directory);
    decision.put_users.push(user);
    Ok(decision)
}

/// Forgets a user's failed logins.
pub(super) fn unlock(
    directory: &Directory,
    asker: &Asker,
    id: UserId,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::UserUpdate])?;
    let user = directory.user(id).ok_or(Refusal::NotFound)?;
    must_cover(directory, asker, user)?;
    let mut decision = DirectoryDecision::about(Resource::User(Arc::clone(user)), directory);
    decision.unlocked = Some(user.user_name.clone());
    Ok(decision)
}

/// A user changes the own password. Needs no right, but to be that user.
pub(super) fn set_password(
    directory: &Directory,
    actor: &Actor,
    id: UserId,
    seen: Option<&Arc<str>>,
    password: &Arc<str>,
    keep: Option<SessionId>,
) -> Result<DirectoryDecision, Refusal> {
    let stored = directory.user(id).ok_or(Refusal::NotFound)?;
    if matches!(actor, Actor::Caller { user_name, .. } if *user_name != stored.user_name) {
        return Err(Refusal::Forbidden(
            "Only the own password is changed here.".to_owned(),
        ));
    }
    if stored.password.as_ref() != seen {
        return Err(Refusal::NotFound);
    }
    let user = Arc::new(User {
        password: Some(Arc::clone(password)),
        former_passwords: stored.former_after(Some(password)),
        must_change_password: false,
        version: stored.version.next(),
        ..(**stored).clone()
    });
    let mut decision = DirectoryDecision::about(Resource::User(Arc::clone(&user)), directory);
    decision.ends.push(Ends {
        keep,
        ..all_of(stored, EndReason::PasswordChanged)
    });
    decision.put_users.push(user);
    Ok(decision)
}

fn target(stored: Option<&User>, id: UserId, input: &UserInput) -> Target {
    Target {
        resource: "user",
        name: stored
            .map_or(&input.user_name, |user| &user.user_name)
            .to_string(),
        id: Some(stored.map_or(id, |user| user.id).to_string()),
        stored: stored.map(|user| user.version),
    }
}

/// Nobody lays hands on a user who has more than they have.
pub(super) fn must_cover(directory: &Directory, asker: &Asker, user: &User) -> Result<(), Refusal> {
    asker.must_cover(
        &directory.reach_of(user),
        format_args!("user '{}'", user.user_name),
    )
}

/// The members that can not be so, all of them at once.
fn look_at_members(
    directory: &Directory,
    mode: Mode,
    id: UserId,
    input: &UserInput,
) -> Result<(), Refusal> {
    let mut wrong = Vec::new();
    let holder = directory.user_names.get(&input.user_name.folded());
    let id_taken = mode == Mode::Create && directory.users.contains_key(&id);
    if holder.is_some_and(|holder| *holder != id || mode == Mode::Create) || id_taken {
        wrong.push(Field::taken("userName"));
    }
    for (at, entry) in input.devices.iter().enumerate() {
        if input.devices[..at]
            .iter()
            .any(|before| before.name == entry.name)
        {
            wrong.push(Field::taken(format!("devices[{at}].name")));
        }
        look_at_entry(directory, at, entry, &mut wrong);
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Invalid(wrong))
    }
}

fn look_at_entry(
    directory: &Directory,
    at: usize,
    entry: &UserDeviceInput,
    wrong: &mut Vec<Field>,
) {
    if directory.device(&entry.name).is_none() {
        wrong.push(Field::unknown(
            format!("devices[{at}].name"),
            "device",
            &entry.name,
        ));
    }
    for (role_at, role) in entry.roles.iter().enumerate() {
        if directory.role(role).is_none() {
            let member = format!("devices[{at}].roles[{role_at}]");
            wrong.push(Field::unknown(member, "role", role));
        }
    }
}

/// The record that the input makes. A password that is left out stays.
fn as_user(id: UserId, input: &UserInput, stored: Option<&User>) -> User {
    let devices = input.devices.iter().map(|entry| UserDevice {
        name: entry.name.clone(),
        is_active: entry.is_active,
        roles: without_doubles(entry.roles.clone()),
    });
    let password = input.password.clone();
    let password = password.or_else(|| stored.and_then(|user| user.password.clone()));
    let former = stored.map(|user| user.former_after(password.as_ref()));
    User {
        id,
        user_name: input.user_name.clone(),
        name: input.name.clone(),
        is_active: input.is_active,
        is_virtual: input.is_virtual,
        feature_name: input.feature_name.clone(),
        devices: devices.collect(),
        must_change_password: input.must_change_password,
        password,
        former_passwords: former.unwrap_or_default(),
        version: next_version(stored.map(|user| user.version)),
    }
}

fn all_of(user: &User, reason: EndReason) -> Ends {
    Ends {
        subject: Subject::User(user.user_name.clone()),
        keep: None,
        reason,
    }
}

/// Which sessions end when `old` becomes `new`: all of the user for one
/// reason, or those on the devices that are no longer the user's.
fn ended(old: &User, new: &User) -> Vec<Ends> {
    let whole = if old.is_active && !new.is_active {
        Some(EndReason::AccountDisabled)
    } else if old.user_name != new.user_name {
        Some(EndReason::IdentityChanged)
    } else if old.password != new.password {
        Some(EndReason::PasswordChanged)
    } else {
        None
    };
    if let Some(reason) = whole {
        return vec![all_of(old, reason)];
    }
    let still = |entry: &UserDevice| new.device(&entry.name).is_some_and(|new| new.is_active);
    let lost = old
        .devices
        .iter()
        .filter(|entry| entry.is_active && !still(entry));
    lost.map(|entry| Ends {
        subject: Subject::UserOnDevice(old.user_name.clone(), entry.name.clone()),
        keep: None,
        reason: EndReason::AccountDisabled,
    })
    .collect()
}
