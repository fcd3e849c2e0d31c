//! A check as the tests of the table look at it: they are about what is
//! counted, with nobody in the directory.

use super::{CheckOutcome, Table};
use crate::model::{Directory, Session, SessionId, Timestamp, TokenName, Version};
use crate::store::Access;
use crate::store::sled::view::View;

/// What an access came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was answered with this session.
    Live {
        /// After it.
        session: Session,
        /// `_v` before it.
        before: Version,
    },
    /// There is no such live session.
    NotLive,
    /// The session must be written first.
    MustWrite,
}

impl Seen {
    /// `_v` of the answer.
    pub(super) fn version(&self) -> Option<u64> {
        match self {
            Self::Live { session, .. } => Some(session.version.0),
            _ => None,
        }
    }
}

/// Counts an access.
pub(super) fn check(table: &Table, access: &Access, now: Timestamp, can_write: bool) -> Seen {
    let nobody = View::new(Directory::default());
    table.check(access, now, can_write, &nobody).into()
}

/// Counts an access with the newest token, if this is its name.
pub(super) fn check_named(
    table: &Table,
    id: SessionId,
    name: &TokenName,
    now: Timestamp,
    can_write: bool,
) -> Option<Seen> {
    let nobody = View::new(Directory::default());
    let outcome = table.check_named(id, name, now, can_write, &nobody);
    outcome.map(Seen::from)
}

impl From<CheckOutcome> for Seen {
    fn from(outcome: CheckOutcome) -> Self {
        match outcome {
            CheckOutcome::Live(checked) => {
                assert!(checked.principal.is_none());
                Seen::Live {
                    session: checked.session,
                    before: checked.before,
                }
            }
            CheckOutcome::NotLive => Seen::NotLive,
            CheckOutcome::MustWrite => Seen::MustWrite,
        }
    }
}
