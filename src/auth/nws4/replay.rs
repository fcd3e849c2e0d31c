//! The signatures that were used: a request that changes something is carried
//! out once, however often somebody on the way sends it.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;

use super::Refusal;
use crate::model::Timestamp;

/// Signatures remembered at once: 1,700 changes a second with the usual window,
/// in about 20 MB.
const SIGNATURES_MAX: usize = 262_144;

/// So far behind the newest instant seen is no request: the trusted time was set
/// back by hand (`clock reset`).
const SET_BACK: Duration = Duration::from_secs(300);

/// Remembers each signature until its window is over. What was signed before
/// the start of this run is refused, since the last run's memory is gone. So is,
/// when the clock was set back, what was signed before that.
///
/// A client whose clock is ahead by `d` signs for the future: of what it sent in
/// the last `d` before a start, this run can not know that it was used.
#[derive(Debug)]
pub(super) struct ReplayGuard {
    max: usize,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    /// What was signed before is refused.
    started: Timestamp,
    /// (the last instant at which it could be used, signature). One signature
    /// has one time, so the pair is as good a name as the signature alone; the
    /// key's id is part of what is signed.
    signatures: BTreeSet<(Timestamp, [u8; 32])>,
    /// What could be used only before this instant is forgotten.
    forgotten: Timestamp,
}

impl ReplayGuard {
    pub(super) fn new(started: Timestamp) -> Self {
        Self::with_max(started, SIGNATURES_MAX)
    }

    fn with_max(started: Timestamp, max: usize) -> Self {
        Self {
            max,
            used: Mutex::new(Used {
                started,
                signatures: BTreeSet::new(),
                forgotten: started,
            }),
        }
    }

    /// Looks whether a signature was used and remembers that it is, in one step.
    /// `until`: the last instant at which it may be used.
    ///
    /// # Errors
    /// [`Refusal::BeforeStart`], [`Refusal::Replayed`], [`Refusal::Expired`],
    /// [`Refusal::GuardFull`].
    pub(super) fn use_up(
        &self,
        signature: [u8; 32],
        signed: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut used = self.used.lock();
        if now.plus(SET_BACK) < used.forgotten {
            (used.started, used.forgotten) = (now, now);
        }
        if signed < used.started {
            return Err(Refusal::BeforeStart);
        }
        used.forget_before(now);
        // Another request, with a later `now`, may have forgotten this one.
        if until < used.forgotten {
            return Err(Refusal::Expired);
        }
        let name = (until, signature);
        if used.signatures.contains(&name) {
            return Err(Refusal::Replayed);
        }
        if used.signatures.len() >= self.max {
            return Err(Refusal::GuardFull);
        }
        used.signatures.insert(name);
        Ok(())
    }
}

impl Used {
    fn forget_before(&mut self, now: Timestamp) {
        self.forgotten = self.forgotten.max(now);
        while let Some(first) = self.signatures.first() {
            if first.0 >= self.forgotten {
                break;
            }
            self.signatures.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_691_147_978_000);
    const HALF: Duration = Duration::from_secs(150);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn use_up(guard: &ReplayGuard, signature: u8, signed: u64, now: u64) -> Result<(), Refusal> {
        let signed = at(signed);
        guard.use_up([signature; 32], signed, signed.plus(HALF), at(now))
    }

    #[test]
    fn a_signature_is_good_once_until_its_window_is_over() {
        let guard = ReplayGuard::new(START);
        assert_eq!(use_up(&guard, 1, 10, 10), Ok(()));
        assert_eq!(use_up(&guard, 1, 10, 10), Err(Refusal::Replayed));
        assert_eq!(use_up(&guard, 2, 10, 10), Ok(()));
        assert_eq!(use_up(&guard, 1, 10, 160), Err(Refusal::Replayed));
        assert_eq!(use_up(&guard, 3, 200, 161), Ok(()));
        assert_eq!(
            guard.used.lock().signatures.len(),
            1,
            "old ones are forgotten"
        );
    }

    #[test]
    fn a_late_request_can_not_use_what_a_later_one_made_forgotten() {
        let guard = ReplayGuard::new(START);
        assert_eq!(use_up(&guard, 1, 10, 10), Ok(()));
        assert_eq!(use_up(&guard, 2, 300, 300), Ok(()));
        assert_eq!(use_up(&guard, 1, 10, 100), Err(Refusal::Expired));
    }

    #[test]
    fn what_was_signed_before_the_start_is_refused() {
        let guard = ReplayGuard::new(at(1));
        assert_eq!(use_up(&guard, 1, 0, 2), Err(Refusal::BeforeStart));
        assert_eq!(use_up(&guard, 1, 1, 2), Ok(()));
    }

    #[test]
    fn a_clock_that_was_set_back_lets_what_is_signed_from_then_on_through_once() {
        let guard = ReplayGuard::new(at(1_000));
        assert_eq!(use_up(&guard, 1, 2_000, 2_000), Ok(()));
        // Two thousand seconds back: behind the start of the run.
        assert_eq!(use_up(&guard, 2, 99, 100), Err(Refusal::BeforeStart));
        assert_eq!(use_up(&guard, 3, 100, 100), Ok(()));
        assert_eq!(use_up(&guard, 3, 100, 101), Err(Refusal::Replayed));
        // What was used at the time that has come again is not good again.
        assert_eq!(use_up(&guard, 1, 2_000, 1_990), Err(Refusal::Replayed));
    }

    #[test]
    fn the_memory_is_bounded_and_refuses_rather_than_forgets() {
        let guard = ReplayGuard::with_max(START, 3);
        for signature in 0..3 {
            assert_eq!(use_up(&guard, signature, 10, 10), Ok(()));
        }
        assert_eq!(use_up(&guard, 3, 10, 10), Err(Refusal::GuardFull));
        assert_eq!(use_up(&guard, 0, 10, 10), Err(Refusal::Replayed));
        assert_eq!(use_up(&guard, 3, 161, 161), Ok(()));
    }

    #[test]
    fn of_many_who_use_one_signature_at_once_one_succeeds() {
        let guard = ReplayGuard::new(START);
        let successes: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(use_up(&guard, 1, 10, 10).is_ok())))
                .collect();
            threads.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(successes, 1);
    }
}
