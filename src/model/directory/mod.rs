//! Who exists and what they may: all users, devices, roles, API keys and webhooks
//! at one instant.
//! The rules by which they change stand in the files beside.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    ApiKey, ApiKeyId, ClientId, Device, DeviceName, Principal, Role, RoleName, User, UserDevice,
    UserId, UserName, Version, Webhook, WebhookId,
};

mod api_keys;
mod change;
mod decide;
mod devices;
mod guard;
mod roles;
mod target;
mod users;
mod webhooks;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use change::{
    Actor, ApiKeyInput, Credentials, DeviceInput, DirectoryChange, DirectoryDecision, Ends, Field,
    KeyEnds, Mode, Refusal, Resource, RoleInput, SecretInput, Subject, UserDeviceInput, UserInput,
    WebhookInput,
};
pub use webhooks::WEBHOOKS_MAX;

/// All users, devices, roles, API keys and webhooks at one instant. Cheap to clone (records are
/// shared), so a reader keeps a consistent snapshot while changes go on.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: BTreeMap<UserId, Arc<User>>,
    /// Every user's name in lower case: two names may not differ by case only.
    user_names: BTreeMap<String, UserId>,
    devices: BTreeMap<DeviceName, Arc<Device>>,
    device_names: BTreeMap<String, DeviceName>,
    roles: BTreeMap<RoleName, Arc<Role>>,
    role_names: BTreeMap<String, RoleName>,
    api_keys: BTreeMap<ApiKeyId, Arc<ApiKey>>,
    client_ids: BTreeMap<ClientId, ApiKeyId>,
    webhooks: BTreeMap<WebhookId, Arc<Webhook>>,
    /// Whether there has ever been a user; set-up is closed for good then.
    held_user: bool,
}

impl Directory {
    /// The directory that stored records make up. `held_user`: the stored mark
    /// that there has been a user; users among the records count as well.
    #[must_use]
    pub fn from_records(
        users: impl IntoIterator<Item = impl Into<Arc<User>>>,
        devices: impl IntoIterator<Item = impl Into<Arc<Device>>>,
        roles: impl IntoIterator<Item = impl Into<Arc<Role>>>,
        api_keys: impl IntoIterator<Item = impl Into<Arc<ApiKey>>>,
        held_user: bool,
    ) -> Self {
        let mut directory = Self {
            held_user,
            ..Self::default()
        };
        users
            .into_iter()
            .for_each(|user| directory.insert_user(user.into()));
        devices
            .into_iter()
            .for_each(|device| directory.insert_device(device.into()));
        roles
            .into_iter()
            .for_each(|role| directory.insert_role(role.into()));
        api_keys
            .into_iter()
            .for_each(|key| directory.insert_api_key(key.into()));
        directory
    }

    /// The directory, with these stored webhooks as well.
    #[must_use]
    pub fn with_webhooks(mut self, hooks: impl IntoIterator<Item = Arc<Webhook>>) -> Self {
        let hooks = hooks.into_iter();
        self.webhooks.extend(hooks.map(|hook| (hook.id, hook)));
        self
    }

    /// The user with this id.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// The user with exactly this name.
    #[must_use]
    pub fn user_named(&self, name: &UserName) -> Option<&Arc<User>> {
        let id = self.user_names.get(&name.folded())?;
        self.users.get(id).filter(|user| user.user_name == *name)
    }

    /// The user that a text names, by id or by name.
    #[must_use]
    pub fn user_by(&self, id_or_name: &str) -> Option<&Arc<User>> {
        let by_id = UserId::parse(id_or_name).ok();
        let by_name = || self.user_named(&UserName::parse(id_or_name).ok()?);
        by_id.and_then(|id| self.user(id)).or_else(by_name)
    }

    /// The device with exactly this name.
    #[must_use]
    pub fn device(&self, name: &DeviceName) -> Option<&Arc<Device>> {
        self.devices.get(name)
    }

    /// The role with exactly this name.
    #[must_use]
    pub fn role(&self, name: &RoleName) -> Option<&Arc<Role>> {
        self.roles.get(name)
    }

    /// The API key with this id.
    #[must_use]
    pub fn api_key(&self, id: ApiKeyId) -> Option<&Arc<ApiKey>> {
        self.api_keys.get(&id)
    }

    /// The API key that signed requests name so.
    #[must_use]
    pub fn api_key_named(&self, client_id: &ClientId) -> Option<&Arc<ApiKey>> {
        self.api_keys.get(self.client_ids.get(client_id)?)
    }

    /// The webhook with this id.
    #[must_use]
    pub fn webhook(&self, id: WebhookId) -> Option<&Arc<Webhook>> {
        self.webhooks.get(&id)
    }

