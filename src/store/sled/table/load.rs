//! Filling the table at start: the orders are built from sorted keys, not one
//! insert after the other.

use super::Table;
use super::counted_set::CountedSet;
use super::entry::Entry;
use super::order::{NameKey, Orders, TimeKey};
use super::shard::{SHARDS, Slot};
use crate::model::AuthenticationType;
use crate::store::sled::record::Resumed;

/// The keys of everything loaded so far.
#[derive(Default)]
struct Keys {
    user: Vec<NameKey>,
    device: Vec<NameKey>,
    start: Vec<TimeKey>,
    expiry: Vec<TimeKey>,
    last_access: Vec<TimeKey>,
    idle: Vec<TimeKey>,
    /// How many are those of API keys.
    signed: usize,
}

impl Table {
    /// Puts all these sessions, of which the disk has everything, into an empty
    /// table: each part with a thread of its own. Of two with the same id one
    /// counts. `count` of them, about; each is dropped before the next of its part
    /// is taken.
    pub fn load<I>(&self, parts: Vec<I>, count: usize)
    where
        I: IntoIterator<Item = Resumed> + Send,
    {
        let each = count / SHARDS;
        for shard in &self.shards {
            shard.write().reserve(each + each / 8);
        }
        let threads = parts.len().max(1);
        let mut orders = self.order.write();
        let loaded: Vec<Keys> = std::thread::scope(|scope| {
            let load = |part: I| move || self.load_part(part, count / threads);
            let loading: Vec<_> = parts
                .into_iter()
                .map(|part| scope.spawn(load(part)))
                .collect();
            let loaded = loading.into_iter().map(std::thread::ScopedJoinHandle::join);
            loaded
                .map(|keys| keys.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut keys = Keys::with_capacity(0);
        for part in loaded {
            keys.join(part);
        }
        for key in &keys.user {
            orders.members.set(key.slot());
        }
        orders.signed += keys.signed;
        keys.sort_into(&mut orders);
    }

    fn load_part(&self, sessions: impl IntoIterator<Item = Resumed>, count: usize) -> Keys {
        let mut keys = Keys::with_capacity(count);
        for resumed in sessions {
            self.load_one(&resumed, &mut keys);
        }
        keys
    }

    fn load_one(&self, resumed: &Resumed, keys: &mut Keys) {
        let session = &resumed.record.session;
        let hash = self.hash(&session.id);
        let mut shard = self.shard(hash).write();
        if shard.find(hash, &session.id).is_some() {
            return;
        }
        let user = self.users.enter(&session.identity.user_name);
        let device = self.devices.enter(&session.identity.device_name);
        let idle = self.idle_after(session.identity.env);
        let mut entry = Entry::new(&resumed.record, user, device, idle);
        entry.resume(resumed, idle);
        let idle_at = idle.map(|idle| resumed.last_access.plus(idle));
        let slot = Slot::new(shard.put(hash, entry), hash.shard());
        keys.user.push(NameKey::new(user, slot));
        keys.device.push(NameKey::new(device, slot));
        keys.start.push(TimeKey::new(session.started_at, slot));
        keys.expiry.push(TimeKey::new(session.expires_at, slot));
        keys.last_access
            .push(TimeKey::new(resumed.last_access, slot));
        keys.idle.extend(idle_at.map(|at| TimeKey::new(at, slot)));
        let kind = session.identity.authentication_type;
        keys.signed += usize::from(kind == AuthenticationType::Nws4);
    }
}

impl Keys {
    fn with_capacity(sessions: usize) -> Self {
        Self {
            user: Vec::with_capacity(sessions),
            device: Vec::with_capacity(sessions),
            start: Vec::with_capacity(sessions),
            expiry: Vec::with_capacity(sessions),
            last_access: Vec::with_capacity(sessions),
            idle: Vec::new(),
            signed: 0,
        }
    }

    fn join(&mut self, other: Self) {
        join(&mut self.user, other.user);
        join(&mut self.device, other.device);
        join(&mut self.start, other.start);
        join(&mut self.expiry, other.expiry);
        join(&mut self.last_access, other.last_access);
        join(&mut self.idle, other.idle);
        self.signed += other.signed;
    }

    fn sort_into(self, orders: &mut Orders) {
        let Self {
            user,
            device,
            start,
            expiry,
            last_access,
            idle,
            ..
        } = self;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                orders.by_user = sorted(user);
                orders.by_device = sorted(device);
                orders.by_start = sorted(start);
            });
            orders.by_expiry = sorted(expiry);
            orders.by_last_access = sorted(last_access);
            orders.by_idle = sorted(idle);
        });
    }
}

/// Puts the second behind the first, which stays where it is if it is empty.
fn join<K>(first: &mut Vec<K>, second: Vec<K>) {
    if first.is_empty() {
        *first = second;
    } else {
        first.extend(second);
    }
}

/// The set of these keys.
fn sorted<K: Copy + Ord>(mut keys: Vec<K>) -> CountedSet<K> {
    keys.sort_unstable();
    CountedSet::from_sorted(&keys)
}
