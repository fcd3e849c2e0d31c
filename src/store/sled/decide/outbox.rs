//! What a webhook was told, or never will be.

use super::{Verdict, acknowledge, answer};
use crate::model::{Timestamp, WebhookId};
use crate::store::sled::disk::Batch;
use crate::store::sled::op::Reply;
use crate::store::sled::shared::Shared;
use crate::store::{FAILURES_PER_HOOK_MAX, Settled};

pub(super) fn settle(
    hook: WebhookId,
    settled: Settled,
    now: Timestamp,
    reply: Reply<()>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    // It may have been deleted meanwhile, and took everything along.
    let is_there = shared.view.directory().webhook(hook).is_some();
    let steps = if is_there {
        let outbox = &shared.outbox;
        outbox.settle(hook, &settled, FAILURES_PER_HOOK_MAX, now)
    } else {
        Vec::new()
    };
    if steps.is_empty() {
        return answer(reply, Ok(()));
    }
    for step in steps {
        batch.step(step);
    }
    if let Settled::Forgotten(_, Some(entry)) = settled {
        shared.audit.record(*entry, batch);
    }
    Verdict::Write(acknowledge(reply))
}
