//! NData: from the text of a query to a typed query, and what such a query
//! means. Pure: no I/O, no clock. Section 3 of the HTTP contract.

mod query;

pub use query::{
    After, Direction, Filter, Kind, Literal, Member, Query, Row, SessionMember, Test, Value,
};
