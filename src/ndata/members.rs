//! The members of users, devices, roles, API keys and webhooks. Only single values: lists and free
//! data can be neither filtered nor sorted by.

use super::query::{Kind, Member, Row, Value};
use crate::model::{ApiKey, Device, Role, User, Version, Webhook};

/// The members of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserMember {
    /// `id`
    Id,
    /// `userName`
    UserName,
    /// `name`
    Name,
    /// `isActive`
    IsActive,
    /// `isVirtual`
    IsVirtual,
    /// `featureName`; may be unset
    FeatureName,
    /// `mustChangePassword`
    MustChangePassword,
    /// `_v`
    Version,
}

impl Member for UserMember {
    const ALL: &'static [Self] = &[
        Self::Id,
        Self::UserName,
        Self::Name,
        Self::IsActive,
        Self::IsVirtual,
        Self::FeatureName,
        Self::MustChangePassword,
        Self::Version,
    ];
    const TIE_BREAK: &'static [Self] = &[Self::UserName, Self::Id];

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::UserName => "userName",
            Self::Name => "name",
            Self::IsActive => "isActive",
            Self::IsVirtual => "isVirtual",
            Self::FeatureName => "featureName",
            Self::MustChangePassword => "mustChangePassword",
            Self::Version => "_v",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Id | Self::UserName | Self::Name | Self::FeatureName => Kind::Text,
            Self::IsActive | Self::IsVirtual | Self::MustChangePassword => Kind::Bool,
            Self::Version => Kind::Number,
        }
    }
}

impl Row<UserMember> for User {
    fn value(&self, member: UserMember) -> Value<'_> {
        match member {
            UserMember::Id => Value::Text(self.id.to_string().into()),
            UserMember::UserName => Value::Text(self.user_name.as_str().into()),
            UserMember::Name => Value::Text(self.name.as_str().into()),
            UserMember::IsActive => Value::Bool(self.is_active),
            UserMember::IsVirtual => Value::Bool(self.is_virtual),
            UserMember::FeatureName => self
                .feature_name
                .as_deref()
                .map_or(Value::Null, |name| Value::Text(name.into())),
            UserMember::MustChangePassword => Value::Bool(self.must_change_password),
            UserMember::Version => version(self.version),
        }
    }
}

/// The members of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceMember {
    /// `name`
    Name,
    /// `isActive`
    IsActive,
    /// `envName`
    EnvName,
    /// `description`
    Description,
    /// `_v`
    Version,
}

impl Member for DeviceMember {
    const ALL: &'static [Self] = &[
        Self::Name,
        Self::IsActive,
        Self::EnvName,
        Self::Description,
        Self::Version,
    ];
    const TIE_BREAK: &'static [Self] = &[Self::Name];

    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::IsActive => "isActive",
            Self::EnvName => "envName",
            Self::Description => "description",
            Self::Version => "_v",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Name | Self::EnvName | Self::Description => Kind::Text,
            Self::IsActive => Kind::Bool,
            Self::Version => Kind::Number,
        }
    }
}

impl Row<DeviceMember> for Device {
    fn value(&self, member: DeviceMember) -> Value<'_> {
        match member {
            DeviceMember::Name => Value::Text(self.name.as_str().into()),
            DeviceMember::IsActive => Value::Bool(self.is_active),
            DeviceMember::EnvName => Value::Text(self.env.as_str().into()),
            DeviceMember::Description => Value::Text(self.description.as_str().into()),
            DeviceMember::Version => version(self.version),
        }
    }
}

/// The members of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoleMember {
    /// `name`
    Name,
    /// `label`
    Label,
    /// `description`
    Description,
    /// `_v`
    Version,
}

impl Member for RoleMember {
    const ALL: &'static [Self] = &[Self::Name, Self::Label, Self::Description, Self::Version];
    const TIE_BREAK: &'static [Self] = &[Self::Name];

    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Label => "label",
            Self::Description => "description",
            Self::Version => "_v",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Name | Self::Label | Self::Description => Kind::Text,
            Self::Version => Kind::Number,
        }
    }
}

