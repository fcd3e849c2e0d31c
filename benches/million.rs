//! A million sessions: how fast they are opened, how soon the server listens
//! again after a clean stop and after it was killed, what a session costs in
//! memory and on disk, and what lists cost, also deep inside.
//!
//! They are opened through the library, since a million logins over HTTP would
//! mostly measure passwords; started is the real binary.

mod support;

use std::fs::File;
use std::time::{Duration, Instant};

use support::asking::{Cost, cost_of, cursor, page};
use support::place::{Place, Server};
use support::report::{Table, megabytes, micros_each, per_second, rate, verdict};
use support::shop::{self, Login};
use support::walk::Walk;
use support::{cpu, fill, say};

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sessions.
const SESSIONS: u32 = 1_000_000;
/// Starts that are measured of each kind.
const STARTS: usize = 3;
/// The longest a start may take after a clean stop.
const START_MAX: Duration = Duration::from_secs(3);
/// The longest a start may take after a kill.
const START_KILLED_MAX: Duration = Duration::from_secs(5);
/// The most bytes of memory a session may cost, all in all.
const SESSION_BYTES_MAX: u64 = 600;
/// Sessions logged in and used over HTTP before a kill, so that something is
/// cut off.
const USED: usize = 1_000;
/// Where the deep pages begin.
const DEEP: u32 = 500_000;
/// Requests of each list.
const LIST_REQUESTS: u32 = 300;
/// How long the requests of one list may take.
const LIST_WAIT_MAX: Duration = Duration::from_secs(10);
/// The most CPU that a first page may cost, in milliseconds.
const LIST_MILLIS_MAX: f64 = 1.0;
/// The most CPU that a deep page may cost, in milliseconds.
const DEEP_MILLIS_MAX: f64 = 5.0;
/// How long a started server rests before its memory is read.
const REST: Duration = Duration::from_secs(3);

/// How the server that is started had ended.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    killed: bool,
    /// Whether the files were put out of the system's memory.
    cold: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "clean stop, files in memory",
        killed: false,
        cold: false,
    },
    Kind {
        name: "clean stop, files not in memory",
        killed: false,
        cold: true,
    },
    Kind {
        name: "kill -9, files in memory",
        killed: true,
        cold: false,
    },
    Kind {
        name: "kill -9, files not in memory",
        killed: true,
        cold: true,
    },
];

fn main() {
    if !support::is_bench() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let store = fill::open(&place);
    let (_, opening) = fill::fill(&store, SESSIONS, None);
    let closing = Instant::now();
    store.close();
    drop(store);
    println!(
        "\nopened {SESSIONS} sessions through the store, {} callers at once, in {:.1} s: {} \
         a second, each synced before its answer; clean stop in {:.1} s; {} on disk",
        fill::CALLERS,
        opening.as_secs_f64(),
        rate(per_second(SESSIONS, opening)),
        closing.elapsed().as_secs_f64(),
        megabytes(place.bytes_on_disk())
    );
    let mut table = Table::new(&[
        "start after",
        "seconds",
        "at most",
        "memory",
        "bytes a session",
        "at most",
        "peak while starting",
        "kept",
    ]);
    for kind in KINDS {
        for n in 0..STARTS {
            if kind.killed {
                use_some_and_kill(&place);
            }
            if kind.cold {
                forget_cached(&place);
            }
            let server = place.serve(None);
            std::thread::sleep(REST);
            table.row(&start_row(kind, &server));
            server.stop();
            say(&format!("{}: {} of {STARTS}", kind.name, n + 1));
        }
    }
    table.print(&format!("Start with {SESSIONS} live sessions"));
    let server = place.serve(None);
    let login = shop::log_in(&server.address, 1).remove(0);
    prove_complete(&server, &login);
    print_lists(&server, &login);
    server.stop();
    println!("Load of the machine at the end: {}.", cpu::load());
}

/// Starts the server, uses some sessions and kills it in the middle of that.
fn use_some_and_kill(place: &Place) {
    let server = place.serve(None);
    let logins = shop::log_in(&server.address, USED);
    Walk::new(&server.address, &logins).first(&server.address);
    server.kill();
}

/// Puts the files of the data directory out of the system's memory, as after
/// the power was off.
fn forget_cached(place: &Place) {
    for path in place.files() {
        let file = File::open(&path).expect("a file of the data directory");
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

fn start_row(kind: Kind, server: &Server) -> [String; 8] {
    let memory = cpu::resident(server.pid());
    let each = memory / u64::from(SESSIONS);
    let limit = if kind.killed {
        START_KILLED_MAX
    } else {
        START_MAX
    };
    let kept = server.started_in <= limit && each <= SESSION_BYTES_MAX;
    [
        kind.name.to_owned(),
        format!("{:.2}", server.started_in.as_secs_f64()),
        format!("{}", limit.as_secs()),
        megabytes(memory),
        each.to_string(),
        SESSION_BYTES_MAX.to_string(),
        megabytes(cpu::resident_max(server.pid())),
        verdict(kept),
    ]
}

/// Asks the started server how many sessions it has.
fn prove_complete(server: &Server, login: &Login) {
    let total = page(server, login, "$count=true")["totalCount"].as_u64();
    let total = total.expect("in every list");
    assert!(total > u64::from(SESSIONS), "{total}: sessions are missing");
}

fn print_lists(server: &Server, login: &Login) {
    let mut table = Table::new(&[
        "`GET /sessions?...`",
        "matches",
        "CPU ms",
        "all threads",
        "worst",
        "wait",
        "at most",
        "kept",
    ]);
    let by_access = "$sort=-lastAccessAt";
    let before = format!("{by_access}&$skip={}&$take=50", DEEP - 50);
    let behind = cursor(server, login, &before);
    let of_cost = |query: &str| cost_of(server, login, query, LIST_REQUESTS, LIST_WAIT_MAX);
    for (name, query, limit) in [
        (
            "",
            format!("userName=u1&{by_access}&$take=50"),
            LIST_MILLIS_MAX,
        ),
        ("", format!("{by_access}&$take=50"), LIST_MILLIS_MAX),
        (
            "",
            format!("{by_access}&$skip={DEEP}&$take=50"),
            DEEP_MILLIS_MAX,
        ),
        (
            "",
            format!("$sort=startedAt&$skip={DEEP}&$take=50"),
            DEEP_MILLIS_MAX,
        ),
        (
            "$sort=-lastAccessAt&$after=(the cursor there)&$take=50",
            format!("{by_access}&$after={behind}&$take=50"),
            DEEP_MILLIS_MAX,
        ),
    ] {
        let name = if name.is_empty() { &query } else { name };
        table.row(&list_row(name, &of_cost(&query), limit));
    }
    table.print(&format!(
        "Lists over {SESSIONS} live sessions: CPU of the server for one request, mean of up to \
         {LIST_REQUESTS}"
    ));
}

fn list_row(name: &str, cost: &Cost, limit: f64) -> [String; 8] {
    [
        format!("`{name}`"),
        cost.total.to_string(),
        format!("{:.3}", cost.millis_each()),
        format!("{:.3}", micros_each(cost.used.all, cost.requests) / 1e3),
        format!("{:.2}", cost.worst.as_secs_f64() * 1e3),
        format!("{:.2}", cost.waited_micros / 1e3),
        format!("{limit} ms"),
        verdict(cost.millis_each() <= limit),
    ]
}
