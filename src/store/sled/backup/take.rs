//! Making a backup beside the writer: all records are read, a few at a time,
//! while the writer tells of every group it writes. Records as they were read,
//! with those changes made on them, are the store as of the last group told
//! of, whenever each record was read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use super::draft::Draft;
use super::{
    BackupError, BackupInfo, BackupOrder, Content, Counts, KEY_UNKNOWN, Manifest, Progress, Row,
};
use crate::model::{Directory, SessionId, Timestamp};
use crate::store::sled::codec::{self, Names};
use crate::store::sled::disk::{Change, Head, Stored, Tree, Trees, as_io, meta_hash};
use crate::store::sled::keys::{self, Meta};
use crate::store::sled::op::Cut;
use crate::store::sled::open::read::Contents;
use crate::store::{SIGNING_KEYS, TokenState};

/// Records read in one go: how long the writer may wait for its turn.
pub const READ_MAX: usize = 64;
/// Changes in one block at most.
const BLOCK_CHANGES_MAX: usize = 1_024;

/// Some records of a tree, in the order of keys.
type Records = Vec<(sled::IVec, sled::IVec)>;

/// A backup under way, all records read; the changes go on to come.
pub struct Taken {
    draft: Draft,
    changes: Receiver<Vec<Change>>,
    names: Names,
    tokens: Tokens,
}

/// What becomes of what refresh tokens are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Only their numbers go into the backup.
    Leave,
    /// The records stay as they are.
    Keep,
}

/// Reads every record into a file, and the changes that come in meanwhile.
/// `read` gives at most [`READ_MAX`] behind a key. `about`: how many records
/// there are now, `is_over`: nobody wants it any more.
pub fn scan(
    order: &BackupOrder,
    mut read: impl FnMut(Tree, Option<&[u8]>) -> std::io::Result<Records>,
    changes: Receiver<Vec<Change>>,
    about: u64,
    is_over: &AtomicBool,
    progress: &Progress,
    tokens: Tokens,
) -> Result<Taken, BackupError> {
    let draft = Draft::begin(&order.file)?;
    let names = Names::default();
    let mut taken = Taken {
        draft,
        changes,
        names,
        tokens,
    };
    let mut done = 0;
    for tree in Tree::ALL {
        let mut last: Option<sled::IVec> = None;
        loop {
            if is_over.load(Ordering::Relaxed) {
                return Err(BackupError::Cancelled);
            }
            let read = read(tree, last.as_deref()).map_err(BackupError::Database)?;
            let Some((key, _)) = read.last() else {
                break;
            };
            last = Some(key.clone());
            done += read.len() as u64;
            let whole = read.len() == READ_MAX;
            taken.put_records(tree, &read)?;
            taken.put_changes()?;
            progress(done, about.max(done));
            if !whole {
                break;
            }
        }
    }
    Ok(taken)
}

/// Writes the changes up to the cut, and the end.
pub fn finish(taken: Taken, cut: &Cut, order: BackupOrder) -> Result<BackupInfo, BackupError> {
    let head = cut.head.encode();
    taken.end(&cut.head.stored, head, &cut.directory, order)
}

/// A backup of a database that nobody writes to, every record just as it is:
/// what comes before an upgrade must be of use to the older version.
///
/// # Errors
/// [`BackupError`].
pub fn take_stopped(
    place: &Path,
    trees: &Trees,
    contents: &Contents,
    head: &Head,
) -> Result<BackupInfo, BackupError> {
    let order = BackupOrder {
        file: place.to_owned(),
        now: head.mark(),
        key_mark: KEY_UNKNOWN,
    };
    let read = |tree, key: Option<&[u8]>| trees.records_behind(tree, key, READ_MAX);
    let is_over = AtomicBool::new(false);
    let (_, changes) = std::sync::mpsc::channel();
    let taken = scan(&order, read, changes, 0, &is_over, &|_, _| {}, Tokens::Keep)?;
    let old = trees.meta.get(keys::HEAD);
    let old = old.map_err(|error| BackupError::Database(as_io(error)))?;
    let old = old.map_or_else(|| head.encode(), |bytes| bytes.to_vec());
    taken.end(&head.stored, old, &contents.directory, order)
}

/// What a head tells of the numbers of records.
pub fn counts_of(stored: &Stored) -> Counts {
    Counts {
        sessions: stored.sessions.count,
        ended: stored.ended.count,
        audit: stored.audit.count,
        lockouts: stored.lockouts.count,
        ..Counts::default()
    }
}

