//! Synced endings a second through the store, beside a raw append and
//! `fdatasync` of the same bytes with the same kind of group commit, and beside
//! SQLite (`benches/endings_sqlite/`), whose log is synced at every commit too,
//! in the same folder and in turn.

mod support;

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::place::Place;
use support::report::{Table, median, micros_each, per_second, rate, verdict, wall};
use support::{cpu, fill, say, shop};
use tillgate::model::{Cause, EndReason, Precondition, SessionId};
use tillgate::store::sled::SledStore;
use tillgate::store::{End, Scope, Store};
use tokio::sync::oneshot;

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Callers at once, the endings of one round, and the least share of the rate of
/// raw and of SQLite's better kind that the store may have.
const LOADS: [Load; 3] = [
    Load::of(1, 3_000, Some(0.45), 0.45),
    Load::of(64, 40_000, Some(0.10), 0.60),
    Load::of(256, 80_000, None, 0.60),
];
/// Rounds of each load.
const ROUNDS: usize = 3;
/// A round ends after this long, whatever was done.
const ROUND_MAX: Duration = Duration::from_secs(10);
/// Operations the raw writer takes into one group: as many as the store.
const GROUP_OPS_MAX: usize = 512;
/// What an ending writes: the archive record with its key, and the keys that
/// leave the sessions and their two indexes.
const ENDING_BYTES: usize = 240;

/// One kind of load and its limits.
#[derive(Clone, Copy)]
struct Load {
    callers: u32,
    endings: u32,
    of_raw: Option<f64>,
    of_sqlite: f64,
}

impl Load {
    const fn of(callers: u32, endings: u32, of_raw: Option<f64>, of_sqlite: f64) -> Self {
        Self {
            callers,
            endings,
            of_raw,
            of_sqlite,
        }
    }
}

/// Who keeps the endings.
const SIDES: [&str; 4] = [
    "**Tillgate's store**",
    "raw append + fdatasync",
    "SQLite, one thread commits for all",
    "SQLite, every caller commits",
];

fn main() {
    if !support::is_bench() {
        return;
    }
    let sqlite = build_sqlite();
    let place = Place::with_shop(&shop::store_file());
    let store = fill::open(&place);
    let mut table = Table::new(&[
        "callers",
        "kept by",
        "endings/s",
        "CPU us each",
        "p50 ms",
        "p99 ms",
        "store of it",
        "at least",
        "kept",
    ]);
    for load in LOADS {
        let mut rounds: [Vec<Round>; SIDES.len()] = [const { Vec::new() }; SIDES.len()];
        for _ in 0..ROUNDS {
            let (ids, _) = fill::fill(&store, load.endings, None);
            rounds[0].push(end_all(&store, ids, load.callers));
            rounds[1].push(append_all(&place, load.callers, load.endings));
            rounds[2].push(end_in_sqlite(&sqlite, &place, "group", load));
            rounds[3].push(end_in_sqlite(&sqlite, &place, "each", load));
        }
        say(&format!("{} callers measured", load.callers));
        add_rows(&mut table, load, &rounds);
    }
    store.close();
    table.print(&format!(
        "Endings that are on the disk before their answer: through the store; {ENDING_BYTES} bytes \
         each appended to a file; a row that leaves a table with two indexes for the archive in \
         SQLite, write-ahead log, `synchronous=FULL` (medians of {ROUNDS} rounds in turn)"
    ));
    println!(
        "CPU: of the whole process, callers included. Load of the machine at the end: {}.",
        cpu::load()
    );
}

/// What a round came to.
#[derive(Clone, Copy, Debug)]
struct Round {
    rate: f64,
    cpu_micros: f64,
    p50_millis: f64,
    p99_millis: f64,
}

fn add_rows(table: &mut Table, load: Load, rounds: &[Vec<Round>; SIDES.len()]) {
    let middle = |rounds: &[Round], value: fn(&Round) -> f64| {
        median(&rounds.iter().map(value).collect::<Vec<_>>())
    };
    let ratio_of = |side: usize| {
        let pairs = rounds[0].iter().zip(&rounds[side]);
        let ratios = pairs.map(|(store, other)| store.rate / other.rate);
        median(&ratios.collect::<Vec<_>>())
    };
    // Whoever uses SQLite well takes the kind that is faster.
    let better = if ratio_of(2) <= ratio_of(3) { 2 } else { 3 };
    for (side, of_side) in rounds.iter().enumerate() {
        let ratio = ratio_of(side);
        let limit = match side {
            1 => load.of_raw,
            side if side == better => Some(load.of_sqlite),
            _ => None,
        };
        table.row(&[
            load.callers.to_string(),
            SIDES[side].to_owned(),
            rate(middle(of_side, |round| round.rate)),
            format!("{:.1}", middle(of_side, |round| round.cpu_micros)),
            format!("{:.2}", middle(of_side, |round| round.p50_millis)),
            format!("{:.2}", middle(of_side, |round| round.p99_millis)),
            format!("{ratio:.2}"),
            limit.map_or(String::new(), |limit| format!("{limit:.2}")),
            limit.map_or(String::new(), |limit| verdict(ratio >= limit)),
        ]);
    }
}

