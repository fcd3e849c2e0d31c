//! Requests, queries and the writer at work on one table at the same time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::Table;
use super::testing::{Seen, check};
use crate::model::{
    AuthenticationType, DeviceName, EndReason, Env, Identity, Session, SessionId, Timestamp,
    UserName, Version,
};
use crate::ndata::{Direction, Query, SessionMember};
use crate::store::sled::record::Record;
use crate::store::{Access, Rules, Scope};

const SESSIONS: usize = 1_500;
/// Sessions in the table at a time.
const PRESENT: usize = 100;
const TOUCHERS: usize = 3;
/// Accesses between two steps of the writer at least.
const ASKED_A_STEP: usize = 200;
/// How often the writer lets the others go first; they may have failed.
const YIELDS_MAX: usize = 10_000;
const START: i64 = 1_700_000_000_000;

fn now(millis: usize) -> Timestamp {
    Timestamp::from_millis(START).plus(Duration::from_millis(millis as u64))
}

fn record(number: usize, id: SessionId) -> Record {
    let name = format!("user-{}", number % 17);
    Record {
        session: Session {
            id,
            identity: Identity {
                user_name: UserName::parse(&name).expect("a name"),
                device_name: DeviceName::parse(&format!("P{number}")).expect("a name"),
                env: Env::ALL[number % 4],
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: now(number),
            expires_at: now(1_000_000_000),
            last_access_at: now(number),
            version: Version(1),
        },
        ceiling: Version(65),
        began: number as u64,
        written: number as u64,
        tokens: None,
    }
}

/// What the threads share.
struct Race {
    table: Table,
    ids: Vec<SessionId>,
    /// Sessions below this number have been removed, as far as anybody knows.
    removed: AtomicUsize,
    inserted: AtomicUsize,
    /// How often anybody asked.
    asked: AtomicUsize,
    is_over: AtomicBool,
}

impl Race {
    /// The writer: puts sessions in and takes the oldest out, and writes what
    /// has to be written.
    fn write(&self) {
        for (number, id) in self.ids.iter().enumerate() {
            self.table.set_applied(number as u64);
            self.table.insert(&record(number, *id));
            self.inserted.store(number + 1, Ordering::Release);
            if let Some(oldest) = number.checked_sub(PRESENT) {
                let (id, until) = (self.ids[oldest], now(1_000_000_000));
                assert!(
                    self.table
                        .remove(id, 0, EndReason::Revoked, until)
                        .is_some()
                );
                self.removed.store(oldest + 1, Ordering::Release);
            }
            for id in self
                .table
                .urgent(8)
                .into_iter()
                .chain(self.table.dirty(Duration::ZERO, 8))
            {
                let Some(record) = self.table.to_write(id) else {
                    continue;
                };
                self.table.written(id, &record);
            }
            // However the threads are scheduled, they meet at every step.
            let is_early = || self.asked.load(Ordering::Relaxed) < number * ASKED_A_STEP;
            (0..YIELDS_MAX)
                .take_while(|_| is_early())
                .for_each(|_| thread::yield_now());
        }
        self.is_over.store(true, Ordering::Release);
    }

    /// Requests: answers every version that was given.
    fn touch(&self, seed: usize) -> Vec<(SessionId, Version)> {
        let mut given = Vec::new();
        for round in 0.. {
            if self.is_over.load(Ordering::Acquire) {
                break;
            }
            let removed = self.removed.load(Ordering::Acquire);
            let inserted = self.inserted.load(Ordering::Acquire);
            let number = removed.saturating_sub(5) + (round * 31 + seed * 7) % (PRESENT + 5);
            let Some(id) = self.ids.get(number).copied() else {
                continue;
            };
            self.asked.fetch_add(1, Ordering::Relaxed);
            let access = Access {
                id,
                jti_head: None,
                touch: true,
            };
            match check(&self.table, &access, now(number + round % 500), true) {
                Seen::Live { session, before } => {
                    assert!(number >= removed, "a removed session was touched");
                    assert_eq!(session.version, before.next());
                    given.push((id, session.version));
                }
                Seen::NotLive => {
                    // Read once: the writer moves on meanwhile. The one that it is
                    // removing right then is there or not.
                    let removing = self.removed.load(Ordering::Acquire);
                    assert!(
                        number >= inserted || number <= removing,
                        "a live session was refused"
                    );
                }
                Seen::MustWrite => thread::yield_now(),
            }
        }
        given
    }

    /// Queries and the merging of accesses.
    fn read(&self) {
        let sorts = [
            Vec::new(),
            vec![(SessionMember::LastAccessAt, Direction::Descending)],
            vec![(SessionMember::LastAccessAt, Direction::Ascending)],
            vec![(SessionMember::Version, Direction::Descending)],
        ];
        for sort in sorts.iter().cycle() {
            if self.is_over.load(Ordering::Acquire) {
                break;
            }
            let query = Query {
                sort: sort.clone(),
                ..Query::all(1_000)
            };
            let removed = self.removed.load(Ordering::Acquire);
            let page = self
                .table
                .page(&query, &Scope::Any, now(0))
                .expect("few scans");
            let order = query.order();
            assert!(
                page.items
                    .is_sorted_by(|a, b| Query::compare(&order, a, b).is_lt())
            );
            assert_eq!(
                (page.count, page.total),
                (page.items.len(), page.items.len() as u64)
            );
            // One more than that are there only between insert and remove.
            assert!(page.count <= PRESENT + 1);
            let gone: HashSet<_> = self.ids[..removed].iter().collect();
            assert!(page.items.iter().all(|row| !gone.contains(&row.id)));
            self.table.drain(50);
        }
    }
}

#[test]
fn no_access_counts_after_the_ending_and_no_version_is_given_twice() {
    let race = Race {
        table: Table::new(Rules {
            idle: [None, Some(Duration::from_secs(9)), None, None],
            ..Rules::default()
        }),
        ids: (0..SESSIONS).map(|_| SessionId::draw()).collect(),
        removed: AtomicUsize::new(0),
        inserted: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };

    let given: Vec<_> = thread::scope(|scope| {
        let race = &race;
        scope.spawn(|| race.write());
        scope.spawn(|| race.read());
        let touchers: Vec<_> = (0..TOUCHERS)
            .map(|seed| scope.spawn(move || race.touch(seed)))
            .collect();
        touchers
            .into_iter()
            .map(|toucher| toucher.join().expect("it asserts"))
            .collect()
    });

    race.table.verify().expect("the table keeps its promises");
    let all: Vec<_> = given.iter().flatten().collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert!(!all.is_empty());
    while race.table.drain(1_000) > 0 {}
    race.table.verify().expect("the table keeps its promises");
}
