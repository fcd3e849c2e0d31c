//! What a process has used: CPU time and memory, read from /proc.

use std::collections::BTreeMap;
use std::time::Duration;

/// Ticks of /proc/PID/stat in a second: `USER_HZ`, 100 wherever Linux runs
/// Rust.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process since its start, user and system, with all its
/// threads, also those that have ended. In steps of 10 ms.
pub fn time(pid: u32) -> Duration {
    let stat = read(pid, "stat");
    // The name stands in brackets and may hold anything.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks = behind.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .map(|ticks| TICK * ticks)
        .sum()
}

/// CPU time of each thread of a process, to the nanosecond.
pub struct Threads(BTreeMap<u32, (String, Duration)>);

/// Threads of the store that work whether or not anybody asks for anything.
const BACKGROUND: [&str; 2] = ["tillgate-writer", "tillgate-order"];

/// What the threads of a process used between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// The threads that answer requests.
    pub serving: Duration,
    /// All threads: also the writer, and the one that keeps the order by last
    /// access.
    pub all: Duration,
}

impl Threads {
    /// The threads as they are at this instant.
    pub fn of(pid: u32) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let ids = tasks.filter_map(|task| task.file_name().to_str()?.parse::<u32>().ok());
        Self(ids.map(|id| (id, thread(pid, id))).collect())
    }

    /// What was used since an earlier look. Threads that have ended meanwhile
    /// are left out.
    pub fn since(&self, earlier: &Self) -> Used {
        let mut used = Used::default();
        for (id, (name, on_cpu)) in &self.0 {
            let before = earlier
                .0
                .get(id)
                .map_or(Duration::ZERO, |(_, on_cpu)| *on_cpu);
            let used_here = on_cpu.saturating_sub(before);
            used.all += used_here;
            if !BACKGROUND.contains(&name.as_str()) {
                used.serving += used_here;
            }
        }
        used
    }
}

impl Used {
    /// Adds what was used elsewhere.
    pub fn add(&mut self, other: Self) {
        self.serving += other.serving;
        self.all += other.all;
    }
}

fn thread(pid: u32, id: u32) -> (String, Duration) {
    let name = read(pid, &format!("task/{id}/comm")).trim().to_owned();
    let schedstat = read(pid, &format!("task/{id}/schedstat"));
    let on_cpu = schedstat
        .split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse().ok());
    (name, Duration::from_nanos(on_cpu.unwrap_or(0)))
}

/// How many threads of a process have a name that begins like this.
pub fn threads_named(pid: u32, prefix: &str) -> usize {
    let threads = Threads::of(pid).0;
    threads
        .values()
        .filter(|(name, _)| name.starts_with(prefix))
        .count()
}

/// Bytes of memory a process holds at this instant.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// Bytes of memory a process held at most.
pub fn resident_max(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// How many wanted a core at once, of late: what else ran beside a bench.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut cells = text.split(' ');
    let mut cell = || cells.next().unwrap_or("?");
    format!("{} in the last minute, {} in the last five", cell(), cell())
}

fn status(pid: u32, name: &str) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn read(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}
