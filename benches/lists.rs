//! What listing costs: CPU of the server for each query over 100,000 live
//! sessions of 1,000 users, with a table that is quiet, and with all sessions
//! used within the last second.

mod support;

use std::time::{Duration, Instant};

use support::asking::{Asking, Cost, cost_of};
use support::cpu;
use support::place::{Place, Server};
use support::report::{Table, megabytes, micros_each, verdict};
use support::say;
use support::shop::{self, Login};
use support::walk::Walk;

/// Live sessions, of [`shop::USERS`] users.
const SESSIONS: usize = 100_000;
/// What is asked, and the most it may cost with a quiet and with a busy table.
const QUERIES: [(&str, Limits); 11] = [
    ("userName=u1&$sort=-lastAccessAt&$take=50", INDEXED),
    ("$take=50", INDEXED),
    ("$sort=lastAccessAt&$take=50", INDEXED),
    ("$count=true", INDEXED),
    ("deviceName=Box7&$take=50", SCANNED),
    ("deviceName=contains:x", SCANNED),
    ("_v=gt:1", SCANNED),
    ("userName=startsWith:u9&$sort=-expiresAt", SCANNED),
    ("$sort=deviceName,-_v&$take=50", SCANNED),
    ("sessionId=contains:aa&$count=1", SCANNED),
    ("$sort=-lastAccessAt&$skip=50000&$take=50", SCANNED),
];

/// The most a request may cost, in milliseconds of CPU.
#[derive(Clone, Copy)]
struct Limits {
    quiet: f64,
    busy: f64,
}

const INDEXED: Limits = Limits {
    quiet: 1.0,
    busy: 5.0,
};
const SCANNED: Limits = Limits {
    quiet: 60.0,
    busy: 60.0,
};
/// The most memory the server may hold.
const MEMORY_BYTES_MAX: u64 = 100_000_000;
/// Requests of each query with a quiet table.
const QUIET_REQUESTS: u32 = 300;
/// How long the requests of one query may take.
const QUERY_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often all sessions are used again for one query.
const BUSY_ROUNDS: u32 = 10;
/// All must have been used within this long before each request.
const BUSY_WITHIN: Duration = Duration::from_secs(1);
/// At most this many requests after each time.
const BUSY_REQUESTS_MAX: u32 = 40;

fn main() {
    if !support::is_bench() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let server = place.serve(None);
    let logins = shop::log_in(&server.address, SESSIONS);
    let after_logins = cpu::resident(server.pid());
    let quiet = all_quiet(&server, &logins);
    let walk = Walk::new(&server.address, &logins);
    let first = walk.first(&server.address);
    let again = walk.again(&server.address);
    say(&format!(
        "every session used for the first time in {:.2} s, again in {:.2} s",
        first.as_secs_f64(),
        again.as_secs_f64()
    ));
    let busy = all_busy(&server, &logins, &walk);
    print(&quiet, &busy, again);
    print_memory(&server, after_logins);
}

fn all_quiet(server: &Server, logins: &[Login]) -> Vec<Cost> {
    let quiet = |(query, _): &(&str, Limits)| {
        cost_of(server, &logins[0], query, QUIET_REQUESTS, QUERY_WAIT_MAX)
    };
    say("asking the quiet table");
    QUERIES.iter().map(quiet).collect()
}

fn all_busy(server: &Server, logins: &[Login], walk: &Walk) -> Vec<Cost> {
    let busy = |(query, _): &(&str, Limits)| {
        let mut asking = Asking::new(server, &logins[0], query);
        asking.warm();
        for _ in 0..BUSY_ROUNDS {
            let started = Instant::now();
            walk.again(&server.address);
            asking.ask(BUSY_REQUESTS_MAX, started + BUSY_WITHIN);
        }
        say(&format!("asked the busy table: {query}"));
        asking.cost()
    };
    QUERIES.iter().map(busy).collect()
}

fn print(quiet: &[Cost], busy: &[Cost], walk: Duration) {
    let columns = [
        "`GET /sessions?...`",
        "matches",
        "answer",
        "quiet: CPU ms",
        "all threads",
        "worst",
        "wait",
        "all used in the last second: CPU ms",
        "all threads",
        "worst",
        "wait",
        "may cost",
        "kept",
    ];
    let mut table = Table::new(&columns);
    for (((query, limits), quiet), busy) in QUERIES.iter().zip(quiet).zip(busy) {
        let kept = quiet.millis_each() < limits.quiet && busy.millis_each() < limits.busy;
        let mut cells = vec![
            format!("`{}`", query.replace('|', "\\|")),
            busy.total.to_string(),
            format!("{} B", busy.bytes),
        ];
        cells.extend(cells_of(quiet));
        cells.extend(cells_of(busy));
        cells.push(format!("{} / {} ms", limits.quiet, limits.busy));
        cells.push(verdict(kept));
        table.row(&cells);
    }
    table.print(&format!(
        "Lists over {SESSIONS} live sessions of {} users: CPU of the server for one request, mean \
         of up to {QUIET_REQUESTS} (using all sessions once took {:.2} s)",
        shop::USERS,
        walk.as_secs_f64()
    ));
    println!(
        "CPU ms: the threads that answer; all threads: with the writer and the keeper of the order \
         by last access, which work off the accesses meanwhile; worst: the dearest single request; \
         wait: what the caller waited, median."
    );
}

fn cells_of(cost: &Cost) -> [String; 4] {
    [
        format!("{:.3}", cost.millis_each()),
        format!("{:.3}", micros_each(cost.used.all, cost.requests) / 1e3),
        format!("{:.2}", cost.worst.as_secs_f64() * 1e3),
        format!("{:.2}", cost.waited_micros / 1e3),
    ]
}

fn print_memory(server: &Server, after_logins: u64) {
    let now = cpu::resident(server.pid());
    let mut table = Table::new(&["memory (VmRSS)", "bytes", "may be", "kept"]);
    for (when, bytes) in [("after the logins", after_logins), ("after all this", now)] {
        let kept = verdict(bytes < MEMORY_BYTES_MAX);
        let limit = megabytes(MEMORY_BYTES_MAX);
        table.row(&[when.to_owned(), megabytes(bytes), limit, kept]);
    }
    table.print(&format!(
        "Memory of the server with {SESSIONS} live sessions"
    ));
}
