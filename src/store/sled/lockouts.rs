//! The lockout's records in memory, as the disk has them or is about to: who
//! may not try again yet, and which record gives way when there are too many.
//!
//! The writer counts here when it decides, before the group is on the disk. A
//! failure that is counted and then lost was never answered; the other way
//! round it would be forgotten after a kill.

use std::collections::BTreeSet;
use std::time::Duration;

use super::codec;
use super::digest;
use super::disk::Batch;
use crate::model::{Attempt, LockoutRules, NameKey, Timestamp, UserLock};

/// All records.
#[derive(Debug, Default)]
pub struct Lockouts {
    users: hashbrown::HashMap<NameKey, Kept, foldhash::fast::RandomState>,
    /// Every record by the instant from which on it counts no more.
    by_void: BTreeSet<(Timestamp, NameKey)>,
    /// Records of names that are no user's, in the order in which they give
    /// way: those that lock nothing first, those that failed longest ago first.
    strangers: BTreeSet<(bool, Timestamp, NameKey)>,
}

#[derive(Debug)]
struct Kept {
    lock: UserLock,
    /// The hash of the bytes on the disk, as it stands in the digest.
    hash: u64,
    void_at: Timestamp,
    /// Its place in `strangers`, if it is there.
    rank: Option<(bool, Timestamp)>,
}

impl Lockouts {
    /// How long this attempt has to wait.
    pub fn wait(&self, at: &Attempt, now: Timestamp, rules: &LockoutRules) -> Option<Duration> {
        self.users.get(&at.user)?.lock.wait(at, now, rules)
    }

    /// Whether a right password changes nothing worth writing.
    pub fn is_settled(&self, at: &Attempt, now: Timestamp, rules: &LockoutRules) -> bool {
        let kept = self.users.get(&at.user);
        kept.is_some_and(|kept| kept.lock.is_settled(at, now, rules))
    }

    /// The last use of an account, if it is watched.
    pub fn last_use(&self, key: NameKey) -> Option<Timestamp> {
        self.users.get(&key)?.lock.last_use
    }

    /// Whether a use of the account has to be noted.
    pub fn is_use_due(&self, key: NameKey, now: Timestamp, rules: &LockoutRules) -> bool {
        let kept = self.users.get(&key);
        kept.map_or(!rules.use_kept.is_zero(), |kept| {
            kept.lock.is_use_due(now, rules)
        })
    }

    /// Changes a record, here and in the group. What holds nothing afterwards
    /// is removed; when there are too many strangers, one of them is.
    pub fn change<T>(
        &mut self,
        key: NameKey,
        rules: &LockoutRules,
        batch: &mut Batch,
        change: impl FnOnce(&mut UserLock) -> T,
    ) -> T {
        let (mut lock, old) = match self.take(key) {
            Some(kept) => (kept.lock, Some(kept.hash)),
            None => (UserLock::default(), None),
        };
        let done = change(&mut lock);
        if lock.is_empty() {
            if let Some(old) = old {
                batch.remove_lock(key, old);
            }
        } else {
            let bytes = codec::encode_lock(&lock);
            let hash = lock_hash(key, &bytes);
            batch.put_lock(key, bytes, hash, old);
            self.insert(key, lock, hash, rules);
            self.make_room(rules, batch);
        }
        done
    }

    /// Takes over a record of the disk.
    pub fn insert(&mut self, key: NameKey, lock: UserLock, hash: u64, rules: &LockoutRules) {
        let void_at = lock.void_at(rules);
        let rank = (!lock.is_known).then(|| (lock.is_strong(rules), lock.last_failure()));
        self.by_void.insert((void_at, key));
        if let Some((is_strong, last)) = rank {
            self.strangers.insert((is_strong, last, key));
        }
        let kept = Kept {
            lock,
            hash,
            void_at,
            rank,
        };
        self.users.insert(key, kept);
    }

    fn take(&mut self, key: NameKey) -> Option<Kept> {
        let kept = self.users.remove(&key)?;
        self.by_void.remove(&(kept.void_at, key));
        if let Some((is_strong, last)) = kept.rank {
            self.strangers.remove(&(is_strong, last, key));
        }
        Some(kept)
    }

    fn make_room(&mut self, rules: &LockoutRules, batch: &mut Batch) {
        while self.strangers.len() > rules.strangers_max {
            let Some((.., key)) = self.strangers.first().copied() else {
                return;
            };
            if let Some(kept) = self.take(key) {
                batch.remove_lock(key, kept.hash);
            }
        }
    }

    /// Removes at most `max` records that count no more; answers how many.
    pub fn sweep(&mut self, now: Timestamp, max: usize, batch: &mut Batch) -> usize {
        let mut removed = 0;
        while removed < max
            && let Some((void_at, key)) = self.by_void.first().copied()
            && void_at <= now
        {
            if let Some(kept) = self.take(key) {
                batch.remove_lock(key, kept.hash);
            }
            removed += 1;
        }
        removed
    }
}

/// The hash of a record, as it goes into the digest of its tree.
pub fn lock_hash(key: NameKey, bytes: &[u8]) -> u64 {
    digest::hash_written(&key.0, digest::hash(bytes))
}
