//! What a checked request costs: `GET /sessions/{id}` with a bearer token or
//! signed with an API key, the access counted, beside a bare warp server with
//! one route.
//!
//! Both servers run on core 0, wrk on core 1, in turn: A B C D, D C B A and so on.
//! The bare server is this same program (`--role bare`), so both have the same
//! profile and the same allocator. While it is measured Tillgate is stopped
//! (SIGSTOP): what Tillgate writes behind would slow the other down.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::place::{Place, Server, pinned};
use support::report::{Table, cores, median, micros_each, per_second, rate};
use support::shop::{self, Login};
use support::signing::Signer;
use support::walk::Walk;
use support::{cpu, say};
use warp::Filter;

/// The allocator of the real binary, for the bare server's sake.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Live sessions, of [`shop::USERS`] users.
const SESSIONS: usize = 100_000;
/// Rounds of every kind of load.
const ROUNDS: usize = 5;
/// Seconds of one round.
const ROUND_SECONDS: u64 = 3;
/// Seconds of the load that goes on.
const SUSTAINED_SECONDS: u64 = 30;
/// Connections of wrk.
const CONNECTIONS: usize = 64;
/// Keys that sign, each with a session of its own.
const KEYS: usize = 100;
/// Requests signed before the load, the keys in turn.
const SIGNED_REQUESTS: usize = 10_000;
/// Where the servers run.
const SERVER_CORE: usize = 0;
/// Where wrk runs.
const CLIENT_CORE: usize = 1;
/// The answer of the bare server: as long as a session.
const BARE_BODY: &str = r#"{"sessionId":"soZIt6uj62fzs8ep4UvnNSxRXFryUiq3","identity":{"userName":"user-000000001","deviceName":"Office01","envName":"CashRegister","authenticationType":"Bearer"},"startedAt":"2023-08-04T11:19:38.015Z","expiresAt":"2023-08-04T23:19:38.015Z","lastAccessAt":"2023-08-04T11:19:39.985Z","_v":12}"#;
/// Its length is part of the comparison.
const BARE_BODY_BYTES: usize = 296;

/// Sends a fixed request, or walks the sessions of a file, and reports in one
/// line.
const REPORT: &str = "
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('bench %d %d %d %d %d\\n', summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
";
const WALK: &str = "
local requests, at = {}, 0
function init(args)
  local host = wrk.host .. ':' .. wrk.port
  for line in io.lines(args[1]) do
    local id, headers = line:match('^(%S+) (.+)$')
    requests[#requests + 1] = 'GET /sessions/' .. id .. ' HTTP/1.1\\r\\nHost: ' .. host ..
      '\\r\\n' .. headers:gsub('|', '\\r\\n') .. '\\r\\n\\r\\n'
  end
  at = tonumber(args[2]) % #requests
end
function request()
  at = at + 1
  if at > #requests then at = 1 end
  return requests[at]
end
";

fn main() {
    assert_eq!(BARE_BODY.len(), BARE_BODY_BYTES);
    if std::env::args().any(|argument| argument == "bare") {
        return serve_bare();
    }
    if !support::is_bench() || !has_tools() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let server = place.serve(None);
    let logins = shop::log_in(&server.address, SESSIONS);
    server.stop();
    let tillgate = place.serve(Some(SERVER_CORE));
    let first = Walk::new(&tillgate.address, &logins).first(&tillgate.address);
    say(&format!(
        "every session used for the first time in {:.1} s",
        first.as_secs_f64()
    ));
    let bare = start_bare(&place);
    let load = Load::write(place.path(), &tillgate.address, &logins);
    compare(&tillgate, &bare, &load);
    sustain(&tillgate, &load);
}

/// wrk and taskset, and a core for each side.
fn has_tools() -> bool {
    let starts = |name: &str| Command::new(name).arg("-v").output().is_ok();
    let missing = ["wrk", "taskset"].into_iter().find(|name| !starts(name));
    if let Some(missing) = missing {
        println!("nothing measured: {missing} is missing (Debian: apt install wrk util-linux)");
    } else if cores() < 2 {
        println!("nothing measured: the servers and wrk need a core each, two in all");
    }
    missing.is_none() && cores() >= 2
}

/// One route, one answer, nothing behind it.
fn serve_bare() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let route = warp::path("sessions")
        .map(|| warp::reply::with_header(BARE_BODY, "content-type", "application/json"));
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        println!(
            "bare listening on http://{}",
            listener.local_addr().expect("it is bound")
        );
        warp::serve(route).incoming(listener).run().await;
    });
}

