//! The sled store against the naive one: every single promise, and the same
//! history on both, with restarts in between, clean and not.

use std::path::Path;

use proptest::prelude::*;

use super::NOW;
use crate::store::Rules;
use crate::store::conformance::history::{self, history};
use crate::store::conformance::on_store;
use crate::store::conformance::twins::{Likeness, assert_same};
use crate::store::memory::MemoryStore;
use crate::store::sled::{SledStore, verify};

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
    SledStore::open(dir, rules.clone(), NOW)
        .expect("opens")
        .store
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
        let stores = (MemoryStore::new(rules.clone()), open(&place(0), &rules));
        let restart = |store: SledStore| {
            as_after_a_kill(&place(kills), &place(kills + 1));
            drop(store);
            kills += 1;
            open(&place(kills), &rules)
        };
        assert_same(&rules, &actions, stores, restart, Likeness::VersionsGrow);
        assert_whole(&place(kills));
    }
}
