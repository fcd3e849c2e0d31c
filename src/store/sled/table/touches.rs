//! What the journal of touches asks of the table, and tells it.

use super::Table;
use super::entry::{Entry, Standing, State};
use crate::model::SessionId;
use crate::store::sled::journal::Touch;

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

    /// Looks at a touch whose chunk leaves the journal.
    pub fn leaving(&self, old: &Touch) -> Leaving {
        let leaving = self.with(old.id, |_, entry| {
            let state = entry.state.lock();
            let now = touch(entry, &state);
            if state.standing == Standing::Gone {
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

    /// These touches are on the disk. What moved on meanwhile waits to be
    /// written once more.
    pub fn journaled(&self, touches: &[Touch]) {
        for written in touches {
            self.with(written.id, |slot, entry| {
                let mut state = entry.state.lock();
                let is_same = touch(entry, &state) == *written && !state.is_use_pending();
                self.settle(slot, &mut state, is_same);
            });
        }
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
