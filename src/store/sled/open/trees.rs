//! Opening sled on files that may be damaged: 0.34 panics on most damage, and
//! refuses a torn snapshot file that it does not need.

use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::error::{Notice, OpenError};
use super::quarantine;
use crate::model::Timestamp;
use crate::store::sled::disk::{SledDisk, Trees};

/// Opens the database; the inner error says why it is damaged.
///
/// # Errors
/// The system refuses (rights, room, files), or somebody else holds the file:
/// no sign of damage.
pub fn open(
    dir: &Path,
    wall: Timestamp,
    notices: &mut Vec<Notice>,
) -> Result<Result<Trees, String>, OpenError> {
    let db_dir = SledDisk::db_dir(dir);
    remove_generating(&db_dir)?;
    read_ahead(&db_dir);
    let first = match attempt(dir)? {
        Ok(trees) => return Ok(Ok(trees)),
        Err(why) => why,
    };
    if !move_snapshots(dir, &db_dir, wall)? {
        return Ok(Err(first));
    }
    let second = attempt(dir)?;
    if second.is_ok() {
        notices.push(Notice::SnapshotMovedAside);
    }
    Ok(second)
}

/// Asks the system for the whole file, from its begin to its end: sled reads it
/// page by page in no order, for which a hard disk would take minutes.
fn read_ahead(db_dir: &Path) {
    let Ok(file) = File::open(db_dir.join("db")) else {
        return;
    };
    let ask = move || {
        // Only a hint: without it the start takes longer.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::WillNeed);
    };
    let _ = std::thread::Builder::new()
        .name("tillgate-ahead".to_owned())
        .spawn(ask);
}

fn attempt(dir: &Path) -> Result<Result<Trees, String>, OpenError> {
    let db_dir = SledDisk::db_dir(dir);
    match catch_unwind(AssertUnwindSafe(|| Trees::open(&db_dir))) {
        Ok(Ok(trees)) => Ok(Ok(trees)),
        Ok(Err(sled::Error::Io(error))) if error.kind() == ErrorKind::WouldBlock => {
            let dir = dir.to_owned();
            Err(OpenError::Locked { dir })
        }
        Ok(Err(sled::Error::Io(error))) if !speaks_of_damage(&error) => Err(OpenError::Io(error)),
        Ok(Err(error)) => Ok(Err(error.to_string())),
        Err(_) => Ok(Err("opening it panicked".to_owned())),
    }
}

fn speaks_of_damage(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::NotFound
            | ErrorKind::Other
            | ErrorKind::UnexpectedEof
    )
}

/// A snapshot that was being written when the power went is worth nothing.
fn remove_generating(db_dir: &Path) -> std::io::Result<()> {
    for name in snapshots(db_dir)? {
        if name.ends_with(".generating") {
            std::fs::remove_file(db_dir.join(name))?;
        }
    }
    Ok(())
}

fn move_snapshots(dir: &Path, db_dir: &Path, wall: Timestamp) -> std::io::Result<bool> {
    let names = snapshots(db_dir)?;
    if names.is_empty() {
        return Ok(false);
    }
    let place = quarantine::free_place(dir, wall, "snapshot-");
    std::fs::create_dir(&place)?;
    for name in names {
        std::fs::rename(db_dir.join(&name), place.join(&name))?;
    }
    Ok(true)
}

fn snapshots(db_dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(db_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("snap.") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Lets go of a damaged database; closing it may panic as well.
pub fn abandon(trees: Trees) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(trees)));
}
