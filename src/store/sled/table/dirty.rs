//! Which sessions the disk does not have as memory has them, and which of them
//! run out of versions.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::shard::Slot;

/// The grain of the age of a mark.
const TICK: Duration = Duration::from_millis(100);

/// The queues of slots to write. The flags in the entries decide; a slot here
/// whose entry is clean is passed over.
pub(super) struct Dirty {
    started: Instant,
    /// How many entries have the flag.
    entries: AtomicUsize,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    /// Ticks after `started` and slot, oldest first.
    rested: VecDeque<(u32, Slot)>,
    urgent: VecDeque<Slot>,
}

impl Dirty {
    /// Everything is written.
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: AtomicUsize::new(0),
            queues: Mutex::default(),
        }
    }

    /// An entry's flag was set.
    pub(super) fn add(&self, slot: Slot) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.again(slot);
    }

    /// An entry moved on while it was written: it waits once more.
    pub(super) fn again(&self, slot: Slot) {
        let mut queues = self.queues.lock();
        // Read under the lock, so that the queue is in the order of its times.
        let tick = self.ticks();
        queues.rested.push_back((tick, slot));
    }

    /// An entry's flag was cleared.
    pub(super) fn sub(&self) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
    }

    /// An entry runs low on versions.
    pub(super) fn hurry(&self, slot: Slot) {
        self.queues.lock().urgent.push_back(slot);
    }

    /// How many entries are dirty.
    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// The slot that has waited for longest, if that is this long.
    pub(super) fn pop(&self, rest: Duration) -> Option<Slot> {
        let mut queues = self.queues.lock();
        let now = self.ticks();
        let has_rested = |(since, _): &mut (u32, Slot)| TICK * now.saturating_sub(*since) >= rest;
        queues.rested.pop_front_if(has_rested).map(|(_, slot)| slot)
    }

    /// The slot that has been running low for longest.
    pub(super) fn pop_urgent(&self) -> Option<Slot> {
        self.queues.lock().urgent.pop_front()
    }

    fn ticks(&self) -> u32 {
        let ticks = self.started.elapsed().as_millis() / TICK.as_millis();
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}
