//! Reading a backup whole: every sum, every record, and the digests of the
//! head against all of them.

use std::path::Path;

use super::file::BackupFile;
use super::{BackupInfo, CheckError, Progress};
use crate::store::sled::disk::Head;
use crate::store::sled::open::read::{self, Contents, Unreadable};

/// A backup that is what was written, and everything in it.
#[derive(Debug)]
pub struct Checked {
    /// What it says of itself.
    pub info: BackupInfo,
    /// The head of its last group.
    pub(super) head: Head,
    /// Its records.
    pub(super) contents: Contents,
}

/// Reads all of a backup; changes nothing. `progress` hears bytes.
///
/// # Errors
/// [`CheckError`].
pub fn check(path: &Path, progress: &Progress) -> Result<Checked, CheckError> {
    let mut file = BackupFile::open(path, progress)?;
    let head = file.head.clone();
    let mut contents = read::records(&mut file, Some(&head)).map_err(|error| match error {
        Unreadable::Newer(format) => CheckError::Newer {
            file: path.to_owned(),
            format,
        },
        Unreadable::Damaged(why) => CheckError::damaged(path, why),
    })?;
    contents.derive(file.withheld);
    let Some(head) = contents.head.clone() else {
        return Err(CheckError::damaged(path, "the head is missing"));
    };
    let fits = contents.fits(&head);
    fits.map_err(|why| CheckError::damaged(path, why))?;
    Ok(Checked {
        info: file.info,
        head,
        contents,
    })
}
