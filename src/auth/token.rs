//! Bearer tokens: JWTs (RFC 7519, `at+jwt` of RFC 9068) signed with Ed25519.
//!
//! The compact form is made and read here and not by a JWT library, because
//! there is exactly one good header: the one this ring writes. A token's header
//! is compared with it as text and never parsed, so there is no algorithm to
//! choose, no foreign key to look for and no `jku`, `jwk`, `x5u` or `crit` to
//! honour. Times are compared with the trusted `now` that is passed in.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use super::installation::{InstallationKey, UnsealError};
use super::secret::wipe;
use crate::model::{Session, SessionId, Timestamp};

/// Who the tokens are for.
const AUDIENCE: &str = "tillgate";
/// Longest token, in bytes, that is looked at: names of 64 characters, each
/// spelled as long as can be, fit.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;
/// Their base64url.
const SIGNATURE_CHARS: usize = 86;
/// Bytes of an Ed25519 private key.
const SEED_BYTES: usize = 32;
/// Bytes of the public key's SHA-256 that name the key.
const KID_BYTES: usize = 12;
/// The first byte of the sealed ring; then the private key.
const RING_VERSION: u8 = 1;

/// A token to be made. The same input always gives the same token.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Whose.
    pub session: &'a Session,
    /// When the token begins to be good: login or refresh.
    pub issued_at: Timestamp,
    /// Names the token.
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
    /// Holds the times against `now`, without leeway.
    ///
    /// # Errors
    /// [`TokenError::NotYetValid`], [`TokenError::Expired`].
    pub fn check(&self, now: Timestamp) -> Result<(), TokenError> {
        if now < self.not_before {
            return Err(TokenError::NotYetValid);
        }
        if now >= self.expires_at {
            return Err(TokenError::Expired { sid: self.sid });
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

/// The signing key of one installation and epoch.
///
/// `Debug` shows its public name only.
pub struct KeyRing {
    issuer: String,
    kid: String,
    /// The encoded header with its dot: the beginning of every token.
    head: String,
    signing: Ed25519KeyPair,
    verifying: ParsedPublicKey,
}

impl KeyRing {
    /// A ring with a fresh key. `issuer`: the id of the installation.
    #[must_use]
    pub fn generate(issuer: &str) -> Self {
        let mut seed = [0; SEED_BYTES];
        aws_lc_rs::rand::fill(&mut seed).expect("the system's random source works");
        let ring = Self::from_seed(issuer, &seed);
        wipe(&mut seed);
        ring
    }

    fn from_seed(issuer: &str, seed: &[u8; SEED_BYTES]) -> Self {
        let signing = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a key");
        let public = signing.public_key().as_ref();
        let kid = kid(public);
        let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
        let head = format!("{}.", BASE64_URL_SAFE_NO_PAD.encode(header));
        let verifying = ParsedPublicKey::new(&ED25519, public).expect("the key was just made");
        Self {
            issuer: issuer.to_owned(),
            kid,
            head,
            signing,
            verifying,
        }
    }

    /// The ring for the disk, sealed with the installation key.
    #[must_use]
    pub fn seal(&self, installation: &InstallationKey, label: &str) -> Vec<u8> {
        let seed = self.signing.seed().and_then(|seed| seed.as_be_bytes());
        let mut plain = vec![RING_VERSION];
        plain.extend_from_slice(seed.expect("an Ed25519 key knows its seed").as_ref());
        let sealed = installation.seal(label, &plain);
        wipe(&mut plain);
        sealed
    }

    /// The ring that [`KeyRing::seal`] wrote under this label.
    ///
    /// # Errors
    /// [`UnsealError`]: another installation key, another label, or changed.
    pub fn unseal(
        issuer: &str,
        installation: &InstallationKey,
        label: &str,
        sealed: &[u8],
    ) -> Result<Self, UnsealError> {
        let mut plain = installation.unseal(label, sealed)?;
        let ring = match plain.split_first() {
            Some((&RING_VERSION, seed)) => seed
                .try_into()
                .ok()
                .map(|seed| Self::from_seed(issuer, seed)),
            _ => None,
        };
        wipe(&mut plain);
        ring.ok_or(UnsealError)
    }

    /// Makes the token of a session. `exp` is rounded up to the second: the
    /// record decides to the millisecond.
    #[must_use]
    pub fn sign(&self, new: &NewToken<'_>) -> String {
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
        self.sign_payload(&payload)
    }

    fn sign_payload(&self, payload: &[u8]) -> String {
        let mut token = String::with_capacity(TOKEN_BYTES_MAX / 4);
        token.push_str(&self.head);
        BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.signing.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Reads a token that is good at `now`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        claims.check(now)?;
        Ok(claims)
    }

    /// Reads a token that is or was good: for refreshing, where an expired
    /// `tokenId` is as good as any.
    ///
    /// # Errors
    /// [`TokenError::Invalid`], [`TokenError::NotYetValid`].
    pub fn read_even_expired(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        match claims.check(now) {
            Err(TokenError::Expired { .. }) | Ok(()) => Ok(claims),
            Err(error) => Err(error),
        }
    }

    /// Reads a token that was issued here, whatever the time. A token has one
    /// spelling only: every other text with the same content is refused.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn read(&self, token: &str) -> Result<Claims, TokenError> {
        let payload = self.signed_payload(token).ok_or(TokenError::Invalid)?;
        self.claims(&payload).ok_or(TokenError::Invalid)
    }

    fn signed_payload(&self, token: &str) -> Option<Vec<u8>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let payload = signed.strip_prefix(&self.head)?;
        if signature.len() != SIGNATURE_CHARS {
            return None;
        }
        let mut bytes = [0; SIGNATURE_BYTES];
        // Refuses padding, foreign characters and stray bits in the last one.
        BASE64_URL_SAFE_NO_PAD
            .decode_slice(signature, &mut bytes)
            .ok()?;
        self.verifying.verify_sig(signed.as_bytes(), &bytes).ok()?;
        BASE64_URL_SAFE_NO_PAD.decode(payload).ok()
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

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The name of a key, from its public half.
fn kid(public: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, public);
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..KID_BYTES])
}

#[cfg(test)]
mod tests;
