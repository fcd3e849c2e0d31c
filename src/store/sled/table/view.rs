//! What a query sees: its candidates and all that is needed to read them, as
//! of one instant.
//!
//! A query first puts out of sight what is over at its `now`, then takes what
//! it needs of the orders in one step: that is the instant its membership and
//! totals belong to. Sessions that leave afterwards stay readable until the
//! view is dropped.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Table;
use super::entry::Copied;
use super::fences::Raised;
use super::names::Labels;
use super::order::{Bits, Orders, Reading};
use super::plan::{Bounds, Order, Plan, SessionQuery, Source, TimeOrder};
use super::shard::Slot;
use super::walk::Snapshot;
use crate::model::{DeviceName, Session, Timestamp, UserName};
use crate::ndata::{Query, Row, SessionMember, Value};
use crate::store::StoreError;

/// Long scans at work at most; more are refused as busy.
pub(super) const SCANS_MAX: usize = 2;
/// Looking at more candidates than this is a long scan.
pub(super) const SHORT_SCAN_ROWS_MAX: usize = 4_096;
/// What a query sees.
pub(super) struct View<'a> {
    pub(super) candidates: Candidates,
    fences: Vec<Raised>,
    users: Labels<UserName>,
    devices: Labels<DeviceName>,
    _scan: Option<Scan<'a>>,
    _reading: Reading<'a>,
}

pub(super) enum Candidates {
    /// Everything within the bounds matches, nothing else does.
    Walk(TimeOrder, Snapshot, Bounds),
    Range(Snapshot, Bounds),
    Slots(Vec<Slot>),
    All(Bits),
}

/// A long scan at work, until dropped.
pub(super) struct Scan<'a>(&'a AtomicUsize);

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A row while it is compared: names are looked up, not copied.
struct Line<'a> {
    copied: &'a Copied,
    view: &'a View<'a>,
}

impl Row<SessionMember> for Line<'_> {
    fn value(&self, member: SessionMember) -> Value<'_> {
        let Self { copied, view } = self;
        match member {
            SessionMember::SessionId => Value::Text(copied.id.as_str().into()),
            SessionMember::UserName => Value::Text(view.user(copied).as_str().into()),
            SessionMember::DeviceName => Value::Text(view.device(copied).as_str().into()),
            SessionMember::EnvName => Value::Text(copied.env.as_str().into()),
            SessionMember::AuthenticationType => {
                Value::Text(copied.authentication_type.as_str().into())
            }
            SessionMember::StartedAt => Value::Time(copied.started_at),
            SessionMember::ExpiresAt => Value::Time(copied.expires_at),
            SessionMember::LastAccessAt => Value::Time(copied.last_access_at),
            SessionMember::Version => {
                Value::Number(i64::try_from(copied.version.0).unwrap_or(i64::MAX))
            }
        }
    }
}

impl View<'_> {
    fn user(&self, copied: &Copied) -> &UserName {
        self.users[copied.user.0 as usize]
            .as_ref()
            .expect("a reader keeps its names")
    }

    fn device(&self, copied: &Copied) -> &DeviceName {
        self.devices[copied.device.0 as usize]
            .as_ref()
            .expect("a reader keeps its names")
    }

    fn line<'a>(&'a self, copied: &'a Copied) -> Line<'a> {
        Line { copied, view: self }
    }

    pub(super) fn session(&self, copied: &Copied) -> Session {
        copied.session(self.user(copied).clone(), self.device(copied).clone())
    }

    pub(super) fn passes(&self, query: &SessionQuery, copied: &Copied) -> bool {
        !self.fences.iter().any(|fence| fence.is_before(copied)) && query.passes(&self.line(copied))
    }

    pub(super) fn is_wanted(&self, query: &SessionQuery, order: &Order, copied: &Copied) -> bool {
        let after = query.after.as_ref();
        after.is_none_or(|after| Query::is_after(order, &self.line(copied), after))
    }

    pub(super) fn compare(&self, order: &Order, a: &Copied, b: &Copied) -> std::cmp::Ordering {
        Query::compare(order, &self.line(a), &self.line(b))
    }
}

impl Table {
    /// What the query sees, as of one instant at which nothing listed is over.
    pub(super) fn view(
        &self,
        query: &SessionQuery,
        now: Timestamp,
    ) -> Result<View<'_>, StoreError> {
        loop {
            self.retire(now);
            let orders = self.order.read();
            if orders.first_due(now).is_some() {
                continue;
            }
            let reading = self.readers.enter();
            let fences = self.fences.all();
            let plan = self.plan(query, &orders, !fences.is_empty());
            let scan = self.admit(&plan)?;
            let mut candidates = self.candidates(plan, &orders);
            let (users, devices) = (self.users.labels(), self.devices.labels());
            drop(orders);
            if let Candidates::Walk(_, snapshot, _) | Candidates::Range(snapshot, _) =
                &mut candidates
            {
                snapshot.settle(self);
            }
            return Ok(View {
                candidates,
                fences,
                users,
                devices,
                _scan: scan,
                _reading: reading,
            });
        }
    }

    /// Lets a query in, a long scan only beside few others.
    pub(super) fn admit(&self, plan: &Plan) -> Result<Option<Scan<'_>>, StoreError> {
        if !matches!(plan, Plan::Gather(_, candidates) if *candidates > SHORT_SCAN_ROWS_MAX) {
            return Ok(None);
        }
        let before = self.scans.fetch_add(1, Ordering::Relaxed);
        let scan = Scan(&self.scans);
        if before < SCANS_MAX {
            Ok(Some(scan))
        } else {
            Err(StoreError::Busy)
        }
    }

    fn candidates(&self, plan: Plan, orders: &Orders) -> Candidates {
        let listed = |mut slots: Vec<Slot>| {
            slots.retain(|slot| orders.members.has(*slot));
            Candidates::Slots(slots)
        };
        match plan {
            Plan::Walk(order, bounds) => {
                Candidates::Walk(order, Snapshot::take(self, orders, order), bounds)
            }
            Plan::Gather(Source::Range(order, bounds), _) => {
                Candidates::Range(Snapshot::take(self, orders, order), bounds)
            }
            Plan::Gather(Source::Ids(ids), _) => listed(
                ids.into_iter()
                    .filter_map(|id| self.with(id, |slot, _| slot))
                    .collect(),
            ),
            Plan::Gather(Source::User(name), _) => listed(self.user_slots(orders, &name)),
            Plan::Gather(Source::Device(name), _) => listed(self.device_slots(orders, &name)),
            Plan::Gather(Source::All, _) => Candidates::All(orders.members.clone()),
        }
    }
}
