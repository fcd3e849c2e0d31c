//! Disks that put writes off and change their order. strace records every write,
//! rename and sync of the real binary; then many disks are drawn as a power cut
//! could have left them: what was synced is there, and of everything else any
//! subset, sector by sector. The real binary starts on each of them.
//!
//! What this can not see: disks that lose what they said was synced; sectors
//! that are torn inside; a file system that keeps names in another order than
//! they were given (ext4, XFS and btrfs keep it; a name is sure here only when
//! its folder was synced). Writes that fail, and memory-mapped files: the
//! server has none of either.

mod calls;
mod image;
mod judge;
mod steps;
mod trade;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::image::Image;
use self::judge::{import_on, serve_on};
use self::steps::Recording;
use self::trade::Known;
use super::client::Client;
use super::ground::Ground;
use super::moments::copies;
use super::process::Process;
use super::promise::{Promise, Violation};
use super::rounds::keep;
use super::site::{Site, shop_file};
use super::strace;
use super::tally::Tally;
use super::verdict;
use rand::seq::IndexedRandom;

/// Of this many images one is of an import into nothing, and one of a restore.
const OTHERS_EVERY: u32 = 5;
/// Starts that are recorded, the second after a kill.
const STARTS: usize = 2;
/// Images that the run without sync may take to break a promise.
const CONTROL_MAX: u32 = 40;
/// How long strace may take to write its last lines.
const TRACE_MAX: Duration = Duration::from_secs(20);
/// An import or restore of the small shop takes no longer, watched.
const COMMAND_MAX: Duration = Duration::from_secs(30);

/// Draws and judges that many images; answers whether the promises held, and
/// whether those of a server that does not sync were seen broken.
pub(crate) fn run(images: u32) -> bool {
    if let Err(why) = strace::can_trace() {
        println!("SKIPPED reorder: {why}");
        return true;
    }
    let held = judge(images, &mut Tally::new("reorder", false), true);
    let mut control = Tally::new("its control", true);
    judge(CONTROL_MAX, &mut control, false);
    if control.broken() == 0 {
        println!("reorder: nothing was lost without sync, so it proves nothing");
    }
    held && control.broken() > 0
}

fn judge(images: u32, tally: &mut Tally, with_sync: bool) -> bool {
    let started = Instant::now();
    match recordings(with_sync) {
        Err(what) => tally.count(&Violation {
            promise: Promise::Start,
            what,
        }),
        Ok(recordings) => {
            for number in 1..=images {
                tally.rounds = number;
                let place = (number % OTHERS_EVERY) as usize;
                let recorded = recordings.get(place).unwrap_or(&recordings[0]);
                if let Err(violation) = recorded.draw_and_judge(tally) {
                    tally.count(&violation);
                    if !with_sync {
                        break;
                    }
                }
            }
        }
    }
    tally.seconds = started.elapsed().as_secs_f32();
    println!("{tally}");
    tally.broken() == 0
}

/// What images are drawn from. Without sync only the trade is looked at.
fn recordings(with_sync: bool) -> Result<Vec<Recorded>, String> {
    let mut recordings = vec![Recorded::serving(with_sync)?];
    if with_sync {
        recordings.push(Recorded::importing()?);
        recordings.push(Recorded::restoring()?);
    }
    Ok(recordings)
}

/// What must be there at some instant.
enum Facts {
    /// What clients know.
    Trade(Known),
    /// A shop, from this instant on.
    Import(calls::Instant),
    /// The same, from the backup on another site.
    Restore(calls::Instant, Site),
}

/// What was recorded, and where.
struct Recorded {
    home: PathBuf,
    recording: Recording,
    facts: Facts,
}

impl Recorded {
    /// A shop that opens, trades, is killed, recovers, trades, and is killed.
    fn serving(with_sync: bool) -> Result<Self, String> {
        let mut site = Site::new(Ground::folder());
        site.begin();
        site.import()?;
        if !with_sync {
            site = site.without_sync();
        }
        let mut recording = recording_of(&site)?;
        let mut known = Known::default();
        let mut calls = Vec::new();
        for _ in 0..STARTS {
            let traces = tempfile::tempdir().map_err(|error| error.to_string())?;
            let command = calls::watched(&site.serve_command(), traces.path());
            let mut server = Process::spawn(command);
            let (address, _) = site.listening(&mut server)?;
            let owner = verdict::owner(&Client::new(&address));
            known.trade(&address, &owner.ok_or("the owner can not log in")?);
            server.kill();
            calls.extend(read(traces.path())?);
        }
        recording.add(&calls, &site.home())?;
        Ok(Self {
            home: site.home(),
            recording,
            facts: Facts::Trade(known),
        })
    }

