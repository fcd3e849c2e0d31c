//! Everything in a data directory that is not the database: who may read it,
//! side file, base files, room, and what earlier troubles have left.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{ANEW, Fault, Report, copy, rebuild};
use crate::store::sled::base::{self, Base, ReadBaseError};
use crate::store::sled::codec::CodecError;
use crate::store::sled::open::{self, OpenError};
use crate::store::sled::room;
use crate::store::sled::side::{self, SLOTS, Slot};

/// Group and others may do nothing.
const FOREIGN_BITS: u32 = 0o077;
const LEFTOVERS: [&str; 3] = ["base.tmp", copy::FOLDER, rebuild::FOLDER];
const QUARANTINE: &str = "quarantine-";

/// The lock of a data directory that exists.
pub fn lock(dir: &Path) -> Result<File, OpenError> {
    if !dir.is_dir() {
        let dir = dir.to_owned();
        return Err(OpenError::NoDirectory { dir });
    }
    open::lock(dir)
}

/// What base files and side file say of the database.
pub struct Known {
    /// The newest good base file.
    pub base: Option<Base>,
    /// The highest group that was once written.
    pub group: u64,
    /// Whether a shop was ever here.
    pub traded: bool,
}

/// Rights, room and leftovers.
pub fn look(dir: &Path, report: &mut Report) -> Result<(), OpenError> {
    for (name, mode) in foreign(dir)? {
        let what = format!("other users may use it (mode {mode:03o})");
        report.faults.push(Fault::fixable(&name, "", what));
    }
    for name in LEFTOVERS {
        if dir.join(name).exists() {
            let note = format!("{name} is left of something that was cut off; --fix removes it");
            report.notes.push(note);
        }
    }
    for (name, bytes) in quarantines(dir)? {
        let size = bytes.div_ceil(1024 * 1024);
        report.notes.push(format!(
            "{name} ({size} MiB) was set aside because it could not be trusted; delete it when nobody \
             wants to look at it any more"
        ));
    }
    let room = room::look(dir);
    if room.low {
        let what = format!(
            "only {} MiB are free: nobody can log in",
            room.free / (1024 * 1024)
        );
        report.faults.push(
            Fault::fixable(".", "", what)
                .but("make room on the disk; logins go on by themselves then"),
        );
    }
    Ok(())
}

/// Base files and side file.
pub fn known(dir: &Path, report: &mut Report) -> Result<Known, OpenError> {
    let mut newest: Option<Base> = None;
    let mut traded = false;
    for (name, read) in base::each(dir) {
        match read {
            Ok(Some(base)) if newest.as_ref().is_none_or(|best| best.commit < base.commit) => {
                newest = Some(base);
            }
            Ok(_) => {}
            Err(ReadBaseError::Codec(CodecError::Damaged(why))) => {
                traded = true;
                report.faults.push(Fault::fixable(name, "", why));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut group = newest.as_ref().map_or(0, |base| base.commit);
    match side::look(&dir.join("side"))? {
        None => {
            if group > 0 {
                report
                    .faults
                    .push(Fault::fixable("side", "", "it is missing"));
            }
        }
        Some(slots) => {
            for (slot, at) in slots.into_iter().zip(SLOTS) {
                match slot {
                    Slot::Good(seen) => group = group.max(seen.commit),
                    Slot::Torn => report.faults.push(Fault::fixable(
                        "side",
                        format!("bytes {at} to {}", at + SLOTS[1] - 1),
                        "the checksum does not fit",
                    )),
                    Slot::Empty => {}
                }
            }
            if slots == [Slot::Empty; 2] && group > 0 {
                report
                    .faults
                    .push(Fault::fixable("side", "", "it is empty"));
            }
        }
    }
    if newest.is_none() {
        let fault = if traded {
            "no base file can be read: there is no second home of users, devices and roles"
        } else {
            "both base files are missing: there is no second home of users, devices and roles"
        };
        report
            .faults
            .push(Fault::fixable("base.1, base.2", "", fault));
    }
    Ok(Known {
        base: newest,
        traded: traded || group > 0,
        group,
    })
}

/// That the database is not what it should be, as one fault.
pub fn lost(report: &mut Report, place: impl Into<String>, what: impl Into<String>) {
    report
        .faults
        .push(Fault::fixable("db", place, what).but(ANEW));
}

/// Takes rights from everybody but the owner.
pub fn mend_modes(dir: &Path) -> io::Result<()> {
    for (name, mode) in foreign(dir)? {
        let rights = std::fs::Permissions::from_mode(mode & !FOREIGN_BITS);
        std::fs::set_permissions(dir.join(name), rights)?;
    }
    Ok(())
}

/// Takes away what was never finished.
pub fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for name in LEFTOVERS {
        let path = dir.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The data directory and the files in it that others may use, with their
/// modes. Files of the database are behind its own folder.
fn foreign(dir: &Path) -> io::Result<Vec<(String, u32)>> {
    let mode = dir.metadata()?.permissions().mode() & 0o777;
    let mut found = Vec::new();
    if mode & FOREIGN_BITS != 0 {
        found.push((".".to_owned(), mode));
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let mode = entry.metadata()?.permissions().mode() & 0o777;
        if entry.file_type()?.is_file() && mode & FOREIGN_BITS != 0 {
            found.push((entry.file_name().to_string_lossy().into_owned(), mode));
        }
    }
    found.sort();
    Ok(found)
}

fn quarantines(dir: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(QUARANTINE) {
            let path = entry.path();
            found.push((
                name,
                if path.is_dir() {
                    copy::bytes(&path)?
                } else {
                    0
                },
            ));
        }
    }
    found.sort();
    Ok(found)
}
