//! What checks wait for while something else goes on: a sweep of a hundred
//! thousand sessions that expire at once, a backup, logins at the cap of hashing,
//! a thousand readers of events.
//! At 30 % of the capacity, each request sent at its own time (`support/paced.rs`),
//! with a quiet stretch before each.
//!
//! The server has one core, the load the other, so whatever goes on takes its
//! time from the core that answers.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::client::{self, Connection};
use support::paced::{self, Pace, Paced};
use support::place::{Place, Server, keep_to_core};
use support::report::{Table, cores, median, rate, verdict, wall};
use support::shop::{self, Login};
use support::walk::Walk;
use support::{cpu, fill, say};
use tillgate::model::Timestamp;

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sessions whose checks are measured.
const SESSIONS: usize = 20_000;
/// Sessions that expire at once.
const DOOMED: u32 = 100_000;
/// From their opening to their end, besides what opening takes: time for the
/// start, and for the quiet stretch.
const DOOMED_IN: Duration = Duration::from_secs(60);
/// Sessions that are opened first, to learn how long opening takes.
const TRIED: u32 = 5_000;
/// How long a session lives, as shipped.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How long the capacity is looked for.
const FULL: Duration = Duration::from_secs(5);
/// The share of the capacity at which everything is measured, in percent.
const PERCENT: u32 = 30;
/// Each stretch of the load, if what goes on does not end it before.
const STRETCH: Duration = Duration::from_secs(10);
/// How long the doomed may take to be gone.
const SWEEP_MAX: Duration = Duration::from_secs(120);
/// How often the sweeper is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Connections that log in at once.
const LOGINS: usize = 4;
/// How long to wait for a backup that is under way.
const BACKUP_WAIT: Duration = Duration::from_millis(20);
/// Rounds without and with readers of events.
const READER_ROUNDS: usize = 3;
/// Readers of events.
const READERS: usize = 1_000;
/// From one thing that all readers are told to the next: a shop of a few hundred
/// tills in the morning.
const EVENT_EVERY: Duration = Duration::from_millis(100);
/// How long the last event may be on its way to the last reader.
const TOLD_WAIT_MAX: Duration = Duration::from_secs(10);
/// Where the server runs.
const SERVER_CORE: usize = 0;
/// Where the load runs.
const CLIENT_CORE: usize = 1;
/// How many times the quiet p99 the p99 may be.
const OF_QUIET_MAX: f64 = 2.0;
/// The same beside readers of events.
const OF_NO_READERS_MAX: f64 = 1.5;

fn main() {
    if !support::is_bench() {
        return;
    }
    if cores() < 2 {
        println!("nothing measured: the server and the load need a core each, two in all");
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let server = place.serve(Some(SERVER_CORE));
    let logins = shop::log_in(&server.address, SESSIONS);
    Walk::new(&server.address, &logins).first(&server.address);
    let load = Load::new(&server, &logins);
    let mut table = Table::new(&[
        "meanwhile",
        "for s",
        "checks/s",
        "p50 ms",
        "p99 ms",
        "quiet before: p99 ms",
        "p99 of quiet",
        "at most",
        "kept",
    ]);
    table.row(&load.beside("nothing", || for_a(STRETCH)));
    table.row(&load.beside("logins at the cap of hashing", || {
        log_in_for_a(&server, STRETCH);
    }));
    table.row(&load.beside("backups, one after the other", || {
        back_up_for_a(&server, STRETCH);
    }));
    for row in load.beside_readers() {
        table.row(&row);
    }
    let capacity = load.capacity;
    server.stop();
    let due = doom(&place);
    let server = place.serve(Some(SERVER_CORE));
    let load = Load::of(&server, &logins, capacity);
    Walk::new(&server.address, &logins).first(&server.address);
    let before = swept(&server, &logins[0]);
    let quiet_from = due.minus(STRETCH);
    assert!(
        wall() < quiet_from,
        "the doomed sessions are over too early"
    );
    wait_until(quiet_from);
    table.row(
        &load.beside("a sweep of sessions that expired at once", || {
            until_swept(&server, &logins[0], before + u64::from(DOOMED));
        }),
    );
    table.print(&format!(
        "Checks at {PERCENT} % of the capacity ({}/s) over {SESSIONS} sessions in random order, one \
         core for the server and one for the load, waits from the intended time of sending",
        rate(capacity)
    ));
    server.stop();
    println!("Load of the machine at the end: {}.", cpu::load());
}

/// Opens sessions that all end at one instant; answers which. How long opening
/// takes is tried first with a few that live on.
fn doom(place: &Place) -> Timestamp {
    let store = fill::open(place);
    let (_, tried) = fill::fill(&store, TRIED, None);
    let end_in = DOOMED_IN + tried * (DOOMED / TRIED) * 4;
    let due = wall().plus(end_in);
    fill::fill(&store, DOOMED, Some(due.minus(LIFETIME)));
    store.close();
    due
}

/// The checks and the rate at which they are sent.
struct Load<'a> {
    server: &'a Server,
    requests: Vec<Vec<u8>>,
    /// Checks a second when each is sent as soon as a connection is free.
    capacity: f64,
}

