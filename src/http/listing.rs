//! Lists of users, devices and roles: one query, one page.

use serde::Serialize;

use super::problem::ApiError;
use super::reply::Reply;
use super::wire::{self, Counts};
use crate::ndata::{self, Limits, Member, Row};

/// Answers a query over rows that are all in memory.
pub(super) fn page<'a, M, R, B>(
    query: Option<&str>,
    limits: &Limits,
    rows: impl Iterator<Item = &'a R>,
    body: impl Fn(&'a R) -> B,
) -> Result<Reply, ApiError>
where
    M: Member,
    R: Row<M> + 'a,
    B: Serialize,
{
    let query = ndata::parse::<M>(query, limits)?;
    let page = ndata::select(&query, rows);
    let last = page.items.last().filter(|_| page.more && !query.count_only);
    let counts = Counts {
        only: query.count_only,
        count: page.count,
        total: page.total,
        next: last.map(|row| ndata::next_cursor(&query, *row)),
    };
    Ok(Reply::ok(wire::write_page(
        &page.items,
        &counts,
        |out, row| wire::write_json(out, &body(row)),
    )))
}
