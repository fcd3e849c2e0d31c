//! The decision: whether a change may be made and what it comes to. Pure, so
//! that it can be asked before the dear work and again when the change counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::guard::Asker;
use super::{
    Actor, Directory, DirectoryChange, DirectoryDecision, Field, KeyEnds, Refusal, Resource,
    api_keys, devices, roles, users, webhooks,
};
use crate::model::{ApiKeyId, DeviceName, Precondition, RoleName, UserId, WebhookId};

impl Directory {
    /// Decides a change without making it.
    ///
    /// In this order are asked: the right to do such a thing at all (so that
    /// who may not learns nothing of what exists), whether it is there, the
    /// precondition, whether a right is touched that the caller lacks, whether
    /// the members can be so, whether such a right is granted, and whether an
    /// administrator stays.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is changed by it.
    pub fn decide(
        &self,
        change: &DirectoryChange,
        precondition: &Precondition,
        actor: &Actor,
    ) -> Result<DirectoryDecision, Refusal> {
        let asker = Asker::of(actor, self)?;
        let decision = match change {
            DirectoryChange::PutUser { mode, id, input } => {
                users::put(self, &asker, *mode, *id, input, precondition)
            }
            DirectoryChange::DeleteUser(id) => users::delete(self, &asker, *id, precondition),
            DirectoryChange::SetPassword {
                user,
                seen,
                password,
                keep,
            } => users::set_password(self, actor, *user, seen.as_ref(), password, *keep),
            DirectoryChange::Rehash {
                user,
                seen,
                password,
            } => users::rehash(self, &asker, *user, seen, password),
            DirectoryChange::Unlock(id) => users::unlock(self, &asker, *id),
            DirectoryChange::PutDevice { mode, input } => {
                devices::put(self, &asker, *mode, input, precondition)
            }
            DirectoryChange::DeleteDevice(name) => {
                devices::delete(self, &asker, name, precondition)
            }
            DirectoryChange::PutRole { mode, input } => {
                roles::put(self, &asker, *mode, input, precondition)
            }
            DirectoryChange::DeleteRole(name) => roles::delete(self, &asker, name, precondition),
            DirectoryChange::CreateApiKey {
                id,
                credentials,
                created_at,
                input,
            } => {
                let made = api_keys::Made {
                    id: *id,
                    credentials,
                    created_at: *created_at,
                };
                api_keys::create(self, &asker, &made, input, precondition)
            }
            DirectoryChange::ReplaceApiKey {
                id,
                client_id,
                sealed_secret,
                input,
            } => {
                let given = api_keys::Given {
                    client_id: client_id.as_ref(),
                    sealed_secret: sealed_secret.as_ref(),
                };
                api_keys::replace(self, &asker, *id, &given, input, precondition)
            }
            DirectoryChange::DeleteApiKey(id) => api_keys::delete(self, &asker, *id, precondition),
            DirectoryChange::CreateWebhook { id, input } => {
                webhooks::create(self, &asker, *id, input, precondition)
            }
            DirectoryChange::ReplaceWebhook { id, input } => {
                webhooks::replace(self, &asker, *id, input, precondition)
            }
            DirectoryChange::DeleteWebhook(id) => webhooks::delete(self, &asker, *id, precondition),
            DirectoryChange::SetUp(_) if self.held_user => Err(Refusal::SetUpClosed),
            DirectoryChange::All(changes) | DirectoryChange::SetUp(changes) => {
                return self.decide_all(changes, actor);
            }
        }?;
        self.look_at_outcome(change, &decision, &asker)?;
        Ok(decision)
    }

    /// What no change may bring about, whatever it is.
    fn look_at_outcome(
        &self,
        change: &DirectoryChange,
        decision: &DirectoryDecision,
        asker: &Asker,
    ) -> Result<(), Refusal> {
        // The operator's creations touch nothing that exists: an import of
        // thousands need not copy the directory for each.
        if decision.created && matches!(asker, Asker::System) {
            return Ok(());
        }
        let mut after = self.clone();
        after.apply(decision);
        asker.must_not_raise(self, &after)?;
        if self.has_admin() && !after.has_admin() {
            return Err(Refusal::Invalid(vec![Field {
                member: stripped_member(change).to_owned(),
                message: "takes the last active administrator with a password away".to_owned(),
                code: None,
            }]));
        }
        Ok(())
    }

    fn decide_all(
        &self,
        changes: &[DirectoryChange],
        actor: &Actor,
    ) -> Result<DirectoryDecision, Refusal> {
        let mut after = self.clone();
        let mut touched = Touched::default();
        for change in changes {
            let decision = after.decide(change, &Precondition::default(), actor)?;
            after.apply(&decision);
            touched.note(&decision);
        }
        Ok(touched.outcome(self, &after))
    }
}

