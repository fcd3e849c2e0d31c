//! The passing of time: what is over, since when, and what will be next; and
//! the merging of accesses into the order by last access.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Table;
use super::entry::Standing;
use super::marks::by_shard;
use super::order::{Orders, TimeKey};
use super::shard::Slot;
use crate::model::{EndReason, Env, Session, SessionId, Timestamp};

/// Sessions moved between two releases of the orders.
const STEP_KEYS: usize = 128;
/// Marks merged between two releases of the orders: some 50 us.
const STEP_MARKS: usize = 512;

impl Table {
    /// Why a session is over at `now` by the passing of time, if it is, and
    /// the instant it was.
    pub fn lapsed(&self, session: &Session, now: Timestamp) -> Option<(EndReason, Timestamp)> {
        session.lapsed(now, self.idle_after(session.identity.env))
    }

    /// The idle timeout in force, with the grace.
    pub(super) fn idle_after(&self, env: Env) -> Option<Duration> {
        let grace = Duration::from_millis(self.idle_grace_millis.load(Ordering::Relaxed));
        self.rules.idle[env.index()].map(|idle| idle.saturating_add(grace))
    }

    /// At most `max` sessions whose time is over at `now`, longest over first,
    /// with the rule that struck and when. They stay in the table, dead, until
    /// they are removed.
    pub fn due(&self, now: Timestamp, max: usize) -> Vec<(SessionId, EndReason, Timestamp)> {
        self.retire(now);
        let orders = self.order.read();
        let over = orders.lapsed.iter().take(max);
        over.map(|(at, slot)| {
            self.at(*slot, |entry| {
                let state = entry.state.lock();
                let (reason, _) = entry.deadline(&state, self.idle_after(state.env));
                (entry.id, reason, *at)
            })
        })
        .collect()
    }

    /// The next instant at which a session may be over: never too late, too
    /// early where accesses have moved an idle deadline.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let orders = self.order.read();
        let lapsed = orders.lapsed.first().map(|(at, _)| *at);
        let expiry = orders.by_expiry.first().map(TimeKey::at);
        let idle = orders.by_idle.first().map(TimeKey::at);
        [lapsed, expiry, idle].into_iter().flatten().min()
    }

    /// Takes everything that is over at `now` out of sight of all queries.
    pub(super) fn retire(&self, now: Timestamp) {
        while self.order.read().first_due(now).is_some() {
            let mut orders = self.order.write();
            for _ in 0..STEP_KEYS {
                let Some(slot) = orders.first_due(now) else {
                    break;
                };
                self.retire_one(&mut orders, slot, now);
            }
        }
    }

    /// A session has come up by one of its deadlines. If accesses have moved
    /// it, it goes back to where it belongs.
    fn retire_one(&self, orders: &mut Orders, slot: Slot, now: Timestamp) {
        self.at(slot, |entry| {
            let mut state = entry.state.lock();
            let idle = self.idle_after(state.env);
            let (_, at) = entry.deadline(&state, idle);
            if at <= now {
                orders.unlist(slot, &state, idle.is_some());
                state.standing = Standing::Lapsed;
                orders.lapsed.insert((at, slot));
            } else if let Some(idle) = idle {
                orders.by_idle.remove(&TimeKey::new(state.idle_at, slot));
                state.idle_at = entry.last_access().plus(idle);
                orders.by_idle.insert(TimeKey::new(state.idle_at, slot));
            }
        });
    }

    /// Merges at most `max` marks of accesses into the order by last access;
    /// answers how many there were. Less than `max`: none was left.
    pub fn drain(&self, max: usize) -> usize {
        let mut drained = 0;
        while drained < max {
            let step = STEP_MARKS.min(max - drained);
            let merged = self.drain_step(step);
            drained += merged;
            if merged < step {
                break;
            }
        }
        drained
    }

    fn drain_step(&self, max: usize) -> usize {
        if self.marks.is_empty() {
            return 0;
        }
        let mut orders = self.order.write();
        let slots = self.marks.take(max);
        let moves = self.unmark(&slots);
        // In the order they came: nearly every one goes to the end.
        for (slot, (from, to)) in slots.iter().zip(moves) {
            if from != to {
                orders.by_last_access.remove(&TimeKey::new(from, *slot));
                orders.by_last_access.insert(TimeKey::new(to, *slot));
            }
        }
        slots.len()
    }

    /// Takes the marks off these slots: from which key to which each goes, the
    /// same for what has no key to move.
    fn unmark(&self, slots: &[Slot]) -> Vec<(Timestamp, Timestamp)> {
        let mut moves = vec![(Timestamp::MAX, Timestamp::MAX); slots.len()];
        let order = by_shard(slots);
        for run in order.chunk_by(|a, b| slots[*a].shard() == slots[*b].shard()) {
            let shard = self.shards[slots[run[0]].shard()].read();
            let entry = |at: usize| shard.at(slots[at].place());
            // The entries are far apart in memory: asked for all at once, they
            // arrive together.
            for at in run {
                moves[*at].1 = entry(*at).last_access();
            }
            for at in run {
                let entry = entry(*at);
                let mut state = entry.state.lock();
                // The flag first: an access from here on leaves a mark again.
                state.is_marked = false;
                let from = state.ordered_last_access;
                state.ordered_last_access = entry.last_access();
                // Only what is listed has a key to move.
                moves[*at] = match state.standing {
                    Standing::Listed => (from, state.ordered_last_access),
                    Standing::Lapsed | Standing::Gone => (from, from),
                };
            }
        }
        moves
    }
}
