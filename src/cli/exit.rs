//! Exit codes, after sysexits(3), and the error that carries one.

use std::fmt;

/// Why the process ends; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything without a code of its own.
    Failure = 1,
    /// The command line was wrong (clap's own code).
    Usage = 2,
    /// Something was wrong with the data and is repaired: `doctor --fix` only.
    Repaired = 3,
    /// The data is damaged beyond what Tillgate repairs by itself.
    Data = 65,
    /// The named user, session or file does not exist.
    NoInput = 66,
    /// A disk or network call failed.
    Io = 74,
    /// Another process holds the data directory, or the server is busy.
    Temporary = 75,
    /// The data was written by a newer version; nothing was changed.
    Newer = 76,
    /// A rule of the store refuses the change.
    Refused = 77,
    /// An option is wrong.
    Config = 78,
}

/// A failure with its exit code and the sentence for the person.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with this code and sentence.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Exit {
    /// From its number, as the control socket carries it.
    pub fn from_number(number: u8) -> Self {
        [
            Self::Usage,
            Self::Repaired,
            Self::Data,
            Self::NoInput,
            Self::Io,
            Self::Temporary,
            Self::Newer,
            Self::Refused,
            Self::Config,
        ]
        .into_iter()
        .find(|exit| *exit as u8 == number)
        .unwrap_or(Self::Failure)
    }
}
