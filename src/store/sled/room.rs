//! Room on the disk: how much is left, and the ballast that gives way when
//! there is none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::base;
use super::disk::Room;

/// Free bytes below which nothing is begun: what endings, versions and the
/// database's own housekeeping may need until somebody makes room.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// Size of the ballast.
const BALLAST_BYTES: u64 = 16 * 1024 * 1024;

/// A file of 16 MiB that is deleted when the disk is full in spite of the
/// reserve, so that an ending can still be written.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// The ballast of a data directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            path: dir.join("ballast"),
        }
    }

    /// Lays the ballast down if it is not there and there is ample room; answers
    /// whether it lies. A disk that can not reserve blocks goes without.
    pub fn restore(&self) -> bool {
        let whole = std::fs::metadata(&self.path).is_ok_and(|meta| meta.len() == BALLAST_BYTES);
        let ample = free_bytes(&self.path.with_file_name(""))
            .is_none_or(|free| free > RESERVE_BYTES + 2 * BALLAST_BYTES);
        if whole || !ample {
            return whole;
        }
        let laid = base::private_file(&self.path).and_then(|file| reserve(&file));
        if let Err(error) = &laid {
            let _ = std::fs::remove_file(&self.path);
            tracing::debug!(target: "store", %error, "no ballast on this disk");
        }
        laid.is_ok()
    }

    /// Gives the ballast's room back to the disk.
    pub fn release(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn reserve(file: &File) -> io::Result<()> {
    let flags = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(file, flags, 0, BALLAST_BYTES).map_err(io::Error::from)
}

/// How much room there is in a data directory.
pub fn look(dir: &Path) -> Room {
    // A file system that can not be asked is taken for one with room: the
    // write itself will say.
    let free = free_bytes(dir).unwrap_or(u64::MAX - 1);
    Room {
        free,
        low: free < RESERVE_BYTES,
    }
}

fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