fn start_bare(place: &Place) -> Server {
    let this = std::env::current_exe().expect("this program has a path");
    let mut command = pinned(Some(SERVER_CORE), &this);
    command.args(["--role", "bare"]);
    Server::start(command, &place.path().join("bare.log"))
}

/// The scripts of wrk and the sessions to walk.
struct Load {
    report: PathBuf,
    walk: PathBuf,
    sessions: PathBuf,
    signed: PathBuf,
}

/// What wrk saw of one round, and what the server used for it.
#[derive(Clone, Copy, Debug)]
struct Round {
    rate: f64,
    cpu_micros: f64,
    p50_millis: f64,
    p99_millis: f64,
}

/// What wrk sends.
#[derive(Clone, Copy)]
enum Requests {
    /// A short one without credentials, always the same.
    Plain,
    /// Those of the sessions, from this one on.
    Sessions(usize),
    /// Those that are signed, from this one on.
    Signed(usize),
}

impl Load {
    fn write(folder: &Path, address: &str, logins: &[Login]) -> Self {
        let load = Self {
            report: folder.join("report.lua"),
            walk: folder.join("walk.lua"),
            sessions: folder.join("sessions"),
            signed: folder.join("signed"),
        };
        let lines = logins
            .iter()
            .map(|login| format!("{} Authorization: Bearer {}\n", login.id, login.token));
        let signers: Vec<_> = (0..KEYS)
            .map(|n| Signer::make(address, n, &logins[n]))
            .collect();
        let signed = (0..SIGNED_REQUESTS).map(|n| {
            let id = &logins[n].id;
            let headers = signers[n % KEYS].lines(address, &format!("/sessions/{id}"));
            format!("{id} {headers}\n")
        });
        std::fs::write(&load.signed, signed.collect::<String>()).expect("the list is written");
        std::fs::write(&load.report, REPORT).expect("the script is written");
        std::fs::write(&load.walk, format!("{WALK}{REPORT}")).expect("the script is written");
        std::fs::write(&load.sessions, lines.collect::<String>()).expect("the list is written");
        load
    }

    /// One round against a server. An answer that is no success fails the
    /// bench.
    fn run(&self, server: &Server, seconds: u64, requests: Requests) -> Round {
        let mut wrk = pinned(Some(CLIENT_CORE), Path::new("wrk"));
        wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
        match requests {
            Requests::Plain => wrk.arg("-s").arg(&self.report),
            Requests::Sessions(_) | Requests::Signed(_) => wrk.arg("-s").arg(&self.walk),
        };
        wrk.arg(format!("http://{}/sessions", server.address))
            .arg("--");
        let list = match requests {
            Requests::Plain => None,
            Requests::Sessions(from) => Some((&self.sessions, from)),
            Requests::Signed(from) => Some((&self.signed, from)),
        };
        if let Some((list, from)) = list {
            wrk.arg(list).arg(from.to_string());
        }
        let before = cpu::time(server.pid());
        let output = wrk.output().expect("wrk runs");
        let used = cpu::time(server.pid()).saturating_sub(before);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Round::read(&text, used).unwrap_or_else(|| {
            panic!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
        })
    }
}

impl Round {
    /// Reads the line of the script; `None` when anything failed.
    fn read(text: &str, used: Duration) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("bench "))?;
        let mut numbers = line.split(' ').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        let (requests, micros, failed) = (next()?, next()?, next()?);
        let (p50, p99) = (next()?, next()?);
        (failed == 0 && requests > 0).then(|| Self {
            rate: per_second(requests, Duration::from_micros(u64::from(micros))),
            cpu_micros: micros_each(used, requests),
            p50_millis: f64::from(p50) / 1e3,
            p99_millis: f64::from(p99) / 1e3,
        })
    }
}

