//! A part of a bulk ending: some sessions that match a filter, together or not
//! at all.

use std::sync::Arc;

use super::end::{StagedEnd, stage_end};
use super::{Verdict, answer};
use crate::model::{AuditAction, AuditEntry, SessionId, Timestamp};
use crate::store::sled::disk::Batch;
use crate::store::sled::op::Reply;
use crate::store::sled::shared::Shared;
use crate::store::{EndSome, EndedSome, StoreError};

pub(super) fn end_some(
    some: &EndSome,
    now: Timestamp,
    reply: Reply<EndedSome>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let mut staged: Vec<StagedEnd> = Vec::new();
    let matches = |id: &SessionId| {
        let session = shared.table.find(*id, now);
        session.is_some_and(|session| some.matches(&session))
    };
    for id in some.ids.iter().filter(|id| matches(id)) {
        let (reason, by) = (some.reason, &some.cause.by);
        staged.extend(stage_end(*id, reason, by, now, shared, batch));
    }
    let count = staged.len();
    if count == 0 {
        let told = some.told.clone();
        return answer(reply, Ok(EndedSome { count, told }));
    }
    let told = Some(tell(some, count, now, shared, batch));
    Verdict::Write(Box::new(move |shared, durable| {
        for end in staged {
            end.apply(shared);
        }
        let ended = durable.then_some(EndedSome { count, told });
        let _ = reply.send(ended.ok_or(StoreError::Unknown));
        None
    }))
}

/// One entry counts all parts of a bulk ending.
fn tell(
    some: &EndSome,
    count: usize,
    now: Timestamp,
    shared: &Shared,
    batch: &mut Batch,
) -> Arc<AuditEntry> {
    match &some.told {
        Some(told) if shared.audit.keeps(told.number) => {
            let mut told = (**told).clone();
            told.count = told
                .count
                .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            told.last_at = now;
            let told = Arc::new(told);
            batch.audit_again(Arc::clone(&told));
            told
        }
        _ => {
            let entry = AuditEntry::new(AuditAction::SessionsEnded, some.cause.clone(), now);
            let mut entry = entry.because(some.reason).counting(count);
            entry.detail = Some(some.detail.clone());
            batch.audit(entry)
        }
    }
}
