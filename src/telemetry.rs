//! Logs: to standard error, as text or JSON, and to files of bounded size.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt as _};

use crate::config::{Config, LogFormat};

mod file;

pub use file::Flush;
use file::LogFile;

/// How much a process says when nothing else is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// A server: as the configuration says.
    Server,
    /// A single command: only what went wrong.
    Command,
}

/// An option of the log can not be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The level can not be read.
    #[error("log.level: '{level}' can not be read: {why}; use error, warn, info or debug")]
    Level {
        /// What was configured.
        level: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file can not be opened.
    #[error(
        "log.file: {file}: {why}; name a file in a folder that the server may write to, or off"
    )]
    File {
        /// What was configured.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Starts logging. What is answered is to be kept until the process ends: then
/// the file has what was said last, too.
///
/// # Errors
/// When `log.level` can not be read, or `log.file` not be opened.
pub fn start(config: &Config, noise: Noise) -> Result<Option<Flush>, LogError> {
    let level = match noise {
        Noise::Server => config.log.level.as_str(),
        Noise::Command => "warn",
    };
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|error| LogError::Level {
            level: level.to_owned(),
            why: error.to_string(),
        })?;
    // Commands beside a server leave its files alone.
    let path = config.log.file.as_ref().filter(|_| noise == Noise::Server);
    let file = path.map(|path| {
        let to = LogFile {
            path: path.clone(),
            bytes_max: config.log.file_mib_max * 1024 * 1024,
            keep: config.log.file_keep,
        };
        file::start(&to).map_err(|error| LogError::File {
            file: path.display().to_string(),
            why: error.to_string(),
        })
    });
    let (writer, flush) = match file.transpose()? {
        Some((log, flush)) => (BoxMakeWriter::new(std::io::stderr.and(log)), Some(flush)),
        None => (BoxMakeWriter::new(std::io::stderr), None),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // It would complain on standard error that standard error is gone, and panic.
        .log_internal_errors(false)
        .with_ansi(flush.is_none() && std::io::stderr().is_terminal());
    match config.log.format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(flush)
}