/// The kinds of load.
const NAMES: [&str; 4] = [
    "bare warp, one route, plain requests",
    "bare warp, the same requests as Tillgate",
    "**Tillgate, `GET /sessions/{id}` checked**",
    "**Tillgate, the same signed with an API key (NWS4)**",
];

fn compare(tillgate: &Server, bare: &Server, load: &Load) {
    let round = |kind: usize, seconds: u64, from: usize| match kind {
        0 => beside_stopped(tillgate, || load.run(bare, seconds, Requests::Plain)),
        1 => beside_stopped(tillgate, || {
            load.run(bare, seconds, Requests::Sessions(from))
        }),
        2 => load.run(tillgate, seconds, Requests::Sessions(from)),
        _ => load.run(tillgate, seconds, Requests::Signed(from)),
    };
    for kind in 0..NAMES.len() {
        round(kind, 1, 0);
    }
    let mut rounds: [Vec<Round>; NAMES.len()] = [const { Vec::new() }; NAMES.len()];
    for n in 0..ROUNDS {
        let mut order = [0, 1, 2, 3];
        if n % 2 == 1 {
            order.reverse();
        }
        for kind in order {
            let from = rand::random_range(0..SESSIONS);
            rounds[kind].push(round(kind, ROUND_SECONDS, from));
        }
        say(&format!("round {} of {ROUNDS}", n + 1));
    }
    print_comparison(&rounds);
}

/// Stops Tillgate while something else is measured on its core.
fn beside_stopped<T>(tillgate: &Server, measured: impl FnOnce() -> T) -> T {
    tillgate.signal("-STOP");
    let result = measured();
    tillgate.signal("-CONT");
    result
}

fn print_comparison(rounds: &[Vec<Round>; NAMES.len()]) {
    let columns = [
        "server",
        "requests/s",
        "CPU us/request",
        "of bare by CPU",
        "of bare by rate",
        "p50 ms",
        "p99 ms",
    ];
    let mut table = Table::new(&columns);
    for (name, of_kind) in NAMES.iter().zip(rounds) {
        let middle =
            |value: fn(&Round) -> f64| median(&of_kind.iter().map(value).collect::<Vec<_>>());
        let against = |ratio: fn(&Round, &Round) -> f64| {
            let pairs = rounds[0]
                .iter()
                .zip(of_kind)
                .map(|(bare, other)| ratio(bare, other));
            median(&pairs.collect::<Vec<_>>())
        };
        table.row(&[
            (*name).to_owned(),
            rate(middle(|round| round.rate)),
            format!("{:.2}", middle(|round| round.cpu_micros)),
            format!(
                "{:.2}",
                against(|bare, other| bare.cpu_micros / other.cpu_micros)
            ),
            format!("{:.2}", against(|bare, other| other.rate / bare.rate)),
            format!("{:.2}", middle(|round| round.p50_millis)),
            format!("{:.2}", middle(|round| round.p99_millis)),
        ]);
    }
    table.print(&format!(
        "Checked requests: {SESSIONS} live sessions of {} users in random order, {CONNECTIONS} \
         connections, servers on one core, wrk on the other, medians of {ROUNDS} rounds of \
         {ROUND_SECONDS} s",
        shop::USERS
    ));
    let cpu = |kind: usize| {
        rounds[kind]
            .iter()
            .map(|round| format!("{:.2}", round.cpu_micros))
    };
    for (kind, name) in NAMES.iter().enumerate() {
        println!(
            "- CPU us/request in each round, {name}: {}",
            cpu(kind).collect::<Vec<_>>().join(", ")
        );
    }
}

fn sustain(tillgate: &Server, load: &Load) {
    let long = load.run(tillgate, SUSTAINED_SECONDS, Requests::Sessions(0));
    let memory = support::report::megabytes(cpu::resident(tillgate.pid()));
    let mut table = Table::new(&[
        "load",
        "requests/s",
        "CPU us/request",
        "p50 ms",
        "p99 ms",
        "memory",
    ]);
    table.row(&[
        format!("{CONNECTIONS} connections for {SUSTAINED_SECONDS} s"),
        rate(long.rate),
        format!("{:.2}", long.cpu_micros),
        format!("{:.2}", long.p50_millis),
        format!("{:.2}", long.p99_millis),
        memory,
    ]);
    table.print("Checked requests that go on");
}
