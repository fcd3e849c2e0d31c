//! Lists of users, devices and roles: one query, one page.

use serde::Serialize;

use super::problem::ApiError;
use super::reply::Reply;
use super::wire;
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
    Ok(Reply::ok(wire::selected_page(&query, &page, |out, row| {
        wire::write_json(out, &body(row));
    })))
}
