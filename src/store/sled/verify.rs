//! Holding a stopped data directory against itself: every index entry has its
//! record, every record its index entries, everything fits the head.

use std::collections::BTreeSet;
use std::path::Path;

use super::disk::{SledDisk, Trees, as_io};
use super::keys;
use super::open::{OpenError, read};
use super::record::Records;

/// What was found in a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Sessions on the disk.
    pub sessions: u64,
    /// Everything that does not fit, as sentences. Empty is good.
    pub problems: Vec<String>,
}

/// Most problems that are listed.
const PROBLEMS_MAX: usize = 100;

/// Checks the database of a stopped server; changes nothing.
///
/// # Errors
/// The directory is in use, of a newer format, or can not be opened at all.
pub fn verify(dir: &Path) -> Result<Verified, OpenError> {
    let _lock = super::open::lock(dir)?;
    super::open::refuse_half_restored(dir)?;
    let trees = Trees::open(&SledDisk::db_dir(dir)).map_err(|error| OpenError::Io(as_io(error)))?;
    let mut verified = Verified::default();
    match read::all(&trees) {
        Err(read::Unreadable::Newer(format)) => return Err(OpenError::Newer { format }),
        Err(read::Unreadable::Damaged(why)) => verified.problems.push(why),
        Ok(contents) => {
            verified.sessions = contents.sessions.len() as u64;
            match &contents.head {
                Some(head) => verified.problems.extend(contents.fits(head).err()),
                None => verified.problems.push("the head is missing".to_owned()),
            }
            indexes(&trees, &contents.sessions, &mut verified.problems);
        }
    }
    verified.problems.truncate(PROBLEMS_MAX);
    Ok(verified)
}

fn indexes(trees: &Trees, sessions: &Records, problems: &mut Vec<String>) {
    let by_last_access = sessions.iter().map(|record| {
        keys::instant_and_id(record.session.last_access_at, record.session.id).to_vec()
    });
    let by_user = sessions
        .iter()
        .map(|record| keys::user_and_id(&record.session.identity.user_name, record.session.id));
    hold(
        "by_last_access",
        &trees.by_last_access,
        by_last_access.collect(),
        problems,
    );
    hold("by_user", &trees.by_user, by_user.collect(), problems);
}

fn hold(name: &str, tree: &sled::Tree, mut wanted: BTreeSet<Vec<u8>>, problems: &mut Vec<String>) {
    for key in tree.iter().keys() {
        match key {
            Ok(key) if wanted.remove(key.as_ref()) => {}
            Ok(key) => problems.push(format!("{name}: {} has no record", show(&key))),
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                return;
            }
        }
    }
    problems.extend(
        wanted
            .iter()
            .map(|key| format!("{name}: {} is missing", show(key))),
    );
}

/// A key for people: the id is at its end, and never shown whole.
fn show(key: &[u8]) -> String {
    let name = keys::parse_user_and_id(key).map(|(_, id)| id);
    let id = keys::parse_instant_and_id(key).map(|(_, id)| id).or(name);
    id.map_or_else(
        || "a key that is none".to_owned(),
        |id| format!("session {}..", id.short()),
    )
}
