//! Rounds of traffic, crash, restart and verdict.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::client::Client;
use super::crowd::Crowd;
use super::ground::Ground;
use super::history::History;
use super::process::Process;
use super::promise::Promise;
use super::site::{Site, random};
use super::tally::Tally;
use super::{office, traffic, verdict};

/// A database lives this many rounds, so that later ones start from what
/// earlier ones left.
const ROUNDS_PER_DATABASE: u32 = 10;
/// One round in this many is cut while the server starts.
const START_CUT_EVERY: u32 = 4;
/// How long traffic may go on before the crash.
const TRAFFIC_MILLIS: std::ops::Range<u64> = 20..600;
/// The same without sync: much happens, and little time to write it back.
const CONTROL_MILLIS: std::ops::Range<u64> = 300..600;
/// Damaged databases kept for a look.
const KEPT_MAX: u64 = 3;

/// Which crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The power goes.
    PowerCut,
    /// The power goes, and twice more while the server starts again.
    Recovery,
    /// The power goes, and the server does not sync: has to break promises.
    Control,
    /// The process is killed.
    Kill,
    /// The power goes in a shop of 200,000 sessions.
    Large,
}

impl Mode {
    /// As on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::PowerCut => "powercut",
            Self::Recovery => "recovery",
            Self::Control => "control",
            Self::Kill => "kill",
            Self::Large => "large",
        }
    }
}

/// Runs that many rounds; answers whether the promises held, or for the
/// control run whether the harness saw them broken.
pub(crate) fn run(mode: Mode, rounds: u32) -> bool {
    let name = mode.name();
    let ground = match mode {
        Mode::Kill => Ok(Ground::folder()),
        _ => Ground::image(),
    };
    let site = match ground {
        Ok(ground) => Site::new(ground),
        Err(why) => {
            println!("SKIPPED {name}: no filesystem of its own can be mounted here: {why}");
            return true;
        }
    };
    let started = Instant::now();
    let mut bench = Bench::new(mode, site);
    for round in 0..rounds {
        bench.tally.rounds = round + 1;
        // The second half of the rounds, so that it is met in every state.
        bench.ends_all = mode == Mode::Large && round >= rounds / 2;
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
    mode: Mode,
    site: Site,
    tally: Tally,
    history: History,
    crowd: Option<Crowd>,
    /// The crowd is ended as a whole.
    ends_all: bool,
    /// Every second database has none: what the office syncs could hide what
    /// others do not.
    has_office: bool,
    damaged: bool,
}

impl Bench {
    fn new(mode: Mode, site: Site) -> Self {
        let control = mode == Mode::Control;
        Self {
            mode,
            site: if control { site.without_sync() } else { site },
            tally: Tally::new(mode.name(), control),
            history: History::default(),
            crowd: None,
            ends_all: false,
            has_office: false,
            damaged: false,
        }
    }

    /// One crash and what comes after it.
    fn round(&mut self, round: u32) {
        let is_old = round.is_multiple_of(ROUNDS_PER_DATABASE) && self.mode != Mode::Large;
        if round == 0 || is_old || self.damaged {
            self.begin_database();
        }
        if self.mode == Mode::Recovery {
            self.crash_under_traffic();
            self.crash_during_start();
            self.crash_during_start();
        } else if round % START_CUT_EVERY == START_CUT_EVERY - 1 && self.mode != Mode::Control {
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
        if self.damaged && self.mode != Mode::Control && self.tally.broken() < KEPT_MAX {
            keep(&self.site.home(), self.tally.rounds);
        }
        for violation in &violations {
            self.tally.count(violation);
        }
    }

    /// A database of its own with the test shop in it.
    fn begin_database(&mut self) {
        self.site.begin();
        self.history = History::default();
        let records = (0..traffic::WORKERS).flat_map(office::records_of);
        self.history.records = records.collect();
        self.has_office = !self.has_office && self.mode != Mode::Control;
        if let Err(why) = self.site.import() {
            self.history.broken(Promise::Start, why);
        }
        if self.mode == Mode::Large {
            self.fill();
        }
    }

    fn fill(&mut self) {
        match Crowd::fill(&self.site.data_dir()) {
            Ok(crowd) => self.crowd = Some(crowd),
            Err(why) => self.history.broken(Promise::Start, why),
        }
    }

    fn crash_during_start(&mut self) {
        let armed = self.site.arm();
        let server = self.site.serve();
        std::thread::sleep(self.site.during_start());
        self.site.cut(armed, vec![server]);
    }

    fn crash_under_traffic(&mut self) {
        let mut server = self.site.serve();
        let Some(address) = self.listening(&mut server) else {
            return;
        };
        let Some(owner) = verdict::owner(&Client::new(&address)) else {
            self.history
                .broken(Promise::Lost, "the owner can not log in".to_owned());
            return;
        };
        let history = Mutex::new(std::mem::take(&mut self.history));
        let stop = AtomicBool::new(false);
        let armed = self.site.arm();
        let (ends_all, has_office) = (self.ends_all, self.has_office);
        let millis = match self.mode {
            Mode::Control => CONTROL_MILLIS,
            _ => TRAFFIC_MILLIS,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| traffic::run(&address, &owner, &history, has_office, &stop));
            if let Some(crowd) = &mut self.crowd {
                scope.spawn(|| {
                    if ends_all {
                        crowd.end_all(&address, &owner);
                    } else {
                        crowd.thin_out(&address, &owner, &stop);
                    }
                });
            }
            std::thread::sleep(random(millis));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        self.history = history.into_inner();
        self.site.cut(armed, Vec::new());
    }

    fn verify(&mut self, stop_cleanly: bool) {
        let mut server = self.site.serve();
        let Some(address) = self.listening(&mut server) else {
            return;
        };
        let history = Mutex::new(std::mem::take(&mut self.history));
        verdict::look(&address, &history);
        self.history = history.into_inner();
        if let Some(crowd) = &mut self.crowd
            && let Some(owner) = verdict::owner(&Client::new(&address))
        {
            crowd.look(&address, &owner, &mut self.history);
        }
        if stop_cleanly {
            if let Err(why) = server.stop() {
                self.history.broken(Promise::Start, why);
            }
        } else {
            server.kill();
        }
        verdict::look_at_disk(&self.site.data_dir(), &mut self.history);
    }

    fn listening(&mut self, server: &mut Process) -> Option<String> {
        match self.site.listening(server) {
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

/// Copies what broke a promise to where it outlives the test.
pub(crate) fn keep(home: &Path, number: u32) {
    let stamp = std::process::id();
    let to = std::env::temp_dir().join(format!("tillgate-crash-{stamp}-{number}"));
    let copied = Command::new("cp").arg("-r").arg(home).arg(&to).status();
    if copied.is_ok_and(|status| status.success()) {
        println!("  kept for a look: {}", to.display());
    }
}
