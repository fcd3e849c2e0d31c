//! Durable state behind one trait, whose calls are whole promises.
//!
//! A service never reads, thinks and writes: it hands the conditions over as
//! data and the store decides and writes in one step. Every `Ok` of a changing
//! call is durable: it survives a kill and a power cut. Accesses are the one
//! exception (see [`Store::check`]).

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::model::{
    ApiKey, Attempt, AuditEntry, AuthenticationType, Cause, DeviceName, Directory, DirectoryChange,
    EndReason, EndedSession, Env, KeyNumber, LockoutRules, Origin, Outcome, Precondition,
    Principal, Refusal, Resource, Session, SessionId, SessionLimits, Subject, Timestamp, TokenName,
    UserName, Version, WebhookId,
};
use crate::ndata::{AuditMember, EndedMember, Filter, Query, Row, Selected, SessionMember};

mod changes;
#[cfg(test)]
pub(crate) mod conformance;
mod feed;
mod figures;
pub mod memory;
mod outbox;
pub mod sled;

pub use self::sled::backup::{
    BackupError, BackupFolder, BackupInfo, BackupOrder, CheckError, Kept, Progress,
};
pub use changes::{Action, Change, ChangePart, ChangePlace, Changed, Changes};
pub use feed::{FeedPlace, Revocations};
pub use figures::Figures;
pub use outbox::{
    DeliveryId, Event, FAILURES_PER_HOOK_MAX, Failure, HookState, OUTBOX_EVENTS_MAX, Outbox,
    Settled, number as event_number,
};

/// The front of the names under which sealed signing keys are kept. Backups
/// leave them out: a restore has keys of its own.
pub const SIGNING_KEYS: &str = "signing-keys";

/// A promise of something that takes its time.
pub type Pending<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a store that lives in files of its own offers besides.
pub trait Backups: Send + Sync {
    /// Makes a backup beside everything else that goes on. It is complete and
    /// on the disk when this is done; given up, it leaves nothing behind.
    fn back_up(
        &self,
        order: BackupOrder,
        progress: Arc<Progress>,
    ) -> Pending<'_, Result<BackupInfo, BackupError>>;

    /// Reads a backup back and holds every byte against its checksums.
    fn read_back(&self, file: PathBuf) -> Pending<'_, Result<BackupInfo, CheckError>>;
}

/// The rules that a store enforces at every check, list and login.
#[derive(Clone, Debug)]
pub struct Rules {
    /// From login or refresh to `expiresAt`, by [`Env::index`].
    pub lifetime: [Duration; 4],
    /// The idle timeout, by [`Env::index`]; `None` is off.
    pub idle: [Option<Duration>; 4],
    /// No refresh moves `expiresAt` beyond `startedAt` plus this.
    pub lifetime_max: Option<Duration>,
    /// How long a used refresh token still gets the same answer again.
    pub refresh_grace: Duration,
    /// How long the archive keeps an ended session.
    pub ended_retention: Duration,
    /// How many ended sessions the archive keeps at most.
    pub ended_max: usize,
    /// How many sessions there may be.
    pub limits: SessionLimits,
    /// The numbers of the lockout.
    pub lockout: LockoutRules,
    /// How long the audit keeps an entry.
    pub audit_retention: Duration,
    /// How many entries the audit keeps at most.
    pub audit_max: usize,
    /// How many changes the feed keeps at most for readers that are slow or come
    /// back.
    pub changes_max: usize,
}

impl Rules {
    /// `expiresAt` of a session of `env` that is opened or refreshed at `now`.
    #[must_use]
    pub fn expires_at(&self, env: Env, started_at: Timestamp, now: Timestamp) -> Timestamp {
        let expires_at = now.plus(self.lifetime[env.index()]);
        self.lifetime_max
            .map_or(expires_at, |max| expires_at.min(started_at.plus(max)))
    }
}

impl Default for Rules {
    /// The documented API: 12 hours, no idle timeout.
    fn default() -> Self {
        Self {
            lifetime: [Duration::from_secs(12 * 3600); 4],
            idle: [None; 4],
            lifetime_max: None,
            refresh_grace: Duration::from_secs(30),
            ended_retention: Duration::from_secs(30 * 24 * 3600),
            ended_max: 200_000,
            limits: SessionLimits::default(),
            lockout: LockoutRules::default(),
            audit_retention: Duration::from_secs(365 * 24 * 3600),
            audit_max: 100_000,
            changes_max: 16_384,
        }
    }
}

