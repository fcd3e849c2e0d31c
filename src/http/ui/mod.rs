//! The manager's page: its files and its login by cookie. It is a client of the
//! public API like every other.

mod cookie;
mod hosts;
pub(super) mod page;
pub(super) mod session;

pub(in crate::http) use self::cookie::Cookie;
pub use self::hosts::AllowedHosts;
