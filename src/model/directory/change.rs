//! The words a change of the directory is made of: who asks, what is asked,
//! what it comes to, and why it is refused. Plain data; the rules stand beside.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::{
    ApiKey, ApiKeyId, ClientId, Device, DeviceName, EndReason, Env, KeyNumber, ResourceKind, Right,
    Role, RoleName, SessionId, Timestamp, User, UserId, UserName, Version, Webhook, WebhookId,
    WebhookUrl,
};

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Set-up, import or an operator on the server itself: no right is asked
    /// for, but the last administrator stays.
    System,
    /// A caller; the rights are looked up in the directory at the instant of
    /// the decision.
    Caller {
        /// The caller's user.
        user_name: UserName,
        /// The caller's device.
        device_name: DeviceName,
        /// The key that signed the request: the caller has no more rights than
        /// it leaves.
        api_key: Option<ApiKeyId>,
    },
}

/// What may already be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// POST: it must not exist.
    Create,
    /// PUT: create or replace.
    CreateOrReplace,
}

/// A user as a request describes it; left-out members already have their
/// creation defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct UserInput {
    /// The name to log in with.
    pub user_name: UserName,
    /// The name to show.
    pub name: String,
    /// Whether it may log in.
    pub is_active: bool,
    /// Data without a rule.
    pub is_virtual: bool,
    /// Data without a rule.
    pub feature_name: Option<String>,
    /// The device entries; a device named twice is invalid.
    pub devices: Vec<UserDeviceInput>,
    /// Whether the password must be changed first.
    pub must_change_password: bool,
    /// A new password, already hashed (PHC form); `None` leaves what is stored.
    pub password: Option<Arc<str>>,
}

impl From<&User> for UserInput {
    /// What leaves a user as it is.
    fn from(user: &User) -> Self {
        let devices = user.devices.iter().map(|entry| UserDeviceInput {
            name: entry.name.clone(),
            is_active: entry.is_active,
            roles: entry.roles.clone(),
        });
        Self {
            user_name: user.user_name.clone(),
            name: user.name.clone(),
            is_active: user.is_active,
            is_virtual: user.is_virtual,
            feature_name: user.feature_name.clone(),
            devices: devices.collect(),
            must_change_password: user.must_change_password,
            password: None,
        }
    }
}

/// A device entry of a user as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDeviceInput {
    /// Which device; must exist.
    pub name: DeviceName,
    /// Whether the user may log in there.
    pub is_active: bool,
    /// Roles there; must exist.
    pub roles: Vec<RoleName>,
}

/// A device as a request describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceInput {
    /// Its name.
    pub name: DeviceName,
    /// Whether anybody may log in there.
    pub is_active: bool,
    /// Where it stands.
    pub env: Env,
    /// What is shown.
    pub description: String,
    /// Stored and returned; must exist.
    pub roles: Vec<RoleName>,
    /// Free data.
    pub preferences: Map<String, Value>,
    /// Free data.
    pub settings: Map<String, Value>,
}

/// A role as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleInput {
    /// Its name.
    pub name: RoleName,
    /// What is shown.
    pub label: String,
    /// What is shown below.
    pub description: String,
    /// What it gives.
    pub rights: Vec<Right>,
    /// Where it gives it.
    pub env_names: Vec<Env>,
}

/// An API key as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyInput {
    /// Whether its requests are let in.
    pub is_active: bool,
    /// What is shown.
    pub name: String,
    /// What is shown below.
    pub description: Option<String>,
    /// Whom it stands for; must exist.
    pub user_name: UserName,
    /// Where; must exist.
    pub device_name: DeviceName,
    /// What the user's rights are cut down to; empty leaves them whole.
    pub permissions: Vec<Right>,
}

/// What signed requests prove themselves with, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What they name the key by.
    pub client_id: ClientId,
    /// The secret, sealed and bound to the key's id.
    pub sealed_secret: Arc<[u8]>,
}

/// Leaves the secret out, sealed as it is.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.client_id)
    }
}

