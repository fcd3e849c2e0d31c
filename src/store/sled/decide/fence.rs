//! Many sessions end at once: a fence goes up, and what stands behind it leaves
//! the table a few at a time.

use std::sync::Arc;

use super::{Verdict, answer};
use crate::model::{
    AuditAction, AuditEntry, AuditObject, Author, Cause, EndReason, EndedSession, Ends, Timestamp,
};
use crate::store::StoreError;
use crate::store::sled::disk::Batch;
use crate::store::sled::fence::Fence;
use crate::store::sled::op::{EndAll, Reply};
use crate::store::sled::record::Kept;
use crate::store::sled::shared::Shared;

/// A fence has been put up: these sessions are gone from memory, and their
/// records are to be moved to the archive in the background.
#[derive(Debug)]
pub struct Fenced {
    /// The fence.
    pub fence: Fence,
    /// What stood behind it, why it ended and when: a session whose time was
    /// over before the fence keeps its own reason.
    pub sessions: Vec<(Kept, EndReason, Timestamp)>,
}

impl Fenced {
    /// One of its sessions, as the archive keeps it. The passing of time is the
    /// server's, whoever put the fence up.
    pub fn as_ended(&self, kept: &Kept, reason: EndReason, ended_at: Timestamp) -> EndedSession {
        let by = match reason {
            EndReason::Expired | EndReason::Idle => Author::Server,
            _ => self.fence.by.clone(),
        };
        EndedSession {
            session: kept.record.session.clone(),
            ended_at,
            reason,
            by,
            commit: self.fence.number,
        }
    }

    /// All its sessions, as the archive keeps them.
    pub fn ended(&self) -> impl Iterator<Item = EndedSession> {
        let sessions = self.sessions.iter();
        sessions.map(|(kept, reason, at)| self.as_ended(kept, *reason, *at))
    }
}

impl From<Fence> for Fenced {
    /// A fence that nothing was found behind yet.
    fn from(fence: Fence) -> Self {
        let sessions = Vec::new();
        Self { fence, sessions }
    }
}

/// What the audit says of sessions that end together; nothing where none does.
pub(super) fn entry_of(
    ends: &Ends,
    cause: &Cause,
    at: Timestamp,
    shared: &Shared,
) -> Option<AuditEntry> {
    let ids = shared.table.ids(&ends.subject).into_iter();
    let ended = ids
        .filter(|id| ends.keep != Some(*id) && shared.table.find(*id, at).is_some())
        .count();
    if ended == 0 {
        return None;
    }
    let entry = AuditEntry::new(AuditAction::SessionsEnded, cause.clone(), at);
    let entry = entry.because(ends.reason).counting(ended);
    Some(match AuditObject::subject(&ends.subject) {
        Some(object) => entry.on(object),
        None => entry,
    })
}

pub(super) fn end_all(
    wanted: EndAll,
    reply: Reply<()>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let EndAll {
        of,
        reason,
        cause,
        now: at,
    } = wanted;
    if shared.table.ids(&of).is_empty() {
        return answer(reply, Ok(()));
    }
    let ends = vec![Ends {
        subject: of,
        keep: None,
        reason,
    }];
    if let Some(entry) = entry_of(&ends[0], &cause, at, shared) {
        batch.audit(entry);
    }
    let fence = Fence {
        number: batch.commit(),
        ends,
        by: cause.by,
        at,
    };
    batch.put_fence(&fence);
    Verdict::Write(Box::new(move |shared, durable| {
        let fenced = put_up(fence, shared);
        let _ = reply.send(durable.then_some(()).ok_or(StoreError::Unknown));
        Some(fenced)
    }))
}

/// Puts a fence up in memory: from the first line on, no session below it is
/// live; then they leave the table, a few at a time.
pub fn put_up(fence: Fence, shared: &Shared) -> Fenced {
    fence
        .ends
        .iter()
        .for_each(|ends| shared.table.add_fence(fence.number, ends));
    let mut fenced = Fenced::from(fence);
    let fence = fenced.fence.clone();
    for ends in &fence.ends {
        for id in shared.table.ids(&ends.subject) {
            let Some(kept) = shared.table.get(id) else {
                continue;
            };
            if kept.record.began < fence.number && ends.keep != Some(id) {
                let session = &kept.record.session;
                let until = session.token_until();
                let lapsed = shared.table.lapsed(session, fence.at);
                let (reason, at) = lapsed.unwrap_or((ends.reason, fence.at));
                let ended = fenced.as_ended(&kept, reason, at);
                let ended = Arc::new(ended);
                shared.archive.file(Arc::clone(&ended));
                shared.table.remove(id, fence.number, reason, until);
                shared.changes.add_end(&ended);
                fenced.sessions.push((kept, reason, at));
            }
        }
    }
    shared.table.remove_fence(fence.number);
    fenced
}