/// Builds the program that keeps endings in SQLite.
fn build_sqlite() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/endings_sqlite");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("endings_sqlite");
    say("building SQLite");
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
        .arg(&target)
        .current_dir(folder)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "SQLite builds");
    target.join("release/endings_sqlite")
}

/// One round of SQLite, in a folder of its own beside the store.
fn end_in_sqlite(program: &Path, place: &Place, kind: &str, load: Load) -> Round {
    let folder = place.path().join("sqlite");
    std::fs::create_dir(&folder).expect("a folder");
    let output = Command::new(program)
        .arg(&folder)
        .arg(kind)
        .args([load.callers, load.endings].map(|number| number.to_string()))
        .arg(ROUND_MAX.as_secs().to_string())
        .output()
        .expect("the program starts");
    std::fs::remove_dir_all(&folder).expect("the folder goes");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|cell| cell.parse().ok())
        .collect();
    let [rate, cpu_micros, p50, p99] = numbers.as_slice() else {
        panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
    };
    Round {
        rate: *rate,
        cpu_micros: *cpu_micros,
        p50_millis: p50 / 1e3,
        p99_millis: p99 / 1e3,
    }
}

/// One thing to be done by a caller: the n-th of all.
type Step = Arc<dyn Fn(u32) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Has `total` steps done by this many callers, each waiting for its answer
/// before the next.
fn run(callers: u32, total: u32, step: &Step) -> Round {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (started, before) = (Instant::now(), cpu::time(std::process::id()));
    let mut waits: Vec<Duration> = runtime.expect("a runtime").block_on(async {
        let next = Arc::new(AtomicU32::new(0));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..callers {
            all.spawn(one_caller(
                Arc::clone(&next),
                total,
                started + ROUND_MAX,
                Arc::clone(step),
            ));
        }
        let mut waits = Vec::new();
        while let Some(caller) = all.join_next().await {
            waits.extend(caller.expect("every step is done"));
        }
        waits
    });
    let took = started.elapsed();
    let used = cpu::time(std::process::id()).saturating_sub(before);
    waits.sort_unstable();
    let done = u32::try_from(waits.len()).expect("small enough");
    let at = |hundredths: usize| {
        let wait = waits.get(waits.len().saturating_sub(1) * hundredths / 100);
        wait.map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    };
    Round {
        rate: per_second(done, took),
        cpu_micros: micros_each(used, done),
        p50_millis: at(50),
        p99_millis: at(99),
    }
}

/// The waits of one caller.
async fn one_caller(next: Arc<AtomicU32>, total: u32, until: Instant, step: Step) -> Vec<Duration> {
    let mut waits = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let asked = Instant::now();
        if n >= total || asked >= until {
            return waits;
        }
        step(n).await;
        waits.push(asked.elapsed());
    }
}

fn end_all(store: &Arc<SledStore>, ids: Vec<SessionId>, callers: u32) -> Round {
    let total = u32::try_from(ids.len()).expect("small enough");
    let store = Arc::clone(store);
    let step: Step = Arc::new(move |n| {
        let (store, id) = (Arc::clone(&store), ids[index(n)]);
        Box::pin(async move {
            let end = End {
                id,
                scope: Scope::Any,
                if_match: Precondition::default(),
                own_access: false,
                reason: EndReason::Revoked,
                cause: Cause::operator(),
            };
            let ended = store.end(end, wall()).await;
            ended.expect("a durable ending");
        })
    });
    run(callers, total, &step)
}

fn index(n: u32) -> usize {
    usize::try_from(n).expect("small enough")
}

/// Bytes to be appended, and where to say that they are on the disk.
type Append = ([u8; ENDING_BYTES], oneshot::Sender<()>);

fn append_all(place: &Place, callers: u32, total: u32) -> Round {
    let (sender, thread) = raw_writer(&place.path().join("raw"));
    let step: Step = Arc::new(move |_| {
        let sender = sender.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            sender
                .send(([7; ENDING_BYTES], answer))
                .expect("the writer lives");
            answered.await.expect("the bytes are on the disk");
        })
    });
    let round = run(callers, total, &step);
    drop(step);
    thread.join().expect("the writer ends");
    round
}

/// One thread that appends what waits, syncs it, and answers.
fn raw_writer(path: &Path) -> (SyncSender<Append>, JoinHandle<()>) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("a file to append to");
    let (sender, receiver) = sync_channel(GROUP_OPS_MAX * 8);
    (
        sender,
        std::thread::spawn(move || append_groups(file, &receiver)),
    )
}

fn append_groups(mut file: File, receiver: &Receiver<Append>) {
    let mut bytes = Vec::with_capacity(GROUP_OPS_MAX * ENDING_BYTES);
    let mut answers = Vec::with_capacity(GROUP_OPS_MAX);
    while let Ok(first) = receiver.recv() {
        let waiting = std::iter::from_fn(|| receiver.try_recv().ok());
        for (append, answer) in std::iter::once(first).chain(waiting.take(GROUP_OPS_MAX - 1)) {
            bytes.extend_from_slice(&append);
            answers.push(answer);
        }
        file.write_all(&bytes)
            .and_then(|()| file.sync_data())
            .expect("room on the disk");
        bytes.clear();
        for answer in answers.drain(..) {
            let _ = answer.send(());
        }
    }
}