    /// An import into nothing.
    fn importing() -> Result<Self, String> {
        let mut site = Site::new(Ground::folder());
        site.begin();
        let file = shop_file();
        let (recording, last) = watch(&site, &["import", &file])?;
        Ok(Self {
            home: site.home(),
            recording,
            facts: Facts::Import(last),
        })
    }

    /// A restore into nothing.
    fn restoring() -> Result<Self, String> {
        let (mut from, mut to) = (Site::new(Ground::folder()), Site::new(Ground::folder()));
        from.begin();
        to.begin();
        from.import()?;
        let file = backup_on(&from);
        from.run(&["backup", &file])?;
        let copied = std::fs::copy(from.key_file(), to.key_file());
        copied.map_err(|error| error.to_string())?;
        let (recording, last) = watch(&to, &["restore", &file])?;
        Ok(Self {
            home: to.home(),
            recording,
            facts: Facts::Restore(last, from),
        })
    }

    /// One disk after a cut at some instant.
    fn draw_and_judge(&self, tally: &mut Tally) -> Result<(), Violation> {
        let steps = &self.recording.steps;
        let step = steps
            .choose(&mut rand::rng())
            .expect("something was written");
        // Between this call and the next.
        let cut = step.start + 1;
        let mut site = Site::new(Ground::folder());
        site.begin();
        let image = Image::draw(&self.recording, cut);
        image
            .lay_out(&self.home, &site.home())
            .map_err(|error| Violation {
                promise: Promise::Start,
                what: format!("the image can not be laid out: {error}"),
            })?;
        let before = tempfile::tempdir().ok();
        let copy = before.as_ref().map(|folder| folder.path().join("disk"));
        if let Some(copy) = &copy {
            let _ = image.lay_out(&self.home, copy);
        }
        let outcome = match &self.facts {
            Facts::Trade(known) => serve_on(&mut site, known, cut, tally),
            Facts::Import(answered) => import_on(&site, cut >= *answered),
            Facts::Restore(answered, from) => {
                copies::whole_after_restore(&site, &backup_on(from), cut >= *answered)
            }
        };
        let outcome = outcome.and_then(|()| verdict::whole_on_disk(&site.data_dir()));
        if let (Err(_), Some(copy)) = (&outcome, &copy)
            && !tally.must_break()
        {
            keep(copy, tally.rounds);
        }
        outcome
    }
}

/// Where the backup of a site stands.
fn backup_on(site: &Site) -> String {
    let file = site.home().join("shop.backup");
    file.into_os_string().into_string().expect("an UTF-8 path")
}

/// Runs a command that must succeed; what it did, and when it was done.
fn watch(site: &Site, args: &[&str]) -> Result<(Recording, calls::Instant), String> {
    let mut recording = recording_of(site)?;
    let traces = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Process::spawn(calls::watched(&site.command(args), traces.path()));
    let done = command.wait(COMMAND_MAX);
    if !done.is_some_and(|status| status.success()) {
        return Err(format!("{args:?}: {}", command.kill()));
    }
    let calls = read(traces.path())?;
    recording.add(&calls, &site.home())?;
    let last = calls.iter().map(|call| call.end).max();
    Ok((recording, last.unwrap_or_default()))
}

fn recording_of(site: &Site) -> Result<Recording, String> {
    Recording::of(&site.home()).map_err(|error| error.to_string())
}

fn read(traces: &std::path::Path) -> Result<Vec<calls::Call>, String> {
    let started = Instant::now();
    loop {
        if let Some(calls) = calls::read(traces).filter(|calls| !calls.is_empty()) {
            return Ok(calls);
        }
        if started.elapsed() > TRACE_MAX {
            return Err("strace does not end".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
