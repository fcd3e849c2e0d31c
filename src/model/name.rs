//! Names that people choose: of users, devices and roles. One rule for all.

use std::fmt;

use smol_str::SmolStr;
use unicode_normalization::UnicodeNormalization;

/// Longest name, in characters after NFC.
pub(crate) const NAME_CHARS_MAX: usize = 64;

/// Why a text can not be a name. `Display` is the sentence for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("must not be empty")]
    Empty,
    /// More than 64 characters after NFC.
    #[error("must have at most 64 characters")]
    TooLong,
    /// A control character, a slash, or a character that changes the reading
    /// direction of what stands around it.
    #[error("must not contain control characters, direction marks or '/'")]
    Forbidden,
    /// Starts or ends with a space.
    #[error("must not start or end with a space")]
    OuterSpace,
    /// `.` and `..` mean something else in a path.
    #[error("must not be '.' or '..'")]
    Dots,
}

/// Normalises to NFC and checks the rule of section 1 of the contract.
fn parse_name(text: &str) -> Result<SmolStr, NameError> {
    // Bounded before normalising: NFC shrinks a text at most threefold.
    if text.len() > NAME_CHARS_MAX * 16 {
        return Err(NameError::TooLong);
    }
    let name: String = text.nfc().collect();
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(NameError::TooLong);
    }
    if name
        .chars()
        .any(|c| c.is_control() || c == '/' || is_bidi_or_line_mark(c))
    {
        return Err(NameError::Forbidden);
    }
    if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        return Err(NameError::OuterSpace);
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    Ok(name.into())
}

/// Characters of Unicode's Bidi_Control property, and the two separators that
/// end a line.
const fn is_bidi_or_line_mark(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Invariant: 1 to 64 characters in NFC, no control or bidi character,
        /// no `/`, no outer space, not `.` or `..`. Compared exactly.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// Normalises and checks a text.
            ///
            /// # Errors
            /// [`NameError`], one variant a rule.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                parse_name(text).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form in which two names must differ to stand side by side:
            /// lower case.
            #[must_use]
            pub fn folded(&self) -> String {
                self.0.to_lowercase()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// What a person types to log in.
    UserName
);
name!(
    /// What a till, handheld or PC is called.
    DeviceName
);
name!(
    /// What a bundle of rights is called.
    RoleName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_in_nfc() {
        let composed = UserName::parse("Majite\u{13e}").expect("a good name");
        let decomposed = UserName::parse("Majitel\u{30c}").expect("a good name");
        assert_eq!(composed, decomposed);
    }

    #[test]
    fn a_name_that_could_mislead_is_refused() {
        let long = "x".repeat(65);
        for (text, why) in [
            ("", NameError::Empty),
            (long.as_str(), NameError::TooLong),
            ("a\u{0}b", NameError::Forbidden),
            ("a\nb", NameError::Forbidden),
            ("a/b", NameError::Forbidden),
            ("abc\u{202E}", NameError::Forbidden),
            (" a", NameError::OuterSpace),
            ("a\u{a0}", NameError::OuterSpace),
            (".", NameError::Dots),
            ("..", NameError::Dots),
        ] {
            assert_eq!(DeviceName::parse(text), Err(why), "{text:?}");
        }
        assert!(DeviceName::parse(&"x".repeat(64)).is_ok());
        assert!(DeviceName::parse("...").is_ok());
    }
}
