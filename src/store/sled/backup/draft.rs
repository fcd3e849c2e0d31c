//! A backup that is being written: under another name until it is whole and
//! on the disk. What is given up leaves nothing behind.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::{
    BLOCK_HEAD_BYTES, BackupError, KIND_CHANGES, KIND_MANIFEST, KIND_RECORDS, LAYOUT, MAGIC,
    Manifest, Row,
};
use crate::store::sled::base;
use crate::store::sled::codec;

/// The end of the name of a file that is not whole yet.
pub const UNFINISHED: &str = ".unfinished";

/// The file, and what was written so far.
pub struct Draft {
    place: PathBuf,
    unfinished: PathBuf,
    file: File,
    sum: Context,
    bytes: u64,
    is_whole: bool,
}

impl Draft {
    /// Begins a file for this place.
    ///
    /// # Errors
    /// Something is there already, or the disk refused.
    pub fn begin(place: &Path) -> Result<Self, BackupError> {
        if place.symlink_metadata().is_ok() {
            return Err(BackupError::Exists {
                file: place.to_owned(),
            });
        }
        let refused = |error| BackupError::Io {
            file: place.to_owned(),
            error,
        };
        let mut name = place.as_os_str().to_owned();
        name.push(UNFINISHED);
        let unfinished = PathBuf::from(name);
        let file = create(&unfinished).map_err(refused)?;
        let mut draft = Self {
            place: place.to_owned(),
            unfinished,
            file,
            sum: Context::new(&SHA256),
            bytes: 0,
            is_whole: false,
        };
        draft.append(MAGIC).map_err(refused)?;
        Ok(draft)
    }

    /// Writes records of one tree as they were read.
    pub fn records(&mut self, rows: &[Row<'_>]) -> Result<(), BackupError> {
        let block = block(KIND_RECORDS, &codec::encode_as(LAYOUT, &rows));
        self.put(&block)
    }

    /// Writes changes in their order.
    pub fn changes(&mut self, rows: &[Row<'_>]) -> Result<(), BackupError> {
        let block = block(KIND_CHANGES, &codec::encode_as(LAYOUT, &rows));
        self.put(&block)
    }

    /// Writes the end, and gives the file its name when all of it is on the
    /// disk; answers its size.
    pub fn finish(mut self, manifest: &Manifest) -> Result<u64, BackupError> {
        let block = block(KIND_MANIFEST, &codec::encode_as(LAYOUT, manifest));
        self.put(&block)?;
        let sum = self.sum.clone().finish();
        let length = u32::try_from(block.len()).expect("a manifest is a few hundred bytes");
        let finished = self
            .append(sum.as_ref())
            .and_then(|()| self.append(&length.to_le_bytes()))
            .and_then(|()| self.file.sync_all())
            .map(|()| self.forget_pages())
            .and_then(|()| std::fs::rename(&self.unfinished, &self.place));
        finished.map_err(|error| self.refused(error))?;
        self.is_whole = true;
        base::sync_dir(folder_of(&self.place)).map_err(|error| self.refused(error))?;
        Ok(self.bytes)
    }

    /// Whoever reads it back reads the disk, and what was in memory before stays.
    fn forget_pages(&self) {
        let advice = rustix::fs::Advice::DontNeed;
        // Only advice: a file system without it reads from memory.
        let _ = rustix::fs::fadvise(&self.file, 0, None, advice);
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.append(bytes).map_err(|error| self.refused(error))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn refused(&self, error: io::Error) -> BackupError {
        BackupError::Io {
            file: self.place.clone(),
            error,
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_whole {
            // Nobody reads a file of this name; the next backup removes it, too.
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}

/// The folder that a file is in.
pub fn folder_of(file: &Path) -> &Path {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn block(kind: u8, record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).expect("blocks are bounded by their rows");
    let mut block = Vec::with_capacity(BLOCK_HEAD_BYTES + record.len());
    block.push(kind);
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(record);
    block
}

fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // One that a kill has left.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600).open(path)
}
