//! The signing keys while the server runs: rotating, revoking, telling.

use std::time::Duration;

use tokio::sync::Mutex;

use super::{App, ServiceError};
use crate::auth::token::{KEYS_MAX, KeyRing, PublicKey, RingError, Standing};
use crate::model::{
    AuditAction, AuditEntry, AuditKind, AuditObject, Cause, EndReason, KeyNumber, Subject,
};
use crate::store::Store;

/// Where the signing keys are kept, and one change of them at a time.
#[derive(Debug)]
pub struct KeyKeeper {
    label: String,
    longest: Duration,
    changing: Mutex<()>,
}

impl KeyKeeper {
    /// `label`: the name under which the store keeps the sealed keys;
    /// `longest`: how long a token is good at most.
    #[must_use]
    pub fn new(label: String, longest: Duration) -> Self {
        let changing = Mutex::new(());
        Self {
            label,
            longest,
            changing,
        }
    }
}

impl From<RingError> for ServiceError {
    fn from(error: RingError) -> Self {
        match error {
            RingError::Unknown => Self::NotFound,
            RingError::Full => Self::Forbidden(format!(
                "There are {KEYS_MAX} keys whose tokens have not ended; wait for them, or revoke a key."
            )),
        }
    }
}

impl<S: Store> App<S> {
    /// Signs new tokens with a fresh key from here on; answers it. Tokens of
    /// the earlier keys stay good until they end. Durable, and in the audit, when
    /// this returns.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] while too many keys are kept; as every
    /// change.
    pub async fn rotate_keys(&self, cause: Cause) -> Result<PublicKey, ServiceError> {
        let _one = self.keys.changing.lock().await;
        let ring = self.bearer.keys().rotated(self.now(), self.keys.longest)?;
        let keys = ring.public_keys();
        let signing = keys.into_iter().last().ok_or(ServiceError::Unknown)?;
        let told = AuditEntry::new(AuditAction::KeysRotated, cause, self.now());
        let told = told.on(about_key(signing.number));
        self.take_keys(ring, told.saying(signing.kid.as_str()))
            .await?;
        tracing::info!(target: "auth", kid = signing.kid, "tokens are signed with a fresh key");
        Ok(signing)
    }

    /// Ends all tokens of a key: none is good any more, and sessions whose
    /// newest token is one of them are ended. Durable, and in the audit, when this
    /// returns; a stop in between is made up for at the next start. Revoking once more is the
    /// way to go on after an error.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]: no key has this name; as every change.
    pub async fn revoke_key(&self, kid: &str, cause: Cause) -> Result<(), ServiceError> {
        let _one = self.keys.changing.lock().await;
        let (now, longest) = (self.now(), self.keys.longest);
        let (ring, number) = self.bearer.keys().revoked(kid, now, longest)?;
        let told = AuditEntry::new(AuditAction::KeyRevoked, cause.clone(), now);
        let told = told.on(about_key(number)).saying(kid);
        self.take_keys(ring, told).await?;
        let (of, reason) = (Subject::Key(number), EndReason::KeyRevoked);
        self.store.end_all(of, reason, cause, self.now()).await?;
        tracing::warn!(target: "auth", kid, "a signing key was revoked");
        Ok(())
    }

    /// Ends what a stop left of sessions of revoked keys.
    ///
    /// # Errors
    /// As every change.
    pub async fn finish_revocations(&self) -> Result<(), ServiceError> {
        for key in self.bearer.keys().public_keys() {
            if matches!(key.standing, Standing::Revoked { .. }) {
                let (of, reason) = (Subject::Key(key.number), EndReason::KeyRevoked);
                let (cause, now) = (Cause::server(), self.now());
                self.store.end_all(of, reason, cause, now).await?;
            }
        }
        Ok(())
    }

    /// The keys by which others can check tokens: those that signed any that
    /// may be good.
    pub fn published_keys(&self) -> Vec<PublicKey> {
        let now = self.now();
        let mut keys = self.bearer.keys().public_keys();
        keys.retain(|key| match key.standing {
            Standing::Signing => true,
            Standing::Retired { until } => now < until,
            Standing::Revoked { .. } => false,
        });
        keys
    }

    /// Keeps a ring, then uses it: what it signs must be known after any stop.
    async fn take_keys(&self, ring: KeyRing, told: AuditEntry) -> Result<(), ServiceError> {
        let label = &self.keys.label;
        let sealed = ring.seal(&self.installation_key, label);
        self.store.put_meta(label, Some(sealed), Some(told)).await?;
        self.bearer.replace(ring);
        Ok(())
    }
}

fn about_key(number: KeyNumber) -> AuditObject {
    AuditObject::named(AuditKind::SigningKey, number.0.to_string())
}