/// Why a store did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No such live session. The reason of its end, as long as it is known.
    #[error("no such live session")]
    NotLive(Option<EndReason>),
    /// `If-Match` names another version than this stored one.
    #[error("the stored version is {0}")]
    Stale(Version),
    /// User, device or assignment is not there, not active, or the password
    /// changed since it was checked.
    #[error("the login's conditions no longer hold")]
    Denied,
    /// Too many failed logins: to be tried again after this long. The attempt
    /// is not counted, whatever its password was.
    #[error("locked for another {0:?}")]
    Locked(Duration),
    /// A limit of sessions is reached. That is no failed login.
    #[error("a limit of sessions is reached")]
    LimitReached,
    /// A rule of the directory forbids the change.
    #[error("refused by a rule of the directory")]
    Refused(Refusal),
    /// A refresh token that was already used; the session is ended
    /// ([`EndReason::RefreshReuse`]).
    #[error("a refresh token was used twice")]
    Reused,
    /// No room on the disk for what begins or grows. Nothing was written.
    #[error("no room on the disk")]
    Full,
    /// More is waiting than can be taken on. Nothing was written.
    #[error("too much is waiting")]
    Busy,
    /// An earlier write failed; changes are refused until a restart. Nothing
    /// was written.
    #[error("the store is read-only until restarted")]
    ReadOnly,
    /// The write failed or nobody can tell: it may be on the disk or not. Of a
    /// write that failed, an ending counts from this instant on and a login is
    /// not visible; one that still waits for the disk is decided there.
    #[error("the outcome of the write is unknown")]
    Unknown,
}

/// One request of a session.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Whose.
    pub id: SessionId,
    /// The head of the token's `jti`, to know whether the newest token is in
    /// use. `None` for sessions without tokens.
    pub jti_head: Option<u64>,
    /// Whether it counts: moves `lastAccessAt` and `_v`.
    pub touch: bool,
}

/// What the store has of a session's newest token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedToken {
    /// [`TokenState::jti_head`].
    pub jti_head: u64,
    /// [`TokenState::issued_at`].
    pub issued_at: Timestamp,
    /// `expiresAt` of its session, which only the next token moves.
    pub expires_at: Timestamp,
}

impl NotedToken {
    /// Whether a token says the same as another: tokens have whole seconds.
    #[must_use]
    pub fn says(&self, other: &Self) -> bool {
        self.jti_head == other.jti_head
            && self.issued_at.seconds_floor() == other.issued_at.seconds_floor()
            && self.expires_at.seconds_ceil() == other.expires_at.seconds_ceil()
    }
}

/// The answer to "who is this, may they?".
#[derive(Clone, Debug)]
pub struct Checked {
    /// The session, after this access.
    pub session: Session,
    /// `_v` before this access, for preconditions.
    pub before: Version,
    /// User, device and the rights that hold at this instant. `None` when the
    /// directory no longer lets this user onto this device: then nobody is
    /// logged in.
    pub principal: Option<Arc<Principal>>,
}

/// What is kept to know and make again the tokens of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// How often the session was refreshed.
    pub generation: u32,
    /// SHA-256 of the current refresh token.
    pub refresh_sha256: [u8; 32],
    /// With the installation key, the source of every refresh token of this
    /// session.
    pub salt: [u8; 16],
    /// `jti` of the newest `tokenId`.
    pub jti: [u8; 16],
    /// `iat` of the newest `tokenId`: the instant of login or refresh.
    pub issued_at: Timestamp,
    /// Whether the newest `tokenId` was seen in a request. Kept once there was a
    /// refresh: the token of a login has no predecessor that could be repeated.
    pub used: bool,
}

impl TokenState {
    /// The part of `jti` that [`Access::jti_head`] is compared with.
    #[must_use]
    pub fn jti_head(&self) -> u64 {
        jti_head(&self.jti)
    }

    /// The key that signed the newest `tokenId`.
    #[must_use]
    pub fn key(&self) -> KeyNumber {
        KeyNumber::of(&self.jti)
    }
}

/// The first eight bytes of a `jti`, as a number.
#[must_use]
pub fn jti_head(jti: &[u8; 16]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| jti[i]))
}

