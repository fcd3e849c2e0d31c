//! What the request threads and the writer share: the table, the view, and
//! how the writer is.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::archive::Archive;
use super::audit::Audit;
use super::lockouts::Lockouts;
use super::signed::SignedSessions;
use super::table::Table;
use super::view::View;
use crate::meter::{Counter, Histogram};
use crate::store::{Changes, Indexes, Outbox, Rules};

/// The state in memory of one open store.
#[derive(Debug)]
pub struct Shared {
    /// The sessions: the one place that decides whether one is live.
    pub table: Table,
    /// The sessions that are over.
    pub archive: Archive,
    /// What was done.
    pub audit: Audit,
    /// What changes, for those who watch.
    pub changes: Changes,
    /// What webhooks are still to be told.
    pub outbox: Outbox,
    /// Users, devices, roles, API keys.
    pub view: View,
    /// Which session the requests signed with each key go on in.
    pub signed: SignedSessions,
    /// The rules.
    pub rules: Rules,
    /// Who may not try a password again yet.
    pub lockouts: Mutex<Lockouts>,
    /// How the writer is.
    pub pulse: Pulse,
    /// What the writer has done.
    pub work: Work,
}

/// What the writer has done since the opening.
#[derive(Debug, Default)]
pub struct Work {
    /// Operations that were handed to it.
    pub accepted: Counter,
    /// Operations that it took up.
    pub taken: Counter,
    /// Operations in the groups that it wrote.
    pub written: Counter,
    /// How long each group took.
    pub groups: Histogram,
    /// How long the sync of each group took.
    pub syncs: Histogram,
}

/// How the writer is, read by health and by everybody who wants to write.
#[derive(Debug)]
pub struct Pulse {
    started: Instant,
    /// Milliseconds after `started` at which the writer took up the group it
    /// works on; negative while it has nothing to do.
    busy_since: AtomicI64,
    read_only: AtomicBool,
    full: AtomicBool,
    free_bytes: AtomicU64,
    commit: AtomicU64,
    epoch: AtomicU64,
    indexes: Mutex<Indexes>,
    /// Why the store became read-only, for the log and health.
    cause: Mutex<Option<String>>,
}

/// Stands in `free_bytes` while nothing is known.
const UNKNOWN: u64 = u64::MAX;

impl Pulse {
    /// The pulse of a store whose last durable group has this number.
    pub fn new(commit: u64, epoch: u64) -> Self {
        Self {
            started: Instant::now(),
            busy_since: AtomicI64::new(-1),
            read_only: AtomicBool::new(false),
            full: AtomicBool::new(false),
            free_bytes: AtomicU64::new(UNKNOWN),
            commit: AtomicU64::new(commit),
            epoch: AtomicU64::new(epoch),
            indexes: Mutex::default(),
            cause: Mutex::new(None),
        }
    }

    /// The writer takes up a group.
    pub fn busy(&self) {
        let now = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.busy_since.store(now, Ordering::Relaxed);
    }

    /// The writer has nothing to do.
    pub fn idle(&self) {
        self.busy_since.store(-1, Ordering::Relaxed);
    }

    /// How long the writer has been at its present group, if it is at one.
    pub fn silent_for(&self) -> Option<Duration> {
        let since = u64::try_from(self.busy_since.load(Ordering::Relaxed)).ok()?;
        Some(
            self.started
                .elapsed()
                .saturating_sub(Duration::from_millis(since)),
        )
    }

    /// A write failed: nothing is written any more in this process.
    pub fn fail(&self, cause: String) {
        tracing::error!(target: "store", %cause, "a write failed; changes are refused until a restart");
        self.cause.lock().get_or_insert(cause);
        self.read_only.store(true, Ordering::Release);
    }

    /// Whether an earlier write failed.
    pub fn read_only(&self) -> bool {
        self.read_only.load(Ordering::Acquire)
    }

    /// What the disk said of its room.
    pub fn set_room(&self, free: u64, full: bool) {
        self.free_bytes.store(free, Ordering::Relaxed);
        self.full.store(full, Ordering::Relaxed);
    }

    /// Whether there is too little room for what begins or grows.
    pub fn full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Free bytes, once known.
    pub fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Ordering::Relaxed)).filter(|free| *free != UNKNOWN)
    }

    /// What has come to be known of the indexes.
    pub fn set_indexes(&self, indexes: Indexes) {
        *self.indexes.lock() = indexes;
    }

    /// What is known of the indexes.
    pub fn indexes(&self) -> Indexes {
        *self.indexes.lock()
    }

    /// A group is durable.
    pub fn set_commit(&self, commit: u64) {
        self.commit.store(commit, Ordering::Release);
    }

    /// The last durable group.
    pub fn commit(&self) -> u64 {
        self.commit.load(Ordering::Acquire)
    }

    /// Grows when a past state had to be given up.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }
}
