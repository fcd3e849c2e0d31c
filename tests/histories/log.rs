//! What clients asked and were answered, with the instants of both.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "two test programs use different parts of it"
)]

use std::time::Instant;

/// What an answer said of one session, user or device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// A request of the session itself went through. That is a change: it made
    /// this version.
    Used {
        /// `_v`
        version: u64,
        /// What else of it changes, as text.
        shows: String,
    },
    /// Somebody read it.
    Read {
        /// `_v`
        version: u64,
        /// What else of it changes, as text.
        shows: String,
    },
    /// Somebody changed it.
    Wrote {
        /// The version that was to be changed, if one was named.
        if_match: Option<u64>,
        /// The `_v` that the change made.
        version: u64,
        /// What else of it changes, as text.
        shows: String,
    },
    /// A refresh token was given for its successor.
    Refreshed {
        /// The one given.
        spent: String,
        /// The one got.
        got: String,
    },
    /// This request ended it.
    Ended {
        /// The version that was to be ended, if one was named.
        if_match: Option<u64>,
        /// Its last `_v`, if the answer shows it.
        version: Option<u64>,
    },
    /// It is not there: 401 to its token, 404 to its name.
    Gone,
    /// A change of the version named was refused as too late (412).
    Stale {
        /// The version named.
        if_match: u64,
    },
    /// Something that may have ended it was asked for; whether it did is not
    /// known.
    MayHaveEnded,
}

impl Did {
    /// The version that the answer shows.
    pub fn version(&self) -> Option<u64> {
        match self {
            Self::Used { version, .. }
            | Self::Read { version, .. }
            | Self::Wrote { version, .. } => Some(*version),
            Self::Ended { version, .. } => *version,
            _ => None,
        }
    }

    /// Whether it made the version that it shows.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Used { .. } | Self::Wrote { .. })
    }

    /// Whether it can only have happened while the thing was there.
    pub fn needs_life(&self) -> bool {
        !matches!(self, Self::Gone | Self::MayHaveEnded)
    }

    /// Whether it was not there any more when this was answered.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Gone | Self::Ended { .. })
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Event {
    /// The id of what it was about.
    pub key: String,
    /// Before its first byte was sent.
    pub asked: Instant,
    /// After its last byte had come.
    pub answered: Instant,
    /// What it came to.
    pub did: Did,
}
