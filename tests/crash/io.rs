//! The N-th call of the disk fails, for N = 1, 2, 3... until a run comes through
//! untouched: no panic, no lie, no second try of a failed sync, and the next
//! start is a good one.
//!
//! strace makes the calls fail, in the real binary and below all of its
//! libraries. It counts the calls of each thread for itself, on the files of the
//! data directory only: a failing socket or terminal is no matter of the disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;
use super::closed;
use super::io_script::Script;
use super::process::Process;
use super::strace;
use super::support::Place;

/// Calls that reach the disk.
const CALLS: [&str; 8] = [
    "openat",
    "write",
    "pwrite64",
    "ftruncate",
    "rename",
    "fsync",
    "fdatasync",
    "sync_file_range",
];
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// No thread makes more calls of one kind in the script.
const N_MAX: u32 = 200;
/// So many N at the beginning are never left out.
const FIRST: u32 = 3;
/// Files that the database and its neighbours use.
const FILES: [&str; 10] = [
    "", "lock", "side", "ballast", "base.1", "base.2", "base.tmp", "db", "db/db", "db/conf",
];
/// A traced server is slow, but not this slow.
const END_MAX: Duration = Duration::from_secs(20);
/// Violations that are shown.
const SHOWN_MAX: u32 = 10;

#[derive(Default)]
struct Counts {
    runs: u32,
    failed_starts: u32,
    troubled: u32,
    untouched: u32,
    found: u32,
    broken: u32,
}

/// Runs the calls for the first few N and every `step`-th behind them; answers
/// whether every promise held.
pub(crate) fn run(step: u32) -> bool {
    let started = Instant::now();
    if let Err(why) = strace::can_trace() {
        println!("SKIPPED io: {why}");
        return true;
    }
    let place = Place::with_shop();
    let mut counts = Counts::default();
    let mut bounds = Vec::new();
    for call in CALLS {
        for error in ERRORS {
            let bound = until_untouched(&place, call, error, step, &mut counts);
            bounds.push(format!("{call} {error} {bound}"));
        }
    }
    println!(
        "io        {} runs, {} with the fault at the start, {} in the traffic, {} untouched; doctor found \
         something in {}; {} broken, {:.1} seconds",
        counts.runs,
        counts.failed_starts,
        counts.troubled,
        counts.untouched,
        counts.found,
        counts.broken,
        started.elapsed().as_secs_f32(),
    );
    println!("          up to N: {}", bounds.join(", "));
    counts.broken == 0
}

/// Answers the N at which nothing failed any more.
fn until_untouched(place: &Place, call: &str, error: &str, step: u32, counts: &mut Counts) -> u32 {
    let mut at = 1;
    while at <= N_MAX {
        let fault = format!("{call}:error={error}:when={at}");
        let outcome = one(place, call, &fault, counts);
        counts.runs += 1;
        match outcome {
            Ok(true) => {}
            Ok(false) => {
                counts.untouched += 1;
                return at;
            }
            Err(why) => {
                counts.broken += 1;
                if counts.broken <= SHOWN_MAX {
                    println!("  {fault}: {why}");
                }
            }
        }
        at += if at < FIRST { 1 } else { step.max(1) };
    }
    N_MAX
}

/// One run with one fault; whether the fault struck.
fn one(place: &Place, call: &str, fault: &str, counts: &mut Counts) -> Result<bool, String> {
    let home = tempfile::tempdir().expect("a temporary folder");
    for name in ["db", "db.key"] {
        let copied = Command::new("cp")
            .args(["-r", "--sparse=always"])
            .arg(place.path().join(name))
            .arg(home.path())
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "cp failed");
    }
    let data_dir = home.path().join("db");
    let trace = home.path().join("trace");

    let mut traced = Traced::start(&data_dir, &trace, call, fault);
    let (script, said) = match traced.process.listening() {
        Ok((address, _)) => (Some(Script::play(&Client::new(&address))), String::new()),
        Err(said) => (None, said),
    };
    let log = said + &traced.end()?;
    let struck = look_at_trace(&trace)?;
    if let Some(panic) = uncaught(&log) {
        return Err(format!("a panic: {panic}"));
    }
    match &script {
        None if !struck => return Err(format!("no start without a fault: {log}")),
        None => {
            counts.failed_starts += 1;
            if !log.contains("tillgate: ") {
                return Err(format!("the start says nothing of why it failed: {log}"));
            }
        }
        Some(script) if struck && !script.is_untouched() => counts.troubled += 1,
        Some(_) => {}
    }
    counts.found += u32::from(closed::examine(&data_dir)?);
    let mut healthy = Process::spawn(closed::serve(&data_dir));
    let (address, _) = healthy
        .listening()
        .map_err(|why| format!("the next start fails: {why}"))?;
    if let Some(script) = script {
        script.check(&Client::new(&address))?;
    }
    healthy.stop()?;
    Ok(struck)
}

