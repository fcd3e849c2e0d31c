//! The sessions in memory: the one place that decides whether a session is
//! live, and the orders in which they are listed.
//!
//! Reads never go to sled. A check takes the read lock of one shard and the
//! lock of one entry, nothing else that others wait for. Only the writer puts
//! sessions in, changes them or takes them out.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::model::{
    AuthenticationType, DeviceName, EndReason, Ends, Session, SessionId, Timestamp, UserName,
};
use crate::model::{Identity, Subject};
use crate::ndata::{Direction, Query, SessionMember};
use crate::store::{Checked, Rules, Scope};
use counted_set::CountedSet;
use dirty::Dirty;
use entry::{Copied, Entry};
use fences::{Fences, Raised};
use marks::Marks;
use names::{NameId, Names};
use order::{NameKey, Orders, Readers};
use reasons::Reasons;
use shard::{IdHash, SHARDS, Shard, Slot};
use touches::Journaled;
pub use touches::{Leaving, Unwritten};

mod access;
mod change;
mod counted_set;
mod dirty;
mod entry;
mod fences;
mod lapse;
mod load;
mod marks;
mod names;
mod order;
mod page;
mod plan;
mod reasons;
mod shard;
mod top;
mod touches;
mod verify;
mod view;
mod walk;

#[cfg(test)]
mod model_test;
#[cfg(test)]
mod page_test;
#[cfg(test)]
mod race_test;
#[cfg(test)]
mod testing;

/// What an access comes to.
#[derive(Clone, Debug)]
pub enum CheckOutcome {
    /// It is counted, if it was to be.
    Live(Checked),
    /// There is no such live session.
    NotLive,
    /// Nothing is counted: the session must be written first, then asked again.
    MustWrite,
}

/// All sessions, and the memory of those that ended.
///
/// Locks are taken in this order: `order`, one shard, one entry, then any one
/// of the others, which are held for a few instructions. `order` is held for
/// at most some hundred keys when written, and for the copying of an index's
/// chunk list when read; a shard for at most 256 entries.
pub struct Table {
    rules: Rules,
    /// Added to every idle timeout: accesses of the last moments before an
    /// unclean stop are not known.
    idle_grace_millis: AtomicU64,
    /// The last commit whose changes are here.
    applied: AtomicU64,
    hasher: RandomState,
    order: RwLock<Orders>,
    /// Changed only under the write lock of `order`; read under any.
    fences: Fences,
    shards: Box<[RwLock<Shard>]>,
    users: Names<UserName>,
    devices: Names<DeviceName>,
    readers: Readers,
    marks: Marks,
    dirty: Dirty,
    journaled: Journaled,
    /// Accesses that wait for the end of a conditional change.
    pins: Mutex<HashMap<SessionId, Held, RandomState>>,
    reasons: Reasons,
    /// Long scans at work.
    scans: AtomicUsize,
    /// No access is counted any more.
    is_sealed: AtomicBool,
}

/// Accesses of a pinned session.
#[derive(Clone, Copy, Default)]
struct Held {
    count: u64,
    last: Option<Timestamp>,
}

