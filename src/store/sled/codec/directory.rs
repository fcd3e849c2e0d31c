//! Bytes of users, devices, roles, API keys and webhooks. Free data (`preferences`, `settings`)
//! stands as JSON text inside, since bincode can not describe it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CodecError, decode, device_name, encode, env, env_number, role_name, user_name};
use crate::model::{
    ApiKey, ApiKeyId, ClientId, Device, DeviceName, ResourceKind, Right, Role, RoleName, Timestamp,
    User, UserDevice, UserId, Version, Webhook, WebhookId, WebhookUrl,
};

#[derive(Serialize, Deserialize)]
struct UserValue<'a> {
    #[serde(borrow)]
    user_name: &'a str,
    name: &'a str,
    is_active: bool,
    is_virtual: bool,
    #[serde(borrow)]
    feature_name: Option<&'a str>,
    #[serde(borrow)]
    devices: Vec<UserDeviceValue<'a>>,
    must_change_password: bool,
    #[serde(borrow)]
    password: Option<&'a str>,
    #[serde(borrow)]
    former_passwords: Vec<&'a str>,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct UserDeviceValue<'a> {
    #[serde(borrow)]
    name: &'a str,
    is_active: bool,
    #[serde(borrow)]
    roles: Vec<&'a str>,
}

/// The bytes of a user; its id is the key.
pub fn encode_user(user: &User) -> Vec<u8> {
    let devices = user.devices.iter().map(|entry| UserDeviceValue {
        name: entry.name.as_str(),
        is_active: entry.is_active,
        roles: entry.roles.iter().map(RoleName::as_str).collect(),
    });
    encode(&UserValue {
        user_name: user.user_name.as_str(),
        name: &user.name,
        is_active: user.is_active,
        is_virtual: user.is_virtual,
        feature_name: user.feature_name.as_deref(),
        devices: devices.collect(),
        must_change_password: user.must_change_password,
        password: user.password.as_deref(),
        former_passwords: user.former_passwords.iter().map(AsRef::as_ref).collect(),
        version: user.version.0,
    })
}

/// The user under this id.
pub fn decode_user(id: UserId, bytes: &[u8]) -> Result<User, CodecError> {
    let value: UserValue<'_> = decode(bytes)?;
    let devices = value.devices.iter().map(|entry| {
        let roles = entry
            .roles
            .iter()
            .map(|role| role_name(role))
            .collect::<Result<_, _>>()?;
        Ok(UserDevice {
            name: device_name(entry.name)?,
            is_active: entry.is_active,
            roles,
        })
    });
    Ok(User {
        id,
        user_name: user_name(value.user_name)?,
        name: value.name.to_owned(),
        is_active: value.is_active,
        is_virtual: value.is_virtual,
        feature_name: value.feature_name.map(str::to_owned),
        devices: devices.collect::<Result<_, CodecError>>()?,
        must_change_password: value.must_change_password,
        password: value.password.map(Arc::from),
        former_passwords: value.former_passwords.into_iter().map(Arc::from).collect(),
        version: Version(value.version),
    })
}

#[derive(Serialize, Deserialize)]
struct DeviceValue<'a> {
    is_active: bool,
    env: u8,
    #[serde(borrow)]
    description: &'a str,
    #[serde(borrow)]
    roles: Vec<&'a str>,
    #[serde(borrow)]
    preferences: Cow<'a, str>,
    #[serde(borrow)]
    settings: Cow<'a, str>,
    version: u64,
}

/// The bytes of a device; its name is the key.
pub fn encode_device(device: &Device) -> Vec<u8> {
    encode(&DeviceValue {
        is_active: device.is_active,
        env: env_number(device.env),
        description: &device.description,
        roles: device.roles.iter().map(RoleName::as_str).collect(),
        preferences: json(&device.preferences).into(),
        settings: json(&device.settings).into(),
        version: device.version.0,
    })
}

