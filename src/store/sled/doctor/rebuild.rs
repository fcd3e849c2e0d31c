//! A database whose records are proved whole, written once more with its
//! indexes made from them. The old one goes to quarantine.
//!
//! A stop on the way leaves the old database or the new one under the name, and
//! on a file system that can not exchange two names perhaps none and good base
//! files: never a part of the new one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::model::Timestamp;
use crate::store::sled::base;
use crate::store::sled::disk::{Head, SledDisk, Trees, as_io};
use crate::store::sled::keys;
use crate::store::sled::open::read::{self, Contents, Unreadable};
use crate::store::sled::open::{OpenError, quarantine, trees};
use crate::store::sled::verify;

/// Where the new database stands until it is whole.
pub const FOLDER: &str = "rebuilt.tmp";
/// Entries in one step.
const STEP_ENTRIES: usize = 512;

/// Writes the database anew. The caller has found that all but the indexes is
/// whole, and holds the lock.
pub fn rebuild(dir: &Path, wall: Timestamp) -> Result<(), OpenError> {
    quarantine::refuse_without_room(dir)?;
    let mut notices = Vec::new();
    let damaged = |why: String| OpenError::Damaged {
        dir: dir.to_owned(),
        why,
    };
    let old = trees::open(dir, wall, &mut notices)?.map_err(damaged)?;
    let contents = match read::without_indexes(&old) {
        Ok(contents) => contents,
        Err(Unreadable::Newer(format)) => return Err(OpenError::Newer { format }),
        Err(Unreadable::Damaged(why)) => return Err(damaged(why)),
    };
    let place = dir.join(FOLDER);
    let new = Trees::open(&place).map_err(as_io)?;
    write(&old, &contents, &new)?;
    drop(new);
    trees::abandon(old);
    sync_folder(&place)?;
    let aside = change_places(dir, &place, wall)?;
    tracing::warn!(target: "store", place = %aside.display(), "the database was written anew with fresh indexes");
    Ok(())
}

/// The new database takes the old one's name, in one step where the file system
/// can do that.
fn change_places(dir: &Path, new: &Path, wall: Timestamp) -> io::Result<PathBuf> {
    let database = SledDisk::db_dir(dir);
    match renameat_with(CWD, new, CWD, &database, RenameFlags::EXCHANGE) {
        Ok(()) => {
            base::sync_dir(dir)?;
            quarantine::move_folder(dir, new, wall)
        }
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = quarantine::move_database(dir, wall)?;
            std::fs::rename(new, &database)?;
            base::sync_dir(dir)?;
            Ok(aside)
        }
        Err(error) => Err(error.into()),
    }
}

fn write(old: &Trees, contents: &Contents, new: &Trees) -> io::Result<()> {
    for ((_, from), (_, to)) in old.records().into_iter().zip(new.records()) {
        let entries = from
            .iter()
            .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())));
        fill(new, to, entries)?;
    }
    let (by_last_access, by_user) = verify::wanted(&contents.sessions);
    let bare = |key: Vec<u8>| Ok((key, Vec::new()));
    fill(
        new,
        &new.by_last_access,
        by_last_access.into_iter().map(bare),
    )?;
    fill(new, &new.by_user, by_user.into_iter().map(bare))?;
    if let Some(head) = &contents.head {
        let mut head: Head = head.clone();
        (head.stored.by_last_access, head.stored.by_user) = verify::digests(&contents.sessions);
        new.meta.insert(keys::HEAD, head.encode()).map_err(as_io)?;
        new.db.flush().map_err(as_io)?;
    }
    Ok(())
}

/// In small steps, each flushed: sled holds what is not flushed in memory.
fn fill(
    new: &Trees,
    tree: &sled::Tree,
    entries: impl Iterator<Item = sled::Result<(Vec<u8>, Vec<u8>)>>,
) -> io::Result<()> {
    let mut entries = entries.peekable();
    while entries.peek().is_some() {
        let mut step = sled::Batch::default();
        for entry in entries.by_ref().take(STEP_ENTRIES) {
            let (key, value) = entry.map_err(as_io)?;
            step.insert(key, value);
        }
        tree.apply_batch(step).map_err(as_io)?;
        new.db.flush().map_err(as_io)?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_folder(&path)?;
        } else {
            File::open(path)?.sync_all()?;
        }
    }
    base::sync_dir(folder)
}
