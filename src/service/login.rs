//! Logging in and out, refreshing, changing the own password.

use std::net::IpAddr;
use std::sync::Arc;

use super::directory::about_user;
use super::rehash::{Rehash, Steady};
use super::{App, Caller, PASSWORD_BYTES_MAX, ServiceError};
use crate::auth::refresh;
use crate::auth::secret::Secret;
use crate::auth::token::{NewToken, TokenError};
use crate::model::{
    Attempt, AuditAction, AuditEntry, AuthenticationType, Cause, DeviceName, DirectoryChange,
    EndReason, Field, KnownRight, Origin, Outcome, Precondition, Principal, Refusal, Session,
    SessionId, Timestamp, UserName,
};
use crate::store::{End, NewSession, NotedToken, Refresh, Scope, Store, StoreError, TokenState};

/// A login succeeded.
#[derive(Debug)]
pub struct LoggedIn {
    /// The pair of tokens.
    pub pair: RefreshedPair,
    /// Who, where, with which rights.
    pub principal: Arc<Principal>,
}

/// A pair of tokens and the session they belong to.
#[derive(Debug)]
pub struct RefreshedPair {
    /// The bearer token (JWT).
    pub token_id: String,
    /// The refresh token, base64.
    pub refresh_token: String,
    /// The session.
    pub session: Session,
    /// The server's trusted time, for tills whose clock is wrong.
    pub server_time: Timestamp,
}

/// A password was right.
pub(super) struct Right {
    pub(super) user_name: UserName,
    /// Where, as typed; whether there is such a device is not looked at yet.
    pub(super) device_name: DeviceName,
    /// The hash it was verified against.
    stored: Arc<str>,
    /// The password, when that hash is cheaper than today's.
    outdated: Option<Secret>,
    /// While this is held, no hash is made again, where this one could be.
    steady: Option<Steady>,
}

impl<S: Store> App<S> {
    /// Logs a person in on a device. Unknown users, wrong passwords, and users
    /// or devices that are not active or not assigned get the same answer
    /// after the same work.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] without a reason for all of those;
    /// [`ServiceError::Locked`] before anything is hashed, whatever the password
    /// is; [`ServiceError::Busy`] when too many wait to be hashed.
    pub async fn log_in(
        &self,
        origin: &Origin,
        user: &str,
        password: Secret,
        device: &str,
    ) -> Result<LoggedIn, ServiceError> {
        let attempt = Attempt::new(user, device, origin.share()).from(origin.clone());
        self.logins
            .counted(self.log_in_with(attempt, (user, password, device)).await)
    }

    async fn log_in_with(
        &self,
        attempt: Attempt,
        typed: (&str, Secret, &str),
    ) -> Result<LoggedIn, ServiceError> {
        self.must_not_wait(&attempt).await?;
        let right = self.right_or_counted(&attempt, typed).await?;
        self.open_right(right, attempt, false).await
    }

    /// The password is right, or one more failure is counted.
    pub(super) async fn right_or_counted(
        &self,
        attempt: &Attempt,
        typed: (&str, Secret, &str),
    ) -> Result<Right, ServiceError> {
        let share = attempt.origin.share();
        if let Some(right) = self.verify_password(share, typed).await? {
            return Ok(right);
        }
        self.count(attempt.clone(), Outcome::Wrong).await?;
        Err(ServiceError::Unauthenticated { reason: None })
    }

    /// Opens the session of somebody whose password was right.
    pub(super) async fn open_right(
        &self,
        right: Right,
        attempt: Attempt,
        no_sale_device: bool,
    ) -> Result<LoggedIn, ServiceError> {
        let origin = attempt.origin.clone();
        let Right {
            user_name,
            device_name,
            stored,
            outdated,
            steady,
        } = right;
        let mut new = self.new_session(user_name, device_name, Some(Arc::clone(&stored)));
        new.attempt = Some(attempt);
        new.no_sale_device = no_sale_device;
        let (user, device) = (new.user_name.clone(), new.device_name.clone());
        let share = origin.share();
        let cause = Cause::caller(user, device, origin);
        let logged_in = self.open(new, cause).await?;
        drop(steady);
        if let Some(password) = outdated {
            self.rehashing.push(Rehash {
                user: logged_in.principal.user.id,
                seen: stored,
                password,
                share,
            });
        }
        Ok(logged_in)
    }

