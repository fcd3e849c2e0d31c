//! Who asks: from a bearer token to a caller with rights. Signed requests have
//! a file of their own, `signed`.

use std::sync::Arc;

use super::{App, ServiceError};
use crate::auth::memory::{KnownToken, TokenError};
use crate::model::{
    Cause, EndReason, KnownRight, Origin, Principal, Session, SessionId, Timestamp, Version,
};
use crate::store::{Access, Checked, Store, StoreError};

/// An authenticated caller, looked up for this request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The session that asks, after this access.
    pub session: Session,
    /// Its `_v` before this access, for preconditions.
    pub before: Version,
    /// The person and the device with the rights of this instant.
    pub principal: Arc<Principal>,
    /// From where the request came. The hot route, which changes nothing, does
    /// not say.
    pub origin: Origin,
}

/// Which routes a request may reach while its user must change the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `/api/auth*`: always.
    OwnLogin,
    /// Everything else: only when the password need not be changed.
    Everything,
}

impl Caller {
    /// The caller, asking from there.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The caller, if the route is one that it may reach.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] while the password must be changed.
    pub(super) fn within(self, reach: Reach) -> Result<Self, ServiceError> {
        if self.principal.must_change_password && reach == Reach::Everything {
            let sentence = "The password must be changed first: PUT /api/auth/password.";
            return Err(ServiceError::Forbidden(sentence.to_owned()));
        }
        Ok(self)
    }

    /// The caller as the cause of a change.
    pub fn cause(&self) -> Cause {
        let identity = &self.session.identity;
        let (user_name, device_name) = (&identity.user_name, &identity.device_name);
        Cause::caller(user_name.clone(), device_name.clone(), self.origin.clone())
    }

    /// Asks for a right.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] naming it.
    pub fn needs(&self, right: KnownRight) -> Result<(), ServiceError> {
        if self.may(right) {
            return Ok(());
        }
        let sentence = format!("This needs the right {}.", right.as_str());
        Err(ServiceError::Forbidden(sentence))
    }

    /// Whether a right is held.
    pub fn may(&self, right: KnownRight) -> bool {
        self.principal.rights.allows(right)
    }
}

impl<S: Store> App<S> {
    /// Finds out who asks, and counts the access.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] with the reason when the session is
    /// over; [`ServiceError::Forbidden`] while the password must be changed.
    pub async fn caller(&self, token: &str, reach: Reach) -> Result<Caller, ServiceError> {
        self.caller_of(token, reach, true).await
    }

    /// As [`App::caller`]; without `touch` the access is not counted.
    pub(super) async fn caller_of(
        &self,
        token: &str,
        reach: Reach,
        touch: bool,
    ) -> Result<Caller, ServiceError> {
        let now = self.now();
        let known = match self.bearer.authenticate(token, now) {
            Ok(known) => known,
            Err(TokenError::Expired { sid }) => {
                // The token's own end is that of the session as it was then.
                let reason = self
                    .store
                    .reason(sid, now)
                    .await
                    .unwrap_or(EndReason::Expired);
                return Err(ServiceError::Unauthenticated {
                    reason: Some(reason),
                });
            }
            Err(TokenError::Revoked { .. }) => {
                let reason = Some(EndReason::KeyRevoked);
                return Err(ServiceError::Unauthenticated { reason });
            }
            Err(_) => return Err(ServiceError::Unauthenticated { reason: None }),
        };
        let checked = self.store.check(access(&known, touch), now).await;
        self.checked(&known, checked, reach)
    }

    /// The caller's own session, if its id is asked for and the answer waits
    /// for nothing. `None`: nothing was counted, and [`App::caller`] has the
    /// answer.
    pub fn own_session_at_once(
        &self,
        token: &str,
        id: SessionId,
        now: Timestamp,
    ) -> Option<Result<Session, ServiceError>> {
        let known = self.bearer.authenticate(token, now).ok()?;
        if known.claims.sid != id {
            return None;
        }
        let checked = self.store.check_at_once(access(&known, true), now)?;
        let caller = self.checked(&known, checked, Reach::Everything);
        Some(caller.map(|caller| caller.session))
    }

    /// The caller of a session that was checked.
    fn checked(
        &self,
        known: &KnownToken,
        checked: Result<Checked, StoreError>,
        reach: Reach,
    ) -> Result<Caller, ServiceError> {
        let checked = match checked {
            Ok(checked) => checked,
            Err(StoreError::NotLive(reason)) => {
                return Err(ServiceError::Unauthenticated { reason });
            }
            Err(error) => return Err(error.into()),
        };
        if known.note != Some(checked.place) {
            self.bearer.note(known, checked.place);
        }
        let Some(principal) = checked.principal else {
            let reason = Some(EndReason::AccountDisabled);
            return Err(ServiceError::Unauthenticated { reason });
        };
        let caller = Caller {
            session: checked.session,
            before: checked.before,
            principal,
            origin: Origin::default(),
        };
        caller.within(reach)
    }
}

/// The access that a request with this token is.
pub(super) fn access(known: &KnownToken, touch: bool) -> Access {
    Access {
        id: known.claims.sid,
        jti_head: Some(known.claims.jti_head),
        touch,
        place: known.note,
    }
}
