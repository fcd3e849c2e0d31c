//! Webhooks: their secrets are sealed here, and what they never got is looked
//! at, sent again or thrown away. The background task beside tells them of
//! changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::health::{Entry, Status, entry};
use super::{App, Caller, RETRY_AFTER, ServiceError};
use crate::auth::secret::Secret;
use crate::auth::webhook;
use crate::courier::{Courier, Undelivered};
use crate::model::{
    AuditAction, AuditEntry, AuditKind, AuditObject, Author, DirectoryChange, KnownRight,
    Precondition, Resource, ResourceKind, SecretInput, Timestamp, Webhook, WebhookId, WebhookInput,
};
use crate::store::{
    Action, Change, ChangePlace, Changed, DeliveryId, Failure, Settled, Store, event_number,
};

mod tell;

pub use tell::run;

/// Notifications that people have sent at once; others wait their turn elsewhere.
const BY_HAND_MAX: usize = 4;
/// A hook that has not taken anything for so long is late.
const LATE_AFTER: Duration = Duration::from_secs(300);
/// HMAC-SHA256 of the body under the secret.
const SIGNATURE: &str = "x-portos-webhook-signature";
/// The same at every try.
const DELIVERY: &str = "x-tillgate-delivery";
/// The trusted time of this try.
const TIMESTAMP: &str = "x-tillgate-timestamp";

/// How a change is written, for whoever is told of it.
pub type Written = fn(&Change) -> &[u8];

/// What tells webhooks.
#[derive(Debug)]
pub struct Notifier {
    courier: Courier,
    written: Written,
    give_up_after: Duration,
    by_hand: Semaphore,
    /// Hooks whose last try has failed.
    failing: Mutex<Vec<WebhookId>>,
}

impl Notifier {
    /// A notifier that writes changes like this, and gives up what nobody has
    /// taken for so long.
    #[must_use]
    pub fn new(written: Written, give_up_after: Duration) -> Self {
        Self {
            courier: Courier::default(),
            written,
            give_up_after,
            by_hand: Semaphore::new(BY_HAND_MAX),
            failing: Mutex::new(Vec::new()),
        }
    }

    /// Notes how the last try of a hook went; answers whether that is news.
    fn note(&self, hook: WebhookId, failed: bool) -> bool {
        let mut failing = self.failing.lock();
        let was = failing.contains(&hook);
        failing.retain(|other| *other != hook);
        if failed {
            failing.push(hook);
        }
        was != failed
    }
}

/// Why a notification was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDelivered {
    /// The receiver has not taken it.
    #[error(transparent)]
    Undelivered(#[from] Undelivered),
    /// Without its secret it would go out unsigned.
    #[error("the secret does not open with this server's key file; give the hook another")]
    Sealed,
}

impl NotDelivered {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Undelivered(undelivered) if undelivered.is_refusal())
    }
}

