//! The ordered indexes: who is in the table, by name and by time.
//!
//! They are behind one lock, so that whoever holds it sees one instant: every
//! listed session stands in every order of time, and nothing else does.

use std::collections::{BTreeSet, VecDeque};

use parking_lot::Mutex;

use super::counted_set::CountedSet;
use super::entry::State;
use super::names::NameId;
use super::shard::Slot;
use crate::model::Timestamp;

/// Retiring more than these takes over a millisecond.
const MANY_DUE: usize = 1_024;

/// A key of an order by time: the instant, then the slot, in 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeKey([u32; 3]);

impl TimeKey {
    /// The key of a slot at an instant.
    pub(super) fn new(at: Timestamp, slot: Slot) -> Self {
        // With the sign flipped, instants before 1970 sort first.
        let at = at.as_millis().cast_unsigned() ^ (1 << 63);
        let half = |half: u64| u32::try_from(half & 0xFFFF_FFFF).expect("half of a u64");
        Self([half(at >> 32), half(at), slot.0])
    }

    /// The instant.
    pub(super) fn at(self) -> Timestamp {
        let [high, low, _] = self.0.map(u64::from);
        Timestamp::from_millis((high << 32 | low).cast_signed() ^ i64::MIN)
    }

    /// The slot.
    pub(super) const fn slot(self) -> Slot {
        Slot(self.0[2])
    }

    /// What is compared: the instant, then the slot, as one number, so that a
    /// search has no branch that nobody can foresee.
    fn number(self) -> u128 {
        let [high, low, slot] = self.0.map(u128::from);
        high << 64 | low << 32 | slot
    }
}

impl PartialOrd for TimeKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TimeKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number().cmp(&other.number())
    }
}

/// A key of an order by name: the name's number, then the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameKey(u64);

impl NameKey {
    /// The key of a slot under a name.
    pub(super) fn new(name: NameId, slot: Slot) -> Self {
        Self(u64::from(name.0) << 32 | u64::from(slot.0))
    }

    /// The slot.
    pub(super) fn slot(self) -> Slot {
        Slot(u32::try_from(self.0 & 0xFFFF_FFFF).expect("half of a u64"))
    }
}

/// A set of slots, one bit each.
#[derive(Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Puts a slot in.
    pub(super) fn set(&mut self, slot: Slot) {
        if slot.place() >= self.0.len() {
            self.0.resize(slot.place() + 1, 0);
        }
        self.0[slot.place()] |= 1 << slot.shard();
    }

    /// Takes a slot out.
    pub(super) fn clear(&mut self, slot: Slot) {
        if let Some(word) = self.0.get_mut(slot.place()) {
            *word &= !(1 << slot.shard());
        }
    }

    /// Whether a slot is in.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.0
            .get(slot.place())
            .is_some_and(|word| word >> slot.shard() & 1 == 1)
    }

    /// Every place that may have a slot in, in any shard.
    pub(super) fn places(&self) -> usize {
        self.0.len()
    }
}

/// The orders of one instant.
pub(super) struct Orders {
    /// Everything listed.
    pub(super) members: Bits,
    /// Everything in the table, whether or not its time is over.
    pub(super) by_user: CountedSet<NameKey>,
    /// As `by_user`.
    pub(super) by_device: CountedSet<NameKey>,
    /// How many of what is listed are sessions of API keys.
    pub(super) signed: usize,
    /// What is listed, by `startedAt`.
    pub(super) by_start: CountedSet<TimeKey>,
    /// What is listed, by `expiresAt`.
    pub(super) by_expiry: CountedSet<TimeKey>,
    /// What is listed, by `lastAccessAt` as of the last merge: whatever was
    /// touched since is on the marks.
    pub(super) by_last_access: CountedSet<TimeKey>,
    /// What is listed and has an idle timeout, by [`State::idle_at`].
    pub(super) by_idle: CountedSet<TimeKey>,
    /// What is in the table but over, by the instant at which it was.
    pub(super) lapsed: BTreeSet<(Timestamp, Slot)>,
    /// Slots of removed sessions, each with the readers' number at its
    /// removal: readers below it may still look.
    pub(super) limbo: VecDeque<(u64, Slot)>,
}

