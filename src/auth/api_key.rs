//! Secrets of API keys: drawn, read, and sealed for the store. Signatures need
//! the text itself, so it can not be hashed as a password is.

use super::installation::{InstallationKey, UnsealError};
use super::secret::{Secret, wipe};
use crate::model::ApiKeyId;

/// Digits of a secret: 256 bits.
const SECRET_DIGITS: usize = 64;

/// The text is no secret of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hex digits")]
pub struct SecretError;

/// Draws a secret from the system's secure random source: 64 lower-case hex
/// digits, which are used as text and never decoded.
#[must_use]
pub fn draw_secret() -> Secret {
    use std::fmt::Write;
    let mut bytes: [u8; SECRET_DIGITS / 2] = rand::random();
    let mut text = String::with_capacity(SECRET_DIGITS);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("memory takes every byte");
    }
    wipe(&mut bytes);
    Secret::new(text)
}

/// Reads a secret that was drawn elsewhere.
///
/// # Errors
/// [`SecretError`] unless it is 64 hex digits.
pub fn parse_secret(text: &str) -> Result<Secret, SecretError> {
    let fits = text.len() == SECRET_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| Secret::new(text.to_owned()))
        .ok_or(SecretError)
}

/// Seals a secret for the key with this id; under another id it does not open.
#[must_use]
pub fn seal(key: &InstallationKey, id: ApiKeyId, secret: &Secret) -> Vec<u8> {
    key.seal(&label(id), secret.expose().as_bytes())
}

/// Opens what [`seal`] made for this id.
///
/// # Errors
/// [`UnsealError`]: another installation's, another key's, or changed.
pub fn unseal(key: &InstallationKey, id: ApiKeyId, sealed: &[u8]) -> Result<Secret, UnsealError> {
    let bytes = key.unseal(&label(id), sealed)?;
    String::from_utf8(bytes)
        .map(Secret::new)
        .map_err(|_| UnsealError)
}

/// Part of every sealed secret: with another text none of them opens.
fn label(id: ApiKeyId) -> String {
    format!("apikeys/{id}/clientSecret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_own_key_only() {
        let installation = InstallationKey::draw();
        let (id, secret) = (ApiKeyId::draw(), draw_secret());
        let sealed = seal(&installation, id, &secret);
        let opened = unseal(&installation, id, &sealed).expect("opens");
        assert_eq!(opened.expose(), secret.expose());
        assert!(unseal(&installation, ApiKeyId::draw(), &sealed).is_err());
        assert!(unseal(&InstallationKey::draw(), id, &sealed).is_err());
        let text = secret.expose().as_bytes();
        assert!(!sealed.windows(8).any(|window| window == &text[..8]));
    }

    #[test]
    fn a_secret_is_64_hex_digits() {
        assert_ne!(draw_secret().expose(), draw_secret().expose());
        assert!(parse_secret(draw_secret().expose()).is_ok());
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(parse_secret(text).err(), Some(SecretError), "{text}");
        }
    }
}
