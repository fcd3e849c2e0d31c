//! Bearer tokens: JWTs (RFC 7519, `at+jwt` of RFC 9068) signed with Ed25519.
//!
//! The compact form is made and read here and not by a JWT library, because
//! each key of the ring has exactly one good header: the one it writes. A
//! token's header is compared with those as text and never parsed, so there is
//! no algorithm to choose, no foreign key to look for and no `jku`, `jwk`, `x5u`
//! or `crit` to honour. Times are compared with the trusted `now` that is passed
//! in. `key` holds one key, `ring` what becomes of keys through time.

use std::borrow::Cow;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use self::ring::Held;
pub use self::ring::{KEYS_MAX, PublicKey, RingError, Standing};
use crate::model::{KeyNumber, Session, SessionId, Timestamp};

pub(super) use key::SIGNATURE_CHARS;

mod key;
mod ring;

/// Who the tokens are for.
const AUDIENCE: &str = "tillgate";
/// Longest token, in bytes, that is looked at: names of 64 characters, each
/// spelled as long as can be, fit.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// A token to be made. The same input always gives the same token.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Whose.
    pub session: &'a Session,
    /// When the token begins to be good: login or refresh.
    pub issued_at: Timestamp,
    /// Names the token, and the key to sign it with ([`KeyRing::draw_jti`]).
    pub jti: [u8; 16],
}

/// What a good token says, beside who signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The session.
    pub sid: SessionId,
    /// The first eight bytes of `jti`, as a number.
    pub jti_head: u64,
    /// Before this instant the token is not good.
    pub not_before: Timestamp,
    /// From this instant on the token is not good.
    pub expires_at: Timestamp,
}

impl Claims {
    /// What [`KeyRing::sign`] writes into a token of this session, issued at
    /// that instant.
    #[must_use]
    pub fn of(sid: SessionId, jti_head: u64, issued_at: Timestamp, expires_at: Timestamp) -> Self {
        let second = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
        Self {
            sid,
            jti_head,
            not_before: second(issued_at.seconds_floor()),
            expires_at: second(expires_at.seconds_ceil()),
        }
    }

    /// Holds the times against `now`, without leeway.
    ///
    /// # Errors
    /// [`TokenError::NotYetValid`], [`TokenError::Expired`].
    pub fn check(&self, now: Timestamp) -> Result<(), TokenError> {
        self.check_begun(now)?;
        if now >= self.expires_at {
            return Err(TokenError::Expired { sid: self.sid });
        }
        Ok(())
    }

    /// As [`Claims::check`], but for its end.
    ///
    /// # Errors
    /// [`TokenError::NotYetValid`].
    pub fn check_begun(&self, now: Timestamp) -> Result<(), TokenError> {
        if now < self.not_before {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

/// Why a text is not a good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was signed here, and its time is over.
    #[error("the token has expired")]
    Expired {
        /// The session it was issued for.
        sid: SessionId,
    },
    /// It was signed here, and its time has not begun.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// The key that signed it was revoked.
    #[error("the key of the token was revoked")]
    Revoked {
        /// The session it was issued for.
        sid: SessionId,
    },
    /// It was not issued here, or it was changed.
    #[error("not a token of this installation")]
    Invalid,
}

/// The claims as they are spelled. Their order is fixed: the same state must
/// always give the same token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    sid: Cow<'a, str>,
    #[serde(borrow)]
    dev: Cow<'a, str>,
    #[serde(borrow)]
    env: Cow<'a, str>,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(borrow)]
    jti: Cow<'a, str>,
}

/// The signing keys of one installation and epoch.
///
/// Invariant: the last one, and no other, is [`Standing::Signing`].
///
/// `Debug` shows their public names only.
pub struct KeyRing {
    issuer: String,
    keys: Vec<Held>,
}

impl KeyRing {
    /// Who issues its tokens: the id of the installation.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Names a token that is to be signed with the key that signs at present.
    #[must_use]
    pub fn draw_jti(&self) -> [u8; 16] {
        self.signing().number.mark(rand::random())
    }

    /// Makes the token of a session, by the key that its `jti` names; `None`
    /// when that key signs nothing any more. `exp` is rounded up to the second:
    /// the record decides to the millisecond.
    #[must_use]
    pub fn sign(&self, new: &NewToken<'_>) -> Option<String> {
        let number = KeyNumber::of(&new.jti);
        let held = self.keys.iter().find(|held| held.number == number)?;
        let session = new.session;
        let issued_at = new.issued_at.seconds_floor();
        let payload = Payload {
            iss: self.issuer.as_str().into(),
            aud: AUDIENCE.into(),
            sub: session.identity.user_name.as_str().into(),
            sid: session.id.as_str().into(),
            dev: session.identity.device_name.as_str().into(),
            env: session.identity.env.as_str().into(),
            iat: issued_at,
            nbf: issued_at,
            exp: session.expires_at.seconds_ceil(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(new.jti).into(),
        };
        let payload = serde_json::to_vec(&payload).expect("texts and numbers are JSON");
        held.key.sign(&payload)
    }

    /// Reads a token that was issued here, whatever the time. A token has one
    /// spelling only: every other text with the same content is refused.
    ///
    /// # Errors
    /// [`TokenError::Invalid`], [`TokenError::Revoked`].
    pub fn read(&self, token: &str) -> Result<Claims, TokenError> {
        let signed = |held: &Held| Some((held.key.payload(token)?, held.standing));
        let (payload, standing) = self
            .keys
            .iter()
            .rev()
            .find_map(signed)
            .ok_or(TokenError::Invalid)?;
        let claims = self.claims(&payload).ok_or(TokenError::Invalid)?;
        match standing {
            Standing::Revoked { .. } => Err(TokenError::Revoked { sid: claims.sid }),
            Standing::Signing | Standing::Retired { .. } => Ok(claims),
        }
    }

    fn claims(&self, payload: &[u8]) -> Option<Claims> {
        let payload: Payload<'_> = serde_json::from_slice(payload).ok()?;
        if payload.iss != self.issuer || payload.aud != AUDIENCE {
            return None;
        }
        let jti = BASE64_URL_SAFE_NO_PAD.decode(payload.jti.as_bytes()).ok()?;
        let jti: [u8; 16] = jti.try_into().ok()?;
        Some(Claims {
            sid: SessionId::parse(&payload.sid).ok()?,
            jti_head: u64::from_be_bytes(std::array::from_fn(|i| jti[i])),
            not_before: Timestamp::from_millis(payload.nbf.checked_mul(1000)?),
            expires_at: Timestamp::from_millis(payload.exp.checked_mul(1000)?),
        })
    }
}

/// The session that a text says it is a token of. Anybody can write such a
/// text: good for nothing but to know where to look.
#[must_use]
pub fn session_named_in(token: &str) -> Option<SessionId> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let payload = token.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: Payload<'_> = serde_json::from_slice(&payload).ok()?;
    SessionId::parse(&payload.sid).ok()
}

#[cfg(test)]
mod tests;
