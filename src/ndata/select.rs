//! What a query means on rows: the plain reading, for listings that fit in
//! memory and as the measure for stores that answer in a cleverer way.

use std::sync::Arc;

use super::query::{Member, Query, Row, Value};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected<R> {
    /// The rows of the page, in the query's order; none when only the counts
    /// were wanted.
    pub items: Vec<R>,
    /// How many rows the page holds, also when only the counts were wanted.
    pub count: usize,
    /// How many rows match, before paging and wherever the cursor stands.
    pub total: u64,
    /// Whether matches follow behind this page.
    pub more: bool,
}

/// Answers a query from rows in any order.
pub fn select<M: Member, R: Row<M>>(
    query: &Query<M>,
    rows: impl IntoIterator<Item = R>,
) -> Selected<R> {
    let order = query.order();
    let mut rows: Vec<R> = rows.into_iter().filter(|row| query.passes(row)).collect();
    let total = rows.len();
    if let Some(after) = &query.after {
        rows.retain(|row| Query::is_after(&order, row, after));
    }
    let start = usize::try_from(query.skip)
        .unwrap_or(usize::MAX)
        .min(rows.len());
    let count = query.take.min(rows.len() - start);
    let more = rows.len() - start > count;
    let items = if query.count_only {
        Vec::new()
    } else {
        rows.sort_by(|a, b| Query::compare(&order, a, b));
        rows.into_iter().skip(start).take(count).collect()
    };
    Selected {
        items,
        count,
        total: u64::try_from(total).unwrap_or(u64::MAX),
        more,
    }
}

impl<M, R: Row<M> + ?Sized> Row<M> for &R {
    fn value(&self, member: M) -> Value<'_> {
        (**self).value(member)
    }
}

impl<M, R: Row<M> + ?Sized> Row<M> for Arc<R> {
    fn value(&self, member: M) -> Value<'_> {
        (**self).value(member)
    }
}
