//! Identifiers that Tillgate draws itself.

use std::fmt;

/// The text is not an identifier of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError;

/// Names one session: 32 characters of `[A-Za-z0-9]`, about 190 random bits.
///
/// Invariant: a value exists only if it was drawn from the system's secure
/// random source or parsed from exactly 32 such characters. It appears in
/// listings, so it is never a credential.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 32]);

impl SessionId {
    const ALPHABET: &'static [u8; 62] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// No id is greater.
    pub const GREATEST: Self = Self([b'z'; 32]);

    /// Draws a new id from the system's secure random source.
    #[must_use]
    pub fn draw() -> Self {
        let mut id = [0; 32];
        let mut filled = 0;
        while filled < id.len() {
            // Bytes at or above 248 = 4 * 62 would favour some characters.
            for byte in rand::random::<[u8; 32]>() {
                if byte < 248 && filled < id.len() {
                    id[filled] = Self::ALPHABET[usize::from(byte % 62)];
                    filled += 1;
                }
            }
        }
        Self(id)
    }

    /// Reads exactly 32 characters of `[A-Za-z0-9]`.
    ///
    /// # Errors
    /// [`IdError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::from_bytes(text.as_bytes())
    }

    /// As [`SessionId::parse`], from bytes (a key on disk).
    ///
    /// # Errors
    /// [`IdError`] for anything but 32 alphanumeric ASCII bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        let id: [u8; 32] = bytes.try_into().map_err(|_| IdError)?;
        // All of them whatever the first says: that goes sixteen at a time.
        let is_id = id.iter().fold(true, |is_id, character| {
            is_id & character.is_ascii_alphanumeric()
        });
        is_id.then_some(Self(id)).ok_or(IdError)
    }

    /// The 32 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the invariant holds ASCII only")
    }

    /// The 32 bytes, as they stand in keys on disk.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Bytes of [`SessionId::pack`].
    pub const PACKED_BYTES: usize = 24;

    /// The id in three quarters of its bytes: eight characters, the first the
    /// highest digit of a number to the base 62, are six bytes, big-endian.
    #[must_use]
    pub fn pack(&self) -> [u8; Self::PACKED_BYTES] {
        let mut packed = [0; Self::PACKED_BYTES];
        let parts = self.0.chunks_exact(8).zip(packed.chunks_exact_mut(6));
        for (characters, bytes) in parts {
            let digits = characters
                .iter()
                .map(|character| DIGITS[usize::from(*character)]);
            let number = digits.fold(0, |number, digit| number * 62 + u64::from(digit));
            bytes.copy_from_slice(&number.to_be_bytes()[2..]);
        }
        packed
    }

    /// The id that [`SessionId::pack`] has made this of.
    ///
    /// # Errors
    /// [`IdError`] for bytes that it makes of no id.
    pub fn unpack(packed: [u8; Self::PACKED_BYTES]) -> Result<Self, IdError> {
        let mut id = [0; 32];
        let parts = packed.chunks_exact(6).zip(id.chunks_exact_mut(8));
        for (bytes, characters) in parts {
            let mut number = bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
            for character in characters.iter_mut().rev() {
                *character = Self::ALPHABET[number % 62];
                number /= 62;
            }
            if number > 0 {
                return Err(IdError);
            }
        }
        Ok(Self(id))
    }

    /// The first characters only, for logs: enough to find a session in a
    /// listing, not its whole name.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.as_str()[..6]
    }
}

/// The place of each character in the alphabet of session ids.
const DIGITS: [u8; 256] = {
    let mut digits = [0; 256];
    let mut digit = 0_u8;
    while digit < 62 {
        let character = SessionId::ALPHABET[digit as usize];
        digits[character as usize] = digit;
        digit += 1;
    }
    digits
};

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows the short form: a full id must not reach a log by accident.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}..)", self.short())
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; HEX_ID_BYTES]);

        impl $name {
    /// Draws a new id from the system's secure random source.
            #[must_use]
            pub fn draw() -> Self {
                Self(rand::random())
            }

            /// Reads 24 hex digits, either case.
            ///
            /// # Errors
            /// [`IdError`] for any other text.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }

            /// From the 12 bytes of a key on disk.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; HEX_ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// The 12 bytes, as they stand in keys on disk.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; HEX_ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

/// 96 random bits: 24 hex digits.
const HEX_ID_BYTES: usize = 12;

hex_id!(
    /// Names one user for good: 96 random bits, 24 lower-case hex digits.
    UserId
);
hex_id!(
    /// Names one API key for good: 96 random bits, 24 lower-case hex digits.
    /// Not what signed requests name it by; that is its `clientId`.
    ApiKeyId
);
hex_id!(
    /// Names one webhook for good: 96 random bits, 24 lower-case hex digits.
    WebhookId
);

fn parse_hex(text: &str) -> Result<[u8; HEX_ID_BYTES], IdError> {
    let text = text.as_bytes();
    if text.len() != 2 * HEX_ID_BYTES {
        return Err(IdError);
    }
    let mut id = [0; HEX_ID_BYTES];
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).ok_or(IdError);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| IdError)?;
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_packs_and_unpacks_and_nothing_else_unpacks(
            text in "[A-Za-z0-9]{32}", bytes: [u8; SessionId::PACKED_BYTES],
        ) {
            let id = SessionId::parse(&text).expect("an id");
            prop_assert_eq!(SessionId::unpack(id.pack()), Ok(id));
            if let Ok(id) = SessionId::unpack(bytes) {
                prop_assert_eq!(id.pack(), bytes);
            }
        }
    }

    #[test]
    fn the_greatest_digits_pack_and_one_more_is_no_id() {
        let nines = SessionId::parse(&"9".repeat(32)).expect("an id");
        let mut packed = nines.pack();
        assert_eq!(SessionId::unpack(packed), Ok(nines));
        assert_eq!(packed[18..], [0xC6, 0x94, 0x44, 0x6F, 0x00, 0xFF]);
        packed[18..].copy_from_slice(&[0xC6, 0x94, 0x44, 0x6F, 0x01, 0x00]);
        assert_eq!(SessionId::unpack(packed), Err(IdError));
    }

    #[test]
    fn only_32_alphanumeric_characters_name_a_session() {
        let id = SessionId::draw();
        assert_eq!(SessionId::parse(id.as_str()), Ok(id));
        for text in [
            "",
            "short",
            &"a".repeat(33),
            &"a".repeat(31),
            &format!("{}-", &id.as_str()[1..]),
        ] {
            assert_eq!(SessionId::parse(text), Err(IdError), "{text}");
        }
    }

    #[test]
    fn debug_output_never_holds_the_whole_session_id() {
        let id = SessionId::draw();
        assert!(!format!("{id:?}").contains(id.as_str()));
    }

    #[test]
    fn a_user_id_is_24_hex_digits() {
        let id = UserId::draw();
        assert_eq!(id.to_string().len(), 24);
        assert_eq!(UserId::parse(&id.to_string()), Ok(id));
        assert_eq!(UserId::parse(&id.to_string().to_uppercase()), Ok(id));
        assert_eq!(UserId::parse("zz0000000000000000000000"), Err(IdError));
        assert_eq!(UserId::parse("+10000000000000000000000"), Err(IdError));
    }
}
