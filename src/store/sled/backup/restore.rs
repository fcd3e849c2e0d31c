//! From a backup to a data directory: into an empty one only, in a new epoch,
//! with every session ended and nothing for webhooks to be told: the server whose
//! backup this is has told them since, or nobody knows. Until all of it is on the disk a marker stands in
//! the directory, and no server takes it for a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check::Checked;
use super::{BackupInfo, Progress};
use crate::model::{AuditAction, AuditEntry, Author, Cause, EndReason, EndedSession, Timestamp};
use crate::store::Rules;
use crate::store::sled::base::{self, BaseFiles, ReadBaseError};
use crate::store::sled::codec;
use crate::store::sled::disk::{Batch, Disk, Head, Parts, SledDisk, Trees, as_io};
use crate::store::sled::history::{Filed, History};
use crate::store::sled::open::{self, OpenError};
use crate::store::sled::record::Record;
use crate::store::sled::side::Side;

/// Stands in a directory until a restore into it is complete.
pub const MARKER: &str = "restoring";
/// Records written in one group.
const GROUP_RECORDS_MAX: usize = 1_024;
/// What a restore makes besides the marker and the lock, and takes away again
/// when it is not completed.
const MADE: [&str; 6] = ["db", "base.1", "base.2", "base.tmp", "side", "ballast"];
/// What may lie in a directory that is empty: file systems put the latter there.
const NOTHING: [&str; 2] = ["lock", "lost+found"];

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup says of itself.
    pub info: BackupInfo,
    /// The new epoch.
    pub epoch: u64,
    /// How many sessions lived in the backup and are ended.
    pub ended: u64,
}

/// Why nothing was restored. `Display` names the option and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something lies in the directory.
    #[error(
        "data_dir: {} is not empty; a restore needs an empty directory: move this one away, or \
         name another with --data-dir", .dir.display()
    )]
    NotEmpty {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory can not be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was told to stop.
    #[error("the restore was broken off; the directory is empty again")]
    Cancelled,
}

impl From<std::io::Error> for RestoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Open(error.into())
    }
}

/// Makes a data directory from a backup. `progress` hears records; when
/// `is_over` is set, everything made is taken away again, as after an error.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    checked: Checked,
    dir: &Path,
    rules: &Rules,
    is_over: &AtomicBool,
    progress: &Progress,
) -> Result<Restored, RestoreError> {
    refuse_unless_empty(dir)?;
    open::make_dir(dir)?;
    let lock = open::lock(dir)?;
    refuse_unless_empty(dir)?;
    // The disk has a handle of its own; this one holds the directory to the end.
    let of_disk = lock.try_clone()?;
    let marker = dir.join(MARKER);
    base::private_file(&marker)?.sync_all()?;
    base::sync_dir(dir)?;
    // What an interrupted restore has left.
    clear(dir)?;
    let restored =
        parts(dir, of_disk).and_then(|parts| fill(parts, checked, rules, is_over, progress));
    if restored.is_err() {
        clear(dir)?;
    }
    std::fs::remove_file(&marker)?;
    base::sync_dir(dir)?;
    restored
}

fn refuse_unless_empty(dir: &Path) -> Result<(), RestoreError> {
    if !dir.exists() {
        return Ok(());
    }
    let interrupted = dir.join(MARKER).exists();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let is_one_of = |names: &[&str]| names.iter().any(|known| name == **known);
        let mine = interrupted && (name == MARKER || is_one_of(&MADE));
        if !mine && !is_one_of(&NOTHING) {
            let dir = dir.to_owned();
            return Err(RestoreError::NotEmpty { dir });
        }
    }
    Ok(())
}

fn clear(dir: &Path) -> std::io::Result<()> {
    for name in MADE {
        let path = dir.join(name);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    base::sync_dir(dir)
}

fn parts(dir: &Path, lock: std::fs::File) -> Result<Parts, RestoreError> {
    let bases = BaseFiles::find(dir).map_err(|error: ReadBaseError| OpenError::from(error))?;
    let (side, _) = Side::open(&dir.join("side"))?;
    let trees = Trees::open(&SledDisk::db_dir(dir)).map_err(as_io)?;
    Ok(Parts {
        dir: dir.to_owned(),
        trees,
        side,
        base: bases.files,
        lock,
    })
}

/// A restore under way.
struct Filling<'a> {
    disk: SledDisk,
    head: Head,
    now: Timestamp,
    done: u64,
    all: u64,
    is_over: &'a AtomicBool,
    progress: &'a Progress,
}

