//! How far the files grow when sessions are used: five million accesses of a
//! million sessions through the store, all written behind, without a restart.
//!
//! The store writes a thousand used sessions a second, so the last access is on
//! the disk a quarter of an hour after the first.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use support::place::Place;
use support::report::{Table, megabytes, verdict, wall};
use support::{cpu, fill, say, shop};
use tillgate::model::SessionId;
use tillgate::store::sled::SledStore;
use tillgate::store::{Access, Store};

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Live sessions.
const SESSIONS: u32 = 1_000_000;
/// Accesses of sessions in random order.
const ACCESSES: u32 = 5_000_000;
/// How long the store may take to write them all behind.
const WRITTEN_WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// How often the files are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The most that the files may be of the live data, in hundredths.
const OF_LIVE_MAX: f64 = 2.5;

fn main() {
    if !support::is_bench() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let store = fill::open(&place);
    let (ids, _) = fill::fill(&store, SESSIONS, None);
    let mut looks = Looks::new(&place);
    let fresh = looks.look();
    let started = Instant::now();
    use_all(&store, &ids);
    let used = started.elapsed();
    let behind = looks.look();
    say(&format!(
        "{ACCESSES} accesses in {:.1} s",
        used.as_secs_f64()
    ));
    let written = wait_until_written(&store, &mut looks);
    let after = looks.look();
    let peak = looks.peak;
    store.close();
    drop(store);
    let live = live_bytes(&place);
    let mut table = Table::new(&["files", "bytes", "of the live data", "at most", "kept"]);
    table.row(&row("when all sessions were opened", fresh, live, None));
    table.row(&row("when all accesses were made", behind, live, None));
    table.row(&row(
        "at most, while they were written",
        peak,
        live,
        Some(()),
    ));
    table.row(&row("when all were written", after, live, Some(())));
    table.print(&format!(
        "{ACCESSES} accesses of {SESSIONS} sessions, made in {:.0} s and written within {:.0} s, \
         without a restart; live data: {}, keys and values of all trees",
        used.as_secs_f64(),
        written.as_secs_f64(),
        megabytes(live)
    ));
    println!("Load of the machine at the end: {}.", cpu::load());
}

/// Every access answers from memory, so it is ready when it is asked.
fn use_all(store: &Arc<SledStore>, ids: &[SessionId]) {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..ACCESSES {
        let access = Access {
            id: ids[rand::random_range(0..ids.len())],
            jti_head: None,
            touch: true,
        };
        let checked = pin!(store.check(access, wall())).poll(&mut context);
        assert!(matches!(checked, Poll::Ready(Ok(_))), "a live session");
    }
}

/// Waits until no access is missing on the disk; answers how long that took.
fn wait_until_written(store: &SledStore, looks: &mut Looks<'_>) -> Duration {
    let started = Instant::now();
    let mut told = Instant::now();
    loop {
        let dirty = store.health().dirty;
        if dirty == 0 {
            return started.elapsed();
        }
        assert!(
            started.elapsed() < WRITTEN_WAIT_MAX,
            "{dirty} sessions are still to be written"
        );
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            say(&format!("{dirty} sessions still to be written"));
        }
        std::thread::sleep(LOOK_EVERY);
        looks.look();
    }
}

/// The size of the files, and the largest that was seen.
struct Looks<'a> {
    place: &'a Place,
    peak: u64,
}

impl<'a> Looks<'a> {
    fn new(place: &'a Place) -> Self {
        Self { place, peak: 0 }
    }

    fn look(&mut self) -> u64 {
        let bytes = self.place.database_bytes();
        self.peak = self.peak.max(bytes);
        bytes
    }
}

/// Keys and values of all trees of a closed database.
fn live_bytes(place: &Place) -> u64 {
    let db = sled::open(place.data_dir().join("db")).expect("a closed database");
    let trees = db.tree_names().into_iter();
    let trees = trees.map(|name| db.open_tree(name).expect("a tree of the database"));
    let pairs = trees.flat_map(|tree| tree.iter());
    let bytes = pairs.map(|pair| {
        let (key, value) = pair.expect("a whole database");
        key.len() + value.len()
    });
    u64::try_from(bytes.sum::<usize>()).expect("small enough")
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn row(when: &str, bytes: u64, live: u64, limit: Option<()>) -> [String; 5] {
    let ratio = bytes as f64 / live as f64;
    let (at_most, kept) = match limit {
        Some(()) => (format!("{OF_LIVE_MAX} x"), verdict(ratio <= OF_LIVE_MAX)),
        None => (String::new(), String::new()),
    };
    [
        when.to_owned(),
        megabytes(bytes),
        format!("{ratio:.2} x"),
        at_most,
        kept,
    ]
}