/// The first panic, but for the one that sled closes its file with when the
/// last sync of it fails: that one is caught and told.
fn uncaught(log: &str) -> Option<String> {
    let caught = log.contains("the database did not close cleanly");
    let lines: Vec<&str> = log.lines().collect();
    let panic = lines.iter().position(|line| {
        let closing = caught && line.contains("/sled-") && line.contains("/logger.rs");
        line.contains("panicked") && !closing
    })?;
    Some(
        lines[panic..]
            .iter()
            .take(2)
            .copied()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// Whether a call failed as asked; an error when the database was written or
/// synced again behind a failed sync of it. sled's own fsync when it closes its
/// file decides nothing any more and is let pass.
fn look_at_trace(trace: &Path) -> Result<bool, String> {
    let text = std::fs::read_to_string(trace).map_err(|error| format!("the trace: {error}"))?;
    let mut struck = false;
    let mut sync_failed = false;
    for line in text.lines() {
        let of_database = line.contains("/db/db>");
        let closing = line.contains("fsync(");
        if sync_failed && of_database && !closing {
            return Err(format!("after a failed sync: {line}"));
        }
        if line.contains("(INJECTED)") {
            struck = true;
            sync_failed |= of_database && (line.contains("fsync(") || line.contains("fdatasync("));
        }
    }
    Ok(struck)
}

/// A server under strace, which dies with it.
struct Traced {
    process: Process,
}

impl Traced {
    fn start(data_dir: &Path, trace: &Path, call: &str, fault: &str) -> Self {
        let server = closed::serve(data_dir);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-y", "-o"])
            .arg(trace)
            .args(["-e", &format!("trace={}", CALLS.join(","))])
            .args(["-e", "signal=none"])
            .args(["-e", &format!("inject={fault}")]);
        for path in paths(data_dir) {
            command.arg("-P").arg(path);
        }
        command.args(["setpriv", "--pdeathsig", "KILL"]);
        strace::let_run(&mut command, &server);
        debug_assert!(fault.starts_with(call));
        Self {
            process: Process::spawn(command),
        }
    }

    /// Ends the server as a service manager does; what it said.
    fn end(&mut self) -> Result<String, String> {
        self.signal("-TERM");
        if self.process.wait(END_MAX).is_none() {
            return Err(format!("it does not end: {}", self.waits()));
        }
        Ok(self.process.whole_log())
    }

    /// Where the threads of a server that does not end are.
    fn waits(&self) -> String {
        let mut places = Vec::new();
        for child in self.children() {
            let tasks = std::fs::read_dir(format!("/proc/{child}/task"));
            for task in tasks.into_iter().flatten().flatten() {
                let read = |name| std::fs::read_to_string(task.path().join(name));
                let (name, at) = (read("comm"), read("wchan"));
                let place = format!(
                    "{} in {}",
                    name.unwrap_or_default().trim(),
                    at.unwrap_or_default()
                );
                places.push(place);
            }
        }
        places.join(", ")
    }

    fn children(&self) -> Vec<String> {
        let strace = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect()
    }

    fn signal(&self, signal: &str) {
        for child in self.children() {
            let mut kill = Command::new("kill");
            // It may have ended by itself.
            let _ = kill.args([signal, &child]).stderr(Stdio::null()).status();
        }
    }
}

fn paths(data_dir: &Path) -> Vec<PathBuf> {
    FILES
        .iter()
        .map(|name| {
            if name.is_empty() {
                data_dir.to_owned()
            } else {
                data_dir.join(name)
            }
        })
        .collect()
}
