//! The beginning of a session: a login whose password was right.

use std::sync::Arc;

use super::end::stage_end;
use super::{Verdict, answer};
use super::{limits, lockout};
use crate::model::{
    AuditAction, AuditEntry, AuditObject, Author, EndReason, Principal, ResourceKind, Session,
    Timestamp, Version,
};
use crate::store::sled::disk::Batch;
use crate::store::sled::op::{Begin, Reply};
use crate::store::sled::record::{RESERVE_MIN, Record};
use crate::store::sled::shared::Shared;
use crate::store::{Action, Begun, Changed, NewSession, StoreError, TokenState};

pub(super) fn begin(
    begin: Begin,
    reply: Reply<Begun>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let Begin { new, cause, now } = begin;
    // Hashing took a while: everything is looked at again.
    if let Err(locked) = lockout::look(new.attempt.as_ref(), now, shared) {
        return answer(reply, Err(locked));
    }
    if shared.pulse.full() {
        return answer(reply, Err(StoreError::Full));
    }
    let principal = shared.view.principal(&new.user_name, &new.device_name);
    let fits = |principal: &Arc<Principal>| {
        let sells = principal.device.env.is_sale();
        let is_right = new.password_seen.is_none() || new.password_seen == principal.user.password;
        is_right && !(new.no_sale_device && sells)
    };
    let Some(principal) = principal.filter(fits) else {
        return deny(&new, now, reply, shared, batch);
    };
    // An id that has ended may still have its record behind a fence, and never
    // lives again.
    let is_known = shared.table.get(new.id).is_some();
    if is_known || shared.table.reason(new.id, now).is_some() {
        return answer(reply, Err(StoreError::Unknown));
    }
    let env = principal.device.env;
    let mut ending = if env.is_sale() {
        shared.table.on_device(&new.device_name)
    } else {
        Vec::new()
    };
    match limits::look(&new, &ending, now, shared) {
        Ok(more) => ending.extend(more),
        Err(refusal) => return answer(reply, Err(refusal)),
    }
    let end = |id| stage_end(id, EndReason::Replaced, &cause.by, now, shared, batch);
    let replaced: Vec<_> = ending.into_iter().filter_map(end).collect();
    if let Some(attempt) = &new.attempt {
        lockout::stage_success(attempt, true, now, shared, batch);
    }
    lockout::stage_use(&new.user_name, now, shared, batch);
    for end in &replaced {
        if let Some(entry) = end.entry(&cause, now) {
            batch.audit(entry);
        }
    }
    let record = first_record(new, env, now, shared, batch.commit());
    batch.put_session(&record, None);
    queue_begin(&record, &cause.by, shared, batch);
    let session = AuditObject::session(&record.session);
    let by = cause.by.clone();
    batch.audit(AuditEntry::new(AuditAction::Login, cause, now).on(session));
    Verdict::Write(Box::new(move |shared, durable| {
        if !durable {
            let _ = reply.send(Err(StoreError::Unknown));
            return None;
        }
        let ended = replaced.into_iter().filter_map(|end| {
            let was_live = end.ended.reason == EndReason::Replaced;
            end.apply(shared).filter(|_| was_live)
        });
        let replaced: Vec<Session> = ended.collect();
        shared.table.insert(&record);
        note_begin(&record, by, shared);
        let _ = reply.send(Ok(Begun {
            session: record.session,
            principal,
            replaced,
        }));
        None
    }))
}

/// Puts the beginning of a session into the outbox.
pub(super) fn queue_begin(record: &Record, by: &Author, shared: &Shared, batch: &mut Batch) {
    batch.queue(&shared.view.directory(), ResourceKind::Session, || {
        let session = &record.session;
        let what = Changed::Session(Box::new(session.clone()), None);
        (session.started_at, by.clone(), Action::Created, what)
    });
}

/// Tells those who watch of a session that everybody sees from now on.
pub(super) fn note_begin(record: &Record, by: Author, shared: &Shared) {
    let session = &record.session;
    let what = Changed::Session(Box::new(session.clone()), None);
    let at = session.started_at;
    shared
        .changes
        .add(record.began, at, by, Action::Created, what);
}

/// The login is refused as if the password had been wrong.
fn deny(
    new: &NewSession,
    now: Timestamp,
    reply: Reply<Begun>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let Some(attempt) = &new.attempt else {
        return answer(reply, Err(StoreError::Denied));
    };
    lockout::stage_failure(attempt, now, shared, batch);
    Verdict::Write(Box::new(move |_, durable| {
        let refusal = if durable {
            StoreError::Denied
        } else {
            StoreError::Unknown
        };
        let _ = reply.send(Err(refusal));
        None
    }))
}

fn first_record(
    new: NewSession,
    env: crate::model::Env,
    now: Timestamp,
    shared: &Shared,
    commit: u64,
) -> Record {
    Record {
        session: Session {
            id: new.id,
            identity: crate::model::Identity {
                user_name: new.user_name,
                device_name: new.device_name,
                env,
                authentication_type: new.authentication_type,
            },
            started_at: now,
            expires_at: shared.rules.expires_at(env, now, now),
            last_access_at: now,
            version: Version::FIRST,
        },
        ceiling: Version(Version::FIRST.0 + RESERVE_MIN),
        began: commit,
        written: commit,
        tokens: Some(TokenState {
            generation: 0,
            refresh_sha256: new.refresh_sha256,
            salt: new.salt,
            jti: new.jti,
            issued_at: now,
            used: false,
        }),
    }
}
