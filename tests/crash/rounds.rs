//! Rounds of traffic, crash, restart and verdict.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use super::client::Client;
use super::ground::Ground;
use super::history::History;
use super::process::Process;
use super::promise::Promise;
use super::support;
use super::tally::Tally;
use super::{office, traffic, verdict};

/// A database lives this many rounds, so that later ones start from what
/// earlier ones left.
const ROUNDS_PER_DATABASE: u32 = 10;
/// One round in this many is cut while the server starts.
const START_CUT_EVERY: u32 = 4;
/// How long traffic, a start or an import may go on before the crash.
const TRAFFIC_MILLIS: std::ops::Range<u64> = 20..600;
const START_MILLIS: std::ops::Range<u64> = 0..80;
const IMPORT_MILLIS: std::ops::Range<u64> = 0..60;
/// An import of the small shop takes no longer.
const IMPORT_MAX: Duration = Duration::from_secs(20);
/// Damaged databases kept for a look.
const KEPT_MAX: u64 = 3;

/// Which crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The power goes.
    PowerCut,
    /// The power goes, and the server does not sync: has to break promises.
    Control,
    /// The process is killed.
    Kill,
}

/// Runs that many rounds; answers whether the promises held, or for the
/// control run whether the harness saw them broken.
pub(crate) fn run(mode: Mode, rounds: u32) -> bool {
    let name = match mode {
        Mode::PowerCut => "powercut",
        Mode::Control => "control",
        Mode::Kill => "kill",
    };
    let ground = match mode {
        Mode::Kill => Ok(Ground::folder()),
        Mode::PowerCut | Mode::Control => Ground::image(),
    };
    let ground = match ground {
        Ok(ground) => ground,
        Err(why) => {
            println!("SKIPPED {name}: no filesystem of its own can be mounted here: {why}");
            return true;
        }
    };
    let started = Instant::now();
    let mut bench = Bench::new(ground, mode == Mode::Control);
    bench.tally.name = name;
    bench.tally.must_break = mode == Mode::Control;
    for round in 0..rounds {
        bench.tally.rounds = round + 1;
        bench.round(round);
        if mode == Mode::Control && bench.tally.broken() > 0 {
            break;
        }
    }
    bench.tally.seconds = started.elapsed().as_secs_f32();
    println!("{}", bench.tally);
    let held = bench.tally.broken() == 0;
    if mode == Mode::Control && held {
        println!("control: nothing was lost without sync, so this harness proves nothing");
    }
    held != (mode == Mode::Control)
}

/// One ground with one database at a time.
struct Bench {
    ground: Ground,
    no_sync: bool,
    tally: Tally,
    history: History,
    databases: u32,
    damaged: bool,
}

impl Bench {
    fn new(ground: Ground, no_sync: bool) -> Self {
        let (tally, history) = (Tally::default(), History::default());
        Self {
            ground,
            no_sync,
            tally,
            history,
            databases: 0,
            damaged: false,
        }
    }

    fn home(&self) -> PathBuf {
        self.ground.path().join(format!("shop-{}", self.databases))
    }

    fn data_dir(&self) -> PathBuf {
        self.home().join("db")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = support::binary();
        // The folder on the ground may vanish with a cut.
        command.current_dir(std::env::temp_dir());
        command.env("TILLGATE_DATA_DIR", self.data_dir()).args(args);
        command
    }

    fn serve(&self) -> Process {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        if self.no_sync {
            command.arg("--fault-no-sync");
        }
        Process::spawn(command)
    }

    /// One crash and what comes after it.
    fn round(&mut self, round: u32) {
        if round.is_multiple_of(ROUNDS_PER_DATABASE) || self.damaged {
            self.begin_database();
        }
        if round % START_CUT_EVERY == START_CUT_EVERY - 1 {
            self.crash_during_start();
        } else {
            self.crash_under_traffic();
        }
        // Half of the databases go on from a kill, half from a clean stop.
        self.verify(round.is_multiple_of(2));
        self.settle();
    }

    /// Books what was found; a database that broke a promise is not gone on
    /// with, and kept for a look.
    fn settle(&mut self) {
        let violations = std::mem::take(&mut self.history.violations);
        self.tally.acknowledged += std::mem::take(&mut self.history.acknowledged);
        self.damaged = !violations.is_empty();
        if self.damaged && !self.no_sync && self.tally.broken() < KEPT_MAX {
            keep(&self.home(), self.tally.rounds);
        }
        for violation in &violations {
            self.tally.count(violation);
        }
    }

