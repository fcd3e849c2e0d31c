//! What is to be done with an outbox, as steps to be written: settling what a
//! hook was told, and tidying up. Pure; nothing changes before the steps are
//! durable.

use std::sync::Arc;

use super::{Failure, Outbox, Settled, State, Step};
use crate::model::{Directory, Timestamp, Webhook, WebhookId};

/// Why an event is given up that no try has failed for.
const TOO_MANY: &str = "too many notifications were waiting";

impl Outbox {
    /// The steps that settle what has become of notifications of a hook. None,
    /// where it was settled already.
    #[must_use]
    pub fn settle(
        &self,
        hook: WebhookId,
        settled: &Settled,
        failures_max: usize,
        now: Timestamp,
    ) -> Vec<Step> {
        let state = self.state.lock();
        let passed = state.passed(hook);
        match settled {
            Settled::Passed(number) if *number > passed => vec![Step::Pass(hook, *number)],
            Settled::Passed(_) => Vec::new(),
            Settled::Forgotten(number, _) => {
                let known = state.failures.contains_key(&(hook, *number));
                Vec::from_iter(known.then_some(Step::Forget(hook, *number)))
            }
            Settled::GaveUp(numbers, why) => {
                let ahead = numbers.iter().filter(|number| **number > passed);
                let events = ahead.filter_map(|number| state.events.get(number));
                let mut steps: Vec<_> = events
                    .map(|event| {
                        Step::Fail(Arc::new(Failure {
                            hook,
                            event: Arc::clone(event),
                            at: now,
                            why: why.clone(),
                        }))
                    })
                    .collect();
                let surplus = state.surplus(hook, steps.len(), failures_max);
                steps.extend(surplus);
                let last = numbers.iter().copied().max().unwrap_or(0);
                steps.extend((last > passed).then_some(Step::Pass(hook, last)));
                steps
            }
        }
    }

    /// The steps that take a deleted hook out.
    pub(super) fn leave(&self, hook: WebhookId) -> Vec<Step> {
        let state = self.state.lock();
        let failures = state.failures_of(hook);
        let mut steps: Vec<_> = failures
            .map(|failure| Step::Forget(hook, failure.event.number()))
            .collect();
        if state.passed.contains_key(&hook) {
            steps.push(Step::Leave(hook));
        }
        steps
    }

    /// Whether [`Outbox::tidy`] should not wait: there are more events than there
    /// may be.
    #[must_use]
    pub fn is_over(&self, events_max: usize) -> bool {
        self.state.lock().events.len() > events_max
    }

    /// Steps that remove at most `max` events: those that nobody is to be told of
    /// any more, and the oldest of too many.
    #[must_use]
    pub fn tidy(
        &self,
        directory: &Directory,
        events_max: usize,
        failures_max: usize,
        max: usize,
        now: Timestamp,
    ) -> Vec<Step> {
        let state = self.state.lock();
        let hooks: Vec<(&Webhook, u64)> = directory
            .webhooks()
            .filter(|hook| hook.is_active)
            .map(|hook| (&**hook, state.passed(hook.id)))
            .collect();
        let waits = |number: u64, kind| {
            let hooks = hooks.iter();
            hooks.filter(move |(hook, passed)| *passed < number && hook.wants(kind))
        };
        let events = state.events.iter();
        let done: Vec<Step> = events
            .filter(|(number, event)| waits(**number, event.change.what.kind()).next().is_none())
            .take(max)
            .map(|(number, _)| Step::Remove(*number))
            .collect();
        // Nothing is given up before everything was removed that could be.
        if !done.is_empty() {
            return done;
        }
        let surplus = state.events.len().saturating_sub(events_max).min(max);
        let mut steps = Vec::new();
        let mut behind = std::collections::BTreeMap::new();
        for (number, event) in state.events.iter().take(surplus) {
            for (hook, _) in waits(*number, event.change.what.kind()) {
                steps.push(Step::Fail(Arc::new(Failure {
                    hook: hook.id,
                    event: Arc::clone(event),
                    at: now,
                    why: TOO_MANY.into(),
                })));
                let (last, count) = behind.entry(hook.id).or_insert((0, 0));
                (*last, *count) = (*number, *count + 1);
            }
            steps.push(Step::Remove(*number));
        }
        for (hook, (last, count)) in behind {
            steps.push(Step::Pass(hook, last));
            steps.extend(state.surplus(hook, count, failures_max));
        }
        steps
    }
}

impl State {
    /// The oldest failures of a hook that must go when `more` come in.
    fn surplus(&self, hook: WebhookId, more: usize, max: usize) -> Vec<Step> {
        let kept = self.failures_of(hook).count();
        let surplus = (kept + more).saturating_sub(max);
        self.failures_of(hook)
            .take(surplus)
            .map(|failure| Step::Forget(hook, failure.event.number()))
            .collect()
    }
}
