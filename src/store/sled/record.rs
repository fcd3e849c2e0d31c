//! A session as the sled store holds it: what the API shows, and what is kept
//! beside it.

use crate::model::{Session, Version};
use crate::store::TokenState;

/// A session with everything that is stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the API shows. On disk `version` and `last_access_at` are those of
    /// the last write; memory may be ahead.
    pub session: Session,
    /// No version above this was or will be given before the next write of the
    /// record: after an unclean stop the session goes on from here.
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
