//! The whole table held against itself, for tests and diagnosis.

use std::sync::atomic::Ordering;

use super::Table;
use super::entry::{Entry, Standing, State};
use super::order::{NameKey, Orders, TimeKey};
use super::shard::{SHARDS, Slot};

/// What the shards hold.
#[derive(Default)]
struct Seen {
    listed: usize,
    lapsed: usize,
    idle: usize,
    signed: usize,
    dirty: usize,
}

impl Table {
    /// Whether every order is sorted and counted rightly, holds exactly one key
    /// for each session it should hold, and every entry keeps its promises. To
    /// be called while nobody else is at work; takes all of the table's time.
    ///
    /// # Errors
    /// The first promise found broken.
    pub fn verify(&self) -> Result<(), &'static str> {
        let orders = self.order.read();
        self.verify_lists(&orders)?;
        let mut seen = Seen::default();
        for shard in 0..SHARDS {
            self.verify_shard(shard, &orders, &mut seen)?;
        }
        let times = [&orders.by_start, &orders.by_expiry, &orders.by_last_access];
        ensure(
            times.iter().all(|keys| keys.len() == seen.listed),
            "keys of what is not listed",
        )?;
        ensure(
            orders.signed == seen.signed,
            "the count of sessions of API keys is wrong",
        )?;
        ensure(
            orders.by_idle.len() == seen.idle,
            "idle keys of what is not listed",
        )?;
        ensure(
            orders.lapsed.len() == seen.lapsed,
            "lapsed keys of what is not lapsed",
        )?;
        let names = [&orders.by_user, &orders.by_device];
        let present = seen.listed + seen.lapsed;
        ensure(
            names.iter().all(|keys| keys.len() == present),
            "name keys of what is gone",
        )?;
        ensure(
            self.dirty.len() == seen.dirty,
            "the count of dirty sessions is wrong",
        )
    }

    fn verify_lists(&self, orders: &Orders) -> Result<(), &'static str> {
        let times = [
            &orders.by_start,
            &orders.by_expiry,
            &orders.by_last_access,
            &orders.by_idle,
        ];
        ensure(
            times.iter().all(|keys| keys.is_sound()),
            "an order by time is unsound",
        )?;
        let names = [&orders.by_user, &orders.by_device];
        ensure(
            names.iter().all(|keys| keys.is_sound()),
            "an order by name is unsound",
        )?;
        ensure(
            self.marks.len() == self.marks.all().len(),
            "the count of marks is wrong",
        )
    }

    fn verify_shard(
        &self,
        number: usize,
        orders: &Orders,
        seen: &mut Seen,
    ) -> Result<(), &'static str> {
        let shard = self.shards[number].read();
        let marks = self.marks.all();
        let mut linked = 0;
        for place in 0..shard.places() {
            let entry = shard.at(place);
            let state = entry.state.lock();
            let slot = Slot::new(place, number);
            if state.standing == Standing::Gone {
                ensure(!orders.members.has(slot), "a removed session is listed")?;
                continue;
            }
            linked += 1;
            let found = shard
                .find(self.hash(&entry.id), &entry.id)
                .map(|(place, _)| place);
            ensure(found == Some(place), "an id leads elsewhere")?;
            self.verify_entry(slot, entry, &state, orders)?;
            ensure(!state.is_marked || marks.contains(&slot), "a mark is lost")?;
            seen.dirty += usize::from(state.is_dirty);
            let is_listed = state.standing == Standing::Listed;
            *(if is_listed {
                &mut seen.listed
            } else {
                &mut seen.lapsed
            }) += 1;
            seen.signed += usize::from(is_listed && state.is_signed());
            seen.idle += usize::from(is_listed && self.idle_after(state.env).is_some());
        }
        ensure(shard.len() == linked, "an id without a session")
    }

    fn verify_entry(
        &self,
        slot: Slot,
        entry: &Entry,
        state: &State,
        orders: &Orders,
    ) -> Result<(), &'static str> {
        let idle = self.idle_after(state.env);
        let (_, deadline) = entry.deadline(state, idle);
        ensure(
            orders.by_user.contains(&NameKey::new(state.user, slot)),
            "no key by user",
        )?;
        ensure(
            orders.by_device.contains(&NameKey::new(state.device, slot)),
            "no key by device",
        )?;
        ensure(
            state.version <= state.ceiling,
            "a version above the ceiling",
        )?;
        ensure(
            state.began <= self.applied.load(Ordering::Acquire),
            "it began in the future",
        )?;
        ensure(
            orders.members.has(slot) == (state.standing == Standing::Listed),
            "wrongly listed",
        )?;
        if state.standing == Standing::Lapsed {
            return ensure(
                orders.lapsed.contains(&(deadline, slot)),
                "no key by its end",
            );
        }
        let key = |at| TimeKey::new(at, slot);
        let ordered = state.ordered_last_access;
        ensure(
            orders.by_start.contains(&key(state.started_at())),
            "no key by start",
        )?;
        ensure(
            orders.by_expiry.contains(&key(state.expires_at)),
            "no key by expiry",
        )?;
        ensure(
            orders.by_last_access.contains(&key(ordered)),
            "no key by last access",
        )?;
        ensure(
            ordered == entry.last_access() || state.is_marked,
            "an access without a mark",
        )?;
        let has_idle_key = orders.by_idle.contains(&key(state.idle_at));
        ensure(has_idle_key == idle.is_some(), "no key by idle deadline")?;
        let true_deadline = idle.map(|idle| entry.last_access().plus(idle));
        ensure(
            true_deadline.is_none_or(|at| state.idle_at <= at),
            "an idle key is too late",
        )
    }
}

fn ensure(holds: bool, promise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(promise) }
}