impl Filling<'_> {
    /// Writes one group; durable when this returns.
    fn group(&mut self, records: usize, fill: impl FnOnce(&mut Batch)) -> Result<(), RestoreError> {
        if self.is_over.load(Ordering::Relaxed) {
            return Err(RestoreError::Cancelled);
        }
        let mut batch = Batch::new(&self.head, self.now);
        fill(&mut batch);
        self.disk.commit(&batch)?;
        self.disk.sync(&batch)?;
        self.head = batch.into_head();
        self.done += records as u64;
        (self.progress)(self.done, self.all);
        Ok(())
    }

    fn history<R: Filed>(
        &mut self,
        records: &History<R>,
        put: impl Fn(&mut Batch, Arc<R>),
    ) -> Result<(), RestoreError> {
        for some in records.snapshot().groups(GROUP_RECORDS_MAX) {
            let count = some.len();
            self.group(count, |batch| {
                for record in some {
                    put(batch, record);
                }
            })?;
        }
        Ok(())
    }
}

fn fill(
    parts: Parts,
    checked: Checked,
    rules: &Rules,
    is_over: &AtomicBool,
    progress: &Progress,
) -> Result<Restored, RestoreError> {
    let Checked {
        info,
        head: old,
        contents,
    } = checked;
    let (dir, counts) = (parts.dir.clone(), info.counts);
    let mut last = Head::empty(&old.installation);
    last.stored.commit = old.commit();
    last.stored.held_user = old.stored.held_user;
    let mut filling = Filling {
        disk: SledDisk::new(parts)?,
        head: last,
        now: old.mark(),
        done: 0,
        all: counts.lockouts + counts.ended + counts.audit + counts.sessions,
        is_over,
        progress,
    };
    let directory = &contents.directory;
    filling.group(0, |batch| {
        batch.set_epoch(epoch_behind(old.epoch()));
        for (name, value) in &contents.meta {
            batch.put_meta(name, value);
        }
        batch.put_directory(directory);
        batch.rewrite_base(directory);
    })?;
    for some in contents.lockouts.chunks(GROUP_RECORDS_MAX) {
        filling.group(some.len(), |batch| {
            for (key, lock, _) in some {
                let bytes = codec::encode_lock(lock);
                let hash = crate::store::sled::lockouts::lock_hash(*key, &bytes);
                batch.put_lock(*key, bytes, hash, None);
            }
        })?;
    }
    filling.history(&contents.ended, |batch, ended| batch.archive(&ended))?;
    filling.history(&contents.audit, Batch::audit_as_numbered)?;
    let fences = &contents.fences;
    for some in contents.sessions.chunks(GROUP_RECORDS_MAX) {
        filling.group(some.len(), |batch| {
            for record in some {
                let record = contents.touches.with_record(record);
                let over = over(&record, fences, rules, &old, batch.commit());
                batch.archive(&over);
            }
        })?;
    }
    filling.group(0, |batch| {
        let entry = AuditEntry::new(AuditAction::Restored, Cause::operator(), old.mark());
        batch.audit(AuditEntry {
            detail: Some(format!("backup of {}, group {}", info.taken_at, info.commit).into()),
            ..entry.counting(contents.sessions.len())
        });
        batch.set_clean(true);
    })?;
    base::sync_dir(&SledDisk::db_dir(&dir))?;
    base::sync_dir(&dir)?;
    Ok(Restored {
        epoch: filling.head.epoch(),
        ended: contents.sessions.len() as u64,
        info,
    })
}

/// An epoch that nobody has heard of: the store whose backup this is may have
/// begun newer ones since.
fn epoch_behind(epoch: u64) -> u64 {
    ((epoch >> 32) + 1) << 32 | u64::from(rand::random::<u32>())
}

/// A session of the backup, as it ended: behind one of its fences, by the
/// passing of time, or by the restore.
fn over(
    record: &Record,
    fences: &[crate::store::sled::fence::Fence],
    rules: &Rules,
    old: &Head,
    commit: u64,
) -> EndedSession {
    let behind = fences.iter().find_map(|fence| {
        let reason = fence.ends_session(record)?;
        Some((reason, fence.at, fence.by.clone(), fence.number))
    });
    let restored = (EndReason::Restored, old.mark(), Author::CommandLine, commit);
    let (reason, at, by, commit) = behind.unwrap_or(restored);
    let session = record.session.clone();
    // Accesses of the last moments may be missing in a backup.
    let idle = rules.idle[session.identity.env.index()].map(|idle| idle + old.lag());
    let (reason, ended_at, by) = match session.lapsed(at, idle) {
        Some((reason, at)) => (reason, at, Author::Server),
        None => (reason, at, by),
    };
    EndedSession {
        session,
        ended_at,
        reason,
        by,
        commit,
    }
}
