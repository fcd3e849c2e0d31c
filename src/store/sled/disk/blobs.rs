//! What sled keeps beside its file: it writes a page of more than an eighth of a
//! megabyte (a few devices with large settings) into a file of its own and never
//! syncs that.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The files of large pages.
#[derive(Debug)]
pub struct Blobs {
    dir: PathBuf,
    /// Those that are on the disk whole. sled writes each once, at a place of its
    /// log that no other has while the database is open.
    synced: BTreeSet<OsString>,
}

impl Blobs {
    /// Those of the database in this folder, none of them known to be synced.
    pub fn of(db_dir: &Path) -> Self {
        Self {
            dir: db_dir.join("blobs"),
            synced: BTreeSet::new(),
        }
    }

    /// Syncs those that have come since the last time, and their folder.
    pub fn sync(&mut self) -> io::Result<()> {
        let mut there = BTreeSet::new();
        let mut any_new = false;
        let entries = match fs::read_dir(&self.dir) {
            // Somebody has removed the folder: sled can write none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            if !self.synced.contains(&name) {
                match File::open(self.dir.join(&name)) {
                    Ok(file) => file.sync_data()?,
                    // sled has just thrown it away.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                any_new = true;
            }
            there.insert(name);
        }
        if any_new {
            File::open(&self.dir)?.sync_all()?;
        }
        self.synced = there;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_come_are_synced_once_and_those_that_go_are_forgotten() {
        let db = tempfile::tempdir().expect("a folder");
        let dir = db.path().join("blobs");
        fs::create_dir(&dir).expect("made");
        let mut blobs = Blobs::of(db.path());
        blobs.sync().expect("nothing to do");
        fs::write(dir.join("7"), "page").expect("written");
        fs::write(dir.join("9"), "page").expect("written");
        blobs.sync().expect("synced");
        assert_eq!(blobs.synced, ["7".into(), "9".into()].into());
        fs::remove_file(dir.join("7")).expect("removed");
        blobs.sync().expect("nothing to do");
        assert_eq!(blobs.synced, ["9".into()].into());
        fs::remove_dir_all(dir).expect("removed");
        blobs.sync().expect("nothing to do");
    }
}
