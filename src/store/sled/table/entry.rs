//! One session in the table: what it holds, and what an access does to it.

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::names::NameId;
use crate::model::{
    AuthenticationType, EndReason, Env, KeyNumber, Principal, SessionId, Timestamp, TokenName,
    Version,
};
use crate::store::TokenState;
use crate::store::sled::record::{RESERVE_MIN, Record, Resumed};

/// The most versions that a write reserves: so far may `_v` jump.
const RESERVE_MAX: u16 = u16::MAX;
/// Bytes of one line of the processor's cache.
const LINE_BYTES: usize = 64;
/// Bytes of a lock before what it guards.
const MUTEX_BYTES: usize = size_of::<Mutex<State>>() - size_of::<State>();

/// Where a session stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// In every order. Live unless its time is over or a fence stands before it.
    Listed,
    /// Its time was found to be over: for nobody live, whatever their `now`;
    /// waits for the sweep.
    Lapsed,
    /// Removed. Kept only for readers that began before.
    Gone,
}

/// A session in its slot. What an access or a row of a list reads stands in
/// front, in the order written, within two cache lines: most of what they cost
/// is waiting for them.
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) id: SessionId,
    /// `lastAccessAt` in milliseconds. Written only under the lock of `state`;
    /// read without it where an order is all that is wanted.
    last_access: AtomicI64,
    /// Everything that changes. Whoever holds it decides whether an access or
    /// an ending comes first.
    pub(super) state: Mutex<State>,
}

/// What of a session is behind its lock.
#[derive(Clone)]
#[repr(C)]
pub(super) struct State {
    pub(super) user: NameId,
    pub(super) device: NameId,
    pub(super) env: Env,
    pub(super) authentication_type: AuthenticationType,
    pub(super) standing: Standing,
    /// Whether the first use of the newest token must be written: it came with
    /// a refresh, and the disk does not know that it was seen.
    awaits_use: bool,
    /// Its slot waits to be merged into the order by last access.
    pub(super) is_marked: bool,
    /// Memory is ahead of the disk; its slot waits to be written.
    pub(super) is_dirty: bool,
    /// More than half of the reserve is used; its slot waits to be written first.
    pub(super) is_urgent: bool,
    /// A conditional change is being decided: accesses are counted after it.
    pub(super) is_pinned: bool,
    /// How far the ceiling was above the version of the last write.
    reserve: u16,
    /// The number of the key that signed the newest token; 0: no token.
    key: u16,
    /// The number of the directory in which `principal` was looked up; 0: none.
    pub(super) seen_directory: u32,
    started_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// Never above `ceiling`.
    pub(super) version: u64,
    /// No version above it before the next write.
    pub(super) ceiling: u64,
    /// The last access under which the order by last access holds the session.
    pub(super) ordered_last_access: Timestamp,
    pub(super) began: u64,
    /// What the last check found there.
    pub(super) principal: Option<Arc<Principal>>,
    /// The name of the newest token, if somebody has said it.
    name: Option<TokenName>,
    /// `used` is set as soon as the newest token was seen.
    tokens: Option<TokenState>,
    pub(super) written: u64,
    /// `lastAccessAt` of the last write.
    pub(super) disk_last_access: Timestamp,
    /// The instant under which the order by idle deadline holds the session;
    /// accesses do not move it, so it is never later than the true deadline.
    pub(super) idle_at: Timestamp,
}

/// The two lines end behind `principal`; a check reads the name in the third.
const _: () =
    assert!(offset_of!(Entry, state) + MUTEX_BYTES + offset_of!(State, name) <= 2 * LINE_BYTES);
const _: () = assert!(size_of::<Entry>() == 4 * LINE_BYTES);

/// The values of a session at one instant, names as numbers.
#[derive(Clone, Copy)]
pub(super) struct Copied {
    pub(super) id: SessionId,
    pub(super) user: NameId,
    pub(super) device: NameId,
    pub(super) env: Env,
    pub(super) authentication_type: AuthenticationType,
    pub(super) began: u64,
    pub(super) key: Option<KeyNumber>,
    pub(super) started_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) last_access_at: Timestamp,
    pub(super) version: Version,
}

impl State {
    /// Whether it is a session of an API key.
    pub(super) fn is_signed(&self) -> bool {
        self.authentication_type == AuthenticationType::Nws4
    }
}

impl Entry {
    /// The entry of a record as the disk has it.
    pub(super) fn new(
        record: &Record,
        user: NameId,
        device: NameId,
        idle: Option<Duration>,
    ) -> Self {
        let session = &record.session;
        let last = session.last_access_at;
        let state = State {
            user,
            device,
            env: session.identity.env,
            authentication_type: session.identity.authentication_type,
            started_at: session.started_at,
            expires_at: session.expires_at,
            version: session.version.0,
            ceiling: record.ceiling.0.max(session.version.0),
            reserve: reserve(record),
            began: record.began,
            written: record.written,
            disk_last_access: last,
            ordered_last_access: last,
            idle_at: idle.map_or(Timestamp::MAX, |idle| last.plus(idle)),
            key: key(record.tokens.as_ref()),
            name: None,
            tokens: record.tokens,
            awaits_use: awaits_use(record.tokens.as_ref()),
            seen_directory: 0,
            principal: None,
            standing: Standing::Listed,
            is_marked: false,
            is_dirty: false,
            is_urgent: false,
            is_pinned: false,
        };
        let last_access = AtomicI64::new(last.as_millis());
        Self {
            id: session.id,
            last_access,
            state: Mutex::new(state),
        }
    }

