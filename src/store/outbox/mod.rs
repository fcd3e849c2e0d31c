//! The outbox: changes that webhooks are still to be told of, how far each hook
//! has come, and what it never got. Both stores keep one; what they write to
//! disk are its steps, each in the group of the change that it belongs to.
//!
//! An event is kept once, whoever wants it, and goes when every active hook that
//! wants it has passed it. A hook passes events in their order. Nothing waits for
//! a hook: of too many events the oldest are given up, for those hooks that are
//! still to be told of them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::changes::{Action, Change, ChangePlace, Changed};
use crate::model::{
    AuditEntry, Author, Directory, DirectoryDecision, ResourceKind, Timestamp, Webhook, WebhookId,
};

mod plan;
#[cfg(test)]
mod tests;

/// Events that wait at most; beyond, the oldest are given up.
pub const OUTBOX_EVENTS_MAX: usize = 10_000;
/// Notifications kept that a hook never got; beyond, its oldest is forgotten.
pub const FAILURES_PER_HOOK_MAX: usize = 1_000;

/// Bits of an event's number that say its place in its group.
const PLACE_BITS: u32 = 20;
/// The last place of a group: what is at most there lies before the next group.
const PLACE_MAX: u64 = (1 << PLACE_BITS) - 1;
/// Events of one group at most: the last place stays free.
pub const EVENTS_PER_GROUP_MAX: u32 = (1 << PLACE_BITS) - 2;

/// A change that hooks are to be told of.
#[derive(Debug)]
pub struct Event {
    /// When it was put into the outbox. `change.at` may be long before: of a
    /// session that lapsed it is the instant the rule struck.
    pub since: Timestamp,
    /// What happened; its place is the event's own.
    pub change: Change,
}

impl Event {
    /// Its number: grows in the order in which hooks are told.
    #[must_use]
    pub const fn number(&self) -> u64 {
        number(self.change.place)
    }
}

/// The number of the event at a place.
#[must_use]
pub const fn number(place: ChangePlace) -> u64 {
    place.commit << PLACE_BITS | place.number as u64
}

/// The commit of an event's number, and its place there.
#[must_use]
pub const fn place(number: u64) -> (u64, u32) {
    // 20 bits are left by the mask.
    let at = (number & PLACE_MAX) as u32;
    (number >> PLACE_BITS, at)
}

/// The number behind everything of a group.
#[must_use]
pub const fn behind(commit: u64) -> u64 {
    commit << PLACE_BITS | PLACE_MAX
}

/// A notification that a hook never got.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whom it was for.
    pub hook: WebhookId,
    /// Of what.
    pub event: Arc<Event>,
    /// When it was given up.
    pub at: Timestamp,
    /// Why the last try failed.
    pub why: Box<str>,
}

impl Failure {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> DeliveryId {
        DeliveryId {
            hook: self.hook,
            place: self.event.change.place,
        }
    }
}

/// Names one notification to one hook, the same at every try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryId {
    /// To whom.
    pub hook: WebhookId,
    /// Of what.
    pub place: ChangePlace,
}

impl DeliveryId {
    /// Reads one; `None` for everything that is no text of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hook, place) = text.split_once('-')?;
        let id = Self {
            hook: WebhookId::parse(hook).ok()?,
            place: ChangePlace::parse(place)?,
        };
        // Only the one spelling.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.hook, self.place)
    }
}

/// What has become of notifications of one hook.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Those up to this number were delivered, in their order.
    Passed(u64),
    /// These are given up, and why; they are the first that the hook is still to
    /// be told of.
    GaveUp(Vec<u64>, Box<str>),
    /// This one of its failures is no longer needed; tells the audit, if somebody
    /// has thrown it away.
    Forgotten(u64, Option<Box<AuditEntry>>),
}

/// One step of an outbox, durable with the group that it is in.
#[derive(Clone, Debug)]
pub enum Step {
    /// An event comes in.
    Queue(Arc<Event>),
    /// An event goes: nobody is to be told of it any more.
    Remove(u64),
    /// A hook has been told up to here, or is to be told from behind here only.
    Pass(WebhookId, u64),
    /// A notification is given up.
    Fail(Arc<Failure>),
    /// A notification that was given up is forgotten.
    Forget(WebhookId, u64),
    /// A hook is gone.
    Leave(WebhookId),
}

/// Everything that an outbox holds, as records.
#[derive(Debug, Default)]
pub struct OutboxRecords {
    /// Events.
    pub events: Vec<Arc<Event>>,
    /// What hooks never got.
    pub failures: Vec<Arc<Failure>>,
    /// How far each has come.
    pub passed: Vec<(WebhookId, u64)>,
}

/// The outbox of one open store.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Grows whenever something comes in.
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    events: BTreeMap<u64, Arc<Event>>,
    /// A hook that is missing has been told of nothing yet.
    passed: BTreeMap<WebhookId, u64>,
    failures: BTreeMap<(WebhookId, u64), Arc<Failure>>,
}

impl State {
    fn passed(&self, hook: WebhookId) -> u64 {
        self.passed.get(&hook).copied().unwrap_or(0)
    }

