//! Where a connection stands, told by the code that moves it on and looked at
//! now and then by the code that keeps deadlines.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has come yet.
    New = 0,
    /// A head is coming.
    Head = 1,
    /// A request is being answered, its body may be coming.
    Answering = 2,
    /// The last request is answered, no other has come.
    Waiting = 3,
}

/// One stay in one phase: two are equal only if nothing happened in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay(u32);

impl Stay {
    pub(super) const fn phase(self) -> Phase {
        match self.0 & 3 {
            0 => Phase::New,
            1 => Phase::Head,
            2 => Phase::Answering,
            _ => Phase::Waiting,
        }
    }
}

/// The state of one connection. Only its own task writes here, so plain loads
/// and stores are enough.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// A number that grows with each phase entered, and the phase in the
    /// lowest two bits.
    stay: AtomicU32,
    /// The client does not take what is written.
    stalled: AtomicBool,
}

impl Pulse {
    pub(super) fn now(&self) -> Stay {
        Stay(self.stay.load(Ordering::Relaxed))
    }

    /// A phase begins.
    pub(super) fn enter(&self, phase: Phase) {
        let next = (self.now().0 & !3).wrapping_add(4) | phase as u32;
        self.stay.store(next, Ordering::Relaxed);
    }

    /// Bytes came: a head begins, unless a request is under way.
    pub(super) fn received(&self) {
        if matches!(self.now().phase(), Phase::New | Phase::Waiting) {
            self.enter(Phase::Head);
        }
    }

    /// Something was written, or could not be.
    pub(super) fn wrote(&self, taken: bool) {
        self.stalled.store(!taken, Ordering::Relaxed);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_in_the_same_phase_is_another_when_something_happened_in_between() {
        let pulse = Pulse::default();
        assert_eq!(pulse.now().phase(), Phase::New);
        pulse.received();
        let head = pulse.now();
        assert_eq!(head.phase(), Phase::Head);
        pulse.received();
        assert_eq!(pulse.now(), head, "more bytes of the same head");
        pulse.enter(Phase::Answering);
        pulse.received();
        assert_eq!(pulse.now().phase(), Phase::Answering, "bytes of a body");
        pulse.enter(Phase::Waiting);
        pulse.received();
        assert_eq!(pulse.now().phase(), Phase::Head);
        assert_ne!(pulse.now(), head);
    }
}
