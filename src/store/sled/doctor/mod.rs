//! The doctor: holds a stopped data directory against everything that can be
//! checked, names file and place of each fault, and repairs what can be
//! repaired.
//!
//! Looking happens on a copy of the database, since merely opening it writes.
//! Repairing takes the same steps as a start does, and one more: indexes are
//! made again from their records when everything else is proved whole. A
//! repair counts when a second look no longer finds the fault. Nothing here
//! makes an ended session live: where the sessions are not proved whole, none
//! of them is kept.

use std::collections::BTreeMap;
use std::path::Path;

use super::base::Base;
use super::open::{self, OpenError};
use super::verify;
use crate::model::Timestamp;

mod beside;
pub mod copy;
mod database;
mod rebuild;

/// Faults of one kind that are listed one by one.
const LISTED_MAX: usize = 20;

/// What helps, where the doctor can do it.
const FIX: &str = "run: tillgate doctor --fix";
/// What helps, where all sessions have to be given up.
const ANEW: &str =
    "run: tillgate doctor --fix; users, devices and roles stay, everybody has to log in again";

/// What helps, where a repair was tried and the fault is still there.
const BEYOND: &str = "bring the data directory back from a backup, or move it away to start empty";

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file or folder, seen from the data directory.
    pub file: String,
    /// Where in it; empty when all of it is meant.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// A fault that `--fix` repairs.
    fn fixable(file: &str, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: place.into(),
            what: what.into(),
            remedy: FIX.to_owned(),
        }
    }

    /// The same fault with another remedy.
    fn but(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: remedy.into(),
            ..self
        }
    }
}

/// What was found in a data directory.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of the last group, if the database tells.
    pub group: Option<u64>,
    /// The epoch.
    pub epoch: Option<u64>,
    /// Sessions on the disk, also those behind a fence.
    pub sessions: Option<u64>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What was wrong and was repaired.
    pub repaired: Vec<Fault>,
    /// What an operator may want to know and is no fault.
    pub notes: Vec<String>,
    /// The installation's name for itself.
    pub installation: String,
    /// Small named values, the sealed signing keys among them.
    pub values: BTreeMap<String, Vec<u8>>,
    /// How far the database can be trusted.
    standing: Standing,
}

/// How far the database can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// As it was written, or not there and never was.
    Whole,
    /// Only its indexes are not.
    Indexes,
    /// Not at all; a start would begin anew from the base file.
    #[default]
    Lost,
    /// It was not looked at.
    Unknown,
}

/// Looks at a stopped data directory and changes nothing in it. `wall` names
/// what has to be moved in the copy.
///
/// # Errors
/// It is in use, of a newer format, or the system refuses.
pub fn examine(dir: &Path, wall: Timestamp) -> Result<Report, OpenError> {
    let lock = beside::lock(dir)?;
    let report = look(dir, wall)?;
    drop(lock);
    Ok(report)
}

/// Looks, repairs what can be repaired, and looks again.
///
/// # Errors
/// As [`examine`]; and when a repair is refused for want of room.
pub fn mend(dir: &Path, wall: Timestamp) -> Result<Report, OpenError> {
    let before = examine(dir, wall)?;
    let lock = beside::lock(dir)?;
    beside::mend_modes(dir)?;
    beside::remove_leftovers(dir)?;
    if before.standing == Standing::Indexes {
        rebuild::rebuild(dir, wall)?;
    }
    drop(lock);
    if !before.faults.is_empty() && before.standing != Standing::Unknown {
        start_once(dir, wall)?;
    }
    let mut after = examine(dir, wall)?;
    after.repaired = before
        .faults
        .into_iter()
        .filter(|fault| !after.faults.contains(fault))
        .collect();
    for fault in &mut after.faults {
        if [FIX, ANEW].contains(&fault.remedy.as_str()) {
            BEYOND.clone_into(&mut fault.remedy);
        }
    }
    Ok(after)
}

/// What a start does about base files, snapshots and a lost database.
fn start_once(dir: &Path, wall: Timestamp) -> Result<(), OpenError> {
    match open::open(dir, wall) {
        Ok(mut loaded) => {
            let base = Base::of(&loaded.directory, &loaded.head);
            loaded.disk.renew_base(&base)?;
            Ok(loaded.disk.renew_side(&loaded.head)?)
        }
        // The second look says what is left.
        Err(OpenError::Damaged { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn look(dir: &Path, wall: Timestamp) -> Result<Report, OpenError> {
    let mut report = Report::default();
    beside::look(dir, &mut report)?;
    let known = beside::known(dir, &mut report)?;
    database::look(dir, wall, &known, &mut report)?;
    Ok(report)
}
