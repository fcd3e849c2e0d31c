//! Accesses through the journal: what it keeps over a stop and a kill, and how
//! it stays small.

use super::faults::Committing;
use super::*;
use crate::model::{Session, Subject};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::store::sled::disk::{Batch, SledDisk, Trees};
use crate::store::sled::journal::CHUNK_TOUCHES_MAX;
use crate::store::sled::keys::{self, Meta};
use crate::store::sled::open::{Loaded, upgrade};
use crate::store::sled::verify;

/// Sessions whose accesses are more than the journal always keeps.
const SESSIONS: usize = 5_000;
/// Of these, what stays; the others are ended.
const STAYING: usize = 100;
/// Groups in which chunks leave the journal.
const GROUPS: usize = 24;
/// A background write is done within this, or never.
const PATIENCE: Duration = Duration::from_secs(20);

fn touch(store: &SledStore, id: SessionId, millis: u64) {
    let access = Access {
        id,
        jti_head: None,
        touch: true,
    };
    let now = NOW.plus(Duration::from_millis(millis));
    block_on(store.check(access, now)).expect("is live");
}

fn found(store: &SledStore, id: SessionId) -> Session {
    block_on(store.find(id, &Scope::Any, NOW)).expect("is live")
}

/// Chunks in the journal of a stopped store.
fn chunks(dir: &Path) -> usize {
    let trees = Trees::open(&SledDisk::db_dir(dir)).expect("opens");
    trees.touches.len()
}

fn assert_whole(dir: &Path, sessions: usize) {
    let verified = verify::verify(dir).expect("opens");
    assert_eq!(
        (verified.sessions, verified.problems),
        (sessions as u64, Vec::new())
    );
}

/// Waits until nothing is ahead of the disk.
fn settle(store: &SledStore) {
    let since = std::time::Instant::now();
    while store.health().dirty > 0 {
        assert!(since.elapsed() < PATIENCE, "accesses stay unwritten");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A store with that many sessions of `a`, or of `b` behind the first few.
fn filled(dir: &Path) -> (SledStore, Vec<SessionId>) {
    let store = open(dir);
    let ids: Vec<SessionId> = (0..SESSIONS).map(|_| SessionId::draw()).collect();
    block_on(async {
        change(&store, shop()).await.expect("written");
    });
    // Some hundred at once share a sync.
    let parts: Vec<&[SessionId]> = ids.chunks(SESSIONS / 16).collect();
    std::thread::scope(|scope| {
        for (part, ids) in parts.iter().enumerate() {
            let store = &store;
            scope.spawn(move || {
                for (at, id) in ids.iter().enumerate() {
                    let at = part * (SESSIONS / 16) + at;
                    let user = if at < STAYING { "a" } else { "b" };
                    block_on(begin(store, *id, user, "LINK")).expect("written");
                }
            });
        }
    });
    (store, ids)
}

#[test]
fn accesses_are_whole_behind_a_stop_and_the_journal_stays_small() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, ids) = filled(dir.path());
    touch_all(&store, &ids);
    let before = all(&store, &ids);
    drop(store);
    assert_eq!(chunks(dir.path()), SESSIONS.div_ceil(CHUNK_TOUCHES_MAX));
    assert_whole(dir.path(), SESSIONS);

    let store = open(dir.path());
    let after = all(&store, &ids);
    assert!(after == before, "what the journal has is what was answered");
    let before = make_small(&store, &ids);
    drop(store);
    let left = chunks(dir.path());
    assert!(
        left <= 4_096 / CHUNK_TOUCHES_MAX + GROUPS,
        "{left} chunks are left"
    );
    assert_whole(dir.path(), STAYING);
    let after = all(&open(dir.path()), &ids[..STAYING]);
    assert!(after == before, "what left the journal is in the records");
}

#[test]
fn what_leaves_the_journal_behind_a_kill_is_in_the_records() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let (store, ids) = filled(dir.path());
    touch_all(&store, &ids);
    settle(&store);
    let last = |sessions: &[Session]| -> Vec<Timestamp> {
        sessions
            .iter()
            .map(|session| session.last_access_at)
            .collect()
    };
    let shown = all(&store, &ids[..STAYING]);
    twins::as_after_a_kill(dir.path(), killed.path());
    drop(store);

    let store = open(killed.path());
    assert_eq!(last(&all(&store, &ids[..STAYING])), last(&shown));
    let before = make_small(&store, &ids);
    drop(store);
    assert!(chunks(killed.path()) <= 4_096 / CHUNK_TOUCHES_MAX + GROUPS);
    assert_whole(killed.path(), STAYING);
    assert!(all(&open(killed.path()), &ids[..STAYING]) == before);
}

#[test]
fn sessions_in_use_leave_the_journal_for_its_later_chunks_and_a_kill_loses_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let (store, ids) = filled(dir.path());
    for round in 1..=3 {
        for (at, id) in ids.iter().enumerate() {
            touch(&store, *id, round * 10_000 + at as u64);
        }
        settle(&store);
    }
    let shown = all(&store, &ids);
    twins::as_after_a_kill(dir.path(), killed.path());
    drop(store);
    // Three times all of them were written, and twice all of them may stay.
    let left = chunks(killed.path());
    assert!(
        left <= 2 * SESSIONS.div_ceil(CHUNK_TOUCHES_MAX) + GROUPS,
        "{left} chunks are left"
    );

    let store = open(killed.path());
    for (shown, after) in shown.iter().zip(all(&store, &ids)) {
        assert_eq!(after.last_access_at, shown.last_access_at);
        assert!(after.version > shown.version);
    }
    drop(store);
    assert_whole(killed.path(), SESSIONS);
}

