//! What an operator is told of an opening.

use std::fmt;
use std::path::PathBuf;

use crate::store::sled::base::ReadBaseError;
use crate::store::sled::codec::{CodecError, FORMAT, format};

/// Why a data directory was not opened. `Display` names the option and the
/// remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works on it.
    #[error(
        "data_dir: {} is in use by another tillgate; stop that one, or name another directory \
         with --data-dir", .dir.display()
    )]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// A newer version has written it.
    #[error(
        "data_dir: it is in disk format {format}, and this version understands {FORMAT}; install \
         the newer tillgate again"
    )]
    Newer {
        /// Its format number.
        format: u8,
    },
    /// An older version has written it, and the backup before the upgrade can
    /// not be made.
    #[error(
        "data_dir: it is in disk format {format}, and the backup that comes before the upgrade can \
         not be made ({why}); see that {} can be written, or install the older tillgate again",
        .place.display()
    )]
    NoBackup {
        /// Its format number.
        format: u8,
        /// Where the backup was to be.
        place: PathBuf,
        /// Why not.
        why: String,
    },
    /// Neither the database nor a base file can be read.
    #[error(
        "data_dir: {} can not be read ({why}), and there is no good base file beside it; bring \
         the directory back from a backup, or move it away to start empty", .dir.display()
    )]
    Damaged {
        /// The data directory.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A restore into it was not completed.
    #[error(
        "data_dir: a restore into {} was interrupted; run 'tillgate restore FILE' with this \
         directory again", .dir.display()
    )]
    HalfRestored {
        /// The data directory.
        dir: PathBuf,
    },
    /// Something else has its name.
    #[error(
        "data_dir: {} is no directory; name another one with --data-dir", .dir.display()
    )]
    NoDirectory {
        /// What was to be the data directory.
        dir: PathBuf,
    },
    /// The disk refused.
    #[error("data_dir: {0}; see that the directory can be written and the disk has room")]
    Io(#[from] std::io::Error),
}

impl From<ReadBaseError> for OpenError {
    fn from(error: ReadBaseError) -> Self {
        match error {
            ReadBaseError::Io(error) => Self::Io(error),
            ReadBaseError::Codec(CodecError::Newer(format)) => Self::Newer { format },
            ReadBaseError::Codec(CodecError::Damaged(why)) => Self::Damaged {
                dir: PathBuf::new(),
                why: why.to_owned(),
            },
        }
    }
}

/// Something that was found and dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// sled's snapshot file was torn; the database opened without it.
    SnapshotMovedAside,
    /// The database could not be trusted.
    Quarantined {
        /// Where it is.
        place: PathBuf,
        /// Why.
        why: String,
    },
    /// The database is gone, the base files are there.
    DatabaseMissing,
    /// Every record was written in this version's format.
    Upgraded {
        /// The format before.
        from: u8,
        /// The backup from before.
        backup: PathBuf,
    },
    /// A base file could not be read.
    BaseDamaged,
    /// The base file was behind the database, or damaged, and is whole again.
    BaseRewritten,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SnapshotMovedAside => f.write_str(
                "the database's snapshot file was torn; nothing is lost, the start took longer",
            ),
            Self::Quarantined { place, why } => write!(
                f,
                "the database can not be trusted ({why}): it was moved to {}, users, devices and \
                 roles come from the base file, and everybody has to log in again",
                place.display()
            ),
            Self::DatabaseMissing => f.write_str(
                "the database is missing: users, devices and roles come from the base file, and \
                 everybody has to log in again",
            ),
            Self::Upgraded { from, backup } => write!(
                f,
                "the data directory was upgraded from disk format {from} to {}; {} is a backup \
                 from before",
                format(),
                backup.display()
            ),
            Self::BaseDamaged => f.write_str("a base file was damaged"),
            Self::BaseRewritten => f.write_str("the base file was written again from the database"),
        }
    }
}
