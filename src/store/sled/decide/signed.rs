//! The sessions that signed requests go on in: at most one for each API key.

use super::begin::{note_begin, queue_begin};
use super::{Verdict, answer, lockout};
use crate::model::{AuthenticationType, Author, Identity, Principal, Session, Timestamp, Version};
use crate::store::StoreError;
use crate::store::sled::disk::Batch;
use crate::store::sled::op::{BeginSigned, Reply, Touched};
use crate::store::sled::record::{RESERVE_MIN, Record};
use crate::store::sled::shared::Shared;

pub(super) fn touched(begin: &BeginSigned, shared: &Shared) -> Touched {
    let key = begin.signer.key.id;
    let mut sessions = vec![begin.id];
    // What ends the one that is there goes to another group.
    sessions.extend(shared.signed.of(key));
    Touched {
        sessions,
        api_key: Some(key),
        ..Touched::default()
    }
}

pub(super) fn begin(
    begin: BeginSigned,
    reply: Reply<Session>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let BeginSigned { signer, id, now } = begin;
    // The signature was checked a while ago: everything is looked at again.
    let Some(principal) = shared.view.signer(&signer) else {
        return answer(reply, Err(StoreError::Denied));
    };
    let key = signer.key.id;
    let held = shared.signed.of(key);
    if let Some(session) = held.and_then(|held| shared.table.find(held, now)) {
        return answer(reply, Ok(session));
    }
    if shared.table.get(id).is_some() || shared.table.reason(id, now).is_some() {
        return answer(reply, Err(StoreError::Unknown));
    }
    if shared.pulse.full() {
        return answer(reply, Err(StoreError::Full));
    }
    lockout::stage_use(&principal.user.user_name, now, shared, batch);
    let session = first_session(id, &principal, now, shared);
    let record = Record {
        session,
        ceiling: Version(Version::FIRST.0 + RESERVE_MIN),
        began: batch.commit(),
        written: batch.commit(),
        tokens: None,
    };
    batch.put_session(&record, None);
    batch.put_signed(key, id);
    let by = Author::of(&record.session.identity);
    queue_begin(&record, &by, shared, batch);
    Verdict::Write(Box::new(move |shared, durable| {
        if !durable {
            let _ = reply.send(Err(StoreError::Unknown));
            return None;
        }
        shared.table.insert(&record);
        shared.signed.set(key, id);
        note_begin(&record, by, shared);
        let _ = reply.send(Ok(record.session));
        None
    }))
}

fn first_session(
    id: crate::model::SessionId,
    principal: &Principal,
    now: Timestamp,
    shared: &Shared,
) -> Session {
    let env = principal.device.env;
    Session {
        id,
        identity: Identity {
            user_name: principal.user.user_name.clone(),
            device_name: principal.device.name.clone(),
            env,
            authentication_type: AuthenticationType::Nws4,
        },
        started_at: now,
        expires_at: shared.rules.expires_at(env, now, now),
        last_access_at: now,
        version: Version::FIRST,
    }
}