    /// Opens a session for somebody whom a trusted service has verified itself:
    /// all rules of a login but password and lockout.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] unless the request is signed with an API key
    /// that has `sessionCreate`, and for a person who has `admin` or a right
    /// that the key lacks; [`ServiceError::Unauthenticated`] as for a login.
    pub async fn open_for(
        &self,
        caller: &Caller,
        user: &str,
        device: &str,
    ) -> Result<LoggedIn, ServiceError> {
        let forbidden = |sentence: &str| Err(ServiceError::Forbidden(sentence.to_owned()));
        if caller.origin.api_key.is_none() || !caller.may(KnownRight::SessionCreate) {
            return forbidden("This needs an API key with the right sessionCreate.");
        }
        let names = UserName::parse(user)
            .ok()
            .zip(DeviceName::parse(device).ok());
        let directory = self.store.directory().await;
        let person = names.and_then(|(user, device)| directory.principal(&user, &device));
        let person = person.ok_or(ServiceError::Unauthenticated { reason: None })?;
        let own = &caller.principal.rights;
        if person.rights.is_admin() || !own.cover(&person.rights) {
            return forbidden("The person has rights that the key lacks, or admin.");
        }
        let (user, device) = (&person.user.user_name, &person.device.name);
        let new = self.new_session(user.clone(), device.clone(), None);
        self.open(new, caller.cause()).await
    }

    async fn open(&self, new: NewSession, cause: Cause) -> Result<LoggedIn, ServiceError> {
        const REFUSED: ServiceError = ServiceError::Unauthenticated { reason: None };
        let (refresh_sha256, salt, jti) = (new.refresh_sha256, new.salt, new.jti);
        let begun = match self.store.begin(new, cause, self.now()).await {
            Ok(begun) => begun,
            Err(StoreError::Denied) => return Err(REFUSED),
            Err(error) => return Err(error.into()),
        };
        self.sweeper.ring();
        // What was just begun, not what is stored by now: another login on the
        // same till may already have taken its place, and this one succeeded.
        let issued_at = begun.session.started_at;
        let tokens = TokenState {
            generation: 0,
            refresh_sha256,
            salt,
            jti,
            issued_at,
            used: false,
        };
        let pair = self.pair(begun.session, &tokens).await?;
        Ok(LoggedIn {
            pair,
            principal: begun.principal,
        })
    }

    /// Whether this is the password of this user, and whether it is enough on
    /// this device. Nobody's password costs the same time.
    async fn verify_password(
        &self,
        share: IpAddr,
        (user, password, device): (&str, Secret, &str),
    ) -> Result<Option<Right>, ServiceError> {
        let directory = self.store.directory().await;
        let names = UserName::parse(user)
            .ok()
            .zip(DeviceName::parse(device).ok());
        let known = names
            .as_ref()
            .and_then(|(user, _)| directory.user_named(user));
        let mut stored = known.and_then(|user| user.password.clone());
        let against = stored.clone();
        let against = against.unwrap_or_else(|| Arc::clone(&self.policy.dummy_hash));
        // A PIN opens nothing where PINs are not enough.
        let there = names
            .as_ref()
            .and_then(|(_, device)| directory.device(device));
        let policy = &self.policy.passwords;
        let opens = there.is_none_or(|device| policy.opens(&password, device.env));
        let fits = opens && password.len() <= PASSWORD_BYTES_MAX;
        let password = if password.len() <= PASSWORD_BYTES_MAX {
            password
        } else {
            Secret::new(String::new())
        };
        let mut outdated = stored
            .as_ref()
            .filter(|stored| self.hashing.is_outdated(stored))
            .map(|_| Secret::new(password.expose().to_owned()));
        let mut right = self.hashing.verify(share, password, against).await?;
        // Another login may have had the hash made again meanwhile. From this
        // look to the beginning of the session nobody has.
        let mut steady = None;
        if outdated.is_some() {
            steady = Some(self.rehashing.steady().await);
        }
        let directory = self.store.directory().await;
        let now = names
            .as_ref()
            .and_then(|(user, _)| directory.user_named(user)?.password.clone());
        if right
            && now != stored
            && let Some(again) = &now
            && let Some(password) = outdated.take()
        {
            // It is of today's cost and stays; nothing is to wait for its check.
            steady = None;
            right = self
                .hashing
                .verify(share, password, Arc::clone(again))
                .await?;
            stored = now;
        }
        Ok(names
            .zip(stored)
            .filter(|_| right && fits)
            .map(|((user_name, device_name), stored)| Right {
                user_name,
                device_name,
                stored,
                outdated,
                steady,
            }))
    }

