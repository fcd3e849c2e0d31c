//! Groups on sled: one multi-tree transaction, `flush`, `fdatasync`.
//!
//! This pair after every transaction is the only write path of sled 0.34 that
//! held under power cuts: `flush` alone leaves the data in the page cache, and
//! several transactions without a flush can deadlock it for good.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use sled::transaction::{ConflictableTransactionResult, TransactionError, TransactionalTree};
use sled::{Db, IVec, Transactional};

use super::blobs::Blobs;
use super::writes::{Index, Tree, Writes};
use super::{Batch, Disk, Head, Room, file_lock};
use crate::store::sled::base::{Base, BaseFiles};
use crate::store::sled::keys;
use crate::store::sled::room::{self, Ballast};
use crate::store::sled::side::Side;

/// What sled may keep of its pages in memory: reads never go to it. It takes
/// this as a wish: each of its 256 parts puts pages out only at every 64th look
/// at one of its own.
const CACHE_BYTES: u64 = 64 * 1024;

/// The open database, its side file and its base files.
#[derive(Debug)]
pub struct SledDisk {
    dir: PathBuf,
    /// Shared with whoever reads beside the writer, a few records at a time.
    trees: Arc<Mutex<Trees>>,
    /// The database's own file once more: sled does not let us sync its handle.
    file: File,
    blobs: Blobs,
    side: Side,
    base: BaseFiles,
    ballast: Ballast,
    /// Whether the ballast was given up and is to be laid again.
    gave_ballast: bool,
    /// Leaves the sync out, so that the power-cut test has something to find.
    no_sync: bool,
    /// No other process opens the directory while this is held.
    _lock: File,
}

/// All trees of the database.
#[derive(Clone, Debug)]
pub struct Trees {
    pub db: Db,
    pub sessions: sled::Tree,
    pub by_last_access: sled::Tree,
    pub by_user: sled::Tree,
    pub users: sled::Tree,
    pub devices: sled::Tree,
    pub roles: sled::Tree,
    pub api_keys: sled::Tree,
    pub webhooks: sled::Tree,
    pub ended: sled::Tree,
    pub lockouts: sled::Tree,
    pub audit: sled::Tree,
    pub outbox: sled::Tree,
    pub failures: sled::Tree,
    pub touches: sled::Tree,
    pub meta: sled::Tree,
}

impl Trees {
    /// Opens the database, or makes an empty one. Waits for one that was just
    /// closed in this process. May panic on damaged files: the caller catches
    /// that.
    pub fn open(db_dir: &Path) -> sled::Result<Self> {
        file_lock::wait_until_free(db_dir)?;
        let db = sled::Config::new()
            .path(db_dir)
            .cache_capacity(CACHE_BYTES)
            // The writer flushes; sled's own thread would take its locks.
            .flush_every_ms(None)
            .open()?;
        Ok(Self {
            sessions: db.open_tree("sessions")?,
            by_last_access: db.open_tree(Index::ByLastAccess.name())?,
            by_user: db.open_tree(Index::ByUser.name())?,
            users: db.open_tree("users")?,
            devices: db.open_tree("devices")?,
            roles: db.open_tree("roles")?,
            api_keys: db.open_tree("api_keys")?,
            webhooks: db.open_tree("webhooks")?,
            ended: db.open_tree("ended")?,
            lockouts: db.open_tree("lockouts")?,
            audit: db.open_tree("audit")?,
            outbox: db.open_tree("outbox")?,
            failures: db.open_tree("failures")?,
            touches: db.open_tree("touches")?,
            meta: db.open_tree("meta")?,
            db,
        })
    }

    /// Writes a group in one transaction over the trees that it changes.
    fn write(&self, batch: &Batch) -> io::Result<()> {
        let mut parts: Vec<(&sled::Tree, &Writes)> = Vec::with_capacity(15);
        let touched = batch.touched;
        if touched.sessions {
            parts.push((&self.sessions, &batch.sessions));
            parts.push((&self.by_last_access, &batch.by_last_access));
            parts.push((&self.by_user, &batch.by_user));
        }
        if touched.touches {
            parts.push((&self.touches, &batch.touches));
        }
        if touched.directory {
            parts.push((&self.users, &batch.users));
            parts.push((&self.devices, &batch.devices));
            parts.push((&self.roles, &batch.roles));
            parts.push((&self.api_keys, &batch.api_keys));
            parts.push((&self.webhooks, &batch.webhooks));
        }
        if touched.ended {
            parts.push((&self.ended, &batch.ended));
        }
        if touched.lockouts {
            parts.push((&self.lockouts, &batch.lockouts));
        }
        if touched.audit {
            parts.push((&self.audit, &batch.audit));
        }
        if touched.outbox {
            parts.push((&self.outbox, &batch.outbox));
            parts.push((&self.failures, &batch.failures));
        }
        let mut meta = batch.meta.clone();
        meta.insert(keys::HEAD, batch.head().encode());
        parts.push((&self.meta, &meta));
        let trees: Vec<&sled::Tree> = parts.iter().map(|(tree, _)| *tree).collect();
        let write = |views: &Vec<TransactionalTree>| -> ConflictableTransactionResult<(), ()> {
            for (view, (_, part)) in views.iter().zip(&parts) {
                part.apply(view)?;
            }
            Ok(())
        };
        match trees.as_slice().transaction(write) {
            Ok(()) => Ok(()),
            Err(TransactionError::Storage(error)) => Err(as_io(error)),
            Err(TransactionError::Abort(())) => Err(io::Error::other("the transaction gave up")),
        }
    }

