//! The checker sees each kind of lie, and lets pass what can be explained.

use std::time::{Duration, Instant};

use super::check::{Record, check};
use super::log::{Did, Event};

/// A history of one session: asked and answered in milliseconds.
fn history(events: &[(u64, u64, Did)]) -> Vec<Event> {
    let start = Instant::now();
    let events = events.iter().map(|(asked, answered, did)| Event {
        key: "session".to_owned(),
        asked: start + Duration::from_millis(*asked),
        answered: start + Duration::from_millis(*answered),
        did: did.clone(),
    });
    events.collect()
}

fn broken(events: &[(u64, u64, Did)]) -> Vec<String> {
    check(&history(events), Record::Complete)
}

#[track_caller]
fn is_caught(events: &[(u64, u64, Did)], word: &str) {
    let broken = broken(events);
    assert!(
        broken.iter().any(|sentence| sentence.contains(word)),
        "{broken:?}"
    );
}

#[track_caller]
fn is_explained(events: &[(u64, u64, Did)]) {
    assert_eq!(broken(events), Vec::<String>::new());
}

fn used(version: u64) -> Did {
    let shows = format!("at {version}");
    Did::Used { version, shows }
}

fn read(version: u64) -> Did {
    let shows = format!("at {version}");
    Did::Read { version, shows }
}

fn wrote(if_match: Option<u64>, version: u64, shows: &str) -> Did {
    let shows = shows.to_owned();
    Did::Wrote {
        if_match,
        version,
        shows,
    }
}

fn ended(if_match: Option<u64>, version: Option<u64>) -> Did {
    Did::Ended { if_match, version }
}

fn refreshed(spent: &str, got: &str) -> Did {
    let (spent, got) = (spent.to_owned(), got.to_owned());
    Did::Refreshed { spent, got }
}

#[test]
fn a_success_that_starts_after_an_answered_end_is_caught() {
    let end = ended(None, None);
    is_caught(&[(0, 1, end.clone()), (2, 3, used(5))], "after Ended");
    is_caught(&[(0, 1, end.clone()), (2, 3, read(5))], "after Ended");
    let refresh = refreshed("a", "b");
    is_caught(&[(0, 1, end.clone()), (2, 3, refresh)], "after Ended");
    is_explained(&[(0, 5, end.clone()), (4, 6, used(5))]);
    is_explained(&[(0, 5, end), (6, 7, Did::Gone)]);
}

#[test]
fn a_success_after_somebody_was_told_that_it_is_gone_is_caught() {
    let asked = (0, 9, Did::MayHaveEnded);
    is_caught(
        &[asked.clone(), (1, 2, Did::Gone), (3, 4, used(5))],
        "after Gone",
    );
    is_explained(&[asked, (1, 3, Did::Gone), (2, 4, used(5))]);
}

#[test]
fn two_endings_of_one_session_are_caught() {
    is_caught(
        &[(0, 5, ended(None, None)), (1, 6, ended(None, None))],
        "twice",
    );
}

#[test]
fn a_version_that_goes_back_or_stays_is_caught() {
    is_caught(&[(0, 1, used(5)), (2, 3, used(4))], "after version 5");
    is_caught(&[(0, 1, used(5)), (2, 3, read(4))], "after version 5");
    is_caught(&[(0, 1, read(5)), (2, 3, used(5))], "after version 5");
    is_caught(
        &[(0, 1, used(5)), (2, 3, ended(None, Some(4)))],
        "after version 5",
    );
    // A slow request that was asked for early must not hide what came later.
    is_caught(
        &[(0, 9, read(1)), (1, 2, used(7)), (3, 4, used(6))],
        "after version 7",
    );
    is_explained(&[(0, 1, used(5)), (2, 3, read(5)), (4, 5, used(9))]);
    is_explained(&[(0, 3, used(6)), (2, 5, used(5))]);
}

