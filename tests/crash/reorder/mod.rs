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
mod steps;
mod trade;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom;
use serde_json::Value;

use self::image::Image;
use self::steps::Recording;
use self::trade::{CLIENTS, Known};
use super::client::{Answer, Client};
use super::ground::Ground;
use super::process::Process;
use super::promise::{Promise, Violation};
use super::rounds::keep;
use super::site::{Site, shop_file, shop_users};
use super::tally::Tally;
use super::verdict;

/// One image in this many is one of an import into nothing.
const IMPORT_EVERY: u32 = 5;
/// Starts that are recorded, the second after a kill.
const STARTS: usize = 2;
/// Images that the run without sync may take to break a promise.
const CONTROL_MAX: u32 = 40;
/// Sessions of an image whose tokens are tried.
const TRIED_MAX: usize = 5;
/// How long strace may take to write its last lines.
const TRACE_MAX: Duration = Duration::from_secs(20);
/// An import of the small shop takes no longer, watched.
const IMPORT_MAX: Duration = Duration::from_secs(30);

/// Draws and judges that many images; answers whether the promises held, and
/// whether those of a server that does not sync were seen broken.
pub(crate) fn run(images: u32) -> bool {
    if let Err(why) = calls::can_watch() {
        println!("SKIPPED reorder: strace can not watch a process here: {why}");
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
    let recorded = Recorded::serving(with_sync).and_then(|serving| {
        let importing = Recorded::importing()?;
        Ok((serving, importing))
    });
    match recorded {
        Err(what) => tally.count(&Violation {
            promise: Promise::Start,
            what,
        }),
        Ok((serving, importing)) => {
            for number in 1..=images {
                tally.rounds = number;
                let imports = with_sync && number.is_multiple_of(IMPORT_EVERY);
                let recorded = if imports { &importing } else { &serving };
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

/// What was recorded, and where.
struct Recorded {
    home: PathBuf,
    recording: Recording,
    /// What clients know; `None`: an import that was answered at this instant.
    known: Result<Known, calls::Instant>,
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
            known: Ok(known),
        })
    }

    /// An import into nothing.
    fn importing() -> Result<Self, String> {
        let mut site = Site::new(Ground::folder());
        site.begin();
        let mut recording = recording_of(&site)?;
        let traces = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = shop_file();
        let command = calls::watched(&site.command(&["import", &file]), traces.path());
        let mut import = Process::spawn(command);
        let done = import.wait(IMPORT_MAX);
        if !done.is_some_and(|status| status.success()) {
            return Err(format!("the import: {}", import.kill()));
        }
        let calls = read(traces.path())?;
        let last = calls.iter().map(|call| call.end).max().unwrap_or_default();
        recording.add(&calls, &site.home())?;
        Ok(Self {
            home: site.home(),
            recording,
            known: Err(last),
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
        let outcome = match &self.known {
            Ok(known) => serve_on(&mut site, known, cut, tally),
            Err(answered) => import_on(&site, cut >= *answered),
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

fn broken<T>(promise: Promise, what: String) -> Result<T, Violation> {
    Err(Violation { promise, what })
}

/// An import into nothing has left all or nothing, and can be made again.
fn import_on(site: &Site, is_answered: bool) -> Result<(), Violation> {
    let or_start = |why| Violation {
        promise: Promise::Start,
        what: why,
    };
    let users = site.users().map_err(or_start)?;
    if users == 0 && !is_answered {
        site.import().map_err(or_start)?;
    } else if users != shop_users() {
        return broken(Promise::Lost, format!("an import left {users} users"));
    }
    Ok(())
}

/// The server starts, and shows what clients know to be there at the cut.
fn serve_on(
    site: &mut Site,
    known: &Known,
    cut: calls::Instant,
    tally: &mut Tally,
) -> Result<(), Violation> {
    let mut server = site.serve();
    let (address, took) = site.listening(&mut server).map_err(|what| Violation {
        promise: Promise::Start,
        what,
    })?;
    tally.slowest_start = tally.slowest_start.max(took);
    let client = Client::new(&address);
    let Some(owner) = verdict::owner(&client) else {
        return broken(Promise::Lost, "the owner can not log in".to_owned());
    };
    let list = client.get("/sessions?deviceName=LINK&$take=10000", &owner);
    let Some(list) = list.filter(|answer| answer.status == 200) else {
        return broken(Promise::Lost, "the sessions can not be listed".to_owned());
    };
    let found = list.body["items"].as_array().cloned().unwrap_or_default();
    let version = |id: &str| {
        let row = found.iter().find(|row| row["sessionId"] == id)?;
        row["_v"].as_u64()
    };
    for life in &known.lives {
        match version(&life.id) {
            None if life.must_live(cut) => {
                return broken(Promise::Lost, format!("{} is gone", life.id));
            }
            Some(_) if life.must_be_dead(cut) => {
                return broken(Promise::Returned, format!("{} lives", life.id));
            }
            Some(version) if version < life.version(cut) => {
                let what = format!("{} is back at version {version}", life.id);
                return broken(Promise::Repeated, what);
            }
            _ => {}
        }
    }
    let is_known = |row: &&Value| known.lives.iter().any(|life| row["sessionId"] == life.id);
    let strangers = found.len() - found.iter().filter(is_known).count();
    if strangers > CLIENTS {
        return broken(Promise::Returned, format!("{strangers} unknown sessions"));
    }
    tally.acknowledged += known
        .lives
        .iter()
        .filter(|life| life.must_live(cut))
        .count() as u64;
    tally.acknowledged += known
        .lives
        .iter()
        .filter(|life| life.must_be_dead(cut))
        .count() as u64;
    description(&client, &owner, known, cut)?;
    tokens(&client, known, cut)
}

fn description(
    client: &Client,
    owner: &str,
    known: &Known,
    cut: calls::Instant,
) -> Result<(), Violation> {
    let text = client.get("/devices/LINK", owner);
    let text = text
        .map(|answer| answer.text("description"))
        .unwrap_or_default();
    let may_be = known.described(cut);
    if !may_be.contains(&text.parse().unwrap_or(0)) {
        let what = format!("LINK is described as '{text}', not {may_be:?}");
        return broken(Promise::Lost, what);
    }
    Ok(())
}

/// Tokens of the living are good, and give versions that nobody was shown.
fn tokens(client: &Client, known: &Known, cut: calls::Instant) -> Result<(), Violation> {
    let living = known.lives.iter().filter(|life| life.must_live(cut));
    for life in living.rev().take(TRIED_MAX) {
        let Some((token, refresh)) = life.tokens(cut) else {
            continue;
        };
        let answer = client.get(&format!("/sessions/{}", life.id), token);
        match answer.as_ref().and_then(Answer::version) {
            Some((version, _)) if version > life.version(cut) => {}
            _ => return broken(Promise::Repeated, format!("{} answers {answer:?}", life.id)),
        }
        let answer = client.refresh(token, refresh);
        if answer.as_ref().is_none_or(|answer| answer.status != 200) {
            let what = format!("the refresh of {} answers {answer:?}", life.id);
            return broken(Promise::Lost, what);
        }
    }
    Ok(())
}
