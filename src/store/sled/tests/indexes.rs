//! A large store is open before its indexes are read: they are proved while it
//! works, and damage to them is told and never shown.

use std::time::{Duration, Instant};

use super::*;
use crate::store::Indexes;
use crate::store::sled::disk::{SledDisk, Trees};
use crate::store::sled::doctor::copy::copy_folder;
use crate::store::sled::open::{Notice, open_large};
use crate::store::sled::proof::IndexProof;
use crate::store::sled::{keys, verify};

/// A proof of so few entries takes no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A place with this many sessions, stopped cleanly.
fn filled(dir: &Path, sessions: usize) -> Vec<SessionId> {
    let ids: Vec<_> = (0..sessions).map(|_| SessionId::draw()).collect();
    let store = open(dir);
    block_on(async {
        change(&store, shop()).await.expect("written");
        for (n, id) in ids.iter().enumerate() {
            let user = ["a", "b"][n % 2];
            begin(&store, *id, user, "LINK").await.expect("written");
        }
    });
    assert!(store.close());
    ids
}

/// The store as a large one, with a proof in small steps.
fn open_as_large(dir: &Path, step_keys: usize, step_every: Duration) -> SledStore {
    let mut loaded = open_large(dir, NOW, 0).expect("opens");
    assert!(loaded.proof.is_some(), "the indexes were left for later");
    loaded.proof = Some(IndexProof::with_steps(step_keys, step_every));
    let opened = SledStore::with(loaded, Rules::default(), |disk| disk).expect("opens");
    assert_eq!(opened.notices, []);
    opened.store
}

fn wait_for(store: &SledStore, known: Indexes) {
    let started = Instant::now();
    while store.health().indexes != known {
        assert!(started.elapsed() < PATIENCE, "{:?}", store.health());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn only_many_sessions_after_a_clean_stop_are_served_before_their_indexes_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path(), 40);
    let is_left = |large| {
        let loaded = open_large(dir.path(), NOW, large).expect("opens");
        loaded.proof.is_some()
    };
    assert!(is_left(40));
    assert!(!is_left(41));
    // Opened and let go without a close: as after a kill.
    let loaded = open_large(dir.path(), NOW, u64::MAX).expect("opens");
    let opened = SledStore::with(loaded, Rules::default(), |disk| disk).expect("opens");
    block_on(end(&opened.store, SessionId::draw())).expect_err("no session");
    let copy = tempfile::tempdir().expect("a folder");
    let copied = copy.path().join("db");
    copy_folder(dir.path(), &copied).expect("copied");
    let loaded = open_large(&copied, NOW, 0).expect("opens");
    assert!(loaded.proof.is_none(), "an unclean stop is looked at whole");
}

#[test]
fn indexes_are_proved_while_sessions_begin_and_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut ids = filled(dir.path(), 200);
    let store = open_as_large(dir.path(), 3, Duration::ZERO);
    assert_eq!(store.health().indexes, Indexes::Unread);
    block_on(async {
        let mut turn = 0;
        while store.health().indexes == Indexes::Unread {
            let id = SessionId::draw();
            begin(&store, id, "a", "LINK").await.expect("written");
            ids.push(id);
            turn += 7;
            let ended = ids.swap_remove(turn % ids.len());
            end(&store, ended).await.expect("written");
        }
    });
    assert_eq!(store.health().indexes, Indexes::Proved);
    assert!(store.close());
    let verified = verify::verify(dir.path()).expect("can be read");
    assert_eq!(verified.problems, [] as [String; 0]);
    assert_eq!(verified.sessions, 200);
}

#[test]
fn a_damaged_index_is_told_and_its_sessions_are_right_and_the_next_start_does_not_trust_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let ids = filled(dir.path(), 40);
    let trees = Trees::open(&SledDisk::db_dir(dir.path())).expect("opens");
    let lost = keys::user_and_id(&user_name("a"), ids[20]);
    assert!(trees.by_user.remove(lost).expect("written").is_some());
    trees.db.flush().expect("written");
    drop(trees);

    let store = open_as_large(dir.path(), 3, Duration::ZERO);
    wait_for(&store, Indexes::Damaged);
    block_on(async {
        for id in &ids {
            assert!(is_live(&store, *id).await);
        }
        end(&store, ids[21]).await.expect("written");
        assert!(!is_live(&store, ids[21]).await);
    });
    assert!(store.close());

    let loaded = open_large(dir.path(), NOW, 0).expect("opens");
    assert!(loaded.proof.is_none(), "this start has read the indexes");
    assert!(matches!(
        loaded.notices.as_slice(),
        [Notice::Quarantined { .. }]
    ));
}
