//! From an older disk format to this version's: a backup beside the data
//! directory first, then every record written once more.
//!
//! Each record carries its format and is read by it, so a stop in between
//! leaves a directory that this version reads and goes on with, and that an
//! older one refuses.

use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::read::Contents;
use crate::store::outbox::Step;
use crate::store::sled::backup;
use crate::store::sled::codec;
use crate::store::sled::disk::{Batch, Disk, Head, Trees};
use crate::store::sled::journal;
use crate::store::sled::lockouts::lock_hash;
use crate::store::sled::record::Records;

/// Records written in one group.
const GROUP_RECORDS_MAX: usize = 1_024;

/// Whether there are records of an older format.
pub fn is_due(contents: &Contents) -> bool {
    contents.oldest < codec::format()
}

/// Makes the backup: every record as the older version reads it. One that an
/// interrupted upgrade has left is good enough if it is whole.
///
/// # Errors
/// There is no backup, so there will be no upgrade. Nothing was changed.
pub fn back_up(
    dir: &Path,
    trees: &Trees,
    contents: &Contents,
    head: &Head,
) -> Result<PathBuf, OpenError> {
    let from = contents.oldest;
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".format-{from}.{}.backup", head.commit()));
    let place = PathBuf::from(name);
    let refused = |why: String| OpenError::NoBackup {
        format: from,
        place: place.clone(),
        why,
    };
    if place.exists() {
        let left = backup::check(&place, &|_, _| {});
        left.map_err(|error| refused(error.to_string()))?;
        return Ok(place);
    }
    tracing::info!(target: "store", place = %place.display(), "a backup is made before the upgrade");
    let made = backup::take_stopped(&place, trees, contents, head);
    made.map_err(|error| refused(error.to_string()))?;
    Ok(place)
}

/// Writes every record in this version's format; answers the head of the last
/// group. Versions and times of sessions stay as they are.
///
/// # Errors
/// The disk refused; the next start goes on.
pub fn rewrite(disk: &mut impl Disk, head: Head, contents: &mut Contents) -> std::io::Result<Head> {
    let mut writing = Writing { disk, head };
    let Contents {
        sessions,
        touches,
        lockouts,
        ended,
        audit,
        directory,
        fences,
        meta,
        signed,
        outbox,
        ..
    } = contents;
    writing.group(|batch| {
        for (name, value) in &*meta {
            batch.put_meta(name, value);
        }
        for fence in &*fences {
            batch.put_fence(fence);
        }
        for (key, session) in &*signed {
            batch.put_signed(*key, *session);
        }
        batch.put_directory(directory);
        for (hook, number) in &outbox.passed {
            batch.step(Step::Pass(*hook, *number));
        }
        batch.rewrite_base(directory);
    })?;
    let head = fold_journal(writing.disk, writing.head, sessions, touches)?;
    let mut writing = Writing { disk, head };
    for some in lockouts.chunks_mut(GROUP_RECORDS_MAX) {
        writing.group(|batch| {
            for (key, lock, hash) in some {
                let bytes = codec::encode_lock(lock);
                let new = lock_hash(*key, &bytes);
                batch.put_lock(*key, bytes, new, Some(*hash));
                *hash = new;
            }
        })?;
    }
    for some in ended.snapshot().groups(GROUP_RECORDS_MAX) {
        writing.group(|batch| {
            for ended in &some {
                batch.purge_archive(ended.ended_at, ended.session.id);
                batch.archive(ended);
            }
        })?;
    }
    for some in audit.snapshot().groups(GROUP_RECORDS_MAX) {
        writing.group(|batch| some.into_iter().for_each(|entry| batch.audit_again(entry)))?;
    }
    let events = outbox.events.iter().cloned().map(Step::Queue);
    let failures = outbox.failures.iter().cloned().map(Step::Fail);
    let steps: Vec<Step> = events.chain(failures).collect();
    for some in steps.chunks(GROUP_RECORDS_MAX) {
        writing.group(|batch| some.iter().for_each(|step| batch.step_again(step)))?;
    }
    Ok(writing.head)
}

/// Writes every session once more, with what the journal has of it, and empties
/// the journal. A stop in between leaves both, of which the later counts.
///
/// # Errors
/// The disk refused.
pub fn fold_journal(
    disk: &mut impl Disk,
    head: Head,
    sessions: &mut Records,
    touches: &mut journal::Read,
) -> std::io::Result<Head> {
    let mut writing = Writing { disk, head };
    let before = std::mem::take(sessions);
    for some in before.chunks(GROUP_RECORDS_MAX) {
        writing.group(|batch| {
            for record in some {
                let old = (record.session.last_access_at, record.written);
                let whole = touches.with_record(record);
                batch.put_session(&whole, Some(old));
                sessions.push(whole);
            }
        })?;
    }
    let chunks: Vec<u64> = std::mem::take(touches).journal.numbers().collect();
    for some in chunks.chunks(GROUP_RECORDS_MAX) {
        writing.group(|batch| some.iter().for_each(|number| batch.remove_touches(*number)))?;
    }
    Ok(writing.head)
}

struct Writing<'a, D> {
    disk: &'a mut D,
    head: Head,
}

impl<D: Disk> Writing<'_, D> {
    fn group(&mut self, fill: impl FnOnce(&mut Batch)) -> std::io::Result<()> {
        let mut batch = Batch::new(&self.head, self.head.mark());
        // No access is lost in between that was not lost before.
        batch.set_clean(self.head.is_clean());
        fill(&mut batch);
        self.disk.commit(&batch)?;
        self.disk.sync(&batch)?;
        self.head = batch.into_head();
        Ok(())
    }
}
