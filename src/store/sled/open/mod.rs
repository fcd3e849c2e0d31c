//! From a data directory to an open store: take the lock, open the database,
//! read everything, and decide whether it may be trusted.
//!
//! A database that is damaged, or behind what was once synced, is never served
//! as it is: an ended session could live again in it. It moves to quarantine,
//! and a new one begins from the newest users, devices and roles, without
//! sessions and in a new epoch.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::backup;
use super::base::{self, Base, BaseFiles, FoundBases};
use super::disk::{Batch, Disk, Head, SledDisk};
use super::fence::Fence;
use super::history::History;
use super::journal;
use super::proof::IndexProof;
use super::record::Records;
use super::side::{Seen, Side};
use crate::model::{
    ApiKeyId, AuditEntry, Directory, EndedSession, NameKey, SessionId, Timestamp, UserLock,
};
use crate::store::outbox::OutboxRecords;

mod error;
mod parts;
pub mod quarantine;
pub mod read;
pub mod trees;
pub mod upgrade;

pub use error::{Notice, OpenError};
use read::Contents;

/// How many records make it worth while to open a database a second time, so
/// that sled lets go of them: about 200 bytes each. Of more it has put out by
/// itself all but some 30 MB, and a second opening would take long.
const OPENED_TWICE: std::ops::Range<u64> = 10_000..500_000;

/// Everything an open database holds, and the disk to go on with.
#[derive(Debug)]
pub struct Loaded {
    /// Where further groups go.
    pub disk: SledDisk,
    /// The last group.
    pub head: Head,
    /// Whether the last stop left nothing in memory only.
    pub clean: bool,
    /// All sessions as they were last written, in the order of their ids.
    pub sessions: Records,
    /// Their accesses since.
    pub touches: journal::Read,
    /// The lockout's records, with the hashes of their bytes.
    pub lockouts: Vec<(NameKey, UserLock, u64)>,
    /// The archive, in the order of the endings.
    pub ended: History<EndedSession>,
    /// The audit, in the order of commits.
    pub audit: History<AuditEntry>,
    /// Users, devices and roles.
    pub directory: Directory,
    /// What is still to be proved of the indexes; `None` where they were read.
    pub proof: Option<IndexProof>,
    /// Endings whose records were not all moved yet.
    pub fences: Vec<Fence>,
    /// Small named values.
    pub meta: BTreeMap<String, Vec<u8>>,
    /// Which session the requests signed with each key go on in.
    pub signed: Vec<(ApiKeyId, SessionId)>,
    /// What webhooks are still to be told.
    pub outbox: OutboxRecords,
    /// What an operator should know.
    pub notices: Vec<Notice>,
    /// The installation's name for itself.
    pub installation: String,
}

/// Opens a data directory, or makes a new one. `wall` names a quarantine.
///
/// # Errors
/// [`OpenError`], each with the remedy. The directory is as it was.
pub fn open(dir: &Path, wall: Timestamp) -> Result<Loaded, OpenError> {
    open_large(dir, wall, OPENED_TWICE.end)
}

/// As [`open`]; from so many sessions on, the indexes may be proved later.
pub(super) fn open_large(dir: &Path, wall: Timestamp, large: u64) -> Result<Loaded, OpenError> {
    make_dir(dir)?;
    let lock = lock(dir)?;
    refuse_half_restored(dir)?;
    let FoundBases {
        files,
        newest,
        damaged,
    } = BaseFiles::find(dir).map_err(OpenError::from)?;
    let (side, seen) = Side::open(&dir.join("side"))?;
    let mut opening = Opening {
        dir: dir.to_owned(),
        wall,
        lock,
        side,
        seen,
        files,
        base: newest,
        notices: Vec::new(),
        large,
    };
    if damaged > 0 {
        opening.notices.push(Notice::BaseDamaged);
    }
    if !SledDisk::db_dir(dir).exists() {
        let nothing_left = opening.base.is_none() && (damaged > 0 || seen.commit > 0);
        if nothing_left {
            // There was a shop here: it is not taken for a new one.
            let why = "the database is missing".to_owned();
            return opening.damaged(why, None);
        }
        return opening.without_database();
    }
    match trees::open(dir, wall, &mut opening.notices)? {
        Ok(trees) => opening.with_database(trees, damaged > 0),
        Err(why) => opening.damaged(why, None),
    }
}

