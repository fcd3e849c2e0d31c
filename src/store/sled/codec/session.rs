//! Bytes of sessions, of ended sessions and of fences.

use serde::{Deserialize, Serialize};

use super::{CodecError, Names, decode, encode, env, env_number};
use crate::model::{
    AuthenticationType, Author, DeviceName, EndReason, EndedSession, Ends, Identity, KeyNumber,
    Session, SessionId, Subject, Timestamp, UserName, Version,
};
use crate::store::TokenState;
use crate::store::sled::fence::Fence;
use crate::store::sled::record::Record;

#[derive(Serialize, Deserialize)]
pub(super) struct SessionValue<'a> {
    #[serde(borrow)]
    user: &'a str,
    #[serde(borrow)]
    device: &'a str,
    env: u8,
    authentication: u8,
    started_at: i64,
    expires_at: i64,
    last_access_at: i64,
    version: u64,
}

impl<'a> SessionValue<'a> {
    pub(super) fn of(session: &'a Session) -> Self {
        let identity = &session.identity;
        Self {
            user: identity.user_name.as_str(),
            device: identity.device_name.as_str(),
            env: env_number(identity.env),
            authentication: match identity.authentication_type {
                AuthenticationType::Bearer => 1,
                AuthenticationType::Nws4 => 2,
            },
            started_at: session.started_at.as_millis(),
            expires_at: session.expires_at.as_millis(),
            last_access_at: session.last_access_at.as_millis(),
            version: session.version.0,
        }
    }

