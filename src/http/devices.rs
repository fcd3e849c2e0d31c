//! `/devices`: what a body says, and what `named` has to know of them.

use std::sync::Arc;

use super::fields::Fields;
use super::named::Named;
use super::resource::{DeviceBody, same_name};
use crate::model::{
    Device, DeviceInput, DeviceName, Directory, DirectoryChange, Env, Mode, Resource, RoleName,
    Version,
};
use crate::ndata::DeviceMember;

/// A device as a body describes it. `named`: the name that the path gives.
pub fn input(fields: &mut Fields<'_>, named: Option<&DeviceName>) -> Option<DeviceInput> {
    let name = match named {
        None => fields.parsed("name", DeviceName::parse),
        Some(named) => same_name(fields, "name", DeviceName::parse, named),
    };
    let env = fields.parsed("envName", env);
    let is_active = fields.flag("isActive", true);
    let description = fields.text("description").unwrap_or_default();
    let roles = fields.texts("roles", RoleName::parse);
    let (preferences, settings) = (fields.free("preferences"), fields.free("settings"));
    Some(DeviceInput {
        name: name?,
        is_active,
        env: env?,
        description,
        roles,
        preferences,
        settings,
    })
}

/// An environment, or the list of those there are.
pub(super) fn env(text: &str) -> Result<Env, &'static str> {
    Env::parse(text).ok_or("must be BackOffice, CashRegister, PDA or Tool")
}

impl Named for Device {
    const PATH: &'static str = "/devices";
    type Name = DeviceName;
    type Input = DeviceInput;
    type Member = DeviceMember;
    type Body<'a> = DeviceBody<'a>;

    fn parse(name: &str) -> Option<DeviceName> {
        DeviceName::parse(name).ok()
    }

    fn input(fields: &mut Fields<'_>, named: Option<&DeviceName>) -> Option<DeviceInput> {
        input(fields, named)
    }

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.devices()
    }

    fn find<'a>(directory: &'a Directory, name: &DeviceName) -> Option<&'a Arc<Self>> {
        directory.device(name)
    }

    fn putting(mode: Mode, input: DeviceInput) -> DirectoryChange {
        DirectoryChange::PutDevice { mode, input }
    }

    fn deletion(name: DeviceName) -> DirectoryChange {
        DirectoryChange::DeleteDevice(name)
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::Device(device) => Some(device),
            _ => None,
        }
    }

    fn body(&self) -> DeviceBody<'_> {
        DeviceBody::from(self)
    }

    fn tag(&self) -> (&str, Version) {
        (self.name.as_str(), self.version)
    }
}
