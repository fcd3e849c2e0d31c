//! Failed logins on the disk: none that was answered is forgotten.

use std::net::IpAddr;

use super::*;
use crate::model::{Attempt, Outcome};
use crate::store::sled::verify::verify;

fn attempt(user: &str) -> Attempt {
    Attempt::new(user, "LINK", IpAddr::from([10, 0, 0, 9]))
}

fn fail(store: &SledStore, user: &str) {
    let mut now = NOW;
    now = now.plus(block_on(store.wait(&attempt(user), now)).unwrap_or_default());
    block_on(store.count(attempt(user), Outcome::Wrong, now)).expect("written");
}

#[test]
fn failures_good_logins_and_unlocking_survive_a_kill() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let home = Attempt::new("a", "LINK", IpAddr::from([10, 0, 0, 1]));
    block_on(async {
        change(&store, shop()).await.expect("written");
        let mut new = new_session(SessionId::draw(), "a", "LINK");
        new.attempt = Some(home.clone());
        store
            .begin(new, Cause::server(), NOW)
            .await
            .expect("written");
    });
    for _ in 0..10 {
        for user in ["a", "b", "nobody"] {
            fail(&store, user);
        }
    }
    let id = block_on(store.directory())
        .user_named(&user_name("b"))
        .expect("is there")
        .id;
    block_on(change(&store, DirectoryChange::Unlock(id))).expect("written");
    let later = NOW.plus(std::time::Duration::from_secs(60));
    let waits = |store: &SledStore| {
        ["a", "b", "nobody"].map(|user| block_on(store.wait(&attempt(user), later)))
    };
    let before = waits(&store);
    assert!(before[0].is_some() && before[1].is_none() && before[2].is_some());
    let killed = tempfile::tempdir().expect("a folder");
    twins::as_after_a_kill(dir.path(), killed.path());

    let after = open(killed.path());
    assert_eq!(waits(&after), before);
    assert_eq!(block_on(after.wait(&home, later)), None);
    drop(after);
    assert_eq!(
        verify(killed.path()).expect("opens").problems,
        [] as [String; 0]
    );
}

#[test]
fn many_attempts_at_once_are_counted_one_after_the_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let outcomes = block_on(async {
        change(&store, shop()).await.expect("written");
        let store = std::sync::Arc::new(store);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let store = std::sync::Arc::clone(&store);
            tasks.spawn(async move { store.count(attempt("a"), Outcome::Wrong, NOW).await });
        }
        tasks.join_all().await
    });
    // At one instant five are counted; the fifth brings the first wait.
    let counted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(counted, 5);
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Locked(_))))
    );
}
