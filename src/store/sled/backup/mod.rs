//! Backups: one file with every record of a store as of a point between two
//! groups, made beside the running server, and a store made from it again.
//!
//! ```text
//! "TILLGATE BACKUP\n" (16)
//! block*    kind (1) | length of the record (4, little-endian) | record
//! SHA-256 of everything before it (32) | length of the last block (4)
//! ```
//!
//! A record is `format version | bincode | CRC-32`, as in the database. Blocks
//! of kind 1 hold records as they were read while the server went on, in the
//! order of trees and keys; blocks of kind 2 the changes of every group since
//! then, in their order; the last block, of kind 3, is the manifest with the
//! head of the last group. Both together are the store as of that group, and
//! the digests in the head prove it.
//!
//! Not in it: the installation key, the signing keys, what refresh tokens are
//! made from, and the indexes, which follow from the records.

mod check;
mod draft;
mod file;
mod folder;
mod online;
mod restore;
mod take;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use check::{Checked, check};
pub use file::look;
pub use folder::{BackupFolder, Kept};
pub use restore::{MARKER, RestoreError, Restored, restore};
pub use take::take_stopped;

use super::codec;
use crate::model::Timestamp;
use crate::store::StoreError;

/// How many of what there are in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Devices.
    pub devices: u64,
    /// Roles.
    pub roles: u64,
    /// API keys.
    pub api_keys: u64,
    /// Live sessions; a restore ends them.
    pub sessions: u64,
    /// Ended sessions.
    pub ended: u64,
    /// Audit entries.
    pub audit: u64,
    /// Names with failed logins.
    pub lockouts: u64,
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Where it is.
    pub file: PathBuf,
    /// The number of the disk format of its records.
    pub format: u8,
    /// The version of Tillgate that made it.
    pub made_by: String,
    /// The trusted time at which it was made.
    pub taken_at: Timestamp,
    /// The number of the last group in it.
    pub commit: u64,
    /// The epoch of that group.
    pub epoch: u64,
    /// Tells installation keys apart; gives nothing of the key away. Zeros where
    /// the key was not at hand.
    pub key_mark: [u8; 8],
    /// How many of what there are.
    pub counts: Counts,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct BackupOrder {
    /// Where to; nothing may be there yet.
    pub file: PathBuf,
    /// The trusted time now.
    pub now: Timestamp,
    /// The mark of the installation key in use.
    pub key_mark: [u8; 8],
}

/// The mark of a backup that was made without the key at hand.
pub const KEY_UNKNOWN: [u8; 8] = [0; 8];

/// Hears how many of about how many records are done.
pub type Progress = dyn Fn(u64, u64) + Send + Sync;

/// Why there is no backup. `Display` names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One is being made.
    #[error("another backup is being made; wait until it is done")]
    Running,
    /// Something is in its place.
    #[error("{} is there already; name another file, or remove it", .file.display())]
    Exists {
        /// The place.
        file: PathBuf,
    },
    /// The store keeps its data somewhere else.
    #[error("this store makes no backups of its own; use those of its database")]
    Elsewhere,
    /// The writer did not answer as it should.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The store was closed, or whoever asked for it has left.
    #[error("the backup was broken off; nothing is left of it")]
    Cancelled,
    /// The disk refused.
    #[error("{}: {error}; choose a place that can be written and has room", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database could not be read.
    #[error("the database can not be read: {0}; restart the server, it repairs what it can")]
    Database(std::io::Error),
}

/// Why a backup was not read. `Display` names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is not there, or the disk refused.
    #[error("the backup {}: {error}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A newer version has written it.
    #[error(
        "the backup {} is in disk format {format}, and this version understands {}; use the newer \
         tillgate", .file.display(), codec::FORMAT
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format number.
        format: u8,
    },
    /// Not what was written.
    #[error("the backup {} is damaged: {why}; use another one", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl CheckError {
    fn io(file: &Path) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::Io {
            file: file.to_owned(),
            error,
        }
    }

    fn damaged(file: &Path, why: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            why: why.into(),
        }
    }
}

/// The last block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    made_by: String,
    taken_at: i64,
    key_mark: [u8; 8],
    counts: Counts,
    /// The record of the head, as the database has it.
    head: Vec<u8>,
}

/// What a block says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Content<'a> {
    /// This is under it.
    Value(#[serde(borrow)] &'a [u8]),
    /// Something is under it that backups do not hold; its hash in the digest.
    Withheld(u64),
    /// Nothing is under it any more.
    Gone,
}

/// What a block says: of which tree, which key, what.
type Row<'a> = (u8, &'a [u8], Content<'a>);

/// The format number of blocks. Records within them have their own.
const LAYOUT: u8 = 1;
const MAGIC: &[u8; 16] = b"TILLGATE BACKUP\n";
const KIND_RECORDS: u8 = 1;
const KIND_CHANGES: u8 = 2;
const KIND_MANIFEST: u8 = 3;
/// Kind and length before a block's record.
const BLOCK_HEAD_BYTES: usize = 5;
/// SHA-256 and the length of the last block.
const TAIL_BYTES: usize = 36;
/// No block is longer: what says so is damaged.
const BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;
