//! The number of a signing key, and where tokens carry it.

use std::fmt;

/// Names a signing key within one installation and epoch: from 1 on, keys made
/// later have higher numbers.
///
/// The last two bytes of a token's `jti` hold it, so that whoever keeps the
/// `jti` of a session's newest token knows by which key it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyNumber(pub u16);

impl KeyNumber {
    /// The number of a first key.
    pub const FIRST: Self = Self(1);

    /// The key that signed the token with this `jti`.
    #[must_use]
    pub const fn of(jti: &[u8; 16]) -> Self {
        Self(u16::from_be_bytes([jti[14], jti[15]]))
    }

    /// A `jti` for a token of this key; 14 of the bytes are kept.
    #[must_use]
    pub fn mark(self, mut jti: [u8; 16]) -> [u8; 16] {
        jti[14..].copy_from_slice(&self.0.to_be_bytes());
        jti
    }

    /// The number after it; `None` behind the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jti_says_by_which_key_its_token_was_signed() {
        for number in [KeyNumber::FIRST, KeyNumber(258), KeyNumber(u16::MAX)] {
            let jti = number.mark([7; 16]);
            assert_eq!((KeyNumber::of(&jti), &jti[..14]), (number, &[7; 14][..]));
        }
        assert_eq!(KeyNumber(u16::MAX).next(), None);
    }
}
