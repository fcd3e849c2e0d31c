//! The rules of devices: put and delete.

use std::sync::Arc;

use super::guard::Asker;
use super::target::Target;
use super::{
    DeviceInput, Directory, DirectoryDecision, Ends, Field, Mode, Refusal, Resource, Subject,
    api_keys, next_version, users, with_entries, without_doubles,
};
use crate::model::{Device, DeviceName, EndReason, KnownRight, Precondition, Version};

/// Creates a device or replaces one.
pub(super) fn put(
    directory: &Directory,
    asker: &Asker,
    mode: Mode,
    input: &DeviceInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(match mode {
        Mode::Create => &[KnownRight::DeviceCreate],
        Mode::CreateOrReplace => &[KnownRight::DeviceCreate, KnownRight::DeviceUpdate],
    })?;
    let stored = directory.device(&input.name);
    let version = stored.map(|device| device.version);
    target(&input.name, version).meets(precondition, mode)?;
    look_at_members(directory, mode, input)?;
    let device = Arc::new(Device {
        name: input.name.clone(),
        is_active: input.is_active,
        env: input.env,
        description: input.description.clone(),
        roles: without_doubles(input.roles.clone()),
        preferences: input.preferences.clone(),
        settings: input.settings.clone(),
        version: next_version(version),
    });
    let mut decision = DirectoryDecision::about(Resource::Device(Arc::clone(&device)), directory);
    decision.created = stored.is_none();
    decision
        .ends
        .extend(stored.and_then(|stored| ended(stored, &device)));
    decision.put_devices.push(device);
    Ok(decision)
}

/// Deletes a device and every user's entry for it; its sessions end, its API
/// keys are no longer active.
pub(super) fn delete(
    directory: &Directory,
    asker: &Asker,
    name: &DeviceName,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::DeviceDelete])?;
    let device = directory.device(name).ok_or(Refusal::NotFound)?;
    target(name, Some(device.version)).meets(precondition, Mode::CreateOrReplace)?;
    let mut decision = DirectoryDecision::about(Resource::Device(Arc::clone(device)), directory);
    for user in directory.users().filter(|user| user.device(name).is_some()) {
        users::must_cover(directory, asker, user)?;
        let kept = user
            .devices
            .iter()
            .filter(|entry| entry.name != *name)
            .cloned();
        decision.put_users.push(with_entries(user, kept.collect()));
    }
    decision.put_api_keys = api_keys::deactivated(directory, |key| key.device_name == *name);
    decision.removed_devices.push(name.clone());
    decision.ends.push(all_on(name, EndReason::DeviceDisabled));
    Ok(decision)
}

fn target(name: &DeviceName, stored: Option<Version>) -> Target {
    Target {
        resource: "device",
        name: name.to_string(),
        id: None,
        stored,
    }
}

fn look_at_members(directory: &Directory, mode: Mode, input: &DeviceInput) -> Result<(), Refusal> {
    let mut wrong = Vec::new();
    let holder = directory.device_names.get(&input.name.folded());
    if holder.is_some_and(|holder| *holder != input.name || mode == Mode::Create) {
        wrong.push(Field::taken("name"));
    }
    for (at, role) in input.roles.iter().enumerate() {
        if directory.role(role).is_none() {
            wrong.push(Field::unknown(format!("roles[{at}]"), "role", role));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Invalid(wrong))
    }
}

fn all_on(name: &DeviceName, reason: EndReason) -> Ends {
    Ends {
        subject: Subject::Device(name.clone()),
        keep: None,
        reason,
    }
}

fn ended(old: &Device, new: &Device) -> Option<Ends> {
    if old.is_active && !new.is_active {
        Some(all_on(&old.name, EndReason::DeviceDisabled))
    } else if old.env != new.env {
        Some(all_on(&old.name, EndReason::IdentityChanged))
    } else {
        None
    }
}
