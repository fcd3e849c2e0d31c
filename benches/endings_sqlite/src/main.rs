//! Endings kept by SQLite, write-ahead log and `synchronous=FULL`:
//! `endings_sqlite FOLDER each|group CALLERS TOTAL SECONDS`.
//!
//! An ending does what Tillgate's does: the session's row leaves a table that two
//! indexes stand beside, and a row with when, why and by whom goes into the
//! archive. `each`: every caller has a connection of its own and commits by
//! itself. `group`: one thread has the connection, takes what waits into one
//! transaction, commits, then answers all; callers are tasks, as beside
//! Tillgate's store.
//!
//! Prints `rate CPU-us p50-us p99-us`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

/// Operations in one transaction at most: as many as Tillgate's writer takes.
const GROUP_OPS_MAX: usize = 512;
/// How long a connection waits for the lock of another.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes of a session's record, and of what the archive adds to it.
const RECORD_BYTES: usize = 160;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, kind, callers, total, seconds] = arguments.as_slice() else {
        panic!("usage: endings_sqlite FOLDER each|group CALLERS TOTAL SECONDS");
    };
    let number = |text: &String| text.parse::<u32>().expect("a number");
    let file = Path::new(folder).join("sqlite.db");
    fill(&file, number(total));
    let plan = Plan {
        callers: number(callers),
        total: number(total),
        longest: Duration::from_secs(u64::from(number(seconds))),
    };
    match kind.as_str() {
        "each" => plan.each(&file),
        "group" => plan.group(&file),
        other => panic!("no such kind: {other}"),
    }
}

fn open(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a database");
    connection.busy_timeout(BUSY_WAIT_MAX).expect("an option");
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        .expect("an option");
    connection
}

/// The sessions that will be ended, numbered from 0.
fn fill(file: &Path, total: u32) {
    let mut connection = open(file);
    connection
        .execute_batch(
            "CREATE TABLE sessions (id BLOB PRIMARY KEY, user TEXT, accessed INTEGER, record BLOB)
               WITHOUT ROWID;
             CREATE INDEX by_last_access ON sessions (accessed);
             CREATE INDEX by_user ON sessions (user);
             CREATE TABLE ended (at INTEGER, id BLOB, record BLOB, PRIMARY KEY (at, id))
               WITHOUT ROWID;",
        )
        .expect("tables");
    let filling = connection.transaction().expect("a transaction");
    for n in 0..total {
        filling
            .prepare_cached("INSERT INTO sessions VALUES (?, ?, ?, ?)")
            .and_then(|mut insert| {
                let user = format!("u{}", n % 1_000);
                insert.execute(params![id(n), user, n, [7_u8; RECORD_BYTES]])
            })
            .expect("a session");
    }
    filling.commit().expect("a commit");
}

/// 32 bytes in no order, as ids are.
fn id(n: u32) -> [u8; 32] {
    let mut state = u64::from(n) + 1;
    std::array::from_fn(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

/// Ends these sessions in one transaction, on the disk when it returns.
fn end(connection: &mut Connection, numbers: &[u32]) {
    let group = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("the lock");
    for n in numbers {
        let ended = group
            .prepare_cached("DELETE FROM sessions WHERE id = ? RETURNING accessed, record")
            .and_then(|mut delete| {
                delete.query_row([id(*n)], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
            });
        let (at, record) = ended.expect("a session");
        group
            .prepare_cached("INSERT INTO ended VALUES (?, ?, ?)")
            .and_then(|mut insert| insert.execute(params![at, id(*n), record]))
            .expect("an archive record");
    }
    group.commit().expect("a commit");
}

/// A session to be ended, and where to say that it is.
type Ask = (u32, oneshot::Sender<()>);

fn write_groups(mut connection: Connection, receiver: &Receiver<Ask>) {
    while let Ok(first) = receiver.recv() {
        let waiting = std::iter::from_fn(|| receiver.try_recv().ok());
        let asked = std::iter::once(first).chain(waiting.take(GROUP_OPS_MAX - 1));
        let (numbers, answers): (Vec<u32>, Vec<oneshot::Sender<()>>) = asked.unzip();
        end(&mut connection, &numbers);
        for answer in answers {
            let _ = answer.send(());
        }
    }
}

#[derive(Clone, Copy)]
struct Plan {
    callers: u32,
    total: u32,
    longest: Duration,
}

impl Plan {
    /// Every caller is a thread that commits by itself.
    fn each(self, file: &Path) {
        let connections: Vec<_> = (0..self.callers).map(|_| open(file)).collect();
        let began = Began::now();
        let next = Arc::new(AtomicU32::new(0));
        let callers: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                let next = Arc::clone(&next);
                std::thread::spawn(move || {
                    let mut waits = Vec::new();
                    while let Some((n, asked)) = self.take(&next, began.at) {
                        end(&mut connection, &[n]);
                        waits.push(asked.elapsed());
                    }
                    waits
                })
            })
            .collect();
        let callers = callers.into_iter();
        let waits = callers.flat_map(|caller| caller.join().expect("every session is ended"));
        began.tell(waits.collect());
    }

    /// Every caller is a task that waits for the one thread that commits.
    fn group(self, file: &Path) {
        let (sender, receiver) = sync_channel::<Ask>(GROUP_OPS_MAX * 8);
        let connection = open(file);
        let writer = std::thread::spawn(move || write_groups(connection, &receiver));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let began = Began::now();
        let waits = runtime.expect("a runtime").block_on(async {
            let next = Arc::new(AtomicU32::new(0));
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..self.callers {
                let (next, sender) = (Arc::clone(&next), sender.clone());
                callers.spawn(self.ask_all(next, sender, began.at));
            }
            callers.join_all().await.into_iter().flatten().collect()
        });
        began.tell(waits);
        drop(sender);
        writer.join().expect("the writer ends");
    }

    async fn ask_all(
        self,
        next: Arc<AtomicU32>,
        sender: SyncSender<Ask>,
        began: Instant,
    ) -> Vec<Duration> {
        let mut waits = Vec::new();
        while let Some((n, asked)) = self.take(&next, began) {
            let (answer, answered) = oneshot::channel();
            sender.send((n, answer)).expect("the writer lives");
            answered.await.expect("the ending is on the disk");
            waits.push(asked.elapsed());
        }
        waits
    }

    /// The next session to be ended, while there are any and time is left.
    fn take(self, next: &AtomicU32, began: Instant) -> Option<(u32, Instant)> {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let asked = Instant::now();
        (n < self.total && asked < began + self.longest).then_some((n, asked))
    }
}

/// When a run began, and the CPU used before.
#[derive(Clone, Copy)]
struct Began {
    at: Instant,
    cpu: Duration,
}

impl Began {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            cpu: cpu(),
        }
    }

    /// Prints what the run came to.
    fn tell(self, mut waits: Vec<Duration>) {
        let (took, used) = (self.at.elapsed(), cpu() - self.cpu);
        waits.sort_unstable();
        let done = waits.len() as f64;
        let at = |hundredths: usize| waits[(waits.len() - 1) * hundredths / 100].as_micros();
        println!(
            "{} {} {} {}",
            done / took.as_secs_f64(),
            used.as_secs_f64() * 1e6 / done,
            at(50),
            at(99)
        );
    }
}

/// CPU time of this process, user and system.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let behind = stat.rsplit_once(')').expect("a name in brackets").1;
    let ticks = behind.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<u32>().expect("a number"));
    Duration::from_millis(10) * ticks.sum::<u32>()
}
