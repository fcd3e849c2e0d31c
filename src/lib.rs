//! Tillgate: the session server of a shop. Sessions of tills, handhelds and
//! office PCs, kept in an embedded database; what is ended stays ended.

pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod courier;
pub mod http;
pub mod meter;
pub mod model;
pub mod ndata;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
