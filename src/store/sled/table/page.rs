//! Answers to list queries.
//!
//! Membership and totals are those of the query's [`View`]. Rows are copied
//! afterwards, a few under each lock; they show the values they were copied
//! with, and are sorted by these.

use std::borrow::Cow;

use super::Table;
use super::entry::Copied;
use super::order::Bits;
use super::plan::{Bounds, Order, Plan, SessionQuery, TimeOrder};
use super::shard::Slot;
use super::top::Top;
use super::view::{Candidates, SHORT_SCAN_ROWS_MAX, View};
use super::walk::Snapshot;
use crate::model::Timestamp;
use crate::ndata::{Direction, Filter, Literal, SessionMember, Test, Value};
use crate::store::{Scope, SessionPage, StoreError};

/// A page of more rows than this takes its time too.
const SHORT_PAGE_ROWS_MAX: usize = 2_048;
/// More accesses to merge than this take their time too.
const SHORT_MERGE_MARKS_MAX: usize = 16_384;

impl TimeOrder {
    const fn value(self, copied: &Copied) -> Timestamp {
        match self {
            Self::Start => copied.started_at,
            Self::Expiry => copied.expires_at,
            Self::LastAccess => copied.last_access_at,
        }
    }
}

impl Table {
    /// Entries looked at under one lock at most.
    pub(super) const SCAN_STEP_ENTRIES: usize = 256;

    /// Whether answering takes long enough to be done beside the threads that
    /// serve requests.
    pub fn scans(&self, query: &SessionQuery, now: Timestamp) -> bool {
        let orders = self.order.read();
        if orders.has_many_due(now) {
            return true;
        }
        match self.plan(query, &orders, false) {
            Plan::Gather(_, candidates) => candidates > SHORT_SCAN_ROWS_MAX,
            Plan::Walk(order, _) => {
                (query.take > SHORT_PAGE_ROWS_MAX && !query.count_only)
                    || (order == TimeOrder::LastAccess && self.marks.len() > SHORT_MERGE_MARKS_MAX)
            }
        }
    }

