//! The head: what the database says of itself, written with every group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::store::sled::codec::{self, CodecError};
use crate::store::sled::digest::Digest;

/// The state of the database as of its last group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub stored: Stored,
    /// The installation's name for itself; a named value in `meta`.
    pub installation: Arc<str>,
    /// Hashes of the records in `meta`, by key: what `stored.meta` is the sum of.
    pub meta: BTreeMap<Vec<u8>, u64>,
}

/// The part of the head that stands on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The number of the last group.
    pub commit: u64,
    /// Grows when a past state had to be given up.
    pub epoch: u64,
    /// Trusted time in milliseconds.
    pub mark: i64,
    /// How much of the newest accesses an unclean stop may have lost.
    pub lag_millis: u64,
    /// Whether everything in memory was on the disk when this was written.
    pub clean: bool,
    /// The first group after the last unclean stop. A session written before it
    /// goes on above its ceiling, also after later clean stops: versions above
    /// the one on the disk may have been given.
    pub exact_from: u64,
    /// Whether there has ever been a user.
    pub held_user: bool,
    /// The group that last changed users, devices or roles.
    pub directory_commit: u64,
    /// What users, devices and roles come to.
    pub directory: u64,
    /// What fences and named values come to.
    pub meta: Digest,
    /// What the sessions come to.
    pub sessions: Digest,
    /// What the index by last access comes to.
    pub by_last_access: Digest,
    /// What the index by user comes to.
    pub by_user: Digest,
    /// What the archive comes to.
    pub ended: Digest,
    /// What the lockout's records come to.
    pub lockouts: Digest,
    /// What the audit comes to.
    pub audit: Digest,
    /// What the outbox comes to. Since format 2, as what follows.
    pub outbox: Digest,
    /// What hooks never got.
    pub failures: Digest,
    /// What the journal of touches comes to. Since format 3.
    pub touches: Digest,
}

/// A digest of nothing: two zeros.
const DIGEST_BYTES: usize = 2;
/// What formats have added.
const GROWN: [(u8, usize); 2] = [(2, 2 * DIGEST_BYTES), (3, DIGEST_BYTES)];

impl Head {
    /// The head of a database that holds nothing yet.
    pub fn empty(installation: &str) -> Self {
        Self {
            stored: Stored::default(),
            installation: installation.into(),
            meta: BTreeMap::new(),
        }
    }

    /// The number of the last group.
    pub fn commit(&self) -> u64 {
        self.stored.commit
    }

    /// Grows when a past state had to be given up.
    pub fn epoch(&self) -> u64 {
        self.stored.epoch
    }

    /// The trusted time that was stored last.
    pub fn mark(&self) -> Timestamp {
        Timestamp::from_millis(self.stored.mark)
    }

    /// How much of the newest accesses an unclean stop may have lost.
    pub fn lag(&self) -> Duration {
        Duration::from_millis(self.stored.lag_millis)
    }

    /// Whether the last stop left nothing in memory only.
    pub fn is_clean(&self) -> bool {
        self.stored.clean
    }

    /// The first group after the last unclean stop: versions of sessions written
    /// before it are not exact any more.
    pub fn exact_from(&self) -> u64 {
        self.stored.exact_from
    }

    /// The bytes of the head.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.stored)
    }

    /// The stored part of a head.
    pub fn decode(bytes: &[u8]) -> Result<Stored, CodecError> {
        codec::decode_grown(bytes, &GROWN)
    }
}