impl<'a> Load<'a> {
    fn of(server: &'a Server, logins: &[Login], capacity: f64) -> Self {
        let requests = logins.iter().map(|login| {
            let path = format!("/sessions/{}", login.id);
            client::get(&server.address, &path, &login.token)
        });
        Self {
            server,
            requests: requests.collect(),
            capacity,
        }
    }

    /// Finds the capacity first.
    fn new(server: &'a Server, logins: &[Login]) -> Self {
        let mut load = Self::of(server, logins, 0.0);
        let (full, took) = load.run(Pace::Full, || for_a(FULL));
        load.capacity = f64::from(full.answers()) / took.as_secs_f64();
        load
    }

    /// Sends checks until `meanwhile` is over; answers what came of them, and how
    /// long that took.
    fn run(&self, pace: Pace, meanwhile: impl FnOnce()) -> (Paced, Duration) {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                keep_to_core(CLIENT_CORE);
                paced::run(&self.server.address, &self.requests, pace, || {
                    is_over.load(Ordering::Relaxed)
                })
            });
            let started = Instant::now();
            meanwhile();
            let took = started.elapsed();
            is_over.store(true, Ordering::Relaxed);
            (sending.join().expect("every check is answered"), took)
        })
    }

    /// The checks paced at the share of the capacity until `meanwhile` is over.
    fn paced(&self, meanwhile: impl FnOnce()) -> (Paced, Duration) {
        let gap = Duration::from_secs_f64(100.0 / f64::from(PERCENT) / self.capacity);
        self.run(Pace::Every(gap), meanwhile)
    }

    /// A stretch in which nothing else goes on.
    fn quiet(&self) -> Paced {
        self.paced(|| for_a(STRETCH)).0
    }

    /// A quiet stretch, then one in which something goes on.
    fn beside(&self, name: &str, meanwhile: impl FnOnce()) -> [String; 9] {
        let quiet = self.quiet();
        let busy = self.paced(meanwhile);
        say(&format!("measured beside {name}"));
        row(name, &[quiet], &[busy], OF_QUIET_MAX)
    }

    /// Stretches without readers of events, with them, and while they are told
    /// something, in turn.
    fn beside_readers(&self) -> [[String; 9]; 2] {
        let (mut quiet, mut idle, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..READER_ROUNDS {
            quiet.push(self.quiet());
            let mut readers = Readers::connect(self.server);
            idle.push(self.paced(|| for_a(STRETCH)));
            let before = readers.told();
            let mut begun = 0;
            told.push(self.paced(|| begun = begin_for_a(self.server, STRETCH)));
            readers.must_have_been_told(before, begun);
            say(&format!(
                "beside readers: {} of {READER_ROUNDS} rounds",
                round + 1
            ));
        }
        let connected = format!("{READERS} readers of events");
        let busy = format!("{READERS} readers of events, told of ten logins a second");
        [
            row(&connected, &quiet, &idle, OF_NO_READERS_MAX),
            row(&busy, &quiet, &told, OF_NO_READERS_MAX),
        ]
    }
}

/// What checks waited for while something went on, beside what they waited for
/// otherwise; the middle of several stretches.
fn row(name: &str, quiet: &[Paced], busy: &[(Paced, Duration)], at_most: f64) -> [String; 9] {
    let of_quiet: Vec<f64> = quiet.iter().map(|it| it.permille_millis(990)).collect();
    let of_busy = |what: &dyn Fn(&(Paced, Duration)) -> f64| {
        let all: Vec<f64> = busy.iter().map(what).collect();
        median(&all)
    };
    let p99 = of_busy(&|(paced, _)| paced.permille_millis(990));
    let ratio = p99 / median(&of_quiet);
    [
        name.to_owned(),
        format!("{:.1}", of_busy(&|(_, took)| took.as_secs_f64())),
        rate(of_busy(&|(paced, took)| {
            f64::from(paced.answers()) / took.as_secs_f64()
        })),
        format!("{:.3}", of_busy(&|(paced, _)| paced.permille_millis(500))),
        format!("{p99:.3}"),
        format!("{:.3}", median(&of_quiet)),
        format!("{ratio:.2} x"),
        format!("{at_most} x"),
        verdict(ratio <= at_most),
    ]
}