impl Row<RoleMember> for Role {
    fn value(&self, member: RoleMember) -> Value<'_> {
        match member {
            RoleMember::Name => Value::Text(self.name.as_str().into()),
            RoleMember::Label => Value::Text(self.label.as_str().into()),
            RoleMember::Description => Value::Text(self.description.as_str().into()),
            RoleMember::Version => version(self.version),
        }
    }
}

/// The members of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiKeyMember {
    /// `id`
    Id,
    /// `clientId`
    ClientId,
    /// `isActive`
    IsActive,
    /// `createdAt`
    CreatedAt,
    /// `name`
    Name,
    /// `description`; may be unset
    Description,
    /// `userName`
    UserName,
    /// `deviceName`
    DeviceName,
    /// `_v`
    Version,
}

impl Member for ApiKeyMember {
    const ALL: &'static [Self] = &[
        Self::Id,
        Self::ClientId,
        Self::IsActive,
        Self::CreatedAt,
        Self::Name,
        Self::Description,
        Self::UserName,
        Self::DeviceName,
        Self::Version,
    ];
    const TIE_BREAK: &'static [Self] = &[Self::CreatedAt, Self::Id];

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::ClientId => "clientId",
            Self::IsActive => "isActive",
            Self::CreatedAt => "createdAt",
            Self::Name => "name",
            Self::Description => "description",
            Self::UserName => "userName",
            Self::DeviceName => "deviceName",
            Self::Version => "_v",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Id
            | Self::ClientId
            | Self::Name
            | Self::Description
            | Self::UserName
            | Self::DeviceName => Kind::Text,
            Self::IsActive => Kind::Bool,
            Self::CreatedAt => Kind::Time,
            Self::Version => Kind::Number,
        }
    }
}

impl Row<ApiKeyMember> for ApiKey {
    fn value(&self, member: ApiKeyMember) -> Value<'_> {
        match member {
            ApiKeyMember::Id => Value::Text(self.id.to_string().into()),
            ApiKeyMember::ClientId => Value::Text(self.client_id.as_str().into()),
            ApiKeyMember::IsActive => Value::Bool(self.is_active),
            ApiKeyMember::CreatedAt => Value::Time(self.created_at),
            ApiKeyMember::Name => Value::Text(self.name.as_str().into()),
            ApiKeyMember::Description => self
                .description
                .as_deref()
                .map_or(Value::Null, |text| Value::Text(text.into())),
            ApiKeyMember::UserName => Value::Text(self.user_name.as_str().into()),
            ApiKeyMember::DeviceName => Value::Text(self.device_name.as_str().into()),
            ApiKeyMember::Version => version(self.version),
        }
    }
}

/// The members of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookMember {
    /// `id`
    Id,
    /// `url`
    Url,
    /// `hasSecret`
    HasSecret,
    /// `isActive`
    IsActive,
    /// `_v`
    Version,
}

impl Member for WebhookMember {
    const ALL: &'static [Self] = &[
        Self::Id,
        Self::Url,
        Self::HasSecret,
        Self::IsActive,
        Self::Version,
    ];
    const TIE_BREAK: &'static [Self] = &[Self::Url, Self::Id];

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Url => "url",
            Self::HasSecret => "hasSecret",
            Self::IsActive => "isActive",
            Self::Version => "_v",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Id | Self::Url => Kind::Text,
            Self::HasSecret | Self::IsActive => Kind::Bool,
            Self::Version => Kind::Number,
        }
    }
}

impl Row<WebhookMember> for Webhook {
    fn value(&self, member: WebhookMember) -> Value<'_> {
        match member {
            WebhookMember::Id => Value::Text(self.id.to_string().into()),
            WebhookMember::Url => Value::Text(self.url.as_str().into()),
            WebhookMember::HasSecret => Value::Bool(self.sealed_secret.is_some()),
            WebhookMember::IsActive => Value::Bool(self.is_active),
            WebhookMember::Version => version(self.version),
        }
    }
}

fn version(version: Version) -> Value<'static> {
    Value::Number(i64::try_from(version.0).unwrap_or(i64::MAX))
}