    /// Every user, in the order of the ids.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Every device, in the order of the names.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = &Arc<Device>> {
        self.devices.values()
    }

    /// Every role, in the order of the names.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// Every API key, in the order of the ids.
    pub fn api_keys(&self) -> impl ExactSizeIterator<Item = &Arc<ApiKey>> {
        self.api_keys.values()
    }

    /// Every webhook, in the order of the ids.
    pub fn webhooks(&self) -> impl ExactSizeIterator<Item = &Arc<Webhook>> {
        self.webhooks.values()
    }

    /// Whether there has ever been a user, also one that was deleted since.
    #[must_use]
    pub const fn held_user(&self) -> bool {
        self.held_user
    }

    /// The user on the device with the rights that hold there; `None` unless
    /// user, device and the user's entry for the device are there and active.
    #[must_use]
    pub fn principal(&self, user: &UserName, device: &DeviceName) -> Option<Principal> {
        let user = self.user_named(user).filter(|user| user.is_active)?;
        let entry = user.device(device).filter(|entry| entry.is_active)?;
        let device = self.device(device).filter(|device| device.is_active)?;
        let rights = self.rights_of(entry, device.env);
        Some(Principal {
            user_name: user.user_name.clone(),
            device_name: device.name.clone(),
            must_change_password: user.must_change_password,
            user: Arc::clone(user),
            device: Arc::clone(device),
            rights,
        })
    }

    /// Whom a key's requests run as: the user on the device with the rights that
    /// hold there, cut down to the key's permissions; `None` unless the key,
    /// the user, the device and the user's entry are active.
    #[must_use]
    pub fn signer(&self, key: &ApiKey) -> Option<Principal> {
        let principal = self.principal(&key.user_name, &key.device_name)?;
        key.is_active.then(|| Principal {
            rights: principal.rights.cut_to(&key.permissions),
            ..principal
        })
    }

    /// Puts a decision of [`Directory::decide`] in force. It must have been
    /// made on this very state.
    pub fn apply(&mut self, decision: &DirectoryDecision) {
        decision
            .removed_users
            .iter()
            .for_each(|id| self.remove_user(*id));
        decision
            .removed_devices
            .iter()
            .for_each(|name| self.remove_device(name));
        decision
            .removed_roles
            .iter()
            .for_each(|name| self.remove_role(name));
        // A name that one user gives up may be another's from here on.
        decision
            .put_users
            .iter()
            .for_each(|user| self.remove_user(user.id));
        decision
            .put_users
            .iter()
            .for_each(|user| self.insert_user(Arc::clone(user)));
        decision
            .put_devices
            .iter()
            .for_each(|device| self.insert_device(Arc::clone(device)));
        decision
            .put_roles
            .iter()
            .for_each(|role| self.insert_role(Arc::clone(role)));
        decision
            .removed_api_keys
            .iter()
            .for_each(|id| self.remove_api_key(*id));
        decision
            .put_api_keys
            .iter()
            .for_each(|key| self.insert_api_key(Arc::clone(key)));
        decision.removed_webhooks.iter().for_each(|id| {
            self.webhooks.remove(id);
        });
        let put = decision.put_webhooks.iter();
        self.webhooks
            .extend(put.map(|hook| (hook.id, Arc::clone(hook))));
        self.held_user |= decision.held_user;
    }

    fn insert_user(&mut self, user: Arc<User>) {
        self.remove_user(user.id);
        self.user_names.insert(user.user_name.folded(), user.id);
        self.users.insert(user.id, user);
        self.held_user = true;
    }

    fn insert_device(&mut self, device: Arc<Device>) {
        self.device_names
            .insert(device.name.folded(), device.name.clone());
        self.devices.insert(device.name.clone(), device);
    }

    fn insert_role(&mut self, role: Arc<Role>) {
        self.role_names
            .insert(role.name.folded(), role.name.clone());
        self.roles.insert(role.name.clone(), role);
    }

    fn insert_api_key(&mut self, key: Arc<ApiKey>) {
        self.remove_api_key(key.id);
        self.client_ids.insert(key.client_id.clone(), key.id);
        self.api_keys.insert(key.id, key);
    }

    fn remove_user(&mut self, id: UserId) {
        if let Some(user) = self.users.remove(&id) {
            self.user_names.remove(&user.user_name.folded());
        }
    }

    fn remove_device(&mut self, name: &DeviceName) {
        if self.devices.remove(name).is_some() {
            self.device_names.remove(&name.folded());
        }
    }

    fn remove_role(&mut self, name: &RoleName) {
        if self.roles.remove(name).is_some() {
            self.role_names.remove(&name.folded());
        }
    }

    fn remove_api_key(&mut self, id: ApiKeyId) {
        if let Some(key) = self.api_keys.remove(&id) {
            self.client_ids.remove(&key.client_id);
        }
    }
}

/// The version of a record that replaces one of version `stored`, or is the
/// first.
fn next_version(stored: Option<Version>) -> Version {
    stored.map_or(Version::FIRST, Version::next)
}

/// A list as a set: what is named again is left out.
fn without_doubles<T: PartialEq>(list: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(list.len());
    for item in list {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// A user with other device entries, one version on.
fn with_entries(user: &User, devices: Vec<UserDevice>) -> Arc<User> {
    Arc::new(User {
        devices,
        version: user.version.next(),
        ..user.clone()
    })
}
