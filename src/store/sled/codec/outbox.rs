//! Bytes of what webhooks are still to be told, and of what they never got.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::session::{AuthorValue, SessionValue, reason};
use super::{CodecError, Names, decode, encode};
use crate::model::{ResourceKind, SessionId, Timestamp, Version, WebhookId};
use crate::store::outbox::{self, Event, Failure};
use crate::store::{Action, Change, ChangePlace, Changed};

#[derive(Serialize, Deserialize)]
struct EventValue<'a> {
    epoch: u64,
    since: i64,
    at: i64,
    #[serde(borrow)]
    by: AuthorValue<'a>,
    action: u8,
    #[serde(borrow)]
    what: WhatValue<'a>,
}

#[derive(Serialize, Deserialize)]
enum WhatValue<'a> {
    Session {
        id: [u8; 32],
        #[serde(borrow)]
        session: SessionValue<'a>,
        reason: Option<u8>,
    },
    Resource {
        kind: u8,
        id: &'a str,
        version: u64,
    },
}

impl<'a> WhatValue<'a> {
    fn of(what: &'a Changed) -> Self {
        match what {
            Changed::Session(session, reason) => Self::Session {
                id: *session.id.as_bytes(),
                session: SessionValue::of(session),
                reason: reason.map(|reason| reason as u8),
            },
            Changed::Resource { kind, id, version } => Self::Resource {
                kind: *kind as u8,
                id,
                version: version.0,
            },
        }
    }

    fn changed(&self, names: &mut Names) -> Result<Changed, CodecError> {
        Ok(match self {
            Self::Session {
                id,
                session,
                reason: number,
            } => {
                let id = SessionId::from_bytes(id);
                let id = id.map_err(|_| CodecError::Damaged("not the id of a session"))?;
                let session = session.session(id, names)?;
                Changed::Session(Box::new(session), number.map(reason).transpose()?)
            }
            Self::Resource { kind, id, version } => Changed::Resource {
                kind: ResourceKind::from_number(*kind)
                    .ok_or(CodecError::Damaged("not a kind of thing"))?,
                id: (*id).into(),
                version: Version(*version),
            },
        })
    }
}

impl<'a> EventValue<'a> {
    fn of(event: &'a Event) -> Self {
        let change = &event.change;
        Self {
            epoch: change.place.epoch,
            since: event.since.as_millis(),
            at: change.at.as_millis(),
            by: AuthorValue::of(&change.by),
            action: match change.action {
                Action::Created => 1,
                Action::Updated => 2,
                Action::Deleted => 3,
            },
            what: WhatValue::of(&change.what),
        }
    }

    fn event(&self, number: u64, names: &mut Names) -> Result<Event, CodecError> {
        let (commit, place) = outbox::place(number);
        let change = Change {
            place: ChangePlace {
                epoch: self.epoch,
                commit,
                number: place,
            },
            at: Timestamp::from_millis(self.at),
            by: self.by.author(names)?,
            action: match self.action {
                1 => Action::Created,
                2 => Action::Updated,
                3 => Action::Deleted,
                _ => return Err(CodecError::Damaged("not an action")),
            },
            what: self.what.changed(names)?,
            written: OnceLock::new(),
        };
        Ok(Event {
            since: Timestamp::from_millis(self.since),
            change,
        })
    }
}

/// The bytes of an event; its number is the key.
pub fn encode_event(event: &Event) -> Vec<u8> {
    encode(&EventValue::of(event))
}

/// The event of this number.
pub fn decode_event(number: u64, bytes: &[u8], names: &mut Names) -> Result<Event, CodecError> {
    decode::<EventValue<'_>>(bytes)?.event(number, names)
}

#[derive(Serialize, Deserialize)]
struct FailureValue<'a> {
    #[serde(borrow)]
    event: EventValue<'a>,
    at: i64,
    why: &'a str,
}

/// The bytes of a notification that a hook never got; hook and number are the key.
pub fn encode_failure(failure: &Failure) -> Vec<u8> {
    encode(&FailureValue {
        event: EventValue::of(&failure.event),
        at: failure.at.as_millis(),
        why: &failure.why,
    })
}

/// The failure under this key.
pub fn decode_failure(
    hook: WebhookId,
    number: u64,
    bytes: &[u8],
    names: &mut Names,
) -> Result<Failure, CodecError> {
    let value: FailureValue<'_> = decode(bytes)?;
    Ok(Failure {
        hook,
        event: Arc::new(value.event.event(number, names)?),
        at: Timestamp::from_millis(value.at),
        why: value.why.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AuthenticationType, Author, DeviceName, EndReason, Env, Identity, Session, UserName,
    };

    #[test]
    fn events_and_failures_are_read_as_they_were_written() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        let (user, device) = (UserName::parse("1"), DeviceName::parse("P01"));
        let identity = Identity {
            user_name: user.expect("a name"),
            device_name: device.expect("a name"),
            env: Env::CashRegister,
            authentication_type: AuthenticationType::Bearer,
        };
        let by = Author::of(&identity);
        let session = Session {
            id: SessionId::draw(),
            identity,
            started_at: at,
            expires_at: at,
            last_access_at: at,
            version: Version(7),
        };
        let role = Changed::Resource {
            kind: ResourceKind::Role,
            id: "owner".into(),
            version: Version(2),
        };
        let ended = Changed::Session(Box::new(session.clone()), Some(EndReason::Revoked));
        for (action, what) in [
            (Action::Created, Changed::Session(Box::new(session), None)),
            (Action::Updated, role),
            (Action::Deleted, ended),
        ] {
            let place = ChangePlace {
                epoch: 3,
                commit: 1_234,
                number: 5,
            };
            let event = outbox::event(place, at, at, by.clone(), action, what);
            let same = |read: &Event| {
                let (read, wrote) = (&read.change, &event.change);
                (read.place, read.at, read.action) == (wrote.place, wrote.at, wrote.action)
                    && read.what == wrote.what
                    && read.by == wrote.by
            };
            let names = &mut Names::default();
            let read = decode_event(event.number(), &encode_event(&event), names);
            assert!(same(&read.expect("an event")));
            let failure = Failure {
                hook: WebhookId::draw(),
                event: Arc::clone(&event),
                at,
                why: "answered 500".into(),
            };
            let bytes = encode_failure(&failure);
            let read = decode_failure(failure.hook, event.number(), &bytes, names);
            let read = read.expect("a failure");
            assert!(same(&read.event));
            assert_eq!(
                (read.hook, read.at, read.why),
                (failure.hook, at, failure.why)
            );
        }
    }
}
