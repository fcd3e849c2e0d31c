//! Tillgate beside others that keep sessions: express-session with Redis, axum
//! with tower-sessions on Redis and on SQLite; and beside the limits of the
//! machine: bare warp, bare hyper, a raw socket, Redis without HTTP.
//!
//! `cargo bench --bench peers` builds and starts them all on loopback, the
//! servers on core 0 and the load on core 1, and writes `benches/RESULTS.md`.
//! Whoever is not measured is stopped meanwhile (SIGSTOP). CPU is that of the
//! server and of its Redis together.

mod drive;
mod sides;
#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use self::drive::{Driven, drive};
use self::sides::{CLIENT_CORE, Held, Redis, SERVER_CORE, Side, Task};
use self::support::cpu::Threads;
use self::support::place::{Place, Server, keep_to_core, pinned};
use self::support::report::{Table, machine, median, megabytes, micros_each, per_second, rate};
use self::support::{is_bench, say, shop};

/// As Tillgate has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Live sessions of every side.
const SESSIONS: usize = 100_000;
/// Rounds of every task.
const ROUNDS: usize = 5;
/// Checks of a round.
const CHECKS: usize = 30_000;
/// Logins, refreshes and endings of a round.
const CHANGES: usize = 10_000;
/// Shares no divisor with [`CHANGES`]: users and devices in no obvious order.
const SPREAD: usize = 7_919;
/// Lists of a round.
const LISTS: usize = 4_000;
/// GETEX without HTTP, in a round.
const GETEX: u32 = 200_000;
/// The tasks of a round, in order: what is logged in is refreshed and ended.
const TASKS: [Task; 5] = [
    Task::Check,
    Task::LogIn,
    Task::Refresh,
    Task::End,
    Task::List,
];

/// One measurement.
#[derive(Clone, Copy)]
struct Round {
    rate: f64,
    cpu_micros: f64,
    p50_millis: f64,
    p99_millis: f64,
}

