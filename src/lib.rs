//! Tillgate: the session server of a shop.

pub mod model;
pub mod ndata;
pub mod store;
