//! `/roles`: what a body says, and what `named` has to know of them.

use std::sync::Arc;

use super::devices;
use super::fields::Fields;
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

impl Named for Role {
    const PATH: &'static str = "/roles";
    type Name = RoleName;
    type Input = RoleInput;
    type Member = RoleMember;
    type Body<'a> = RoleBody<'a>;

    fn parse(name: &str) -> Option<RoleName> {
        RoleName::parse(name).ok()
    }

    fn input(fields: &mut Fields<'_>, named: Option<&RoleName>) -> Option<RoleInput> {
        input(fields, named)
    }

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.roles()
    }

    fn find<'a>(directory: &'a Directory, name: &RoleName) -> Option<&'a Arc<Self>> {
        directory.role(name)
    }

    fn putting(mode: Mode, input: RoleInput) -> DirectoryChange {
        DirectoryChange::PutRole { mode, input }
    }

    fn deletion(name: RoleName) -> DirectoryChange {
        DirectoryChange::DeleteRole(name)
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::Role(role) => Some(role),
            _ => None,
        }
    }

    fn body(&self) -> RoleBody<'_> {
        RoleBody::from(self)
    }

    fn tag(&self) -> (&str, Version) {
        (self.name.as_str(), self.version)
    }
}
