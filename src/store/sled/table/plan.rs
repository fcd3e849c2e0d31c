//! Which index answers a query.
//!
//! Every answer names the exact number of matches. So an index is walked in
//! its order only if its keys alone decide what matches; otherwise everything
//! in the narrowest index has to be looked at.

use super::order::Orders;
use super::{Table, ranks_under};
use crate::model::{DeviceName, SessionId, Timestamp, UserName};
use crate::ndata::{Direction, Filter, Literal, Query, SessionMember, Test};

/// A query on sessions.
pub(super) type SessionQuery = Query<SessionMember>;
/// Sort keys with their directions.
pub(super) type Order = [(SessionMember, Direction)];

/// An order by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeOrder {
    Start,
    Expiry,
    LastAccess,
}

impl TimeOrder {
    /// The order by a member, if there is one.
    pub(super) const fn of(member: SessionMember) -> Option<Self> {
        match member {
            SessionMember::StartedAt => Some(Self::Start),
            SessionMember::ExpiresAt => Some(Self::Expiry),
            SessionMember::LastAccessAt => Some(Self::LastAccess),
            _ => None,
        }
    }
}

/// Instants in milliseconds, both ends included; empty when they cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Bounds {
    /// Every instant.
    pub(super) const ALL: Self = Self {
        low: i64::MIN,
        high: i64::MAX,
    };

    /// Whether an instant is within.
    pub(super) fn hold(self, at: Timestamp) -> bool {
        (self.low..=self.high).contains(&at.as_millis())
    }

    /// What is within both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            low: self.low.max(other.low),
            high: self.high.min(other.high),
        }
    }
}

/// Where the candidates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// These ids, as far as they exist.
    Ids(Vec<SessionId>),
    /// One user's.
    User(UserName),
    /// Those on one device.
    Device(DeviceName),
    /// A part of an order by time.
    Range(TimeOrder, Bounds),
    /// All that are listed.
    All,
}

/// How a query is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// From one order, in its direction, page by page: everything within the
    /// bounds matches and nothing else does.
    Walk(TimeOrder, Bounds),
    /// By looking at about so many candidates.
    Gather(Source, usize),
}

impl Table {
    /// The plan for a query on these orders.
    pub(super) fn plan(&self, query: &SessionQuery, orders: &Orders, is_fenced: bool) -> Plan {
        if let Some(ids) = named_ids(query) {
            let len = ids.len();
            return Plan::Gather(Source::Ids(ids), len);
        }
        if let Some((order, bounds)) = walked(query).filter(|_| !is_fenced) {
            return Plan::Walk(order, bounds);
        }
        let sources = [self.by_user(query, orders), self.by_device(query, orders)];
        let ranges = [
            SessionMember::StartedAt,
            SessionMember::ExpiresAt,
            SessionMember::LastAccessAt,
        ]
        .map(|member| self.by_time(member, query, orders));
        let all = Some((Source::All, orders.by_start.len()));
        let narrowest = sources.into_iter().chain(ranges).chain([all]).flatten();
        let (source, size) = narrowest
            .min_by_key(|(_, size)| *size)
            .expect("all is one of them");
        Plan::Gather(source, size)
    }

    fn by_user(&self, query: &SessionQuery, orders: &Orders) -> Option<(Source, usize)> {
        let text = equal_text(query, SessionMember::UserName)?;
        // What is no name has no sessions.
        let Ok(name) = UserName::parse(text) else {
            return Some((Source::Ids(Vec::new()), 0));
        };
        let ranks = self
            .users
            .id(&name)
            .map(|id| ranks_under(&orders.by_user, id));
        Some((Source::User(name), ranks.map_or(0, |ranks| ranks.len())))
    }

    fn by_device(&self, query: &SessionQuery, orders: &Orders) -> Option<(Source, usize)> {
        let text = equal_text(query, SessionMember::DeviceName)?;
        let Ok(name) = DeviceName::parse(text) else {
            return Some((Source::Ids(Vec::new()), 0));
        };
        let ranks = self
            .devices
            .id(&name)
            .map(|id| ranks_under(&orders.by_device, id));
        Some((Source::Device(name), ranks.map_or(0, |ranks| ranks.len())))
    }

