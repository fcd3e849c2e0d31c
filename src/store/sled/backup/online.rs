//! A backup beside the running store: what is asked of the writer, and what a
//! thread of its own does meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::file::BackupFile;
use super::take::{self, READ_MAX, Tokens, Waiting};
use super::{BackupError, BackupInfo, BackupOrder, CheckError, Progress};
use crate::store::sled::op::Op;
use crate::store::sled::store::SledStore;
use crate::store::{Backups, Pending, StoreError};

const THREAD: &str = "tillgate-backup";
/// The longest pause between two steps.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Pauses for as long as the work since the last pause took: half of a core is
/// enough for who is not waited for, and requests go between the steps whatever
/// the system makes of priorities.
struct Breath(Mutex<Instant>);

impl Breath {
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn take(&self) {
        let mut since = self.0.lock();
        std::thread::sleep(since.elapsed().min(PAUSE_MAX));
        *since = Instant::now();
    }
}

impl Backups for SledStore {
    fn back_up(
        &self,
        order: BackupOrder,
        progress: Arc<Progress>,
    ) -> Pending<'_, Result<BackupInfo, BackupError>> {
        Box::pin(self.make(order, progress))
    }

    fn read_back(&self, file: PathBuf) -> Pending<'_, Result<BackupInfo, CheckError>> {
        let path = file.clone();
        let read = self.beside(THREAD, move || {
            let breath = Breath::new();
            BackupFile::open(&path, &move |_, _| breath.take()).map(|read| read.info)
        });
        let gone = move || std::io::Error::other("the store was closed meanwhile");
        Box::pin(async move {
            read.await
                .unwrap_or_else(|_| Err(CheckError::io(&file)(gone())))
        })
    }
}

impl SledStore {
    async fn make(
        &self,
        order: BackupOrder,
        progress: Arc<Progress>,
    ) -> Result<BackupInfo, BackupError> {
        let _one = self
            .backing_up
            .try_lock()
            .map_err(|_| BackupError::Running)?;
        let (sender, changes) = channel();
        let start = self.submit(|reply| Op::Watch(sender, reply)).await?;
        let counts = take::counts_of(&start.head.stored);
        let about = counts.sessions + counts.ended + counts.audit + counts.lockouts;
        let waiting = Waiting::default();
        let is_over = Arc::clone(&waiting.0);
        let (scanned, reader) = (order.clone(), self.reader.clone());
        let taken = self.beside(THREAD, move || {
            let breath = Breath::new();
            let read = |tree, key: Option<&[u8]>| {
                breath.take();
                reader.records_behind(tree, key, READ_MAX)
            };
            take::scan(
                &scanned,
                read,
                changes,
                about,
                &is_over,
                &*progress,
                Tokens::Leave,
            )
        });
        let taken = taken.await.map_err(|_| BackupError::Cancelled)??;
        let cut = self.submit(Op::Unwatch).await?;
        // From here to the end it takes one sync; nobody breaks it off.
        let made = self.beside(THREAD, move || take::finish(taken, &cut, order));
        let made = made.await.map_err(|_| StoreError::Unknown)?;
        drop(waiting);
        made
    }
}
