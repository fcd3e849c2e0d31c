//! The manager's page: its files and its login by cookie. It is a client of the
//! public API like every other.

pub(super) mod cookie;
mod hosts;
pub(super) mod page;
pub(super) mod session;

pub use self::hosts::AllowedHosts;