    /// Refuses an attempt whose time has not come, and tells the audit.
    pub(super) async fn must_not_wait(&self, attempt: &Attempt) -> Result<(), ServiceError> {
        let now = self.now();
        let Some(wait) = self.store.wait(attempt, now).await else {
            return Ok(());
        };
        let directory = self.store.directory().await;
        let entry = AuditEntry::refused(AuditAction::LoginLocked, attempt, &directory, now);
        // Refused all the same when the audit can not be told: nothing happens.
        let _ = self.store.note(entry).await;
        Err(ServiceError::Locked(wait))
    }

    /// Counts an attempt; the answer may go out when this returns.
    pub(super) async fn count(
        &self,
        attempt: Attempt,
        outcome: Outcome,
    ) -> Result<(), ServiceError> {
        let user = attempt.user_name.clone();
        let wait = self.store.count(attempt, outcome, self.now()).await?;
        let directory = self.store.directory().await;
        // A name that is no user's may be a password in the wrong field.
        let user = user.filter(|user| directory.user_named(user).is_some());
        if let Some((wait, user)) = wait.zip(user) {
            let seconds = wait.as_secs();
            tracing::warn!(target: "lockout", seconds, user.name = %user, "too many failed logins");
        }
        Ok(())
    }

    fn new_session(
        &self,
        user_name: UserName,
        device_name: DeviceName,
        password_seen: Option<Arc<str>>,
    ) -> NewSession {
        let id = SessionId::draw();
        let salt = rand::random();
        let first = refresh::token(&self.installation_key, id, 0, &salt);
        NewSession {
            id,
            user_name,
            device_name,
            no_sale_device: false,
            authentication_type: AuthenticationType::Bearer,
            password_seen,
            attempt: None,
            refresh_sha256: refresh::sha256(&first),
            salt,
            jti: self.bearer.keys().draw_jti(),
        }
    }

    /// The pair of tokens of a state: the same state always makes the same pair.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`]: the key was revoked at this instant,
    /// after the revocation had ended the sessions that were there.
    async fn pair(
        &self,
        session: Session,
        tokens: &TokenState,
    ) -> Result<RefreshedPair, ServiceError> {
        let signed = self.bearer.sign(&NewToken {
            session: &session,
            issued_at: tokens.issued_at,
            jti: tokens.jti,
        });
        let Some((token_id, name)) = signed else {
            let reason = EndReason::KeyRevoked;
            let ended = self.end_whatever(session.id, reason, Cause::server()).await;
            return match ended {
                Ok(_) | Err(StoreError::NotLive(_)) => Err(ServiceError::Unauthenticated {
                    reason: Some(reason),
                }),
                Err(error) => Err(error.into()),
            };
        };
        // Its first use costs no check of a signature that was made here.
        let says = NotedToken {
            jti_head: tokens.jti_head(),
            issued_at: tokens.issued_at,
            expires_at: session.expires_at,
        };
        self.store.note_token(session.id, &says, name);
        let key = &self.installation_key;
        let refresh_token = refresh::token(key, session.id, tokens.generation, &tokens.salt);
        Ok(RefreshedPair {
            token_id,
            refresh_token,
            session,
            server_time: self.now(),
        })
    }

    /// Ends a session whosever it is and whatever its version.
    pub(super) async fn end_whatever(
        &self,
        id: SessionId,
        reason: EndReason,
        cause: Cause,
    ) -> Result<Session, StoreError> {
        let end = End {
            id,
            scope: Scope::Any,
            if_match: Precondition::default(),
            own_access: false,
            reason,
            cause,
        };
        self.store.end(end, self.now()).await
    }

