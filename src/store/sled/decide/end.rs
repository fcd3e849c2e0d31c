//! The ending of one session, and the step that every ending of a single
//! session shares: its record goes from the sessions to the archive.

use std::sync::Arc;

use super::{Verdict, answer};
use crate::model::{
    AuditAction, AuditEntry, AuditObject, Author, Cause, EndReason, EndedSession, ResourceKind,
    Session, SessionId, Timestamp, Version,
};
use crate::store::sled::disk::Batch;
use crate::store::sled::op::Reply;
use crate::store::sled::record::Kept;
use crate::store::sled::shared::Shared;
use crate::store::{Action, Changed, End, Scope, StoreError};

/// An ending that is in the batch and not yet in memory.
pub struct StagedEnd {
    pub(super) ended: Arc<EndedSession>,
}

impl StagedEnd {
    /// What the audit says of it: nothing of one whose time was over before.
    pub fn entry(&self, cause: &Cause, now: Timestamp) -> Option<AuditEntry> {
        let EndedSession {
            session, reason, ..
        } = &*self.ended;
        if matches!(reason, EndReason::Expired | EndReason::Idle) {
            return None;
        }
        let action = AuditAction::SessionEnded;
        let entry = AuditEntry::new(action, cause.clone(), now).because(*reason);
        Some(entry.on(AuditObject::session(session)))
    }

    /// The instant of the ending: from here on nobody gets in.
    pub fn apply(self, shared: &Shared) -> Option<Session> {
        let Self { ended } = self;
        let (session, commit, reason) = (&ended.session, ended.commit, ended.reason);
        let (id, until) = (session.id, session.token_until());
        // In the archive first: at no instant is it in neither place.
        shared.archive.file(Arc::clone(&ended));
        let session = shared.table.remove(id, commit, reason, until);
        shared.changes.add_end(&ended);
        session
    }
}

/// Puts the ending of whatever is stored under `id` into the batch. A session
/// whose time is over is archived with the rule that struck.
pub(super) fn stage_end(
    id: SessionId,
    reason: EndReason,
    by: &Author,
    now: Timestamp,
    shared: &Shared,
    batch: &mut Batch,
) -> Option<StagedEnd> {
    let kept = shared.table.get(id)?;
    let (reason, ended_at, by) = match shared.table.lapsed(&kept.record.session, now) {
        Some((lapsed, at)) => (lapsed, at, Author::Server),
        None => (reason, now, by.clone()),
    };
    let commit = batch.commit();
    let ended = EndedSession {
        session: kept.record.session.clone(),
        ended_at,
        reason,
        by,
        commit,
    };
    stage_archive(&kept, &ended, shared, batch);
    Some(StagedEnd {
        ended: Arc::new(ended),
    })
}

/// Puts the ending of a session whose time is over into the batch.
pub fn stage_lapsed(
    id: SessionId,
    reason: EndReason,
    ended_at: Timestamp,
    shared: &Shared,
    batch: &mut Batch,
) -> Option<StagedEnd> {
    let kept = shared.table.get(id)?;
    let ended = EndedSession {
        session: kept.record.session.clone(),
        ended_at,
        reason,
        by: Author::Server,
        commit: batch.commit(),
    };
    stage_archive(&kept, &ended, shared, batch);
    let ended = Arc::new(ended);
    Some(StagedEnd { ended })
}

/// Moves a record from the sessions to the archive, in the batch, and puts its
/// ending into the outbox.
pub fn stage_archive(kept: &Kept, ended: &EndedSession, shared: &Shared, batch: &mut Batch) {
    let session = &kept.record.session;
    let user = &session.identity.user_name;
    batch.remove_session(session.id, user, kept.disk_last_access, kept.record.written);
    batch.archive(ended);
    batch.queue(&shared.view.directory(), ResourceKind::Session, || {
        let what = Changed::Session(Box::new(session.clone()), Some(ended.reason));
        (ended.ended_at, ended.by.clone(), Action::Deleted, what)
    });
}

pub(super) fn end_one(
    end: &End,
    now: Timestamp,
    reply: Reply<Session>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let conditional = end.if_match.if_match.is_some();
    if conditional {
        // From here to the answer no access moves the version.
        shared.table.pin(end.id);
    }
    let found = shared.table.find(end.id, now);
    let Some(session) = found.filter(|session| end.scope.covers(session)) else {
        shared.table.unpin(end.id);
        let told = end.scope == Scope::Any;
        let reason = told.then(|| shared.table.reason(end.id, now)).flatten();
        return answer(reply, Err(StoreError::NotLive(reason)));
    };
    let seen = Version(session.version.0 - u64::from(end.own_access));
    if !end.if_match.if_match_holds(Some(seen)) {
        shared.table.unpin(end.id);
        return answer(reply, Err(StoreError::Stale(seen)));
    }
    let Some(staged) = stage_end(end.id, end.reason, &end.cause.by, now, shared, batch) else {
        return answer(reply, Err(StoreError::NotLive(None)));
    };
    if let Some(entry) = staged.entry(&end.cause, now) {
        batch.audit(entry);
    }
    Verdict::Write(Box::new(move |shared, durable| {
        // Fail closed: whether or not the disk has it, nobody gets in.
        let ended = staged.apply(shared);
        let ended = ended.filter(|_| durable).ok_or(StoreError::Unknown);
        let _ = reply.send(ended);
        None
    }))
}
