//! The rules of roles: put and delete. No session ends by them, since rights
//! are looked up at each request.

use std::sync::Arc;

use super::guard::Asker;
use super::target::Target;
use super::{
    Directory, DirectoryDecision, Field, Mode, Refusal, Resource, RoleInput, next_version, users,
    with_entries, without_doubles,
};
use crate::model::{
    Device, KnownRight, Precondition, Rights, Role, RoleName, User, UserDevice, Version,
};

/// Creates a role or replaces one.
pub(super) fn put(
    directory: &Directory,
    asker: &Asker,
    mode: Mode,
    input: &RoleInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(match mode {
        Mode::Create => &[KnownRight::RoleCreate],
        Mode::CreateOrReplace => &[KnownRight::RoleCreate, KnownRight::RoleUpdate],
    })?;
    let stored = directory.role(&input.name);
    let version = stored.map(|role| role.version);
    target(&input.name, version).meets(precondition, mode)?;
    let holder = directory.role_names.get(&input.name.folded());
    if holder.is_some_and(|holder| *holder != input.name || mode == Mode::Create) {
        return Err(Refusal::Invalid(vec![Field::taken("name")]));
    }
    let role = Arc::new(Role {
        name: input.name.clone(),
        label: input.label.clone(),
        description: input.description.clone(),
        rights: without_doubles(input.rights.clone()),
        env_names: without_doubles(input.env_names.clone()),
        version: next_version(version),
    });
    stored.map_or(Ok(()), |stored| must_cover(asker, stored))?;
    must_cover(asker, &role)?;
    let mut decision = DirectoryDecision::about(Resource::Role(Arc::clone(&role)), directory);
    decision.created = stored.is_none();
    decision.put_roles.push(role);
    Ok(decision)
}

/// Deletes a role and every reference to it.
pub(super) fn delete(
    directory: &Directory,
    asker: &Asker,
    name: &RoleName,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::RoleDelete])?;
    let role = directory.role(name).ok_or(Refusal::NotFound)?;
    target(name, Some(role.version)).meets(precondition, Mode::CreateOrReplace)?;
    must_cover(asker, role)?;
    let mut decision = DirectoryDecision::about(Resource::Role(Arc::clone(role)), directory);
    for user in directory.users().filter(|user| has_role(user, name)) {
        users::must_cover(directory, asker, user)?;
        let entries = user.devices.iter().map(|entry| UserDevice {
            roles: without(name, &entry.roles),
            ..entry.clone()
        });
        decision
            .put_users
            .push(with_entries(user, entries.collect()));
    }
    for device in directory
        .devices()
        .filter(|device| device.roles.contains(name))
    {
        decision.put_devices.push(Arc::new(Device {
            roles: without(name, &device.roles),
            version: device.version.next(),
            ..(**device).clone()
        }));
    }
    decision.removed_roles.push(name.clone());
    Ok(decision)
}

fn target(name: &RoleName, stored: Option<Version>) -> Target {
    Target {
        resource: "role",
        name: name.to_string(),
        id: None,
        stored,
    }
}

/// A role that has more than the caller is neither made nor altered, whoever
/// has it: to give it is to grant, to take from it is to change its users.
fn must_cover(asker: &Asker, role: &Role) -> Result<(), Refusal> {
    let rights: Rights = role.rights.iter().cloned().collect();
    asker.must_cover(&rights, format_args!("role '{}'", role.name))
}

fn has_role(user: &User, name: &RoleName) -> bool {
    user.devices.iter().any(|entry| entry.roles.contains(name))
}

fn without(name: &RoleName, roles: &[RoleName]) -> Vec<RoleName> {
    roles.iter().filter(|role| *role != name).cloned().collect()
}
