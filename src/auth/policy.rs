//! What a new password must be like. Pure: the rules, the list of common
//! passwords, and the words that are too near at hand.

use std::collections::HashSet;

use super::secret::Secret;
use crate::model::Env;

mod common;
#[cfg(test)]
mod tests;

/// Longest password, in bytes, that is looked at.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// A word near at hand that is shorter says nothing about a password.
const WORD_CHARS_MIN: usize = 3;

/// The rules for new passwords.
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    /// The shortest, in characters. Shorter ones made of digits are PINs.
    pub chars_min: usize,
    /// Whether a letter and a digit must be in it (PCI DSS 8.3.6; ASVS 6.2.5
    /// asks for no such rule).
    pub letters_and_digits: bool,
    /// Where a PIN is enough, by [`Env::index`].
    pub pin_envs: [bool; Env::ALL.len()],
    /// The shortest PIN, in digits.
    pub pin_chars_min: usize,
    /// Passwords that nobody may take.
    pub blocked: Blocked,
    /// How many passwords before the present one a user may not take again; the
    /// present one neither, unless this is 0 (PCI DSS 8.3.7).
    pub former: usize,
}

/// Passwords that nobody may take.
#[derive(Clone, Debug, Default)]
pub struct Blocked {
    /// In lower case.
    listed: HashSet<Box<str>>,
    /// Words that are no better with digits and signs around them.
    words: HashSet<Box<str>>,
}

/// What is near at hand for who guesses a user's password.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Names of the user, of the devices.
    pub names: Vec<String>,
    /// The environments of all of the user's devices.
    pub envs: Vec<Env>,
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Fewer characters than this.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More bytes than are looked at.
    #[error("must have at most {0} bytes")]
    TooLong(usize),
    /// Letters only, or digits only, where both are asked for.
    #[error("must hold a letter and a digit")]
    OneKind,
    /// Among those that are tried first.
    #[error("is one of the passwords that are tried first")]
    Common,
    /// One that the user had before.
    #[error("is one of the user's last passwords")]
    Former,
    /// A name with something around it.
    #[error("is made from a name of the user or of a device")]
    Name,
}

impl PasswordPolicy {
    /// Whether a user may take this password.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn judge(&self, password: &Secret, about: &About) -> Result<(), PolicyFault> {
        let text = password.expose();
        let chars = text.chars().count();
        let is_pin = self.is_pin(text) && self.allows_pins(&about.envs);
        let chars_min = if is_pin {
            self.pin_chars_min
        } else {
            self.chars_min
        };
        if chars < chars_min {
            return Err(PolicyFault::TooShort(chars_min));
        }
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(PolicyFault::TooLong(PASSWORD_BYTES_MAX));
        }
        let has = |kind: fn(char) -> bool| text.chars().any(kind);
        if self.letters_and_digits
            && !is_pin
            && !(has(char::is_alphabetic) && has(|c| c.is_ascii_digit()))
        {
            return Err(PolicyFault::OneKind);
        }
        if self.blocked.has(text) {
            return Err(PolicyFault::Common);
        }
        if about.names.iter().any(|name| is_made_from(text, name)) {
            return Err(PolicyFault::Name);
        }
        Ok(())
    }

    /// Whether a password that is right opens a session in this environment: a
    /// PIN does so only where PINs are enough, however it came to be stored.
    #[must_use]
    pub fn opens(&self, password: &Secret, env: Env) -> bool {
        !self.is_pin(password.expose()) || self.pin_envs[env.index()]
    }

    fn is_pin(&self, text: &str) -> bool {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits && text.len() < self.chars_min
    }

    fn allows_pins(&self, envs: &[Env]) -> bool {
        !envs.is_empty() && envs.iter().all(|env| self.pin_envs[env.index()])
    }
}

impl Blocked {
    /// The common passwords that `common` makes.
    #[must_use]
    pub fn common() -> Self {
        Self {
            listed: common::all(),
            words: common::WORDS.iter().map(|word| (*word).into()).collect(),
        }
    }

    /// Adds the lines of a list. Empty ones and the case do not count.
    pub fn extend(&mut self, lines: &str) {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        self.listed
            .extend(lines.map(|line| line.to_lowercase().into_boxed_str()));
    }

    fn has(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let core = core(&text);
        self.listed.contains(text.as_str())
            || (core.chars().count() >= WORD_CHARS_MIN
                && (self.words.contains(core) || self.listed.contains(core)))
    }
}

/// A text without the digits and signs around it.
fn core(text: &str) -> &str {
    text.trim_matches(|character: char| !character.is_alphabetic())
}

/// Whether a password is a name, or one with digits and signs around it.
fn is_made_from(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let names = name.split_whitespace().chain([name.as_str()]);
    names
        .filter(|name| name.chars().count() >= WORD_CHARS_MIN)
        .any(|name| {
            let twice = name.repeat(2);
            let letters = core(name);
            text == name
                || text == twice
                || (letters.chars().count() >= WORD_CHARS_MIN && core(&text) == letters)
        })
}
