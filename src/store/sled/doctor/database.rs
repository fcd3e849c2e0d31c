//! The database itself: can it be opened, can every record be read, does
//! everything fit the head and each other.

use std::collections::BTreeSet;
use std::path::Path;

use super::beside::{Known, lost};
use super::copy::Copy;
use super::{ANEW, Fault, LISTED_MAX, Report, Standing, verify};
use crate::model::{SessionId, Timestamp};
use crate::store::sled::codec::{self, CodecError, Names};
use crate::store::sled::disk::{Head, SledDisk, Trees};
use crate::store::sled::journal;
use crate::store::sled::keys::{self, Meta};
use crate::store::sled::open::read::{self, Contents, Misfit, Unreadable};
use crate::store::sled::open::{Notice, OpenError, trees};

/// What a cross-check has no repair for.
const AGAINST_ITSELF: &str = "move the folder db away: the next start begins anew from the base file, and \
     everybody has to log in again";

/// Looks at a copy of the database.
pub fn look(
    dir: &Path,
    wall: Timestamp,
    known: &Known,
    report: &mut Report,
) -> Result<(), OpenError> {
    if !SledDisk::db_dir(dir).is_dir() {
        if known.traded {
            lost(report, "", "the database is missing");
        } else {
            report.standing = Standing::Whole;
            report.notes.push("no server has run here yet".to_owned());
        }
        return Ok(());
    }
    let copy = match Copy::of(dir)? {
        Ok(copy) => copy,
        Err(no_room) => {
            report.standing = Standing::Unknown;
            let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
            let what = format!(
                "not examined: a copy takes {} MiB, and {} MiB are free",
                mib(no_room.needed),
                mib(no_room.free)
            );
            let fault = Fault::fixable("db", "", what);
            report
                .faults
                .push(fault.but("make room on the disk, then run doctor again"));
            return Ok(());
        }
    };
    let mut notices = Vec::new();
    let trees = match trees::open(copy.dir(), wall, &mut notices)? {
        Ok(trees) => trees,
        Err(why) => {
            lost(report, "", format!("sled does not open it: {why}"));
            return Ok(());
        }
    };
    if notices.contains(&Notice::SnapshotMovedAside) {
        let what = "the snapshot is torn; the database is whole without it";
        report.faults.push(Fault::fixable("db/snap.*", "", what));
    }
    let looked = inside(&trees, known, report);
    trees::abandon(trees);
    looked
}

fn inside(trees: &Trees, known: &Known, report: &mut Report) -> Result<(), OpenError> {
    let contents = match read::without_indexes(trees) {
        Ok(contents) => contents,
        Err(Unreadable::Newer(format)) => return Err(OpenError::Newer { format }),
        Err(Unreadable::Damaged(why)) => {
            unreadable(trees, &why, report);
            return Ok(());
        }
    };
    let Some(head) = &contents.head else {
        if known.group == 0 {
            report.standing = Standing::Whole;
            let note = "the very first start was cut off; the next one begins again";
            report.notes.push(note.to_owned());
        } else {
            lost(report, "tree meta", "the head is missing");
        }
        return Ok(());
    };
    report.group = Some(head.commit());
    report.epoch = Some(head.epoch());
    report.sessions = Some(contents.sessions.len() as u64);
    report.installation = head.installation.to_string();
    report.values.clone_from(&contents.meta);
    let faults_outside = report.faults.len();
    whole(&contents, head, known, report);
    if report.faults.len() == faults_outside {
        report.standing = Standing::Whole;
        indexes(trees, &contents, head, report);
        against_itself(&contents, head, report);
        base_file(known, head, report);
    }
    Ok(())
}

/// Whether everything but the indexes is what was written.
fn whole(contents: &Contents, head: &Head, known: &Known, report: &mut Report) {
    if known.group > head.commit() {
        let what = format!(
            "it ends at group {}, and group {} was once written",
            head.commit(),
            known.group
        );
        lost(report, "tree meta", what);
    }
    for misfit in contents.misfits(head) {
        match misfit {
            Misfit::Tree { tree, .. } => {
                lost(report, format!("tree {tree}"), misfit.to_string());
            }
            Misfit::Directory => lost(
                report,
                "trees users, devices, roles, api_keys, webhooks",
                misfit.to_string(),
            ),
        }
    }
}

fn indexes(trees: &Trees, contents: &Contents, head: &Head, report: &mut Report) {
    let strays = verify::indexes(trees, &contents.sessions);
    let digests = verify::digests(&contents.sessions);
    let stored = (head.stored.by_last_access, head.stored.by_user);
    if strays.is_empty() && digests == stored {
        return;
    }
    report.standing = Standing::Indexes;
    let places = strays
        .iter()
        .map(|stray| (format!("tree {}, {}", stray.tree, stray.key), &stray.what));
    list(report, places);
    if strays.is_empty() {
        let what = "what it says of the indexes does not fit the sessions";
        report
            .faults
            .push(Fault::fixable("db", "tree meta, the head", what));
    }
}

/// What no digest shows: a mistake of the program, not of the disk.
fn against_itself(contents: &Contents, head: &Head, report: &mut Report) {
    let mut fault = |place: String, what: &str| {
        report
            .faults
            .push(Fault::fixable("db", place, what).but(AGAINST_ITSELF));
    };
    let live: BTreeSet<SessionId> = contents
        .sessions
        .iter()
        .map(|record| record.session.id)
        .collect();
    for ended in contents.ended.snapshot().iter() {
        let id = ended.session.id;
        if live.contains(&id) {
            let place = format!("tree sessions, session {}..", id.short());
            fault(place, "it is in the archive as well: it has ended");
        }
    }
    let future = contents
        .sessions
        .iter()
        .find(|record| record.began.max(record.written) > head.commit());
    if let Some(record) = future {
        let place = format!("tree sessions, session {}..", record.session.id.short());
        fault(place, "it was written by a group that never was");
    }
    if contents
        .fences
        .iter()
        .any(|fence| fence.number > head.commit())
    {
        let place = "tree meta, a fence".to_owned();
        fault(place, "it was put up by a group that never was");
    }
}

