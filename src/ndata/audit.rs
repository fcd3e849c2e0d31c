//! The members of an audit entry.

use super::query::{Kind, Member, Row, Value};
use crate::model::{AuditEntry, AuditObject, Author, DeviceName, EndReason, Timestamp, UserName};

/// The members of an audit entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditMember {
    /// `number`
    Number,
    /// `at`
    At,
    /// `lastAt`
    LastAt,
    /// `count`
    Count,
    /// `action`
    Action,
    /// `author`: `caller`, `cli` or `server`
    Author,
    /// `userName` of the caller
    UserName,
    /// `deviceName` of the caller
    DeviceName,
    /// `apiKeyId`
    ApiKeyId,
    /// `peer`
    Peer,
    /// `requestId`
    RequestId,
    /// `resourceName`
    ResourceName,
    /// `resourceId`
    ResourceId,
    /// `resourceUserName`
    ResourceUserName,
    /// `resourceDeviceName`
    ResourceDeviceName,
    /// `reason`
    Reason,
}

impl Member for AuditMember {
    const ALL: &'static [Self] = &[
        Self::Number,
        Self::At,
        Self::LastAt,
        Self::Count,
        Self::Action,
        Self::Author,
        Self::UserName,
        Self::DeviceName,
        Self::ApiKeyId,
        Self::Peer,
        Self::RequestId,
        Self::ResourceName,
        Self::ResourceId,
        Self::ResourceUserName,
        Self::ResourceDeviceName,
        Self::Reason,
    ];
    const TIE_BREAK: &'static [Self] = &[Self::Number];

    fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::At => "at",
            Self::LastAt => "lastAt",
            Self::Count => "count",
            Self::Action => "action",
            Self::Author => "author",
            Self::UserName => "userName",
            Self::DeviceName => "deviceName",
            Self::ApiKeyId => "apiKeyId",
            Self::Peer => "peer",
            Self::RequestId => "requestId",
            Self::ResourceName => "resourceName",
            Self::ResourceId => "resourceId",
            Self::ResourceUserName => "resourceUserName",
            Self::ResourceDeviceName => "resourceDeviceName",
            Self::Reason => "reason",
        }
    }

    fn alias(self) -> Option<&'static str> {
        match self {
            Self::UserName => Some("by.userName"),
            Self::DeviceName => Some("by.deviceName"),
            Self::ResourceName => Some("resource.name"),
            Self::ResourceId => Some("resource.id"),
            Self::ResourceUserName => Some("resource.userName"),
            Self::ResourceDeviceName => Some("resource.deviceName"),
            _ => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Number | Self::Count => Kind::Number,
            Self::At | Self::LastAt => Kind::Time,
            _ => Kind::Text,
        }
    }
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}

fn owned(text: Option<String>) -> Value<'static> {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}

fn number(number: u64) -> Value<'static> {
    Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

const fn time(at: Timestamp) -> Value<'static> {
    Value::Time(at)
}

impl Row<AuditMember> for AuditEntry {
    fn value(&self, member: AuditMember) -> Value<'_> {
        let origin = &self.cause.origin;
        let object = self.object.as_ref();
        let of = |look: fn(&AuditObject) -> Option<&str>| text(object.and_then(look));
        match member {
            AuditMember::Number => number(self.number),
            AuditMember::At => time(self.at),
            AuditMember::LastAt => time(self.last_at),
            AuditMember::Count => number(self.count),
            AuditMember::Action => text(Some(self.action.as_str())),
            AuditMember::Author => text(Some(self.cause.by.as_str())),
            AuditMember::UserName => match &self.cause.by {
                Author::Caller { user_name, .. } => text(Some(user_name.as_str())),
                _ => Value::Null,
            },
            AuditMember::DeviceName => match &self.cause.by {
                Author::Caller { device_name, .. } => text(Some(device_name.as_str())),
                _ => Value::Null,
            },
            AuditMember::ApiKeyId => owned(origin.api_key.map(|id| id.to_string())),
            AuditMember::Peer => owned(origin.peer.map(|peer| peer.to_string())),
            AuditMember::RequestId => text(origin.request_id.as_deref()),
            AuditMember::ResourceName => of(|object| Some(object.kind.as_str())),
            AuditMember::ResourceId => of(|object| object.id.as_deref()),
            AuditMember::ResourceUserName => {
                of(|object| object.user_name.as_ref().map(UserName::as_str))
            }
            AuditMember::ResourceDeviceName => {
                of(|object| object.device_name.as_ref().map(DeviceName::as_str))
            }
            AuditMember::Reason => text(self.reason.map(EndReason::as_str)),
        }
    }
}
