//! The decisions: what each operation comes to, given the table as it is, and
//! what happens in memory once the disk has it.
//!
//! Every function here runs on the writer thread, before the group is written.
//! It puts its changes into the batch and returns what is to be done
//! afterwards; until then nobody sees anything.
//!
//! This file says which operation goes to which decision and what it touches;
//! every operation has a file of its own.

mod begin;
mod change;
mod end;
mod fence;
mod limits;
mod lockout;
mod many;
mod outbox;
mod refresh;
mod signed;
mod write;

pub use end::{stage_archive, stage_lapsed};
pub use fence::Fenced;
pub use write::stage_write;

use super::disk::Batch;
use super::op::{Op, Reply, Touched};
use super::shared::Shared;
use crate::model::SessionId;
use crate::store::StoreError;

/// What is to be done when the outcome of the group is known. On success it
/// applies the change to memory, then answers; on failure it answers
/// [`StoreError::Unknown`], and an ending counts all the same.
pub type Finish = Box<dyn FnOnce(&Shared, bool) -> Option<Fenced> + Send>;

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
        Op::Begin(begin, _) => {
            let new = &begin.new;
            let directory = shared.view.directory();
            let device = directory.device(&new.device_name);
            let is_sale = device.is_some_and(|device| device.env.is_sale());
            let mut sessions = if is_sale {
                shared.table.on_device(&new.device_name)
            } else {
                Vec::new()
            };
            let Some(counted) = limits::shared_limits(new, &sessions, begin.now, shared) else {
                return alone();
            };
            sessions.push(new.id);
            Touched {
                sessions,
                sale_device: is_sale.then(|| new.device_name.clone()),
                counted,
                ..Touched::default()
            }
        }
        Op::BeginSigned(begin, _) => signed::touched(begin, shared),
        Op::End(end, ..) => one(end.id),
        Op::Refresh(exchange, _) => one(exchange.refresh.id),
        Op::Write(id, _) => one(*id),
        Op::Settle(hook, ..) => Touched {
            webhook: Some(*hook),
            ..Touched::default()
        },
        Op::PutMeta { .. } | Op::Count(..) | Op::NoteUse(..) | Op::Note(..) => Touched::default(),
        Op::EndSome(..)
        | Op::Change(..)
        | Op::EndAll(..)
        | Op::Sweep(..)
        | Op::Watch(..)
        | Op::Unwatch(..)
        | Op::Ping(..)
        | Op::MarkClock { .. } => alone(),
    }
}

/// Decides one operation.
pub fn decide(op: Op, shared: &Shared, batch: &mut Batch) -> Verdict {
    match op {
        Op::Begin(wanted, reply) => begin::begin(*wanted, reply, shared, batch),
        Op::Count(attempt, outcome, now, reply) => {
            lockout::count(&attempt, outcome, now, reply, shared, batch)
        }
        Op::BeginSigned(wanted, reply) => signed::begin(*wanted, reply, shared, batch),
        Op::End(end, now, reply) => end::end_one(&end, now, reply, shared, batch),
        Op::Refresh(wanted, reply) => refresh::exchange(&wanted, reply, shared, batch),
        Op::Change(change, reply) => change::change_directory(*change, reply, shared, batch),
        Op::EndAll(end, reply) => fence::end_all(*end, reply, shared, batch),
        Op::Sweep(..) | Op::Watch(..) | Op::Unwatch(..) | Op::Ping(..) => {
            unreachable!("the writer carries it out by itself")
        }
        Op::Write(id, reply) => write::write(id, reply, shared, batch),
        Op::NoteUse(user, at, _, reply) => lockout::set_use(&user, at, reply, shared, batch),
        Op::PutMeta {
            name,
            value,
            told,
            reply,
        } => {
            match value {
                Some(value) => batch.put_meta(&name, &value),
                None => batch.remove_meta(&name),
            }
            if let Some(entry) = told {
                shared.audit.record(*entry, batch);
            }
            Verdict::Write(acknowledge(reply))
        }
        Op::Settle(hook, settled, now, reply) => {
            outbox::settle(hook, *settled, now, reply, shared, batch)
        }
        Op::EndSome(some, now, reply) => many::end_some(&some, now, reply, shared, batch),
        Op::Note(entry, reply) => {
            // Nobody can fill the disk by failing to log in.
            if entry.action.is_merged() && shared.pulse.full() {
                return answer(reply, Err(StoreError::Full));
            }
            shared.audit.record(*entry, batch);
            Verdict::Write(acknowledge(reply))
        }
        Op::MarkClock {
            now,
            reset,
            entry,
            reply,
        } => {
            batch.set_mark(now, reset);
            if let Some(entry) = entry {
                shared.audit.record(*entry, batch);
            }
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
