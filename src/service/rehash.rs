//! Hashes that were made when hashing was cheaper are made again, behind the
//! login that showed the password. Nothing waits for it, and one that is not
//! made is left to the next login.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::App;
use crate::auth::secret::Secret;
use crate::model::{Cause, DirectoryChange, Precondition, UserId};
use crate::store::Store;

/// Passwords that wait to be hashed again at most; more are left to their
/// next login.
const WAITING_MAX: usize = 64;

/// A password that was right, under a hash that is cheaper than today's.
#[derive(Debug)]
pub struct Rehash {
    /// Whose.
    pub user: UserId,
    /// The hash it was verified against.
    pub seen: Arc<str>,
    /// The password.
    pub password: Secret,
    /// Whose share of the hashing it takes.
    pub share: IpAddr,
}

/// Passwords that wait to be hashed again.
#[derive(Debug)]
pub struct Rehashing {
    waiting: Sender<Rehash>,
    next: Mutex<Option<Receiver<Rehash>>>,
    /// Held shared from the last look at a hash to the session that it opens,
    /// alone while a hash is replaced: else a right password would be refused
    /// and counted as a wrong one.
    replacing: Arc<RwLock<()>>,
}

/// While one is held, no hash is made again.
pub type Steady = OwnedRwLockReadGuard<()>;

impl Default for Rehashing {
    fn default() -> Self {
        let (waiting, next) = channel(WAITING_MAX);
        let next = Mutex::new(Some(next));
        Self {
            waiting,
            next,
            replacing: Arc::default(),
        }
    }
}

impl Rehashing {
    /// Waits until no hash is being replaced, and keeps it so.
    pub(super) async fn steady(&self) -> Steady {
        Arc::clone(&self.replacing).read_owned().await
    }

    /// Leaves a password to the task; when too many wait, to the next login.
    pub(super) fn push(&self, rehash: Rehash) {
        drop(self.waiting.try_send(rehash));
    }
}

/// Hashes what waits until the task is dropped. A second task ends at once.
pub async fn run<S: Store>(app: Arc<App<S>>) {
    let next = app.rehashing.next.lock().take();
    let Some(mut next) = next else {
        return;
    };
    while let Some(rehash) = next.recv().await {
        hash_again(&app, rehash).await;
    }
}

async fn hash_again<S: Store>(app: &App<S>, rehash: Rehash) {
    let Rehash {
        user,
        seen,
        password,
        share,
    } = rehash;
    // Busy: the next login shows the password again.
    let Ok(password) = app.hashing.hash(share, password).await else {
        return;
    };
    let change = DirectoryChange::Rehash {
        user,
        seen,
        password,
    };
    let none = Precondition::default();
    let _alone = app.rehashing.replacing.write().await;
    match app.change(change, none, Cause::server()).await {
        Ok(_) => tracing::info!(target: "hashing", "a password is hashed at today's cost"),
        Err(error) => {
            tracing::debug!(target: "hashing", ?error, "a password stays hashed as it was");
        }
    }
}
