//! Bytes of audit entries.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::session::{AuthorValue, reason};
use super::{CodecError, Names, decode, encode};
use crate::model::{
    ApiKeyId, AuditAction, AuditEntry, AuditKind, AuditObject, Cause, DeviceName, Origin,
    Timestamp, UserName,
};

#[derive(Serialize, Deserialize)]
struct AuditValue<'a> {
    action: u8,
    at: i64,
    last_at: i64,
    count: u64,
    #[serde(borrow)]
    by: AuthorValue<'a>,
    peer: Option<IpAddr>,
    request_id: Option<&'a str>,
    api_key: Option<[u8; 12]>,
    #[serde(borrow)]
    object: Option<ObjectValue<'a>>,
    reason: Option<u8>,
    #[serde(borrow)]
    changed: Vec<&'a str>,
    detail: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct ObjectValue<'a> {
    kind: u8,
    id: Option<&'a str>,
    user: Option<&'a str>,
    device: Option<&'a str>,
}

impl<'a> ObjectValue<'a> {
    fn of(object: &'a AuditObject) -> Self {
        Self {
            kind: object.kind as u8,
            id: object.id.as_deref(),
            user: object.user_name.as_ref().map(UserName::as_str),
            device: object.device_name.as_ref().map(DeviceName::as_str),
        }
    }

    fn object(&self, names: &mut Names) -> Result<AuditObject, CodecError> {
        let kind = AuditKind::from_number(self.kind);
        Ok(AuditObject {
            kind: kind.ok_or(CodecError::Damaged("not a kind of thing"))?,
            id: self.id.map(Box::from),
            user_name: self.user.map(|name| names.user(name)).transpose()?,
            device_name: self.device.map(|name| names.device(name)).transpose()?,
        })
    }
}

/// The bytes of an audit entry; its number is the key.
pub fn encode_audit(entry: &AuditEntry) -> Vec<u8> {
    let origin = &entry.cause.origin;
    encode(&AuditValue {
        action: entry.action as u8,
        at: entry.at.as_millis(),
        last_at: entry.last_at.as_millis(),
        count: entry.count,
        by: AuthorValue::of(&entry.cause.by),
        peer: origin.peer,
        request_id: origin.request_id.as_deref(),
        api_key: origin.api_key.map(|id| *id.as_bytes()),
        object: entry.object.as_ref().map(ObjectValue::of),
        reason: entry.reason.map(|reason| reason as u8),
        changed: entry.changed.iter().map(|name| &**name).collect(),
        detail: entry.detail.as_deref(),
    })
}

/// The audit entry under this number.
pub fn decode_audit(
    number: u64,
    bytes: &[u8],
    names: &mut Names,
) -> Result<AuditEntry, CodecError> {
    let value: AuditValue<'_> = decode(bytes)?;
    let action = AuditAction::from_number(value.action);
    let object = value
        .object
        .map(|object| object.object(names))
        .transpose()?;
    Ok(AuditEntry {
        number,
        action: action.ok_or(CodecError::Damaged("not an action"))?,
        at: Timestamp::from_millis(value.at),
        last_at: Timestamp::from_millis(value.last_at),
        count: value.count,
        cause: Cause {
            by: value.by.author(names)?,
            origin: Origin {
                peer: value.peer,
                request_id: value.request_id.map(Into::into),
                api_key: value.api_key.map(ApiKeyId::from_bytes),
            },
        },
        object,
        reason: value.reason.map(reason).transpose()?,
        changed: value.changed.into_iter().map(Box::from).collect(),
        detail: value.detail.map(Box::from),
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::model::EndReason;

    #[test]
    fn an_audit_entry_is_read_as_it_was_written() {
        let user = UserName::parse("Majite\u{13e}").expect("a name");
        let device = DeviceName::parse("P01").expect("a name");
        let origin = Origin {
            peer: Some(Ipv6Addr::LOCALHOST.into()),
            request_id: Some("1a2b-7".into()),
            api_key: Some(ApiKeyId::draw()),
        };
        let at = Timestamp::from_millis(1_700_000_000_123);
        let mut whole = AuditEntry::new(
            AuditAction::Updated,
            Cause::caller(user.clone(), device.clone(), origin),
            at,
        )
        .because(EndReason::NotBefore)
        .counting(7)
        .on(AuditObject {
            kind: AuditKind::ApiKey,
            id: Some("x".into()),
            user_name: Some(user),
            device_name: Some(device),
        });
        whole.changed = vec!["isActive".into(), "password".into()];
        whole.detail = Some("userName=1".into());
        let least = AuditEntry::new(AuditAction::Login, Cause::server(), at);
        for mut entry in [whole, least] {
            entry.number = 99;
            let bytes = encode_audit(&entry);
            assert_eq!(decode_audit(99, &bytes, &mut Names::default()), Ok(entry));
        }
    }
}
