//! [`Store`] on sled: reads from the table, changes through the writer.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::archive::Archive;
use super::audit::Audit;
use super::decide::Fenced;
use super::disk::{Batch, Disk, Head, Reader};
use super::journal;
use super::lockouts::Lockouts;
use super::op::{self, Op};
use super::open::{Loaded, Notice, OpenError};
use super::record::{Kept, Record, Records, Resumed};
use super::shared::{Pulse, Shared, Work};
use super::table::{CheckOutcome, Table};
use super::view::View;
use super::writer::{Writer, lag};
use crate::model::{
    Attempt, AuditAction, AuditEntry, Cause, Directory, DirectoryChange, EndReason, EndedSession,
    NameKey, Origin, Outcome, Precondition, Resource, Session, SessionId, Subject, Timestamp,
    TokenName, UserName, WebhookId,
};
use crate::ndata::{AuditMember, EndedMember, Query, Selected, SessionMember};
use crate::store::{
    Access, Backups, Begun, Changes, Checked, End, EndSome, EndedSome, FeedPlace, Figures, Indexes,
    NewSession, NotedToken, Outbox, Refresh, Refreshed, Revocations, Rules, Scope, SessionPage,
    Settled, Signer, Store, StoreError, StoreHealth, Swept, TokenState,
};

/// Operations that may wait for the writer; more are refused as busy.
const QUEUE_OPS_MAX: usize = 4_096;
/// A writer that is silent this long is taken for stuck: changes are refused
/// before they are queued.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// A caller that waits this long learns that nobody can tell.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
/// How long a stop may spend on writing what is dirty.
const FLUSH_MAX: Duration = Duration::from_secs(8);
/// How long a stop waits for all threads of the store: the last flush and what
/// sled does when it is let go. One that takes longer waits for a disk that
/// does not answer, or reads a long backup back, which may be left half done.
const CLOSE_MAX: Duration = Duration::from_secs(12);
/// How often a stop looks whether they have ended.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(1);
/// Between two steps of a longer merge: a check that shares the core with it
/// waits for one step, not for all.
const DRAIN_PAUSE: Duration = Duration::from_micros(2_500);
/// How often touches are merged into the order by last access.
const DRAIN_EVERY: Duration = Duration::from_millis(100);
/// How much nicer to others the merging thread is than the serving ones.
const ORDER_NICENESS: i32 = 5;
/// How much nicer to others work is that nobody at a till waits for.
const BESIDE_NICENESS: i32 = 10;
/// Marks merged in one step, an eighth of a millisecond of work.
const DRAIN_BATCH: usize = 512;

/// The embedded store. Dropping it stops the writer after a last flush.
#[derive(Debug)]
pub struct SledStore {
    shared: Arc<Shared>,
    operations: Mutex<Option<SyncSender<Op>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stopping: Arc<AtomicBool>,
    /// Held by the one search through all sessions.
    searching: tokio::sync::Mutex<()>,
    meta: BTreeMap<String, Vec<u8>>,
    mark: Timestamp,
    installation: String,
    /// Reads records beside the writer.
    pub(super) reader: Reader,
    /// Held while a backup is made.
    pub(super) backing_up: tokio::sync::Mutex<()>,
}

/// An open store and what an operator should know of its opening.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SledStore,
    /// What was found and done.
    pub notices: Vec<Notice>,
}

impl SledStore {
    /// Opens a data directory, or makes a new one. Nothing is served before
    /// the disk knows that this process may hand out versions.
    ///
    /// # Errors
    /// [`OpenError`], each with the remedy.
    pub fn open(dir: &Path, rules: Rules, wall: Timestamp) -> Result<Opened, OpenError> {
        Self::with(super::open::open(dir, wall)?, rules, |disk| disk)
    }