fn main() {
    if !is_bench() {
        return;
    }
    // Before the load keeps to a core of its own.
    let machine = machine();
    let Some(programs) = Programs::build() else {
        return;
    };
    let place = Place::with_shop(&shop::store_file());
    let (sides, held) = start(&place, &programs);
    let limits = ["warp", "hyper", "raw"].map(|kind| {
        let log = place.path().join(format!("{kind}.log"));
        Server::start(programs.server(kind, ""), &log)
    });
    keep_to_core(CLIENT_CORE);
    for (side, held) in sides.iter().zip(&held) {
        let all = held.iter().enumerate();
        let all: Vec<_> = all
            .map(|(n, held)| side.request(Task::Check, n, Some(held)))
            .collect();
        drive(&side.server.address, &all, |_| None);
        say(&format!(
            "{}: every session used for the first time",
            side.name
        ));
    }
    let mut report = Report::default();
    let memory: Vec<_> = sides.iter().map(Side::resident).collect();
    for side in &sides {
        side.signal("-STOP");
    }
    for round in 0..ROUNDS {
        let mut order: Vec<usize> = (0..sides.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for n in order {
            sides[n].signal("-CONT");
            for (task, measured) in one_round(&sides[n], &held[n]) {
                report.add(task, sides[n].name, measured);
            }
            sides[n].signal("-STOP");
        }
        for (server, name) in
            limits
                .iter()
                .zip(["bare warp, one route", "bare hyper", "a raw socket"])
        {
            report.add(Task::Check, name, limit(server, &sides[0], &held[0]));
        }
        if let Some(redis) = sides.iter().find_map(|side| side.store.as_ref()) {
            signal(redis.pid(), "-CONT");
            report.add(Task::Check, "Redis GETEX without HTTP", getex(redis));
            signal(redis.pid(), "-STOP");
        }
        say(&format!("round {} of {ROUNDS}", round + 1));
    }
    for side in &sides {
        side.signal("-CONT");
    }
    report.write(&machine, &sides, &memory);
}

/// What is measured beside Tillgate, built and installed.
struct Programs {
    server: PathBuf,
    express: PathBuf,
}

impl Programs {
    /// Builds the servers and installs the packages; `None` with a word about
    /// what is missing.
    fn build() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        for (program, package) in [
            ("redis-server", "redis-server"),
            ("redis-benchmark", "redis-tools"),
            ("node", "nodejs"),
            ("npm", "npm"),
            ("taskset", "util-linux"),
        ] {
            if Command::new(program).arg("--version").output().is_err() {
                println!("nothing measured: {program} is missing (Debian: apt install {package})");
                return None;
            }
        }
        if support::report::cores() < 2 {
            println!("nothing measured: the servers and the load need a core each, two in all");
            return None;
        }
        say("building axum with tower-sessions");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        run(Command::new("cargo")
            .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
            .arg(&target)
            .current_dir(folder.join("server")));
        say("installing express-session");
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(folder.join("express")));
        Some(Self {
            server: target.join("release/peers"),
            express: folder.join("express/server.js"),
        })
    }

    fn server(&self, kind: &str, place: &str) -> Command {
        let mut command = pinned(Some(SERVER_CORE), &self.server);
        command.args([kind, place]);
        command
    }

    fn express(&self, port: u16) -> Command {
        let mut command = pinned(Some(SERVER_CORE), Path::new("node"));
        command.arg(&self.express).arg(port.to_string());
        command.env("NODE_ENV", "production");
        command
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// Starts every side and logs everybody in.
fn start(place: &Place, programs: &Programs) -> (Vec<Side>, Vec<Vec<Held>>) {
    let log = |name: &str| place.path().join(format!("{name}.log"));
    let server = sides::tillgate(place);
    let logins = shop::log_in(&server.address, SESSIONS);
    let own = logins.iter().map(|login| Held::Tokens {
        id: login.id.clone(),
        token: login.token.clone(),
        refresh: String::new(),
    });
    let mut held = vec![own.collect::<Vec<_>>()];
    let mut sides = vec![Side::tillgate(server, &logins)];
    let redis = Redis::start(place.path());
    let command = programs.server("redis", &redis.port.to_string());
    sides.push(Side::peer(
        "axum, tower-sessions on Redis",
        command,
        &log("tower-redis"),
        Some(redis),
    ));
    let file = place.path().join("tower.sqlite");
    let command = programs.server("sqlite", &file.to_string_lossy());
    sides.push(Side::peer(
        "axum, tower-sessions on SQLite",
        command,
        &log("tower-sqlite"),
        None,
    ));
    let redis = Redis::start(place.path());
    let command = programs.express(redis.port);
    sides.push(Side::peer(
        "express-session on Redis",
        command,
        &log("express"),
        Some(redis),
    ));
    for side in &sides[1..] {
        let requests: Vec<_> = (0..SESSIONS)
            .map(|n| side.request(Task::LogIn, n, None))
            .collect();
        let driven = drive(&side.server.address, &requests, sides::credentials);
        say(&format!(
            "{}: {SESSIONS} logged in within {:.0?}",
            side.name, driven.took
        ));
        held.push(
            driven
                .kept
                .iter()
                .flatten()
                .map(|text| sides::held(text))
                .collect(),
        );
    }
    (sides, held)
}

/// All tasks of one side.
fn one_round(side: &Side, held: &[Held]) -> Vec<(Task, Round)> {
    let mut fresh: Vec<Held> = Vec::new();
    let mut rounds = Vec::new();
    for task in TASKS.into_iter().filter(|task| side.does(*task)) {
        let of = |_: usize| rand::random_range(0..held.len());
        let requests: Vec<_> = match task {
            Task::Check => (0..CHECKS)
                .map(of)
                .map(|n| side.request(task, n, Some(&held[n])))
                .collect(),
            Task::List => (0..LISTS)
                .map(of)
                .map(|n| side.request(task, n, Some(&held[n])))
                .collect(),
            // No two alike, since a signed request is let in once.
            Task::LogIn => (0..CHANGES)
                .map(|n| (n * SPREAD) % CHANGES)
                .map(|n| side.request(task, n, None))
                .collect(),
            Task::Refresh | Task::End => fresh
                .iter()
                .map(|held| side.request(task, 0, Some(held)))
                .collect(),
        };
        let before = side.cpu();
        let driven = drive(
            &side.server.address,
            &requests,
            match task {
                Task::LogIn | Task::Refresh => sides::credentials,
                _ => |_| None,
            },
        );
        let used = before
            .iter()
            .zip(side.cpu())
            .map(|(before, after)| after.since(before).all);
        rounds.push((task, round(&driven, requests.len(), used.sum())));
        if matches!(task, Task::LogIn | Task::Refresh) {
            fresh = driven
                .kept
                .iter()
                .flatten()
                .map(|text| sides::held(text))
                .collect();
        }
    }
    rounds
}

fn round(driven: &Driven, requests: usize, used: Duration) -> Round {
    let requests = u32::try_from(requests).expect("a round is short");
    Round {
        rate: per_second(requests, driven.took),
        cpu_micros: micros_each(used, requests),
        p50_millis: driven.quantile_millis(0.5),
        p99_millis: driven.quantile_millis(0.99),
    }
}

/// A limit of the machine, sent the requests of Tillgate.
fn limit(server: &Server, tillgate: &Side, held: &[Held]) -> Round {
    let requests: Vec<_> = (0..CHECKS)
        .map(|_| rand::random_range(0..held.len()))
        .map(|n| tillgate.request(Task::Check, n, Some(&held[n])))
        .collect();
    let before = Threads::of(server.pid());
    let driven = drive(&server.address, &requests, |_| None);
    let used = Threads::of(server.pid()).since(&before).all;
    round(&driven, requests.len(), used)
}

/// A key of the size of a session, read and prolonged, by redis-benchmark.
fn getex(redis: &Redis) -> Round {
    let port = redis.port.to_string();
    let value = "x".repeat(300);
    let bench = |requests: u32, command: &[&str]| {
        let mut bench = pinned(Some(CLIENT_CORE), Path::new("redis-benchmark"));
        bench.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-c",
            "64",
            "-r",
            "100000",
            "--csv",
            "-n",
        ]);
        let output = bench
            .arg(requests.to_string())
            .args(command)
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    bench(300_000, &["SET", "bench:__rand_int__", &value]);
    let before = Threads::of(redis.pid());
    let said = bench(GETEX, &["GETEX", "bench:__rand_int__", "EX", "36000"]);
    let used = Threads::of(redis.pid()).since(&before).all;
    // "test","rps","avg","min","p50","p95","p99","max"
    let line = said.lines().last().unwrap_or_default();
    let cells: Vec<f64> = line
        .split(',')
        .filter_map(|cell| cell.trim_matches('"').parse().ok())
        .collect();
    let cell = |n: usize| {
        cells
            .len()
            .checked_sub(7)
            .and_then(|from| cells.get(from + n))
            .copied()
    };
    Round {
        rate: cell(0).unwrap_or(f64::NAN),
        cpu_micros: micros_each(used, GETEX),
        p50_millis: cell(3).unwrap_or(f64::NAN),
        p99_millis: cell(5).unwrap_or(f64::NAN),
    }
}

