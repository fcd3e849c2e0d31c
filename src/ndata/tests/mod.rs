//! Tests of the query language: the rules one by one (`rules`, `filters`,
//! `cursors`), and what must hold for every query and every set of rows
//! (`properties`, with rows of their own, a printer of queries and a naive
//! reading of what they mean).

mod cursors;
mod filters;
mod naive;
mod printer;
mod properties;
mod rules;
mod things;

use super::query::SessionMember as S;
use super::*;
use crate::model::{
    AuthenticationType, DeviceName, Env, Identity, Session, SessionId, Timestamp, UserName, Version,
};

fn read(raw: &str) -> Result<Query<S>, QueryErrors> {
    parse(Some(raw), &Limits::default())
}

/// The names of the refused parameters.
fn refused(result: Result<Query<S>, QueryErrors>) -> Vec<String> {
    result.map_or_else(
        |e| e.errors.into_iter().map(|e| e.member).collect(),
        |_| Vec::new(),
    )
}

fn session(id: u8, user: &str, device: &str, times: [i64; 3], version: u64) -> Session {
    let [started_at, expires_at, last_access_at] = times.map(Timestamp::from_millis);
    Session {
        id: SessionId::parse(&format!("{id:032}")).expect("32 digits"),
        identity: Identity {
            user_name: UserName::parse(user).expect("a name"),
            device_name: DeviceName::parse(device).expect("a name"),
            env: Env::Tool,
            authentication_type: AuthenticationType::Bearer,
        },
        started_at,
        expires_at,
        last_access_at,
        version: Version(version),
    }
}
