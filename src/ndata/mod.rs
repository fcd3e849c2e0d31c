//! NData: from the text of a query to a typed query, and what such a query
//! means. Pure: no I/O, no clock. Section 3 of the HTTP contract.
//!
//! The way of a query: [`parse`] cuts the raw text into parameters (`raw`),
//! reads filters (`filter`, `operator`, `literal`) and the `$` parameters
//! (`paging`, `cursor`), and yields a [`Query`]; [`select`] answers it from any
//! rows. A store may answer in its own way, but must say the same.

mod audit;
mod cursor;
mod ended;
mod error;
mod filter;
mod literal;
mod members;
mod operator;
mod paging;
mod parse;
mod query;
mod raw;
mod select;
#[cfg(test)]
mod tests;

pub use audit::AuditMember;
pub use cursor::next_cursor;
pub use ended::EndedMember;
pub use error::{QueryError, QueryErrors};
pub use members::{ApiKeyMember, DeviceMember, RoleMember, UserMember, WebhookMember};
pub use parse::{Limits, parse, parse_filters};
pub use query::{
    After, Direction, Filter, Kind, Literal, Member, Query, Row, SessionMember, Test, Value,
};
pub use select::{Selected, select};
