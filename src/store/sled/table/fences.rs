//! The fences that are up: whole groups of sessions that are over from one
//! instant on, before they have left the table one by one.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::entry::Copied;
use super::names::NameId;
use crate::model::{EndReason, KeyNumber, SessionId};

/// A fence, with names as numbers.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    /// Sessions that began below it are behind it.
    pub(super) number: u64,
    /// Only of this user.
    pub(super) user: Option<NameId>,
    /// Only on this device.
    pub(super) device: Option<NameId>,
    /// Only those whose newest token was signed by this key.
    pub(super) key: Option<KeyNumber>,
    /// All but this one.
    pub(super) keep: Option<SessionId>,
    /// Why.
    pub(super) reason: EndReason,
}

impl Raised {
    /// Whether a session is behind it.
    pub(super) fn is_before(&self, session: &Copied) -> bool {
        session.began < self.number
            && self.user.is_none_or(|user| user == session.user)
            && self.device.is_none_or(|device| device == session.device)
            && self.key.is_none_or(|key| session.key == Some(key))
            && self.keep != Some(session.id)
    }
}

/// All fences that are up; hardly ever any.
#[derive(Default)]
pub(super) struct Fences {
    /// How many, so that a check need not take the lock.
    len: AtomicUsize,
    raised: RwLock<Vec<Raised>>,
}

impl Fences {
    /// Puts one up. The caller holds the orders for writing.
    pub(super) fn add(&self, fence: Raised) {
        let mut raised = self.raised.write();
        raised.push(fence);
        self.len.store(raised.len(), Ordering::Release);
    }

    /// Takes all with this number down.
    pub(super) fn remove(&self, number: u64) {
        let mut raised = self.raised.write();
        raised.retain(|fence| fence.number != number);
        self.len.store(raised.len(), Ordering::Release);
    }

    /// The reason of a fence that the session is behind.
    pub(super) fn reason(&self, session: impl FnOnce() -> Copied) -> Option<EndReason> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let session = &session();
        let raised = self.raised.read();
        raised
            .iter()
            .find(|fence| fence.is_before(session))
            .map(|fence| fence.reason)
    }

    /// All that are up.
    pub(super) fn all(&self) -> Vec<Raised> {
        if self.len.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        self.raised.read().clone()
    }
}
