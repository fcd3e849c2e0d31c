//! Who may make a change, and what no change may bring about: rights that the
//! caller lacks, and a directory without an administrator.

use std::fmt;

use super::{Actor, Directory, Refusal};
use crate::model::{Env, KnownRight, Right, Rights, Role, User, UserDevice};

/// Who asks, with the rights of the instant of the decision.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    /// The operator on the server itself: needs no right.
    System,
    /// A caller with these rights.
    Caller(Rights),
}

impl Asker {
    /// Looks the actor up.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] for a caller whose user, device, assignment or key
    /// is not there or not active: nobody is logged in there.
    pub(super) fn of(actor: &Actor, directory: &Directory) -> Result<Self, Refusal> {
        let Actor::Caller {
            user_name,
            device_name,
            api_key,
        } = actor
        else {
            return Ok(Self::System);
        };
        let key = api_key.map(|id| directory.api_key(id).ok_or_else(gone));
        let principal = match key.transpose()? {
            None => directory.principal(user_name, device_name),
            Some(key) if key.user_name == *user_name && key.device_name == *device_name => {
                directory.signer(key)
            }
            Some(_) => None,
        };
        principal
            .map(|principal| Self::Caller(principal.rights))
            .ok_or_else(gone)
    }

    /// Asks for one of these rights.
    pub(super) fn must_have(&self, one_of: &[KnownRight]) -> Result<(), Refusal> {
        let Self::Caller(rights) = self else {
            return Ok(());
        };
        if one_of.iter().any(|right| rights.allows(*right)) {
            return Ok(());
        }
        let names: Vec<_> = one_of.iter().map(|right| right.as_str()).collect();
        Err(Refusal::Forbidden(format!(
            "This needs the right {}.",
            names.join(" or ")
        )))
    }

    /// Asks for every one of `rights`, which belong to `whose`.
    pub(super) fn must_cover(
        &self,
        rights: &Rights,
        whose: impl fmt::Display,
    ) -> Result<(), Refusal> {
        let Self::Caller(own) = self else {
            return Ok(());
        };
        let missing = own.missing(rights);
        if missing == Rights::NONE {
            return Ok(());
        }
        Err(lacks(&missing, whose))
    }

    /// No escalation, whatever the change was: nobody holds a right on a
    /// device that the caller lacks and that did not count there before.
    /// Entries that are not active count as well, so that nothing is prepared
    /// today that somebody else switches on tomorrow.
    pub(super) fn must_not_raise(
        &self,
        before: &Directory,
        after: &Directory,
    ) -> Result<(), Refusal> {
        let Self::Caller(own) = self else {
            return Ok(());
        };
        if own.is_admin() {
            return Ok(());
        }
        for user in after.users() {
            let old_user = before.user(user.id);
            for entry in &user.devices {
                let old_entry = old_user.and_then(|old| old.device(&entry.name));
                for counted in [Counted::Assigned, Counted::InForce] {
                    let held = after.counted(user, entry, counted);
                    let had = old_user
                        .zip(old_entry)
                        .map_or(Rights::NONE, |(user, entry)| {
                            before.counted(user, entry, counted)
                        });
                    let gained = had.missing(&own.missing(&held));
                    if gained != Rights::NONE {
                        let whose = format_args!("user '{}' on '{}'", user.user_name, entry.name);
                        return Err(lacks(&gained, whose));
                    }
                }
            }
        }
        Ok(())
    }
}

fn gone() -> Refusal {
    Refusal::Forbidden("The caller is no longer active here.".to_owned())
}

fn lacks(missing: &Rights, whose: impl fmt::Display) -> Refusal {
    let names: Vec<_> = missing.iter().map(Right::as_str).collect();
    let names = names.join(", ");
    Refusal::Forbidden(format!("The caller lacks rights of {whose}: {names}."))
}

/// Which of a user's entries give rights.
#[derive(Clone, Copy)]
enum Counted {
    /// All of them, active or not.
    Assigned,
    /// Those that are active, of an active user, on an active device.
    InForce,
}

impl Directory {
    /// The rights of an entry on a device of `env`.
    pub(super) fn rights_of(&self, entry: &UserDevice, env: Env) -> Rights {
        self.roles_of(entry)
            .filter(|role| role.env_names.contains(&env))
            .flat_map(|role| role.rights.iter().cloned())
            .collect()
    }

    /// Every right of every role that a user has anywhere, whether or not it
    /// counts at present: a change of an environment is enough to make it
    /// count.
    pub(super) fn reach_of(&self, user: &User) -> Rights {
        let roles = user.devices.iter().flat_map(|entry| self.roles_of(entry));
        roles.flat_map(|role| role.rights.iter().cloned()).collect()
    }

    fn roles_of<'a>(&'a self, entry: &'a UserDevice) -> impl Iterator<Item = &'a Role> {
        entry
            .roles
            .iter()
            .filter_map(|name| self.role(name))
            .map(AsRef::as_ref)
    }

    fn counted(&self, user: &User, entry: &UserDevice, counted: Counted) -> Rights {
        let Some(device) = self.device(&entry.name) else {
            return Rights::NONE;
        };
        let active = user.is_active && entry.is_active && device.is_active;
        match counted {
            Counted::InForce if !active => Rights::NONE,
            Counted::InForce | Counted::Assigned => self.rights_of(entry, device.env),
        }
    }

    /// Whether somebody can log in as an administrator: an active user with a
    /// password who has `admin` on at least one active device.
    pub(super) fn has_admin(&self) -> bool {
        let can_log_in = |user: &&User| user.is_active && user.password.is_some();
        let admin = |user: &User| {
            let mut entries = user.devices.iter();
            entries.any(|entry| self.counted(user, entry, Counted::InForce).is_admin())
        };
        self.users()
            .map(AsRef::as_ref)
            .filter(can_log_in)
            .any(admin)
    }
}