/// A session to be opened. Id, salt and `jti` are drawn by the caller, so that
/// the call may be repeated after [`StoreError::Unknown`].
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Who.
    pub user_name: UserName,
    /// Where.
    pub device_name: DeviceName,
    /// Denied where things are sold: there it would end the session of a till.
    pub no_sale_device: bool,
    /// How its requests prove themselves.
    pub authentication_type: AuthenticationType,
    /// The PHC string the password was checked against; must still be the
    /// stored one. `None`: no password was asked for.
    pub password_seen: Option<Arc<str>>,
    /// How the lockout counts this login; `None` where it has no say.
    pub attempt: Option<Attempt>,
    /// SHA-256 of the first refresh token.
    pub refresh_sha256: [u8; 32],
    /// Salt of the refresh tokens.
    pub salt: [u8; 16],
    /// `jti` of the first `tokenId`.
    pub jti: [u8; 16],
}

/// Who signed a request: the key as it was when its signature was checked.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key.
    pub key: Arc<ApiKey>,
}

impl Signer {
    /// Whether `stored`, of the same id, is still the key that signed: the same
    /// secret, for the same user on the same device.
    #[must_use]
    pub fn fits(&self, stored: &ApiKey) -> bool {
        let key = &self.key;
        stored.sealed_secret == key.sealed_secret
            && stored.user_name == key.user_name
            && stored.device_name == key.device_name
    }
}

/// A session was opened.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The session.
    pub session: Session,
    /// User, device and rights at the instant of opening.
    pub principal: Arc<Principal>,
    /// The sessions it took the place of: on a sale device, or at a limit.
    pub replaced: Vec<Session>,
}

/// A refresh token was presented. The caller has recomputed which generation
/// it is; a token of no generation is never handed over.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    /// Which session.
    pub id: SessionId,
    /// The generation that the presented token belongs to.
    pub presented: u32,
    /// SHA-256 of the token of the generation after `presented`.
    pub next_sha256: [u8; 32],
    /// `jti` for the next `tokenId`.
    pub next_jti: [u8; 16],
}

/// The pair to answer with.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The session, its `expiresAt` moved (or as the first answer left it).
    pub session: Session,
    /// From which the pair is made. A repeat within the grace gets the state
    /// of the first answer.
    pub tokens: TokenState,
}

/// A part of a bulk ending: of these sessions, those that still match.
#[derive(Clone, Debug)]
pub struct EndSome {
    /// Which; a few hundred at most.
    pub ids: Vec<SessionId>,
    /// What must all hold at the instant of the ending.
    pub filters: Vec<Filter<SessionMember>>,
    /// Why.
    pub reason: EndReason,
    /// Who, and from where.
    pub cause: Cause,
    /// The filters as they were asked for, for the audit.
    pub detail: Box<str>,
    /// The audit entry of the parts before, which counts this one as well.
    pub told: Option<Arc<AuditEntry>>,
}

impl EndSome {
    /// Whether a session is among those meant.
    #[must_use]
    pub fn matches(&self, session: &Session) -> bool {
        let passes =
            |filter: &Filter<SessionMember>| filter.test.passes(&session.value(filter.member));
        self.filters.iter().all(passes)
    }
}

/// A part of a bulk ending was made.
#[derive(Clone, Debug)]
pub struct EndedSome {
    /// How many sessions it has ended.
    pub count: usize,
    /// The audit entry that counts them.
    pub told: Option<Arc<AuditEntry>>,
}

/// Whose sessions a caller may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    Any,
    /// One user's; others' are neither listed nor counted, neither found nor
    /// ended.
    Own(UserName),
}

impl Scope {
    /// Whether a session is within it.
    #[must_use]
    pub fn covers(&self, session: &Session) -> bool {
        match self {
            Self::Any => true,
            Self::Own(user) => session.identity.user_name == *user,
        }
    }
}

/// A session is to be ended.
#[derive(Clone, Debug)]
pub struct End {
    /// Which session.
    pub id: SessionId,
    /// Whose sessions the caller reaches; another one's is not live to it.
    pub scope: Scope,
    /// Only if this names the version.
    pub if_match: Precondition,
    /// The asking request itself has just counted on this session, which is
    /// then left out of the comparison.
    pub own_access: bool,
    /// Why.
    pub reason: EndReason,
    /// Who wanted it, and from where.
    pub cause: Cause,
}

