//! What the writer does with sessions once the disk has it, and what it asks
//! before it writes.

use std::collections::HashSet;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Table;
use super::entry::{Entry, Standing, State};
use super::order::Orders;
use super::shard::Slot;
use crate::model::{EndReason, Session, SessionId, Timestamp, Version};
use crate::store::sled::record::Record;

/// Slots given free in one step at most.
const RECLAIM_SLOTS_MAX: usize = 64;

impl Table {
    /// Puts a session in. One that is there under the same id stays as it is.
    pub fn insert(&self, record: &Record) {
        let session = &record.session;
        let hash = self.hash(&session.id);
        let user = self.users.enter(&session.identity.user_name);
        let device = self.devices.enter(&session.identity.device_name);
        let idle = self.idle_after(session.identity.env);
        let entry = Entry::new(record, user, device, idle);
        let state = entry.state.lock().clone();
        let mut orders = self.order.write();
        self.reclaim(&mut orders);
        let mut shard = self.shard(hash).write();
        if shard.find(hash, &session.id).is_some() {
            self.users.leave(user);
            self.devices.leave(device);
            return;
        }
        let slot = Slot::new(shard.put(hash, entry), hash.shard());
        orders.enter(slot, &state, idle.is_some());
    }

    /// Takes a session out: from the return of this call on nobody gets in
    /// with it. Answers its last state, also when its time was over; `None` if
    /// it is not there. The reason is remembered `until` its tokens expire.
    pub fn remove(
        &self,
        id: SessionId,
        commit: u64,
        reason: EndReason,
        until: Timestamp,
    ) -> Option<Session> {
        let hash = self.hash(&id);
        let mut orders = self.order.write();
        let mut shard = self.shard(hash).write();
        let (place, entry) = shard.find(hash, &id)?;
        let slot = Slot::new(place, hash.shard());
        let mut state = entry.state.lock();
        let session = self.session(&entry.copy(&state));
        self.let_go(&mut orders, slot, entry, &mut state);
        drop(state);
        // Before the id is gone, so that there is always a reason.
        self.reasons.remember(id, reason, until);
        shard.unlink(hash, &id);
        drop(shard);
        orders.limbo.push_back((self.readers.next(), slot));
        self.reclaim(&mut orders);
        drop(orders);
        self.set_applied(commit);
        Some(session)
    }

    /// Takes an entry out of everything but its slot.
    fn let_go(&self, orders: &mut Orders, slot: Slot, entry: &Entry, state: &mut State) {
        match state.standing {
            Standing::Listed => orders.unlist(slot, state, self.idle_after(state.env).is_some()),
            Standing::Lapsed => {
                let (_, at) = entry.deadline(state, self.idle_after(state.env));
                orders.lapsed.remove(&(at, slot));
            }
            Standing::Gone => {}
        }
        orders.leave(slot, state);
        state.standing = Standing::Gone;
        if std::mem::take(&mut state.is_dirty) {
            self.dirty.sub();
        }
        if std::mem::take(&mut state.is_pinned) {
            self.pins.lock().remove(&entry.id);
        }
    }

    /// Gives slots free that no reader can still look at.
    fn reclaim(&self, orders: &mut Orders) {
        let oldest = self.readers.oldest();
        for _ in 0..RECLAIM_SLOTS_MAX {
            let Some((_, slot)) = orders.limbo.pop_front_if(|(at, _)| *at <= oldest) else {
                break;
            };
            let mut shard = self.shards[slot.shard()].write();
            let state = shard.at(slot.place()).state.lock();
            let (user, device) = (state.user, state.device);
            drop(state);
            shard.give_free(slot.place());
            drop(shard);
            self.users.leave(user);
            self.devices.leave(device);
        }
    }