/// The device under this name.
pub fn decode_device(name: DeviceName, bytes: &[u8]) -> Result<Device, CodecError> {
    let value: DeviceValue<'_> = decode(bytes)?;
    Ok(Device {
        name,
        is_active: value.is_active,
        env: env(value.env)?,
        description: value.description.to_owned(),
        roles: value
            .roles
            .iter()
            .map(|role| role_name(role))
            .collect::<Result<_, _>>()?,
        preferences: object(&value.preferences)?,
        settings: object(&value.settings)?,
        version: Version(value.version),
    })
}

fn json(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).expect("a JSON object is JSON")
}

fn object(text: &str) -> Result<Map<String, Value>, CodecError> {
    serde_json::from_str(text).map_err(|_| CodecError::Damaged("not a JSON object"))
}

#[derive(Serialize, Deserialize)]
struct RoleValue<'a> {
    #[serde(borrow)]
    label: &'a str,
    description: &'a str,
    #[serde(borrow)]
    rights: Vec<&'a str>,
    env_names: Vec<u8>,
    version: u64,
}

/// The bytes of a role; its name is the key.
pub fn encode_role(role: &Role) -> Vec<u8> {
    encode(&RoleValue {
        label: &role.label,
        description: &role.description,
        rights: role.rights.iter().map(Right::as_str).collect(),
        env_names: role.env_names.iter().map(|env| env_number(*env)).collect(),
        version: role.version.0,
    })
}

/// The role under this name.
pub fn decode_role(name: RoleName, bytes: &[u8]) -> Result<Role, CodecError> {
    let value: RoleValue<'_> = decode(bytes)?;
    Ok(Role {
        name,
        label: value.label.to_owned(),
        description: value.description.to_owned(),
        rights: rights(&value.rights)?,
        env_names: value
            .env_names
            .iter()
            .map(|number| env(*number))
            .collect::<Result<_, _>>()?,
        version: Version(value.version),
    })
}

fn rights(texts: &[&str]) -> Result<Vec<Right>, CodecError> {
    let rights = texts.iter().map(|right| Right::parse(right));
    rights
        .collect::<Result<_, _>>()
        .map_err(|_| CodecError::Damaged("not a right"))
}

#[derive(Serialize, Deserialize)]
struct ApiKeyValue<'a> {
    #[serde(borrow)]
    client_id: &'a str,
    #[serde(borrow)]
    sealed_secret: &'a [u8],
    is_active: bool,
    created_at: i64,
    name: &'a str,
    #[serde(borrow)]
    description: Option<&'a str>,
    user_name: &'a str,
    device_name: &'a str,
    #[serde(borrow)]
    permissions: Vec<&'a str>,
    version: u64,
}

/// The bytes of an API key, its secret sealed; its id is the key.
pub fn encode_api_key(key: &ApiKey) -> Vec<u8> {
    encode(&ApiKeyValue {
        client_id: key.client_id.as_str(),
        sealed_secret: &key.sealed_secret,
        is_active: key.is_active,
        created_at: key.created_at.as_millis(),
        name: &key.name,
        description: key.description.as_deref(),
        user_name: key.user_name.as_str(),
        device_name: key.device_name.as_str(),
        permissions: key.permissions.iter().map(Right::as_str).collect(),
        version: key.version.0,
    })
}

/// The API key under this id.
pub fn decode_api_key(id: ApiKeyId, bytes: &[u8]) -> Result<ApiKey, CodecError> {
    let value: ApiKeyValue<'_> = decode(bytes)?;
    let client_id = ClientId::parse(value.client_id);
    Ok(ApiKey {
        id,
        client_id: client_id.map_err(|_| CodecError::Damaged("not a client id"))?,
        sealed_secret: value.sealed_secret.into(),
        is_active: value.is_active,
        created_at: Timestamp::from_millis(value.created_at),
        name: value.name.to_owned(),
        description: value.description.map(str::to_owned),
        user_name: user_name(value.user_name)?,
        device_name: device_name(value.device_name)?,
        permissions: rights(&value.permissions)?,
        version: Version(value.version),
    })
}

#[derive(Serialize, Deserialize)]
struct WebhookValue<'a> {
    #[serde(borrow)]
    url: &'a str,
    #[serde(borrow)]
    sealed_secret: Option<&'a [u8]>,
    #[serde(borrow)]
    resources: &'a [u8],
    is_active: bool,
    version: u64,
}