/// The member that a person would have to write otherwise to keep the last
/// administrator.
fn stripped_member(change: &DirectoryChange) -> &'static str {
    match change {
        DirectoryChange::PutUser { input, .. } if !input.is_active => "isActive",
        DirectoryChange::PutUser { .. } => "devices",
        DirectoryChange::PutDevice { input, .. } if !input.is_active => "isActive",
        DirectoryChange::PutDevice { .. } => "envName",
        DirectoryChange::PutRole { .. } => "rights",
        DirectoryChange::DeleteUser(_) => "id",
        DirectoryChange::DeleteDevice(_) | DirectoryChange::DeleteRole(_) => "name",
        DirectoryChange::SetPassword { .. }
        | DirectoryChange::CreateApiKey { .. }
        | DirectoryChange::ReplaceApiKey { .. }
        | DirectoryChange::DeleteApiKey(_)
        | DirectoryChange::CreateWebhook { .. }
        | DirectoryChange::ReplaceWebhook { .. }
        | DirectoryChange::DeleteWebhook(_)
        | DirectoryChange::Rehash { .. }
        | DirectoryChange::Unlock(_)
        | DirectoryChange::All(_)
        | DirectoryChange::SetUp(_) => "",
    }
}

/// What several changes have touched so far.
#[derive(Default)]
struct Touched {
    users: BTreeSet<UserId>,
    devices: BTreeSet<DeviceName>,
    roles: BTreeSet<RoleName>,
    api_keys: BTreeSet<ApiKeyId>,
    webhooks: BTreeSet<WebhookId>,
    key_ends: Vec<KeyEnds>,
    ends: Vec<super::Ends>,
    created: bool,
    held_user: bool,
}

impl Touched {
    fn note(&mut self, decision: &DirectoryDecision) {
        self.users
            .extend(decision.put_users.iter().map(|user| user.id));
        self.users.extend(&decision.removed_users);
        self.devices.extend(
            decision
                .put_devices
                .iter()
                .map(|device| device.name.clone()),
        );
        self.devices
            .extend(decision.removed_devices.iter().cloned());
        self.roles
            .extend(decision.put_roles.iter().map(|role| role.name.clone()));
        self.roles.extend(decision.removed_roles.iter().cloned());
        self.api_keys
            .extend(decision.put_api_keys.iter().map(|key| key.id));
        self.api_keys.extend(&decision.removed_api_keys);
        self.webhooks
            .extend(decision.put_webhooks.iter().map(|hook| hook.id));
        self.webhooks.extend(&decision.removed_webhooks);
        for ends in &decision.key_ends {
            if !self.key_ends.iter().any(|known| known.key == ends.key) {
                self.key_ends.push(*ends);
            }
        }
        for ends in &decision.ends {
            if !self.ends.contains(ends) {
                self.ends.push(ends.clone());
            }
        }
        self.created |= decision.created;
        self.held_user |= decision.held_user;
    }

    /// The way from `before` to `after` in one step: every record once, as it
    /// is in the end.
    fn outcome(self, before: &Directory, after: &Directory) -> DirectoryDecision {
        let mut decision = DirectoryDecision::about(Resource::Several, before);
        decision.ends = self.ends;
        decision.key_ends = self.key_ends;
        decision.created = self.created;
        decision.held_user |= self.held_user;
        for id in self.users {
            match after.user(id) {
                Some(user) => decision.put_users.push(Arc::clone(user)),
                None if before.user(id).is_some() => decision.removed_users.push(id),
                None => {}
            }
        }
        for name in self.devices {
            match after.device(&name) {
                Some(device) => decision.put_devices.push(Arc::clone(device)),
                None if before.device(&name).is_some() => decision.removed_devices.push(name),
                None => {}
            }
        }
        for name in self.roles {
            match after.role(&name) {
                Some(role) => decision.put_roles.push(Arc::clone(role)),
                None if before.role(&name).is_some() => decision.removed_roles.push(name),
                None => {}
            }
        }
        for id in self.api_keys {
            match after.api_key(id) {
                Some(key) => decision.put_api_keys.push(Arc::clone(key)),
                None if before.api_key(id).is_some() => decision.removed_api_keys.push(id),
                None => {}
            }
        }
        for id in self.webhooks {
            match after.webhook(id) {
                Some(hook) => decision.put_webhooks.push(Arc::clone(hook)),
                None if before.webhook(id).is_some() => decision.removed_webhooks.push(id),
                None => {}
            }
        }
        decision
    }
}

impl DirectoryDecision {
    /// A decision about a resource that so far changes nothing.
    pub(super) fn about(resource: Resource, before: &Directory) -> Self {
        Self {
            put_users: Vec::new(),
            removed_users: Vec::new(),
            put_devices: Vec::new(),
            removed_devices: Vec::new(),
            put_roles: Vec::new(),
            removed_roles: Vec::new(),
            put_api_keys: Vec::new(),
            removed_api_keys: Vec::new(),
            put_webhooks: Vec::new(),
            removed_webhooks: Vec::new(),
            ends: Vec::new(),
            key_ends: Vec::new(),
            unlocked: None,
            resource,
            created: false,
            held_user: before.held_user,
        }
    }
}
