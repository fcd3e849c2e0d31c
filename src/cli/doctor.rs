//! `tillgate doctor`: what is wrong with a stopped data directory and its key
//! file, for people or as JSON, with an exit code that says it, too.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::args::DoctorArgs;
use super::exit::{Exit, Failure};
use super::show::Progress;
use super::{FORMAT, compose, control, load, must_exist, runtime, start_logs};
use crate::auth::installation::{InstallationKey, KeyFileError};
use crate::auth::token::KeyRing;
use crate::clock::{SystemTimeSource, TimeSource};
use crate::store::sled::doctor::{self, Fault, Report};
use crate::telemetry::Noise;

/// Looks, repairs when that is asked for, and says what there was.
pub fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let config = load(&args.place)?;
    start_logs(&config, Noise::Command)?;
    must_exist(&config.data_dir)?;
    if runtime()?.block_on(control::is_running(&config.data_dir)) {
        let sentence = "a server is running on this data directory; stop it, then run doctor";
        return Err(Failure::new(Exit::Temporary, sentence));
    }
    let turning = Progress::turn("looking at the data directory");
    let report = quietly(|| {
        let wall = SystemTimeSource.wall();
        if args.fix {
            doctor::mend(&config.data_dir, wall)
        } else {
            doctor::examine(&config.data_dir, wall)
        }
    });
    turning.end();
    let mut report = report.map_err(compose::open_failure)?;
    look_at_key(&config.key_file, args.fix, &mut report)?;
    if args.json {
        out!("{:#}", as_json(&config.data_dir, &report));
    } else {
        out!("{}", as_text(&config.data_dir, &report).trim_end());
    }
    verdict(&report)
}

/// sled panics on damaged files, which is what a doctor looks for: the panics
/// are caught and told as faults, and nobody needs to see them.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(hook);
    done
}

fn look_at_key(file: &Path, fix: bool, report: &mut Report) -> Result<(), Failure> {
    let sealed = report
        .epoch
        .and_then(|epoch| report.values.get(&compose::signing_keys(epoch)));
    let fault = |what: String, remedy: String| Fault {
        file: file.display().to_string(),
        place: String::new(),
        what,
        remedy,
    };
    let opens = |key: &InstallationKey| {
        let (Some(sealed), Some(epoch)) = (sealed, report.epoch) else {
            return true;
        };
        let label = compose::signing_keys(epoch);
        KeyRing::unseal(&report.installation, key, &label, sealed).is_ok()
    };
    let right = || "put the right file back, or name it with --key-file".to_owned();
    let found = match InstallationKey::load(file) {
        Ok(Some(key)) if opens(&key) => None,
        Ok(Some(_)) => {
            let what =
                "it does not open the signing keys of this directory: it belongs to another one";
            Some(fault(what.to_owned(), right()))
        }
        Ok(None) if sealed.is_none() => None,
        Ok(None) => Some(fault("the key file is missing".to_owned(), right())),
        Err(KeyFileError::Open { mode, .. }) => {
            let what = format!("other users may use it (mode {mode:03o})");
            let open = fault(what, "run: tillgate doctor --fix".to_owned());
            if !fix {
                report.faults.push(open);
                return Ok(());
            }
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(file, private)
                .map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", file.display())))?;
            report.repaired.push(open);
            return look_at_key(file, false, report);
        }
        Err(error) => Some(fault(error.to_string(), right())),
    };
    report.faults.extend(found);
    Ok(())
}

fn verdict(report: &Report) -> Result<(), Failure> {
    let (left, repaired) = (report.faults.len(), report.repaired.len());
    if left > 0 {
        let sentence = format!("doctor: {left} found wrong, {repaired} repaired");
        return Err(Failure::new(Exit::Data, sentence));
    }
    if repaired > 0 {
        let sentence = format!("doctor: all {repaired} that were found wrong are repaired");
        return Err(Failure::new(Exit::Repaired, sentence));
    }
    Ok(())
}

fn as_text(data_dir: &Path, report: &Report) -> String {
    use std::fmt::Write;
    let mut text = format!("{}\n", data_dir.display());
    let number = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let mut line = |words: std::fmt::Arguments| {
        text.write_fmt(words).expect("a string takes all text");
        text.push('\n');
    };
    line(format_args!(
        "  disk format {FORMAT}, group {}, epoch {}, {} sessions",
        number(report.group),
        number(report.epoch),
        number(report.sessions)
    ));
    for fault in &report.repaired {
        line(format_args!("REPAIRED {}", told(fault)));
    }
    for fault in &report.faults {
        line(format_args!("FAULT    {}", told(fault)));
        line(format_args!("         {}", fault.remedy));
    }
    for note in &report.notes {
        line(format_args!("note     {note}"));
    }
    if report.faults.is_empty() && report.repaired.is_empty() {
        line(format_args!("Nothing is wrong."));
    }
    text
}

fn told(fault: &Fault) -> String {
    let Fault {
        file, place, what, ..
    } = fault;
    if place.is_empty() {
        format!("{file}: {what}")
    } else {
        format!("{file}, {place}: {what}")
    }
}

fn as_json(data_dir: &Path, report: &Report) -> Value {
    let list = |faults: &[Fault]| -> Vec<Value> {
        faults
            .iter()
            .map(|fault| {
                json!({
                    "file": fault.file,
                    "place": fault.place,
                    "what": fault.what,
                    "remedy": fault.remedy,
                })
            })
            .collect()
    };
    json!({
        "dataDir": data_dir.display().to_string(),
        "diskFormat": FORMAT,
        "group": report.group,
        "epoch": report.epoch,
        "sessions": report.sessions,
        "faults": list(&report.faults),
        "repaired": list(&report.repaired),
        "notes": report.notes,
    })
}
