//! Places in the feed of revoked sessions, and what is found there.

use std::fmt;

use crate::model::{SessionId, Timestamp};

/// How far somebody has read: everything up to a change of the store, or up to
/// one session among those that this change has ended. Good in its epoch only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPlace {
    /// The epoch of the store.
    pub epoch: u64,
    /// The number of the change.
    pub commit: u64,
    /// The last session read of this change; `None`: all of them.
    pub id: Option<SessionId>,
}

impl FeedPlace {
    /// Reads a place; `None` for everything that is no text of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = || parts.next()?.parse().ok();
        let (epoch, commit) = (number()?, number()?);
        let id = parts.next().map(SessionId::parse).transpose().ok()?;
        let place = Self { epoch, commit, id };
        // Only the one spelling.
        (parts.next().is_none() && place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.commit)?;
        match &self.id {
            Some(id) => write!(f, "-{}", id.as_str()),
            None => Ok(()),
        }
    }
}

/// A part of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocations {
    /// Sessions that have ended, with the end of their tokens (`exp`), in the
    /// order of the changes that ended them, then by id.
    pub items: Vec<(SessionId, Timestamp)>,
    /// Where to go on.
    pub next: FeedPlace,
    /// Whether this begins at the beginning: what was read before is void.
    pub reset: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        for id in [None, Some(SessionId::draw())] {
            let place = FeedPlace {
                epoch: 3,
                commit: u64::MAX,
                id,
            };
            assert_eq!(FeedPlace::parse(&place.to_string()), Some(place));
        }
        for text in [
            "", "-", "1", "1-", "-1", "1-2-", "1-2-x", "+1-2", "01-2", "1-2-3-4", "a-b",
        ] {
            assert_eq!(FeedPlace::parse(text), None, "{text}");
        }
    }
}
