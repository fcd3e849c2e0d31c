//! The decisions: what each operation comes to, given the table as it is, and
//! what happens in memory once the disk has it.
//!
//! Every function here runs on the writer thread, before the group is written.
//! It puts its changes into the batch and returns what is to be done
//! afterwards; until then nobody sees anything.

use super::disk::Batch;
use super::fence::Fence;
use super::op::{Change, End, Op, Reply, Touched};
use super::record::{Kept, Record};
use super::shared::Shared;
use crate::model::{
    Author, DirectoryDecision, EndReason, EndedSession, Ends, Resource, Session, SessionId,
    Subject, Timestamp, Version,
};
use crate::store::{Begun, NewSession, Refresh, Refreshed, StoreError, TokenState};

/// How many accesses a fresh session may count before it is written again.
pub const RESERVE_MIN: u64 = 64;

/// What is to be done when the outcome of the group is known. On success it
/// applies the change to memory, then answers; on failure it answers
/// [`StoreError::Unknown`], and an ending counts all the same.
pub type Finish = Box<dyn FnOnce(&Shared, bool) -> Option<Fenced> + Send>;

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

/// What an operation comes to.
pub enum Verdict {
    /// It is answered; nothing is written.
    Answered,
    /// Its changes are in the batch.
    Write(Finish),
}

/// What an operation reads and writes.
pub fn touched(op: &Op, shared: &Shared) -> Touched {
    let alone = || Touched {
        alone: true,
        ..Touched::default()
    };
    let one = |id: SessionId| Touched {
        sessions: vec![id],
        ..Touched::default()
    };
    match op {
        Op::Begin(new, ..) => {
            let directory = shared.view.directory();
            let device = directory.device(&new.device_name);
            if !device.is_some_and(|device| device.env.is_sale()) {
                return one(new.id);
            }
            let mut sessions = shared.table.on_device(&new.device_name);
            sessions.push(new.id);
            Touched {
                sessions,
                sale_device: Some(new.device_name.clone()),
                alone: false,
            }
        }
        Op::End(end, _) => one(end.id),
        Op::Refresh(refresh, ..) => one(refresh.id),
        Op::Write(id, _) => one(*id),
        Op::PutMeta(..) => Touched::default(),
        Op::Change(..) | Op::EndAll(..) | Op::Sweep(..) | Op::MarkClock { .. } => alone(),
    }
}

/// Decides one operation.
pub fn decide(op: Op, shared: &Shared, batch: &mut Batch) -> Verdict {
    match op {
        Op::Begin(new, now, reply) => begin(*new, now, reply, shared, batch),
        Op::End(end, reply) => end_one(&end, reply, shared, batch),
        Op::Refresh(refresh, now, reply) => exchange(refresh, now, reply, shared, batch),
        Op::Change(change, reply) => change_directory(*change, reply, shared, batch),
        Op::EndAll(reason, by, now, reply) => end_all(reason, by, now, reply, batch),
        Op::Sweep(..) => unreachable!("the writer sweeps by itself"),
        Op::Write(id, reply) => write(id, reply, shared, batch),
        Op::PutMeta(name, value, reply) => {
            match value {
                Some(value) => batch.put_meta(&name, &value),
                None => batch.remove_meta(&name),
            }
            Verdict::Write(acknowledge(reply))
        }
        Op::MarkClock { now, reset, reply } => {
            batch.set_mark(now, reset);
            Verdict::Write(acknowledge(reply))
        }
    }
}

fn acknowledge(reply: Reply<()>) -> Finish {
    Box::new(move |_, durable| {
        let _ = reply.send(durable.then_some(()).ok_or(StoreError::Unknown));
        None
    })
}

fn answer<T>(reply: Reply<T>, answer: Result<T, StoreError>) -> Verdict {
    let _ = reply.send(answer);
    Verdict::Answered
}

