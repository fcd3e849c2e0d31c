//! Which session the requests of each API key go on in. Whether that session
//! lives is the table's word alone: an entry may name one that is over, and the
//! key's next request then opens another in its place.

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::model::{ApiKeyId, SessionId};

/// One entry for each key that has signed a request, as `meta` has them. Only
/// the writer changes it.
#[derive(Debug, Default)]
pub struct SignedSessions(RwLock<HashMap<ApiKeyId, SessionId, foldhash::fast::RandomState>>);

impl SignedSessions {
    /// The last session that the key opened.
    pub fn of(&self, key: ApiKeyId) -> Option<SessionId> {
        self.0.read().get(&key).copied()
    }

    /// The key has opened a session; that is on the disk.
    pub fn set(&self, key: ApiKeyId, session: SessionId) {
        self.0.write().insert(key, session);
    }

    /// The key is gone; that is on the disk.
    pub fn forget(&self, key: ApiKeyId) {
        self.0.write().remove(&key);
    }
}

impl FromIterator<(ApiKeyId, SessionId)> for SignedSessions {
    fn from_iter<I: IntoIterator<Item = (ApiKeyId, SessionId)>>(entries: I) -> Self {
        Self(RwLock::new(entries.into_iter().collect()))
    }
}
