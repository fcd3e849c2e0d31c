//! What a stop, clean or not, must not bring about: versions given twice,
//! requests that never end, endings without their reason.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::faults::Hanging;
use super::*;
use crate::model::{Session, Subject};
use crate::store::sled::disk::SledDisk;
use crate::store::sled::record::RESERVE_MIN;
use crate::store::sled::verify;

/// A request is answered within this, or never.
const PATIENCE: Duration = Duration::from_secs(10);

/// A store whose disk hangs at its `at`-th group until it is told to go on.
fn hanging(dir: &Path, at: u32) -> (SledStore, Sender<()>) {
    let (tell, go_on) = channel();
    let opened = open_with(dir, |disk| Hanging {
        disk,
        go_on,
        calls: 0,
        at,
    });
    (opened.expect("opens").store, tell)
}

async fn access(store: &SledStore, id: SessionId, jti_head: Option<u64>, millis: u64) -> Session {
    let access = Access {
        id,
        jti_head,
        touch: true,
    };
    let now = NOW.plus(Duration::from_millis(millis));
    store.check(access, now).await.expect("is live").session
}

fn found(store: &SledStore, id: SessionId) -> Session {
    block_on(store.find(id, &Scope::Any, NOW)).expect("is live")
}

#[test]
fn a_request_that_outlives_the_store_is_answered_and_gives_no_version_out_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let id = SessionId::draw();
    let store = Arc::new(open(dir.path()));
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
    });
    store.close();
    let (answer, answered) = channel();
    std::thread::spawn({
        let store = Arc::clone(&store);
        move || {
            // The first use of a token would be written before the answer.
            let last = block_on(access(&store, id, Some(0), 7));
            let _ = answer.send(last);
        }
    });
    let shown = answered.recv_timeout(PATIENCE).expect("it is answered");
    drop(store);
    assert_eq!(found(&open(dir.path()), id), shown);
}

#[test]
fn a_stop_leaves_a_disk_alone_that_does_not_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    // The start, the shop, and then the mark of a clean stop.
    let (store, tell) = hanging(dir.path(), 3);
    block_on(change(&store, shop())).expect("written");

    assert!(!store.close_within(Duration::from_millis(100)));

    tell.send(()).expect("the writer waits");
}

#[test]
fn a_stop_has_ended_when_the_writer_has() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(open(dir.path()).close());
}

#[test]
fn a_version_shown_before_a_kill_is_not_shown_again_with_another_last_access() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let id = SessionId::draw();
    // The start, the shop, the login, and then the first write of the session.
    let (store, tell) = hanging(dir.path(), 4);
    let shown = block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
        let mut shown = access(&store, id, None, 1).await;
        // As many as may be counted without a write.
        for millis in 2..=RESERVE_MIN {
            shown = access(&store, id, None, millis).await;
        }
        shown
    });
    twins::as_after_a_kill(dir.path(), killed.path());
    let after = found(&open(killed.path()), id);
    assert!(after.version > shown.version, "{after:?} {shown:?}");
    tell.send(()).expect("the writer waits");
}

#[test]
fn large_settings_come_to_files_beside_the_log_and_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let large = |n: u32| {
        let mut input = device_input(&format!("LARGE{n}"), Env::Tool);
        let layout = "x".repeat(60_000);
        input.settings.insert("layout".to_owned(), layout.into());
        input
    };
    block_on(async {
        change(&store, shop()).await.expect("written");
        for n in 0..8 {
            let mode = Mode::CreateOrReplace;
            let input = large(n % 4);
            let put = DirectoryChange::PutDevice { mode, input };
            change(&store, put).await.expect("written");
        }
    });
    let blobs = SledDisk::db_dir(dir.path()).join("blobs");
    assert!(std::fs::read_dir(blobs).expect("a folder").count() > 0);
    twins::as_after_a_kill(dir.path(), killed.path());
    let directory = block_on(open(killed.path()).directory());
    for n in 0..4 {
        let device = directory.device(&device_name(&format!("LARGE{n}")));
        let device = device.expect("was written");
        assert_eq!(device.settings, large(n).settings);
    }
}

#[test]
fn many_refreshes_reserve_no_more_versions_than_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let id = SessionId::draw();
    let store = open(dir.path());
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
        for presented in 0..150 {
            refresh(&store, id, presented).await.expect("written");
        }
    });
    let shown = found(&store, id);
    twins::as_after_a_kill(dir.path(), killed.path());
    let after = found(&open(killed.path()), id);
    let jump = after.version.0 - shown.version.0;
    assert!((1..=RESERVE_MIN + 1).contains(&jump), "{jump}");
}

#[test]
fn an_ending_whose_archiving_a_kill_cut_off_keeps_its_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let id = SessionId::draw();
    // The start, the shop, the login, the fence, and then the archive.
    let (store, tell) = hanging(dir.path(), 5);
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
        let ended = store.end_all(
            Subject::Everybody,
            EndReason::NotBefore,
            Cause::server(),
            NOW,
        );
        ended.await.expect("written");
    });
    twins::as_after_a_kill(dir.path(), killed.path());
    let again = open(killed.path());
    assert_eq!(block_on(again.reason(id, NOW)), Some(EndReason::NotBefore));
    tell.send(()).expect("the writer waits");
}

#[test]
fn an_id_that_has_ended_never_begins_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (one, two) = (SessionId::draw(), SessionId::draw());
    let store = open(dir.path());
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, one, "a", "LINK").await.expect("written");
        begin(&store, two, "a", "LINK").await.expect("written");
        end(&store, one).await.expect("written");
        let all = store.end_all(
            Subject::Everybody,
            EndReason::NotBefore,
            Cause::server(),
            NOW,
        );
        // The second login follows the fence before its record is archived.
        let again = begin(&store, two, "a", "LINK");
        let (all, again) = tokio::join!(all, again);
        assert_eq!((all, again), (Ok(()), Err(StoreError::Unknown)));
        let again = begin(&store, one, "a", "LINK").await;
        assert_eq!(again, Err(StoreError::Unknown));
        assert!(!is_live(&store, one).await && !is_live(&store, two).await);
    });
    drop(store);
    let verified = verify::verify(dir.path()).expect("opens");
    assert_eq!((verified.sessions, verified.problems), (0, Vec::new()));
}

#[test]
fn a_group_carries_the_time_of_its_own_operations() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let later = NOW.plus(Duration::from_secs(5));
    let store = open(dir.path());
    block_on(async {
        change(&store, shop()).await.expect("written");
        let new = new_session(SessionId::draw(), "a", "LINK");
        store
            .begin(new, Cause::server(), later)
            .await
            .expect("written");
    });
    twins::as_after_a_kill(dir.path(), killed.path());
    assert_eq!(open(killed.path()).mark(), later);
}