/// The bytes of a webhook, its secret sealed; its id is the key.
pub fn encode_webhook(hook: &Webhook) -> Vec<u8> {
    let resources: Vec<u8> = hook.resources.iter().map(|kind| *kind as u8).collect();
    encode(&WebhookValue {
        url: hook.url.as_str(),
        sealed_secret: hook.sealed_secret.as_deref(),
        resources: &resources,
        is_active: hook.is_active,
        version: hook.version.0,
    })
}

/// The webhook under this id.
pub fn decode_webhook(id: WebhookId, bytes: &[u8]) -> Result<Webhook, CodecError> {
    let value: WebhookValue<'_> = decode(bytes)?;
    let url = WebhookUrl::parse(value.url);
    let resources = value.resources.iter();
    let resources = resources.map(|number| {
        let kind = ResourceKind::from_number(*number);
        kind.ok_or(CodecError::Damaged("not a kind of thing"))
    });
    Ok(Webhook {
        id,
        url: url.map_err(|_| CodecError::Damaged("not an address"))?,
        sealed_secret: value.sealed_secret.map(Arc::from),
        resources: resources.collect::<Result<_, _>>()?,
        is_active: value.is_active,
        version: Version(value.version),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Env, UserName};
    use serde_json::json;

    fn role_names() -> Vec<RoleName> {
        vec![
            RoleName::parse("owner").expect("a name"),
            RoleName::parse("cashier").expect("a name"),
        ]
    }

    #[test]
    fn a_user_is_read_as_it_was_written() {
        let user = User {
            id: UserId::draw(),
            user_name: UserName::parse("999").expect("a name"),
            name: "Majite\u{13e}".to_owned(),
            is_active: true,
            is_virtual: true,
            feature_name: Some("x".to_owned()),
            devices: vec![UserDevice {
                name: DeviceName::parse("P01").expect("a name"),
                is_active: false,
                roles: role_names(),
            }],
            must_change_password: true,
            password: Some("$argon2id$...".into()),
            former_passwords: vec!["$argon2id$.".into(), "$argon2id$..".into()],
            version: Version(4),
        };
        assert_eq!(decode_user(user.id, &encode_user(&user)), Ok(user));
    }

    #[test]
    fn a_device_is_read_as_it_was_written() {
        let object = |value: Value| value.as_object().expect("an object").clone();
        let device = Device {
            name: DeviceName::parse("P01").expect("a name"),
            is_active: true,
            env: Env::CashRegister,
            description: "Till \"1\"".to_owned(),
            roles: role_names(),
            preferences: object(json!({"a": [1, 2.5, null, {"b": "\u{1F600}"}]})),
            settings: object(json!({})),
            version: Version(1),
        };
        assert_eq!(
            decode_device(device.name.clone(), &encode_device(&device)),
            Ok(device)
        );
    }

    #[test]
    fn an_api_key_is_read_as_it_was_written() {
        let key = ApiKey {
            id: ApiKeyId::draw(),
            client_id: ClientId::draw(),
            sealed_secret: [0, 255, 7].as_slice().into(),
            is_active: true,
            created_at: Timestamp::from_millis(-1),
            name: "Web shop".to_owned(),
            description: Some(String::new()),
            user_name: UserName::parse("999").expect("a name"),
            device_name: DeviceName::parse("Link").expect("a name"),
            permissions: vec![Right::parse("Sale").expect("a right")],
            version: Version(3),
        };
        assert_eq!(decode_api_key(key.id, &encode_api_key(&key)), Ok(key));
    }

    #[test]
    fn a_role_is_read_as_it_was_written() {
        let role = Role {
            name: RoleName::parse("owner").expect("a name"),
            label: "Owner".to_owned(),
            description: String::new(),
            rights: vec![Right::parse("admin").expect("a right")],
            env_names: Env::ALL.to_vec(),
            version: Version(9),
        };
        assert_eq!(
            decode_role(role.name.clone(), &encode_role(&role)),
            Ok(role)
        );
    }
}