/// One change of the directory, as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum DirectoryChange {
    /// Create a user under `id` (drawn by the caller, so that the call may be
    /// repeated), or replace the one with this id. Replacing an unknown id is
    /// [`Refusal::NotFound`].
    PutUser {
        /// Create only, or replace only when the id is known.
        mode: Mode,
        /// The user's id.
        id: UserId,
        /// What it shall be.
        input: UserInput,
    },
    /// Delete a user.
    DeleteUser(UserId),
    /// A user changes the own password: ends all its sessions but `keep`.
    SetPassword {
        /// Whose.
        user: UserId,
        /// The PHC string that the old password was checked against; when it is
        /// no longer the stored one, the change is [`Refusal::NotFound`].
        seen: Option<Arc<str>>,
        /// The new one, hashed.
        password: Arc<str>,
        /// The caller's own session, which goes on.
        keep: Option<SessionId>,
    },
    /// Put another hash of the same password. Neither ends sessions nor raises
    /// `_v`: what is shown of the user stays as it is. The server's own.
    Rehash {
        /// Whose.
        user: UserId,
        /// The PHC string that the password was verified against; when it is no
        /// longer the stored one, the change is [`Refusal::NotFound`].
        seen: Arc<str>,
        /// The dearer one.
        password: Arc<str>,
    },
    /// Forget the failed logins of a user. The user record stays as it is.
    Unlock(UserId),
    /// Create or replace a device.
    PutDevice {
        /// Create only, or either.
        mode: Mode,
        /// What it shall be.
        input: DeviceInput,
    },
    /// Delete a device and every reference to it.
    DeleteDevice(DeviceName),
    /// Create or replace a role.
    PutRole {
        /// Create only, or either.
        mode: Mode,
        /// What it shall be.
        input: RoleInput,
    },
    /// Delete a role and every reference to it.
    DeleteRole(RoleName),
    /// Create an API key under `id`, drawn by the caller.
    CreateApiKey {
        /// The key's id.
        id: ApiKeyId,
        /// Its public name and its secret.
        credentials: Credentials,
        /// The instant of the creation.
        created_at: Timestamp,
        /// What it shall be.
        input: ApiKeyInput,
    },
    /// Replace an API key; an unknown id is [`Refusal::NotFound`].
    ReplaceApiKey {
        /// The key's id.
        id: ApiKeyId,
        /// The public name that the request gives; must be the stored one.
        client_id: Option<ClientId>,
        /// Another secret, sealed; `None` leaves what is stored.
        sealed_secret: Option<Arc<[u8]>>,
        /// What it shall be.
        input: ApiKeyInput,
    },
    /// Delete an API key.
    DeleteApiKey(ApiKeyId),
    /// Create a webhook under `id`, drawn by the caller.
    CreateWebhook {
        /// Its id.
        id: WebhookId,
        /// What it shall be.
        input: WebhookInput,
    },
    /// Replace a webhook; an unknown id is [`Refusal::NotFound`].
    ReplaceWebhook {
        /// Its id.
        id: WebhookId,
        /// What it shall be.
        input: WebhookInput,
    },
    /// Delete a webhook.
    DeleteWebhook(WebhookId),
    /// Several changes in order, all or nothing (set-up, import). Each is
    /// decided on what the ones before it come to, so every rule holds after
    /// each of them; the precondition is put to none. The refusal is that of
    /// the first change that can not be made.
    All(Vec<DirectoryChange>),
    /// As `All`, but only while there has never been a user; afterwards
    /// [`Refusal::SetUpClosed`].
    SetUp(Vec<DirectoryChange>),
}

/// A webhook as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookInput {
    /// Where it is told.
    pub url: WebhookUrl,
    /// What becomes of its secret.
    pub secret: SecretInput,
    /// Of which things it is told; empty: of all.
    pub resources: Vec<ResourceKind>,
    /// Whether it is told.
    pub is_active: bool,
}

/// What becomes of a secret that may be missing.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretInput {
    /// It stays as it is: none, for what is new.
    Keep,
    /// This one, sealed.
    Put(Arc<[u8]>),
    /// There is none any more.
    Remove,
}

/// Leaves the secret out, sealed as it is.
impl fmt::Debug for SecretInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Put(_) => "Put(..)",
            Self::Remove => "Remove",
        })
    }
}

/// Whose sessions a change ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Everybody's.
    Everybody,
    /// All of one user.
    User(UserName),
    /// All on one device.
    Device(DeviceName),
    /// Those of one user on one device.
    UserOnDevice(UserName, DeviceName),
    /// Those whose newest token was signed by this key.
    Key(KeyNumber),
}

