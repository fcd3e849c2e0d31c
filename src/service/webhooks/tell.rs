//! The background task that tells webhooks of changes: for each active hook one
//! of its own, so that none waits for another. A hook is told in order, one
//! notification at a time, and again until it takes it or it is given up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::NotDelivered;
use crate::model::{Version, Webhook, WebhookId};
use crate::service::App;
use crate::store::{DeliveryId, Event, Settled, Store};

/// Notifications between two notes of how far a hook has come: after a kill so
/// many are sent once more.
const PART_MAX: usize = 16;
/// The pause behind the first try that fails; each further one doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Tries that a receiver may refuse before a notification is given up.
const REFUSALS_MAX: u32 = 8;
/// Notifications given up in one step.
const GIVEN_UP_MAX: usize = 256;
/// How long to wait before a step is tried again that could not be written.
const SETTLE_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Hooks that change many times in a row are looked at once.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// A task that ends when nobody holds it any more.
struct Telling {
    version: Version,
    task: JoinHandle<()>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells every active hook, until the server stops or the task is dropped. What
/// was not delivered then is told after the next start.
pub async fn run<S: Store>(app: Arc<App<S>>) {
    let mut closing = app.feed.closing();
    let mut changed = app.store.changes().told();
    let mut telling: BTreeMap<WebhookId, Telling> = BTreeMap::new();
    loop {
        changed.mark_unchanged();
        let directory = app.store.directory().await;
        // Another version begins anew: its address may be right now.
        telling.retain(|id, known| {
            let hook = directory.webhook(*id).filter(|hook| hook.is_active);
            hook.is_some_and(|hook| hook.version == known.version)
        });
        for hook in directory.webhooks().filter(|hook| hook.is_active) {
            telling.entry(hook.id).or_insert_with(|| Telling {
                version: hook.version,
                task: tokio::spawn(tell(Arc::clone(&app), Arc::clone(hook))),
            });
        }
        drop(directory);
        tokio::select! {
            changed = changed.changed() => if changed.is_err() { return },
            _ = closing.wait_for(|closing| *closing) => return,
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// How the last tries of a hook went.
#[derive(Default)]
struct Troubles {
    /// Tries in a row that have failed.
    failed: u32,
    /// The notification that was refused last, and how often.
    refused: (u64, u32),
}

impl Troubles {
    /// Notes another one; answers how long to wait.
    fn note(&mut self, event: &Event, why: &NotDelivered) -> Duration {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.failed.min(16));
        self.failed += 1;
        if why.is_refusal() {
            let before = self.refused;
            let again = before.0 == event.number();
            self.refused = (event.number(), if again { before.1 + 1 } else { 1 });
        }
        // Many hooks of one receiver do not come back at one instant.
        doubled.min(PAUSE_MAX).mul_f64(rand::random_range(0.8..1.2))
    }

    fn is_refused_for_good(&self, event: &Event) -> bool {
        self.refused.0 == event.number() && self.refused.1 >= REFUSALS_MAX
    }
}

/// Tells one hook, as it is in this version.
async fn tell<S: Store>(app: Arc<App<S>>, hook: Arc<Webhook>) {
    let mut told = app.store.outbox().told();
    let mut troubles = Troubles::default();
    loop {
        told.mark_unchanged();
        // It may be another version, or asleep, before the task is taken away.
        let directory = app.store.directory().await;
        let stored = directory.webhook(hook.id);
        if stored.is_none_or(|stored| stored.version != hook.version) {
            return;
        }
        let part = app.store.outbox().next(&hook, PART_MAX);
        if part.is_empty() {
            if told.changed().await.is_err() {
                return;
            }
            continue;
        }
        let (passed, failed) = deliver(&app, &hook, &part).await;
        if let Some(number) = passed {
            troubles = Troubles::default();
            settle(&app, hook.id, Settled::Passed(number)).await;
        }
        let news = app.notifier.note(hook.id, failed.is_some());
        let Some((event, why)) = failed else {
            continue;
        };
        let pause = troubles.note(&event, &why);
        if news {
            tracing::warn!(target: "webhooks", webhook = %hook.id, %why, "a notification was not taken; it is sent again");
        }
        let given_up = given_up(&app, &hook, &event, &troubles);
        if given_up.is_empty() {
            tokio::time::sleep(pause).await;
            continue;
        }
        tracing::error!(target: "webhooks", webhook = %hook.id, count = given_up.len(), %why, "notifications are given up");
        let why = why.to_string().into();
        settle(&app, hook.id, Settled::GaveUp(given_up, why)).await;
        tokio::time::sleep(pause).await;
    }
}

/// Delivers some events in order, up to the first that is not taken. Answers the
/// last that was, and what came behind it.
async fn deliver<S: Store>(
    app: &App<S>,
    hook: &Webhook,
    part: &[Arc<Event>],
) -> (Option<u64>, Option<(Arc<Event>, NotDelivered)>) {
    let mut passed = None;
    for event in part {
        let place = event.change.place;
        let delivery = DeliveryId {
            hook: hook.id,
            place,
        };
        let sent = app.send(hook, &delivery.to_string(), &event.change).await;
        if let Err(why) = sent {
            return (passed, Some((Arc::clone(event), why)));
        }
        passed = Some(event.number());
    }
    (passed, None)
}

/// What a hook is no longer told of, after this one has failed: everything that
/// has waited for too long, and what was refused too often.
fn given_up<S: Store>(
    app: &App<S>,
    hook: &Webhook,
    event: &Event,
    troubles: &Troubles,
) -> Vec<u64> {
    let now = app.now();
    let after = app.notifier.give_up_after;
    let ahead = app.store.outbox().next(hook, GIVEN_UP_MAX);
    let old = ahead
        .iter()
        .take_while(|event| event.since.plus(after) <= now);
    let mut numbers: Vec<_> = old.map(|event| event.number()).collect();
    if numbers.is_empty() && troubles.is_refused_for_good(event) {
        numbers.push(event.number());
    }
    numbers
}

/// Until it is written: what is not would be sent again and again.
async fn settle<S: Store>(app: &App<S>, hook: WebhookId, settled: Settled) {
    while let Err(error) = app.store.settle(hook, settled.clone(), app.now()).await {
        tracing::warn!(target: "webhooks", webhook = %hook, %error, "what was delivered could not be noted");
        tokio::time::sleep(SETTLE_AGAIN_AFTER).await;
    }
}
