//! What a change goes back to: who wanted it and from where the wish came. It
//! travels with every change, since what the audit keeps is decided where the
//! change is written.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{Actor, ApiKeyId, Author, DeviceName, UserName};

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The address at the other end of the connection; `None` for what was not
    /// asked over the network.
    pub peer: Option<IpAddr>,
    /// The `X-Request-Id` of the answer, under which logs know the request.
    pub request_id: Option<Arc<str>>,
    /// The key that signed it, which may leave the caller less than the user's
    /// rights.
    pub api_key: Option<ApiKeyId>,
}

impl Origin {
    /// Whose share of dear work, as hashing is, the request takes. What was not
    /// asked over the network has that of the machine itself.
    #[must_use]
    pub fn share(&self) -> IpAddr {
        self.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

/// Who makes a change, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    /// Who.
    pub by: Author,
    /// From where.
    pub origin: Origin,
}

impl Cause {
    /// The server itself.
    #[must_use]
    pub fn server() -> Self {
        Author::Server.into()
    }

    /// The operator on the server itself.
    #[must_use]
    pub fn operator() -> Self {
        Author::CommandLine.into()
    }

    /// A caller of the API.
    #[must_use]
    pub fn caller(user_name: UserName, device_name: DeviceName, origin: Origin) -> Self {
        let by = Author::Caller {
            user_name,
            device_name,
        };
        Self { by, origin }
    }

    /// Whose rights a change of the directory needs.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.by {
            Author::Server | Author::CommandLine => Actor::System,
            Author::Caller {
                user_name,
                device_name,
            } => Actor::Caller {
                user_name: user_name.clone(),
                device_name: device_name.clone(),
                api_key: self.origin.api_key,
            },
        }
    }
}

impl From<Author> for Cause {
    /// Not asked over the network.
    fn from(by: Author) -> Self {
        let origin = Origin::default();
        Self { by, origin }
    }
}