impl Orders {
    /// Nothing in any order.
    pub(super) fn new() -> Self {
        Self {
            members: Bits::default(),
            by_user: CountedSet::new(),
            by_device: CountedSet::new(),
            signed: 0,
            by_start: CountedSet::new(),
            by_expiry: CountedSet::new(),
            by_last_access: CountedSet::new(),
            by_idle: CountedSet::new(),
            lapsed: BTreeSet::new(),
            limbo: VecDeque::new(),
        }
    }

    /// A session is in the table.
    pub(super) fn enter(&mut self, slot: Slot, state: &State, has_idle: bool) {
        self.by_user.insert(NameKey::new(state.user, slot));
        self.by_device.insert(NameKey::new(state.device, slot));
        self.list(slot, state, has_idle);
    }

    /// A session is not in the table any more. It must not be listed.
    pub(super) fn leave(&mut self, slot: Slot, state: &State) {
        self.by_user.remove(&NameKey::new(state.user, slot));
        self.by_device.remove(&NameKey::new(state.device, slot));
    }

    /// From here on queries see the session.
    pub(super) fn list(&mut self, slot: Slot, state: &State, has_idle: bool) {
        self.members.set(slot);
        self.signed += usize::from(state.is_signed());
        self.by_start.insert(TimeKey::new(state.started_at(), slot));
        self.by_expiry.insert(TimeKey::new(state.expires_at, slot));
        self.by_last_access
            .insert(TimeKey::new(state.ordered_last_access, slot));
        if has_idle {
            self.by_idle.insert(TimeKey::new(state.idle_at, slot));
        }
    }

    /// From here on no query sees the session.
    pub(super) fn unlist(&mut self, slot: Slot, state: &State, has_idle: bool) {
        self.members.clear(slot);
        self.signed -= usize::from(state.is_signed());
        self.by_start
            .remove(&TimeKey::new(state.started_at(), slot));
        self.by_expiry.remove(&TimeKey::new(state.expires_at, slot));
        self.by_last_access
            .remove(&TimeKey::new(state.ordered_last_access, slot));
        if has_idle {
            self.by_idle.remove(&TimeKey::new(state.idle_at, slot));
        }
    }

    /// The next listed session whose time may be over at `now`.
    pub(super) fn first_due(&self, now: Timestamp) -> Option<Slot> {
        [self.by_expiry.first(), self.by_idle.first()]
            .into_iter()
            .flatten()
            .find(|key| key.at() <= now)
            .map(TimeKey::slot)
    }

    /// Whether so many are over at `now` that retiring them takes a while.
    pub(super) fn has_many_due(&self, now: Timestamp) -> bool {
        [self.by_expiry.get(MANY_DUE), self.by_idle.get(MANY_DUE)]
            .into_iter()
            .flatten()
            .any(|key| key.at() <= now)
    }
}

/// The readers at work. What they may look at is not overwritten.
#[derive(Default)]
pub(super) struct Readers(Mutex<Tickets>);

#[derive(Default)]
struct Tickets {
    next: u64,
    active: Vec<u64>,
}

/// A reader at work, until dropped.
pub(super) struct Reading<'a> {
    readers: &'a Readers,
    ticket: u64,
}

impl Readers {
    /// A reader begins; the caller holds the orders for reading.
    pub(super) fn enter(&self) -> Reading<'_> {
        let mut tickets = self.0.lock();
        let ticket = tickets.next;
        tickets.next += 1;
        tickets.active.push(ticket);
        Reading {
            readers: self,
            ticket,
        }
    }

    /// The number of the next reader; the caller holds the orders for writing.
    pub(super) fn next(&self) -> u64 {
        self.0.lock().next
    }

    /// What was removed at this number or before is seen by nobody.
    pub(super) fn oldest(&self) -> u64 {
        let tickets = self.0.lock();
        tickets.active.iter().copied().min().unwrap_or(tickets.next)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.readers
            .0
            .lock()
            .active
            .retain(|ticket| *ticket != self.ticket);
    }
}
