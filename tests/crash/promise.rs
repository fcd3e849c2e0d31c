//! The promises that a crash may break.

use std::fmt;

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Something acknowledged is not there.
    Lost,
    /// Something ended, or seen ended, lives.
    Returned,
    /// A version was given twice with different contents.
    Repeated,
    /// The server does not start.
    Start,
    /// No order of the requests explains their answers.
    Order,
    /// Indexes and records on the disk differ.
    Index,
}

/// A broken promise with what was seen.
#[derive(Debug)]
pub(crate) struct Violation {
    /// Which promise.
    pub(crate) promise: Promise,
    /// What was seen.
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}
