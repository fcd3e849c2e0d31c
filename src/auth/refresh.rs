//! Refresh tokens. They are not stored but made again from the installation
//! key, the session and a number, so that a lost answer can be repeated even
//! after a restart while only a SHA-256 lies on the disk.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::installation::InstallationKey;
use crate::model::SessionId;

/// Bytes behind a refresh token: 256 bits.
const TOKEN_BYTES: usize = 32;
/// Their base64, padded.
const TOKEN_CHARS: usize = 44;
/// Generations tried in a row: some tenths of a millisecond.
const TRIED_AT_ONCE: usize = 512;

/// The refresh token of one generation of a session (0 is that of the login):
/// 44 characters of base64. The same input always gives the same token.
#[must_use]
pub fn token(key: &InstallationKey, sid: SessionId, generation: u32, salt: &[u8; 16]) -> String {
    BASE64_STANDARD.encode(bytes(key, sid, generation, salt))
}

fn bytes(
    key: &InstallationKey,
    sid: SessionId,
    generation: u32,
    salt: &[u8; 16],
) -> [u8; TOKEN_BYTES] {
    // Every part has a fixed length, so no two inputs read the same.
    let mut context = hmac::Context::with_key(key.refreshing());
    context.update(sid.as_bytes());
    context.update(&generation.to_be_bytes());
    context.update(salt);
    let mut bytes = [0; TOKEN_BYTES];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

/// Whether a text can be a refresh token at all.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let mut bytes = [0; TOKEN_BYTES];
    text.len() == TOKEN_CHARS && BASE64_STANDARD.decode_slice(text, &mut bytes).is_ok()
}

/// SHA-256 of a token's text: the only thing of it that is stored.
#[must_use]
pub fn sha256(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

/// Which generation of the session a presented text is, from `current` back to
/// 0; `None` when it was never issued for this session. Compared in constant
/// time. The work grows with the generation: under a microsecond each, newest
/// first, and none at all for a text that can not be a refresh token. Others have
/// their turn in between.
pub async fn generation_of(
    key: &InstallationKey,
    sid: SessionId,
    salt: &[u8; 16],
    presented: &str,
    current: u32,
) -> Option<u32> {
    if presented.len() != TOKEN_CHARS {
        return None;
    }
    let presented = BASE64_STANDARD.decode(presented).ok()?;
    for (tried, generation) in (0..=current).rev().enumerate() {
        if tried % TRIED_AT_ONCE == TRIED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let made = bytes(key, sid, generation, salt);
        if verify_slices_are_equal(&made, &presented).is_ok() {
            return Some(generation);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_recognized_as_its_generation_up_to_the_current_one() {
        let key = InstallationKey::draw();
        let (sid, salt) = (SessionId::draw(), [7; 16]);
        for generation in [0, 1, 2, 40] {
            let text = token(&key, sid, generation, &salt);
            assert_eq!(text.len(), TOKEN_CHARS);
            assert_eq!(text, token(&key, sid, generation, &salt));
            let found = generation_of(&key, sid, &salt, &text, 40).await;
            assert_eq!(found, Some(generation));
        }
        let next = token(&key, sid, 41, &salt);
        assert_eq!(generation_of(&key, sid, &salt, &next, 40).await, None);
    }

    #[tokio::test]
    async fn others_have_their_turn_while_many_generations_are_tried() {
        let key = InstallationKey::draw();
        let (sid, salt) = (SessionId::draw(), [7; 16]);
        let last = u32::try_from(4 * TRIED_AT_ONCE).unwrap();
        let first = token(&key, sid, 0, &salt);
        let mut turns = 0;
        let others = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            found = generation_of(&key, sid, &salt, &first, last) => assert_eq!(found, Some(0)),
            () = others => unreachable!(),
        }
        assert_eq!(turns, 4);
    }

    #[test]
    fn only_texts_like_those_made_can_be_tokens() {
        let good = token(&InstallationKey::draw(), SessionId::draw(), 0, &[7; 16]);
        assert!(is_token(&good));
        for text in [
            "",
            "x",
            &good[1..],
            &format!("{good}="),
            &good.replace('=', "A"),
            &".".repeat(44),
        ] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_session_salt_or_installation_is_unknown() {
        let key = InstallationKey::draw();
        let (sid, salt) = (SessionId::draw(), [7; 16]);
        let foreign = [
            token(&InstallationKey::draw(), sid, 1, &salt),
            token(&key, SessionId::draw(), 1, &salt),
            token(&key, sid, 1, &[8; 16]),
        ];
        let good = token(&key, sid, 1, &salt);
        let bad = [
            String::new(),
            "x".to_owned(),
            "A".repeat(43),
            good[..43].to_owned(),
            format!("{good}="),
            good.replace('=', "A"),
        ];
        for text in foreign.into_iter().chain(bad) {
            let known = generation_of(&key, sid, &salt, &text, 3).await;
            assert_eq!(known, None, "{text}");
        }
    }

    #[test]
    fn the_derivation_is_fixed_for_good() {
        // Tokens handed out before an update must be known after it.
        let sid = SessionId::parse("soZIt6uj62fzs8ep4UvnNSxRXFryUiq3").unwrap();
        assert_eq!(sha256("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        let key = InstallationKey::fixed();
        assert_eq!(token(&key, sid, 1, &[1; 16]), EXPECTED);
    }

    /// HMAC-SHA256 twice, computed outside of this code base.
    const EXPECTED: &str = "XD/NUoj8+wC+r7VIw9sOfm4501lMBNv5xut06yoCOX0=";
}
