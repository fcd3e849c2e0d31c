//! What the journal of touches asks of the table, and tells it.

use parking_lot::Mutex;

use super::Table;
use super::entry::{Entry, Standing, State};
use super::shard::Slot;
use crate::model::SessionId;
use crate::store::sled::journal::{ChunkMark, Touch};

/// How an access that the disk does not have is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// In the journal.
    Touch(Touch),
    /// As a record: more has changed than an access changes.
    Record,
}

/// What becomes of a touch when its chunk leaves the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Nothing: its session is gone, or a later chunk or the record has it.
    Drop,
    /// The session has moved on, and the disk does not know: this goes into the
    /// journal in its place.
    Again(Touch),
    /// It has the newest last access of its session, or its newest version, which
    /// the record has not: that is to be written.
    Settle,
}

impl Table {
    /// How to write what the disk does not have of a session; `None` if it is
    /// not there any more.
    pub fn unwritten(&self, id: SessionId) -> Option<Unwritten> {
        self.with(id, |_, entry| {
            let state = entry.state.lock();
            if state.is_use_pending() {
                Unwritten::Record
            } else {
                Unwritten::Touch(touch(entry, &state))
            }
        })
    }

    /// Looks at a touch whose chunk, the oldest, leaves the journal.
    pub fn leaving(&self, chunk: u64, old: &Touch) -> Leaving {
        let leaving = self.with(old.id, |slot, entry| {
            let state = entry.state.lock();
            let now = touch(entry, &state);
            let is_in_later = self.journaled.is_behind(chunk, slot);
            if state.standing == Standing::Gone || is_in_later {
                Leaving::Drop
            } else if state.is_dirty {
                Leaving::Again(now)
            } else if (now.last_access == old.last_access
                && state.disk_last_access != old.last_access)
                || (now.version == old.version && state.has_given())
            {
                Leaving::Settle
            } else {
                Leaving::Drop
            }
        });
        leaving.unwrap_or(Leaving::Drop)
    }

    /// The touches of this chunk are on the disk. What moved on meanwhile waits to
    /// be written once more.
    pub fn journaled(&self, chunk: u64, touches: &[Touch]) {
        for written in touches {
            self.with(written.id, |slot, entry| {
                let mut state = entry.state.lock();
                self.journaled.note(chunk, slot);
                let is_same = touch(entry, &state) == *written && !state.is_use_pending();
                self.settle(slot, &mut state, is_same);
            });
        }
    }
}

/// Which chunk of the journal has a session's newest touch, by slot. Of chunks
/// that were there at the start nothing is noted; nothing needs to be forgotten
/// when a slot is used again, since a new session has no touch in older chunks.
/// Only the writer asks.
#[derive(Default)]
pub(super) struct Journaled(Mutex<Vec<Option<ChunkMark>>>);

impl Journaled {
    fn note(&self, chunk: u64, slot: Slot) {
        let mut marks = self.0.lock();
        let at = slot.0 as usize;
        if at >= marks.len() {
            marks.resize(at + 1, None);
        }
        marks[at] = ChunkMark::of(chunk);
    }

    /// Whether a later chunk than this, which is the oldest, has a newer touch.
    fn is_behind(&self, chunk: u64, slot: Slot) -> bool {
        let newest = self.0.lock().get(slot.0 as usize).copied().flatten();
        newest.is_some() && newest != ChunkMark::of(chunk)
    }
}

fn touch(entry: &Entry, state: &State) -> Touch {
    let copied = entry.copy(state);
    Touch {
        id: copied.id,
        last_access: copied.last_access_at,
        version: copied.version,
    }
}