pub fn make_dir(dir: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    if dir.exists() {
        let dir = dir.to_owned();
        return Err(OpenError::NoDirectory { dir });
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    // The name must survive a power cut as well as what is in it.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(base::sync_dir(parent.unwrap_or(Path::new(".")))?)
}

/// A directory that a restore was interrupted in is no store yet.
pub fn refuse_half_restored(dir: &Path) -> Result<(), OpenError> {
    if dir.join(backup::MARKER).exists() {
        let dir = dir.to_owned();
        return Err(OpenError::HalfRestored { dir });
    }
    Ok(())
}

/// Takes a data directory for this process.
pub fn lock(dir: &Path) -> Result<File, OpenError> {
    let file = base::private_file(&dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// An opening under way, behind the lock.
struct Opening {
    dir: PathBuf,
    wall: Timestamp,
    lock: File,
    side: Side,
    seen: Seen,
    files: BaseFiles,
    base: Option<Base>,
    notices: Vec<Notice>,
    /// How many sessions are many.
    large: u64,
}

impl Opening {
    /// There is no database: a new installation, or a lost one.
    fn without_database(mut self) -> Result<Loaded, OpenError> {
        match self.base.take() {
            Some(base) if base.commit > 0 => {
                self.notices.push(Notice::DatabaseMissing);
                self.begin_anew(base)
            }
            Some(base) => self.begin_anew(base),
            None => {
                let base = Base::empty(draw_installation());
                // Before the database: a stop in between finds its way back here.
                self.files.write(&base)?;
                self.begin_anew(base)
            }
        }
    }

    /// The database opened: read it, and hold it against everything known.
    fn with_database(
        mut self,
        trees: super::disk::Trees,
        base_damaged: bool,
    ) -> Result<Loaded, OpenError> {
        let mut contents = match read::for_start(&trees, self.large) {
            Ok(contents) => contents,
            Err(read::Unreadable::Newer(format)) => return Err(OpenError::Newer { format }),
            Err(read::Unreadable::Damaged(why)) => {
                trees::abandon(trees);
                return self.damaged(why, None);
            }
        };
        if contents.head.is_none() && self.base.as_ref().is_some_and(|base| base.commit == 0) {
            // The very first start was cut off.
            trees::abandon(trees);
            std::fs::remove_dir_all(SledDisk::db_dir(&self.dir))?;
            return self.without_database();
        }
        if let Err(why) = self.judge(&contents) {
            trees::abandon(trees);
            return self.damaged(why, Some(contents));
        }
        let Some(head) = contents.head.clone() else {
            return self.damaged("the head is missing".to_owned(), None);
        };
        let trees = match self.without_cache(trees, &contents)? {
            Ok(trees) => trees,
            Err(why) => return self.damaged(why, Some(contents)),
        };
        let from = contents.oldest;
        let backup = upgrade::is_due(&contents)
            .then(|| upgrade::back_up(&self.dir, &trees, &contents, &head))
            .transpose()?;
        let stale = self
            .base
            .as_ref()
            .is_none_or(|base| base.commit < head.stored.directory_commit);
        if stale || base_damaged {
            self.files.write(&Base::of(&contents.directory, &head))?;
            self.notices.push(Notice::BaseRewritten);
        }
        let parts = super::disk::Parts {
            dir: self.dir,
            trees,
            side: self.side,
            base: self.files,
            lock: self.lock,
        };
        let mut disk = SledDisk::new(parts)?;
        let proof = (!contents.has_indexes()).then(IndexProof::default);
        let (clean, mut head) = (head.is_clean(), head);
        if let Some(backup) = backup {
            head = upgrade::rewrite(&mut disk, head, &mut contents)?;
            self.notices.push(Notice::Upgraded { from, backup });
        }
        Ok(Loaded {
            disk,
            clean,
            installation: head.installation.to_string(),
            head,
            sessions: contents.sessions,
            touches: contents.touches,
            lockouts: contents.lockouts,
            ended: contents.ended,
            audit: contents.audit,
            directory: contents.directory,
            proof,
            fences: contents.fences,
            meta: contents.meta,
            signed: contents.signed,
            outbox: contents.outbox,
            notices: self.notices,
        })
    }

    /// The trees with nothing of them in memory: sled keeps most of a small
    /// database that was read through, whatever its cache may hold. The inner
    /// error says why they can not be had again.
    fn without_cache(
        &mut self,
        trees: super::disk::Trees,
        contents: &Contents,
    ) -> Result<Result<super::disk::Trees, String>, OpenError> {
        if !OPENED_TWICE.contains(&contents.records()) {
            return Ok(Ok(trees));
        }
        drop(trees);
        trees::open(&self.dir, self.wall, &mut self.notices)
    }

    /// Whether what was read is all that was ever written.
    fn judge(&self, contents: &Contents) -> Result<(), String> {
        let Some(head) = &contents.head else {
            return Err("the head is missing".to_owned());
        };
        let base = self.base.as_ref();
        let known = self.seen.commit.max(base.map_or(0, |base| base.commit));
        if known > head.commit() {
            let commit = head.commit();
            return Err(format!(
                "it ends at group {commit}, and group {known} was once written"
            ));
        }
        contents.fits(head)
    }

    /// The database can not be trusted.
    fn damaged(mut self, why: String, contents: Option<Contents>) -> Result<Loaded, OpenError> {
        let base = self.set_aside(why, contents)?;
        self.begin_anew(base)
    }

    /// Moves the database to quarantine; answers the best base to begin with.
    fn set_aside(&mut self, why: String, contents: Option<Contents>) -> Result<Base, OpenError> {
        let from_db = contents.and_then(|contents| {
            let head = contents.head.as_ref()?;
            contents.directory_fits(head).then(|| {
                // Its own last change of the directory is what it vouches for.
                let mut base = Base::of(&contents.directory, head);
                base.commit = head.stored.directory_commit;
                (base, head.clone())
            })
        });
        let best = match (self.base.take(), from_db.clone()) {
            (Some(base), Some((from_db, _))) if from_db.commit > base.commit => from_db,
            (Some(base), _) => base,
            (None, Some((from_db, _))) => from_db,
            (None, None) => {
                let dir = self.dir.clone();
                return Err(OpenError::Damaged { dir, why });
            }
        };
        let mut base = best;
        if let Some((_, head)) = from_db {
            base.commit = base.commit.max(head.commit());
            base.epoch = base.epoch.max(head.epoch());
            base.mark = base.mark.max(head.mark().as_millis());
        }
        quarantine::refuse_without_room(&self.dir)?;
        // A stop behind the move finds this and nothing else.
        self.files.write(&base)?;
        let place = quarantine::move_database(&self.dir, self.wall)?;
        tracing::error!(target: "store", %why, place = %place.display(), "the database can not be trusted");
        self.notices.push(Notice::Quarantined { place, why });
        Ok(base)
    }

    /// A new database with the users, devices and roles of `base`, and no
    /// sessions. Everything given out before is void.
    fn begin_anew(self, base: Base) -> Result<Loaded, OpenError> {
        let directory = base.directory().map_err(|error| OpenError::Damaged {
            dir: self.dir.clone(),
            why: format!("the base file: {error}"),
        })?;
        let trees = super::disk::Trees::open(&SledDisk::db_dir(&self.dir))
            .map_err(|error| OpenError::Io(super::disk::as_io(error)))?;
        let parts = super::disk::Parts {
            dir: self.dir.clone(),
            trees,
            side: self.side,
            base: self.files,
            lock: self.lock,
        };
        let mut disk = SledDisk::new(parts)?;
        let mut last = Head::empty(&base.installation);
        last.stored.commit = base.commit.max(self.seen.commit);
        last.stored.held_user = base.held_user;
        let mut batch = Batch::new(&last, Timestamp::from_millis(base.mark));
        batch.set_epoch(base.epoch.max(self.seen.epoch) + 1);
        batch.put_meta(read::INSTALLATION, base.installation.as_bytes());
        batch.put_directory(&directory);
        batch.rewrite_base(&directory);
        disk.commit(&batch)?;
        disk.sync(&batch)?;
        base::sync_dir(&SledDisk::db_dir(&self.dir))?;
        base::sync_dir(&self.dir)?;
        let meta = BTreeMap::from([(
            read::INSTALLATION.to_owned(),
            base.installation.clone().into_bytes(),
        )]);
        Ok(Loaded {
            disk,
            head: batch.into_head(),
            // There are no sessions whose accesses could be missing.
            clean: true,
            sessions: Records::default(),
            touches: journal::Read::default(),
            lockouts: Vec::new(),
            ended: History::default(),
            audit: History::default(),
            directory,
            proof: None,
            fences: Vec::new(),
            meta,
            signed: Vec::new(),
            outbox: OutboxRecords::default(),
            notices: self.notices,
            installation: base.installation,
        })
    }
}

fn draw_installation() -> String {
    format!("{:024x}", rand::random::<u128>() >> 32)
}

#[cfg(test)]
mod tests;