    /// A database of its own with the test shop in it. The first import is cut
    /// off: it must have left all or nothing.
    fn begin_database(&mut self) {
        self.clear();
        self.databases += 1;
        self.history = History::default();
        let records = (0..traffic::WORKERS).flat_map(office::records_of);
        self.history.records = records.collect();
        std::fs::create_dir_all(self.home()).expect("a folder on the ground");
        let file = std::env::temp_dir().join(format!("tillgate-shop-{}.json", std::process::id()));
        std::fs::write(&file, support::SHOP).expect("the shop is written");
        let import = ["import", file.to_str().expect("an UTF-8 path")];
        let armed = self.ground.arm();
        let mut process = Process::spawn(self.command(&import));
        std::thread::sleep(random(IMPORT_MILLIS));
        process.kill();
        self.ground.cut(armed);
        // Not even the folder need be there.
        std::fs::create_dir_all(self.home()).expect("a folder on the ground");
        match self.users() {
            0 => {
                let output = self.command(&import).output().expect("the binary runs");
                if !output.status.success() {
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    self.history
                        .broken(Promise::Start, format!("import after a cut: {said}"));
                }
            }
            users if users == shop_users() => {}
            some => {
                let what = format!("an import that was cut left {some} users");
                self.history.broken(Promise::Lost, what);
            }
        }
        let _ = std::fs::remove_file(file);
    }

    /// Removes every earlier database: a cut may have brought one back.
    fn clear(&self) {
        for entry in std::fs::read_dir(self.ground.path())
            .expect("the ground")
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with("shop-") {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// How many users a stopped store has.
    fn users(&mut self) -> usize {
        if !self.data_dir().exists() {
            return 0;
        }
        let file = self.home().join("export.json");
        let export = ["export", file.to_str().expect("an UTF-8 path")];
        let mut process = Process::spawn(self.command(&export));
        let ended = process.wait(IMPORT_MAX);
        if !ended.is_some_and(|status| status.success()) {
            let said = process.kill();
            self.history
                .broken(Promise::Start, format!("export after a cut import: {said}"));
            return 0;
        }
        let text = std::fs::read(&file).unwrap_or_default();
        let store: Value = serde_json::from_slice(&text).unwrap_or_default();
        store["users"].as_array().map_or(0, Vec::len)
    }

    fn crash_during_start(&mut self) {
        let armed = self.ground.arm();
        let mut process = self.serve();
        std::thread::sleep(random(START_MILLIS));
        process.kill();
        self.ground.cut(armed);
    }

    fn crash_under_traffic(&mut self) {
        let mut process = self.serve();
        let Some(address) = self.listening(&mut process) else {
            return;
        };
        let Some(owner) = verdict::owner(&Client::new(&address)) else {
            self.history
                .broken(Promise::Lost, "the owner can not log in".to_owned());
            return;
        };
        let history = Mutex::new(std::mem::take(&mut self.history));
        let stop = AtomicBool::new(false);
        let armed = self.ground.arm();
        std::thread::scope(|scope| {
            scope.spawn(|| traffic::run(&address, &owner, &history, &stop));
            std::thread::sleep(random(TRAFFIC_MILLIS));
            process.kill();
            stop.store(true, Ordering::Relaxed);
        });
        self.history = history.into_inner();
        self.ground.cut(armed);
    }

    fn verify(&mut self, stop_cleanly: bool) {
        let mut process = self.serve();
        let Some(address) = self.listening(&mut process) else {
            return;
        };
        let history = Mutex::new(std::mem::take(&mut self.history));
        verdict::look(&address, &history);
        self.history = history.into_inner();
        if stop_cleanly {
            if let Err(why) = process.stop() {
                self.history.broken(Promise::Start, why);
            }
        } else {
            process.kill();
        }
        let data_dir = self.data_dir();
        verdict::look_at_disk(&data_dir, &mut self.history);
    }

    fn listening(&mut self, process: &mut Process) -> Option<String> {
        match process.listening() {
            Ok((address, took)) => {
                self.tally.slowest_start = self.tally.slowest_start.max(took);
                Some(address)
            }
            Err(why) => {
                self.history
                    .broken(Promise::Start, format!("no start: {why}"));
                None
            }
        }
    }
}

fn shop_users() -> usize {
    let shop: Value = serde_json::from_str(support::SHOP).expect("the shop is JSON");
    shop["users"].as_array().map_or(0, Vec::len)
}

fn random(millis: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::random_range(millis))
}

/// Copies what broke a promise to where it outlives the test.
pub(crate) fn keep(home: &Path, number: u32) {
    let stamp = std::process::id();
    let to = std::env::temp_dir().join(format!("tillgate-crash-{stamp}-{number}"));
    let copied = Command::new("cp").arg("-r").arg(home).arg(&to).status();
    if copied.is_ok_and(|status| status.success()) {
        println!("  kept for a look: {}", to.display());
    }
}
