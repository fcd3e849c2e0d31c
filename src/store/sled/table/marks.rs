//! Which sessions were accessed since the order by last access was merged:
//! an access leaves its slot here and takes no lock of the orders.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::shard::{SHARDS, Slot};

/// The slots that wait. A slot of a listed session with
/// [`State::is_marked`](super::entry::State::is_marked) is here; more may be.
pub(super) struct Marks {
    lists: Box<[Mutex<Vec<Slot>>]>,
    len: AtomicUsize,
}

impl Marks {
    /// None.
    pub(super) fn new() -> Self {
        let lists = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            lists,
            len: AtomicUsize::new(0),
        }
    }

    /// A slot was accessed for the first time since it was merged.
    pub(super) fn push(&self, slot: Slot) {
        // Counted first: the count may be too high for a moment, never too low.
        self.len.fetch_add(1, Ordering::Relaxed);
        self.lists[slot.shard()].lock().push(slot);
    }

    /// Whether none wait.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Takes at most `max` out. The caller holds the orders for writing.
    pub(super) fn take(&self, max: usize) -> Vec<Slot> {
        let mut taken = Vec::new();
        for list in &self.lists {
            let mut list = list.lock();
            let keep = list.len().saturating_sub(max - taken.len());
            taken.extend(list.drain(keep..));
            if list.is_empty() && list.capacity() > 1_024 {
                // The memory of a burst is given back.
                list.shrink_to_fit();
            }
            if taken.len() == max {
                break;
            }
        }
        self.len.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }

    /// All that wait, shard by shard. The caller holds the orders for reading.
    pub(super) fn all(&self) -> Vec<Slot> {
        let mut all = Vec::with_capacity(self.len());
        self.lists
            .iter()
            .for_each(|list| all.extend_from_slice(&list.lock()));
        all
    }
}