/// What came of a notification that somebody had sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its name.
    pub delivery: String,
    /// The status that was answered, if any was.
    pub status: Option<u16>,
    /// Why it was not delivered.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl<S: Store> App<S> {
    /// Creates a webhook.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        input: WebhookInput,
        secret: Option<Secret>,
        precondition: Precondition,
    ) -> Result<Arc<Webhook>, ServiceError> {
        let id = WebhookId::draw();
        let input = self.with_secret(id, input, secret);
        let change = DirectoryChange::CreateWebhook { id, input };
        self.change_webhook(caller, change, precondition).await
    }

    /// Replaces a webhook. An empty secret takes the stored one away, none leaves
    /// it.
    pub async fn replace_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        input: WebhookInput,
        secret: Option<Secret>,
        precondition: Precondition,
    ) -> Result<Arc<Webhook>, ServiceError> {
        let input = self.with_secret(id, input, secret);
        let change = DirectoryChange::ReplaceWebhook { id, input };
        self.change_webhook(caller, change, precondition).await
    }

    async fn change_webhook(
        &self,
        caller: &Caller,
        change: DirectoryChange,
        precondition: Precondition,
    ) -> Result<Arc<Webhook>, ServiceError> {
        match self.change(change, precondition, caller.cause()).await? {
            (Resource::Webhook(hook), _) => Ok(hook),
            _ => Err(ServiceError::Unknown),
        }
    }

    fn with_secret(
        &self,
        id: WebhookId,
        input: WebhookInput,
        secret: Option<Secret>,
    ) -> WebhookInput {
        let secret = match secret {
            None => SecretInput::Keep,
            Some(secret) if secret.expose().is_empty() => SecretInput::Remove,
            Some(secret) => {
                SecretInput::Put(webhook::seal(&self.installation_key, id, &secret).into())
            }
        };
        WebhookInput { secret, ..input }
    }

    /// What a webhook never got, oldest first.
    pub async fn webhook_failures(
        &self,
        caller: &Caller,
        id: WebhookId,
    ) -> Result<Vec<Arc<Failure>>, ServiceError> {
        let hook = self.webhook(caller, id).await?;
        Ok(self.store.outbox().failures(hook.id))
    }

    /// Sends a notification that says that the webhook itself has changed, active
    /// or not.
    pub async fn test_webhook(&self, caller: &Caller, id: WebhookId) -> Result<Sent, ServiceError> {
        let hook = self.webhook(caller, id).await?;
        let change = Change {
            place: ChangePlace::default(),
            at: self.now(),
            by: Author::of(&caller.session.identity),
            action: Action::Updated,
            what: Changed::Resource {
                kind: ResourceKind::Webhook,
                id: hook.id.to_string().into(),
                version: hook.version,
            },
            written: std::sync::OnceLock::new(),
        };
        let delivery = format!("{}-test-{:016x}", hook.id, rand::random::<u64>());
        self.send_by_hand(&hook, delivery, &change).await
    }

    /// Sends a notification again that the hook never got, under its own name. It
    /// is no failure any more once it was taken.
    pub async fn send_again(
        &self,
        caller: &Caller,
        delivery: &DeliveryId,
    ) -> Result<Sent, ServiceError> {
        let hook = self.webhook(caller, delivery.hook).await?;
        let failure = self.store.outbox().failure(delivery);
        let failure = failure.ok_or(ServiceError::NotFound)?;
        let change = &failure.event.change;
        let sent = self
            .send_by_hand(&hook, delivery.to_string(), change)
            .await?;
        if sent.error.is_none() {
            let forgotten = Settled::Forgotten(event_number(delivery.place), None);
            self.store.settle(hook.id, forgotten, self.now()).await?;
        }
        Ok(sent)
    }

    /// Throws away a notification that the hook never got.
    pub async fn discard_failure(
        &self,
        caller: &Caller,
        delivery: &DeliveryId,
    ) -> Result<Arc<Failure>, ServiceError> {
        let hook = self.webhook(caller, delivery.hook).await?;
        let failure = self.store.outbox().failure(delivery);
        let failure = failure.ok_or(ServiceError::NotFound)?;
        let now = self.now();
        let object = AuditObject::named(AuditKind::Webhook, hook.id.to_string());
        let entry = AuditEntry::new(AuditAction::Discarded, caller.cause(), now).on(object);
        let entry = entry.saying(delivery.to_string());
        let number = event_number(delivery.place);
        let forgotten = Settled::Forgotten(number, Some(Box::new(entry)));
        self.store.settle(hook.id, forgotten, now).await?;
        Ok(failure)
    }

    async fn webhook(&self, caller: &Caller, id: WebhookId) -> Result<Arc<Webhook>, ServiceError> {
        caller.needs(KnownRight::Admin)?;
        let directory = self.store.directory().await;
        let found = directory.webhook(id).map(Arc::clone);
        found.ok_or(ServiceError::NotFound)
    }

    async fn send_by_hand(
        &self,
        hook: &Webhook,
        delivery: String,
        change: &Change,
    ) -> Result<Sent, ServiceError> {
        let turn = self.notifier.by_hand.try_acquire();
        let _turn = turn.map_err(|_| ServiceError::Busy(RETRY_AFTER))?;
        let started = Instant::now();
        let sent = self.send(hook, &delivery, change).await;
        let took = started.elapsed();
        let (status, error) = match sent {
            Ok(status) => (Some(status), None),
            Err(failed) => (status_of(&failed), Some(failed.to_string())),
        };
        Ok(Sent {
            delivery,
            status,
            error,
            took,
        })
    }

    /// Tells a hook of a change; answers the status, which is 2xx.
    async fn send(
        &self,
        hook: &Webhook,
        delivery: &str,
        change: &Change,
    ) -> Result<u16, NotDelivered> {
        let body = (self.notifier.written)(change);
        let mut headers = vec![
            (DELIVERY, delivery.to_owned()),
            (TIMESTAMP, self.now().to_string()),
        ];
        if let Some(sealed) = &hook.sealed_secret {
            let signature = webhook::sign(&self.installation_key, hook.id, sealed, body);
            let signature = signature.map_err(|_| NotDelivered::Sealed)?;
            headers.push((SIGNATURE, signature));
        }
        let courier = &self.notifier.courier;
        Ok(courier.post(&hook.url, &headers, body.to_vec()).await?)
    }

    /// How the hooks are doing, where there are any.
    pub(super) fn webhooks_entry(&self, hooks: &[Arc<Webhook>]) -> Option<Entry> {
        if hooks.is_empty() {
            return None;
        }
        let (mut waiting, mut failures) = (0, 0);
        let mut oldest: Option<Timestamp> = None;
        for hook in hooks {
            let state = self.store.outbox().state(hook);
            waiting += state.waiting;
            failures += state.failures;
            oldest = oldest.into_iter().chain(state.waiting_since).min();
        }
        let is_active = |id: &WebhookId| hooks.iter().any(|hook| hook.id == *id && hook.is_active);
        let failing = self.notifier.failing.lock();
        let failing = failing.iter().filter(|id| is_active(id)).count();
        let age = oldest.map(|since| self.now().since(since));
        let degraded = |sentence: String| (Status::Degraded, Some(sentence));
        let (status, description) = match age {
            Some(age) if age > LATE_AFTER => {
                degraded(format!("a notification has waited for {} s", age.as_secs()))
            }
            _ if failures > 0 => degraded(format!("{failures} notifications were given up")),
            _ => (Status::Healthy, None),
        };
        let data = vec![
            ("webhooks", hooks.len().into()),
            ("failing", failing.into()),
            ("waiting", waiting.into()),
            ("oldestSeconds", age.map(|age| age.as_secs()).into()),
            ("failures", failures.into()),
        ];
        Some(entry("webhooks", status, description, data))
    }
}

fn status_of(failed: &NotDelivered) -> Option<u16> {
    match failed {
        NotDelivered::Undelivered(Undelivered::Status(status)) => Some(*status),
        _ => None,
    }
}