    /// Goes on from what the session has come to since its record was written.
    /// The disk has all of that.
    pub(super) fn resume(&mut self, resumed: &Resumed, idle: Option<Duration>) {
        let last = resumed.last_access;
        *self.last_access.get_mut() = last.as_millis();
        let state = self.state.get_mut();
        state.ordered_last_access = last;
        state.idle_at = idle.map_or(Timestamp::MAX, |idle| last.plus(idle));
        state.version = resumed.version.0;
        if state.version > state.ceiling {
            state.ceiling = state.version;
            state.reserve = 0;
        }
    }

    /// When the session was last seen.
    pub(super) fn last_access(&self) -> Timestamp {
        Timestamp::from_millis(self.last_access.load(Ordering::Relaxed))
    }

    /// Moves the last access forward, never back; answers whether it moved. The
    /// caller holds `state`.
    pub(super) fn move_last_access(&self, now: Timestamp) -> bool {
        let moves = now > self.last_access();
        if moves {
            self.last_access.store(now.as_millis(), Ordering::Relaxed);
        }
        moves
    }

    /// The session's values. The caller holds `state`.
    pub(super) fn copy(&self, state: &State) -> Copied {
        Copied {
            id: self.id,
            user: state.user,
            device: state.device,
            env: state.env,
            authentication_type: state.authentication_type,
            began: state.began,
            key: state.key(),
            started_at: state.started_at,
            expires_at: state.expires_at,
            last_access_at: self.last_access(),
            version: Version(state.version),
        }
    }

    /// The rule of time that strikes first, and when. The caller holds `state`.
    pub(super) fn deadline(&self, state: &State, idle: Option<Duration>) -> (EndReason, Timestamp) {
        match idle.map(|idle| self.last_access().plus(idle)) {
            Some(at) if at < state.expires_at => (EndReason::Idle, at),
            _ => (EndReason::Expired, state.expires_at),
        }
    }
}

impl State {
    pub(super) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The key that signed the newest token.
    pub(super) fn key(&self) -> Option<KeyNumber> {
        (self.key != 0).then_some(KeyNumber(self.key))
    }

    /// What is kept of the tokens.
    pub(super) const fn tokens(&self) -> Option<TokenState> {
        self.tokens
    }

    /// A refresh gave other tokens.
    pub(super) fn set_tokens(&mut self, tokens: Option<TokenState>) {
        self.tokens = tokens;
        self.name = None;
        self.key = key(tokens.as_ref());
    }

    /// The newest token was seen.
    pub(super) fn note_use(&mut self) {
        self.tokens.iter_mut().for_each(|tokens| tokens.used = true);
    }

    /// How many versions were given since the last write.
    fn given(&self) -> u64 {
        let at_write = self.ceiling.saturating_sub(u64::from(self.reserve));
        self.version.saturating_sub(at_write)
    }

    /// Whether more than half of the reserve is used.
    pub(super) fn runs_low(&self) -> bool {
        self.given() > u64::from(self.reserve / 2)
    }

    /// The ceiling to write next: never below the present one, since versions
    /// up to that may be given until the write is done.
    pub(super) fn next_ceiling(&self) -> u64 {
        let reserve = (4 * self.given()).clamp(RESERVE_MIN, u64::from(RESERVE_MAX));
        self.ceiling.max(self.version.saturating_add(reserve))
    }

    /// Whether the newest token came with a refresh, and the disk does not know
    /// yet that it is in use. The token of a login forbids no repeat of an
    /// earlier refresh, so its use is not kept.
    pub(super) const fn awaits_use(&self) -> bool {
        self.awaits_use
    }

    /// Whether a first use of the newest token is not on the disk.
    pub(super) fn is_use_pending(&self) -> bool {
        self.awaits_use && self.tokens.is_some_and(|tokens| tokens.used)
    }

    /// Whether versions were given since the record was written.
    pub(super) fn has_given(&self) -> bool {
        self.given() > 0
    }

    /// Whether the token with this `jti` is the newest one.
    pub(super) fn is_newest(&self, jti_head: Option<u64>) -> bool {
        jti_head.is_some() && jti_head == self.tokens.as_ref().map(TokenState::jti_head)
    }

    /// Whether the newest token is known to be called so.
    pub(super) fn is_named(&self, name: &TokenName) -> bool {
        self.name.as_ref() == Some(name)
    }

    /// Says how the newest token is called.
    pub(super) const fn set_name(&mut self, name: TokenName) {
        self.name = Some(name);
    }

    /// Whether the newest token is good already: a trusted clock goes back only
    /// by hand. Tokens count in whole seconds.
    pub(super) fn has_token_begun(&self, now: Timestamp) -> bool {
        let issued_at = self.tokens.as_ref().map(|tokens| tokens.issued_at);
        issued_at.is_some_and(|at| at.seconds_floor() <= now.seconds_floor())
    }

    /// The record is on the disk: versions up to its ceiling may be given.
    pub(super) fn note_written(&mut self, record: &Record) {
        self.ceiling = self.ceiling.max(record.ceiling.0);
        self.reserve = reserve(record);
        self.written = record.written;
        self.disk_last_access = record.session.last_access_at;
        self.is_urgent = false;
        let generation = |tokens: &Option<TokenState>| tokens.as_ref().map(|t| t.generation);
        if generation(&self.tokens) == generation(&record.tokens) {
            self.awaits_use = awaits_use(record.tokens.as_ref());
        }
    }
}

fn awaits_use(tokens: Option<&TokenState>) -> bool {
    tokens.is_some_and(|tokens| tokens.generation > 0 && !tokens.used)
}

/// Keys are numbered from 1.
fn key(tokens: Option<&TokenState>) -> u16 {
    tokens.map_or(0, |tokens| tokens.key().0)
}

fn reserve(record: &Record) -> u16 {
    let reserve = record.ceiling.0.saturating_sub(record.session.version.0);
    u16::try_from(reserve).unwrap_or(u16::MAX)
}
