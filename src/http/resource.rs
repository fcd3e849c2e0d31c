//! Users, devices, roles and API keys as JSON, in the shape and order of the API.

use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::problem::ApiError;
use crate::auth::secret::Secret;
use crate::model::{
    ApiKey, Device, Directory, NameError, Principal, Right, Rights, Role, RoleName, User,
};

/// The name of a resource whose path gives it: the body may repeat it and may
/// leave it out, but not give another.
pub(super) fn same_name<T: Clone + PartialEq>(
    fields: &mut Fields<'_>,
    member: &str,
    parse: impl FnOnce(&str) -> Result<T, NameError>,
    named: &T,
) -> Option<T> {
    let given = fields.text(member);
    if given.is_none_or(|given| parse(&given).as_ref() == Ok(named)) {
        return Some(named.clone());
    }
    fields.fault(member, "differs from the name in the path", None);
    None
}

/// Refuses a body with an id that is not the one in the path.
pub(super) fn same_id<I: PartialEq, E>(
    in_path: &I,
    in_body: Option<&str>,
    parse: impl Fn(&str) -> Result<I, E>,
) -> Result<(), ApiError> {
    match in_body.map(parse) {
        Some(Ok(id)) if id == *in_path => Ok(()),
        None => Ok(()),
        Some(_) => Err(ApiError::wrong("id", "differs from the id in the path")),
    }
}

/// A user as the API shows it. Never the password.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserBody<'a> {
    id: String,
    is_active: bool,
    is_virtual: bool,
    user_name: &'a str,
    feature_name: Option<&'a str>,
    name: &'a str,
    must_change_password: bool,
    devices: Vec<UserDeviceBody<'a>>,
    #[serde(rename = "_v")]
    version: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserDeviceBody<'a> {
    is_active: bool,
    env_name: Option<&'a str>,
    name: &'a str,
    roles: Vec<&'a str>,
    description: &'a str,
    preferences: Option<&'a Map<String, Value>>,
}

impl<'a> UserBody<'a> {
    /// The user, with what its devices add.
    pub fn new(user: &'a User, directory: &'a Directory) -> Self {
        let devices = user.devices.iter().map(|entry| {
            let device = directory.device(&entry.name);
            UserDeviceBody {
                is_active: entry.is_active,
                env_name: device.map(|device| device.env.as_str()),
                name: entry.name.as_str(),
                roles: entry.roles.iter().map(RoleName::as_str).collect(),
                description: device.map_or("", |device| device.description.as_str()),
                preferences: device.map(|device| &device.preferences),
            }
        });
        Self {
            id: user.id.to_string(),
            is_active: user.is_active,
            is_virtual: user.is_virtual,
            user_name: user.user_name.as_str(),
            feature_name: user.feature_name.as_deref(),
            name: &user.name,
            must_change_password: user.must_change_password,
            devices: devices.collect(),
            version: user.version.0,
        }
    }
}

/// A device as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceBody<'a> {
    name: &'a str,
    is_active: bool,
    env_name: &'a str,
    description: &'a str,
    roles: Vec<&'a str>,
    preferences: &'a Map<String, Value>,
    settings: &'a Map<String, Value>,
    #[serde(rename = "_v")]
    version: u64,
}

impl<'a> From<&'a Device> for DeviceBody<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            name: device.name.as_str(),
            is_active: device.is_active,
            env_name: device.env.as_str(),
            description: &device.description,
            roles: device.roles.iter().map(RoleName::as_str).collect(),
            preferences: &device.preferences,
            settings: &device.settings,
            version: device.version.0,
        }
    }
}

/// A role as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleBody<'a> {
    name: &'a str,
    label: &'a str,
    description: &'a str,
    rights: Vec<&'a str>,
    env_names: Vec<&'a str>,
    #[serde(rename = "_v")]
    version: u64,
}

impl<'a> From<&'a Role> for RoleBody<'a> {
    fn from(role: &'a Role) -> Self {
        Self {
            name: role.name.as_str(),
            label: &role.label,
            description: &role.description,
            rights: role.rights.iter().map(Right::as_str).collect(),
            env_names: role.env_names.iter().map(|env| env.as_str()).collect(),
            version: role.version.0,
        }
    }
}

/// An API key as the API shows it. The secret stands in it only when it was
/// just made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyBody<'a> {
    id: String,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    is_active: bool,
    created_at: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    user_name: &'a str,
    device_name: &'a str,
    permissions: Vec<&'a str>,
    #[serde(rename = "_v")]
    version: u64,
}

impl<'a> ApiKeyBody<'a> {
    /// Adds the secret, for the answer of the creation.
    pub fn show_secret(&mut self, secret: &'a Secret) {
        self.client_secret = Some(secret.expose());
    }
}

impl<'a> From<&'a ApiKey> for ApiKeyBody<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            client_id: key.client_id.as_str(),
            client_secret: None,
            is_active: key.is_active,
            created_at: key.created_at.to_string(),
            name: &key.name,
            description: key.description.as_deref(),
            user_name: key.user_name.as_str(),
            device_name: key.device_name.as_str(),
            permissions: key.permissions.iter().map(Right::as_str).collect(),
            version: key.version.0,
        }
    }
}

/// The caller's own profile: the `user` of a login.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileBody<'a> {
    id: String,
    is_virtual: bool,
    name: &'a str,
    user_name: &'a str,
    feature_name: Option<&'a str>,
    rights: Vec<&'a str>,
    device: ProfileDeviceBody<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    must_change_password: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileDeviceBody<'a> {
    name: &'a str,
    env_name: &'a str,
    description: &'a str,
    preferences: &'a Map<String, Value>,
    settings: &'a Map<String, Value>,
}

impl<'a> From<&'a Principal> for ProfileBody<'a> {
    fn from(principal: &'a Principal) -> Self {
        let Principal {
            user,
            device,
            rights,
            ..
        } = principal;
        Self {
            id: user.id.to_string(),
            is_virtual: user.is_virtual,
            name: &user.name,
            user_name: user.user_name.as_str(),
            feature_name: user.feature_name.as_deref(),
            rights: names(rights),
            device: ProfileDeviceBody {
                name: device.name.as_str(),
                env_name: device.env.as_str(),
                description: &device.description,
                preferences: &device.preferences,
                settings: &device.settings,
            },
            must_change_password: user.must_change_password,
        }
    }
}

fn names(rights: &Rights) -> Vec<&str> {
    rights.iter().map(Right::as_str).collect()
}