/// A page of sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionPage {
    /// The rows, in the order of the values shown.
    pub items: Vec<Session>,
    /// How many rows the page holds (also when only counts were wanted).
    pub count: usize,
    /// All matches before paging, exact.
    pub total: u64,
    /// Whether matches follow behind this page.
    pub more: bool,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions moved to the archive.
    pub ended: usize,
    /// Archive records and audit entries removed.
    pub purged: usize,
    /// Whether more is due now.
    pub more: bool,
}

/// How a store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// Live sessions in memory.
    pub sessions: u64,
    /// Changes are refused until a restart.
    pub read_only: bool,
    /// The writer has been silent this long with work waiting.
    pub stalled: Option<Duration>,
    /// Sessions whose newest access is not on the disk yet.
    pub dirty: u64,
    /// How old the oldest access not yet on the disk may be.
    pub lag: Duration,
    /// Free bytes where the data lies; `None` when it lies nowhere.
    pub free_bytes: Option<u64>,
    /// Too little room for logins.
    pub full: bool,
    /// The number of the last durable group.
    pub commit: u64,
    /// Grows when a past state had to be given up.
    pub epoch: u64,
    /// What is known of the indexes on the disk.
    pub indexes: Indexes,
}

/// What is known of what orders the sessions on the disk. No answer comes from
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indexes {
    /// It is what was written.
    #[default]
    Proved,
    /// Nothing yet: it is being read.
    Unread,
    /// It is not what was written.
    Damaged,
}

