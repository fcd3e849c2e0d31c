//! Who watches the changes: one reader for each connection, at its own pace,
//! with the rights of the instant at which it is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::{App, Caller, RETRY_AFTER, ServiceError};
use crate::model::{Directory, KnownRight, Principal, ResourceKind};
use crate::store::{Change, ChangePlace, Changed, Scope, Store};

/// Changes told at once.
const PART_MAX: usize = 128;
/// A reader that was just told something is told more after this long, so that
/// many changes in a row cost few answers.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest silence.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a reader is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// Changes that it may know of, oldest first; none of them: a heartbeat.
    Changes(Vec<Arc<Change>>),
    /// Changes were missed: everything is to be looked at anew.
    Lost,
}

/// One reader of the feed of changes.
#[derive(Debug)]
pub struct Watcher<S> {
    app: Arc<App<S>>,
    caller: Caller,
    /// The directory that `principal` was looked up in.
    directory: Option<Arc<Directory>>,
    principal: Option<Arc<Principal>>,
    place: ChangePlace,
    lost: bool,
    told: watch::Receiver<ChangePlace>,
    closing: watch::Receiver<bool>,
    paused_until: Instant,
    _slot: OwnedSemaphorePermit,
}

impl<S: Store> App<S> {
    /// A reader of the changes behind `since`; without a place, of those from
    /// now on.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when there are as many readers as there may be.
    pub fn watch(
        self: &Arc<Self>,
        caller: Caller,
        since: Option<ChangePlace>,
        is_resumed: bool,
    ) -> Result<Watcher<S>, ServiceError> {
        let slot = Arc::clone(&self.feed.readers).try_acquire_owned();
        let slot = slot.map_err(|_| ServiceError::Busy(RETRY_AFTER))?;
        let changes = self.store.changes();
        let told = self.feed.waves.join(changes);
        Ok(Watcher {
            place: since.unwrap_or_else(|| changes.last()),
            lost: is_resumed && since.is_none(),
            told,
            closing: self.feed.closing(),
            app: Arc::clone(self),
            caller,
            directory: None,
            principal: None,
            paused_until: Instant::now(),
            _slot: slot,
        })
    }
}

impl<S: Store> Watcher<S> {
    /// How far it has been told.
    #[must_use]
    pub const fn place(&self) -> ChangePlace {
        self.place
    }

    /// The place behind the newest change there is, told or not.
    #[must_use]
    pub fn newest(&self) -> ChangePlace {
        self.app.store.changes().last()
    }

    /// Whether the server stops, which ends it, too.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.closing.borrow()
    }

    /// What it is told next, at the latest after [`HEARTBEAT`]. `None`: its
    /// session has ended, or the server stops. Nothing is lost when this is dropped
    /// before it is ready.
    pub async fn next(&mut self) -> Option<Told> {
        let silence = Instant::now() + HEARTBEAT;
        self.pause().await;
        loop {
            self.told.mark_unchanged();
            let part = self.app.store.changes().after(self.place, PART_MAX);
            if !self.is_welcome().await {
                return None;
            }
            self.place = part.next;
            if part.lost || std::mem::take(&mut self.lost) {
                return Some(self.tell(Told::Lost));
            }
            let is_more = !part.changes.is_empty();
            let mut changes = part.changes;
            changes.retain(|change| self.may_know(change));
            if !changes.is_empty() || Instant::now() >= silence {
                return Some(self.tell(Told::Changes(changes)));
            }
            if is_more {
                // Nothing for this reader, and perhaps many such in a row.
                self.paused_until = Instant::now() + PAUSE;
                self.pause().await;
            } else {
                self.wait(silence).await;
            }
        }
    }

    /// Returns when the session of the reader has ended, or the server stops.
    pub async fn ended(&mut self) {
        loop {
            // Before the look: what is told from here on wakes the wait.
            self.told.mark_unchanged();
            if !self.is_welcome().await {
                return;
            }
            self.wait(Instant::now() + HEARTBEAT).await;
        }
    }

    /// Lets changes gather, but not beyond the end of the session.
    async fn pause(&mut self) {
        while Instant::now() < self.paused_until {
            self.told.mark_unchanged();
            if !self.is_live().await {
                return;
            }
            self.wait(self.paused_until).await;
        }
    }

    async fn is_live(&mut self) -> bool {
        if self.is_stopping() {
            return false;
        }
        let id = self.caller.session.id;
        let found = self.app.store.find(id, &Scope::Any, self.app.now()).await;
        let Some(session) = found else { return false };
        self.caller.session = session;
        true
    }

    fn tell(&mut self, told: Told) -> Told {
        self.paused_until = Instant::now() + PAUSE;
        told
    }

    /// Waits for changes, the server's stop, a time, or the end of the session's
    /// lifetime as it is known.
    async fn wait(&mut self, until: Instant) {
        let left = self.caller.session.expires_at.since(self.app.now());
        let until = until.min(Instant::now() + left);
        tokio::select! {
            _ = self.told.changed() => {}
            _ = self.closing.wait_for(|closing| *closing) => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    /// Whether its session is live and its rights, looked up anew, are there.
    async fn is_welcome(&mut self) -> bool {
        if !self.is_live().await {
            return false;
        }
        let directory = self.app.store.directory().await;
        let is_known = self.directory.as_ref();
        if !is_known.is_some_and(|known| Arc::ptr_eq(known, &directory)) {
            self.principal = self.look_up(&directory);
            self.directory = Some(directory);
        }
        let principal = self.principal.as_ref();
        principal.is_some_and(|principal| !principal.must_change_password)
    }

    fn look_up(&self, directory: &Directory) -> Option<Arc<Principal>> {
        if let Some(key) = self.caller.origin.api_key {
            return directory.signer(directory.api_key(key)?).map(Arc::new);
        }
        let identity = &self.caller.session.identity;
        let principal = directory.principal(&identity.user_name, &identity.device_name);
        principal.map(Arc::new)
    }

    /// The own sessions, others' with the right for it, webhooks as an
    /// administrator, everything else.
    fn may_know(&self, change: &Change) -> bool {
        let principal = self.principal.as_ref();
        let may = |right| principal.is_some_and(|principal| principal.rights.allows(right));
        let session = match &change.what {
            Changed::Session(session, _) => session,
            Changed::Resource { kind, .. } => {
                return *kind != ResourceKind::Webhook || may(KnownRight::Admin);
            }
        };
        let own = session.identity.user_name == self.caller.session.identity.user_name;
        if self.app.is_hidden(session) {
            return session.id == self.caller.session.id;
        }
        own || may(KnownRight::SessionReadAny)
    }
}
