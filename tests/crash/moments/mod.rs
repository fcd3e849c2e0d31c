//! The power goes in the middle of one certain thing: the first start, an
//! import, a change of the signing keys, a sweep, a backup, a restore. Afterwards the next start
//! works, nothing acknowledged is missing, and the thing has happened as a
//! whole or not at all.

pub(crate) mod copies;
mod keys;

use std::time::{Duration, Instant};

use super::client::Client;
use super::ground::Ground;
use super::process::Process;
use super::promise::{Promise, Violation};
use super::rounds::keep;
use super::site::{Site, random, shop_file, shop_users};
use super::tally::Tally;
use super::verdict;

/// How long an import may go on before the cut.
const IMPORT_MILLIS: std::ops::Range<u64> = 0..400;
/// Sessions that meet a change of keys, a backup or a restore.
const SESSIONS: usize = 10;
/// Sessions that one sweep takes, and how long they live.
const SWEPT: usize = 40;
const LIFETIME: Duration = Duration::from_secs(1);
/// By how much the clock of the server may be behind the test's.
const CLOCK_STEP: Duration = Duration::from_millis(50);
/// When the cut comes, from the end of the first of them.
const SWEEP_MILLIS: std::ops::Range<u64> = 0..300;

/// What is found to be wrong.
type Outcome = Result<Acknowledged, Violation>;

/// Whether the thing was answered before the cut.
struct Acknowledged(bool);

/// A thing to be cut off.
struct Moment {
    name: &'static str,
    cut: fn(&mut Site) -> Outcome,
}

const MOMENTS: [Moment; 7] = [
    Moment {
        name: "1st start",
        cut: first_start,
    },
    Moment {
        name: "import",
        cut: import,
    },
    Moment {
        name: "rotate",
        cut: keys::rotation,
    },
    Moment {
        name: "revoke",
        cut: keys::revocation,
    },
    Moment {
        name: "sweep",
        cut: sweep,
    },
    Moment {
        name: "backup",
        cut: copies::backup,
    },
    Moment {
        name: "restore",
        cut: copies::restore,
    },
];

/// Cuts each moment that many times; answers whether all promises held.
pub(crate) fn run(rounds: u32) -> bool {
    let mut held = true;
    for moment in &MOMENTS {
        let site = match Ground::image() {
            Ok(ground) => Site::new(ground).option("TILLGATE_SESSIONS__LIFETIME__TOOL", "1s"),
            Err(why) => {
                println!("SKIPPED moments: no filesystem of its own can be mounted here: {why}");
                return true;
            }
        };
        held &= repeat(moment, site, rounds);
    }
    held
}

fn repeat(moment: &Moment, mut site: Site, rounds: u32) -> bool {
    let started = Instant::now();
    let mut tally = Tally::new(moment.name, false);
    for round in 1..=rounds {
        tally.rounds = round;
        site.begin();
        let outcome = (moment.cut)(&mut site).and_then(|acknowledged| {
            tally.acknowledged += u64::from(acknowledged.0);
            verdict::whole_on_disk(&site.data_dir())
        });
        if let Err(violation) = outcome {
            keep(&site.home(), round);
            tally.count(&violation);
        }
    }
    tally.seconds = started.elapsed().as_secs_f32();
    println!("{tally}");
    tally.broken() == 0
}

fn broken<T>(promise: Promise, what: impl Into<String>) -> Result<T, Violation> {
    let what = what.into();
    Err(Violation { promise, what })
}

fn or_start<T>(result: Result<T, String>) -> Result<T, Violation> {
    result.or_else(|why| broken(Promise::Start, why))
}

/// The database is being made. Cut twice, then it must become a shop.
fn first_start(site: &mut Site) -> Outcome {
    for _ in 0..2 {
        let armed = site.arm();
        let server = site.serve();
        std::thread::sleep(site.during_start());
        site.cut(armed, vec![server]);
    }
    let mut server = site.serve();
    or_start(site.listening(&mut server))?;
    or_start(server.stop())?;
    or_start(site.import())?;
    whole_shop(site, true)?;
    Ok(Acknowledged(false))
}

