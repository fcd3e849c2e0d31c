//! How many connections there are: counted by the accept loop, told by
//! `GET /metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::meter::Counter;

/// The connections of a server.
#[derive(Debug, Default)]
pub struct Connections {
    /// How many were accepted.
    pub accepted: Counter,
    /// How many the system did not hand over.
    pub failed: Counter,
    closed: Counter,
    max: AtomicU64,
}

/// One that is open, until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Arc<Connections>);

impl Connections {
    /// Notes how many there may be.
    pub fn set_max(&self, max: usize) {
        let max = u64::try_from(max).unwrap_or(u64::MAX);
        self.max.store(max, Ordering::Relaxed);
    }

    /// How many there may be.
    pub fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Counts one that was accepted.
    pub fn accept(self: &Arc<Self>) -> OpenConnection {
        self.accepted.count();
        OpenConnection(Arc::clone(self))
    }

    /// How many are open.
    pub fn open(&self) -> u64 {
        // In this order: each was accepted before it was closed.
        let closed = self.closed.get();
        self.accepted.get().saturating_sub(closed)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.closed.count();
    }
}