    /// As [`SledStore::open`]; `no_sync` leaves the sync out of every group, so
    /// that the power-cut test has something to find.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(
        dir: &Path,
        rules: Rules,
        wall: Timestamp,
        no_sync: bool,
    ) -> Result<Opened, OpenError> {
        Self::with(super::open::open(dir, wall)?, rules, |mut disk| {
            if no_sync {
                disk.leave_out_sync();
            }
            disk
        })
    }

    /// As [`SledStore::open`], with the disk wrapped: the seam through which
    /// tests make it fail.
    pub fn with<D: Disk + 'static>(
        loaded: Loaded,
        rules: Rules,
        wrap: impl FnOnce(super::disk::SledDisk) -> D,
    ) -> Result<Opened, OpenError> {
        let Loaded {
            disk,
            head,
            clean,
            sessions,
            touches,
            lockouts: kept_lockouts,
            ended,
            audit: entries,
            directory,
            proof,
            fences,
            meta,
            signed,
            outbox,
            notices,
            installation,
        } = loaded;
        let mut fenced: VecDeque<Fenced> = fences.into_iter().map(Fenced::from).collect();
        let last = (&head, clean);
        let table = filled(sessions, &touches, &mut fenced, last, &rules);
        let journal = touches.journal;
        table.set_applied(head.commit());
        let audit = Audit::of(entries);
        let remember = |ended: &EndedSession| {
            let session = &ended.session;
            table.remember(session.id, ended.reason, session.token_until());
        };
        let archive = Archive::of(ended, remember);
        for ended in fenced.iter().flat_map(Fenced::ended).map(Arc::new) {
            remember(&ended);
            archive.file(ended);
        }
        let mut lockouts = Lockouts::default();
        for (key, lock, hash) in kept_lockouts {
            lockouts.insert(key, lock, hash, &rules.lockout);
        }
        let pulse = Pulse::new(head.commit(), head.epoch());
        if proof.is_some() {
            pulse.set_indexes(Indexes::Unread);
        }
        let mark = head.mark();
        let shared = Arc::new(Shared {
            table,
            archive,
            audit,
            changes: Changes::new(head.epoch(), head.commit(), rules.changes_max),
            outbox: Outbox::from_records(outbox),
            view: View::new(directory),
            signed: signed.into_iter().collect(),
            rules,
            lockouts: Mutex::new(lockouts),
            pulse,
            work: Work::default(),
        });
        let reader = disk.reader();
        let mut disk = wrap(disk);
        let head = note_start(&mut disk, &head, clean).map_err(OpenError::Io)?;
        shared.archive.set_applied(head.commit());
        shared.pulse.set_commit(head.commit());
        shared.table.set_applied(head.commit());
        let (sender, receiver) = sync_channel(QUEUE_OPS_MAX);
        let writer = Writer::new(
            disk,
            head,
            Arc::clone(&shared),
            receiver,
            fenced,
            journal,
            reader.clone(),
            proof,
        );
        let stopping = Arc::new(AtomicBool::new(false));
        let threads = vec![
            spawn("tillgate-writer", {
                let shared = Arc::clone(&shared);
                move || {
                    // A writer that is gone must show, not merely be missed.
                    if catch_unwind(AssertUnwindSafe(|| writer.run(FLUSH_MAX))).is_err() {
                        shared.pulse.fail("the writer panicked".to_owned());
                    }
                }
            }),
            spawn("tillgate-order", {
                let (shared, stopping) = (Arc::clone(&shared), Arc::clone(&stopping));
                move || keep_order(&shared, &stopping)
            }),
        ];
        let store = Self {
            shared,
            operations: Mutex::new(Some(sender)),
            threads: Mutex::new(threads),
            stopping,
            searching: tokio::sync::Mutex::new(()),
            meta,
            mark,
            installation,
            reader,
            backing_up: tokio::sync::Mutex::new(()),
        };
        Ok(Opened { store, notices })
    }

    /// The trusted time that was stored last before this opening.
    pub fn mark(&self) -> Timestamp {
        self.mark
    }

    /// The installation's name for itself, drawn when the directory was made.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// A small named value, as it was at opening.
    pub fn meta(&self, name: &str) -> Option<&[u8]> {
        self.meta.get(name).map(Vec::as_slice)
    }

    /// Keeps the trusted time when nothing else is written for a while. With
    /// `reset` it may be lower than the mark; `entry` tells the audit who wanted
    /// it.
    ///
    /// # Errors
    /// As every change.
    pub async fn mark_clock(
        &self,
        now: Timestamp,
        reset: bool,
        entry: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        let entry = entry.map(Box::new);
        self.submit(|reply| Op::MarkClock {
            now,
            reset,
            entry,
            reply,
        })
        .await
    }

    /// Whether the writer answers. One that refuses changes since a write has
    /// failed does; one that waits for a silent disk does not.
    pub async fn writer_answers(&self) -> bool {
        matches!(
            self.submit(Op::Ping).await,
            Ok(()) | Err(StoreError::ReadOnly)
        )
    }

    /// Ends the writer: everything accepted is written, then what is dirty,
    /// then the clean mark. Later changes answer read-only. Answers whether all
    /// of it has ended: what takes longer than 12 s is left alone. What was
    /// answered is durable either way.
    pub fn close(&self) -> bool {
        self.close_within(CLOSE_MAX)
    }

    /// As [`SledStore::close`], with another patience.
    pub(super) fn close_within(&self, patience: Duration) -> bool {
        self.operations.lock().take();
        self.stopping.store(true, Ordering::Release);
        let until = Instant::now() + patience;
        let mut has_ended = true;
        for thread in self.threads.lock().drain(..) {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(CLOSE_LOOK_EVERY);
            }
            if thread.is_finished() {
                // A thread that panicked has said so already.
                let _ = thread.join();
            } else {
                has_ended = false;
            }
        }
        has_ended
    }

    pub(super) async fn submit<T>(
        &self,
        op: impl FnOnce(op::Reply<T>) -> Op,
    ) -> Result<T, StoreError> {
        if self.shared.pulse.read_only() {
            return Err(StoreError::ReadOnly);
        }
        if self.stalled().is_some() {
            return Err(StoreError::Busy);
        }
        let (reply, answer) = oneshot::channel();
        let sender = self.operations.lock().clone().ok_or(StoreError::ReadOnly)?;
        let sent = sender.try_send(op(reply));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::ReadOnly,
        })?;
        self.shared.work.accepted.count();
        drop(sender);
        match tokio::time::timeout(ANSWER_WAIT_MAX, answer).await {
            Ok(Ok(answer)) => answer,
            // Too late, or the writer is gone: the operation may be on the disk.
            Ok(Err(_)) | Err(_) => Err(StoreError::Unknown),
        }
    }

    /// Has work done beside everything else; a stop of the store waits for it.
    pub(super) fn beside<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, done) = oneshot::channel();
        let thread = spawn(name, move || {
            let this = rustix::thread::gettid();
            let _ = rustix::process::setpriority_process(Some(this), BESIDE_NICENESS);
            // Whoever asked may have left.
            let _ = sender.send(work());
        });
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        done
    }

    fn stalled(&self) -> Option<Duration> {
        self.shared
            .pulse
            .silent_for()
            .filter(|silent| *silent >= STALLED_AFTER)
    }

    /// Counts an access, after the session was written if it must be.
    async fn access(&self, access: Access, now: Timestamp) -> Result<Checked, StoreError> {
        let mut can_write = !self.shared.pulse.read_only();
        loop {
            if let Some(checked) = self.look(&access, now, can_write) {
                return checked;
            }
            // Checks go on while nothing can be written, also while the store
            // stops: asked again, memory answers.
            let written = self.submit(|reply| Op::Write(access.id, reply)).await;
            can_write = written.is_ok();
        }
    }

    /// A check as far as memory goes; `None` when the session must be written
    /// first.
    fn look(
        &self,
        access: &Access,
        now: Timestamp,
        can_write: bool,
    ) -> Option<Result<Checked, StoreError>> {
        let Shared { table, view, .. } = &*self.shared;
        self.outcome(table.check(access, now, can_write, view), access.id, now)
    }

    /// What the table said, as an answer; `None` when the session must be
    /// written first.
    fn outcome(
        &self,
        checked: CheckOutcome,
        id: SessionId,
        now: Timestamp,
    ) -> Option<Result<Checked, StoreError>> {
        match checked {
            CheckOutcome::Live(checked) => Some(Ok(checked)),
            CheckOutcome::NotLive => {
                let reason = self.shared.table.reason(id, now);
                Some(Err(StoreError::NotLive(reason)))
            }
            CheckOutcome::MustWrite => None,
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SledStore {
    async fn check(&self, access: Access, now: Timestamp) -> Result<Checked, StoreError> {
        self.access(access, now).await
    }

    async fn check_signed(&self, signer: &Signer, now: Timestamp) -> Result<Checked, StoreError> {
        let principal = self.shared.view.signer(signer).ok_or(StoreError::Denied)?;
        let held = self.shared.signed.of(signer.key.id);
        let access = Access {
            id: held.ok_or(StoreError::NotLive(None))?,
            jti_head: None,
            touch: true,
        };
        let checked = self.access(access, now).await;
        checked
            .map(|checked| Checked {
                principal: Some(principal),
                ..checked
            })
            .map_err(|error| match error {
                // Why the last one is over is of no use to who opens the next.
                StoreError::NotLive(_) => StoreError::NotLive(None),
                error => error,
            })
    }

    async fn begin_signed(
        &self,
        signer: Signer,
        id: SessionId,
        _: Cause,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        let begin = Box::new(op::BeginSigned { signer, id, now });
        self.submit(|reply| Op::BeginSigned(begin, reply)).await
    }

    fn note_token(&self, id: SessionId, token: &NotedToken, name: TokenName) -> bool {
        self.shared.table.note_token(id, token, name)
    }

    fn noted_token(&self, id: SessionId, name: &TokenName) -> Option<NotedToken> {
        self.shared.table.noted_token(id, name)
    }

    fn check_at_once(
        &self,
        id: SessionId,
        name: &TokenName,
        now: Timestamp,
    ) -> Option<Result<Checked, StoreError>> {
        let Shared {
            table, view, pulse, ..
        } = &*self.shared;
        let checked = table.check_named(id, name, now, !pulse.read_only(), view)?;
        self.outcome(checked, id, now)
    }

    async fn find(&self, id: SessionId, scope: &Scope, now: Timestamp) -> Option<Session> {
        let found = self.shared.table.find(id, now);
        found.filter(|session| scope.covers(session))
    }

    async fn page(
        &self,
        query: &Query<SessionMember>,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError> {
        if !self.shared.table.scans(query, now) {
            return self.shared.table.page(query, scope, now);
        }
        // A long scan, or a thousand sessions that are over and were not noticed
        // yet, would hold up every other request of its thread.
        let (shared, query, scope) = (Arc::clone(&self.shared), query.clone(), scope.clone());
        let page = tokio::task::spawn_blocking(move || shared.table.page(&query, &scope, now));
        page.await.unwrap_or(Err(StoreError::Busy))
    }

    async fn ended(
        &self,
        query: &Query<EndedMember>,
        now: Timestamp,
    ) -> Result<Selected<Arc<EndedSession>>, StoreError> {
        // The archive is long, and few ask for it: never on a serving thread.
        let (shared, query) = (Arc::clone(&self.shared), query.clone());
        let page = move || shared.archive.page(&query, &shared.rules, now);
        let page = tokio::task::spawn_blocking(page).await;
        page.unwrap_or(Err(StoreError::Busy))
    }

    async fn audit(
        &self,
        query: &Query<AuditMember>,
        now: Timestamp,
    ) -> Result<Selected<Arc<AuditEntry>>, StoreError> {
        let (shared, query) = (Arc::clone(&self.shared), query.clone());
        let page = move || shared.audit.page(&query, &shared.rules, now);
        let page = tokio::task::spawn_blocking(page).await;
        page.unwrap_or(Err(StoreError::Busy))
    }

    async fn note(&self, entry: AuditEntry) -> Result<(), StoreError> {
        // What is refused without any work must not cost a write either.
        let is_known = entry.action == AuditAction::LoginLocked && self.shared.audit.count(&entry);
        if is_known {
            return Ok(());
        }
        self.submit(|reply| Op::Note(Box::new(entry), reply)).await
    }

    async fn begin(
        &self,
        new: NewSession,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let begin = Box::new(op::Begin { new, cause, now });
        self.submit(|reply| Op::Begin(begin, reply)).await
    }

    async fn wait(&self, attempt: &Attempt, now: Timestamp) -> Option<Duration> {
        let rules = &self.shared.rules.lockout;
        self.shared.lockouts.lock().wait(attempt, now, rules)
    }

    async fn last_use(&self, user: &UserName) -> Option<Timestamp> {
        let key = NameKey::of(user.as_str());
        self.shared.lockouts.lock().last_use(key)
    }

    async fn note_use(
        &self,
        user: UserName,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.submit(|reply| Op::NoteUse(user, at, now, reply)).await
    }

    async fn count(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.submit(|reply| Op::Count(Box::new(attempt), outcome, now, reply))
            .await
    }

    async fn end(&self, end: End, now: Timestamp) -> Result<Session, StoreError> {
        let end = Box::new(end);
        self.submit(|reply| Op::End(end, now, reply)).await
    }

    async fn end_some(&self, some: EndSome, now: Timestamp) -> Result<EndedSome, StoreError> {
        self.submit(|reply| Op::EndSome(Box::new(some), now, reply))
            .await
    }

    async fn revocations(
        &self,
        since: Option<FeedPlace>,
        max: usize,
        now: Timestamp,
    ) -> Revocations {
        let epoch = self.shared.pulse.epoch();
        self.shared.archive.revocations(epoch, since, max, now)
    }

    fn endings(&self) -> watch::Receiver<u64> {
        self.shared.archive.endings()
    }

    fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    async fn settle(
        &self,
        hook: WebhookId,
        settled: Settled,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let settled = Box::new(settled);
        self.submit(|reply| Op::Settle(hook, settled, now, reply))
            .await
    }

    fn changes(&self) -> &Changes {
        &self.shared.changes
    }

    async fn tokens(&self, id: SessionId, now: Timestamp) -> Option<TokenState> {
        self.shared.table.find(id, now)?;
        self.shared.table.get(id)?.record.tokens
    }

    async fn session_of_refresh(&self, sha256: [u8; 32], now: Timestamp) -> Option<SessionId> {
        let _one = self.searching.lock().await;
        let shared = Arc::clone(&self.shared);
        // Too long for a serving thread when there are many sessions.
        let search = move || shared.table.id_of_refresh(&sha256);
        let id = tokio::task::spawn_blocking(search).await.ok()??;
        self.shared.table.find(id, now).map(|session| session.id)
    }

    async fn refresh(
        &self,
        refresh: Refresh,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError> {
        let exchange = Box::new(op::Exchange {
            refresh,
            origin,
            now,
        });
        self.submit(|reply| Op::Refresh(exchange, reply)).await
    }

    async fn directory(&self) -> Arc<Directory> {
        self.shared.view.directory()
    }

    async fn change(
        &self,
        change: DirectoryChange,
        precondition: Precondition,
        cause: Cause,
        now: Timestamp,
    ) -> Result<(Resource, bool), StoreError> {
        let change = Box::new(op::Change {
            what: change,
            precondition,
            cause,
            now,
        });
        self.submit(|reply| Op::Change(change, reply)).await
    }

    async fn end_all(
        &self,
        of: Subject,
        reason: EndReason,
        cause: Cause,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let end = Box::new(op::EndAll {
            of,
            reason,
            cause,
            now,
        });
        self.submit(|reply| Op::EndAll(end, reply)).await
    }

    async fn put_meta(
        &self,
        name: &str,
        value: Option<Vec<u8>>,
        told: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        let told = told.map(Box::new);
        self.submit(|reply| Op::PutMeta {
            name: name.to_owned(),
            value,
            told,
            reply,
        })
        .await
    }

    async fn reason(&self, id: SessionId, now: Timestamp) -> Option<EndReason> {
        self.shared.table.reason(id, now)
    }

    async fn sweep(&self, now: Timestamp, max: usize) -> Result<Swept, StoreError> {
        self.submit(|reply| Op::Sweep(now, max, reply)).await
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.shared.table.next_deadline()
    }

    fn backups(&self) -> Option<&dyn Backups> {
        Some(self)
    }

    fn health(&self) -> StoreHealth {
        let pulse = &self.shared.pulse;
        let dirty = self.shared.table.dirty_len();
        StoreHealth {
            sessions: u64::try_from(self.shared.table.count()).unwrap_or(u64::MAX),
            read_only: pulse.read_only(),
            stalled: self.stalled(),
            dirty: u64::try_from(dirty).unwrap_or(u64::MAX),
            lag: lag(&self.shared.table),
            free_bytes: pulse.free_bytes(),
            full: pulse.full(),
            commit: pulse.commit(),
            epoch: pulse.epoch(),
            indexes: pulse.indexes(),
        }
    }

    fn figures(&self) -> Figures {
        let Shared {
            changes,
            archive,
            audit,
            work,
            ..
        } = &*self.shared;
        let long = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        Figures {
            begun: changes.begun(),
            ended: changes.ended(),
            groups: work.groups.read(),
            syncs: work.syncs.read(),
            operations: work.written.get(),
            queued: work.accepted.get().saturating_sub(work.taken.get()),
            archived: long(archive.len()),
            audited: long(audit.len()),
            format: super::FORMAT,
        }
    }
}

/// Tells the disk that versions are being given, before any is given: from
/// here on a stop without the clean mark makes versions jump.
fn note_start<D: Disk>(disk: &mut D, head: &Head, clean: bool) -> std::io::Result<Head> {
    let mark = head.mark();
    let mut batch = Batch::new(head, mark);
    if !clean {
        batch.begin_exact();
    }
    let written = catch_unwind(AssertUnwindSafe(|| {
        disk.commit(&batch)?;
        disk.sync(&batch)
    }));
    written.unwrap_or_else(|_| Err(std::io::Error::other("the database panicked")))?;
    Ok(batch.into_head())
}

/// The table of what was read.
fn filled(
    sessions: Records,
    touches: &journal::Read,
    fenced: &mut VecDeque<Fenced>,
    (head, clean): (&Head, bool),
    rules: &Rules,
) -> Table {
    let exact_from = clean.then_some(head.exact_from());
    let table = Table::new(rules.clone());
    if !clean {
        table.set_idle_grace(head.lag());
    }
    let count = sessions.len();
    // What each thread finds to stand behind a fence, and behind which.
    let behind: [Mutex<Vec<Behind>>; 2] = Default::default();
    let parts = sessions.halves().into_iter().zip(&behind);
    let parts = parts.map(|(records, behind)| {
        let fenced = &*fenced;
        records.into_iter().filter_map(move |record| {
            match revive(record, touches, fenced, exact_from, rules) {
                Revived::Live(resumed) => Some(resumed),
                Revived::Behind(one) => {
                    behind.lock().push(one);
                    None
                }
            }
        })
    });
    table.load(parts.collect(), count);
    for (place, kept, reason, at) in behind.into_iter().flat_map(Mutex::into_inner) {
        fenced[place].sessions.push((kept, reason, at));
    }
    table
}

/// A session behind a fence: the fence's place, and as it stands behind it.
type Behind = (usize, Kept, EndReason, Timestamp);

/// What a record of the disk comes to at a start.
enum Revived {
    Live(Resumed),
    Behind(Behind),
}

/// A record of the disk, with what the journal has of its session, as it goes
/// into the table. One that a durable fence has ended goes to that fence
/// instead. One whose version was written before `exact_from` goes on above its
/// ceiling; after an unclean stop (`None`) all do.
fn revive(
    record: Record,
    touches: &journal::Read,
    fenced: &VecDeque<Fenced>,
    exact_from: Option<u64>,
    rules: &Rules,
) -> Revived {
    let newest = touches.newest(&record);
    let mut resumed = Resumed {
        last_access: newest.last_access,
        version: newest.version,
        record,
    };
    let behind = fenced.iter().enumerate().find_map(|(place, fenced)| {
        let reason = fenced.fence.ends_session(&resumed.record)?;
        Some((place, fenced.fence.at, reason))
    });
    if let Some((place, at, reason)) = behind {
        let kept = resumed.kept();
        let session = &kept.record.session;
        let idle = rules.idle[session.identity.env.index()];
        let (reason, at) = session.lapsed(at, idle).unwrap_or((reason, at));
        return Revived::Behind((place, kept, reason, at));
    }
    if exact_from.is_none_or(|from| newest.written < from) {
        resumed.version = resumed.record.ceiling.next();
    }
    Revived::Live(resumed)
}

/// Merges touches into the order by last access until the store stops.
fn keep_order(shared: &Shared, stopping: &AtomicBool) {
    // Nobody waits for it: queries read the marks along.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), ORDER_NICENESS);
    while !stopping.load(Ordering::Acquire) {
        let is_more = shared.table.drain(DRAIN_BATCH) == DRAIN_BATCH;
        std::thread::sleep(if is_more { DRAIN_PAUSE } else { DRAIN_EVERY });
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .expect("the system gives a thread at start")
}
