//! Where a database goes that can not be trusted.

use std::path::{Path, PathBuf};

use crate::model::Timestamp;
use crate::store::sled::base;
use crate::store::sled::disk::SledDisk;
use crate::store::sled::open::OpenError;
use crate::store::sled::room;

/// Quarantined databases kept: the disk of a shop is small.
const KEPT_MAX: usize = 2;
const PREFIX: &str = "quarantine-";

/// A full disk makes sled fail in ways that look like damage: then nothing is
/// moved.
pub fn refuse_without_room(dir: &Path) -> Result<(), OpenError> {
    if room::look(dir).low {
        return Err(OpenError::Io(std::io::Error::from(
            std::io::ErrorKind::StorageFull,
        )));
    }
    Ok(())
}

/// Moves the database aside; durable when this returns. Older quarantines make
/// room.
pub fn move_database(dir: &Path, wall: Timestamp) -> std::io::Result<PathBuf> {
    move_folder(dir, &SledDisk::db_dir(dir), wall)
}

/// The same for a database that stands under another name.
pub fn move_folder(dir: &Path, folder: &Path, wall: Timestamp) -> std::io::Result<PathBuf> {
    forget_oldest(dir)?;
    let place = free_place(dir, wall, "");
    std::fs::rename(folder, &place)?;
    base::sync_dir(dir)?;
    Ok(place)
}

/// A name for something moved aside that is not taken.
pub fn free_place(dir: &Path, wall: Timestamp, kind: &str) -> PathBuf {
    let stamp = wall.to_string().replace(':', "").replace('.', "-");
    let names = (0_u32..).map(|n| match n {
        0 => format!("{PREFIX}{kind}{stamp}"),
        n => format!("{PREFIX}{kind}{stamp}-{n}"),
    });
    names
        .map(|name| dir.join(name))
        .find(|place| !place.exists())
        .expect("there are more numbers than files")
}

fn forget_oldest(dir: &Path) -> std::io::Result<()> {
    let mut places: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            places.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    places.sort();
    let surplus = (places.len() + 1).saturating_sub(KEPT_MAX);
    for (_, place) in places.into_iter().take(surplus) {
        std::fs::remove_dir_all(place)?;
    }
    Ok(())
}