fn begin(
    new: NewSession,
    now: Timestamp,
    reply: Reply<Begun>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    // Hashing took a while: everything is looked at again.
    let Some(principal) = shared.view.principal(&new.user_name, &new.device_name) else {
        return answer(reply, Err(StoreError::Denied));
    };
    if new.password_seen.is_some() && new.password_seen != principal.user.password {
        return answer(reply, Err(StoreError::Denied));
    }
    // An id that has ended may still have its record behind a fence, and never
    // lives again.
    let is_known = shared.table.get(new.id).is_some();
    if is_known || shared.table.reason(new.id, now).is_some() {
        return answer(reply, Err(StoreError::Unknown));
    }
    if shared.pulse.full() {
        return answer(reply, Err(StoreError::Full));
    }
    let env = principal.device.env;
    let author = Author::Caller {
        user_name: new.user_name.clone(),
        device_name: new.device_name.clone(),
    };
    let mut replaced = Vec::new();
    if env.is_sale() {
        for id in shared.table.on_device(&new.device_name) {
            replaced.extend(stage_end(
                id,
                EndReason::Replaced,
                &author,
                now,
                shared,
                batch,
            ));
        }
    }
    let record = first_record(new, env, now, shared, batch.commit());
    batch.put_session(&record, None);
    Verdict::Write(Box::new(move |shared, durable| {
        if !durable {
            let _ = reply.send(Err(StoreError::Unknown));
            return None;
        }
        let ended = replaced.into_iter().filter_map(|end| {
            let was_live = end.reason == EndReason::Replaced;
            end.apply(shared).filter(|_| was_live)
        });
        let replaced: Vec<Session> = ended.collect();
        shared.table.insert(&record);
        let replaced = replaced.into_iter().next();
        let _ = reply.send(Ok(Begun {
            session: record.session,
            principal,
            replaced,
        }));
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

/// An ending that is in the batch and not yet in memory.
struct StagedEnd {
    commit: u64,
    id: SessionId,
    reason: EndReason,
    until: Timestamp,
}

impl StagedEnd {
    /// The instant of the ending: from here on nobody gets in.
    fn apply(self, shared: &Shared) -> Option<Session> {
        shared
            .table
            .remove(self.id, self.commit, self.reason, self.until)
    }
}

/// Puts the ending of whatever is stored under `id` into the batch. A session
/// whose time is over is archived with the rule that struck.
fn stage_end(
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
    stage_archive(&kept, reason, by, ended_at, batch);
    let until = kept.record.session.token_until();
    Some(StagedEnd {
        commit: batch.commit(),
        id,
        reason,
        until,
    })
}

/// Moves a record from the sessions to the archive, in the batch.
pub fn stage_archive(
    kept: &Kept,
    reason: EndReason,
    by: Author,
    ended_at: Timestamp,
    batch: &mut Batch,
) {
    let session = &kept.record.session;
    let user = &session.identity.user_name;
    batch.remove_session(session.id, user, kept.disk_last_access, kept.record.written);
    batch.archive(&EndedSession {
        session: session.clone(),
        ended_at,
        reason,
        by,
    });
}

fn end_one(end: &End, reply: Reply<Session>, shared: &Shared, batch: &mut Batch) -> Verdict {
    let conditional = end.if_match.if_match.is_some();
    if conditional {
        // From here to the answer no access moves the version.
        shared.table.pin(end.id);
    }
    let Some(session) = shared.table.find(end.id, end.now) else {
        shared.table.unpin(end.id);
        return answer(
            reply,
            Err(StoreError::NotLive(shared.table.reason(end.id, end.now))),
        );
    };
    let seen = Version(session.version.0 - u64::from(end.own_access));
    if !end.if_match.if_match_holds(Some(seen)) {
        shared.table.unpin(end.id);
        return answer(reply, Err(StoreError::Stale(seen)));
    }
    let Some(staged) = stage_end(end.id, end.reason, &end.by, end.now, shared, batch) else {
        return answer(reply, Err(StoreError::NotLive(None)));
    };
    Verdict::Write(Box::new(move |shared, durable| {
        // Fail closed: whether or not the disk has it, nobody gets in.
        let ended = staged.apply(shared);
        let ended = ended.filter(|_| durable).ok_or(StoreError::Unknown);
        let _ = reply.send(ended);
        None
    }))
}

fn exchange(
    refresh: Refresh,
    now: Timestamp,
    reply: Reply<Refreshed>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
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
        return reuse(refresh.id, now, reply, shared, batch);
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
    record.ceiling = Version(record.ceiling.0.max(session.version.0) + RESERVE_MIN);
    record.tokens = Some(tokens);
    record.written = batch.commit();
    batch.put_session(&record, Some(old));
    Verdict::Write(Box::new(move |shared, durable| {
        let refreshed = durable.then(|| shared.table.refreshed(&record)).flatten();
        let refreshed = refreshed.map(|session| Refreshed { session, tokens });
        let _ = reply.send(refreshed.ok_or(StoreError::Unknown));
        None
    }))
}

/// A refresh token that was exchanged before is presented again: somebody has
/// a copy, so the session ends.
fn reuse(
    id: SessionId,
    now: Timestamp,
    reply: Reply<Refreshed>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let staged = stage_end(
        id,
        EndReason::RefreshReuse,
        &Author::Server,
        now,
        shared,
        batch,
    );
    let Some(staged) = staged else {
        return answer(reply, Err(StoreError::NotLive(None)));
    };
    Verdict::Write(Box::new(move |shared, durable| {
        staged.apply(shared);
        let _ = reply.send(Err(if durable {
            StoreError::Reused
        } else {
            StoreError::Unknown
        }));
        None
    }))
}

fn write(id: SessionId, reply: Reply<()>, shared: &Shared, batch: &mut Batch) -> Verdict {
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

fn change_directory(
    change: Change,
    reply: Reply<(Resource, bool)>,
    shared: &Shared,
    batch: &mut Batch,
) -> Verdict {
    let directory = shared.view.directory();
    let decided = directory.decide(&change.what, &change.precondition, &change.actor);
    let decision = match decided {
        Ok(decision) => decision,
        Err(refusal) => return answer(reply, Err(StoreError::Refused(refusal))),
    };
    if decision.created && shared.pulse.full() {
        return answer(reply, Err(StoreError::Full));
    }
    let mut directory = (*directory).clone();
    directory.apply(&decision);
    stage_directory(&decision, batch);
    batch.rewrite_base(&directory);
    let by = match change.actor {
        crate::model::Actor::System => Author::CommandLine,
        crate::model::Actor::Caller {
            user_name,
            device_name,
        } => Author::Caller {
            user_name,
            device_name,
        },
    };
    let DirectoryDecision {
        ends,
        resource,
        created,
        ..
    } = decision;
    let fence = (!ends.is_empty()).then(|| Fence {
        number: batch.commit(),
        ends,
        by: by.clone(),
        at: change.now,
    });
    if let Some(fence) = &fence {
        batch.put_fence(fence);
    }
    Verdict::Write(Box::new(move |shared, durable| {
        if durable {
            shared.view.replace(directory);
        }
        let fenced = fence.map(|fence| put_up(fence, shared));
        let _ = reply.send(
            durable
                .then_some((resource, created))
                .ok_or(StoreError::Unknown),
        );
        fenced
    }))
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
}

fn end_all(
    reason: EndReason,
    by: Author,
    at: Timestamp,
    reply: Reply<()>,
    batch: &mut Batch,
) -> Verdict {
    let ends = vec![Ends {
        subject: Subject::Everybody,
        keep: None,
        reason,
    }];
    let fence = Fence {
        number: batch.commit(),
        ends,
        by,
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