    /// The tree that holds these records.
    pub fn tree(&self, tree: Tree) -> &sled::Tree {
        match tree {
            Tree::Meta => &self.meta,
            Tree::Sessions => &self.sessions,
            Tree::Lockouts => &self.lockouts,
            Tree::Ended => &self.ended,
            Tree::Audit => &self.audit,
            Tree::Users => &self.users,
            Tree::Devices => &self.devices,
            Tree::Roles => &self.roles,
            Tree::ApiKeys => &self.api_keys,
            Tree::Webhooks => &self.webhooks,
            Tree::Outbox => &self.outbox,
            Tree::Failures => &self.failures,
            Tree::Touches => &self.touches,
        }
    }

    /// An index.
    pub fn index(&self, index: Index) -> &sled::Tree {
        match index {
            Index::ByLastAccess => &self.by_last_access,
            Index::ByUser => &self.by_user,
        }
    }

    /// The trees that are no index, by name.
    pub fn records(&self) -> [(&'static str, &sled::Tree); 13] {
        Tree::ALL.map(|tree| (tree.name(), self.tree(tree)))
    }

    /// At most `max` records of a tree behind this key, in the order of keys.
    /// The head is no record.
    pub fn records_behind(
        &self,
        tree: Tree,
        key: Option<&[u8]>,
        max: usize,
    ) -> io::Result<Vec<(IVec, IVec)>> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        let records = self.tree(tree).range::<&[u8], _>((from, Bound::Unbounded));
        let is_head = |key: &IVec| tree == Tree::Meta && key == keys::HEAD;
        let records = records.filter(|one| !one.as_ref().is_ok_and(|(key, _)| is_head(key)));
        let records: sled::Result<Vec<_>> = records.take(max).collect();
        records.map_err(as_io)
    }

    fn stored_commit(&self) -> io::Result<Option<u64>> {
        let head = self.meta.get(keys::HEAD).map_err(as_io)?;
        Ok(head
            .and_then(|bytes| Head::decode(&bytes).ok())
            .map(|stored| stored.commit))
    }
}

/// What a disk is made of; `open` puts it together.
#[derive(Debug)]
pub struct Parts {
    /// The data directory.
    pub dir: PathBuf,
    /// The open database.
    pub trees: Trees,
    /// The side file.
    pub side: Side,
    /// The base files.
    pub base: BaseFiles,
    /// Held as long as the disk is.
    pub lock: File,
}

impl SledDisk {
    /// The directory of the database in a data directory.
    pub fn db_dir(dir: &Path) -> PathBuf {
        dir.join("db")
    }

    /// A disk over an open database.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts {
            dir,
            trees,
            side,
            base,
            lock,
        } = parts;
        let file = db_file(&dir)?;
        let blobs = Blobs::of(&Self::db_dir(&dir));
        let ballast = Ballast::in_dir(&dir);
        ballast.restore();
        Ok(Self {
            dir,
            trees: Arc::new(Mutex::new(trees)),
            file,
            blobs,
            side,
            base,
            ballast,
            gave_ballast: false,
            no_sync: false,
            _lock: lock,
        })
    }

    /// Reads records while groups are written, for as long as this disk is open.
    pub fn reader(&self) -> Reader {
        Reader(Arc::downgrade(&self.trees))
    }

    /// Leaves the sync out of every group.
    pub fn leave_out_sync(&mut self) {
        self.no_sync = true;
    }

    /// Writes the side file's older slot again, from the head on the disk.
    pub fn renew_side(&mut self, head: &Head) -> io::Result<()> {
        self.side.note(head.commit(), head.epoch())
    }

    /// Writes the older base file again, from the directory on the disk.
    pub fn renew_base(&mut self, base: &Base) -> io::Result<()> {
        self.write_base(base)
    }

    /// The disk is full in spite of the reserve: gives the ballast up, opens
    /// the database again (sled forgets stored keys after a full disk) and
    /// writes the group unless it is already there.
    fn write_with_ballast(&mut self, batch: &Batch) -> io::Result<()> {
        tracing::error!(target: "store", "the disk is full; the reserve is given up for this group");
        self.give_ballast()?;
        let db_dir = Self::db_dir(&self.dir);
        let mut trees = self.trees.lock();
        *trees = {
            // sled holds a lock on its file until the last handle is gone.
            let placeholder = Trees::open_temporary().map_err(as_io)?;
            drop(std::mem::replace(&mut *trees, placeholder));
            Trees::open(&db_dir).map_err(as_io)?
        };
        self.file = db_file(&self.dir)?;
        self.blobs = Blobs::of(&db_dir);
        let stored = trees.stored_commit()?;
        if stored == Some(batch.commit()) {
            return Ok(());
        }
        if stored.is_some_and(|stored| stored + 1 != batch.commit()) {
            return Err(io::Error::other("groups are missing after a full disk"));
        }
        trees.write(batch)?;
        trees.flush()
    }

    fn give_ballast(&mut self) -> io::Result<()> {
        self.gave_ballast = true;
        self.ballast.release()
    }

    fn write_base(&mut self, base: &Base) -> io::Result<()> {
        match self.base.write(base) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.give_ballast()?;
                self.base.write(base)
            }
            done => done,
        }
    }
}

