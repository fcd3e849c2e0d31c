//! A session as the sled store holds it: what the API shows, and what is kept
//! beside it.

use crate::model::{Session, Timestamp, Version};
use crate::store::TokenState;

/// A session with everything that is stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the API shows. On disk `version` and `last_access_at` are those of
    /// the last write; memory may be ahead.
    pub session: Session,
    /// No version above this was or will be given before the next write of the
    /// record: after an unclean stop the session goes on from the next.
    pub ceiling: Version,
    /// The number of the commit that began it. A fence with a higher number
    /// ends it.
    pub began: u64,
    /// The number of the commit that last wrote it. Part of the tree's digest,
    /// so that a record that is older than it should be is noticed.
    pub written: u64,
    /// What its tokens are made from; `None` for signed requests.
    pub tokens: Option<TokenState>,
}

/// A session as memory has it, with what is known of its record on disk.
///
/// `record.session` and `record.tokens` are memory's; `record.ceiling` and
/// `record.written` are those of the last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The session.
    pub record: Record,
    /// `lastAccessAt` of the last write: the session's index key on disk
    /// stands under it.
    pub disk_last_access: Timestamp,
}

impl From<Record> for Kept {
    /// A record just as the disk has it.
    fn from(record: Record) -> Self {
        let disk_last_access = record.session.last_access_at;
        Self {
            record,
            disk_last_access,
        }
    }
}