/// A shop comes in: all of it or nothing.
fn import(site: &mut Site) -> Outcome {
    let file = shop_file();
    let armed = site.arm();
    let mut command = site.spawn(&["import", &file]);
    let done = command.wait(random(IMPORT_MILLIS));
    site.cut(armed, vec![command]);
    let acknowledged = done.is_some_and(|status| status.success());
    if whole_shop(site, acknowledged)? == 0 {
        or_start(site.import())?;
        whole_shop(site, true)?;
    }
    Ok(Acknowledged(acknowledged))
}

/// All users of the shop are there, or none when there need be none.
fn whole_shop(site: &Site, must_be_there: bool) -> Result<usize, Violation> {
    let users = or_start(site.users())?;
    match users {
        0 if !must_be_there => Ok(0),
        users if users == shop_users() => Ok(users),
        some => broken(Promise::Lost, format!("{some} users are there")),
    }
}

/// A server and who is logged in.
struct LoggedIn {
    address: String,
    server: Process,
    tokens: Vec<String>,
}

fn logged_in(site: &mut Site) -> Result<LoggedIn, Violation> {
    or_start(site.import())?;
    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    let tokens = log_in(&Client::new(&address))?;
    Ok(LoggedIn {
        address,
        server,
        tokens,
    })
}

fn log_in(client: &Client) -> Result<Vec<String>, Violation> {
    let logins = (0..SESSIONS).map(|_| client.log_in("2", "BackOffice"));
    let tokens = logins.map(|answer| match answer {
        Some(answer) if answer.status == 200 => Ok(answer.text("tokenId")),
        other => broken(Promise::Lost, format!("a login answers {other:?}")),
    });
    tokens.collect()
}

/// How many of these tokens are good.
fn good(address: &str, tokens: &[String]) -> usize {
    let client = Client::new(address);
    let is_good = |token: &&String| {
        let answer = client.get("/api/auth", token);
        answer.is_some_and(|answer| answer.status == 200)
    };
    tokens.iter().filter(is_good).count()
}

/// Sessions expire all at once: none comes back, none is lost without a trace.
fn sweep(site: &mut Site) -> Outcome {
    or_start(site.import())?;
    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    let client = Client::new(&address);
    let first = Instant::now();
    let logins: Vec<_> = (0..SWEPT)
        .filter_map(|_| client.log_in("1", "LINK"))
        .filter(|answer| answer.status == 200)
        .collect();
    if logins.len() != SWEPT {
        return broken(
            Promise::Lost,
            format!("{} logins are answered", logins.len()),
        );
    }
    let armed = site.arm();
    std::thread::sleep(LIFETIME.saturating_sub(first.elapsed()));
    std::thread::sleep(random(SWEEP_MILLIS));
    site.cut(armed, vec![server]);

    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    // The session of the last login is over as well.
    let last = logins.last().map_or(first, |login| login.answered);
    std::thread::sleep((LIFETIME + CLOCK_STEP).saturating_sub(last.elapsed()));
    let client = Client::new(&address);
    let tokens: Vec<_> = logins.iter().map(|login| login.text("tokenId")).collect();
    if good(&address, &tokens) > 0 {
        return broken(Promise::Returned, "an expired session is used");
    }
    let Some(owner) = verdict::owner(&client) else {
        return broken(Promise::Lost, "the owner can not log in");
    };
    let ended = client.get("/sessions/ended?deviceName=LINK&$count=true", &owner);
    let found = ended
        .as_ref()
        .and_then(|answer| answer.body["totalCount"].as_u64());
    if found != Some(SWEPT as u64) {
        return broken(
            Promise::Lost,
            format!("{SWEPT} expired, in the archive: {ended:?}"),
        );
    }
    Ok(Acknowledged(true))
}
