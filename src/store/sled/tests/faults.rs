//! The disk fails at its N-th call, for every N until a run comes through:
//! every caller gets one outcome, and memory, disk and a restart agree with it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::model::Subject;
use crate::store::sled::disk::{Batch, Room, SledDisk};
use crate::store::sled::record::RESERVE_MIN;
use crate::store::sled::verify;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails and nothing has happened.
    Before,
    /// It fails after the work was done.
    After,
    /// It panics before.
    Panic,
}

/// A disk whose N-th call goes wrong.
pub(super) struct Faulty {
    pub(super) disk: SledDisk,
    pub(super) calls: u32,
    pub(super) at: u32,
    pub(super) fault: Fault,
}

impl Faulty {
    fn call(&mut self, work: impl FnOnce(&mut SledDisk) -> io::Result<()>) -> io::Result<()> {
        self.calls += 1;
        if self.calls != self.at {
            return work(&mut self.disk);
        }
        match self.fault {
            Fault::Before => {}
            Fault::After => work(&mut self.disk)?,
            Fault::Panic => panic!("the disk's own panic, asked for by the test"),
        }
        Err(io::Error::other("a fault, asked for by the test"))
    }
}

impl Disk for Faulty {
    fn commit(&mut self, batch: &Batch) -> io::Result<()> {
        self.call(|disk| disk.commit(batch))
    }

    fn sync(&mut self, batch: &Batch) -> io::Result<()> {
        self.call(|disk| disk.sync(batch))
    }

    fn room(&self) -> Room {
        self.disk.room()
    }
}

/// The sessions of the script.
#[derive(Clone, Copy)]
struct Ids {
    first: SessionId,
    second: SessionId,
    tool: SessionId,
    other: SessionId,
}

