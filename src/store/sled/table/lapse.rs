//! The passing of time: what is over, since when, and what will be next; and
//! the merging of accesses into the order by last access.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Table;
use super::entry::Standing;
use super::order::{Orders, TimeKey};
use super::shard::Slot;
use crate::model::{EndReason, Env, Session, SessionId, Timestamp};

/// Sessions or marks moved between two releases of the orders.
const STEP_KEYS: usize = 128;

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
            let step = STEP_KEYS.min(max - drained);
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
        for slot in &slots {
            self.at(*slot, |entry| {
                let mut state = entry.state.lock();
                // The flag first: an access from here on leaves a mark again.
                state.is_marked = false;
                let (from, to) = (state.ordered_last_access, entry.last_access());
                state.ordered_last_access = to;
                // Only what is listed has a key to move.
                if state.standing == Standing::Listed && from != to {
                    orders.by_last_access.remove(&TimeKey::new(from, *slot));
                    orders.by_last_access.insert(TimeKey::new(to, *slot));
                }
            });
        }
        slots.len()
    }
}
