//! Holding a stopped data directory against itself: every index entry has its
//! record, every record its index entries, everything fits the head.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::digest::{self, Digest};
use super::disk::{Index, SledDisk, Trees, as_io};
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
            let strays = indexes(&trees, &contents.sessions);
            verified
                .problems
                .extend(strays.iter().map(ToString::to_string));
        }
    }
    verified.problems.truncate(PROBLEMS_MAX);
    Ok(verified)
}

/// An index entry that does not fit its record, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The index.
    pub tree: &'static str,
    /// The entry, as people see it.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tree, key, what } = self;
        write!(f, "{tree}: {key} {what}")
    }
}

/// Holds both indexes against the records, entry by entry.
pub fn indexes(trees: &Trees, sessions: &Records) -> Vec<Stray> {
    let (by_last_access, by_user) = wanted(sessions);
    let mut strays = Vec::new();
    for (index, wanted) in [
        (Index::ByLastAccess, by_last_access),
        (Index::ByUser, by_user),
    ] {
        hold(index.name(), trees.index(index), wanted, &mut strays);
    }
    strays
}

/// The keys that these records stand under in `by_last_access` and `by_user`.
pub fn wanted(sessions: &Records) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let by_last_access = sessions.iter().map(|record| {
        keys::instant_and_id(record.session.last_access_at, record.session.id).to_vec()
    });
    let by_user = sessions
        .iter()
        .map(|record| keys::user_and_id(&record.session.identity.user_name, record.session.id));
    (by_last_access.collect(), by_user.collect())
}

/// What the head says of both indexes when they fit these records.
pub fn digests(sessions: &Records) -> (Digest, Digest) {
    let sum = |keys: BTreeSet<Vec<u8>>| {
        let mut digest = Digest::default();
        for key in &keys {
            digest.add(digest::hash(key));
        }
        digest
    };
    let (by_last_access, by_user) = wanted(sessions);
    (sum(by_last_access), sum(by_user))
}

fn hold(
    name: &'static str,
    tree: &sled::Tree,
    mut wanted: BTreeSet<Vec<u8>>,
    strays: &mut Vec<Stray>,
) {
    let mut stray = |key: String, what: &str| {
        strays.push(Stray {
            tree: name,
            key,
            what: what.to_owned(),
        });
    };
    let walked = read::guarded(|| {
        for key in tree.iter().keys() {
            let key = key?;
            if !wanted.remove(key.as_ref()) {
                stray(show(&key), "has no record");
            }
        }
        Ok(())
    });
    match walked {
        Err(read::Unreadable::Damaged(why)) => stray("a page".to_owned(), &why),
        Err(read::Unreadable::Newer(_)) | Ok(()) => {}
    }
    for key in &wanted {
        stray(show(key), "is missing");
    }
}

/// A key for people: the id is at its end, and never shown whole.
pub fn show(key: &[u8]) -> String {
    let name = keys::parse_user_and_id(key).map(|(_, id)| id);
    let id = keys::parse_instant_and_id(key).map(|(_, id)| id).or(name);
    id.map_or_else(
        || "a key that is none".to_owned(),
        |id| format!("session {}..", id.short()),
    )
}
