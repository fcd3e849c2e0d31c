//! Why ids that are no longer in the table are not live, for the answer to
//! their tokens.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::model::{EndReason, SessionId, Timestamp};

/// Endings remembered in one generation; two are kept. The oldest are dropped
/// first, and then their tokens are refused without a reason.
const GENERATION_ENDINGS_MAX: usize = 65_536;

type Generation = HashMap<SessionId, (EndReason, Timestamp), RandomState>;

/// A bounded memory of endings.
#[derive(Default)]
pub(super) struct Reasons(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl Reasons {
    /// Remembers an ending, until its tokens expire on their own.
    pub(super) fn remember(&self, id: SessionId, reason: EndReason, until: Timestamp) {
        let mut generations = self.0.lock();
        if generations.young.len() >= GENERATION_ENDINGS_MAX {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(id, (reason, until));
    }

    /// Why an id ended, if that is still known and matters at `now`.
    pub(super) fn get(&self, id: SessionId, now: Timestamp) -> Option<EndReason> {
        let generations = self.0.lock();
        let known = generations
            .young
            .get(&id)
            .or_else(|| generations.old.get(&id));
        known
            .filter(|(_, until)| now < *until)
            .map(|(reason, _)| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_endings_is_bounded_and_keeps_the_newest() {
        let reasons = Reasons::default();
        let (first, last) = (SessionId::draw(), SessionId::draw());
        let until = Timestamp::from_millis(1_000);
        reasons.remember(first, EndReason::Revoked, until);
        for _ in 0..2 * GENERATION_ENDINGS_MAX {
            reasons.remember(SessionId::draw(), EndReason::Replaced, until);
        }
        reasons.remember(last, EndReason::LoggedOut, until);

        let now = Timestamp::from_millis(999);
        assert_eq!(reasons.get(first, now), None);
        assert_eq!(reasons.get(last, now), Some(EndReason::LoggedOut));
        assert_eq!(reasons.get(last, until), None);
        let generations = reasons.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION_ENDINGS_MAX);
    }
}
