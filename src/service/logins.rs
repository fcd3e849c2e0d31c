//! How logins went, for whoever watches over the server. Apart from the login
//! itself: it decides nothing.

use super::ServiceError;
use crate::meter::Counter;

/// How a login went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// A session began.
    Good,
    /// The user, the password or the device was wrong.
    Wrong,
    /// Too many had failed before; the password was not looked at.
    Locked,
    /// The password was right, and a rule was against it.
    Refused,
    /// The server could not: too much to do, no room, no disk.
    Unavailable,
}

impl LoginOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Good,
        Self::Wrong,
        Self::Locked,
        Self::Refused,
        Self::Unavailable,
    ];

    /// A word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Wrong => "wrong",
            Self::Locked => "locked",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }

    fn of<T>(login: &Result<T, ServiceError>) -> Self {
        match login {
            Ok(_) => Self::Good,
            Err(ServiceError::Unauthenticated { .. }) => Self::Wrong,
            Err(ServiceError::Locked(_)) => Self::Locked,
            Err(
                ServiceError::Busy(_)
                | ServiceError::Full
                | ServiceError::ReadOnly
                | ServiceError::Unknown,
            ) => Self::Unavailable,
            Err(_) => Self::Refused,
        }
    }
}

/// How many logins with a password went how, since the start.
#[derive(Debug, Default)]
pub struct Logins([Counter; LoginOutcome::ALL.len()]);

impl Logins {
    /// Counts a login, and hands it on.
    pub(super) fn counted<T>(&self, login: Result<T, ServiceError>) -> Result<T, ServiceError> {
        self.0[LoginOutcome::of(&login) as usize].count();
        login
    }

    /// How many went so.
    #[must_use]
    pub fn that_were(&self, outcome: LoginOutcome) -> u64 {
        self.0[outcome as usize].get()
    }
}