    /// The sessions that are live at `now`, match the query and are within the
    /// scope. Membership, `count` and `total` belong to one instant, each row's
    /// `lastAccessAt` and `_v` to its own; the order follows the values shown.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when two long scans are at work.
    pub fn page(
        &self,
        query: &SessionQuery,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError> {
        let query = within(query, scope);
        let order = query.order();
        let view = self.view(&query, now)?;
        Ok(self.answer(&query, &order, &view))
    }

    /// The page of a query that sees this view.
    pub(super) fn answer(
        &self,
        query: &SessionQuery,
        order: &Order,
        view: &View<'_>,
    ) -> SessionPage {
        match &view.candidates {
            Candidates::Walk(by, snapshot, bounds) => {
                self.walk(query, order, view, (*by, snapshot, *bounds))
            }
            _ => self.gather(query, order, view),
        }
    }

    /// Answers from one order by time, whose cost follows the page.
    fn walk(
        &self,
        query: &SessionQuery,
        order: &Order,
        view: &View<'_>,
        (by, snapshot, bounds): (TimeOrder, &Snapshot, Bounds),
    ) -> SessionPage {
        let total = u64::try_from(snapshot.count(bounds)).unwrap_or(u64::MAX);
        if query.skip >= total {
            return SessionPage {
                total,
                ..SessionPage::default()
            };
        }
        if query.count_only && query.after.is_none() {
            return counted(query, total, total);
        }
        let direction = order[0].1;
        let within = bounds.and(behind_cursor(query, direction));
        let (keys, skip) = snapshot.walk(within, direction, query.skip);
        let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut keys = keys.peekable();
        let mut rows = Vec::new();
        // Rows that have moved on since: their place comes later, if at all.
        let mut ahead: Vec<Copied> = Vec::new();
        let mut group = Vec::new();
        while let Some((at, _)) = keys.peek().copied() {
            // Sessions of one instant are sorted by what else the order names.
            let of_instant = std::iter::from_fn(|| keys.next_if(|key| key.0 == at));
            group.clear();
            group.extend(of_instant.map(|key| key.1));
            if rows.is_empty() && ahead.is_empty() && skip >= group.len() {
                skip -= group.len();
                continue;
            }
            let copies = group.iter().map(|slot| self.copy(*slot));
            let is_row =
                |row: &Copied| view.passes(query, row) && view.is_wanted(query, order, row);
            ahead.extend(copies.filter(is_row));
            let is_here = |row: &mut Copied| direction.apply(by.value(row).cmp(&at)).is_le();
            rows.extend(ahead.extract_if(.., is_here));
            if rows.len() > skip.saturating_add(query.take) {
                break;
            }
        }
        if rows.len() <= skip.saturating_add(query.take) {
            rows.append(&mut ahead);
        }
        rows.sort_unstable_by(|a, b| view.compare(order, a, b));
        finished(query, view, total, rows.get(skip..).unwrap_or_default())
    }

    /// Answers by looking at every candidate.
    fn gather(&self, query: &SessionQuery, order: &Order, view: &View<'_>) -> SessionPage {
        let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let wanted = skip.saturating_add(query.take).saturating_add(1);
        let compare = |a: &Copied, b: &Copied| view.compare(order, a, b);
        let mut top = Top::new(if query.count_only { 0 } else { wanted }, compare);
        let (mut total, mut reachable) = (0, 0);
        self.each_candidate(view, |copied| {
            if !view.passes(query, copied) {
                return;
            }
            total += 1;
            if view.is_wanted(query, order, copied) {
                reachable += 1;
                top.push(*copied);
            }
        });
        if query.count_only {
            return counted(query, total, reachable);
        }
        let rows = top.sorted();
        finished(query, view, total, rows.get(skip..).unwrap_or_default())
    }

    fn each_candidate(&self, view: &View<'_>, mut look: impl FnMut(&Copied)) {
        match &view.candidates {
            Candidates::Walk(_, snapshot, bounds) | Candidates::Range(snapshot, bounds) => {
                let (keys, _) = snapshot.walk(*bounds, Direction::Ascending, 0);
                keys.for_each(|(_, slot)| look(&self.copy(slot)));
            }
            Candidates::Slots(slots) => slots.iter().for_each(|slot| look(&self.copy(*slot))),
            Candidates::All(members) => {
                let mut step = Vec::with_capacity(Self::SCAN_STEP_ENTRIES);
                for (shard, places) in members.shards() {
                    self.copy_step(shard, places, members, &mut step);
                    step.drain(..).for_each(|copied| look(&copied));
                }
            }
        }
    }

    /// Copies the members at some places of a shard, under its lock.
    fn copy_step(
        &self,
        shard: usize,
        places: std::ops::Range<usize>,
        members: &Bits,
        step: &mut Vec<Copied>,
    ) {
        let entries = self.shards[shard].read();
        for place in places {
            if members.has(Slot::new(place, shard)) {
                let entry = entries.at(place);
                step.push(entry.copy(&entry.state.lock()));
            }
        }
    }

    fn copy(&self, slot: Slot) -> Copied {
        self.at(slot, |entry| entry.copy(&entry.state.lock()))
    }
}

/// The query with the scope as one more filter.
fn within<'a>(query: &'a SessionQuery, scope: &Scope) -> Cow<'a, SessionQuery> {
    let Scope::Own(user) = scope else {
        return Cow::Borrowed(query);
    };
    let mut query = query.clone();
    let test = Test::Eq(Literal::Text(user.as_str().to_owned()));
    // First, so that it is the one the index is asked for.
    query.filters.insert(
        0,
        Filter {
            member: SessionMember::UserName,
            test,
        },
    );
    Cow::Owned(query)
}

/// The part of the leading order that can be behind the cursor.
fn behind_cursor(query: &SessionQuery, direction: Direction) -> Bounds {
    let at = query
        .after
        .as_ref()
        .and_then(|after| match after.0.first() {
            Some(Value::Time(at)) => Some(at.as_millis()),
            _ => None,
        });
    match (at, direction) {
        (None, _) => Bounds::ALL,
        (Some(low), Direction::Ascending) => Bounds { low, ..Bounds::ALL },
        (Some(high), Direction::Descending) => Bounds {
            high,
            ..Bounds::ALL
        },
    }
}

/// The page when only counts are wanted; `reachable` matches are behind the
/// cursor.
fn counted(query: &SessionQuery, total: u64, reachable: u64) -> SessionPage {
    let left = usize::try_from(reachable.saturating_sub(query.skip)).unwrap_or(usize::MAX);
    let (count, more) = (left.min(query.take), left > query.take);
    SessionPage {
        items: Vec::new(),
        count,
        total,
        more,
    }
}

/// The page from the sorted rows behind those to skip; one more than the page
/// holds says that more follow.
fn finished(query: &SessionQuery, view: &View<'_>, total: u64, rows: &[Copied]) -> SessionPage {
    let (count, more) = (rows.len().min(query.take), rows.len() > query.take);
    let shown = if query.count_only {
        &[]
    } else {
        &rows[..count]
    };
    let items = shown.iter().map(|row| view.session(row)).collect();
    SessionPage {
        items,
        count,
        total,
        more,
    }
}
