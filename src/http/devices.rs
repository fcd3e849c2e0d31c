//! `/devices`: what a body says, and what `listed` and `named` have to know of
//! them.

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::Fields;
use super::listed::Listed;
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

impl Listed for Device {
    const PATH: &'static str = "/devices";
    type Member = DeviceMember;
    type Body<'a> = DeviceBody<'a>;

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.devices()
    }

    fn find<'a>(directory: &'a Directory, named: &str) -> Option<&'a Arc<Self>> {
        directory.device(&Self::parse(named)?)
    }

    fn deletion(_: &Directory, named: &str) -> Option<DirectoryChange> {
        Some(DirectoryChange::DeleteDevice(Self::parse(named)?))
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::Device(device) => Some(device),
            _ => None,
        }
    }

    fn body<'a>(&'a self, _: &'a Directory) -> DeviceBody<'a> {
        DeviceBody::from(self)
    }

    fn named(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

impl Named for Device {
    type Name = DeviceName;
    type Input = DeviceInput;

    fn parse(name: &str) -> Option<DeviceName> {
        DeviceName::parse(name).ok()
    }

    fn input(fields: &mut Fields<'_>, named: Option<&DeviceName>) -> Option<DeviceInput> {
        input(fields, named)
    }

    fn putting(mode: Mode, input: DeviceInput) -> DirectoryChange {
        DirectoryChange::PutDevice { mode, input }
    }
}