fn signal(pid: u32, signal: &str) {
    run(Command::new("kill").args([signal, &pid.to_string()]));
}

/// All measurements.
#[derive(Default)]
struct Report(Vec<(Task, &'static str, Vec<Round>)>);

impl Report {
    fn add(&mut self, task: Task, name: &'static str, round: Round) {
        match self
            .0
            .iter_mut()
            .find(|(of, known, _)| (*of, *known) == (task, name))
        {
            Some((_, _, rounds)) => rounds.push(round),
            None => self.0.push((task, name, vec![round])),
        }
    }

    /// Writes `benches/RESULTS.md` and prints it.
    fn write(&self, machine: &str, sides: &[Side], memory: &[u64]) {
        let mut text = format!(
            "# Beside others\n\nMade by `cargo bench --bench peers`: {SESSIONS} live sessions of {} \
             users on every side, in random order, {} connections, servers on one core and the load \
             on the other, medians of {ROUNDS} rounds in turn. CPU is that of the server and of its \
             Redis. Tillgate has every change on the disk before it answers; Redis writes nothing, \
             SQLite does not wait for the disk.\n\n{}\n",
            shop::USERS,
            drive::CONNECTIONS,
            machine
        );
        for task in TASKS {
            let _ = write!(
                text,
                "\n## {}\n\n{}\n",
                title(task),
                self.table(task).text()
            );
        }
        let mut table = Table::new(&["side", "memory with all sessions"]);
        for (side, bytes) in sides.iter().zip(memory) {
            table.row(&[side.name.to_owned(), megabytes(*bytes)]);
        }
        let _ = write!(
            text,
            "\n## Memory, its Redis included\n\n{}\n",
            table.text()
        );
        println!("{text}");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
        std::fs::write(file, text).expect("the results are written");
    }

    fn table(&self, task: Task) -> Table {
        let columns = [
            "side",
            "requests/s",
            "CPU us/request",
            "CPU of Tillgate's",
            "p50 ms",
            "p99 ms",
        ];
        let mut table = Table::new(&columns);
        let of_task: Vec<_> = self.0.iter().filter(|(of, ..)| *of == task).collect();
        let middle = |rounds: &[Round], value: fn(&Round) -> f64| {
            median(&rounds.iter().map(value).collect::<Vec<_>>())
        };
        for (_, name, rounds) in &of_task {
            let ratios = of_task[0].2.iter().zip(rounds);
            let ratios: Vec<_> = ratios
                .map(|(own, other)| other.cpu_micros / own.cpu_micros)
                .collect();
            table.row(&[
                (*name).to_owned(),
                rate(middle(rounds, |round| round.rate)),
                format!("{:.2}", middle(rounds, |round| round.cpu_micros)),
                format!("{:.2} x", median(&ratios)),
                format!("{:.2}", middle(rounds, |round| round.p50_millis)),
                format!("{:.2}", middle(rounds, |round| round.p99_millis)),
            ]);
        }
        table
    }
}

fn title(task: Task) -> &'static str {
    match task {
        Task::Check => "A check, the access counted",
        Task::LogIn => "Log in, without a password (a trusted service)",
        Task::Refresh => "Refresh",
        Task::End => "End",
        Task::List => "A user's 50 latest sessions",
    }
}
