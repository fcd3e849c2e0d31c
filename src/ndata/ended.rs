//! The members of an ended session: those of a session, and how it ended.

use super::query::{Kind, Member, Row, SessionMember, Value};
use crate::model::{Author, EndedSession};

/// The members of an ended session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedMember {
    /// A member of its last state.
    Session(SessionMember),
    /// `endedAt`
    EndedAt,
    /// `endReason`
    EndReason,
    /// `endedByUserName`; unset when nobody of the API ended it
    EndedByUserName,
    /// `endedByDeviceName`; unset when nobody of the API ended it
    EndedByDeviceName,
}

impl Member for EndedMember {
    const ALL: &'static [Self] = &[
        Self::Session(SessionMember::SessionId),
        Self::Session(SessionMember::UserName),
        Self::Session(SessionMember::DeviceName),
        Self::Session(SessionMember::EnvName),
        Self::Session(SessionMember::AuthenticationType),
        Self::Session(SessionMember::StartedAt),
        Self::Session(SessionMember::ExpiresAt),
        Self::Session(SessionMember::LastAccessAt),
        Self::Session(SessionMember::Version),
        Self::EndedAt,
        Self::EndReason,
        Self::EndedByUserName,
        Self::EndedByDeviceName,
    ];
    /// The order of the endings; those of one instant as sessions break ties.
    const TIE_BREAK: &'static [Self] = &[
        Self::EndedAt,
        Self::Session(SessionMember::StartedAt),
        Self::Session(SessionMember::SessionId),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Session(member) => member.name(),
            Self::EndedAt => "endedAt",
            Self::EndReason => "endReason",
            Self::EndedByUserName => "endedByUserName",
            Self::EndedByDeviceName => "endedByDeviceName",
        }
    }

    fn alias(self) -> Option<&'static str> {
        match self {
            Self::Session(member) => member.alias(),
            Self::EndedByUserName => Some("endedBy.userName"),
            Self::EndedByDeviceName => Some("endedBy.deviceName"),
            Self::EndedAt | Self::EndReason => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Session(member) => member.kind(),
            Self::EndedAt => Kind::Time,
            Self::EndReason | Self::EndedByUserName | Self::EndedByDeviceName => Kind::Text,
        }
    }
}

impl Row<EndedMember> for EndedSession {
    fn value(&self, member: EndedMember) -> Value<'_> {
        match (member, &self.by) {
            (EndedMember::Session(member), _) => self.session.value(member),
            (EndedMember::EndedAt, _) => Value::Time(self.ended_at),
            (EndedMember::EndReason, _) => Value::Text(self.reason.as_str().into()),
            (EndedMember::EndedByUserName, Author::Caller { user_name, .. }) => {
                Value::Text(user_name.as_str().into())
            }
            (EndedMember::EndedByDeviceName, Author::Caller { device_name, .. }) => {
                Value::Text(device_name.as_str().into())
            }
            (EndedMember::EndedByUserName | EndedMember::EndedByDeviceName, _) => Value::Null,
        }
    }
}
