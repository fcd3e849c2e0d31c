//! Holding the indexes of a large store against their digests while it serves.
//!
//! No answer is made from an index on the disk: the orders in memory follow from
//! the sessions, which every start proves whole. So after a clean stop a start
//! needs not wait for the indexes, a good second for a million sessions. The
//! writer reads them a few keys at a time, and follows its own changes of what
//! it has read already.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sled::IVec;

use super::digest::{self, Digest};
use super::disk::{Batch, Head, Index, Reader};

/// Keys read in one step.
const STEP_KEYS: usize = 256;
/// How often a step is made at most.
pub const STEP_EVERY: Duration = Duration::from_millis(20);

/// How far the proof has come.
#[derive(Debug)]
pub struct IndexProof {
    index: Index,
    /// The last key that was read.
    behind: Option<IVec>,
    /// What the keys up to there come to.
    found: Digest,
    step_keys: usize,
    step_every: Duration,
    stepped: Option<Instant>,
}

/// What a step has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    More,
    /// Both indexes are what was written.
    Proved,
    /// One is not, and why.
    Misfit(String),
}

impl Default for IndexProof {
    fn default() -> Self {
        Self::with_steps(STEP_KEYS, STEP_EVERY)
    }
}

impl IndexProof {
    /// A proof in steps of so many keys.
    pub fn with_steps(step_keys: usize, step_every: Duration) -> Self {
        Self {
            index: Index::ByLastAccess,
            behind: None,
            found: Digest::default(),
            step_keys,
            step_every,
            stepped: None,
        }
    }

    /// Whether the next step may be made now.
    pub fn is_due(&self) -> bool {
        self.stepped
            .is_none_or(|stepped| stepped.elapsed() >= self.step_every)
    }

    /// Reads the next keys. `head` is the last group on the disk.
    pub fn step(&mut self, reader: &Reader, head: &Head) -> Step {
        self.stepped = Some(Instant::now());
        // sled panics on a damaged page.
        let behind = self.behind.as_deref();
        let read = || reader.keys_behind(self.index, behind, self.step_keys);
        let keys = match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(keys)) => keys,
            Ok(Err(error)) => return self.misfit(&error.to_string()),
            Err(_) => return self.misfit("reading it panicked"),
        };
        let is_last = keys.len() < self.step_keys;
        for key in &keys {
            self.found.add(digest::hash(key));
        }
        self.behind = keys.into_iter().next_back().or(self.behind.take());
        if !is_last {
            return Step::More;
        }
        let written = match self.index {
            Index::ByLastAccess => head.stored.by_last_access,
            Index::ByUser => head.stored.by_user,
        };
        if self.found != written {
            let (found, written) = (self.found.count, written.count);
            return self.misfit(&format!(
                "it holds {found} entries that do not fit the {written} written"
            ));
        }
        if self.index == Index::ByUser {
            return Step::Proved;
        }
        *self = Self {
            index: Index::ByUser,
            behind: None,
            found: Digest::default(),
            ..*self
        };
        Step::More
    }

    fn misfit(&self, why: &str) -> Step {
        Step::Misfit(format!("tree {}: {why}", self.index.name()))
    }

    /// A group is on the disk: what it changes among the keys that were read
    /// counts.
    pub fn follow(&mut self, batch: &Batch) {
        let Some(behind) = &self.behind else {
            return;
        };
        for (key, is_put) in batch.index(self.index).keys() {
            if key > behind {
                continue;
            }
            let hash = digest::hash(key);
            if is_put {
                self.found.add(hash);
            } else {
                self.found.remove(hash);
            }
        }
    }
}