impl Manifest {
    /// What it says, of the file it is in.
    pub fn info(&self, file: PathBuf, format: u8, head: &Stored, bytes: u64) -> BackupInfo {
        BackupInfo {
            file,
            format,
            made_by: self.made_by.clone(),
            taken_at: Timestamp::from_millis(self.taken_at),
            commit: head.commit,
            epoch: head.epoch,
            key_mark: self.key_mark,
            counts: self.counts,
            bytes,
        }
    }
}

impl Taken {
    fn end(
        mut self,
        stored: &Stored,
        head: Vec<u8>,
        directory: &Directory,
        order: BackupOrder,
    ) -> Result<BackupInfo, BackupError> {
        self.put_changes()?;
        let format = head.first().copied().unwrap_or_default();
        let manifest = Manifest {
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: order.now.as_millis(),
            key_mark: order.key_mark,
            counts: Counts {
                users: directory.users().count() as u64,
                devices: directory.devices().count() as u64,
                roles: directory.roles().count() as u64,
                api_keys: directory.api_keys().count() as u64,
                ..counts_of(stored)
            },
            head,
        };
        let bytes = self.draft.finish(&manifest)?;
        Ok(manifest.info(order.file, format, stored, bytes))
    }

    fn put_records(
        &mut self,
        tree: Tree,
        read: &[(sled::IVec, sled::IVec)],
    ) -> Result<(), BackupError> {
        let mut kept = Vec::with_capacity(read.len());
        for (key, value) in read {
            kept.push(keep(tree, key, value, self.tokens, &mut self.names)?);
        }
        let rows = read.iter().zip(&kept);
        let rows: Vec<Row<'_>> = rows
            .map(|((key, value), kept)| (tree as u8, &**key, kept.content(value)))
            .collect();
        self.draft.records(&rows)
    }

    /// Writes what was told of so far.
    fn put_changes(&mut self) -> Result<(), BackupError> {
        loop {
            match self.changes.try_recv() {
                Ok(changes) => {
                    for some in changes.chunks(BLOCK_CHANGES_MAX) {
                        self.put_some(some)?;
                    }
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    fn put_some(&mut self, changes: &[Change]) -> Result<(), BackupError> {
        let mut kept = Vec::with_capacity(changes.len());
        for Change { tree, key, value } in changes {
            kept.push(match value {
                Some(value) => keep(*tree, key, value, self.tokens, &mut self.names)?,
                None => Kept::Gone,
            });
        }
        let rows: Vec<Row<'_>> = changes
            .iter()
            .zip(&kept)
            .map(|(change, kept)| {
                let value = change.value.as_deref().unwrap_or_default();
                (change.tree as u8, &*change.key, kept.content(value))
            })
            .collect();
        self.draft.changes(&rows)
    }
}

/// What a backup keeps of a record.
enum Kept {
    /// All of it.
    Whole,
    /// This instead.
    Instead(Vec<u8>),
    /// Its hash in the digest.
    Hash(u64),
    /// It is no more.
    Gone,
}

impl Kept {
    fn content<'a>(&'a self, value: &'a [u8]) -> Content<'a> {
        match self {
            Self::Whole => Content::Value(value),
            Self::Instead(value) => Content::Value(value),
            Self::Hash(hash) => Content::Withheld(*hash),
            Self::Gone => Content::Gone,
        }
    }
}

/// Nothing that a token is made from goes into a backup: signing keys are
/// left out, and of a session's tokens only their numbers stay.
fn keep(
    tree: Tree,
    key: &[u8],
    value: &[u8],
    tokens: Tokens,
    names: &mut Names,
) -> Result<Kept, BackupError> {
    let damaged = |error: codec::CodecError| BackupError::Database(std::io::Error::other(error));
    match tree {
        Tree::Meta => Ok(match keys::parse_meta(key) {
            Some(Meta::Value(name)) if name.starts_with(SIGNING_KEYS) => {
                Kept::Hash(meta_hash(key, value))
            }
            _ => Kept::Whole,
        }),
        Tree::Sessions if tokens == Tokens::Leave => {
            let id = SessionId::from_bytes(key)
                .map_err(|_| BackupError::Database(std::io::Error::other("a key is no id")))?;
            let mut record = codec::decode_session(id, value, names).map_err(damaged)?;
            record.tokens = record.tokens.map(|tokens| TokenState {
                refresh_sha256: [0; 32],
                salt: [0; 16],
                ..tokens
            });
            Ok(Kept::Instead(codec::encode_session(&record)))
        }
        _ => Ok(Kept::Whole),
    }
}

/// Says that nobody waits any more, when it is dropped.
#[derive(Default)]
pub struct Waiting(pub Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
