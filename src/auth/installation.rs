//! The installation key: the one secret that lies outside the data directory.
//!
//! Who copies the database alone can neither sign tokens nor make refresh
//! tokens: signing keys are sealed with a key derived from this one, and
//! refresh tokens are made with another. The file and its rules are in
//! `key_file`.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;

use self::key_file::KEY_BYTES;
pub use self::key_file::KeyFileError;
use super::secret::wipe;

mod key_file;

/// What the derived keys are for. The texts are part of every sealed value and
/// every refresh token: changing one makes all of them worthless.
const SEALING: &[u8] = b"tillgate seal v1";
const REFRESHING: &[u8] = b"tillgate refresh v1";
const MARKING: &[u8] = b"tillgate mark v1";
/// Bytes of a mark: enough to tell keys apart.
const MARK_BYTES: usize = 8;

/// The first byte of a sealed value; then nonce, cipher text and tag.
const SEAL_VERSION: u8 = 1;

/// The sealed bytes do not open: they were sealed with another installation's
/// key, under another label, or they were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value belongs to another installation key or was changed")]
pub struct UnsealError;

/// The secret of this installation, as the keys that are derived from it.
///
/// `Debug` shows nothing of it.
pub struct InstallationKey {
    sealing: RandomizedNonceKey,
    refreshing: hmac::Key,
    mark: [u8; MARK_BYTES],
}

impl InstallationKey {
    /// Reads the key file, or creates it with a fresh random key (mode 0600,
    /// durable before this returns). Two processes that create at the same
    /// time end up with the same key.
    ///
    /// # Errors
    /// [`KeyFileError`], which names the file and the remedy.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let mut root = key_file::load_or_create(path)?;
        let key = Self::from_root(&root);
        wipe(&mut root);
        Ok(key)
    }

    /// Reads the key file; `None` when there is none.
    ///
    /// # Errors
    /// [`KeyFileError`], which names the file and the remedy.
    pub fn load(path: &Path) -> Result<Option<Self>, KeyFileError> {
        let Some(mut root) = key_file::load(path)? else {
            return Ok(None);
        };
        let key = Self::from_root(&root);
        wipe(&mut root);
        Ok(Some(key))
    }

    /// Tells this key from others; nothing of the key can be learnt from it.
    /// Backups carry it, so that a restore can say which key file is missing.
    #[must_use]
    pub const fn mark(&self) -> [u8; MARK_BYTES] {
        self.mark
    }

    fn from_root(root: &[u8; KEY_BYTES]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, root);
        let sealing = hmac::sign(&root, SEALING);
        let refreshing = hmac::sign(&root, REFRESHING);
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&hmac::sign(&root, MARKING).as_ref()[..MARK_BYTES]);
        Self {
            mark,
            sealing: RandomizedNonceKey::new(&AES_256_GCM, sealing.as_ref())
                .expect("an HMAC-SHA256 tag is as long as an AES-256 key"),
            refreshing: hmac::Key::new(hmac::HMAC_SHA256, refreshing.as_ref()),
        }
    }

    /// Encrypts and authenticates bytes. They open only with this key and
    /// under the same label. Sealing the same bytes twice gives other text.
    #[must_use]
    pub fn seal(&self, label: &str, bytes: &[u8]) -> Vec<u8> {
        let mut text = bytes.to_vec();
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(label.as_bytes()), &mut text)
            .expect("AES-GCM takes any text that fits into memory");
        let mut sealed = vec![SEAL_VERSION];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        sealed
    }

    /// Opens what [`InstallationKey::seal`] made under this label.
    ///
    /// # Errors
    /// [`UnsealError`]; nothing of the content is given then.
    pub fn unseal(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>, UnsealError> {
        let (&version, rest) = sealed.split_first().ok_or(UnsealError)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(UnsealError)?;
        if version != SEAL_VERSION {
            return Err(UnsealError);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError)?;
        let mut text = text.to_vec();
        let opened = self
            .sealing
            .open_in_place(nonce, Aad::from(label.as_bytes()), &mut text);
        let length = opened.map_err(|_| UnsealError)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// The key from which refresh tokens are made.
    pub(super) fn refreshing(&self) -> &hmac::Key {
        &self.refreshing
    }

    /// A key that no file holds.
    #[cfg(test)]
    pub(super) fn draw() -> Self {
        Self::from_root(&rand::random())
    }

    /// A key that is the same in every run.
    #[cfg(test)]
    pub(super) fn fixed() -> Self {
        Self::from_root(&[5; KEY_BYTES])
    }
}

impl fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_label_only() {
        let key = InstallationKey::draw();
        for bytes in [&b""[..], b"signing key", &[7; 5000]] {
            let sealed = key.seal("signing-keys/1", bytes);
            assert_eq!(key.unseal("signing-keys/1", &sealed).as_deref(), Ok(bytes));
            assert_eq!(key.unseal("signing-keys/2", &sealed), Err(UnsealError));
            assert_eq!(
                InstallationKey::draw().unseal("signing-keys/1", &sealed),
                Err(UnsealError)
            );
        }
    }

    #[test]
    fn a_sealed_value_with_any_byte_changed_or_missing_does_not_open() {
        let key = InstallationKey::draw();
        let sealed = key.seal("label", b"secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(
                key.unseal("label", &changed),
                Err(UnsealError),
                "byte {place}"
            );
            assert_eq!(
                key.unseal("label", &sealed[..place]),
                Err(UnsealError),
                "cut at {place}"
            );
        }
    }

    #[test]
    fn sealing_never_repeats_a_nonce() {
        let key = InstallationKey::draw();
        assert_ne!(key.seal("label", b"secret"), key.seal("label", b"secret"));
    }

    #[test]
    fn debug_output_shows_nothing_of_the_key() {
        assert_eq!(
            format!("{:?}", InstallationKey::draw()),
            "InstallationKey(..)"
        );
    }
}