#[test]
fn a_request_that_meets_a_conditional_ending_may_show_the_version_before() {
    let end = (4, 9, ended(Some(5), Some(5)));
    is_explained(&[
        (0, 1, used(5)),
        end.clone(),
        (5, 6, used(5)),
        (7, 8, used(5)),
    ]);
    is_caught(&[(0, 1, used(5)), (2, 3, used(5)), end.clone()], "and Used");
    is_caught(&[(0, 1, used(5)), end, (5, 6, used(4))], "after version 5");
    is_caught(
        &[(0, 1, used(5)), (4, 9, ended(None, None)), (5, 6, used(5))],
        "and Used",
    );
}

#[test]
fn a_version_that_is_made_twice_or_shows_two_things_is_caught() {
    is_caught(&[(0, 3, used(5)), (1, 4, used(5))], "and Used");
    let other = Did::Read {
        version: 5,
        shows: "something else".to_owned(),
    };
    is_caught(&[(0, 3, used(5)), (1, 4, other)], "shows");
    is_explained(&[(0, 3, used(5)), (1, 4, read(5)), (1, 4, read(5))]);
}

#[test]
fn a_lost_update_is_caught() {
    let (mine, theirs) = (wrote(Some(1), 2, "mine"), wrote(Some(1), 2, "theirs"));
    is_caught(&[(0, 3, mine.clone()), (1, 4, theirs)], "shows");
    // The second change was let through although the first had come between.
    is_caught(
        &[(0, 3, mine), (1, 4, wrote(Some(1), 3, "theirs"))],
        "condition",
    );
    is_caught(
        &[(0, 1, used(5)), (2, 3, ended(Some(4), Some(5)))],
        "condition",
    );
    is_explained(&[
        (0, 3, wrote(Some(1), 2, "mine")),
        (1, 4, Did::Stale { if_match: 1 }),
        (5, 6, wrote(Some(2), 3, "theirs")),
    ]);
}

#[test]
fn a_refusal_that_nothing_explains_is_caught() {
    is_caught(&[(0, 1, Did::Gone)], "nothing had asked");
    is_caught(
        &[(0, 1, Did::Gone), (2, 3, Did::MayHaveEnded)],
        "nothing had asked",
    );
    let stale = Did::Stale { if_match: 5 };
    is_caught(
        &[(0, 1, used(5)), (2, 3, stale.clone())],
        "nothing had changed",
    );
    is_caught(
        &[(0, 1, used(5)), (2, 3, stale.clone()), (4, 5, used(6))],
        "nothing had changed",
    );
    is_caught(
        &[
            (0, 1, refreshed("a", "b")),
            (2, 3, read(5)),
            (4, 5, stale.clone()),
        ],
        "nothing had changed",
    );
    is_explained(&[(0, 1, used(5)), (2, 5, stale.clone()), (4, 6, used(6))]);
    is_explained(&[(0, 1, read(5)), (2, 3, refreshed("a", "b")), (4, 5, stale)]);
    // Others may have asked for it when the record is not complete.
    let gone = history(&[(0, 1, Did::Gone)]);
    assert_eq!(check(&gone, Record::Partial), Vec::<String>::new());
}

#[test]
fn a_refresh_token_with_two_successors_is_caught() {
    is_caught(
        &[(0, 3, refreshed("a", "b")), (1, 4, refreshed("a", "c"))],
        "refreshed to",
    );
    is_caught(
        &[
            (0, 1, refreshed("a", "b")),
            (2, 3, refreshed("b", "c")),
            (4, 5, refreshed("a", "b")),
        ],
        "is good after",
    );
    is_explained(&[
        (0, 3, refreshed("a", "b")),
        (1, 4, refreshed("a", "b")),
        (5, 6, refreshed("b", "c")),
    ]);
}

#[test]
fn things_are_held_apart() {
    let mut events = history(&[(0, 1, ended(None, None)), (2, 3, used(5))]);
    events[1].key = "another".to_owned();
    assert_eq!(check(&events, Record::Complete), Vec::<String>::new());
}
