//! What listing costs: CPU of the server for each query over 100,000 live
//! sessions of 1,000 users, with a table that is quiet, and with all sessions
//! used within the last second.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::client::Connection;
use support::cpu::{self, Threads, Used};
use support::place::{Place, Server};
use support::report::{Table, median, megabytes, micros_each};
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
/// Requests of each query before those that count.
const WARM_REQUESTS: u32 = 10;
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

/// What one query cost.
#[derive(Clone, Debug)]
struct Cost {
    requests: u32,
    used: Used,
    /// The dearest single request: CPU of the threads that answer.
    worst: Duration,
    /// How long the caller waited, in the middle.
    waited_micros: f64,
    bytes: usize,
    total: u64,
}

/// One query, asked again and again on one connection.
struct Asking<'a> {
    server: &'a Server,
    connection: Connection,
    token: &'a str,
    path: String,
    waits: Vec<f64>,
    cost: Cost,
}

impl<'a> Asking<'a> {
    fn new(server: &'a Server, login: &'a Login, query: &str) -> Self {
        let mut connection = Connection::open(&server.address);
        let path = format!("/sessions?{query}");
        let answer: Value =
            serde_json::from_slice(connection.get(&path, &login.token)).expect("JSON");
        let cost = Cost {
            requests: 0,
            used: Used::default(),
            worst: Duration::ZERO,
            waited_micros: 0.0,
            bytes: connection.body().len(),
            total: answer["totalCount"].as_u64().expect("in every list"),
        };
        Self {
            server,
            connection,
            token: &login.token,
            path,
            waits: Vec::new(),
            cost,
        }
    }

    fn warm(&mut self) {
        for _ in 0..WARM_REQUESTS {
            self.connection.get(&self.path, self.token);
        }
    }

    /// Asks until `max` requests were answered or `until` is reached, at least
    /// once.
    fn ask(&mut self, max: u32, until: Instant) {
        let mut before = Threads::of(self.server.pid());
        for n in 0..max {
            if n > 0 && Instant::now() >= until {
                return;
            }
            let started = Instant::now();
            self.connection.get(&self.path, self.token);
            self.waits.push(started.elapsed().as_secs_f64() * 1e6);
            let after = Threads::of(self.server.pid());
            let used = after.since(&before);
            before = after;
            self.cost.requests += 1;
            self.cost.used.add(used);
            self.cost.worst = self.cost.worst.max(used.serving);
        }
    }

    fn cost(mut self) -> Cost {
        self.cost.waited_micros = median(&self.waits);
        self.cost
    }
}

fn all_quiet(server: &Server, logins: &[Login]) -> Vec<Cost> {
    let quiet = |(query, _): &(&str, Limits)| {
        let mut asking = Asking::new(server, &logins[0], query);
        asking.warm();
        asking.ask(QUIET_REQUESTS, Instant::now() + QUERY_WAIT_MAX);
        asking.cost()
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
        let kept = millis_each(quiet) < limits.quiet && millis_each(busy) < limits.busy;
        let mut cells = vec![
            format!("`{}`", query.replace('|', "\\|")),
            busy.total.to_string(),
            format!("{} B", busy.bytes),
        ];
        cells.extend(cells_of(quiet));
        cells.extend(cells_of(busy));
        cells.push(format!("{} / {} ms", limits.quiet, limits.busy));
        cells.push(if kept { "yes" } else { "**no**" }.to_owned());
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

fn millis_each(cost: &Cost) -> f64 {
    micros_each(cost.used.serving, cost.requests) / 1e3
}

fn cells_of(cost: &Cost) -> [String; 4] {
    [
        format!("{:.3}", millis_each(cost)),
        format!("{:.3}", micros_each(cost.used.all, cost.requests) / 1e3),
        format!("{:.2}", cost.worst.as_secs_f64() * 1e3),
        format!("{:.2}", cost.waited_micros / 1e3),
    ]
}

fn print_memory(server: &Server, after_logins: u64) {
    let now = cpu::resident(server.pid());
    let mut table = Table::new(&["memory (VmRSS)", "bytes", "may be", "kept"]);
    for (when, bytes) in [("after the logins", after_logins), ("after all this", now)] {
        let kept = if bytes < MEMORY_BYTES_MAX {
            "yes"
        } else {
            "**no**"
        };
        let limit = megabytes(MEMORY_BYTES_MAX);
        table.row(&[when.to_owned(), megabytes(bytes), limit, kept.to_owned()]);
    }
    table.print(&format!(
        "Memory of the server with {SESSIONS} live sessions"
    ));
}
