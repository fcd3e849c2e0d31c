//! Who asks, when a request is signed with an API key: from the key to a
//! caller with rights, in the session that the key holds.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hashbrown::HashMap;
use parking_lot::RwLock;

use super::{App, Caller, Reach, ServiceError};
use crate::auth::api_key;
use crate::auth::nws4::{Head, Key, Refusal, Rules, SigningSecret, Verifier};
use crate::model::{ApiKey, ApiKeyId, Cause, ClientId, Origin, Session, SessionId, Timestamp};
use crate::store::{Checked, Signer, Store, StoreError};

/// What a future comes to if it waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Secrets kept open at once. A shop has a few keys; beyond that each request
/// opens its own.
const SECRETS_MAX: usize = 4_096;

/// How often a request may find the session that it opened ended again, before
/// it is told to come back.
const OPENINGS_MAX: usize = 3;

/// The door for signed requests.
#[derive(Debug)]
pub struct SignedDoor {
    verifier: Verifier,
    secrets: Secrets,
}

impl SignedDoor {
    /// With nothing used yet. `started`: trusted time at the start of this run.
    pub fn new(rules: Rules, started: Timestamp) -> Self {
        Self {
            verifier: Verifier::new(rules, started),
            secrets: Secrets::default(),
        }
    }
}

/// A request that was signed, with all of its body.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Everything before the body.
    pub head: Head<'a>,
    /// The `Authorization` header.
    pub authorization: &'a [u8],
    /// The body as received.
    pub body: &'a [u8],
}

impl<S: Store> App<S> {
    /// Finds out who has signed a request, and counts the access. The first
    /// request of a key opens its session. May be asked once a request: a
    /// signature that could be repeated is used up.
    ///
    /// # Errors
    /// [`ServiceError::Signature`]; [`ServiceError::Forbidden`] while the user's
    /// password must be changed.
    pub async fn signed_caller(
        &self,
        request: &SignedRequest<'_>,
        origin: Origin,
        reach: Reach,
    ) -> Result<Caller, ServiceError> {
        let now = self.now();
        let refused = |refusal: Refusal| {
            tracing::debug!(target: "auth", reason = refusal.word(), "a signed request is refused");
            ServiceError::Signature {
                refusal,
                server_time: now,
            }
        };
        let key = self.signing_key(request, now).await.map_err(refused)?;
        let signer = Signer { key };
        let checked = match self.signed_access(&signer, &origin, now).await {
            Err(StoreError::Denied) => return Err(refused(Refusal::InactiveKey)),
            checked => checked?,
        };
        let principal = checked
            .principal
            .ok_or_else(|| refused(Refusal::InactiveKey))?;
        let caller = Caller {
            session: checked.session,
            before: checked.before,
            principal,
            origin: Origin {
                api_key: Some(signer.key.id),
                ..origin
            },
        };
        caller.within(reach)
    }

    /// The session of this id, if a signed request that can change nothing asks
    /// for it and the answer waits for nothing. `None`: nothing was counted, and
    /// [`App::signed_caller`] has the answer, of refusals too.
    pub fn signed_session_at_once(
        &self,
        request: &SignedRequest<'_>,
        id: SessionId,
    ) -> Option<Result<Session, ServiceError>> {
        let now = self.now();
        let key = at_once(self.signing_key(request, now))?.ok()?;
        let checked = at_once(self.store.check_signed(&Signer { key }, now))?.ok()?;
        let caller = Caller {
            session: checked.session,
            before: checked.before,
            principal: checked.principal?,
            origin: Origin::default(),
        };
        match caller.within(Reach::Everything) {
            Ok(caller) => at_once(self.find_session(&caller, id)),
            Err(error) => Some(Err(error)),
        }
    }

    /// The key that the request was signed with, as it is stored.
    async fn signing_key(
        &self,
        request: &SignedRequest<'_>,
        now: Timestamp,
    ) -> Result<Arc<ApiKey>, Refusal> {
        let SignedRequest {
            head,
            authorization,
            body,
        } = request;
        let SignedDoor { verifier, .. } = &self.signed;
        let claim = verifier.read(head, authorization)?;
        let claim = claim.ok_or(Refusal::Malformed)?;
        let directory = self.store.directory().await;
        let named = ClientId::parse(claim.key_id()).ok();
        let key = named.and_then(|client_id| directory.api_key_named(&client_id));
        let secret = key.map(|key| self.secret_of(key).filter(|_| key.is_active));
        let as_key = match &secret {
            None => Key::Unknown,
            Some(None) => Key::Inactive,
            Some(Some(secret)) => Key::Active(secret),
        };
        verifier.verify(&claim, head, as_key, body, now)?;
        key.cloned().ok_or(Refusal::UnknownKey)
    }