/// An ending that a change brings with it, in the same atomic step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Whose sessions.
    pub subject: Subject,
    /// All but this one.
    pub keep: Option<SessionId>,
    /// Why.
    pub reason: EndReason,
}

/// The ending of the session that an API key holds, in the same atomic step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEnds {
    /// Whose session.
    pub key: ApiKeyId,
    /// Why.
    pub reason: EndReason,
}

/// The resource that a change was about: its new state, or its last one.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A user.
    User(Arc<User>),
    /// A device.
    Device(Arc<Device>),
    /// A role.
    Role(Arc<Role>),
    /// An API key.
    ApiKey(Arc<ApiKey>),
    /// A webhook.
    Webhook(Arc<Webhook>),
    /// A change of several at once.
    Several,
}

/// What a permitted change comes to.
#[derive(Clone, Debug)]
pub struct DirectoryDecision {
    /// Users to write.
    pub put_users: Vec<Arc<User>>,
    /// Users to remove.
    pub removed_users: Vec<UserId>,
    /// Devices to write.
    pub put_devices: Vec<Arc<Device>>,
    /// Devices to remove.
    pub removed_devices: Vec<DeviceName>,
    /// Roles to write.
    pub put_roles: Vec<Arc<Role>>,
    /// Roles to remove.
    pub removed_roles: Vec<RoleName>,
    /// API keys to write.
    pub put_api_keys: Vec<Arc<ApiKey>>,
    /// API keys to remove.
    pub removed_api_keys: Vec<ApiKeyId>,
    /// Webhooks to write.
    pub put_webhooks: Vec<Arc<Webhook>>,
    /// Webhooks to remove.
    pub removed_webhooks: Vec<WebhookId>,
    /// Sessions that end with it.
    pub ends: Vec<Ends>,
    /// Keys whose session ends with it.
    pub key_ends: Vec<KeyEnds>,
    /// Whose failed logins are forgotten with it.
    pub unlocked: Option<UserName>,
    /// The resource the change was about.
    pub resource: Resource,
    /// Whether it did not exist before.
    pub created: bool,
    /// Whether there has ever been a user once this is applied.
    pub held_user: bool,
}

/// What is wrong with one member of a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The member, camelCase, as `devices[0].name`.
    pub member: String,
    /// The sentence for the person, English.
    pub message: String,
    /// `"1"` required, `"2"` unique.
    pub code: Option<&'static str>,
}

impl Field {
    /// A name that somebody else has, also when it differs by case only.
    pub(super) fn taken(member: impl Into<String>) -> Self {
        let message = "is already taken".to_owned();
        Self {
            member: member.into(),
            message,
            code: Some("2"),
        }
    }

    /// A name under which there is nothing.
    pub(super) fn unknown(member: String, what: &str, name: &dyn std::fmt::Display) -> Self {
        Self {
            member,
            message: format!("names the unknown {what} '{name}'"),
            code: None,
        }
    }
}

/// Why a change is not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is stored under this name or id.
    NotFound,
    /// `_v` of the body is not the stored one (errorCode 6), or nothing is
    /// stored (`stored` is `None`).
    VersionMismatch {
        /// `user`, `device`, `role`, `apikey` or `webhook`.
        resource: &'static str,
        /// Its name (and id, for users and keys) as far as known.
        name: String,
        /// The id of a user, API key or webhook.
        id: Option<String>,
        /// The version now stored.
        stored: Option<Version>,
    },
    /// `If-Match` or `If-None-Match` does not hold (412); same members.
    PreconditionFailed {
        /// `user`, `device`, `role`, `apikey` or `webhook`.
        resource: &'static str,
        /// Its name.
        name: String,
        /// The id of a user, API key or webhook.
        id: Option<String>,
        /// The version now stored.
        stored: Option<Version>,
    },
    /// Members that can not be so (400, errorCode 3): taken names with code
    /// `"2"`, unknown roles and devices, the last administrator.
    Invalid(Vec<Field>),
    /// The caller lacks a right (403); the sentence says which.
    Forbidden(String),
    /// Set-up is closed for good.
    SetUpClosed,
}
