//! One Ed25519 key: what it signs, and what it finds to be signed by it.

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use super::TOKEN_BYTES_MAX;
use crate::auth::secret::wipe;

/// Bytes of an Ed25519 private key, and of a public one.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;
/// Their base64url.
pub(in crate::auth) const SIGNATURE_CHARS: usize = 86;
/// Bytes of the public key's SHA-256 that name the key.
const KID_BYTES: usize = 12;

/// A signing key, or only its public half.
pub(super) struct Key {
    pub(super) kid: String,
    pub(super) public: [u8; KEY_BYTES],
    /// The encoded header with its dot: the beginning of every token.
    head: String,
    signing: Option<Ed25519KeyPair>,
    verifying: ParsedPublicKey,
}

impl Key {
    /// A fresh key.
    pub(super) fn draw() -> Self {
        let mut seed = [0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut seed).expect("the system's random source works");
        let key = Self::from_seed(&seed);
        wipe(&mut seed);
        key
    }

    pub(super) fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        let signing = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a key");
        let mut public = [0; KEY_BYTES];
        public.copy_from_slice(signing.public_key().as_ref());
        let key = Self::from_public(public).expect("the key was just made");
        Self {
            signing: Some(signing),
            ..key
        }
    }

    /// A key that can no longer sign; `None` when these bytes are none.
    pub(super) fn from_public(public: [u8; KEY_BYTES]) -> Option<Self> {
        let hash = digest::digest(&digest::SHA256, &public);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..KID_BYTES]);
        let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
        Some(Self {
            head: format!("{}.", BASE64_URL_SAFE_NO_PAD.encode(header)),
            kid,
            public,
            signing: None,
            verifying: ParsedPublicKey::new(&ED25519, public).ok()?,
        })
    }

    /// The private half, for the disk.
    pub(super) fn seed(&self) -> Option<[u8; KEY_BYTES]> {
        let seed = self.signing.as_ref()?.seed();
        let seed = seed.and_then(|seed| seed.as_be_bytes());
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(seed.expect("an Ed25519 key knows its seed").as_ref());
        Some(bytes)
    }

    /// The token with this payload; `None` when only the public half is left.
    pub(super) fn sign(&self, payload: &[u8]) -> Option<String> {
        let signing = self.signing.as_ref()?;
        let mut token = String::with_capacity(TOKEN_BYTES_MAX / 4);
        token.push_str(&self.head);
        BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = signing.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The payload of a token of this key; `None` when it was not signed by it.
    /// A token has one spelling only.
    pub(super) fn payload(&self, token: &str) -> Option<Vec<u8>> {
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

    /// Signs any text at all.
    #[cfg(test)]
    pub(super) fn sign_text(&self, text: &str) -> Vec<u8> {
        let signing = self.signing.as_ref().expect("a whole key");
        signing.sign(text.as_bytes()).as_ref().to_vec()
    }
}