    /// Exchanges a refresh token for the next pair.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`]; with the reason when the session is
    /// over, `refreshReuse` when this call has ended it.
    pub async fn refresh(
        &self,
        origin: Origin,
        token_id: &str,
        presented: &str,
    ) -> Result<RefreshedPair, ServiceError> {
        const REFUSED: ServiceError = ServiceError::Unauthenticated { reason: None };
        let now = self.now();
        let read = self.read_token(token_id);
        let claims = read
            .and_then(|claims| claims.check_begun(now).map(|()| claims))
            .map_err(|error| match error {
                TokenError::Revoked { .. } => ServiceError::Unauthenticated {
                    reason: Some(EndReason::KeyRevoked),
                },
                _ => REFUSED,
            })?;
        let Some(tokens) = self.store.tokens(claims.sid, now).await else {
            let reason = self.store.reason(claims.sid, now).await;
            return Err(ServiceError::Unauthenticated { reason });
        };
        let key = &self.installation_key;
        let generation =
            refresh::generation_of(key, claims.sid, &tokens.salt, presented, tokens.generation)
                .await
                .ok_or(REFUSED)?;
        let next = refresh::token(key, claims.sid, generation + 1, &tokens.salt);
        let exchange = Refresh {
            id: claims.sid,
            presented: generation,
            next_sha256: refresh::sha256(&next),
            next_jti: self.bearer.keys().draw_jti(),
        };
        match self.store.refresh(exchange, origin, now).await {
            Ok(refreshed) => self.pair(refreshed.session, &refreshed.tokens).await,
            Err(StoreError::NotLive(reason)) => Err(ServiceError::Unauthenticated { reason }),
            Err(StoreError::Reused) => {
                let reason = Some(EndReason::RefreshReuse);
                Err(ServiceError::Unauthenticated { reason })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the caller's own session.
    pub async fn log_out(&self, caller: &Caller) -> Result<(), ServiceError> {
        self.end_session(caller, caller.session.id, Precondition::default())
            .await?;
        Ok(())
    }

    /// Changes the caller's own password and ends the user's other sessions.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] naming `oldPassword` or `newPassword`;
    /// [`ServiceError::Locked`]: a wrong old password counts as a failed login.
    pub async fn change_own_password(
        &self,
        caller: &Caller,
        old: Secret,
        new: Secret,
    ) -> Result<(), ServiceError> {
        let wrong = || {
            ServiceError::Invalid(vec![Field {
                member: "oldPassword".to_owned(),
                message: "is not the password".to_owned(),
                code: None,
            }])
        };
        let directory = self.store.directory().await;
        let about = about_user(&directory, &caller.principal.user);
        self.look_at_new_password("newPassword", &new, &about)?;
        let (user, share) = (&caller.principal.user, caller.origin.share());
        let seen = user.password.clone().ok_or_else(wrong)?;
        let identity = &caller.session.identity;
        let (user_name, device_name) = (&identity.user_name, &identity.device_name);
        let attempt = Attempt::new(user_name.as_str(), device_name.as_str(), share);
        let attempt = attempt.from(caller.origin.clone());
        self.must_not_wait(&attempt).await?;
        let right = old.len() <= PASSWORD_BYTES_MAX
            && self.hashing.verify(share, old, Arc::clone(&seen)).await?;
        if !right {
            self.count(attempt, Outcome::Wrong).await?;
            return Err(wrong());
        }
        self.count(attempt, Outcome::Right).await?;
        self.must_not_be_former("newPassword", share, &new, user)
            .await?;
        let change = DirectoryChange::SetPassword {
            user: user.id,
            seen: Some(seen),
            password: self.hashing.hash(share, new).await?,
            keep: Some(caller.session.id),
        };
        let none = Precondition::default();
        match self
            .store
            .change(change, none, caller.cause(), self.now())
            .await
        {
            Ok(_) => Ok(()),
            // Somebody else changed it while it was being hashed.
            Err(StoreError::Refused(Refusal::NotFound)) => Err(wrong()),
            Err(error) => Err(error.into()),
        }
    }
}
