//! Keys and signatures: HMAC-SHA256 over the hash of a canonical request.

use std::fmt;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use parking_lot::Mutex;

use super::canonical::{Canonical, PathRule};
use super::header::Claim;
use super::{Key, Refusal, SCHEME};
use crate::auth::secret::Secret;

/// Stands in where there is no secret, so that an unknown key costs the time of
/// a known one. As long as secrets are.
static NO_SECRET: LazyLock<SigningSecret> =
    LazyLock::new(|| SigningSecret::new(Secret::new("0".repeat(64))));

/// Length of the date in a signed time: `yyyy-MM-dd`.
const DATE_CHARS: usize = 10;

/// The secret of an API key: text that is never decoded, and the key that was
/// made of it for the day on which it signed last. Making one takes longer than
/// all else of a signature.
pub struct SigningSecret {
    secret: Secret,
    of_day: Mutex<Option<([u8; DATE_CHARS], Arc<hmac::Key>)>>,
}

impl SigningSecret {
    /// Takes the secret over.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self {
            secret,
            of_day: Mutex::new(None),
        }
    }

    /// The key of the UTC day of this time.
    fn key(&self, time: &str) -> Arc<hmac::Key> {
        let mut day = [0; DATE_CHARS];
        day.copy_from_slice(&time.as_bytes()[..DATE_CHARS]);
        let mut of_day = self.of_day.lock();
        if let Some((known, key)) = of_day.as_ref()
            && *known == day
        {
            return Arc::clone(key);
        }
        let root = format!("NWS4{}", self.secret.expose());
        let root = hmac::Key::new(hmac::HMAC_SHA256, root.as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, &day).as_ref());
        let key = Arc::new(key);
        *of_day = Some((day, Arc::clone(&key)));
        key
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

/// Whether the request was signed with this key. The path counts as the .NET
/// client spells it, and where the PHP client spells it otherwise, so too.
pub(super) fn check(claim: &Claim, canonical: &Canonical<'_>, key: Key<'_>) -> Result<(), Refusal> {
    let (secret, otherwise) = match key {
        Key::Active(secret) => (secret, None),
        Key::Inactive => (&*NO_SECRET, Some(Refusal::InactiveKey)),
        Key::Unknown => (&*NO_SECRET, Some(Refusal::UnknownKey)),
    };
    let signing = secret.key(&claim.time_text);
    let fits = |rule| {
        let made = sign(
            &signing,
            &claim.time_text,
            &claim.key_id,
            &canonical.text(rule),
        );
        verify_slices_are_equal(made.as_ref(), &claim.signature).is_ok()
    };
    let signed = fits(PathRule::Net) || (canonical.differs_by_rule() && fits(PathRule::Php));
    match otherwise {
        Some(refusal) => Err(refusal),
        None if signed => Ok(()),
        None => Err(Refusal::WrongSignature),
    }
}

fn sign(key: &hmac::Key, time: &str, key_id: &str, canonical: &[u8]) -> hmac::Tag {
    let mut text = Vec::with_capacity(192);
    for part in [SCHEME, "\n", time, "\n", key_id, "\n"] {
        text.extend_from_slice(part.as_bytes());
    }
    text.extend_from_slice(&sha256_hex(canonical));
    hmac::sign(key, &text)
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = digest::digest(&digest::SHA256, bytes);
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash.as_ref()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_day_is_made_once_and_another_day_has_another() {
        let secret = SigningSecret::new(Secret::new("a secret".to_owned()));
        let morning = secret.key("2023-05-30T00:00:00.000Z");
        let evening = secret.key("2023-05-30T23:59:59.999Z");
        assert!(Arc::ptr_eq(&morning, &evening));
        let next = secret.key("2023-05-31T00:00:00.000Z");
        let mark = |key: &hmac::Key| hmac::sign(key, b"x").as_ref().to_vec();
        assert_ne!(mark(&next), mark(&morning));
        // Back again, as requests around midnight are.
        assert_eq!(
            mark(&secret.key("2023-05-30T12:00:00.000Z")),
            mark(&morning)
        );
    }
}
