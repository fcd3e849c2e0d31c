//! `tillgate backup`, `backup verify` and `restore`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::Place;
use super::control::{self, Request};
use super::exit::{Exit, Failure};
use super::{ask, compose, load, runtime, show, start_logs};
use crate::auth::installation::InstallationKey;
use crate::clock::{SystemTimeSource, TimeSource};
use crate::config::Config;
use crate::store::sled::backup::{self, CheckError, KEY_UNKNOWN, RestoreError, Restored};
use crate::store::{BackupError, BackupInfo};
use crate::telemetry;

/// How many days behind the computer's clock a backup's time may be before a
/// start wants the clock confirmed.
const MARK_BEHIND_DAYS_MAX: u64 = 7;

/// Makes a backup, inside the server when one runs.
pub fn make(file: &Path, place: &Place) -> Result<(), Failure> {
    let file = std::path::absolute(file).map_err(|error| Failure::new(Exit::Usage, error))?;
    let made = ask(place, Request::Backup { file: file.clone() })?;
    out!("{} holds {}.", file.display(), spell_counts(&made));
    out!("Keep the key file apart from it: docs/backup.md says why.");
    Ok(())
}

/// Reads a backup whole, and says what is in it.
pub fn verify(file: &Path, as_json: bool, place: &Place) -> Result<(), Failure> {
    let config = load(place)?;
    start_logs(&config, telemetry::Noise::Command)?;
    let (progress, bar) = show::Progress::shared("reading");
    let checked = backup::check(file, &*progress);
    bar.end();
    let info = checked.map_err(|error| check_failure(&error))?.info;
    let key = Key::of(&config, &info)?;
    let mut value = describe(&info);
    value["key"] = key.as_str().into();
    if as_json {
        out!("{value:#}");
        return Ok(());
    }
    out!("{} is whole: {}.", file.display(), spell_counts(&value));
    out!("taken   {} by tillgate {}", info.taken_at, info.made_by);
    out!("format  {}", info.format);
    out!("group   {}, epoch {}", info.commit, info.epoch);
    out!("key     {}", key.sentence(&config.key_file));
    Ok(())
}

/// Makes a data directory from a backup.
pub fn restore(file: &Path, without_key: bool, place: &Place) -> Result<(), Failure> {
    let config = load(place)?;
    start_logs(&config, telemetry::Noise::Command)?;
    if runtime()?.block_on(control::is_running(&config.data_dir)) {
        let sentence = "a server is running on this data directory; a restore needs an empty one";
        return Err(Failure::new(Exit::Temporary, sentence));
    }
    let (progress, bar) = show::Progress::shared("reading");
    let checked = backup::check(file, &*progress);
    bar.end();
    let checked = checked.map_err(|error| check_failure(&error))?;
    refuse_wrong_key(&config, &checked.info, without_key)?;
    let is_over = Arc::new(AtomicBool::new(false));
    give_up_on_interrupt(&is_over)?;
    let (progress, bar) = show::Progress::shared("restoring");
    let (dir, rules) = (&config.data_dir, config.rules());
    let restored = backup::restore(checked, dir, &rules, &is_over, &*progress);
    bar.end();
    say(&restored.map_err(restore_failure)?, dir);
    Ok(())
}

fn say(restored: &Restored, dir: &Path) {
    let Restored { info, ended, .. } = restored;
    let counts = spell_counts(&describe(info));
    out!("{} is as of {}: {counts}.", dir.display(), info.taken_at);
    out!("{ended} sessions of then are ended; everybody has to log in again.");
    let behind = SystemTimeSource.wall().since(info.taken_at).as_secs() / (24 * 3600);
    if behind >= MARK_BEHIND_DAYS_MAX {
        out!(
            "The backup is {behind} days old. If the computer's clock is right, start the server \
             and run 'tillgate clock confirm'."
        );
    }
}

/// What the installation key at hand is to a backup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Fits,
    Other,
    Missing,
    Unknown,
}

