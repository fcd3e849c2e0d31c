//! What stands for the text of a token where the text itself is not kept.

use std::fmt;
use std::num::NonZeroU64;

/// Bytes that are kept of a digest.
const DIGEST_BYTES: usize = 16;

/// The name of a token: two digests of its text, made and explained by
/// [`Bearer`](crate::auth::memory::Bearer). Two texts of one name are the same
/// token; nobody can make the token from its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenName {
    signature: [u8; DIGEST_BYTES],
    signed: NonZeroU64,
}

impl TokenName {
    /// From the SHA-256 of the signature, of which half is kept, and a seeded
    /// hash of what is signed.
    #[must_use]
    pub fn new(signature: &[u8; 32], signed: u64) -> Self {
        Self {
            signature: std::array::from_fn(|i| signature[i]),
            signed: NonZeroU64::new(signed).unwrap_or(NonZeroU64::MIN),
        }
    }

    /// Its place in a hash table: the bits are random already.
    #[must_use]
    pub fn hash(&self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|i| self.signature[i]))
    }

    /// From bits that [`TokenName::hash`] does not use.
    #[must_use]
    pub const fn last_byte(&self) -> u8 {
        self.signature[DIGEST_BYTES - 1]
    }
}

/// Shows nothing of it.
impl fmt::Debug for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenName(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_takes_no_more_room_than_a_name() {
        assert_eq!(size_of::<Option<TokenName>>(), 24);
        let name = |first, signed| {
            let mut digest = [3; 32];
            digest[0] = first;
            TokenName::new(&digest, signed)
        };
        assert_eq!(name(1, 2), name(1, 2));
        assert_ne!(name(1, 2), name(2, 2));
        assert_ne!(name(1, 2), name(1, 3));
    }
}
