//! How cost grows with the number of sessions, from a thousand to a million:
//! opening one, the start, memory, files, and what lists cost, also deep inside.

mod support;

use std::time::Duration;

use support::asking::{cost_of, cursor};
use support::place::Place;
use support::report::{Table, median, megabytes, per_second, rate};
use support::shop;
use support::{cpu, fill, say};

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How many sessions there are.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Starts of each size, of which the middle one counts.
const STARTS: usize = 3;
/// How long a started server rests before its memory is read.
const REST: Duration = Duration::from_secs(2);
/// Requests of each list.
const LIST_REQUESTS: u32 = 300;
/// How long the requests of one list may take.
const LIST_WAIT_MAX: Duration = Duration::from_secs(5);

fn main() {
    if !support::is_bench() {
        return;
    }
    let mut table = Table::new(&[
        "sessions",
        "opened a second",
        "files MB",
        "start ms",
        "memory MB",
        "a user's 50 latest",
        "first 50",
        "behind half of all",
        "the same by cursor",
        "count",
    ]);
    for sessions in SIZES {
        table.row(&row(sessions));
        say(&format!("{sessions} sessions measured"));
    }
    table.print(
        "From a thousand sessions to a million; lists: milliseconds of CPU of the threads that \
         answer, sorted by `lastAccessAt`, pages of 50",
    );
    println!("Load of the machine at the end: {}.", cpu::load());
}

fn row(sessions: u32) -> [String; 10] {
    let place = Place::with_shop(&shop::store_file());
    let store = fill::open(&place);
    let (_, opening) = fill::fill(&store, sessions, None);
    store.close();
    drop(store);
    let files = place.bytes_on_disk();
    let starts: Vec<f64> = (0..STARTS)
        .map(|_| {
            let server = place.serve(None);
            let started_in = server.started_in.as_secs_f64();
            server.stop();
            started_in * 1e3
        })
        .collect();
    let server = place.serve(None);
    std::thread::sleep(REST);
    let memory = cpu::resident(server.pid());
    let login = shop::log_in(&server.address, 1).remove(0);
    let sort = "$sort=-lastAccessAt&$take=50";
    let half = sessions / 2;
    let behind = cursor(&server, &login, &format!("{sort}&$skip={}", half - 50));
    let lists = [
        format!("userName=u1&{sort}"),
        sort.to_owned(),
        format!("{sort}&$skip={half}"),
        format!("{sort}&$after={behind}"),
        "$count=true".to_owned(),
    ];
    let cost = |query: &String| {
        let cost = cost_of(&server, &login, query, LIST_REQUESTS, LIST_WAIT_MAX);
        assert!(cost.total >= 1, "nothing was found");
        format!("{:.3}", cost.millis_each())
    };
    let [latest, first, deep, after, count] = lists.each_ref().map(cost);
    server.stop();
    [
        sessions.to_string(),
        rate(per_second(sessions, opening)),
        megabytes(files),
        format!("{:.0}", median(&starts)),
        megabytes(memory),
        latest,
        first,
        deep,
        after,
        count,
    ]
}