    fn by_time(
        &self,
        member: SessionMember,
        query: &SessionQuery,
        orders: &Orders,
    ) -> Option<(Source, usize)> {
        let order = TimeOrder::of(member)?;
        let filters = query
            .filters
            .iter()
            .filter(|filter| filter.member == member);
        let bounds = filters
            .filter_map(|filter| bounds(&filter.test))
            .reduce(Bounds::and)?;
        let within = orders.ranks(order, bounds).len();
        // What was touched since the last merge has to be looked at too.
        let marked = if order == TimeOrder::LastAccess {
            self.marks.len()
        } else {
            0
        };
        Some((Source::Range(order, bounds), within + marked))
    }
}

/// The ids a query names, if it names some.
fn named_ids(query: &SessionQuery) -> Option<Vec<SessionId>> {
    let of_id = query
        .filters
        .iter()
        .filter(|filter| filter.member == SessionMember::SessionId);
    let literals = of_id.filter_map(|filter| match &filter.test {
        Test::Eq(literal) => Some(std::slice::from_ref(literal)),
        Test::In(literals) => Some(literals.as_slice()),
        _ => None,
    });
    let mut ids: Vec<SessionId> = literals
        .min_by_key(|literals| literals.len())?
        .iter()
        .filter_map(parse_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

fn parse_id(literal: &Literal) -> Option<SessionId> {
    let Literal::Text(text) = literal else {
        return None;
    };
    SessionId::parse(text).ok()
}

fn equal_text(query: &SessionQuery, member: SessionMember) -> Option<&str> {
    query.filters.iter().find_map(|filter| match &filter.test {
        Test::Eq(Literal::Text(text)) if filter.member == member => Some(text.as_str()),
        _ => None,
    })
}

/// The order that may be walked, and the part of it that matches: the query
/// sorts by it first and filters by nothing else.
fn walked(query: &SessionQuery) -> Option<(TimeOrder, Bounds)> {
    let lead = query
        .sort
        .first()
        .map_or(SessionMember::StartedAt, |(member, _)| *member);
    let order = TimeOrder::of(lead)?;
    let only = |filter: &Filter<SessionMember>| {
        if filter.member == lead {
            bounds(&filter.test)
        } else {
            None
        }
    };
    let all = query
        .filters
        .iter()
        .try_fold(Bounds::ALL, |all, filter| Some(all.and(only(filter)?)));
    Some((order, all?))
}

/// The instants that pass a test, if they are one stretch.
fn bounds(test: &Test) -> Option<Bounds> {
    let (Test::Eq(literal)
    | Test::Gt(literal)
    | Test::Gte(literal)
    | Test::Lt(literal)
    | Test::Lte(literal)) = test
    else {
        return None;
    };
    let Literal::Time(nanos) = literal else {
        return None;
    };
    // Records have whole milliseconds, queries may be finer.
    let floor = nanos.div_euclid(1_000_000);
    let ceil = floor + i128::from(nanos.rem_euclid(1_000_000) != 0);
    let (low, high) = match test {
        Test::Eq(_) => (ceil, floor),
        Test::Gt(_) => (floor + 1, i128::MAX),
        Test::Gte(_) => (ceil, i128::MAX),
        Test::Lt(_) => (i128::MIN, ceil - 1),
        _ => (i128::MIN, floor),
    };
    let millis = |at: i128| i64::try_from(at).unwrap_or(if at < 0 { i64::MIN } else { i64::MAX });
    Some(Bounds {
        low: millis(low),
        high: millis(high),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ndata::Value;

    #[test]
    fn bounds_hold_exactly_what_passes_the_test() {
        let nanos = [
            -1_500_000, -1_000_000, -1, 0, 1, 999_999, 1_000_000, 1_000_001,
        ];
        for nanos in nanos.map(Literal::Time) {
            for test in
                [Test::Eq, Test::Gt, Test::Gte, Test::Lt, Test::Lte].map(|t| t(nanos.clone()))
            {
                let bounds = bounds(&test).expect("one stretch");
                for at in (-4..4).map(Timestamp::from_millis) {
                    assert_eq!(
                        bounds.hold(at),
                        test.passes(&Value::Time(at)),
                        "{test:?} {at:?}"
                    );
                }
            }
        }
    }
}
