//! The use cases: log in, check, list, end, manage. The only place that
//! decides "may this caller?"; knows neither HTTP nor disks.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::installation::InstallationKey;
use crate::auth::memory::Bearer;
use crate::auth::nws4;
pub use crate::auth::policy::PASSWORD_BYTES_MAX;
use crate::auth::policy::PasswordPolicy;
use crate::auth::pool::HashPool;
use crate::clock::Clock;
use crate::model::{EndReason, Field, SessionAccess, Timestamp, Version};
use crate::store::Store;

mod api_keys;
mod archive;
pub mod backups;
mod bulk;
mod caller;
pub mod certificate;
mod directory;
mod error;
mod feed;
pub mod health;
mod keys;
mod login;
mod logins;
mod new_password;
mod page;
pub mod rehash;
mod sessions;
mod set_up;
mod signed;
pub mod sweep;
#[cfg(test)]
pub(crate) mod testing;
mod tokens;
pub mod unused;
mod watch;
mod waves;
pub mod webhooks;

pub use api_keys::{CreatedKey, GivenCredentials};
pub use caller::{Caller, Reach};
pub use directory::about;
pub use feed::{FEED_WAIT_MAX, Feed, FeedAnswer, Readers, STALE_AFTER};
pub use keys::KeyKeeper;
pub use login::{LoggedIn, RefreshedPair};
pub use logins::{LoginOutcome, Logins};
pub use set_up::{SetUpGate, SetUpRequest};
pub use signed::{SignedDoor, SignedRequest};
pub use tokens::Introspected;
pub use watch::{HEARTBEAT, Told, Watcher};
pub use webhooks::{Notifier, Sent};

/// Everything a use case needs.
#[derive(Debug)]
pub struct App<S> {
    /// Durable state.
    pub store: S,
    /// Signing keys and the tokens seen before.
    pub bearer: Bearer,
    /// The door for signed requests.
    pub signed: SignedDoor,
    /// Where the signing keys are kept.
    pub keys: KeyKeeper,
    /// The secret outside the data directory.
    pub installation_key: Arc<InstallationKey>,
    /// Where passwords are hashed.
    pub hashing: HashPool,
    /// Trusted time.
    pub clock: Arc<Clock>,
    /// What the configuration decides.
    pub policy: Policy,
    /// The door for the first administrator.
    pub set_up: SetUpGate,
    /// Passwords to hash again.
    pub rehashing: rehash::Rehashing,
    /// Who waits for the next ending, and who watches the changes.
    pub feed: Feed,
    /// How logins went.
    pub logins: Logins,
    /// What tells webhooks.
    pub notifier: Notifier,
    /// What the sweeper did last.
    pub sweeper: sweep::SweeperState,
    /// The server's own backups.
    pub backups: backups::BackupKeeper,
    /// The certificate that is shown.
    pub certificate: certificate::CertificateState,
}

/// What the configuration decides for the use cases.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Accounts unused for this long are disabled; `None`: none is.
    pub disable_unused_after: Option<Duration>,
    /// What new passwords must be like, and where PINs are enough.
    pub passwords: PasswordPolicy,
    /// Whether the sessions of API keys are listed for and found by others.
    pub signed_sessions_visible: bool,
    /// A hash of nothing anybody can type: verified against for unknown users,
    /// so that they cost the same time.
    pub dummy_hash: Arc<str>,
    /// Whose sessions callers without any right reach.
    pub session_access: SessionAccess,
}

/// Why a use case did not do as asked: one variant for each way the caller
/// reacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceError {
    /// Nobody is logged in with these credentials.
    Unauthenticated {
        /// Why the session of the token is over, if it is known.
        reason: Option<EndReason>,
    },
    /// A signed request is refused.
    Signature {
        /// Why. Most reasons look alike from outside.
        refusal: nws4::Refusal,
        /// The time that the signature was held against.
        server_time: Timestamp,
    },
    /// The caller may not; the sentence says what is missing.
    Forbidden(String),
    /// There is no such thing.
    NotFound,
    /// Members that can not be so.
    Invalid(Vec<Field>),
    /// `_v` of the body is not the stored one.
    VersionMismatch(Stored),
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed(Stored),
    /// A limit of sessions is reached.
    SessionLimit,
    /// Too many failed logins; to be tried again after this long.
    Locked(Duration),
    /// Too much is going on; worth trying again after this long.
    Busy(Duration),
    /// No room on the disk for what begins or grows.
    Full,
    /// Changes are refused until the server is restarted.
    ReadOnly,
    /// Nobody can tell whether the change was made.
    Unknown,
}

/// The resource a version condition was about, and its version now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `session`, `user`, `device`, `role`, `apikey` or `webhook`.
    pub resource: &'static str,
    /// Its name.
    pub name: String,
    /// The id of a user, API key, webhook or session.
    pub id: Option<String>,
    /// The version now stored, if it exists.
    pub version: Option<Version>,
}

impl<S: Store> App<S> {
    /// The trusted time of this request.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// How soon a caller may try again when something is merely busy.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
