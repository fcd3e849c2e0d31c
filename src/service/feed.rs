//! The feed of revoked sessions, for whoever checks tokens without asking for
//! each: what has ended since a place in it, or as soon as something does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::waves::Waves;
use super::{App, Caller, RETRY_AFTER, ServiceError};
use crate::model::{KnownRight, SessionId, Timestamp};
use crate::store::{FeedPlace, Revocations, Scope, Store};

/// Revoked sessions in one answer; more follow with the next question.
const ITEMS_MAX: usize = 10_000;
/// Who may wait for the next ending at once.
const WAITERS_MAX: usize = 256;
/// The longest that anybody may wait.
pub const FEED_WAIT_MAX: Duration = Duration::from_secs(30);
/// A checker that has heard nothing for so long treats tokens as unknown.
pub const STALE_AFTER: Duration = Duration::from_secs(30);

/// Who waits for the next ending, and who watches the changes.
#[derive(Debug)]
pub struct Feed {
    waiters: Semaphore,
    /// Places of those who watch.
    pub(super) readers: Arc<Semaphore>,
    readers_max: usize,
    /// How they are woken.
    pub(super) waves: Waves,
    closing: watch::Sender<bool>,
}

impl Feed {
    /// A feed that so many may watch at once.
    #[must_use]
    pub fn new(readers_max: usize) -> Self {
        Self {
            waiters: Semaphore::new(WAITERS_MAX),
            readers: Arc::new(Semaphore::new(readers_max)),
            readers_max,
            waves: Waves::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// How many watch.
    #[must_use]
    pub fn readers(&self) -> Readers {
        let free = self.readers.available_permits();
        Readers {
            now: self.readers_max.saturating_sub(free),
            max: self.readers_max,
        }
    }

    /// Becomes true when the server stops.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Answers everybody who waits, now and from now on: the server stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}

/// Those who watch the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers {
    /// How many do.
    pub now: usize,
    /// How many may.
    pub max: usize,
}

/// What a checker is told.
#[derive(Debug)]
pub struct FeedAnswer {
    /// What has ended, and where to go on.
    pub revoked: Revocations,
    /// The signing keys whose tokens are good: those that are published.
    pub kids: Vec<String>,
    /// The server's time.
    pub now: Timestamp,
}

impl<S: Store> App<S> {
    /// Sessions that have ended since `since` and whose tokens have not expired
    /// on their own; without a place in the feed, or with one that is not of
    /// it, all of them. Waits up to `wait` while there are none.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without the right `sessionReadAny`;
    /// [`ServiceError::Busy`] when too many wait; that of the caller's own
    /// session when it has ended meanwhile.
    pub async fn revocations(
        &self,
        caller: &Caller,
        since: Option<FeedPlace>,
        wait: Duration,
    ) -> Result<FeedAnswer, ServiceError> {
        caller.needs(KnownRight::SessionReadAny)?;
        let until = Instant::now() + wait.min(FEED_WAIT_MAX);
        let mut endings = self.store.endings();
        let mut place = None;
        loop {
            endings.mark_unchanged();
            let revoked = self.store.revocations(since, ITEMS_MAX, self.now()).await;
            if !revoked.items.is_empty() || revoked.reset || Instant::now() >= until {
                return Ok(self.feed_answer(revoked));
            }
            if place.is_none() {
                let waiting = self.feed.waiters.try_acquire();
                place = Some(waiting.map_err(|_| ServiceError::Busy(RETRY_AFTER))?);
            }
            let mut closing = self.feed.closing.subscribe();
            let stops = tokio::select! {
                changed = endings.changed() => changed.is_err(),
                closed = closing.wait_for(|closing| *closing) => closed.is_ok() || closed.is_err(),
                () = tokio::time::sleep_until(until) => true,
            };
            self.must_still_live(caller).await?;
            if stops {
                let revoked = self.store.revocations(since, ITEMS_MAX, self.now()).await;
                return Ok(self.feed_answer(revoked));
            }
        }
    }

    fn feed_answer(&self, revoked: Revocations) -> FeedAnswer {
        FeedAnswer {
            revoked,
            kids: self
                .published_keys()
                .into_iter()
                .map(|key| key.kid)
                .collect(),
            now: self.now(),
        }
    }

    /// Who has waited may have been logged out meanwhile.
    async fn must_still_live(&self, caller: &Caller) -> Result<(), ServiceError> {
        let (id, now): (SessionId, _) = (caller.session.id, self.now());
        if self.store.find(id, &Scope::Any, now).await.is_some() {
            return Ok(());
        }
        let reason = self.store.reason(id, now).await;
        Err(ServiceError::Unauthenticated { reason })
    }
}