/// Durable sessions, users, devices and roles.
///
/// `now` is always the caller's trusted time. Calls are in doubt only where
/// they answer [`StoreError::Unknown`]; an accepted change is carried out even
/// if its caller has left.
pub trait Store: Send + Sync + 'static {
    /// Who is behind a session, and counts the access: `lastAccessAt` becomes
    /// the later of its old value and `now`, `_v` grows by one.
    ///
    /// The access may be lost in the last seconds before a power cut; `_v`
    /// nevertheless never repeats with other content.
    ///
    /// # Errors
    /// [`StoreError::NotLive`].
    fn check(
        &self,
        access: Access,
        now: Timestamp,
    ) -> impl Future<Output = Result<Checked, StoreError>> + Send;

    /// Notes how the session's newest token is called, if `token` is what the
    /// newest one says in every respect; answers whether it is. To be called for
    /// tokens of ours only. The name is kept in memory, until another token is
    /// made.
    fn note_token(&self, id: SessionId, token: &NotedToken, name: TokenName) -> bool;

    /// The session's newest token, if this name was noted for it. Says nothing
    /// about whether the session lives.
    fn noted_token(&self, id: SessionId, name: &TokenName) -> Option<NotedToken>;

    /// As [`Store::check`] of an access that counts, with the session's newest
    /// token by its name, if that was noted and the answer waits for nothing.
    /// `None`: nothing was counted, and [`Store::check`] has the answer.
    fn check_at_once(
        &self,
        id: SessionId,
        name: &TokenName,
        now: Timestamp,
    ) -> Option<Result<Checked, StoreError>>;

    /// A live session by its id, if the scope covers it; counts nothing.
    fn find(
        &self,
        id: SessionId,
        scope: &Scope,
        now: Timestamp,
    ) -> impl Future<Output = Option<Session>> + Send;

    /// Live sessions. Membership, `count` and `total` belong to one instant;
    /// each row's `lastAccessAt` and `_v` to its own.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many long scans run.
    fn page(
        &self,
        query: &Query<SessionMember>,
        scope: &Scope,
        now: Timestamp,
    ) -> impl Future<Output = Result<SessionPage, StoreError>> + Send;

    /// Sessions that are over, within [`Rules::ended_retention`] and
    /// [`Rules::ended_max`] at `now`, at one instant. One is here from the
    /// instant of its ending, whoever brought it about; one that ended by the
    /// passing of time, from the sweep that comes behind it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many ask at once.
    fn ended(
        &self,
        query: &Query<EndedMember>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Selected<Arc<EndedSession>>, StoreError>> + Send;

    /// The audit, within [`Rules::audit_retention`] at `now`, at one instant.
    /// Every login, every ending by somebody and every change of the directory
    /// is in it from the instant of its answer; what is only looked at is not.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many ask at once.
    fn audit(
        &self,
        query: &Query<AuditMember>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Selected<Arc<AuditEntry>>, StoreError>> + Send;

    /// Tells the audit of something that no other call of the store is. Repeats
    /// of a login that failed or was locked count in one entry; the count of
    /// locked ones is durable with the next sweep only.
    ///
    /// # Errors
    /// As every change; [`StoreError::Full`] for failed logins only.
    fn note(&self, entry: AuditEntry) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Opens a session if user, device and assignment are active and the
    /// password is still the one that was checked. On a sale device the live
    /// session there ends (`replaced`, by whoever `cause` names) in the same
    /// atomic step, and so do the failures that the lockout has counted here; the
    /// place is known from then on. A denied one is counted as a failure, durable
    /// before the answer.
    ///
    /// # Errors
    /// [`StoreError::Denied`], [`StoreError::Locked`],
    /// [`StoreError::LimitReached`]; an id that exists is refused as
    /// [`StoreError::Unknown`], since only a repeated call can bring it.
    fn begin(
        &self,
        new: NewSession,
        cause: Cause,
        now: Timestamp,
    ) -> impl Future<Output = Result<Begun, StoreError>> + Send;

    /// How long this attempt has to wait; `None` when it may be made. Asked
    /// before the hashing; [`Store::begin`] and [`Store::count`] ask again.
    fn wait(
        &self,
        attempt: &Attempt,
        now: Timestamp,
    ) -> impl Future<Output = Option<Duration>> + Send;

    /// When the account was used last, within a day; `None` when it is not
    /// watched. Sessions that begin are noted while [`LockoutRules::use_kept`]
    /// is not zero.
    fn last_use(&self, user: &UserName) -> impl Future<Output = Option<Timestamp>> + Send;

    /// Notes when an account was used last, or forgets it.
    ///
    /// # Errors
    /// As every change.
    fn note_use(
        &self,
        user: UserName,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Counts an attempt that opens no session: a wrong password, or a right
    /// one that was asked for again. Answers how long the next has to wait.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; otherwise as every change.
    fn count(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Duration>, StoreError>> + Send;

    /// As [`Store::check`], for a signed request: it is an access of the session
    /// that its key holds.
    ///
    /// # Errors
    /// [`StoreError::Denied`]: the key, its user or its device is not active, or
    /// it is another key by now. [`StoreError::NotLive`]: the key holds no live
    /// session; [`Store::begin_signed`] opens one.
    fn check_signed(
        &self,
        signer: &Signer,
        now: Timestamp,
    ) -> impl Future<Output = Result<Checked, StoreError>> + Send;

    /// Opens the session that a key's signed requests go on in, under an id that
    /// the caller has drawn. If the key holds a live one, that is answered and
    /// nothing is opened: of many at once, one opens. Neither replaces the
    /// session of a sale device nor counts for it.
    ///
    /// # Errors
    /// [`StoreError::Denied`], as for [`Store::check_signed`].
    fn begin_signed(
        &self,
        signer: Signer,
        id: SessionId,
        cause: Cause,
        now: Timestamp,
    ) -> impl Future<Output = Result<Session, StoreError>> + Send;

    /// Ends a live session; answers its last state (`_v` is not raised). Whose
    /// it is, and its version, are looked at in the step that ends it.
    ///
    /// # Errors
    /// [`StoreError::NotLive`], with a reason only for [`Scope::Any`];
    /// [`StoreError::Stale`].
    fn end(
        &self,
        end: End,
        now: Timestamp,
    ) -> impl Future<Output = Result<Session, StoreError>> + Send;

    /// Ends those of the sessions that are live and match, all in one step;
    /// answers when they are durable.
    ///
    /// # Errors
    /// As every change.
    fn end_some(
        &self,
        some: EndSome,
        now: Timestamp,
    ) -> impl Future<Output = Result<EndedSome, StoreError>> + Send;

    /// At most `max` sessions that have ended since a place in the feed, and
    /// whose tokens have not expired on their own at `now`: from the instant of
    /// the answer to their ending, and as long as their tokens last, whatever
    /// the retention of the archive. A session whose lifetime is over is not in
    /// it. With no place, or one that is not of this feed: from the beginning.
    fn revocations(
        &self,
        since: Option<FeedPlace>,
        max: usize,
        now: Timestamp,
    ) -> impl Future<Output = Revocations> + Send;

    /// Changes when something is new in the feed.
    fn endings(&self) -> watch::Receiver<u64>;

    /// The feed of everything that was created, changed or ended since the
    /// opening, in the order of the commits. A change is in it once everybody
    /// sees it, and about when its caller has the answer; one that lapses, from
    /// the sweep that comes behind it.
    fn changes(&self) -> &Changes;

    /// What webhooks are still to be told. An event is durable in the atomic step
    /// of its change, if an active hook wants such; of many sessions that end at
    /// once, in the step that moves the session to the archive, which is made up
    /// for after a stop. A hook is told from its creation or activation on. Of
    /// more than [`OUTBOX_EVENTS_MAX`] events the oldest become failures.
    fn outbox(&self) -> &Outbox;

    /// Settles what has become of notifications of a hook. Once settled, nothing
    /// changes; a hook that is gone has nothing to settle.
    ///
    /// # Errors
    /// As every change.
    fn settle(
        &self,
        hook: WebhookId,
        settled: Settled,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The token state of a live session.
    fn tokens(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Option<TokenState>> + Send;

    /// The live session whose current refresh token has this SHA-256. It looks
    /// at every session, one such search at a time: for what is asked rarely.
    fn session_of_refresh(
        &self,
        sha256: [u8; 32],
        now: Timestamp,
    ) -> impl Future<Output = Option<SessionId>> + Send;

    /// Exchanges a refresh token. The current generation: `_v` grows,
    /// `expiresAt` moves, the generation after it becomes current. The one
    /// before it, within [`Rules::refresh_grace`] and while neither the current
    /// refresh token nor the newest `tokenId` was used: the state of the first
    /// answer, unchanged. Any other earlier one: the session is ended, by the
    /// server; `origin` is where the token was presented.
    ///
    /// # Errors
    /// [`StoreError::NotLive`], [`StoreError::Denied`] (user, device or
    /// assignment not active), [`StoreError::Reused`].
    fn refresh(
        &self,
        refresh: Refresh,
        origin: Origin,
        now: Timestamp,
    ) -> impl Future<Output = Result<Refreshed, StoreError>> + Send;

    /// Everybody and everything at this instant.
    fn directory(&self) -> impl Future<Output = Arc<Directory>> + Send;

    /// Makes a change of the directory if its rules allow it to the actor of
    /// `cause`, together with all endings it brings. Answers the resource and whether it was created.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    fn change(
        &self,
        change: DirectoryChange,
        precondition: Precondition,
        cause: Cause,
        now: Timestamp,
    ) -> impl Future<Output = Result<(Resource, bool), StoreError>> + Send;

    /// Ends every live session of a subject in one atomic step (clock reset,
    /// restore, a revoked signing key).
    ///
    /// # Errors
    /// As every change.
    fn end_all(
        &self,
        of: Subject,
        reason: EndReason,
        cause: Cause,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps a small named value, which is there at the next opening; `None`
    /// removes it. `told` is in the audit in the same atomic step.
    ///
    /// # Errors
    /// As every change.
    fn put_meta(
        &self,
        name: &str,
        value: Option<Vec<u8>>,
        told: Option<AuditEntry>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Why an id is not live, as long as it is known.
    fn reason(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Option<EndReason>> + Send;

    /// Moves at most `max` sessions that are over at `now` to the archive, and
    /// removes at most `max` archive records that are beyond their retention
    /// and whose tokens have expired on their own, and at most `max` audit
    /// entries that are too old or too many.
    ///
    /// # Errors
    /// As every change.
    fn sweep(
        &self,
        now: Timestamp,
        max: usize,
    ) -> impl Future<Output = Result<Swept, StoreError>> + Send;

    /// The next instant at which a session may be over, if any lives: never too
    /// late, and too early where accesses have moved an idle deadline.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// What makes backups; `None` where the data lies with somebody else.
    fn backups(&self) -> Option<&dyn Backups> {
        None
    }

    /// How it is.
    fn health(&self) -> StoreHealth;

    /// What it has counted since it was opened, and how much it holds.
    fn figures(&self) -> Figures;
}
