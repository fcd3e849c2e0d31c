//! Keys and signatures: HMAC-SHA256 over the hash of a canonical request.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};

use super::canonical::{Canonical, PathRule};
use super::header::Claim;
use super::{Key, Refusal, SCHEME};

/// Stands in where there is no secret, so that an unknown key costs the time of
/// a known one. As long as secrets are.
const NO_SECRET: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Length of the date in a signed time: `yyyy-MM-dd`.
const DATE_CHARS: usize = 10;

/// Whether the request was signed with this key. The path counts as the .NET
/// client spells it, and where the PHP client spells it otherwise, so too.
pub(super) fn check(claim: &Claim, canonical: &Canonical<'_>, key: Key<'_>) -> Result<(), Refusal> {
    let (secret, otherwise) = match key {
        Key::Active(secret) => (secret, None),
        Key::Inactive => (NO_SECRET, Some(Refusal::InactiveKey)),
        Key::Unknown => (NO_SECRET, Some(Refusal::UnknownKey)),
    };
    let signing = signing_key(secret, &claim.time_text);
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

/// The key of one secret and one UTC day.
fn signing_key(secret: &str, time: &str) -> hmac::Key {
    let root = hmac::Key::new(hmac::HMAC_SHA256, format!("NWS4{secret}").as_bytes());
    let key = hmac::sign(&root, &time.as_bytes()[..DATE_CHARS]);
    hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
}

fn sign(key: &hmac::Key, time: &str, key_id: &str, canonical: &[u8]) -> hmac::Tag {
    let hash = sha256_hex(canonical);
    let text = format!("{SCHEME}\n{time}\n{key_id}\n{hash}");
    hmac::sign(key, text.as_bytes())
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = digest::digest(&digest::SHA256, bytes);
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
