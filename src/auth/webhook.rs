//! Secrets of webhooks: read, sealed for the store, and the mark that they put
//! on a notification.

use std::fmt::Write;

use aws_lc_rs::hmac;

use super::installation::{InstallationKey, UnsealError};
use super::secret::Secret;
use crate::model::WebhookId;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 256;

/// The text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have at most 256 bytes")]
pub struct SecretError;

/// Reads a secret that two servers have agreed on.
///
/// # Errors
/// [`SecretError`] when it is longer than 256 bytes.
pub fn parse_secret(text: &str) -> Result<Secret, SecretError> {
    let fits = text.len() <= SECRET_BYTES_MAX;
    fits.then(|| Secret::new(text.to_owned()))
        .ok_or(SecretError)
}

/// Seals a secret for the webhook with this id; under another id it does not open.
#[must_use]
pub fn seal(key: &InstallationKey, id: WebhookId, secret: &Secret) -> Vec<u8> {
    key.seal(&label(id), secret.expose().as_bytes())
}

/// The mark of a body: HMAC-SHA256 under the secret that [`seal`] made `sealed`
/// from, in lower-case hex digits.
///
/// # Errors
/// [`UnsealError`]: another installation's, another webhook's, or changed.
pub fn sign(
    key: &InstallationKey,
    id: WebhookId,
    sealed: &[u8],
    body: &[u8],
) -> Result<String, UnsealError> {
    let bytes = key.unseal(&label(id), sealed)?;
    let secret = String::from_utf8(bytes).map_err(|_| UnsealError)?;
    let secret = Secret::new(secret);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut digits = String::with_capacity(64);
    for byte in hmac::sign(&key, body).as_ref() {
        write!(digits, "{byte:02x}").expect("memory takes every byte");
    }
    Ok(digits)
}

/// Part of every sealed secret: with another text none of them opens.
fn label(id: WebhookId) -> String {
    format!("webhooks/{id}/secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_marked_as_rfc_4231_has_it_and_for_its_own_hook_only() {
        let installation = InstallationKey::draw();
        let (id, secret) = (WebhookId::draw(), parse_secret("Jefe").expect("a secret"));
        let sealed = seal(&installation, id, &secret);
        let body = b"what do ya want for nothing?";
        assert_eq!(
            sign(&installation, id, &sealed, body).expect("opens"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(sign(&installation, WebhookId::draw(), &sealed, body).is_err());
        assert!(sign(&InstallationKey::draw(), id, &sealed, body).is_err());
        assert!(!sealed.windows(4).any(|window| window == b"Jefe"));
    }

    #[test]
    fn a_secret_has_a_longest_length() {
        assert!(parse_secret(&"x".repeat(256)).is_ok());
        assert_eq!(parse_secret(&"x".repeat(257)).err(), Some(SecretError));
    }
}
