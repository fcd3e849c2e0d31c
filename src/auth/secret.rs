//! Text that a person typed to prove who they are. A type of its own, so that
//! it reaches neither a log nor the memory's afterlife by accident.

use std::fmt;
use std::hint::black_box;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// A password in clear text.
///
/// `Debug` never shows it, and there is no `Display` and no `Clone`. Its
/// memory is overwritten when it is dropped, as far as safe code can: copies
/// that a parser made before are beyond this type.
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: for hashing and for the rules about length.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is it. Takes the same time wherever the two differ.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), text.as_bytes()).is_ok()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

/// Overwrites bytes, so that they do not lie about in freed memory.
pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Whoever might look keeps the compiler from leaving the filling out.
    black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(
            format!("{secret:?} {:?}", Some(&secret)),
            "Secret(..) Some(Secret(..))"
        );
        assert_eq!(
            (secret.expose(), secret.len(), secret.is_empty()),
            ("hunter2", 7, false)
        );
    }

    #[test]
    fn wiped_bytes_are_zero() {
        let mut bytes = *b"hunter2";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 7]);
    }
}
