//! Who asks: from a bearer token to a caller with rights. Signed requests have
//! a file of their own, `signed`.

use std::sync::Arc;

use super::{App, ServiceError};
use crate::auth::token::{self, Claims, TokenError};
use crate::model::{
    Cause, EndReason, KnownRight, Origin, Principal, Session, SessionId, Timestamp, Version,
};
use crate::store::{Access, Checked, NotedToken, Store, StoreError};

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
        let read = self.read_token(token);
        let claims = match read.and_then(|claims| claims.check(now).map(|()| claims)) {
            Ok(claims) => claims,
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
        let checked = self.store.check(access(&claims, touch), now).await;
        caller_of_checked(checked, reach)
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
        let name = self.bearer.name(token)?;
        let checked = self.store.check_at_once(id, &name, now)?;
        let caller = caller_of_checked(checked, Reach::Everything);
        Some(caller.map(|caller| caller.session))
    }

    /// What a token of ours says, whatever the time. A signature is checked
    /// only of tokens that are not known.
    ///
    /// # Errors
    /// [`TokenError::Invalid`], [`TokenError::Revoked`].
    pub(super) fn read_token(&self, token: &str) -> Result<Claims, TokenError> {
        let name = self.bearer.name(token).ok_or(TokenError::Invalid)?;
        let noted = token::session_named_in(token).and_then(|sid| {
            let noted = self.store.noted_token(sid, &name)?;
            let (issued_at, expires_at) = (noted.issued_at, noted.expires_at);
            Some(Claims::of(sid, noted.jti_head, issued_at, expires_at))
        });
        if let Some(claims) = noted {
            return Ok(claims);
        }
        let claims = self.bearer.read(&name, token)?;
        let says = NotedToken {
            jti_head: claims.jti_head,
            issued_at: claims.not_before,
            expires_at: claims.expires_at,
        };
        if !self.store.note_token(claims.sid, &says, name) {
            self.bearer.remember(name, claims);
        }
        Ok(claims)
    }
}

/// The caller of a session that was checked.
fn caller_of_checked(
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

/// The access that a request with this token is.
pub(super) const fn access(claims: &Claims, touch: bool) -> Access {
    Access {
        id: claims.sid,
        jti_head: Some(claims.jti_head),
        touch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::Secret;
    use crate::service::testing::{PASSWORD, shop_app};
    use crate::store::memory::MemoryStore;

    async fn log_in(app: &App<MemoryStore>) -> (SessionId, String) {
        let password = Secret::new(PASSWORD.to_owned());
        let logged_in = app
            .log_in(&Origin::default(), "1", password, "P01")
            .await
            .expect("a good login");
        (logged_in.pair.session.id, logged_in.pair.token_id)
    }

    /// What the session says to its token, if that is known.
    fn at_once(app: &App<MemoryStore>, id: SessionId, token: &str) -> Option<bool> {
        app.own_session_at_once(token, id, app.now())
            .map(|session| session.is_ok())
    }

    async fn reason(app: &App<MemoryStore>, token: &str) -> Option<EndReason> {
        match app.caller(token, Reach::Everything).await {
            Err(ServiceError::Unauthenticated { reason }) => reason,
            answer => panic!("{answer:?}"),
        }
    }

    #[tokio::test]
    async fn a_token_that_was_made_here_is_known_before_its_first_use() {
        let app = shop_app().await;
        let (id, token) = log_in(&app).await;

        assert_eq!(at_once(&app, id, &token), Some(true));
        assert_eq!(
            app.read_token(&token),
            app.bearer.keys().read(&token),
            "what is known of it is what stands in it"
        );
    }

    #[tokio::test]
    async fn another_text_with_a_known_signature_is_no_token() {
        let app = shop_app().await;
        let (id, token) = log_in(&app).await;
        let (_, other) = log_in(&app).await;
        let (signed, _) = other.rsplit_once('.').expect("a token");
        let (_, signature) = token.rsplit_once('.').expect("a token");
        let mixed = format!("{signed}.{signature}");

        for text in [
            mixed.as_str(),
            signature,
            &token[1..],
            "",
            &"A".repeat(5000),
        ] {
            assert_eq!(at_once(&app, id, text), None);
            assert_eq!(app.read_token(text), Err(TokenError::Invalid));
            assert_eq!(reason(&app, text).await, None);
        }
    }

    #[tokio::test]
    async fn behind_a_change_of_the_keys_every_signature_is_checked_anew() {
        let app = shop_app().await;
        let (id, token) = log_in(&app).await;
        let longest = std::time::Duration::from_hours(12);

        let rotated = app.bearer.keys().rotated(app.now(), longest);
        app.bearer.replace(rotated.expect("there is room"));
        assert_eq!(at_once(&app, id, &token), None);
        let caller = app.caller(&token, Reach::Everything).await;
        assert_eq!(caller.expect("an earlier key is good").session.id, id);
        assert_eq!(at_once(&app, id, &token), Some(true));

        let kid = app.bearer.keys().public_keys()[0].kid.clone();
        let revoked = app.bearer.keys().revoked(&kid, app.now(), longest);
        app.bearer.replace(revoked.expect("it is there").0);
        assert_eq!(at_once(&app, id, &token), None);
        assert_eq!(reason(&app, &token).await, Some(EndReason::KeyRevoked));
        assert_eq!(app.read_token(&token), Err(TokenError::Revoked { sid: id }));
    }

    #[tokio::test]
    async fn a_token_of_before_a_refresh_is_good_and_an_ended_one_is_told_why() {
        let app = shop_app().await;
        let origin = Origin::default();
        let password = Secret::new(PASSWORD.to_owned());
        let first = app.log_in(&origin, "1", password, "P01").await;
        let first = first.expect("a good login").pair;
        let id = first.session.id;
        let next = app
            .refresh(origin, &first.token_id, &first.refresh_token)
            .await;
        let next = next.expect("it is current");

        assert_eq!(at_once(&app, id, &next.token_id), Some(true));
        for _ in 0..2 {
            assert_eq!(at_once(&app, id, &first.token_id), None);
            let caller = app.caller(&first.token_id, Reach::Everything).await;
            assert_eq!(caller.expect("it has not ended").session.id, id);
        }

        app.end_whatever(id, EndReason::Revoked, Cause::server())
            .await
            .expect("it lives");
        for token in [&first.token_id, &next.token_id] {
            assert_eq!(at_once(&app, id, token), None);
            assert_eq!(reason(&app, token).await, Some(EndReason::Revoked));
        }
    }
}
