//! Attempts to log in are counted: what a wrong or a right password comes to,
//! and whether it was looked at too early to count at all.

use super::{Verdict, answer};
use crate::model::{
    Attempt, AuditAction, AuditEntry, NameKey, Outcome, Timestamp, UserLock, UserName,
};
use crate::store::StoreError;
use crate::store::sled::disk::Batch;
use crate::store::sled::op::Reply;
use crate::store::sled::shared::Shared;

/// Refuses an attempt whose time has not come: many may have been hashed at
/// once, and none behind the one that locks learns anything.
pub(super) fn look(
    attempt: Option<&Attempt>,
    now: Timestamp,
    shared: &Shared,
) -> Result<(), StoreError> {
    let rules = &shared.rules.lockout;
    let wait = attempt.and_then(|attempt| shared.lockouts.lock().wait(attempt, now, rules));
    wait.map_or(Ok(()), |wait| Err(StoreError::Locked(wait)))
}

/// Counts a failure; answers how long the next attempt has to wait.
pub(super) fn stage_failure(
    attempt: &Attempt,
    now: Timestamp,
    shared: &Shared,
    batch: &mut Batch,
) -> Option<std::time::Duration> {
    let rules = &shared.rules.lockout;
    let directory = shared.view.directory();
    let entry = AuditEntry::refused(AuditAction::LoginFailed, attempt, &directory, now);
    shared.audit.record(entry, batch);
    let user = attempt.user_name.as_ref();
    let is_known = user.is_some_and(|user| directory.user_named(user).is_some());
    let mut lockouts = shared.lockouts.lock();
    lockouts.change(attempt.user, rules, batch, |lock| {
        lock.is_known = is_known;
        lock.fail(attempt, now, rules)
    })
}

/// A password was right; answers whether that had to be written.
pub(super) fn stage_success(
    attempt: &Attempt,
    at_home: bool,
    now: Timestamp,
    shared: &Shared,
    batch: &mut Batch,
) -> bool {
    let rules = &shared.rules.lockout;
    let mut lockouts = shared.lockouts.lock();
    if lockouts.is_settled(attempt, now, rules) {
        return false;
    }
    lockouts.change(attempt.user, rules, batch, |lock| {
        lock.is_known = true;
        lock.succeed(attempt, at_home, now, rules);
    });
    true
}

/// Forgets the failures of a user.
pub(super) fn stage_unlock(user: &UserName, shared: &Shared, batch: &mut Batch) {
    let key = NameKey::of(user.as_str());
    let mut lockouts = shared.lockouts.lock();
    lockouts.change(key, &shared.rules.lockout, batch, UserLock::unlock);
}

/// A session of the user begins.
pub(super) fn stage_use(user: &UserName, now: Timestamp, shared: &Shared, batch: &mut Batch) {
    let (key, rules) = (NameKey::of(user.as_str()), &shared.rules.lockout);
    if shared.lockouts.lock().is_use_due(key, now, rules) {
        note_use(key, Some(now), shared, batch);
    }
}

fn note_use(key: NameKey, at: Option<Timestamp>, shared: &Shared, batch: &mut Batch) {
    let mut lockouts = shared.lockouts.lock();
    lockouts.change(key, &shared.rules.lockout, batch, |lock| {
        lock.is_known = true;
        lock.last_use = at;
    });
}

/// Notes when an account was used last, or forgets it.
pub(super) fn set_use(
    user: &UserName,
    at: Option<Timestamp>,
    reply: Reply<()>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    note_use(NameKey::of(user.as_str()), at, shared, batch);
    Verdict::Write(super::acknowledge(reply))
}

pub(super) fn count(
    attempt: &Attempt,
    outcome: Outcome,
    now: Timestamp,
    reply: Reply<Option<std::time::Duration>>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    if let Err(locked) = look(Some(attempt), now, shared) {
        return answer(reply, Err(locked));
    }
    // A record may grow, and a failure that is not counted is not answered.
    if shared.pulse.full() {
        return answer(reply, Err(StoreError::Full));
    }
    let wait = match outcome {
        Outcome::Wrong => stage_failure(attempt, now, shared, batch),
        Outcome::Right => {
            if !stage_success(attempt, false, now, shared, batch) {
                return answer(reply, Ok(None));
            }
            None
        }
    };
    Verdict::Write(Box::new(move |_, durable| {
        let _ = reply.send(durable.then_some(wait).ok_or(StoreError::Unknown));
        None
    }))
}
