//! `/roles`: what a body says, and what `listed` and `named` have to know of
//! them.

use std::borrow::Cow;
use std::sync::Arc;

use super::devices;
use super::fields::Fields;
use super::listed::Listed;
use super::named::Named;
use super::resource::{RoleBody, same_name};
use crate::model::{
    Directory, DirectoryChange, Mode, Resource, Right, Role, RoleInput, RoleName, Version,
};
use crate::ndata::RoleMember;

/// A role as a body describes it. `named`: the name that the path gives. A role
/// without environments gives nothing anywhere.
pub fn input(fields: &mut Fields<'_>, named: Option<&RoleName>) -> Option<RoleInput> {
    let name = match named {
        None => fields.parsed("name", RoleName::parse),
        Some(named) => same_name(fields, "name", RoleName::parse, named),
    };
    let label = fields.text("label").unwrap_or_default();
    let description = fields.text("description").unwrap_or_default();
    let rights = fields.texts("rights", Right::parse);
    let env_names = fields.texts("envNames", devices::env);
    Some(RoleInput {
        name: name?,
        label,
        description,
        rights,
        env_names,
    })
}

impl Listed for Role {
    const PATH: &'static str = "/roles";
    type Member = RoleMember;
    type Body<'a> = RoleBody<'a>;

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.roles()
    }

    fn find<'a>(directory: &'a Directory, named: &str) -> Option<&'a Arc<Self>> {
        directory.role(&Self::parse(named)?)
    }

    fn deletion(_: &Directory, named: &str) -> Option<DirectoryChange> {
        Some(DirectoryChange::DeleteRole(Self::parse(named)?))
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::Role(role) => Some(role),
            _ => None,
        }
    }

    fn body<'a>(&'a self, _: &'a Directory) -> RoleBody<'a> {
        RoleBody::from(self)
    }

    fn named(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

impl Named for Role {
    type Name = RoleName;
    type Input = RoleInput;

    fn parse(name: &str) -> Option<RoleName> {
        RoleName::parse(name).ok()
    }

    fn input(fields: &mut Fields<'_>, named: Option<&RoleName>) -> Option<RoleInput> {
        input(fields, named)
    }

    fn putting(mode: Mode, input: RoleInput) -> DirectoryChange {
        DirectoryChange::PutRole { mode, input }
    }
}
