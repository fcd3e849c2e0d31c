//! A copy of the database to look at: opening sled writes to its files, and a
//! doctor that only looks must not.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::sled::disk::SledDisk;
use crate::store::sled::room;

/// The folder of the copy, in the data directory.
pub const FOLDER: &str = "examined.tmp";
/// Room that is left to the disk beside the copy.
const SPARE_BYTES: u64 = 1024 * 1024;

/// A copy; gone when dropped.
#[derive(Debug)]
pub struct Copy {
    folder: PathBuf,
}

/// Why there is no copy.
#[derive(Debug)]
pub struct NoRoom {
    /// Bytes that it takes.
    pub needed: u64,
    /// Bytes that are free.
    pub free: u64,
}

impl Copy {
    /// Copies the database of a data directory beside it.
    pub fn of(dir: &Path) -> io::Result<Result<Self, NoRoom>> {
        let from = SledDisk::db_dir(dir);
        let (needed, free) = (bytes(&from)?, room::look(dir).free);
        if needed.saturating_add(SPARE_BYTES) > free {
            return Ok(Err(NoRoom { needed, free }));
        }
        let copy = Self {
            folder: dir.join(FOLDER),
        };
        let _ = std::fs::remove_dir_all(&copy.folder);
        let mut private = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        private.create(&copy.folder)?;
        copy_folder(&from, &SledDisk::db_dir(&copy.folder))?;
        Ok(Ok(copy))
    }

    /// What stands for the data directory.
    pub fn dir(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What stays is taken away by the next look.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Bytes in a folder and below.
pub fn bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let (path, meta) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        sum += if meta.is_dir() {
            bytes(&path)?
        } else {
            meta.len()
        };
    }
    Ok(sum)
}

/// Copies a folder and all below it to a place where there is none.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
