//! The manager's page: its login by cookie. The page itself is a client of the
//! public API like every other.

pub(super) mod cookie;
mod hosts;
pub(super) mod session;

pub use self::hosts::AllowedHosts;
