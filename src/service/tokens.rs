//! What other services ask about tokens: whose is it, may they, end it.

use std::sync::Arc;

use super::caller::access;
use super::{App, Caller, Reach, ServiceError};
use crate::auth::refresh;
use crate::auth::token::Claims;
use crate::model::{Cause, EndReason, KnownRight, Origin, Principal, Right, Rights, Session};
use crate::store::{Scope, Store, StoreError};

/// What a good token stands for at this instant (RFC 7662).
#[derive(Debug)]
pub struct Introspected {
    /// Its session, after this access.
    pub session: Session,
    /// The person and the device with the rights of this instant.
    pub principal: Arc<Principal>,
    /// What the token itself says.
    pub claims: Claims,
    /// Who issued it.
    pub issuer: String,
}

impl Introspected {
    /// The rights that hold at this instant. None while the password must be
    /// changed: until then the person may do nothing else.
    pub fn rights(&self) -> &Rights {
        const NONE: &Rights = &Rights::NONE;
        if self.principal.must_change_password {
            NONE
        } else {
            &self.principal.rights
        }
    }
}

impl<S: Store> App<S> {
    /// Whether the caller may ask about others' tokens.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without `sessionReadAny`.
    pub fn let_introspect(&self, caller: &Caller) -> Result<(), ServiceError> {
        if caller.may(KnownRight::SessionReadAny) {
            return Ok(());
        }
        let right = KnownRight::SessionReadAny.as_str();
        let sentence = format!("The right '{right}' is needed here.");
        Err(ServiceError::Forbidden(sentence))
    }

    /// What a `tokenId` stands for; `None` for everything that is not live, and
    /// for every other text. With `touch` it counts as an access of the token's
    /// session, unless that is the caller's own, which this request counted on
    /// already.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without `sessionReadAny`.
    pub async fn introspect(
        &self,
        caller: &Caller,
        token: &str,
        touch: bool,
    ) -> Result<Option<Introspected>, ServiceError> {
        self.let_introspect(caller)?;
        let now = self.now();
        let good = |claims: &Claims| claims.check(now).is_ok();
        let Some(claims) = self.read_token(token).ok().filter(good) else {
            return Ok(None);
        };
        let touch = touch && claims.sid != caller.session.id;
        let checked = match self.store.check(access(&claims, touch), now).await {
            Ok(checked) => checked,
            Err(StoreError::NotLive(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(checked.principal.map(|principal| Introspected {
            session: checked.session,
            principal,
            claims,
            issuer: self.bearer.keys().issuer().to_owned(),
        }))
    }

    /// Ends the session of a `tokenId` that is good, or of a current refresh
    /// token (`loggedOut`): who has it may. Any other text ends nothing.
    ///
    /// # Errors
    /// As every change; never for the text.
    pub async fn revoke_token(&self, origin: Origin, token: &str) -> Result<(), ServiceError> {
        let now = self.now();
        let sid = match self.read_token(token) {
            Ok(claims) => claims.check(now).is_ok().then_some(claims.sid),
            Err(_) if refresh::is_token(token) => {
                let hash = refresh::sha256(token);
                self.store.session_of_refresh(hash, now).await
            }
            Err(_) => None,
        };
        let Some(sid) = sid else { return Ok(()) };
        let Some(session) = self.store.find(sid, &Scope::Any, now).await else {
            return Ok(());
        };
        let (user, device) = (session.identity.user_name, session.identity.device_name);
        let cause = Cause::caller(user, device, origin);
        match self.end_whatever(sid, EndReason::LoggedOut, cause).await {
            Ok(_) | Err(StoreError::NotLive(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a reverse proxy may let a request with this token through: its
    /// session lives and holds every right named, by name or through `admin`.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`]; [`ServiceError::Forbidden`] without
    /// the rights, and while the password must be changed.
    pub async fn verify(
        &self,
        token: &str,
        rights: &[String],
        touch: bool,
    ) -> Result<Caller, ServiceError> {
        let caller = self.caller_of(token, Reach::Everything, touch).await?;
        let held = &caller.principal.rights;
        let wanted: Result<Rights, _> = rights.iter().map(|name| Right::parse(name)).collect();
        if held.is_admin() || wanted.is_ok_and(|wanted| held.cover(&wanted)) {
            return Ok(caller);
        }
        let sentence = "A right that is needed here is missing.".to_owned();
        Err(ServiceError::Forbidden(sentence))
    }
}
