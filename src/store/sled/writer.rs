//! The one thread that changes anything: it gathers operations into groups,
//! has each decided on the table, writes the group, syncs it, applies it to
//! the table and answers, in this order.
//!
//! Nobody sees what the disk does not have: neither a new session nor the end
//! of an old one. Touches are written behind, at a pace, and never before
//! something that somebody waits for.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::decide::{self, Fenced, Finish, Verdict};
use super::disk::{Batch, Change, Disk, Head, Reader, Tree};
use super::journal::{self, CHUNK_TOUCHES_MAX, Journal, Touch};
use super::keys;
use super::op::{Cut, Op, Taken};
use super::proof::{self, IndexProof, Step};
use super::shared::Shared;
use super::table::{Leaving, Table, Unwritten};
use crate::model::{SessionId, Timestamp};
use crate::store::{FAILURES_PER_HOOK_MAX, Indexes, OUTBOX_EVENTS_MAX, StoreError, Swept};

/// Operations in one group at most: sled holds a group in memory twice.
pub const GROUP_OPS_MAX: usize = 512;
/// Touches that go into the journal in one group at most. Smaller groups would
/// cost more: each has a sync, and half a millisecond of sled's.
const TOUCH_GROUP_MAX: usize = 256;
/// How often a group of them is written at most. On one core each has a turn of
/// half a millisecond for which all open requests wait: with sixteen a second
/// these are more than a hundredth of all, and with eight they are not.
const TOUCH_PACE: Duration = Duration::from_millis(128);
/// Touches written a second at most.
const TOUCHES_PER_SECOND_MAX: u64 = 2_000;
const _: () = assert!(
    TOUCH_GROUP_MAX as u128 * 1_000 == TOUCHES_PER_SECOND_MAX as u128 * TOUCH_PACE.as_millis()
);
/// Touches between two rests, while nobody waits for the writer: a check on a
/// computer with one free core has to wait for that many.
const TOUCH_STEP: usize = 64;
/// How long such a rest is: the requests that have come meanwhile are answered.
const STEP_REST: Duration = Duration::from_millis(1);
/// Sessions written as records in one background group at most, each of which
/// costs more than twenty touches.
const RECORD_GROUP_MAX: usize = 16;
/// How often a group of them is written at most.
const RECORD_PACE: Duration = Duration::from_millis(16);
/// Chunks that leave the journal in one group at most.
const CHUNKS_LEAVING_MAX: usize = 32;
/// A touch rests this long before it is written: more of the same session
/// then cost nothing.
const TOUCH_REST: Duration = Duration::from_secs(2);
/// The lag promised when little is dirty.
const LAG_MIN: Duration = Duration::from_secs(5);
/// Archive records moved in one background batch.
const ARCHIVE_BATCH_MAX: usize = 256;
/// How often events go from the outbox that every hook has passed.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// Events removed from the outbox in one step.
const TIDY_BATCH_MAX: usize = 256;
/// How often the writer looks for background work while something is dirty.
const DIRTY_WAIT: Duration = Duration::from_millis(64);
/// How often the writer looks for background work when nobody asks for anything.
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// The writer's own state.
pub struct Writer<D> {
    disk: D,
    head: Head,
    shared: Arc<Shared>,
    operations: Receiver<Op>,
    /// An operation that did not fit into the group before.
    held_back: Option<Op>,
    /// Endings that are durable as a fence, with records still to be moved.
    fenced: VecDeque<Fenced>,
    /// What the disk has of the journal of touches, and how it is read.
    journal: Journal,
    reader: Reader,
    /// What is still to be proved of the indexes.
    proof: Option<IndexProof>,
    /// When touches were last written.
    touched: Instant,
    /// When the outbox was last tidied.
    tidied: Instant,
    /// A backup that is told of every group.
    watch: Option<Sender<Vec<Change>>>,
    /// Newest `now` any operation has brought: the mark of groups without one.
    now: Timestamp,
}

