//! Which sessions were accessed since the order by last access was merged:
//! an access leaves its slot here and takes no lock of the orders.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::shard::{SHARDS, Slot};

/// The slots that wait, those accessed first in front. A slot of a listed
/// session with [`State::is_marked`](super::entry::State::is_marked) is here;
/// more may be.
pub(super) struct Marks {
    queue: Mutex<VecDeque<Slot>>,
    len: AtomicUsize,
}

/// Memory for this many is kept when a burst is over.
const KEPT_SLOTS: usize = 65_536;

impl Marks {
    /// None.
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// A slot was accessed for the first time since it was merged.
    pub(super) fn push(&self, slot: Slot) {
        // Counted first: the count may be too high for a moment, never too low.
        self.len.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().push_back(slot);
    }

    /// Whether none wait.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Takes at most `max` out, in the order they came. The caller holds the
    /// orders for writing.
    pub(super) fn take(&self, max: usize) -> Vec<Slot> {
        let mut queue = self.queue.lock();
        let count = queue.len().min(max);
        let taken: Vec<Slot> = queue.drain(..count).collect();
        if queue.is_empty() && queue.capacity() > KEPT_SLOTS {
            queue.shrink_to(KEPT_SLOTS);
        }
        drop(queue);
        self.len.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }

    /// All that wait, shard by shard. The caller holds the orders for reading.
    pub(super) fn all(&self) -> Vec<Slot> {
        let queue = self.queue.lock();
        let (front, back) = queue.as_slices();
        let all = [front, back].concat();
        drop(queue);
        by_shard(&all).into_iter().map(|at| all[at]).collect()
    }
}

/// The places of these slots in an order in which those of one shard stand
/// together: whoever looks at them takes each shard's lock once.
pub(super) fn by_shard(slots: &[Slot]) -> Vec<usize> {
    let mut next = [0_usize; SHARDS];
    for slot in slots {
        next[slot.shard()] += 1;
    }
    let mut before = 0;
    for count in &mut next {
        before += std::mem::replace(count, before);
    }
    let mut order = vec![0; slots.len()];
    for (at, slot) in slots.iter().enumerate() {
        let place = &mut next[slot.shard()];
        order[*place] = at;
        *place += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(place: usize, shard: usize) -> Slot {
        Slot::new(place, shard)
    }

    #[test]
    fn marks_come_out_as_they_came_and_are_seen_shard_by_shard() {
        let marks = Marks::new();
        let came = [slot(1, 5), slot(0, 63), slot(9, 5), slot(2, 0)];
        for slot in came {
            marks.push(slot);
        }

        assert_eq!(marks.all(), [came[3], came[0], came[2], came[1]]);
        assert_eq!(marks.take(3), came[..3]);
        assert_eq!((marks.len(), marks.all()), (1, vec![came[3]]));
        assert_eq!(marks.take(3), came[3..]);
        assert!(marks.is_empty());
    }
}