/// Counts the groups which take a chunk out of the journal while a fence still
/// stands before records.
fn watching(
    fence: &Arc<AtomicBool>,
    early: &Arc<AtomicUsize>,
) -> impl FnMut(&mut SledDisk, &Batch) -> io::Result<()> + Send + use<> {
    let (fence, early) = (Arc::clone(fence), Arc::clone(early));
    move |disk, batch| {
        let takes = batch.touches.keys().any(|(_, is_put)| !is_put);
        if takes && fence.load(Ordering::Relaxed) {
            early.fetch_add(1, Ordering::Relaxed);
        }
        let is_fence = |key: &[u8]| matches!(keys::parse_meta(key), Some(Meta::Fence(_)));
        if let Some((_, is_put)) = batch.meta.keys().find(|(key, _)| is_fence(key)) {
            fence.store(is_put, Ordering::Relaxed);
        }
        disk.commit(batch)
    }
}

#[test]
fn the_journal_keeps_accesses_of_ended_sessions_until_they_are_archived() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, ids) = filled(dir.path());
    touch_all(&store, &ids);
    settle(&store);
    drop(store);
    let (fence, early) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
    let opened = open_with(dir.path(), |disk| Committing {
        disk,
        commit: watching(&fence, &early),
    });
    let store = opened.expect("opens").store;
    for id in &ids[..GROUPS] {
        touch(&store, *id, 20_000);
    }
    // These are ripe to be written while the archive is at work.
    std::thread::sleep(Duration::from_millis(1_500));
    let others = Subject::User(user_name("b"));
    let ended = store.end_all(others, EndReason::Revoked, Cause::operator(), NOW);
    block_on(ended).expect("written");
    let since = std::time::Instant::now();
    while fence.load(Ordering::Relaxed) || store.health().dirty > 0 {
        assert!(since.elapsed() < PATIENCE, "the archive is not done");
        std::thread::sleep(Duration::from_millis(20));
    }
    // From here on they leave, some in each group.
    for (round, id) in ids[..GROUPS].iter().enumerate() {
        touch(&store, *id, 30_000 + round as u64);
        std::thread::sleep(Duration::from_millis(200));
    }
    settle(&store);
    drop(store);
    assert_eq!(early.load(Ordering::Relaxed), 0);
    assert!(chunks(dir.path()) < SESSIONS.div_ceil(CHUNK_TOUCHES_MAX));
}

fn all(store: &SledStore, ids: &[SessionId]) -> Vec<Session> {
    ids.iter().map(|id| found(store, *id)).collect()
}

/// Uses all sessions twice, every third of them in the very instant of its login.
fn touch_all(store: &SledStore, ids: &[SessionId]) {
    for (at, id) in ids.iter().enumerate() {
        let later = if at % 3 == 0 { 0 } else { 10_000 + at as u64 };
        touch(store, *id, 0);
        touch(store, *id, later);
    }
}

/// Most sessions end, and the next accesses find too much in the journal. The
/// sessions that are left.
fn make_small(store: &SledStore, ids: &[SessionId]) -> Vec<Session> {
    let others = Subject::User(user_name("b"));
    let ended = store.end_all(others, EndReason::Revoked, Cause::operator(), NOW);
    block_on(ended).expect("written");
    assert_eq!(store.health().sessions, STAYING as u64);
    // One in a group, so that there are some groups.
    for (round, id) in ids[..GROUPS].iter().enumerate() {
        touch(store, *id, 20_000 + round as u64);
        std::thread::sleep(Duration::from_millis(200));
    }
    settle(store);
    all(store, &ids[..STAYING])
}

#[test]
fn an_access_in_the_journal_survives_a_kill_and_its_version_is_never_given_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let id = SessionId::draw();
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
    });
    for millis in 1..=50 {
        touch(&store, id, millis);
    }
    settle(&store);
    let shown = found(&store, id);
    twins::as_after_a_kill(dir.path(), killed.path());

    let after = found(&open(killed.path()), id);
    assert_eq!(after.last_access_at, shown.last_access_at);
    assert!(after.version > shown.version);
    // A clean stop behind it does not bring the journal's version back.
    assert_eq!(found(&open(killed.path()), id).version, after.version);
}

#[test]
fn the_journal_goes_into_the_records_with_an_upgrade() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let id = SessionId::draw();
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
    });
    touch(&store, id, 5);
    let shown = found(&store, id);
    drop(store);

    let Loaded {
        mut disk,
        head,
        mut sessions,
        mut touches,
        ..
    } = crate::store::sled::open::open(dir.path(), NOW).expect("opens");
    assert_eq!(touches.journal.numbers().count(), 1);
    let record = sessions.iter().next().expect("one").clone();
    assert!(record.session != shown, "the access is in the journal only");
    assert_eq!(touches.with_record(&record).session, shown);
    let folded = upgrade::fold_journal(&mut disk, head, &mut sessions, &mut touches);
    assert!(folded.expect("written").is_clean());
    assert_eq!(
        sessions.iter().next().map(|record| &record.session),
        Some(&shown)
    );
    drop(disk);
    assert_eq!(chunks(dir.path()), 0);
    assert_whole(dir.path(), 1);
    assert_eq!(found(&open(dir.path()), id), shown);
}
