//! The exchange of a refresh token, and what a repeated one comes to.

use super::end::stage_end;
use super::{Verdict, answer};
use crate::model::{
    AuditAction, AuditEntry, AuditObject, Author, Cause, EndReason, ResourceKind, Version,
};
use crate::store::sled::disk::Batch;
use crate::store::sled::op::{Exchange, Reply};
use crate::store::sled::record::{Kept, RESERVE_MIN};
use crate::store::sled::shared::Shared;
use crate::store::{Action, Changed, Refreshed, StoreError, TokenState};

pub(super) fn exchange(
    wanted: &Exchange,
    reply: Reply<Refreshed>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let (refresh, now) = (wanted.refresh, wanted.now);
    let live = shared
        .table
        .find(refresh.id, now)
        .and_then(|_| shared.table.get(refresh.id));
    let Some(Kept {
        mut record,
        disk_last_access,
    }) = live
    else {
        return answer(
            reply,
            Err(StoreError::NotLive(shared.table.reason(refresh.id, now))),
        );
    };
    let identity = &record.session.identity;
    if shared
        .view
        .principal(&identity.user_name, &identity.device_name)
        .is_none()
    {
        return answer(reply, Err(StoreError::Denied));
    }
    let Some(tokens) = record
        .tokens
        .filter(|tokens| refresh.presented <= tokens.generation)
    else {
        return answer(reply, Err(StoreError::Denied));
    };
    if refresh.presented < tokens.generation {
        let first_repeat = refresh.presented + 1 == tokens.generation;
        let in_grace = now.since(tokens.issued_at) < shared.rules.refresh_grace;
        if first_repeat && in_grace && !tokens.used {
            return answer(
                reply,
                Ok(Refreshed {
                    session: record.session,
                    tokens,
                }),
            );
        }
        return reuse(wanted, reply, shared, batch);
    }
    let tokens = TokenState {
        generation: tokens.generation + 1,
        refresh_sha256: refresh.next_sha256,
        salt: tokens.salt,
        jti: refresh.next_jti,
        issued_at: now,
        used: false,
    };
    let old = (disk_last_access, record.written);
    let session = &mut record.session;
    session.expires_at = shared
        .rules
        .expires_at(session.identity.env, session.started_at, now);
    session.version = session.version.next();
    record.ceiling = Version((record.ceiling.0 + 1).max(session.version.0 + RESERVE_MIN));
    record.tokens = Some(tokens);
    record.written = batch.commit();
    batch.put_session(&record, Some(old));
    batch.queue(&shared.view.directory(), ResourceKind::Session, || {
        let session = &record.session;
        let by = Author::of(&session.identity);
        let what = Changed::Session(Box::new(session.clone()), None);
        (now, by, Action::Updated, what)
    });
    Verdict::Write(Box::new(move |shared, durable| {
        let refreshed = durable.then(|| shared.table.refreshed(&record)).flatten();
        if let Some(session) = &refreshed {
            let what = Changed::Session(Box::new(session.clone()), None);
            let (commit, by) = (record.written, Author::of(&session.identity));
            shared.changes.add(commit, now, by, Action::Updated, what);
        }
        let refreshed = refreshed.map(|session| Refreshed { session, tokens });
        let _ = reply.send(refreshed.ok_or(StoreError::Unknown));
        None
    }))
}

/// A refresh token that was exchanged before is presented again: somebody has
/// a copy, so the session ends.
fn reuse(
    wanted: &Exchange,
    reply: Reply<Refreshed>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let (id, reason, by) = (wanted.refresh.id, EndReason::RefreshReuse, Author::Server);
    let peer = wanted.origin.peer.map(|peer| peer.to_string());
    let staged = stage_end(id, reason, &by, wanted.now, shared, batch);
    let Some(staged) = staged else {
        return answer(reply, Err(StoreError::NotLive(None)));
    };
    let cause = Cause {
        by,
        origin: wanted.origin.clone(),
    };
    let session = AuditObject::session(&staged.ended.session);
    let entry = AuditEntry::new(AuditAction::RefreshReused, cause, wanted.now);
    batch.audit(entry.on(session).because(reason));
    Verdict::Write(Box::new(move |shared, durable| {
        staged.apply(shared);
        let session = id.short();
        tracing::warn!(target: "store", peer, session.id = session, "a refresh token was used twice");
        let _ = reply.send(Err(if durable {
            StoreError::Reused
        } else {
            StoreError::Unknown
        }));
        None
    }))
}
