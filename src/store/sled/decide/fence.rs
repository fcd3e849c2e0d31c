//! Many sessions end at once: a fence goes up, and what stands behind it leaves
//! the table a few at a time.

use super::{Verdict, answer};
use crate::model::{Author, EndReason, Ends, Timestamp};
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

impl From<Fence> for Fenced {
    /// A fence that nothing was found behind yet.
    fn from(fence: Fence) -> Self {
        let sessions = Vec::new();
        Self { fence, sessions }
    }
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

/// Who ended a session for this reason, when a fence of `by` did not find it
/// live: the passing of time is the server's.
pub fn author_of(reason: EndReason, by: &Author) -> Author {
    match reason {
        EndReason::Expired | EndReason::Idle => Author::Server,
        _ => by.clone(),
    }
}

/// Puts a fence up in memory: from the first line on, no session below it is
/// live; then they leave the table, a few at a time.
pub fn put_up(fence: Fence, shared: &Shared) -> Fenced {
    fence
        .ends
        .iter()
        .for_each(|ends| shared.table.add_fence(fence.number, ends));
    let mut sessions = Vec::new();
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
                shared.table.remove(id, fence.number, reason, until);
                sessions.push((kept, reason, at));
            }
        }
    }
    shared.table.remove_fence(fence.number);
    Fenced { fence, sessions }
}