    /// An access of the session that the key holds, opened if there is none.
    async fn signed_access(
        &self,
        signer: &Signer,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Checked, StoreError> {
        for _ in 0..OPENINGS_MAX {
            match self.store.check_signed(signer, now).await {
                Err(StoreError::NotLive(_)) => {}
                checked => return checked,
            }
            let key = &signer.key;
            let (user, device) = (key.user_name.clone(), key.device_name.clone());
            let cause = Cause::caller(user, device, origin.clone());
            let id = SessionId::draw();
            // Boxed: rare, and larger than all the rest.
            Box::pin(self.store.begin_signed(signer.clone(), id, cause, now)).await?;
            self.sweeper.ring();
        }
        Err(StoreError::Busy)
    }

    fn secret_of(&self, key: &ApiKey) -> Option<Arc<SigningSecret>> {
        if let Some(secret) = self.signed.secrets.of(key) {
            return Some(secret);
        }
        match api_key::unseal(&self.installation_key, key.id, &key.sealed_secret) {
            Ok(secret) => Some(self.signed.secrets.keep(key, SigningSecret::new(secret))),
            Err(error) => {
                let key_id = key.id;
                tracing::error!(
                    target: "auth", %key_id, %error, "the secret of an API key does not open"
                );
                None
            }
        }
    }
}

/// A secret, and the sealed bytes that it was opened from: a key that was given
/// another secret is not found by the old one.
type Opened = (Arc<[u8]>, Arc<SigningSecret>);

/// Secrets that were opened before. Bounded; wiped when dropped.
#[derive(Debug, Default)]
struct Secrets(RwLock<HashMap<ApiKeyId, Opened, foldhash::fast::RandomState>>);

impl Secrets {
    fn of(&self, key: &ApiKey) -> Option<Arc<SigningSecret>> {
        let secrets = self.0.read();
        let (sealed, secret) = secrets.get(&key.id)?;
        (*sealed == key.sealed_secret).then(|| Arc::clone(secret))
    }

    fn keep(&self, key: &ApiKey, secret: SigningSecret) -> Arc<SigningSecret> {
        let secret = Arc::new(secret);
        let mut secrets = self.0.write();
        if secrets.len() >= SECRETS_MAX && !secrets.contains_key(&key.id) {
            secrets.clear();
        }
        let opened = (Arc::clone(&key.sealed_secret), Arc::clone(&secret));
        secrets.insert(key.id, opened);
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::Secret;
    use crate::model::{DeviceName, UserName, Version};

    fn secret() -> SigningSecret {
        SigningSecret::new(Secret::new(String::new()))
    }

    fn key(sealed_secret: &[u8]) -> ApiKey {
        ApiKey {
            id: ApiKeyId::draw(),
            client_id: ClientId::draw(),
            sealed_secret: sealed_secret.into(),
            is_active: true,
            created_at: Timestamp::from_millis(0),
            name: "x".to_owned(),
            description: None,
            user_name: UserName::parse("1").expect("a name"),
            device_name: DeviceName::parse("P01").expect("a name"),
            permissions: Vec::new(),
            version: Version::FIRST,
        }
    }

    #[test]
    fn an_opened_secret_is_not_that_of_a_key_with_another_one() {
        let secrets = Secrets::default();
        let old = key(&[1]);
        let kept = secrets.keep(&old, secret());
        let rotated = ApiKey {
            sealed_secret: [2].as_slice().into(),
            ..old.clone()
        };
        assert!(
            secrets
                .of(&old)
                .is_some_and(|known| Arc::ptr_eq(&known, &kept))
        );
        assert!(secrets.of(&rotated).is_none());
    }

    #[test]
    fn the_memory_of_opened_secrets_is_bounded() {
        let secrets = Secrets::default();
        for _ in 0..SECRETS_MAX + 10 {
            secrets.keep(&key(&[1]), secret());
        }
        assert!(secrets.0.read().len() <= SECRETS_MAX);
    }
}