impl Table {
    /// A table without sessions.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            idle_grace_millis: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            hasher: RandomState::default(),
            order: RwLock::new(Orders::new()),
            fences: Fences::default(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            users: Names::new(),
            devices: Names::new(),
            readers: Readers::default(),
            marks: Marks::new(),
            dirty: Dirty::new(),
            journaled: Journaled::default(),
            pins: Mutex::default(),
            reasons: Reasons::default(),
            scans: AtomicUsize::new(0),
            is_sealed: AtomicBool::new(false),
        }
    }

    /// Adds a grace to every idle timeout, for the life of the table. To be
    /// called before any session is put in.
    pub fn set_idle_grace(&self, grace: Duration) {
        let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.idle_grace_millis.store(millis, Ordering::Relaxed);
    }

    /// Notes that the changes up to this commit are here, or about to be.
    pub fn set_applied(&self, commit: u64) {
        self.applied.fetch_max(commit, Ordering::Release);
    }

    /// Sessions that are listed: all that live, and those whose time is over
    /// but was not noticed yet.
    pub fn count(&self) -> usize {
        self.order.read().by_start.len()
    }

    /// Live sessions that limits count: all but those of API keys.
    pub fn counted(&self, now: Timestamp) -> usize {
        loop {
            self.retire(now);
            let orders = self.order.read();
            if orders.first_due(now).is_none() {
                return orders.by_start.len() - orders.signed;
            }
        }
    }

    /// The live sessions that limits count and that were not accessed for
    /// longest, at most `max`.
    pub fn longest_not_accessed(&self, max: usize, now: Timestamp) -> Vec<SessionId> {
        let signed = self.order.read().signed;
        let mut query = Query::all(max.saturating_add(signed));
        query.sort = vec![(SessionMember::LastAccessAt, Direction::Ascending)];
        // Refused only beside long scans, and this walks an order.
        let page = self.page(&query, &Scope::Any, now).unwrap_or_default();
        let ours = page
            .items
            .into_iter()
            .filter(|session| session.identity.authentication_type != AuthenticationType::Nws4);
        ours.map(|session| session.id).take(max).collect()
    }

    /// The sessions in the table that people opened on a device, those whose
    /// time is over included: what the rule of sale devices is about. Signed
    /// requests stand beside the till's one session.
    pub fn on_device(&self, name: &DeviceName) -> Vec<SessionId> {
        let signed = |entry: &Entry| entry.state.lock().is_signed();
        self.some_ids(|orders| {
            let mut slots = self.device_slots(orders, name);
            slots.retain(|slot| !self.at(*slot, signed));
            slots
        })
    }

    /// The sessions in the table of a subject, those whose time is over
    /// included.
    pub fn ids(&self, subject: &Subject) -> Vec<SessionId> {
        let mut ids = self.some_ids(|orders| match subject {
            Subject::User(user) => self.user_slots(orders, user),
            Subject::Device(device) => self.device_slots(orders, device),
            Subject::UserOnDevice(user, device) => {
                let Some(device) = self.devices.id(device) else {
                    return Vec::new();
                };
                let mut slots = self.user_slots(orders, user);
                slots.retain(|slot| orders.by_device.contains(&NameKey::new(device, *slot)));
                slots
            }
            Subject::Everybody | Subject::Key(_) => orders
                .by_user
                .range(0..usize::MAX)
                .map(NameKey::slot)
                .collect(),
        });
        if let Subject::Key(number) = subject {
            // No order knows the keys, so all entries are asked, each by itself.
            let key = |id: &SessionId| self.with(*id, |_, entry| entry.state.lock().key());
            ids.retain(|id| key(id) == Some(Some(*number)));
        }
        ids
    }

    /// The session in the table whose current refresh token has this SHA-256.
    /// Every session is looked at, each by itself.
    pub fn id_of_refresh(&self, sha256: &[u8; 32]) -> Option<SessionId> {
        let fits = |id: &SessionId| {
            let fits = self.with(*id, |_, entry| {
                let state = entry.state.lock();
                state
                    .tokens()
                    .is_some_and(|tokens| tokens.refresh_sha256 == *sha256)
            });
            fits == Some(true)
        };
        self.ids(&Subject::Everybody).into_iter().find(fits)
    }

    fn user_slots(&self, orders: &Orders, name: &UserName) -> Vec<Slot> {
        self.users
            .id(name)
            .map_or_else(Vec::new, |id| slots_under(&orders.by_user, id))
    }

    fn device_slots(&self, orders: &Orders, name: &DeviceName) -> Vec<Slot> {
        self.devices
            .id(name)
            .map_or_else(Vec::new, |id| slots_under(&orders.by_device, id))
    }

    /// The ids at slots that are picked from the orders of one instant.
    fn some_ids(&self, pick: impl FnOnce(&Orders) -> Vec<Slot>) -> Vec<SessionId> {
        let orders = self.order.read();
        let _reading = self.readers.enter();
        let slots = pick(&orders);
        drop(orders);
        slots
            .into_iter()
            .map(|slot| self.at(slot, |entry| entry.id))
            .collect()
    }

    /// From the return of this call on, no session that began before commit
    /// `number` and is meant by `ends` is live, listed or counted.
    pub fn add_fence(&self, number: u64, ends: &Ends) {
        let (user, device, key) = match &ends.subject {
            Subject::Everybody => (None, None, None),
            Subject::User(user) => (Some(user), None, None),
            Subject::Device(device) => (None, Some(device), None),
            Subject::UserOnDevice(user, device) => (Some(user), Some(device), None),
            Subject::Key(number) => (None, None, Some(*number)),
        };
        let orders = self.order.write();
        let (user_id, device_id) = (
            user.and_then(|name| self.users.id(name)),
            device.and_then(|name| self.devices.id(name)),
        );
        // A name that no session carries has nothing to end.
        if user.is_some() == user_id.is_some() && device.is_some() == device_id.is_some() {
            let (keep, reason) = (ends.keep, ends.reason);
            self.fences.add(Raised {
                number,
                user: user_id,
                device: device_id,
                key,
                keep,
                reason,
            });
        }
        drop(orders);
    }

    /// Takes the fences of this commit down. What was behind them must have
    /// left the table.
    pub fn remove_fence(&self, number: u64) {
        let orders = self.order.write();
        self.fences.remove(number);
        drop(orders);
    }

    /// Remembers why an id is not live, until its tokens expire on their own.
    /// The memory is bounded; the oldest endings are forgotten first.
    pub fn remember(&self, id: SessionId, reason: EndReason, until: Timestamp) {
        self.reasons.remember(id, reason, until);
    }

    fn hash(&self, id: &SessionId) -> IdHash {
        IdHash(self.hasher.hash_one(id.as_bytes()))
    }

    fn shard(&self, hash: IdHash) -> &RwLock<Shard> {
        &self.shards[hash.shard()]
    }

    /// Looks at an entry by its id, under its shard's lock.
    fn with<R>(&self, id: SessionId, look: impl FnOnce(Slot, &Entry) -> R) -> Option<R> {
        let hash = self.hash(&id);
        let shard = self.shard(hash).read();
        let (place, entry) = shard.find(hash, &id)?;
        Some(look(Slot::new(place, hash.shard()), entry))
    }

    /// Looks at whatever is in a slot, under its shard's lock.
    fn at<R>(&self, slot: Slot, look: impl FnOnce(&Entry) -> R) -> R {
        look(self.shards[slot.shard()].read().at(slot.place()))
    }

    /// A copy with its names spelled out. The caller keeps the session from
    /// leaving the table: by its shard's lock or as a reader.
    fn session(&self, copied: &Copied) -> Session {
        copied.session(self.users.get(copied.user), self.devices.get(copied.device))
    }
}

/// Everything in an order by name under one name, by slot.
fn slots_under(order: &CountedSet<NameKey>, name: NameId) -> Vec<Slot> {
    order
        .range(ranks_under(order, name))
        .map(NameKey::slot)
        .collect()
}

fn ranks_under(order: &CountedSet<NameKey>, name: NameId) -> Range<usize> {
    order.rank(&NameKey::new(name, Slot(0)))..order.rank(&NameKey::new(name, Slot(u32::MAX)))
}

impl Copied {
    fn session(&self, user_name: UserName, device_name: DeviceName) -> Session {
        Session {
            id: self.id,
            identity: Identity {
                user_name,
                device_name,
                env: self.env,
                authentication_type: self.authentication_type,
            },
            started_at: self.started_at,
            expires_at: self.expires_at,
            last_access_at: self.last_access_at,
            version: self.version,
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
