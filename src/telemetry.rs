//! Logs: to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// How much a process says when nothing else is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// A server: as the configuration says.
    Server,
    /// A single command: only what went wrong.
    Command,
}

/// `log.level` can not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log.level: '{level}' can not be read: {why}; use error, warn, info or debug")]
pub struct LevelError {
    /// What was configured.
    level: String,
    /// What is wrong with it.
    why: String,
}

/// Starts logging.
///
/// # Errors
/// When `log.level` can not be read.
pub fn start(config: &Config, noise: Noise) -> Result<(), LevelError> {
    let level = match noise {
        Noise::Server => config.log.level.as_str(),
        Noise::Command => "warn",
    };
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|error| LevelError {
            level: level.to_owned(),
            why: error.to_string(),
        })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would complain on standard error that standard error is gone, and panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log.format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}