impl Key {
    fn of(config: &Config, info: &BackupInfo) -> Result<Self, Failure> {
        let key = InstallationKey::load(&config.key_file)
            .map_err(|error| Failure::new(Exit::Config, format!("key_file: {error}")))?;
        Ok(match key {
            _ if info.key_mark == KEY_UNKNOWN => Self::Unknown,
            None => Self::Missing,
            Some(key) if key.mark() == info.key_mark => Self::Fits,
            Some(_) => Self::Other,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Other => "other",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }

    fn sentence(self, file: &Path) -> String {
        let what = match self {
            Self::Fits => "is the one that belongs to it",
            Self::Other => "belongs to another installation",
            Self::Missing => "is not there",
            Self::Unknown => "may be the one that belongs to it; the backup does not say",
        };
        format!("{} {what}", file.display())
    }
}

/// Without their key the secrets of API keys can not be read.
fn refuse_wrong_key(config: &Config, info: &BackupInfo, without: bool) -> Result<(), Failure> {
    let key = Key::of(config, info)?;
    let keys = info.counts.api_keys;
    if matches!(key, Key::Fits | Key::Unknown) || keys == 0 || without {
        return Ok(());
    }
    let sentence = format!(
        "key_file: {}, and the secrets of {keys} API keys in the backup open with no other: put \
         the right file there or name it with --key-file. With --without-key they are restored \
         all the same, and need new secrets before anybody can sign with them",
        key.sentence(&config.key_file)
    );
    Err(Failure::new(Exit::Config, sentence))
}

/// A restore that is broken off takes away what it has made.
fn give_up_on_interrupt(is_over: &Arc<AtomicBool>) -> Result<(), Failure> {
    let is_over = Arc::clone(is_over);
    let runtime = runtime()?;
    // Before anything is made: from here on the signal ends nothing by itself.
    let mut interrupts = runtime.block_on(async { interrupts() })?;
    std::thread::spawn(move || {
        let interrupted = runtime.block_on(interrupts.recv());
        is_over.store(interrupted.is_some(), Ordering::Relaxed);
    });
    Ok(())
}

fn interrupts() -> Result<Signal, Failure> {
    signal(SignalKind::interrupt()).map_err(|error| Failure::new(Exit::Io, error))
}

/// A backup as JSON.
pub fn describe(info: &BackupInfo) -> Value {
    let counts = info.counts;
    json!({
        "file": info.file,
        "takenAt": info.taken_at.to_string(),
        "madeBy": info.made_by,
        "format": info.format,
        "commit": info.commit,
        "epoch": info.epoch,
        "bytes": info.bytes,
        "users": counts.users,
        "devices": counts.devices,
        "roles": counts.roles,
        "apiKeys": counts.api_keys,
        "sessions": counts.sessions,
        "endedSessions": counts.ended,
        "auditEntries": counts.audit,
        "lockouts": counts.lockouts,
    })
}

fn spell_counts(described: &Value) -> String {
    let count = |member: &str| described[member].as_u64().unwrap_or_default();
    format!(
        "{} users, {} devices, {} roles, {} API keys, {} sessions, {} ended ones, {} audit entries",
        count("users"),
        count("devices"),
        count("roles"),
        count("apiKeys"),
        count("sessions"),
        count("endedSessions"),
        count("auditEntries"),
    )
}

/// Why there is no backup, as the command line says it.
pub fn backup_failure(error: BackupError) -> Failure {
    let exit = match error {
        BackupError::Store(error) => return super::operate::service_failure(error.into()),
        BackupError::Running => Exit::Temporary,
        BackupError::Exists { .. } => Exit::Refused,
        BackupError::Cancelled | BackupError::Elsewhere => Exit::Failure,
        BackupError::Io { .. } | BackupError::Database(_) => Exit::Io,
    };
    Failure::new(exit, error)
}

fn check_failure(error: &CheckError) -> Failure {
    let exit = match error {
        CheckError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
            Exit::NoInput
        }
        CheckError::Io { .. } => Exit::Io,
        CheckError::Newer { .. } => Exit::Newer,
        CheckError::Damaged { .. } => Exit::Data,
    };
    Failure::new(exit, error)
}

fn restore_failure(error: RestoreError) -> Failure {
    match error {
        RestoreError::Open(error) => compose::open_failure(error),
        RestoreError::NotEmpty { .. } => Failure::new(Exit::Refused, error),
        RestoreError::Cancelled => Failure::new(Exit::Failure, error),
    }
}

/// Where a backup of a stopped store stops when the operator presses Ctrl-C.
pub async fn or_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut interrupts = interrupts()?;
    tokio::select! {
        done = work => done,
        _ = interrupts.recv() => Err(backup_failure(BackupError::Cancelled)),
    }
}