    pub(super) fn session(&self, id: SessionId, names: &mut Names) -> Result<Session, CodecError> {
        Ok(Session {
            id,
            identity: Identity {
                user_name: names.user(self.user)?,
                device_name: names.device(self.device)?,
                env: env(self.env)?,
                authentication_type: match self.authentication {
                    1 => AuthenticationType::Bearer,
                    2 => AuthenticationType::Nws4,
                    _ => return Err(CodecError::Damaged("not an authentication type")),
                },
            },
            started_at: Timestamp::from_millis(self.started_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            last_access_at: Timestamp::from_millis(self.last_access_at),
            version: Version(self.version),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct RecordValue<'a> {
    #[serde(borrow)]
    session: SessionValue<'a>,
    ceiling: u64,
    began: u64,
    written: u64,
    tokens: Option<TokenValue>,
}

#[derive(Serialize, Deserialize)]
struct TokenValue {
    generation: u32,
    refresh_sha256: [u8; 32],
    salt: [u8; 16],
    jti: [u8; 16],
    issued_at: i64,
    used: bool,
}

/// The bytes of a session; its id is the key.
pub fn encode_session(record: &Record) -> Vec<u8> {
    encode(&RecordValue {
        session: SessionValue::of(&record.session),
        ceiling: record.ceiling.0,
        began: record.began,
        written: record.written,
        tokens: record.tokens.map(|tokens| TokenValue {
            generation: tokens.generation,
            refresh_sha256: tokens.refresh_sha256,
            salt: tokens.salt,
            jti: tokens.jti,
            issued_at: tokens.issued_at.as_millis(),
            used: tokens.used,
        }),
    })
}

/// The session under this id.
pub fn decode_session(
    id: SessionId,
    bytes: &[u8],
    names: &mut Names,
) -> Result<Record, CodecError> {
    let value: RecordValue<'_> = decode(bytes)?;
    Ok(Record {
        session: value.session.session(id, names)?,
        ceiling: Version(value.ceiling),
        began: value.began,
        written: value.written,
        tokens: value.tokens.map(|tokens| TokenState {
            generation: tokens.generation,
            refresh_sha256: tokens.refresh_sha256,
            salt: tokens.salt,
            jti: tokens.jti,
            issued_at: Timestamp::from_millis(tokens.issued_at),
            used: tokens.used,
        }),
    })
}

#[derive(Serialize, Deserialize)]
pub(super) enum AuthorValue<'a> {
    Server,
    CommandLine,
    Caller(&'a str, &'a str),
}

impl<'a> AuthorValue<'a> {
    pub(super) fn of(author: &'a Author) -> Self {
        match author {
            Author::Server => Self::Server,
            Author::CommandLine => Self::CommandLine,
            Author::Caller {
                user_name,
                device_name,
            } => Self::Caller(user_name.as_str(), device_name.as_str()),
        }
    }

    pub(super) fn author(&self, names: &mut Names) -> Result<Author, CodecError> {
        Ok(match self {
            Self::Server => Author::Server,
            Self::CommandLine => Author::CommandLine,
            Self::Caller(user, device) => Author::Caller {
                user_name: names.user(user)?,
                device_name: names.device(device)?,
            },
        })
    }
}

pub(super) fn reason(number: u8) -> Result<EndReason, CodecError> {
    EndReason::from_number(number).ok_or(CodecError::Damaged("not a reason"))
}

#[derive(Serialize, Deserialize)]
struct EndedValue<'a> {
    #[serde(borrow)]
    session: SessionValue<'a>,
    reason: u8,
    #[serde(borrow)]
    by: AuthorValue<'a>,
    commit: u64,
}

/// The bytes of an archive record; instant and id are the key.
pub fn encode_ended(ended: &EndedSession) -> Vec<u8> {
    encode(&EndedValue {
        session: SessionValue::of(&ended.session),
        reason: ended.reason as u8,
        by: AuthorValue::of(&ended.by),
        commit: ended.commit,
    })
}

/// The archive record under this instant and id.
pub fn decode_ended(
    ended_at: Timestamp,
    id: SessionId,
    bytes: &[u8],
    names: &mut Names,
) -> Result<EndedSession, CodecError> {
    let value: EndedValue<'_> = decode(bytes)?;
    Ok(EndedSession {
        session: value.session.session(id, names)?,
        ended_at,
        reason: reason(value.reason)?,
        by: value.by.author(names)?,
        commit: value.commit,
    })
}

#[derive(Serialize, Deserialize)]
enum SubjectValue<'a> {
    Everybody,
    User(&'a str),
    Device(&'a str),
    UserOnDevice(&'a str, &'a str),
    Key(u16),
}

impl<'a> SubjectValue<'a> {
    fn of(subject: &'a Subject) -> Self {
        match subject {
            Subject::Everybody => Self::Everybody,
            Subject::User(user) => Self::User(user.as_str()),
            Subject::Device(device) => Self::Device(device.as_str()),
            Subject::UserOnDevice(user, device) => {
                Self::UserOnDevice(user.as_str(), device.as_str())
            }
            Subject::Key(number) => Self::Key(number.0),
        }
    }

    fn subject(&self, names: &mut Names) -> Result<Subject, CodecError> {
        let mut user = |text: &str| -> Result<UserName, CodecError> { names.user(text) };
        Ok(match self {
            Self::Everybody => Subject::Everybody,
            Self::User(name) => Subject::User(user(name)?),
            Self::Device(name) => Subject::Device(names.device(name)?),
            Self::UserOnDevice(name, device) => {
                let name = user(name)?;
                let device: DeviceName = names.device(device)?;
                Subject::UserOnDevice(name, device)
            }
            Self::Key(number) => Subject::Key(KeyNumber(*number)),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct EndsValue<'a> {
    #[serde(borrow)]
    subject: SubjectValue<'a>,
    keep: Option<[u8; 32]>,
    reason: u8,
}

#[derive(Serialize, Deserialize)]
struct FenceValue<'a> {
    number: u64,
    #[serde(borrow)]
    ends: Vec<EndsValue<'a>>,
    #[serde(borrow)]
    by: AuthorValue<'a>,
    at: i64,
}

/// The bytes of a fence.
pub fn encode_fence(fence: &Fence) -> Vec<u8> {
    let ends = fence.ends.iter().map(|ends| EndsValue {
        subject: SubjectValue::of(&ends.subject),
        keep: ends.keep.map(|id| *id.as_bytes()),
        reason: ends.reason as u8,
    });
    encode(&FenceValue {
        number: fence.number,
        ends: ends.collect(),
        by: AuthorValue::of(&fence.by),
        at: fence.at.as_millis(),
    })
}

/// The fence that these bytes were made from.
pub fn decode_fence(bytes: &[u8], names: &mut Names) -> Result<Fence, CodecError> {
    let value: FenceValue<'_> = decode(bytes)?;
    let mut ends = Vec::with_capacity(value.ends.len());
    for one in &value.ends {
        let keep = one.keep.map(|id| SessionId::from_bytes(&id)).transpose();
        ends.push(Ends {
            subject: one.subject.subject(names)?,
            keep: keep.map_err(|_| CodecError::Damaged("not a session id"))?,
            reason: reason(one.reason)?,
        });
    }
    let (by, at) = (value.by.author(names)?, Timestamp::from_millis(value.at));
    Ok(Fence {
        number: value.number,
        ends,
        by,
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let at = |millis: i64| Timestamp::from_millis(1_700_000_000_000 + millis);
        Record {
            session: Session {
                id: SessionId::draw(),
                identity: Identity {
                    user_name: UserName::parse("Majite\u{13e}").expect("a name"),
                    device_name: DeviceName::parse("PDA1").expect("a name"),
                    env: crate::model::Env::Pda,
                    authentication_type: AuthenticationType::Nws4,
                },
                started_at: at(0),
                expires_at: at(10),
                last_access_at: at(5),
                version: Version(3),
            },
            ceiling: Version(67),
            began: 12,
            written: 14,
            tokens: Some(TokenState {
                generation: 2,
                refresh_sha256: [7; 32],
                salt: [8; 16],
                jti: [9; 16],
                issued_at: at(1),
                used: true,
            }),
        }
    }

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let record = record();
        let bytes = encode_session(&record);
        assert!(bytes.len() < 200, "{}", bytes.len());
        let read = decode_session(record.session.id, &bytes, &mut Names::default());
        assert_eq!(read, Ok(record));
    }

    #[test]
    fn an_ended_session_is_read_as_it_was_written() {
        let session = record().session;
        let by = Author::Caller {
            user_name: session.identity.user_name.clone(),
            device_name: session.identity.device_name.clone(),
        };
        for by in [by, Author::Server, Author::CommandLine] {
            for reason in EndReason::ALL {
                let ended_at = session.expires_at;
                let session = session.clone();
                let ended = EndedSession {
                    session,
                    ended_at,
                    reason,
                    by: by.clone(),
                    commit: 77,
                };
                let (bytes, id) = (encode_ended(&ended), ended.session.id);
                let read = decode_ended(ended_at, id, &bytes, &mut Names::default());
                assert_eq!(read, Ok(ended));
            }
        }
    }

    #[test]
    fn a_fence_is_read_as_it_was_written() {
        let identity = record().session.identity;
        let subjects = [
            Subject::Everybody,
            Subject::User(identity.user_name.clone()),
            Subject::Device(identity.device_name.clone()),
            Subject::UserOnDevice(identity.user_name, identity.device_name),
            Subject::Key(KeyNumber(7)),
        ];
        let ends = subjects.into_iter().map(|subject| Ends {
            subject,
            keep: Some(SessionId::draw()),
            reason: EndReason::PasswordChanged,
        });
        let fence = Fence {
            number: 99,
            ends: ends.collect(),
            by: Author::CommandLine,
            at: Timestamp::from_millis(5),
        };
        assert_eq!(
            decode_fence(&encode_fence(&fence), &mut Names::default()),
            Ok(fence)
        );
    }
}