/// What each step of the script answered.
type Outcomes = Vec<(&'static str, Result<(), StoreError>)>;

async fn script(store: &SledStore, ids: Ids) -> Outcomes {
    vec![
        ("shop", change(store, shop()).await),
        ("first", begin(store, ids.first, "a", "P01").await),
        ("tool", begin(store, ids.tool, "a", "LINK").await),
        ("second", begin(store, ids.second, "b", "P01").await),
        ("refresh", refresh(store, ids.tool, 0).await),
        ("other", begin(store, ids.other, "b", "LINK").await),
        ("end", end(store, ids.other).await),
        ("disable", disable(store, "a").await),
    ]
}

/// What may be true of the world after these outcomes: `Some` where it must
/// be so, `None` where nobody can tell.
fn expected(outcomes: &Outcomes) -> [(&'static str, Option<bool>); 4] {
    let done = |name: &str| {
        let (_, outcome) = outcomes
            .iter()
            .find(|(step, _)| *step == name)
            .expect("a step");
        match outcome {
            Ok(()) => Some(true),
            Err(StoreError::Unknown) => None,
            Err(_) => Some(false),
        }
    };
    let began_and_not = |began: Option<bool>, over: Option<bool>| match (began, over) {
        (Some(false), _) | (_, Some(true)) => Some(false),
        (Some(true), Some(false)) => Some(true),
        _ => None,
    };
    let first_over = match (done("second"), done("disable")) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    };
    [
        ("first", began_and_not(done("first"), first_over)),
        ("second", done("second")),
        ("tool", began_and_not(done("tool"), done("disable"))),
        ("other", began_and_not(done("other"), done("end"))),
    ]
}

async fn alive(store: &SledStore, ids: Ids) -> [bool; 4] {
    let mut alive = [false; 4];
    for (slot, id) in [ids.first, ids.second, ids.tool, ids.other]
        .into_iter()
        .enumerate()
    {
        alive[slot] = is_live(store, id).await;
    }
    alive
}

/// Runs the script with one fault; `false` when the fault was never reached.
fn run(fault: Fault, at: u32) -> bool {
    let dir = tempfile::tempdir().expect("a folder");
    drop(open(dir.path()));
    let ids = Ids {
        first: SessionId::draw(),
        second: SessionId::draw(),
        tool: SessionId::draw(),
        other: SessionId::draw(),
    };
    let opened = open_with(dir.path(), |disk| Faulty {
        disk,
        calls: 0,
        at,
        fault,
    });
    let Ok(Opened { store, .. }) = opened else {
        assert!(at <= 2, "{fault:?} {at}");
        assert!(
            block_on(alive(&open(dir.path()), ids))
                .iter()
                .all(|alive| !alive)
        );
        return true;
    };
    let (outcomes, before) = block_on(async {
        let outcomes = script(&store, ids).await;
        let before = alive(&store, ids).await;
        (outcomes, before)
    });
    let hit = outcomes
        .iter()
        .any(|(_, outcome)| *outcome == Err(StoreError::Unknown));
    let said = format!("{fault:?} {at}: {outcomes:?}");

    // At most one caller is left in doubt, and nobody is served afterwards.
    let doubts = outcomes
        .iter()
        .filter(|(_, o)| *o == Err(StoreError::Unknown))
        .count();
    assert!(doubts <= 1, "{said}");
    let mut after = outcomes
        .iter()
        .skip_while(|(_, o)| *o != Err(StoreError::Unknown))
        .skip(1);
    assert!(after.all(|(_, outcome)| outcome.is_err()), "{said}");

    // Memory: an ending in doubt counts, a login in doubt is not visible.
    let expected = expected(&outcomes);
    for ((name, must), is) in expected.iter().zip(before) {
        if let Some(must) = must {
            assert_eq!(is, *must, "memory, {name}: {said}");
            continue;
        }
        let login_in_doubt = outcomes
            .iter()
            .any(|(step, o)| step == name && *o == Err(StoreError::Unknown));
        assert!(!(login_in_doubt && is), "memory, {name}: {said}");
    }

    store.close();
    drop(store);
    let store = open(dir.path());
    let again = block_on(alive(&store, ids));
    for ((name, must), is) in expected.iter().zip(again) {
        if let Some(must) = must {
            assert_eq!(is, *must, "restart, {name}: {said}");
        }
    }
    store.close();
    drop(store);
    assert_eq!(
        verify::verify(dir.path()).expect("opens").problems,
        Vec::<String>::new(),
        "{said}"
    );
    hit
}

/// More calls than the script can make.
const CALLS_MAX: u32 = 100;

fn every_call(fault: Fault) {
    let reached = (1..CALLS_MAX)
        .take_while(|at| run(fault, *at) || *at < 3)
        .count();
    assert!(reached > 10, "{reached}");
}

#[test]
fn a_call_that_fails_before_its_work_leaves_one_doubt_and_no_lie() {
    every_call(Fault::Before);
}

#[test]
fn a_call_that_fails_after_its_work_leaves_one_doubt_and_no_lie() {
    every_call(Fault::After);
}

#[test]
fn a_call_that_panics_leaves_one_doubt_and_no_lie() {
    every_call(Fault::Panic);
}

/// A disk whose groups are written as the test says.
pub(super) struct Committing<F> {
    pub(super) disk: SledDisk,
    pub(super) commit: F,
}

impl<F> Disk for Committing<F>
where
    F: FnMut(&mut SledDisk, &Batch) -> io::Result<()> + Send,
{
    fn commit(&mut self, batch: &Batch) -> io::Result<()> {
        (self.commit)(&mut self.disk, batch)
    }

    fn sync(&mut self, batch: &Batch) -> io::Result<()> {
        self.disk.sync(batch)
    }

    fn room(&self) -> Room {
        self.disk.room()
    }
}

/// Writes the N-th group and then says that it failed; counts the groups that come
/// after that.
fn failing(
    at: u32,
    late: &Arc<AtomicU32>,
) -> impl FnMut(&mut SledDisk, &Batch) -> io::Result<()> + Send + use<> {
    let late = Arc::clone(late);
    let mut calls = 0;
    move |disk, batch| {
        calls += 1;
        if calls > at {
            late.fetch_add(1, Ordering::Relaxed);
        }
        disk.commit(batch)?;
        if calls < at {
            return Ok(());
        }
        Err(io::Error::other("a fault, asked for by the test"))
    }
}

#[test]
fn nothing_is_written_once_a_group_in_the_background_has_failed() {
    // The start, the shop, two logins, the first accesses, the fence, the archive.
    for at in 5..=8 {
        let dir = tempfile::tempdir().expect("a folder");
        let late = Arc::new(AtomicU32::new(0));
        let opened = open_with(dir.path(), |disk| Committing {
            disk,
            commit: failing(at, &late),
        });
        let store = opened.expect("opens").store;
        let (one, other) = (SessionId::draw(), SessionId::draw());
        block_on(async {
            change(&store, shop()).await.expect("written");
            begin(&store, one, "a", "LINK").await.expect("written");
            begin(&store, other, "b", "LINK").await.expect("written");
            for millis in 0..=RESERVE_MIN / 2 {
                let access = Access {
                    id: other,
                    jti_head: None,
                    touch: true,
                };
                let now = NOW.plus(Duration::from_millis(millis));
                store.check(access, now).await.expect("is live");
            }
            let of = Subject::User(user_name("a"));
            let ended = store.end_all(of, EndReason::Revoked, Cause::server(), NOW);
            // In doubt, if that is the group that fails.
            let _ = ended.await;
        });
        std::thread::sleep(Duration::from_millis(300));
        store.close();
        assert_eq!(late.load(Ordering::Relaxed), 0, "{at}");
    }
}

/// A disk whose N-th group is not answered until it is told to.
pub(super) struct Hanging {
    pub(super) disk: SledDisk,
    pub(super) go_on: Receiver<()>,
    pub(super) calls: u32,
    pub(super) at: u32,
}

impl Disk for Hanging {
    fn commit(&mut self, batch: &Batch) -> io::Result<()> {
        self.calls += 1;
        if self.calls == self.at {
            self.go_on.recv().expect("the test tells");
        }
        self.disk.commit(batch)
    }

    fn sync(&mut self, batch: &Batch) -> io::Result<()> {
        self.disk.sync(batch)
    }

    fn room(&self) -> Room {
        self.disk.room()
    }
}

#[test]
fn while_the_disk_hangs_checks_go_on_and_changes_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let (tell, go_on) = channel();
    let opened = open_with(dir.path(), |disk| Hanging {
        disk,
        go_on,
        calls: 0,
        // The first is the note of the start, the second the shop.
        at: 4,
    });
    let store = std::sync::Arc::new(opened.expect("opens").store);
    let (till, late) = (SessionId::draw(), SessionId::draw());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, till, "a", "P01").await.expect("written");
        let ending = tokio::spawn({
            let store = std::sync::Arc::clone(&store);
            async move { end(&store, till).await }
        });
        tokio::time::sleep(Duration::from_millis(5_500)).await;

        assert!(
            is_live(&store, till).await,
            "nobody sees what the disk does not have"
        );
        assert_eq!(begin(&store, late, "b", "P02").await, Err(StoreError::Busy));
        assert!(store.health().stalled.is_some());
        assert!(!store.writer_answers().await);
        // The first use of a token would be written before the answer.
        let access = Access {
            id: till,
            jti_head: Some(0),
            touch: true,
        };
        assert!(store.check(access, NOW).await.is_ok());

        tell.send(()).expect("the writer waits");
        assert_eq!(ending.await.expect("ends"), Ok(()));
        assert!(!is_live(&store, till).await);
        assert_eq!(begin(&store, late, "b", "P02").await, Ok(()));
        assert!(store.writer_answers().await);
    });
}
