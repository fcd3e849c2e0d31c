//! Where a device stands and how its session proved itself: two closed lists
//! of the API.

use serde::{Deserialize, Serialize};

/// The environment of a device, in the API's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Env {
    /// An office PC. Any number of sessions a device.
    BackOffice,
    /// A till. At most one live session a device.
    CashRegister,
    /// A handheld used for selling. At most one live session a device.
    #[serde(rename = "PDA")]
    Pda,
    /// A program. Any number of sessions a device.
    Tool,
}

impl Env {
    /// Every environment, in the order of the API's list.
    pub const ALL: [Self; 4] = [Self::BackOffice, Self::CashRegister, Self::Pda, Self::Tool];

    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackOffice => "BackOffice",
            Self::CashRegister => "CashRegister",
            Self::Pda => "PDA",
            Self::Tool => "Tool",
        }
    }

    /// Reads the exact spelling of the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|env| env.as_str() == text)
    }

    /// Whether a device here holds at most one live session (`CashRegister`
    /// and `PDA`: a sale belongs to one person at a time).
    #[must_use]
    pub const fn is_sale(self) -> bool {
        matches!(self, Self::CashRegister | Self::Pda)
    }

    /// A dense number, for tables with one cell an environment.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// How the requests of a session prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AuthenticationType {
    /// A bearer token from `POST /api/auth`.
    Bearer,
    /// Requests signed with an API key.
    #[serde(rename = "NWS4-HMAC-SHA256")]
    Nws4,
}

impl AuthenticationType {
    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Nws4 => "NWS4-HMAC-SHA256",
        }
    }
}
