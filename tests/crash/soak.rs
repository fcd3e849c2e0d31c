//! Mixed work for as long as one likes: logins, checks, lists, refreshes,
//! endings, changes of users. Behind the warm-up neither memory nor files nor
//! open descriptors grow.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::client::Client;
use super::closed;
use super::process::Process;
use super::support::Place;

/// Clients at once.
const CLIENTS: usize = 4;
/// Sessions of a client at most; then its oldest ends.
const SESSIONS_MAX: usize = 100;
/// The part of the time in which everything may still grow.
const WARM_UP: u32 = 3;
/// How often everything is measured.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how many looks a long run says how it goes.
const TELL_EVERY_LOOKS: usize = 300;
/// Endings and audit entries are kept up to here, so that the data has a size,
const KEPT: &str = "2000";
/// and beyond that every ending for as long as its tokens last, which whoever
/// checks tokens without asking must be told of.
const LIFETIME: &str = "60s";
/// By how much the last third may be above the middle one, in percent.
const GROWTH_PERCENT_MAX: u64 = 10;
/// Below this many more, it is no growth.
const RESIDENT_KIB_SLACK: u64 = 8 * 1024;
const FILE_KIB_SLACK: u64 = 16 * 1024;
const DESCRIPTORS_SLACK: u64 = 4;

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    resident_kib: u64,
    file_kib: u64,
    descriptors: u64,
}

impl Size {
    fn told(&self) -> String {
        format!(
            "resident {} MiB, files {} MiB, descriptors {}",
            self.resident_kib / 1024,
            self.file_kib / 1024,
            self.descriptors
        )
    }
}

/// Works that many seconds; answers whether everything stayed flat.
pub(crate) fn run(seconds: u32) -> bool {
    match work(Duration::from_secs(u64::from(seconds.max(3)))) {
        Ok(told) => {
            println!("soak      {told}");
            true
        }
        Err(why) => {
            println!("  soak: {why}");
            false
        }
    }
}

