//! A session as memory has it goes to disk again: its counted accesses are
//! about to pass the ceiling on disk, or a test asks for it.

use super::{Finish, Verdict, answer};
use crate::model::SessionId;
use crate::store::StoreError;
use crate::store::sled::disk::Batch;
use crate::store::sled::op::Reply;
use crate::store::sled::shared::Shared;

pub(super) fn write(
    id: SessionId,
    reply: Reply<()>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    match stage_write(id, shared, batch) {
        Some(finish) => Verdict::Write(Box::new(move |shared, durable| {
            finish(shared, durable);
            let _ = reply.send(durable.then_some(()).ok_or(StoreError::Unknown));
            None
        })),
        None => answer(reply, Ok(())),
    }
}

/// Puts a session as memory has it into the batch, with a new ceiling.
pub fn stage_write(id: SessionId, shared: &Shared, batch: &mut Batch) -> Option<Finish> {
    let kept = shared.table.get(id)?;
    let mut record = shared.table.to_write(id)?;
    record.written = batch.commit();
    batch.put_session(&record, Some((kept.disk_last_access, kept.record.written)));
    Some(Box::new(move |shared, durable| {
        if durable {
            shared.table.written(id, &record);
        }
        None
    }))
}
