//! A change of the directory, with the sessions that it ends.

use super::end::stage_end;
use super::fence::{entry_of, put_up};
use super::lockout::stage_unlock;
use super::{Verdict, answer};
use crate::model::{Directory, DirectoryDecision, Resource, of_change};
use crate::store::StoreError;
use crate::store::changes::outcomes;
use crate::store::outbox::of_decision;
use crate::store::sled::disk::Batch;
use crate::store::sled::fence::Fence;
use crate::store::sled::op::{Change, Reply};
use crate::store::sled::shared::Shared;

pub(super) fn change_directory(
    change: Change,
    reply: Reply<(Resource, bool)>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let directory = shared.view.directory();
    let decided = directory.decide(&change.what, &change.precondition, &change.cause.actor());
    let mut decision = match decided {
        Ok(decision) => decision,
        Err(refusal) => return answer(reply, Err(StoreError::Refused(refusal))),
    };
    if decision.created && shared.pulse.full() {
        return answer(reply, Err(StoreError::Full));
    }
    tell_audit(&decision, &directory, &change, shared, batch);
    let before = directory;
    let mut directory = (*before).clone();
    directory.apply(&decision);
    stage_directory(&decision, batch);
    if let Some(user) = &decision.unlocked {
        stage_unlock(user, shared, batch);
    }
    batch.rewrite_base(&directory);
    stage_outbox(&decision, &before, &change, shared, batch);
    let ends = std::mem::take(&mut decision.ends);
    let key_ends = std::mem::take(&mut decision.key_ends);
    // A key holds one session at most: it ends in this very group.
    let mut of_keys = Vec::new();
    for ended in key_ends {
        let held = shared.signed.of(ended.key);
        of_keys.extend(held.and_then(|id| {
            let (by, now) = (&change.cause.by, change.now);
            stage_end(id, ended.reason, by, now, shared, batch)
        }));
    }
    for key in &decision.removed_api_keys {
        batch.remove_signed(*key);
    }
    let fence = (!ends.is_empty()).then(|| Fence {
        number: batch.commit(),
        ends,
        by: change.cause.by.clone(),
        at: change.now,
    });
    if let Some(fence) = &fence {
        batch.put_fence(fence);
    }
    let (commit, by, at) = (batch.commit(), change.cause.by, change.now);
    Verdict::Write(Box::new(move |shared, durable| {
        for ended in of_keys {
            ended.apply(shared);
        }
        if durable {
            shared.view.replace(directory);
            for key in &decision.removed_api_keys {
                shared.signed.forget(*key);
            }
            shared
                .changes
                .add_decision(commit, at, &by, &decision, &before);
        }
        let fenced = fence.map(|fence| put_up(fence, shared));
        let DirectoryDecision {
            resource, created, ..
        } = decision;
        let _ = reply.send(
            durable
                .then_some((resource, created))
                .ok_or(StoreError::Unknown),
        );
        fenced
    }))
}

/// Tells the hooks that are there before the change of what it does, and notes
/// which of them begin or go with it.
fn stage_outbox(
    decision: &DirectoryDecision,
    before: &Directory,
    change: &Change,
    shared: &Shared,
    batch: &mut Batch,
) {
    for (action, what) in outcomes(decision, before) {
        let by = || change.cause.by.clone();
        batch.queue(before, what.kind(), || (change.now, by(), action, what));
    }
    let commit = batch.commit();
    for step in of_decision(&shared.outbox, decision, before, commit) {
        batch.step(step);
    }
}

/// What changes, and whose sessions end by it.
fn tell_audit(
    decision: &DirectoryDecision,
    before: &Directory,
    change: &Change,
    shared: &Shared,
    batch: &mut Batch,
) {
    let (cause, now) = (&change.cause, change.now);
    let changes = of_change(decision, before, cause, now).into_iter();
    let endings = decision.ends.iter();
    let endings = endings.filter_map(|ends| entry_of(ends, cause, now, shared));
    for entry in changes.chain(endings) {
        batch.audit(entry);
    }
}

fn stage_directory(decision: &DirectoryDecision, batch: &mut Batch) {
    decision
        .removed_users
        .iter()
        .for_each(|id| batch.remove_user(*id));
    decision
        .removed_devices
        .iter()
        .for_each(|name| batch.remove_device(name));
    decision
        .removed_roles
        .iter()
        .for_each(|name| batch.remove_role(name));
    decision
        .put_users
        .iter()
        .for_each(|user| batch.put_user(user));
    decision
        .put_devices
        .iter()
        .for_each(|device| batch.put_device(device));
    decision
        .put_roles
        .iter()
        .for_each(|role| batch.put_role(role));
    decision
        .removed_api_keys
        .iter()
        .for_each(|id| batch.remove_api_key(*id));
    decision
        .put_api_keys
        .iter()
        .for_each(|key| batch.put_api_key(key));
    let gone = decision.removed_webhooks.iter();
    gone.for_each(|id| batch.remove_webhook(*id));
    let put = decision.put_webhooks.iter();
    put.for_each(|hook| batch.put_webhook(hook));
}