/// What a group comes to.
enum Outcome {
    Durable,
    Failed,
}

impl<D: Disk> Writer<D> {
    /// A writer over an open disk whose last group is `head`. `fenced` are the
    /// endings that a stop has interrupted; `journal` is what the disk has of
    /// touches, and `reader` reads it; `proof` is what its indexes are still to be
    /// held against.
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each thing it takes over"
    )]
    pub fn new(
        disk: D,
        head: Head,
        shared: Arc<Shared>,
        operations: Receiver<Op>,
        fenced: VecDeque<Fenced>,
        journal: Journal,
        reader: Reader,
        proof: Option<IndexProof>,
    ) -> Self {
        let now = head.mark();
        Self {
            disk,
            head,
            shared,
            operations,
            held_back: None,
            fenced,
            journal,
            reader,
            proof,
            touched: Instant::now(),
            tidied: Instant::now(),
            watch: None,
            now,
        }
    }

    /// Works until every sender is gone, then writes what is dirty and marks
    /// the stop as clean. `deadline` bounds that last part.
    pub fn run(mut self, flush: Duration) {
        loop {
            let wait = self.background();
            match self.next(wait) {
                Ok(op) => self.group(op),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close(flush);
        // sled panics when the last sync of its file fails. Every answer has had
        // a sync of our own before.
        let disk = self.disk;
        if catch_unwind(AssertUnwindSafe(|| drop(disk))).is_err() {
            tracing::warn!(target: "store", "the database did not close cleanly; everything answered is on the disk");
        }
    }

    fn next(&mut self, wait: Duration) -> Result<Op, RecvTimeoutError> {
        if let Some(op) = self.held_back.take() {
            return Ok(op);
        }
        let op = self.operations.recv_timeout(wait)?;
        self.shared.work.taken.count();
        Ok(op)
    }

    /// What waits already.
    fn next_waiting(&mut self) -> Option<Op> {
        let op = self.operations.try_recv().ok()?;
        self.shared.work.taken.count();
        Some(op)
    }

    /// Gathers a group that starts with `first`, and writes it.
    fn group(&mut self, first: Op) {
        self.shared.pulse.busy();
        if self.shared.pulse.read_only() {
            first.refuse(StoreError::ReadOnly);
            self.shared.pulse.idle();
            return;
        }
        // Also for the sweep, which comes by when nobody logs in: health shows it.
        self.look_at_room();
        let Some(first) = self.by_itself(first) else {
            self.shared.pulse.idle();
            return;
        };
        self.note_time(&first);
        let mut batch = self.batch();
        let mut taken = Taken::default();
        let mut finishes = Vec::new();
        let mut next = Some(first);
        while let Some(op) = next.take() {
            if !taken.take(&decide::touched(&op, &self.shared)) {
                self.held_back = Some(op);
                break;
            }
            self.note_time(&op);
            if let Verdict::Write(finish) = decide::decide(op, &self.shared, &mut batch) {
                finishes.push(finish);
            }
            if taken.operations() < GROUP_OPS_MAX {
                next = self.next_waiting();
            }
        }
        if !finishes.is_empty() {
            batch.set_mark(self.now, false);
            self.write(batch, finishes);
        }
        self.shared.pulse.idle();
    }

    /// Carries out what is no operation of a group; hands back one that is.
    fn by_itself(&mut self, op: Op) -> Option<Op> {
        match op {
            Op::Sweep(now, max, reply) => {
                let _ = reply.send(self.sweep(now, max));
            }
            Op::Watch(watch, reply) => {
                self.watch = Some(watch);
                let _ = reply.send(Ok(self.cut()));
            }
            Op::Ping(reply) => {
                let _ = reply.send(Ok(()));
            }
            Op::Unwatch(reply) => {
                self.watch = None;
                let _ = reply.send(Ok(self.cut()));
            }
            op => return Some(op),
        }
        None
    }

    fn cut(&self) -> Cut {
        Cut {
            head: self.head.clone(),
            directory: self.shared.view.directory(),
        }
    }

    fn note_time(&mut self, op: &Op) {
        let now = match op {
            Op::EndSome(_, now, _)
            | Op::End(_, now, _)
            | Op::Count(_, _, now, _)
            | Op::NoteUse(_, _, now, _)
            | Op::Sweep(now, ..)
            | Op::Settle(_, _, now, _)
            | Op::MarkClock { now, .. } => *now,
            Op::EndAll(end, _) => end.now,
            Op::Begin(begin, _) => begin.now,
            Op::BeginSigned(begin, _) => begin.now,
            Op::Refresh(exchange, _) => exchange.now,
            Op::Change(change, _) => change.now,
            Op::Note(entry, _)
            | Op::PutMeta {
                told: Some(entry), ..
            } => entry.at,
            Op::Write(..)
            | Op::PutMeta { told: None, .. }
            | Op::Watch(..)
            | Op::Unwatch(..)
            | Op::Ping(..) => {
                return;
            }
        };
        self.now = if matches!(op, Op::MarkClock { reset: true, .. }) {
            now
        } else {
            self.now.max(now)
        };
    }

    fn batch(&self) -> Batch {
        let mut batch = Batch::new(&self.head, self.now);
        batch.set_lag(lag(&self.shared.table));
        batch
    }

    fn look_at_room(&mut self) {
        let room = self.disk.room();
        self.shared.pulse.set_room(room.free, room.low);
    }

    /// Writes and syncs a group, then lets every operation finish. After a
    /// failure nobody can tell what the disk holds, so nothing is tried again
    /// and nothing more is written.
    fn write(&mut self, mut batch: Batch, finishes: Vec<Finish>) {
        let outcome = self.commit(&batch);
        let operations = u64::try_from(finishes.len()).unwrap_or(u64::MAX);
        self.shared.work.written.add(operations);
        // The disk has answered: who is answered next may come back at once.
        self.shared.pulse.busy();
        let durable = matches!(outcome, Outcome::Durable);
        if durable {
            for entry in &batch.audited {
                self.shared.audit.show(Arc::clone(entry));
            }
            self.shared.outbox.apply(std::mem::take(&mut batch.steps));
            if let Some(proof) = &mut self.proof {
                proof.follow(&batch);
            }
            self.tell(&mut batch);
            self.head = batch.into_head();
            self.shared.table.set_applied(self.head.commit());
            self.shared.pulse.set_commit(self.head.commit());
        }
        let _filing = self.shared.archive.filing();
        for finish in finishes {
            self.fenced.extend(finish(&self.shared, durable));
        }
        if durable {
            self.shared.archive.set_applied(self.head.commit());
        }
        self.shared.changes.tell();
    }

    /// Tells the backup of a durable group, if one is being made.
    fn tell(&mut self, batch: &mut Batch) {
        let Some(watch) = &self.watch else {
            return;
        };
        // A backup that was given up listens no more.
        if watch.send(batch.take_changes()).is_err() {
            self.watch = None;
        }
    }

    fn commit(&mut self, batch: &Batch) -> Outcome {
        if self.shared.pulse.read_only() {
            return Outcome::Failed;
        }
        let (disk, work) = (&mut self.disk, &self.shared.work);
        let started = Instant::now();
        let written = catch_unwind(AssertUnwindSafe(|| {
            disk.commit(batch)?;
            let started = Instant::now();
            let synced = disk.sync(batch);
            work.syncs.count(started.elapsed());
            synced
        }));
        work.groups.count(started.elapsed());
        let cause = match written {
            Ok(Ok(())) => return Outcome::Durable,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database panicked".to_owned(),
        };
        self.shared.pulse.fail(cause);
        Outcome::Failed
    }

    /// One small piece of background work, if any is due: endings to archive
    /// first, then touches. Answers how long to wait for the next.
    fn background(&mut self) -> Duration {
        if self.shared.pulse.read_only() {
            return IDLE_WAIT;
        }
        if !self.fenced.is_empty() {
            self.shared.pulse.busy();
            self.archive_fenced();
            self.shared.pulse.idle();
        }
        self.tidy_outbox();
        self.prove_indexes();
        let urgent = self.shared.table.urgent(RECORD_GROUP_MAX);
        let touched = self.ripe_touches();
        if urgent.is_empty() && touched.is_empty() {
            return if self.proof.is_some() {
                proof::STEP_EVERY
            } else if self.shared.table.dirty_len() > 0 {
                DIRTY_WAIT
            } else {
                IDLE_WAIT
            };
        }
        self.shared.pulse.busy();
        self.write_touches(&urgent, &touched);
        self.shared.pulse.idle();
        if urgent.is_empty() {
            DIRTY_WAIT
        } else {
            RECORD_PACE
        }
    }

    /// Makes the next step of the proof of the indexes, if one is due.
    fn prove_indexes(&mut self) {
        let Some(proof) = self.proof.as_mut().filter(|proof| proof.is_due()) else {
            return;
        };
        self.shared.pulse.busy();
        match proof.step(&self.reader, &self.head) {
            Step::More => {}
            Step::Proved => {
                self.proof = None;
                self.shared.pulse.set_indexes(Indexes::Proved);
            }
            Step::Misfit(why) => {
                tracing::error!(target: "store", %why, "an index is damaged; no answer comes from it");
                self.proof = None;
                self.shared.pulse.set_indexes(Indexes::Damaged);
            }
        }
        self.shared.pulse.idle();
    }

    /// Removes from the outbox what every hook has passed, now and then, and the
    /// oldest of too many at once.
    fn tidy_outbox(&mut self) {
        let outbox = &self.shared.outbox;
        if self.tidied.elapsed() < TIDY_EVERY && !outbox.is_over(OUTBOX_EVENTS_MAX) {
            return;
        }
        self.tidied = Instant::now();
        let directory = self.shared.view.directory();
        let (events, failures) = (OUTBOX_EVENTS_MAX, FAILURES_PER_HOOK_MAX);
        let steps = outbox.tidy(&directory, events, failures, TIDY_BATCH_MAX, self.now);
        if steps.is_empty() {
            return;
        }
        self.shared.pulse.busy();
        let mut batch = self.batch();
        for step in steps {
            batch.step(step);
        }
        self.write(batch, Vec::new());
        self.shared.pulse.idle();
    }

    /// The sessions whose accesses have rested long enough, if some may be written
    /// now.
    fn ripe_touches(&mut self) -> Vec<SessionId> {
        if self.touched.elapsed() < TOUCH_PACE {
            return Vec::new();
        }
        self.touched = Instant::now();
        self.shared.table.dirty(TOUCH_REST, TOUCH_GROUP_MAX)
    }

    /// Writes what the disk does not have of these sessions: of `urgent` their
    /// records, with room for further versions; of `touched` what the accesses
    /// have moved, into the journal.
    fn write_touches(&mut self, urgent: &[SessionId], touched: &[SessionId]) {
        let mut batch = self.batch();
        let mut touches: Vec<Touch> = Vec::with_capacity(touched.len());
        // No record may be written twice in one group.
        let mut records: BTreeSet<SessionId> = urgent.iter().copied().collect();
        let leaving = self.stage_leaving(&mut batch, &mut touches, &mut records);
        let leaving = match leaving {
            Ok(last) => last,
            Err(why) => {
                self.shared
                    .pulse
                    .fail(format!("the journal of touches: {why}"));
                return;
            }
        };
        for some in touched.chunks(TOUCH_STEP) {
            for id in some {
                match self.shared.table.unwritten(*id) {
                    Some(Unwritten::Touch(touch)) => touches.push(touch),
                    Some(Unwritten::Record) => drop(records.insert(*id)),
                    None => {}
                }
            }
            self.rest();
        }
        let stage = |id: &SessionId| decide::stage_write(*id, &self.shared, &mut batch);
        let mut finishes: Vec<Finish> = records.iter().filter_map(stage).collect();
        let chunks = touches.chunks(CHUNK_TOUCHES_MAX);
        let added: Vec<u64> = chunks.map(|chunk| batch.put_touches(chunk)).collect();
        if finishes.is_empty() && added.is_empty() && leaving.is_none() {
            return;
        }
        if let Some(last) = leaving {
            self.journal.pop(last);
        }
        for (number, chunk) in added.iter().zip(touches.chunks(CHUNK_TOUCHES_MAX)) {
            self.journal.push(*number, chunk.len());
        }
        finishes.push(Box::new(move |shared, durable| {
            if durable {
                for (number, chunk) in added.iter().zip(touches.chunks(CHUNK_TOUCHES_MAX)) {
                    shared.table.journaled(*number, chunk);
                }
            }
            None
        }));
        self.write(batch, finishes);
    }

    /// Lets the oldest chunks go from the journal, when there are too many, and
    /// says where what is in them goes with the same group. Not many that have to
    /// be written as records; none while a fence stands before records, since a
    /// start takes the accesses of sessions that have ended from here, too. The
    /// last of these chunks.
    fn stage_leaving(
        &mut self,
        batch: &mut Batch,
        touches: &mut Vec<Touch>,
        records: &mut BTreeSet<SessionId>,
    ) -> std::io::Result<Option<u64>> {
        if !self.fenced.is_empty() {
            return Ok(None);
        }
        let sessions = self.shared.table.count();
        let surplus = self.journal.surplus(sessions);
        let numbers: Vec<u64> = surplus.take(CHUNKS_LEAVING_MAX).collect();
        let mut last = None;
        let mut settled = 0;
        for some in numbers.chunks(TOUCH_STEP / CHUNK_TOUCHES_MAX) {
            for number in some {
                for touch in read_chunk(&self.reader, *number)? {
                    match self.shared.table.leaving(*number, &touch) {
                        Leaving::Drop => {}
                        Leaving::Again(touch) => touches.push(touch),
                        Leaving::Settle => {
                            records.insert(touch.id);
                            settled += 1;
                        }
                    }
                }
                batch.remove_touches(*number);
                last = Some(*number);
                if settled >= RECORD_GROUP_MAX {
                    return Ok(last);
                }
            }
            self.rest();
        }
        Ok(last)
    }

    /// Rests for a moment, unless an operation waits or comes.
    fn rest(&mut self) {
        if self.held_back.is_none() {
            self.held_back = self.next(STEP_REST).ok();
        }
    }

    /// Moves some records from behind a fence to the archive; the last batch
    /// takes the fence down.
    fn archive_fenced(&mut self) {
        let Some(mut fenced) = self.fenced.pop_front() else {
            return;
        };
        let mut batch = self.batch();
        let first = fenced.sessions.len().saturating_sub(ARCHIVE_BATCH_MAX);
        for (kept, reason, at) in fenced.sessions.split_off(first) {
            let ended = fenced.as_ended(&kept, reason, at);
            decide::stage_archive(&kept, &ended, &self.shared, &mut batch);
        }
        let last = fenced.sessions.is_empty();
        if last {
            batch.remove_fence(fenced.fence.number);
        }
        self.write(batch, Vec::new());
        if !last && !self.shared.pulse.read_only() {
            self.fenced.push_front(fenced);
        }
    }

    /// Moves what is over to the archive, and forgets what was archived long
    /// enough.
    fn sweep(&mut self, now: Timestamp, max: usize) -> Result<Swept, StoreError> {
        self.now = self.now.max(now);
        let max = max.min(GROUP_OPS_MAX);
        let mut batch = self.batch();
        let mut ended = Vec::new();
        for (id, reason, at) in self.shared.table.due(now, max) {
            ended.extend(decide::stage_lapsed(
                id,
                reason,
                at,
                &self.shared,
                &mut batch,
            ));
        }
        let rules = &self.shared.rules;
        self.shared.archive.prune(now);
        // Behind a fence, records are in memory that the disk does not have yet.
        let purged = if self.fenced.is_empty() {
            self.shared.archive.surplus(rules, now, max)
        } else {
            Vec::new()
        };
        for (at, id) in &purged {
            batch.purge_archive(*at, *id);
        }
        let forgotten = self.shared.lockouts.lock().sweep(now, max, &mut batch);
        // Counted first: what goes is not to be written again.
        let counted = self.shared.audit.stage_counted(&mut batch);
        let audited = self.shared.audit.surplus(rules, now, max);
        for number in &audited {
            batch.purge_audit(*number);
        }
        let swept = Swept {
            ended: ended.len(),
            purged: purged.len() + audited.len(),
            more: [ended.len(), purged.len(), audited.len(), forgotten].contains(&max),
        };
        if swept.ended > 0 || swept.purged > 0 || forgotten > 0 || counted {
            let finish: Finish = Box::new(move |shared, durable| {
                if durable {
                    for end in ended {
                        end.apply(shared);
                    }
                    for key in purged {
                        shared.archive.forget(key);
                    }
                    for number in audited {
                        shared.audit.forget(number);
                    }
                }
                None
            });
            self.write(batch, vec![finish]);
            if self.shared.pulse.read_only() {
                return Err(StoreError::Unknown);
            }
        }
        Ok(swept)
    }

    /// The last writes of a clean stop. Only when everything dirty is on the
    /// disk does it get the mark that lets versions go on without a jump.
    fn close(&mut self, flush: Duration) {
        let started = Instant::now();
        // Requests that were not drained may still be at work.
        self.shared.table.seal();
        while !self.shared.pulse.read_only() && started.elapsed() < flush {
            if !self.fenced.is_empty() {
                self.archive_fenced();
                continue;
            }
            let ids = self.shared.table.dirty(Duration::ZERO, GROUP_OPS_MAX);
            if ids.is_empty() {
                let mut batch = self.batch();
                // A start after a clean stop would trust the indexes once more.
                batch.set_clean(self.shared.pulse.indexes() != Indexes::Damaged);
                self.write(batch, Vec::new());
                return;
            }
            self.write_touches(&[], &ids);
        }
        tracing::warn!(target: "store", "stopped before everything was written; versions will jump ahead");
    }
}

/// How old the oldest access that is not on the disk may be: whatever is dirty
/// is written before it.
pub fn lag(table: &Table) -> Duration {
    let before = u64::try_from(table.dirty_len()).unwrap_or(u64::MAX);
    // A group takes its time beside its pace.
    let each_second = TOUCHES_PER_SECOND_MAX * 4 / 5;
    LAG_MIN.max(TOUCH_REST + Duration::from_secs(before / each_second))
}

/// The touches of a chunk, as the disk has them. sled panics on a damaged page.
fn read_chunk(reader: &Reader, number: u64) -> std::io::Result<Vec<Touch>> {
    let read = || {
        let before = keys::touches(number - 1);
        let found = reader.records_behind(Tree::Touches, Some(&before), 1)?;
        let key = keys::touches(number);
        let (_, value) = found
            .into_iter()
            .find(|(found, _)| **found == key)
            .ok_or_else(|| std::io::Error::other("a chunk is missing"))?;
        journal::decode(&value).map_err(std::io::Error::other)
    };
    let panicked = |_| Err(std::io::Error::other("reading it panicked"));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked)
}