    /// Events that a hook is still to be told of, oldest first.
    fn ahead<'a>(&'a self, hook: &'a Webhook) -> impl Iterator<Item = &'a Arc<Event>> {
        let from = Bound::Excluded(self.passed(hook.id));
        let events = self.events.range((from, Bound::Unbounded));
        events
            .map(|(_, event)| event)
            .filter(|event| hook.wants(event.change.what.kind()))
    }

    fn failures_of(&self, hook: WebhookId) -> impl Iterator<Item = &Arc<Failure>> {
        let all = self.failures.range((hook, 0)..=(hook, u64::MAX));
        all.map(|(_, failure)| failure)
    }
}

/// How a hook is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookState {
    /// Events that it is still to be told of.
    pub waiting: usize,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<Timestamp>,
    /// Notifications that it never got.
    pub failures: usize,
}

impl Outbox {
    /// The outbox that stored records make up.
    #[must_use]
    pub fn from_records(records: OutboxRecords) -> Self {
        let OutboxRecords {
            events,
            failures,
            passed,
        } = records;
        let numbered = events.into_iter().map(|event| (event.number(), event));
        let failures = failures
            .into_iter()
            .map(|failure| ((failure.hook, failure.event.number()), failure));
        let state = State {
            events: numbered.collect(),
            passed: passed.into_iter().collect(),
            failures: failures.collect(),
        };
        Self {
            state: Mutex::new(state),
            told: watch::Sender::new(0),
        }
    }

    /// Puts steps in force that are durable, and wakes who tells the hooks.
    pub fn apply(&self, steps: Vec<Step>) {
        if steps.is_empty() {
            return;
        }
        let mut news = false;
        let mut state = self.state.lock();
        for step in steps {
            news |= matches!(step, Step::Queue(_));
            match step {
                Step::Queue(event) => drop(state.events.insert(event.number(), event)),
                Step::Remove(number) => drop(state.events.remove(&number)),
                Step::Pass(hook, number) => drop(state.passed.insert(hook, number)),
                Step::Fail(failure) => {
                    let key = (failure.hook, failure.event.number());
                    state.failures.insert(key, failure);
                }
                Step::Forget(hook, number) => drop(state.failures.remove(&(hook, number))),
                Step::Leave(hook) => drop(state.passed.remove(&hook)),
            }
        }
        drop(state);
        if news {
            self.told.send_modify(|told| *told += 1);
        }
    }

    /// The number of the newest event.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.state.lock().events.keys().next_back().copied()
    }

    /// Changes when something has come in.
    #[must_use]
    pub fn told(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// At most `max` events that a hook is to be told of next, in their order.
    #[must_use]
    pub fn next(&self, hook: &Webhook, max: usize) -> Vec<Arc<Event>> {
        self.state.lock().ahead(hook).take(max).cloned().collect()
    }

    /// What a hook never got, oldest first.
    #[must_use]
    pub fn failures(&self, hook: WebhookId) -> Vec<Arc<Failure>> {
        self.state.lock().failures_of(hook).cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn failure(&self, id: &DeliveryId) -> Option<Arc<Failure>> {
        let state = self.state.lock();
        let found = state.failures.get(&(id.hook, number(id.place)));
        let found = found.filter(|failure| failure.event.change.place == id.place);
        found.cloned()
    }

    /// How a hook is doing.
    #[must_use]
    pub fn state(&self, hook: &Webhook) -> HookState {
        let state = self.state.lock();
        let mut ahead = state.ahead(hook);
        let oldest = ahead.next();
        HookState {
            waiting: usize::from(oldest.is_some()) + ahead.count(),
            waiting_since: oldest.map(|event| event.since),
            failures: state.failures_of(hook.id).count(),
        }
    }
}

/// Whether any hook is to be told of changes of such things.
#[must_use]
pub fn is_wanted(directory: &Directory, kind: ResourceKind) -> bool {
    directory.webhooks().any(|hook| hook.wants(kind))
}

/// What a change of the directory changes of the outbox: a hook is told from its
/// creation or activation on, and takes what it never got along when it is
/// deleted.
#[must_use]
pub fn of_decision(
    outbox: &Outbox,
    decision: &DirectoryDecision,
    before: &Directory,
    commit: u64,
) -> Vec<Step> {
    let was_active = |hook: &Webhook| before.webhook(hook.id).is_some_and(|old| old.is_active);
    let begin = decision.put_webhooks.iter();
    let begin = begin.filter(|hook| hook.is_active && !was_active(hook));
    let mut steps: Vec<_> = begin
        .map(|hook| Step::Pass(hook.id, behind(commit)))
        .collect();
    for hook in &decision.removed_webhooks {
        steps.extend(outbox.leave(*hook));
    }
    steps
}

/// A change, as an event of the group `place` is in.
#[must_use]
pub fn event(
    place: ChangePlace,
    since: Timestamp,
    at: Timestamp,
    by: Author,
    action: Action,
    what: Changed,
) -> Arc<Event> {
    let change = Change {
        place,
        at,
        by,
        action,
        what,
        written: std::sync::OnceLock::new(),
    };
    Arc::new(Event { since, change })
}