/// Readers of `/events`, each with a session and a connection of its own. What
/// they are told waits in their sockets until somebody looks: reading it would
/// take time from the load.
struct Readers(Vec<Reader>);

struct Reader {
    stream: TcpStream,
    /// Everything it was sent.
    heard: Vec<u8>,
}

impl Readers {
    fn connect(server: &Server) -> Self {
        let logins = shop::log_in_overseers(&server.address, READERS);
        let readers = logins.iter().map(|login| {
            let mut stream = TcpStream::connect(&server.address).expect("a connection");
            let request = client::get(&server.address, "/events", &login.token);
            stream.write_all(&request).expect("the server reads");
            let mut status = [0; 12];
            stream.read_exact(&mut status).expect("an answer");
            assert_eq!(&status[9..], b"200", "a reader");
            stream.set_nonblocking(true).expect("an option");
            let heard = Vec::new();
            Reader { stream, heard }
        });
        let readers = readers.collect();
        say(&format!("{READERS} readers of events"));
        Self(readers)
    }

    /// How many notifications every reader has.
    fn told(&mut self) -> usize {
        let told = self.0.iter_mut().map(Reader::told);
        told.min().expect("there are readers")
    }

    /// Every reader has been told of everything.
    fn must_have_been_told(&mut self, before: usize, begun: usize) {
        let until = Instant::now() + TOLD_WAIT_MAX;
        while self.told() < before + begun {
            assert!(Instant::now() < until, "a reader was not told everything");
            std::thread::sleep(LOOK_EVERY);
        }
        assert!(begun > 0, "nothing was told");
    }
}

impl Reader {
    /// Reads what has come; answers how many notifications that makes in all.
    fn told(&mut self) -> usize {
        match self.stream.read_to_end(&mut self.heard) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            ended => panic!("a reader was cut off: {ended:?}"),
        }
        let heard = String::from_utf8_lossy(&self.heard);
        heard.matches("event: notification").count()
    }
}

/// Logs in at a steady pace; answers how many did.
fn begin_for_a(server: &Server, time: Duration) -> usize {
    let started = Instant::now();
    let mut connection = Connection::open(&server.address);
    let mut begun = 0;
    let mut next = started;
    while next < started + time {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        shop::log_in_another(&mut connection, begun);
        begun += 1;
        next += EVENT_EVERY;
    }
    begun
}

fn for_a(time: Duration) {
    std::thread::sleep(time);
}

/// Passwords of the shipped cost, more at once than are hashed at once.
fn log_in_for_a(server: &Server, time: Duration) {
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        for _ in 0..LOGINS {
            scope.spawn(|| {
                let mut connection = Connection::open(&server.address);
                while Instant::now() < until {
                    shop::log_in_dear(&mut connection);
                }
            });
        }
    });
}

/// Backups of the server's own, each read back.
fn back_up_for_a(server: &Server, time: Duration) {
    let login = shop::log_in_overseers(&server.address, 1).remove(0);
    let mut connection = Connection::open(&server.address);
    let until = Instant::now() + time;
    let mut made = 0;
    while Instant::now() < until {
        match connection.post_as(&login.token, "/backups", "") {
            201 => made += 1,
            // The one before is not read back yet.
            503 => std::thread::sleep(BACKUP_WAIT),
            status => panic!("a backup: {status}"),
        }
    }
    say(&format!("{made} backups"));
    assert!(made > 0, "no backup was made");
}

/// Waits until this many sessions were swept since the server's start.
fn until_swept(server: &Server, login: &Login, wanted: u64) {
    let until = Instant::now() + SWEEP_MAX;
    while swept(server, login) < wanted {
        assert!(Instant::now() < until, "the sweep does not come to its end");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Sessions swept since the server's start.
fn swept(server: &Server, login: &Login) -> u64 {
    let mut connection = Connection::open(&server.address);
    let answer = connection.get("/health", &login.token);
    let page: Value = serde_json::from_slice(answer).expect("JSON");
    let ended = page["entries"]["sweeper"]["data"]["ended"].as_u64();
    ended.expect("the sweeper's count")
}

fn wait_until(at: Timestamp) {
    std::thread::sleep(at.since(wall()));
}
