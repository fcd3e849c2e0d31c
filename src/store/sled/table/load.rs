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
}

impl Table {
    /// Puts all these sessions, of which the disk has everything, into an empty table. Of
    /// two with the same id the first counts.
    /// `count` of them, about; each is dropped before the next is taken.
    pub fn load(&self, sessions: impl IntoIterator<Item = Resumed>, count: usize) {
        let each = count / SHARDS;
        for shard in &self.shards {
            shard.write().reserve(each + each / 8);
        }
        let mut keys = Keys::with_capacity(count);
        let mut orders = self.order.write();
        for resumed in sessions {
            let kind = resumed.record.session.identity.authentication_type;
            if let Some(slot) = self.load_one(&resumed, &mut keys) {
                orders.members.set(slot);
                orders.signed += usize::from(kind == AuthenticationType::Nws4);
            }
        }
        keys.sort_into(&mut orders);
    }

    fn load_one(&self, resumed: &Resumed, keys: &mut Keys) -> Option<Slot> {
        let session = &resumed.record.session;
        let hash = self.hash(&session.id);
        let mut shard = self.shard(hash).write();
        if shard.find(hash, &session.id).is_some() {
            return None;
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
        Some(slot)
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
        }
    }

    fn sort_into(self, orders: &mut Orders) {
        orders.by_user = sorted(self.user);
        orders.by_device = sorted(self.device);
        orders.by_start = sorted(self.start);
        orders.by_expiry = sorted(self.expiry);
        orders.by_last_access = sorted(self.last_access);
        orders.by_idle = sorted(self.idle);
    }
}

/// The set of these keys.
fn sorted<K: Copy + Ord>(mut keys: Vec<K>) -> CountedSet<K> {
    keys.sort_unstable();
    CountedSet::from_sorted(&keys)
}
