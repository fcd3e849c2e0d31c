//! What is said when the configuration is wrong: always the option, its value,
//! the reason and the remedy.

use std::path::PathBuf;

use super::source::Source;

/// The configuration is wrong. The text is a whole sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can not be read.
    #[error("--config: {}: {error}; name a file that exists and is readable", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: this is not TOML: {message}", .path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// The file has a key that does not exist.
    #[error("{}, line {line}: there is no option '{key}'; {}", .path.display(), remedy(.nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The whole key, with its section.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The environment has a variable that does not exist.
    #[error("there is no option for the environment variable {name}; {} or unset it", remedy(.nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that was probably meant.
        nearest: Option<String>,
    },
    /// An option has a value that it can not have.
    #[error("{option}: '{value}' ({place}) {reason}")]
    Invalid {
        /// The option, with its section.
        option: &'static str,
        /// The value as it was given.
        value: String,
        /// Where it was given.
        place: String,
        /// Why not, and what to write instead.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(
        option: &'static str,
        source: &Source,
        value: &str,
        reason: String,
    ) -> Self {
        Self::Invalid {
            option,
            value: value.to_owned(),
            place: source.to_string(),
            reason,
        }
    }
}

fn remedy(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean '{nearest}'? Correct it"),
        None => "'tillgate config show' lists all options; remove it".to_owned(),
    }
}