/// Reads records beside the writer: never while a group is being written, and
/// only a few at a time. It does not keep the database open.
#[derive(Clone, Debug)]
pub struct Reader(Weak<Mutex<Trees>>);

impl Reader {
    /// At most `max` records of a tree behind this key, in the order of keys.
    ///
    /// # Errors
    /// The disk refused, or the store is closed.
    pub fn records_behind(
        &self,
        tree: Tree,
        key: Option<&[u8]>,
        max: usize,
    ) -> io::Result<Vec<(IVec, IVec)>> {
        self.read(|trees| trees.records_behind(tree, key, max))
    }

    /// At most `max` keys of an index behind this one.
    ///
    /// # Errors
    /// The disk refused, or the store is closed.
    pub fn keys_behind(
        &self,
        index: Index,
        key: Option<&[u8]>,
        max: usize,
    ) -> io::Result<Vec<IVec>> {
        self.read(|trees| {
            let from = key.map_or(Bound::Unbounded, Bound::Excluded);
            let keys = trees
                .index(index)
                .range::<&[u8], _>((from, Bound::Unbounded));
            let keys: sled::Result<Vec<_>> = keys.keys().take(max).collect();
            keys.map_err(as_io)
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Trees) -> io::Result<T>) -> io::Result<T> {
        let closed = || io::Error::other("the store was closed meanwhile");
        let trees = self.0.upgrade().ok_or_else(closed)?;
        let trees = trees.lock();
        let read = read(&trees);
        // The writer is first in the queue: it gets its turn before the next records.
        MutexGuard::unlock_fair(trees);
        read
    }
}

impl Trees {
    fn flush(&self) -> io::Result<()> {
        self.db.flush().map(drop).map_err(as_io)
    }

    fn open_temporary() -> sled::Result<Self> {
        let db = sled::Config::new()
            .temporary(true)
            .cache_capacity(1 << 20)
            .open()?;
        let tree = db.open_tree("none")?;
        Ok(Self {
            sessions: tree.clone(),
            by_last_access: tree.clone(),
            by_user: tree.clone(),
            users: tree.clone(),
            devices: tree.clone(),
            roles: tree.clone(),
            api_keys: tree.clone(),
            webhooks: tree.clone(),
            outbox: tree.clone(),
            failures: tree.clone(),
            touches: tree.clone(),
            ended: tree.clone(),
            lockouts: tree.clone(),
            audit: tree.clone(),
            meta: tree,
            db,
        })
    }
}

impl Disk for SledDisk {
    fn commit(&mut self, batch: &Batch) -> io::Result<()> {
        let written = {
            let trees = self.trees.lock();
            trees.write(batch).and_then(|()| trees.flush())
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.write_with_ballast(batch)
            }
            done => done,
        }
    }

    fn sync(&mut self, batch: &Batch) -> io::Result<()> {
        if !self.no_sync {
            self.blobs.sync()?;
            self.file.sync_data()?;
        }
        if let Some(base) = &batch.base {
            self.write_base(base)?;
        }
        if self.gave_ballast {
            self.gave_ballast = !self.ballast.restore();
        }
        self.side.note(batch.commit(), batch.head().epoch())
    }

    fn room(&self) -> Room {
        room::look(&self.dir)
    }
}

fn db_file(dir: &Path) -> io::Result<File> {
    File::open(SledDisk::db_dir(dir).join("db"))
}

/// sled's error as the system's, its kind kept where it is one.
pub fn as_io(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
