//! Synced endings a second through the store, beside a raw append and
//! `fdatasync` of the same bytes with the same kind of group commit, in the
//! same folder and in turn.

mod support;

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::place::Place;
use support::report::{Table, median, micros_each, per_second, rate, wall};
use support::{cpu, say, shop};
use tillgate::model::{
    AuthenticationType, Cause, DeviceName, EndReason, Precondition, SessionId, UserName,
};
use tillgate::store::sled::SledStore;
use tillgate::store::{End, NewSession, Rules, Scope, Store};
use tokio::sync::oneshot;

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Callers at once, and the endings of one round.
const LOADS: [(u32, u32); 3] = [(1, 3_000), (64, 40_000), (256, 80_000)];
/// Rounds of each load.
const ROUNDS: usize = 3;
/// A round ends after this long, whatever was done.
const ROUND_MAX: Duration = Duration::from_secs(10);
/// Operations the raw writer takes into one group: as many as the store.
const GROUP_OPS_MAX: usize = 512;
/// What an ending writes: the archive record with its key, and the keys that
/// leave the sessions and their two indexes.
const ENDING_BYTES: usize = 240;
/// Callers that open the sessions to be ended.
const OPENERS: u32 = 1_024;

fn main() {
    if !support::is_bench() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let opened =
        SledStore::open(&place.data_dir(), Rules::default(), wall()).expect("an open store");
    let store = Arc::new(opened.store);
    let mut table = Table::new(&[
        "callers",
        "store: endings/s",
        "CPU us each",
        "raw append + fdatasync/s",
        "CPU us each",
        "store of raw",
    ]);
    for (callers, endings) in LOADS {
        let mut of_store = Vec::new();
        let mut of_raw = Vec::new();
        for _ in 0..ROUNDS {
            let ids = open_sessions(&store, endings);
            of_store.push(end_all(&store, ids, callers));
            of_raw.push(append_all(&place, callers, endings));
        }
        say(&format!("{callers} callers measured"));
        table.row(&row(callers, &of_store, &of_raw));
    }
    store.close();
    table.print(&format!(
        "Endings that are on the disk before their answer: through the store, and {ENDING_BYTES} \
         bytes each appended to a file (medians of {ROUNDS} rounds in turn)"
    ));
    println!("CPU: of the whole process, callers included.");
}

/// What a round came to.
#[derive(Clone, Copy, Debug)]
struct Round {
    rate: f64,
    cpu_micros: f64,
}

fn row(callers: u32, of_store: &[Round], of_raw: &[Round]) -> [String; 6] {
    let middle = |rounds: &[Round], value: fn(&Round) -> f64| {
        median(&rounds.iter().map(value).collect::<Vec<_>>())
    };
    let ratios = of_store
        .iter()
        .zip(of_raw)
        .map(|(store, raw)| store.rate / raw.rate);
    [
        callers.to_string(),
        rate(middle(of_store, |round| round.rate)),
        format!("{:.1}", middle(of_store, |round| round.cpu_micros)),
        rate(middle(of_raw, |round| round.rate)),
        format!("{:.1}", middle(of_raw, |round| round.cpu_micros)),
        format!("{:.2}", median(&ratios.collect::<Vec<_>>())),
    ]
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
    let done = runtime.expect("a runtime").block_on(async {
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
        let mut done = 0;
        while let Some(caller) = all.join_next().await {
            done += caller.expect("every step is done");
        }
        done
    });
    let used = cpu::time(std::process::id()).saturating_sub(before);
    Round {
        rate: per_second(done, started.elapsed()),
        cpu_micros: micros_each(used, done),
    }
}

async fn one_caller(next: Arc<AtomicU32>, total: u32, until: Instant, step: Step) -> u32 {
    let mut done = 0;
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= total || Instant::now() >= until {
            return done;
        }
        step(n).await;
        done += 1;
    }
}

/// Opens the sessions that a round will end.
fn open_sessions(store: &Arc<SledStore>, total: u32) -> Vec<SessionId> {
    let ids: Arc<Vec<SessionId>> = Arc::new((0..total).map(|_| SessionId::draw()).collect());
    let (store, of_step) = (Arc::clone(store), Arc::clone(&ids));
    let step: Step = Arc::new(move |n| {
        let (store, new) = (Arc::clone(&store), new_session(of_step[index(n)], n));
        Box::pin(async move {
            let begun = store.begin(new, Cause::server(), wall());
            begun.await.expect("a durable session");
        })
    });
    run(OPENERS, total, &step);
    ids.to_vec()
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

fn new_session(id: SessionId, n: u32) -> NewSession {
    NewSession {
        id,
        user_name: UserName::parse(&shop::user(index(n))).expect("a good name"),
        device_name: DeviceName::parse(&shop::device(index(n))).expect("a good name"),
        no_sale_device: false,
        authentication_type: AuthenticationType::Bearer,
        password_seen: None,
        attempt: None,
        refresh_sha256: rand::random(),
        salt: rand::random(),
        jti: rand::random(),
    }
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
