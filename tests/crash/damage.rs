//! A closed data directory is damaged at a random place: the next start serves
//! the same data, or gives all sessions up and goes on from the base file. Never
//! a store that is silently shorter, never a session that was ended. Before the
//! start the doctor has looked: where sessions are given up, it has found why.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::client::Client;
use super::closed::{self, Closed};
use super::harm::Harm;
use super::process::Process;
use super::{rounds, verdict};

/// Servers at once.
const WORKERS: u32 = 2;
/// A start from the base file must serve logins after this long.
const LOGIN_MAX: Duration = Duration::from_secs(5);
/// Live sessions whose tokens are tried; the listing covers the others.
const TRIED: usize = 20;
/// Broken places shown, and their directories kept.
const SHOWN_MAX: u32 = 5;

/// What a start after the damage came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything as it was.
    Identical,
    /// Everything as it was, versions go on from their ceilings.
    Jumped,
    /// No sessions; users, devices and roles as they were.
    FromBase,
    /// A promise was broken.
    Broken(String),
}

#[derive(Default)]
struct Counts {
    identical: u32,
    jumped: u32,
    from_base: u32,
    broken: u32,
    slowest: Duration,
    harms: [u32; 3],
    found: u32,
}

/// Harms that many places, each in a copy of its own; answers whether every
/// start kept the promise.
pub(crate) fn run(places: u32, seed: Option<u64>) -> bool {
    let started = Instant::now();
    let seed = seed.unwrap_or_else(rand::random);
    let closed = match Closed::make() {
        Ok(closed) => closed,
        Err(why) => {
            println!("damage: the shop could not be prepared: {why}");
            return false;
        }
    };
    let (next, counts) = (AtomicU32::new(0), Mutex::new(Counts::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= places {
                        return;
                    }
                    one(&closed, number, seed, &counts);
                }
            });
        }
    });
    let counts = counts.into_inner();
    println!(
        "damage    {places} places (seed {seed}; {} bits, {} pages, {} cuts): {} identical, {} identical \
         with versions from the ceiling, {} from the base file, {} broken; doctor found {}; \
         slowest start {} ms, {:.1} seconds",
        counts.harms[0],
        counts.harms[1],
        counts.harms[2],
        counts.identical,
        counts.jumped,
        counts.from_base,
        counts.broken,
        counts.found,
        counts.slowest.as_millis(),
        started.elapsed().as_secs_f32(),
    );
    counts.broken == 0
}

/// Copy, harm, ask the doctor, start, look, count.
fn one(closed: &Closed, number: u32, seed: u64, counts: &Mutex<Counts>) {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(u64::from(number)));
    let home = tempfile::tempdir().expect("a temporary folder");
    let copied = Command::new("cp")
        .args(["-r", "--reflink=auto", "--sparse=auto"])
        .arg(closed.place.data_dir())
        .arg(closed.place.path().join("db.key"))
        .arg(home.path())
        .status();
    assert!(copied.is_ok_and(|status| status.success()), "cp failed");
    let data_dir = home.path().join("db");
    let harm = Harm::choose(&data_dir, &mut rng);
    harm.inflict();

    let examined = closed::examine(&data_dir);
    let (outcome, took) = start(closed, &data_dir);
    let outcome = hold_together(&examined, outcome);
    let mut counts = counts.lock();
    counts.harms[harm.kind()] += 1;
    counts.found += u32::from(examined == Ok(true));
    counts.slowest = counts.slowest.max(took);
    match outcome {
        Outcome::Identical => counts.identical += 1,
        Outcome::Jumped => counts.jumped += 1,
        Outcome::FromBase => counts.from_base += 1,
        Outcome::Broken(why) => {
            counts.broken += 1;
            println!("  place {number}, {}: {why}", harm.told(&data_dir));
            if counts.broken <= SHOWN_MAX {
                rounds::keep(home.path(), number);
            }
        }
    }
}

/// What a start had to give up, the doctor has seen before.
fn hold_together(examined: &Result<bool, String>, outcome: Outcome) -> Outcome {
    match (examined, outcome) {
        (Err(why), _) => Outcome::Broken(why.clone()),
        (Ok(false), Outcome::FromBase) => {
            Outcome::Broken("the doctor found nothing where all sessions were given up".to_owned())
        }
        (Ok(_), outcome) => outcome,
    }
}

/// Starts the damaged copy and looks at it.
fn start(closed: &Closed, data_dir: &Path) -> (Outcome, Duration) {
    let started = Instant::now();
    let mut process = Process::spawn(closed::serve(data_dir));
    let (address, took) = match process.listening() {
        Ok(listening) => listening,
        Err(why) => {
            return (
                Outcome::Broken(format!("no start: {why}")),
                started.elapsed(),
            );
        }
    };
    let outcome = look(closed, &Client::new(&address), started);
    (outcome.unwrap_or_else(Outcome::Broken), took)
}

fn look(closed: &Closed, client: &Client, started: Instant) -> Result<Outcome, String> {
    let status = |token: &str| {
        client
            .get("/api/auth", token)
            .map_or(0, |answer| answer.status)
    };
    if let Some(lives) = closed.dead.iter().find(|token| status(token) != 401) {
        return Err(format!("an ended session answers {}", status(lives)));
    }
    let answer = client
        .get("/sessions?$take=10000", &closed.owner)
        .ok_or("no answer")?;
    let (outcome, owner) = match answer.status {
        200 if closed.compare(&answer)? => (Outcome::Jumped, closed.owner.clone()),
        200 => (Outcome::Identical, closed.owner.clone()),
        401 => (Outcome::FromBase, from_base(client, started)?),
        other => return Err(format!("the listing answers {other}")),
    };
    let expected = if outcome == Outcome::FromBase {
        401
    } else {
        200
    };
    if let Some(token) = closed
        .live
        .iter()
        .take(TRIED)
        .find(|token| status(token) != expected)
    {
        return Err(format!(
            "a live session's token answers {}, not {expected}",
            status(token)
        ));
    }
    if closed::people(client, &owner)? != closed.people {
        return Err(format!(
            "users, devices or roles are not the last ones ({outcome:?})"
        ));
    }
    let login = verdict::owner(client).ok_or("no login is possible")?;
    let ended = client.call("DELETE", "/api/auth", Some(&login), &Value::Null);
    if ended.is_none_or(|answer| answer.status != 204) || status(&login) != 401 {
        return Err("a session can not be ended".to_owned());
    }
    Ok(outcome)
}

/// All sessions were given up: people log in again, soon, and find nobody.
fn from_base(client: &Client, started: Instant) -> Result<String, String> {
    let owner = verdict::owner(client).ok_or("nobody can log in")?;
    if started.elapsed() > LOGIN_MAX {
        return Err(format!(
            "the first login was possible after {:?}",
            started.elapsed()
        ));
    }
    let counted = client
        .get("/sessions?$count=true", &owner)
        .ok_or("no answer")?;
    match counted.body["totalCount"].as_u64() {
        Some(1) => Ok(owner),
        other => Err(format!(
            "the store came back shorter: {other:?} sessions after one login"
        )),
    }
}
