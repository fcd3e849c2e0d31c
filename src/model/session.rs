//! A session: who is logged in where, since when and until when.

use super::{AuthenticationType, DeviceName, Env, SessionId, Timestamp, UserName, Version};

/// Who stands behind a session, frozen at login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The person.
    pub user_name: UserName,
    /// The till, handheld, PC or program.
    pub device_name: DeviceName,
    /// The device's environment at login.
    pub env: Env,
    /// How the session's requests prove themselves.
    pub authentication_type: AuthenticationType,
}

/// A session as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name; never a credential.
    pub id: SessionId,
    /// Whose it is.
    pub identity: Identity,
    /// When it was opened. Never changes.
    pub started_at: Timestamp,
    /// From this instant on it is not live. Only refresh moves it.
    pub expires_at: Timestamp,
    /// When a request of this session was last seen. Never goes back.
    pub last_access_at: Timestamp,
    /// Grows by one at every access and refresh.
    pub version: Version,
}

impl Session {
    /// Why the session is over at `now` by the passing of time, if it is:
    /// the rule that struck first, and the instant it struck. Each limit is
    /// itself already too late. `idle_after`: the idle timeout of its
    /// environment in force, already with any grace.
    #[must_use]
    pub fn lapsed(
        &self,
        now: Timestamp,
        idle_after: Option<std::time::Duration>,
    ) -> Option<(EndReason, Timestamp)> {
        let idle_at = idle_after.map(|idle| self.last_access_at.plus(idle));
        let (reason, at) = match idle_at {
            Some(idle_at) if idle_at < self.expires_at => (EndReason::Idle, idle_at),
            _ => (EndReason::Expired, self.expires_at),
        };
        (now >= at).then_some((reason, at))
    }
}

impl Session {
    /// Until when its newest token may be shown: `exp` is `expiresAt` rounded up
    /// to a second, and so long somebody may ask why it is refused.
    #[must_use]
    pub fn token_until(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at.seconds_ceil().saturating_mul(1000))
    }
}

/// Why a session is over: one list for `reason` and `endReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// Its lifetime is over.
    Expired = 1,
    /// The idle timeout of its environment passed.
    Idle = 2,
    /// Its own user logged out.
    LoggedOut = 3,
    /// Somebody else ended it.
    Revoked = 4,
    /// A new login on the same sale device, or a limit, took its place.
    Replaced = 5,
    /// The user's password changed.
    PasswordChanged = 6,
    /// The user was disabled or deleted, or lost the device.
    AccountDisabled = 7,
    /// The device was disabled or deleted.
    DeviceDisabled = 8,
    /// The user's name or the device's environment changed.
    IdentityChanged = 9,
    /// Its signing or API key was revoked.
    KeyRevoked = 10,
    /// Everything older than an instant was ended.
    NotBefore = 11,
    /// The data directory was restored, or its newest changes were lost.
    Restored = 12,
    /// A refresh token was used twice.
    RefreshReuse = 13,
}

impl EndReason {
    /// Every reason, in the order of the contract.
    pub const ALL: [Self; 13] = [
        Self::Expired,
        Self::Idle,
        Self::LoggedOut,
        Self::Revoked,
        Self::Replaced,
        Self::PasswordChanged,
        Self::AccountDisabled,
        Self::DeviceDisabled,
        Self::IdentityChanged,
        Self::KeyRevoked,
        Self::NotBefore,
        Self::Restored,
        Self::RefreshReuse,
    ];

    /// Its place in [`EndReason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::LoggedOut => "loggedOut",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::PasswordChanged => "passwordChanged",
            Self::AccountDisabled => "accountDisabled",
            Self::DeviceDisabled => "deviceDisabled",
            Self::IdentityChanged => "identityChanged",
            Self::KeyRevoked => "keyRevoked",
            Self::NotBefore => "notBefore",
            Self::Restored => "restored",
            Self::RefreshReuse => "refreshReuse",
        }
    }

    /// From its number on disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// The server itself: sweep, recovery, a fence.
    Server,
    /// An operator on the command line.
    CommandLine,
    /// A caller of the API.
    Caller {
        /// The caller's user.
        user_name: UserName,
        /// The caller's device.
        device_name: DeviceName,
    },
}

impl Author {
    /// Whoever is logged in there.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self::Caller {
            user_name: identity.user_name.clone(),
            device_name: identity.device_name.clone(),
        }
    }

    /// What kind of author: `server`, `cli` or `caller`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::CommandLine => "cli",
            Self::Caller { .. } => "caller",
        }
    }
}

/// A session that is over, as the archive keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// Its last state.
    pub session: Session,
    /// When it ended. For `expired` and `idle`: the instant the rule struck.
    pub ended_at: Timestamp,
    /// Why.
    pub reason: EndReason,
    /// Who ended it.
    pub by: Author,
    /// The number of the change of the store that ended it.
    pub commit: u64,
}