    /// A refresh is on the disk: `expiresAt` and tokens become the record's,
    /// `_v` grows by one on what memory has, accesses meanwhile counted.
    /// `None` if the session is not there any more.
    pub fn refreshed(&self, record: &Record) -> Option<Session> {
        let id = record.session.id;
        let mut orders = self.order.write();
        self.with(id, |slot, entry| {
            let mut state = entry.state.lock();
            let has_idle = self.idle_after(state.env).is_some();
            if state.standing == Standing::Listed {
                orders.unlist(slot, &state, has_idle);
            } else {
                // The refresh was decided while it was live: it counts.
                let (_, at) = entry.deadline(&state, self.idle_after(state.env));
                orders.lapsed.remove(&(at, slot));
                state.standing = Standing::Listed;
            }
            state.expires_at = record.session.expires_at;
            state.set_tokens(record.tokens);
            state.version += 1;
            state.note_written(record);
            let is_same = is_as(entry, &state, record);
            self.settle(slot, &mut state, is_same);
            orders.list(slot, &state, has_idle);
            self.session(&entry.copy(&state))
        })
    }

    /// The record to write for a session: as memory has it, with a fresh
    /// ceiling. `None` if it is not there.
    pub fn to_write(&self, id: SessionId) -> Option<Record> {
        self.with(id, |_, entry| {
            let state = entry.state.lock();
            let ceiling = Version(state.next_ceiling());
            Record {
                ceiling,
                ..self.record(entry, &state)
            }
        })
    }

    /// The record of [`Table::to_write`] is on the disk. What moved on
    /// meanwhile waits to be written once more.
    pub fn written(&self, id: SessionId, record: &Record) {
        self.with(id, |slot, entry| {
            let mut state = entry.state.lock();
            state.note_written(record);
            let is_same = is_as(entry, &state, record);
            self.settle(slot, &mut state, is_same);
        });
    }

    /// Sets the marks of an entry that was written; `is_same`: as it is now.
    pub(super) fn settle(&self, slot: Slot, state: &mut State, is_same: bool) {
        if !is_same {
            if state.is_dirty {
                self.dirty.again(slot);
            }
            self.note_dirty(slot, state);
        } else if std::mem::take(&mut state.is_dirty) {
            self.dirty.sub();
        }
        if state.runs_low() {
            state.is_urgent = true;
            self.dirty.hurry(slot);
        }
    }

    /// At most `max` sessions that run out of versions, to be written at once.
    /// Each is handed out once.
    pub fn urgent(&self, max: usize) -> Vec<SessionId> {
        let mut ids = Vec::new();
        let pop = || self.dirty.pop_urgent();
        self.queued(&mut ids, max, pop, |state| state.is_urgent);
        ids
    }

    /// At most `max` sessions whose newest accesses are not on the disk and have
    /// waited this long, the oldest first. Each is handed out once until it is
    /// written. Called by one thread.
    pub fn dirty(&self, rest: Duration, max: usize) -> Vec<SessionId> {
        let mut ids = Vec::new();
        let pop = || self.dirty.pop(rest);
        self.queued(&mut ids, max, pop, |state| state.is_dirty);
        ids
    }

    /// Hands out of a queue until there are `max`.
    fn queued(
        &self,
        ids: &mut Vec<SessionId>,
        max: usize,
        pop: impl Fn() -> Option<Slot>,
        waits: impl Fn(&State) -> bool,
    ) {
        let mut seen = HashSet::with_hasher(RandomState::default());
        while ids.len() < max {
            let Some(slot) = pop() else { break };
            let id = self.at(slot, |entry| {
                let state = entry.state.lock();
                (state.standing != Standing::Gone && waits(&state)).then_some(entry.id)
            });
            ids.extend(id.filter(|id| seen.insert(*id)));
        }
    }

    /// How many sessions have accesses that are not on the disk.
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }
}

/// Whether memory has nothing that this record has not.
fn is_as(entry: &Entry, state: &State, record: &Record) -> bool {
    state.version == record.session.version.0
        && entry.last_access() == record.session.last_access_at
        && state.tokens() == record.tokens
}
