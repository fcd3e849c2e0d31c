//! API keys: what a program signs its requests with, and for whom.

use std::fmt;
use std::sync::Arc;

use super::{ApiKeyId, DeviceName, Right, Timestamp, UserName, Version};

/// The text is neither 32 nor 40 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 or 40 hex digits")]
pub struct ClientIdError;

/// The public half of an API key: names it in every signed request. 32 or 40
/// hex digits, compared exactly as they are written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Draws a new one from the system's secure random source: 32 lower-case
    /// hex digits.
    #[must_use]
    pub fn draw() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`ClientIdError`] unless it is 32 or 40 hex digits.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        let fits = matches!(text.len(), 32 | 40) && text.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self(text.into())).ok_or(ClientIdError)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a program signs its requests with. They run as `user_name` on
/// `device_name`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name for good.
    pub id: ApiKeyId,
    /// Its name in signed requests. Unique.
    pub client_id: ClientId,
    /// The secret, sealed with the installation key and bound to `id`: who has
    /// only the data has no secret. Sealing twice gives other bytes, so equal
    /// bytes are the same secret.
    pub sealed_secret: Arc<[u8]>,
    /// Whether its requests are let in.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// What is shown.
    pub name: String,
    /// What is shown below.
    pub description: Option<String>,
    /// Whom it stands for. The user may since have been deleted; then the key
    /// is not active.
    pub user_name: UserName,
    /// Where; as for the user.
    pub device_name: DeviceName,
    /// The user's rights are cut down to these; empty leaves them whole.
    pub permissions: Vec<Right>,
    /// Grows with every change.
    pub version: Version,
}

/// Leaves the secret out, sealed as it is.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("is_active", &self.is_active)
            .field("user_name", &self.user_name)
            .field("device_name", &self.device_name)
            .field("permissions", &self.permissions)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_32_or_40_hex_digits_as_they_are_written() {
        let drawn = ClientId::draw();
        assert_eq!(ClientId::parse(drawn.as_str()), Ok(drawn));
        for good in ["aB".repeat(16), "0f".repeat(20)] {
            assert_eq!(ClientId::parse(&good).map(|id| id.to_string()), Ok(good));
        }
        for bad in ["", "ab", &"g".repeat(32), &"a".repeat(33), &"a".repeat(64)] {
            assert_eq!(ClientId::parse(bad), Err(ClientIdError), "{bad}");
        }
    }
}
