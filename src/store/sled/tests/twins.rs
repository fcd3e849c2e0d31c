//! The sled store against the naive one: every single promise, and the same
//! history on both, with restarts in between, clean and not.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::NOW;
use super::faults::{Fault, Faulty};
use crate::store::conformance::history::{self, history};
use crate::store::conformance::on_store;
use crate::store::conformance::twins::{self, Likeness, assert_same};
use crate::store::memory::MemoryStore;
use crate::store::sled::disk::{Batch, Disk, Room, SledDisk};
use crate::store::sled::{SledStore, verify};
use crate::store::{Rules, Store};

/// Stores in subfolders of one folder that goes with the factory.
fn factory() -> impl Fn(Rules) -> SledStore {
    let dir = tempfile::tempdir().expect("a folder");
    move |rules| {
        let place = dir.path().join(format!("{:x}", rand::random::<u64>()));
        SledStore::open(&place, rules, NOW).expect("opens").store
    }
}

on_store!(factory());

fn open(dir: &Path, rules: &Rules) -> SledStore {
    gated(dir, rules, Gate::default())
}

fn gated(dir: &Path, rules: &Rules, gate: Gate) -> SledStore {
    let loaded = crate::store::sled::open::open(dir, NOW).expect("opens");
    SledStore::with(loaded, rules.clone(), |disk| Gated { disk, gate })
        .expect("opens")
        .store
}

/// Held while the files are written or copied: a copy shows one instant.
type Gate = Arc<Mutex<()>>;

/// A disk whose calls wait while somebody holds the gate.
struct Gated {
    disk: SledDisk,
    gate: Gate,
}

impl Disk for Gated {
    fn commit(&mut self, batch: &Batch) -> std::io::Result<()> {
        let _gate = self.gate.lock();
        self.disk.commit(batch)
    }

    fn sync(&mut self, batch: &Batch) -> std::io::Result<()> {
        let _gate = self.gate.lock();
        self.disk.sync(batch)
    }

    fn room(&self) -> Room {
        self.disk.room()
    }
}

/// A directory as a kill leaves it: what the system has taken is there, what
/// was in the process's memory only is not.
pub(super) fn as_after_a_kill(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("readable") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            as_after_a_kill(&path, &target);
        } else if !path.ends_with("ballast") {
            std::fs::copy(&path, target).expect("copied");
        }
    }
}

fn assert_whole(dir: &Path) {
    assert_eq!(
        verify::verify(dir).expect("opens").problems,
        Vec::<String>::new()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_same_history_gives_the_same_answers_with_clean_restarts(actions in history(60)) {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = history::rules();
        let stores = (MemoryStore::new(rules.clone()), open(dir.path(), &rules));
        let restart = |store: SledStore| {
            drop(store);
            assert_whole(dir.path());
            open(dir.path(), &rules)
        };
        assert_same(&rules, &actions, stores, restart, Likeness::Exact);
    }

    #[test]
    fn the_same_history_gives_the_same_answers_with_kills_and_versions_only_grow(
        actions in history(60),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut rules = history::rules();
        rules.idle = [None; 4];
        let place = |n: u32| dir.path().join(n.to_string());
        let mut kills = 0;
        let gate = Gate::default();
        let first = gated(&place(0), &rules, Gate::clone(&gate));
        let stores = (MemoryStore::new(rules.clone()), first);
        let restart = |store: SledStore| {
            let held = gate.lock();
            as_after_a_kill(&place(kills), &place(kills + 1));
            drop(held);
            drop(store);
            kills += 1;
            gated(&place(kills), &rules, Gate::clone(&gate))
        };
        assert_same(&rules, &actions, stores, restart, Likeness::VersionsGrow);
        assert_whole(&place(kills));
    }

    #[test]
    fn after_a_history_with_a_failed_write_the_disk_fits_and_what_ended_stays_ended(
        actions in history(40),
        at in 5_u32..90,
        after in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = history::rules();
        let loaded = crate::store::sled::open::open(dir.path(), NOW).expect("opens");
        let fault = if after { Fault::After } else { Fault::Before };
        // Behind the note of the start and the shop, two calls each.
        let opened = SledStore::with(loaded, rules.clone(), |disk| Faulty { disk, calls: 0, at, fault });
        let ended = twins::run(&actions, opened.expect("opens").store);
        assert_whole(dir.path());
        let store = open(dir.path(), &rules);
        for id in ended {
            assert!(super::block_on(store.tokens(id, crate::store::conformance::at(0))).is_none());
        }
    }
}
