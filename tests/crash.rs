//! Crashes on purpose: power cuts, kills, damaged files, failing and full disks,
//! over real HTTP against the real binary. A command of its own and not a `#[test]`, because
//! it needs root for the cuts, counts rounds, and prints a table.
//!
//! ```text
//! cargo test --features faults --test crash -- powercut --rounds 200
//! cargo test --features faults --test crash -- control --rounds 20
//! cargo test --features faults --test crash -- recovery --rounds 50
//! cargo test --features faults --test crash -- moments --rounds 50
//! cargo test --features faults --test crash -- kill --rounds 100
//! cargo test --features faults --test crash -- reorder --images 500
//! cargo test --features faults --test crash -- large --rounds 20
//! cargo test --features faults --test crash -- damage --places 1000
//! cargo test --features faults --test crash -- io --step 1
//! cargo test --features faults --test crash -- full
//! cargo test --features faults --test crash -- soak --seconds 7200
//! ```
//!
//! Without a mode the short set runs, as `./check` does.

#[path = "histories/check.rs"]
mod check;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/closed.rs"]
mod closed;
#[path = "crash/crowd.rs"]
mod crowd;
#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/endings.rs"]
mod endings;
#[path = "crash/full.rs"]
mod full;
#[path = "crash/ground.rs"]
mod ground;
#[path = "crash/harm.rs"]
mod harm;
#[path = "crash/history.rs"]
mod history;
#[path = "crash/io.rs"]
mod io;
#[path = "crash/io_script.rs"]
mod io_script;
#[path = "crash/listener.rs"]
mod listener;
#[path = "histories/log.rs"]
mod log;
#[path = "crash/moments/mod.rs"]
mod moments;
#[path = "crash/office.rs"]
mod office;
#[path = "crash/process.rs"]
mod process;
#[path = "crash/promise.rs"]
mod promise;
#[path = "crash/records.rs"]
mod records;
#[path = "crash/reorder/mod.rs"]
mod reorder;
#[path = "crash/rounds.rs"]
mod rounds;
#[path = "crash/site.rs"]
mod site;
#[path = "crash/soak.rs"]
mod soak;
#[path = "crash/strace.rs"]
mod strace;
mod support;
#[path = "crash/tally.rs"]
mod tally;
#[path = "crash/traffic.rs"]
mod traffic;
#[path = "crash/verdict.rs"]
mod verdict;
#[path = "crash/wipes.rs"]
mod wipes;

use std::process::ExitCode;

use rounds::Mode;
use tally::Tally;

/// Every mode, with its rounds or places in the short set.
const MODES: [(&str, u32); 11] = [
    ("powercut", 20),
    ("recovery", 3),
    ("moments", 2),
    ("control", 20),
    ("kill", 10),
    ("reorder", 10),
    ("damage", 40),
    ("io", 7),
    ("full", 1),
    ("soak", 20),
    // By command only.
    ("large", 0),
];

const USAGE: &str = "\
usage: crash [MODE...]
  powercut [--rounds N]   cut the power of a loop-mounted ext4 (root)   [20]
  recovery [--rounds N]   cut it, and twice more while it starts again   [3]
  moments  [--rounds N]   cut first start, import, keys, sweep, backups  [2]
  control  [--rounds N]   the same without sync: must lose something    [20]
  kill     [--rounds N]   kill -9 only                                  [10]
  reorder  [--images N]   lose some of the writes that no sync covers   [10]
  large     --rounds N    cut it with 200,000 sessions, by command only
  damage   [--places N]   flip a bit, zero a page or cut a file of a
                          closed data directory                         [40]
           [--seed N]     the places again                              [random]
  io       [--step S]     fail the N-th call of the disk (strace), for
                          N = 1, 2, 3, then every S-th                   [7]
  full     [--rounds N]   fill a 64 MiB disk with logins (root)         [1]
  soak     [--seconds N]  mixed work: memory, files, descriptors flat   [20]";

/// One thing to do.
struct Task {
    mode: String,
    count: Option<u32>,
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let tasks = match parse(&args) {
        Ok(tasks) => tasks,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("{}", Tally::HEADER);
    let mut good = true;
    for task in &tasks {
        good &= run(task);
    }
    ExitCode::from(u8::from(!good))
}

/// Carries one task out; answers whether what it promises held.
fn run(task: &Task) -> bool {
    let short = MODES.iter().find(|(mode, _)| *mode == task.mode);
    let count = task.count.or(short.map(|(_, count)| *count)).unwrap_or(1);
    match task.mode.as_str() {
        "powercut" => rounds::run(Mode::PowerCut, count),
        "recovery" => rounds::run(Mode::Recovery, count),
        "moments" => moments::run(count),
        "control" => rounds::run(Mode::Control, count),
        "kill" => rounds::run(Mode::Kill, count),
        "reorder" => reorder::run(count),
        "large" => rounds::run(Mode::Large, count),
        "io" => io::run(count),
        "full" => full::run(count),
        "soak" => soak::run(count),
        _ => damage::run(count, task.seed),
    }
}

fn parse(args: &[String]) -> Result<Vec<Task>, String> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if MODES.iter().any(|(mode, _)| mode == arg) {
            tasks.push(Task {
                mode: arg.clone(),
                count: None,
                seed: None,
            });
            continue;
        }
        let task = tasks
            .last_mut()
            .ok_or_else(|| format!("no such mode: {arg}"))?;
        let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
        let number: u64 = value
            .parse()
            .map_err(|_| format!("{arg}: not a number: {value}"))?;
        match arg.as_str() {
            "--rounds" | "--places" | "--images" | "--step" | "--seconds" => {
                let count = u32::try_from(number).map_err(|_| format!("{arg}: too many"))?;
                task.count = Some(count);
            }
            "--seed" => task.seed = Some(number),
            other => return Err(format!("no such option: {other}")),
        }
    }
    if tasks.is_empty() {
        let all = MODES.iter().filter(|(_, count)| *count > 0);
        let all = all.map(|(mode, _)| Task {
            mode: (*mode).to_owned(),
            count: None,
            seed: None,
        });
        tasks.extend(all);
    }
    Ok(tasks)
}
