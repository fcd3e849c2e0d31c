//! A million sessions: how fast they are opened, how soon the server listens
//! again after a clean stop, and what a session costs in memory and on disk.
//!
//! They are opened through the library, since a million logins over HTTP would
//! mostly measure passwords; started is the real binary.

mod support;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::client::Connection;
use support::place::{Place, Server};
use support::report::{Table, megabytes, per_second, rate, wall};
use support::{cpu, say, shop};
use tillgate::model::{AuthenticationType, Cause, DeviceName, SessionId, UserName};
use tillgate::store::sled::SledStore;
use tillgate::store::{NewSession, Rules, Store};

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sessions.
const SESSIONS: u32 = 1_000_000;
/// Callers that open sessions at once.
const CALLERS: u32 = 1_024;
/// How often progress is told.
const TOLD_EVERY: u32 = 100_000;
/// Starts that are measured of each kind.
const STARTS: usize = 3;
/// The longest a start may take.
const START_MAX: Duration = Duration::from_secs(6);
/// The most bytes of memory a session may cost, all in all.
const SESSION_BYTES_MAX: u64 = 700;
/// How long a started server rests before its memory is read.
const REST: Duration = Duration::from_secs(3);

fn main() {
    if !support::is_bench() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let filled = fill(&place);
    println!(
        "\nopened {SESSIONS} sessions through the store, {CALLERS} callers at once, in {:.1} s: {} \
         a second, each synced before its answer; clean stop in {:.1} s; {} on disk",
        filled.opening.as_secs_f64(),
        rate(per_second(SESSIONS, filled.opening)),
        filled.closing.as_secs_f64(),
        megabytes(place.bytes_on_disk())
    );
    let mut table = Table::new(&[
        "start",
        "seconds",
        "at most",
        "memory",
        "bytes a session",
        "at most",
        "peak while starting",
        "kept",
    ]);
    for n in 0..2 * STARTS {
        let cold = n >= STARTS;
        if cold {
            forget_cached(&place);
        }
        let server = place.serve(None);
        std::thread::sleep(REST);
        let kind = if cold {
            "files not in memory"
        } else {
            "files in memory"
        };
        table.row(&start_row(kind, &server));
        if n == 0 {
            prove_complete(&server);
        }
        let stopped = server.stop();
        say(&format!(
            "start {} of {}, stopped in {:.1} s",
            n + 1,
            2 * STARTS,
            stopped.as_secs_f64()
        ));
    }
    table.print(&format!(
        "Start with {SESSIONS} live sessions after a clean stop"
    ));
}

struct Filled {
    opening: Duration,
    closing: Duration,
}

/// Opens all sessions, then closes the store cleanly.
fn fill(place: &Place) -> Filled {
    let opened =
        SledStore::open(&place.data_dir(), Rules::default(), wall()).expect("an open store");
    let store = Arc::new(opened.store);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let started = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let next = Arc::new(AtomicU32::new(0));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(open_some(Arc::clone(&store), Arc::clone(&next)));
        }
        while let Some(caller) = callers.join_next().await {
            caller.expect("every session is opened");
        }
    });
    let opening = started.elapsed();
    let started = Instant::now();
    store.close();
    Filled {
        opening,
        closing: started.elapsed(),
    }
}

async fn open_some(store: Arc<SledStore>, next: Arc<AtomicU32>) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= SESSIONS {
            return;
        }
        store
            .begin(new_session(n), Cause::server(), wall())
            .await
            .expect("a durable session");
        if (n + 1).is_multiple_of(TOLD_EVERY) {
            say(&format!("{} of {SESSIONS} sessions opened", n + 1));
        }
    }
}

fn new_session(n: u32) -> NewSession {
    let n = usize::try_from(n).expect("small enough");
    NewSession {
        id: SessionId::draw(),
        user_name: UserName::parse(&shop::user(n)).expect("a good name"),
        device_name: DeviceName::parse(&shop::device(n)).expect("a good name"),
        no_sale_device: false,
        authentication_type: AuthenticationType::Bearer,
        password_seen: None,
        attempt: None,
        refresh_sha256: rand::random(),
        salt: rand::random(),
        jti: rand::random(),
    }
}

/// Puts the files of the data directory out of the system's memory, as after
/// the power was off.
fn forget_cached(place: &Place) {
    for path in place.files() {
        let file = File::open(&path).expect("a file of the data directory");
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

fn start_row(kind: &str, server: &Server) -> [String; 8] {
    let memory = cpu::resident(server.pid());
    let each = memory / u64::from(SESSIONS);
    let kept = server.started_in < START_MAX && each <= SESSION_BYTES_MAX;
    [
        kind.to_owned(),
        format!("{:.2}", server.started_in.as_secs_f64()),
        format!("{}", START_MAX.as_secs()),
        megabytes(memory),
        each.to_string(),
        SESSION_BYTES_MAX.to_string(),
        megabytes(cpu::resident_max(server.pid())),
        if kept { "yes" } else { "**no**" }.to_owned(),
    ]
}

/// Asks the started server how many sessions it has.
fn prove_complete(server: &Server) {
    let logins = shop::log_in(&server.address, 1);
    let mut connection = Connection::open(&server.address);
    let answer = connection.get("/sessions?$count=true", &logins[0].token);
    let answer: Value = serde_json::from_slice(answer).expect("JSON");
    let total = answer["totalCount"].as_u64();
    assert_eq!(
        total,
        Some(u64::from(SESSIONS) + 1),
        "every session, and the one that asks"
    );
}
