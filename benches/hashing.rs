//! What a login costs beside the hash of its password: logins over HTTP with
//! passwords at the shipped cost, beside bare argon2 in the same parameters and
//! number of threads, in turn.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Version};
use support::client::Connection;
use support::cpu;
use support::place::Place;
use support::report::{Table, cores, median, micros_each, per_second, verdict};
use support::{say, shop};

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Rounds of each side.
const ROUNDS: usize = 5;
/// How long a round is.
const ROUND: Duration = Duration::from_secs(5);
/// Connections that log in: a password always waits for a thread.
const CONNECTIONS: usize = 8;
/// The least share of the bare rate.
const OF_BARE_MIN: f64 = 0.95;

fn main() {
    if !support::is_bench() {
        return;
    }
    let hash = shop::dear_hash();
    let place = Place::with_shop(&shop::store_file());
    let server = place.serve(None);
    let threads = cpu::threads_named(server.pid(), "tillgate-hash");
    assert!(threads > 0, "the server hashes");
    let (mut bare, mut logins) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        bare.push(hash_bare(&hash, threads));
        logins.push(log_in(&server.address, server.pid()));
        say(&format!("round {} of {ROUNDS}", n + 1));
    }
    server.stop();
    let ratio = |value: fn(&Round) -> f64| {
        let pairs = logins.iter().zip(&bare);
        let ratios = pairs.map(|(login, bare)| value(login) / value(bare));
        median(&ratios.collect::<Vec<_>>())
    };
    let middle = |rounds: &[Round], value: fn(&Round) -> f64| {
        median(&rounds.iter().map(value).collect::<Vec<_>>())
    };
    let of_bare = ratio(|round| round.rate);
    let mut table = Table::new(&[
        "",
        "a second",
        "CPU ms each",
        "of bare by rate",
        "at least",
        "kept",
    ]);
    for (name, rounds, ratio) in [
        ("bare argon2", &bare, None),
        ("**log in over HTTP**", &logins, Some(of_bare)),
    ] {
        table.row(&[
            name.to_owned(),
            format!("{:.2}", middle(rounds, |round| round.rate)),
            format!("{:.2}", middle(rounds, |round| round.cpu_millis)),
            ratio.map_or(String::new(), |ratio| format!("{ratio:.3}")),
            ratio.map_or(String::new(), |_| OF_BARE_MIN.to_string()),
            ratio.map_or(String::new(), |ratio| verdict(ratio >= OF_BARE_MIN)),
        ]);
    }
    let params = hash.rsplit('$').nth(2).unwrap_or_default();
    table.print(&format!(
        "Logins with a password beside bare argon2id ({params}), {threads} hashing at once on {} \
         cores, {CONNECTIONS} connections, medians of {ROUNDS} rounds of {} s in turn",
        cores(),
        ROUND.as_secs()
    ));
    println!(
        "By CPU bare is {:.3} of a login, the server's own part included. Load of the machine at \
         the end: {}.",
        1.0 / ratio(|round| round.cpu_millis),
        cpu::load()
    );
}

/// What a round came to.
#[derive(Clone, Copy)]
struct Round {
    rate: f64,
    cpu_millis: f64,
}

impl Round {
    fn of(done: &AtomicU32, began: Instant, used: Duration) -> Self {
        let done = done.load(Ordering::Relaxed);
        Self {
            rate: per_second(done, began.elapsed()),
            cpu_millis: micros_each(used, done) / 1e3,
        }
    }
}

/// Runs as many copies of `step` as there are threads until the round is over,
/// and waits for those that have begun.
fn round(threads: usize, pid: u32, step: impl Fn() -> Box<dyn FnMut()> + Sync) -> Round {
    let (stop, done) = (AtomicBool::new(false), AtomicU32::new(0));
    let (began, before) = (Instant::now(), cpu::time(pid));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut step = step();
                while !stop.load(Ordering::Relaxed) {
                    step();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    Round::of(&done, began, cpu::time(pid).saturating_sub(before))
}

fn hash_bare(hash: &str, threads: usize) -> Round {
    round(threads, std::process::id(), || {
        let hash = hash.to_owned();
        Box::new(move || {
            let hash = PasswordHash::new(&hash).expect("a hash");
            let argon2 = Argon2::new(
                Algorithm::Argon2id,
                Version::V0x13,
                argon2::Params::default(),
            );
            let verified = argon2.verify_password(shop::PASSWORD.as_bytes(), &hash);
            assert!(verified.is_ok(), "the right password");
        })
    })
}

fn log_in(address: &str, pid: u32) -> Round {
    round(CONNECTIONS, pid, || {
        let mut connection = Connection::open(address);
        Box::new(move || shop::log_in_dear(&mut connection))
    })
}