/// The newest base file holds what was last typed in.
fn base_file(known: &Known, head: &Head, report: &mut Report) {
    let Some(base) = &known.base else { return };
    if base.commit < head.stored.directory_commit {
        let what = format!(
            "the newest is of group {}, and users, devices or roles were changed by group {}",
            base.commit, head.stored.directory_commit
        );
        report
            .faults
            .push(Fault::fixable("base.1, base.2", "", what));
        return;
    }
    if base.digest() != head.stored.directory {
        let what = "users, devices or roles differ from those of the database";
        report
            .faults
            .push(Fault::fixable("base.1, base.2", "", what));
    }
}

/// Names every record that can not be read.
fn unreadable(trees: &Trees, why: &str, report: &mut Report) {
    let mut found = Vec::new();
    for (name, tree) in trees.records() {
        let mut last = "its beginning".to_owned();
        let walked = read::guarded(|| {
            let mut names = Names::default();
            for entry in tree {
                let (key, value) = entry?;
                last = format!("behind {}", show(name, &key));
                if let Err(error) = decode(name, &key, &value, &mut names) {
                    found.push((
                        format!("tree {name}, {}", show(name, &key)),
                        error.to_string(),
                    ));
                }
            }
            Ok(())
        });
        if let Err(Unreadable::Damaged(why)) = walked {
            found.push((format!("tree {name}, {last}"), why));
        }
    }
    if found.is_empty() {
        found.push((String::new(), why.to_owned()));
    }
    let before = report.faults.len();
    list(
        report,
        found.iter().map(|(place, what)| (place.clone(), what)),
    );
    for fault in &mut report.faults[before..] {
        ANEW.clone_into(&mut fault.remedy);
    }
}

/// The first few one by one, the others as a number.
fn list<'a>(report: &mut Report, all: impl ExactSizeIterator<Item = (String, &'a String)>) {
    let more = all.len().saturating_sub(LISTED_MAX);
    for (place, what) in all.take(LISTED_MAX) {
        report.faults.push(Fault::fixable("db", place, what));
    }
    if more > 0 {
        let what = format!("{more} more faults of this kind");
        report.faults.push(Fault::fixable("db", "", what));
    }
}

fn decode(tree: &str, key: &[u8], value: &[u8], names: &mut Names) -> Result<(), CodecError> {
    let bad = CodecError::Damaged("its key is none of this tree");
    let id = |key: &[u8]| SessionId::from_bytes(key).map_err(|_| bad);
    match tree {
        "sessions" => codec::decode_session(id(key)?, value, names).map(drop),
        "ended" => {
            let (at, id) = keys::parse_instant_and_id(key).ok_or(bad)?;
            codec::decode_ended(at, id, value, names).map(drop)
        }
        "audit" => {
            let number = keys::parse_audit(key).ok_or(bad)?;
            codec::decode_audit(number, value, names).map(drop)
        }
        "lockouts" => codec::decode_lock(value).map(drop),
        "meta" => match keys::parse_meta(key).ok_or(bad)? {
            Meta::Head => Head::decode(value).map(drop),
            Meta::Fence(_) => codec::decode_fence(value, names).map(drop),
            Meta::Value(_) => codec::decode::<&[u8]>(value).map(drop),
            Meta::Signed(_) => codec::decode::<&[u8]>(value).and_then(|bytes| id(bytes).map(drop)),
            Meta::Passed(_) => codec::decode::<u64>(value).map(drop),
        },
        "outbox" => {
            let number = keys::parse_event(key).ok_or(bad)?;
            codec::decode_event(number, value, names).map(drop)
        }
        "failures" => {
            let (hook, number) = keys::parse_failure(key).ok_or(bad)?;
            codec::decode_failure(hook, number, value, names).map(drop)
        }
        "touches" => {
            keys::parse_touches(key).ok_or(bad)?;
            journal::decode(value).map(drop)
        }
        // Users, devices, roles, API keys, webhooks: the checksum tells.
        _ => codec::is_whole(value),
    }
}

/// A key for people; never a whole id.
fn show(tree: &str, key: &[u8]) -> String {
    match tree {
        "sessions" => SessionId::from_bytes(key).map_or_else(
            |_| "a key that is none".to_owned(),
            |id| format!("session {}..", id.short()),
        ),
        "ended" => verify::show(key),
        "audit" => keys::parse_audit(key).map_or_else(
            || "a key that is none".to_owned(),
            |number| format!("entry {number}"),
        ),
        "meta" => match keys::parse_meta(key) {
            Some(Meta::Head) => "the head".to_owned(),
            Some(Meta::Fence(number)) => format!("fence {number}"),
            Some(Meta::Value(name)) => format!("value {name}"),
            Some(Meta::Signed(_)) => "the session of an API key".to_owned(),
            Some(Meta::Passed(_)) => "how far a webhook was told".to_owned(),
            None => "a key that is none".to_owned(),
        },
        "touches" => keys::parse_touches(key).map_or_else(
            || "a key that is none".to_owned(),
            |(number, _)| format!("chunk {number}"),
        ),
        "devices" | "roles" => String::from_utf8_lossy(key).into_owned(),
        _ => "a record".to_owned(),
    }
}
