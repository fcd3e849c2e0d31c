//! What a store has counted since it was opened, and how much it holds: for
//! whoever watches over the server. Nothing is decided by it.

use crate::meter::Distribution;
use crate::model::EndReason;

/// The figures of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions that began.
    pub begun: u64,
    /// Sessions that ended, by the place of the reason in [`EndReason::ALL`]. A
    /// session whose time is over is counted when it goes to the archive.
    pub ended: [u64; EndReason::ALL.len()],
    /// How long groups took to be written and synced; failed ones, too.
    pub groups: Distribution,
    /// How long their syncs took.
    pub syncs: Distribution,
    /// Operations that were in them.
    pub operations: u64,
    /// Operations that wait for the writer.
    pub queued: u64,
    /// Ended sessions that are kept.
    pub archived: u64,
    /// Audit entries that are kept.
    pub audited: u64,
    /// The disk format.
    pub format: u8,
}