fn work(all: Duration) -> Result<String, String> {
    let place = Place::with_shop();
    let mut command = closed::serve(&place.data_dir());
    command
        .env("TILLGATE_SESSIONS__ENDED_MAX", KEPT)
        .env("TILLGATE_AUDIT__MAX", KEPT)
        .env("TILLGATE_SESSIONS__LIFETIME__TOOL", LIFETIME);
    let mut process = Process::spawn(command);
    let (address, _) = process.listening()?;
    let (stop, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    let failure = Mutex::new(None);
    let started = Instant::now();
    let mut sizes = Vec::new();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (address, stop, requests, failure) = (&address, &stop, &requests, &failure);
            scope.spawn(move || {
                let worked = client(number, &Client::new(address), stop, requests);
                if let Err(why) = worked {
                    *failure.lock() = Some(why);
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
        while started.elapsed() < all && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            let size = measure(process.id(), &place.data_dir());
            sizes.push(size);
            if sizes.len().is_multiple_of(TELL_EVERY_LOOKS) {
                println!("  soak: after {} s {}", sizes.len(), size.told());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    if let Some(why) = failure.into_inner() {
        let seconds = started.elapsed().as_secs();
        let last = sizes.last().copied().unwrap_or_default();
        return Err(format!("{why}, after {seconds} s; by then {}", last.told()));
    }
    let (before, after) = thirds(&sizes);
    flat(before, after)?;
    process.stop()?;
    let count = requests.load(Ordering::Relaxed);
    Ok(format!(
        "{} s, {count} requests; in the middle and at the end: resident {} and {} MiB, files {} and {} MiB, \
         descriptors {} and {}",
        all.as_secs(),
        before.resident_kib / 1024,
        after.resident_kib / 1024,
        before.file_kib / 1024,
        after.file_kib / 1024,
        before.descriptors,
        after.descriptors
    ))
}

/// One client's work until it is told to stop.
fn client(
    number: usize,
    client: &Client,
    stop: &AtomicBool,
    requests: &AtomicU64,
) -> Result<(), String> {
    let expect = |what: &str, status: u16, answer: Option<super::client::Answer>| {
        requests.fetch_add(1, Ordering::Relaxed);
        match answer {
            Some(answer) if answer.status == status => Ok(answer),
            other => Err(format!(
                "{what} answers {:?}",
                other.map(|a| (a.status, a.body))
            )),
        }
    };
    let owner = expect("a login", 200, client.log_in("999", "BackOffice"))?;
    let owner = owner.text("tokenId");
    let mut sessions: Vec<(String, String)> = Vec::new();
    let mut turn = number;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let login = expect("a login", 200, client.log_in("1", "LINK"))?;
        sessions.push((login.text("tokenId"), login.text("refreshToken")));
        for (token, _) in sessions.iter().rev().take(10) {
            expect("a check", 200, client.get("/api/auth", token))?;
        }
        let query = "/sessions?userName=1&$sort=-lastAccessAt&$take=20";
        expect("a list", 200, client.get(query, &owner))?;
        let at = turn % sessions.len();
        let (token, refresh) = &sessions[at];
        let fresh = expect("a refresh", 200, client.refresh(token, refresh))?;
        sessions[at] = (fresh.text("tokenId"), fresh.text("refreshToken"));
        if sessions.len() >= SESSIONS_MAX {
            let (token, _) = sessions.remove(0);
            let ended = client.call("DELETE", "/api/auth", Some(&token), &Value::Null);
            expect("an ending", 204, ended)?;
            expect("a check behind it", 401, client.get("/api/auth", &token))?;
        }
        if number == 0 && turn.is_multiple_of(50) {
            rename(client, &owner, turn)?;
        }
    }
    Ok(())
}

fn rename(client: &Client, owner: &str, turn: usize) -> Result<(), String> {
    let mut user = client.get("/users/2", owner).ok_or("no answer")?.body;
    let path = format!("/users/{}", user["id"].as_str().unwrap_or_default());
    user["name"] = json!(format!("Name {turn}"));
    user.as_object_mut().ok_or("no user")?.remove("_v");
    let answer = client.call("PUT", &path, Some(owner), &user);
    match answer.map(|answer| answer.status) {
        Some(200) => Ok(()),
        other => Err(format!("a change of a user answers {other:?}")),
    }
}

fn measure(pid: u32, data_dir: &Path) -> Size {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    Size {
        resident_kib: resident
            .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0),
        file_kib: bytes(data_dir) / 1024,
        descriptors: descriptors as u64,
    }
}

fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes(&entry.path()),
        Ok(meta) => meta.len(),
        // Gone in between.
        Err(_) => 0,
    });
    sizes.sum()
}

/// The largest of the middle third and of the last one.
fn thirds(sizes: &[Size]) -> (Size, Size) {
    let third = sizes.len() / WARM_UP as usize;
    let most = |sizes: &[Size]| {
        sizes.iter().fold(Size::default(), |most, size| Size {
            resident_kib: most.resident_kib.max(size.resident_kib),
            file_kib: most.file_kib.max(size.file_kib),
            descriptors: most.descriptors.max(size.descriptors),
        })
    };
    (most(&sizes[third..2 * third]), most(&sizes[2 * third..]))
}

fn flat(before: Size, after: Size) -> Result<(), String> {
    let grown = |name: &str, before: u64, after: u64, slack: u64| {
        if after > before + before * GROWTH_PERCENT_MAX / 100 + slack {
            return Err(format!(
                "{name} grows: {before} in the middle, {after} at the end"
            ));
        }
        Ok(())
    };
    grown(
        "resident KiB",
        before.resident_kib,
        after.resident_kib,
        RESIDENT_KIB_SLACK,
    )?;
    grown(
        "files, KiB,",
        before.file_kib,
        after.file_kib,
        FILE_KIB_SLACK,
    )?;
    grown(
        "descriptors",
        before.descriptors,
        after.descriptors,
        DESCRIPTORS_SLACK,
    )
}
