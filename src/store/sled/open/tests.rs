//! Opening: what was written comes back whole, and what can not be trusted
//! never comes back at all.

use std::path::Path;

use super::*;
use crate::model::{
    Actor, AuthenticationType, DirectoryChange, Identity, Mode, Precondition, RoleInput, RoleName,
    Session, SessionId, UserName, Version,
};
use crate::store::sled::disk::Trees;
use crate::store::sled::record::Record;

const WALL: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn record(written: u64, n: u64) -> Record {
    let at = WALL.plus(std::time::Duration::from_millis(n));
    Record {
        session: Session {
            id: SessionId::draw(),
            identity: Identity {
                user_name: UserName::parse(&format!("u{}", n % 7)).expect("a name"),
                device_name: crate::model::DeviceName::parse("LINK").expect("a name"),
                env: crate::model::Env::Tool,
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: at,
            expires_at: at.plus(std::time::Duration::from_secs(3600)),
            last_access_at: at,
            version: Version(1),
        },
        ceiling: Version(65),
        began: written,
        written,
        tokens: None,
    }
}

/// Writes one group as the writer does.
fn group(disk: &mut SledDisk, head: &Head, fill: impl FnOnce(&mut Batch)) -> Head {
    let mut batch = Batch::new(head, WALL);
    fill(&mut batch);
    disk.commit(&batch).expect("committed");
    disk.sync(&batch).expect("synced");
    batch.into_head()
}

fn with_role(directory: &Directory, name: &str) -> Directory {
    let input = RoleInput {
        name: RoleName::parse(name).expect("a name"),
        label: name.to_owned(),
        description: String::new(),
        rights: Vec::new(),
        env_names: Vec::new(),
    };
    let change = DirectoryChange::PutRole {
        mode: Mode::Create,
        input,
    };
    let decision = directory
        .decide(&change, &Precondition::default(), &Actor::System)
        .expect("allowed");
    let mut directory = directory.clone();
    directory.apply(&decision);
    directory
}

/// A directory with twenty sessions in ten groups, and a role.
fn filled(dir: &Path) -> (Records, Head) {
    let Loaded {
        mut disk,
        mut head,
        directory,
        ..
    } = open(dir, WALL).expect("opens");
    let directory = with_role(&directory, "cashier");
    head = group(&mut disk, &head, |batch| {
        directory.roles().for_each(|role| batch.put_role(role));
        batch.rewrite_base(&directory);
    });
    let mut records = Vec::new();
    for n in 0..10 {
        head = group(&mut disk, &head, |batch| {
            for k in 0..2 {
                let record = record(batch.commit(), n * 2 + k);
                batch.put_session(&record, None);
                records.push(record);
            }
        });
    }
    records.sort_by_key(|record| record.session.id);
    (records.into_iter().collect(), head)
}

/// A handle of the database's file that is locked, as sled's last thread may
/// have one for a moment after the database was closed.
fn hold_the_file(dir: &Path) -> File {
    let file = File::open(SledDisk::db_dir(dir).join("db")).expect("there");
    // sled lets go in its own time here, too.
    file.lock().expect("locked");
    file
}

#[test]
fn a_database_that_is_not_let_go_of_yet_is_waited_for_and_opens_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let loaded = open(dir.path(), WALL).expect("opens");
    let head = loaded.head.clone();
    drop(loaded);
    let held = hold_the_file(dir.path());
    let holder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(held);
    });
    let again = open(dir.path(), WALL).expect("opens");
    holder.join().expect("no panic");
    assert_eq!(again.notices, []);
    assert_eq!(again.head, head);
}

#[test]
fn a_database_that_somebody_else_holds_is_refused_and_stays_where_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(open(dir.path(), WALL).expect("opens"));
    let held = hold_the_file(dir.path());
    let refused = open(dir.path(), WALL);
    assert!(
        matches!(refused, Err(OpenError::Locked { .. })),
        "{refused:?}"
    );
    drop(held);
    assert_eq!(open(dir.path(), WALL).expect("opens").notices, []);
}

#[test]
fn what_was_written_is_read_and_nothing_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let (records, head) = filled(dir.path());
    let loaded = open(dir.path(), WALL).expect("opens");
    assert_eq!(loaded.sessions, records);
    assert_eq!(loaded.head, head);
    assert_eq!(loaded.notices, []);
    assert_eq!(loaded.directory.roles().count(), 1);
    drop(loaded);
    let verified = crate::store::sled::verify::verify(dir.path()).expect("opens");
    assert_eq!((verified.sessions, verified.problems), (20, Vec::new()));
}

/// Enough for the database to be opened a second time.
#[test]
fn a_start_that_read_much_goes_on_where_the_last_one_stopped() {
    let dir = tempfile::tempdir().expect("a folder");
    let (records, mut head) = filled(dir.path());
    let mut records: Vec<_> = records.iter().cloned().collect();
    for _ in 0..3 {
        let mut loaded = open(dir.path(), WALL).expect("opens");
        assert_eq!((&loaded.head, loaded.notices.len()), (&head, 0));
        records.sort_by_key(|record| record.session.id);
        assert_eq!(loaded.sessions, records.iter().cloned().collect());
        for _ in 0..6 {
            head = group(&mut loaded.disk, &head, |batch| {
                for n in 0..1_000 {
                    let record = record(batch.commit(), n);
                    batch.put_session(&record, None);
                    records.push(record);
                }
            });
        }
    }
    let count = u64::try_from(records.len()).expect("some thousand");
    assert!(OPENED_TWICE.contains(&count));
    let verified = crate::store::sled::verify::verify(dir.path()).expect("opens");
    assert_eq!((verified.sessions, verified.problems), (count, Vec::new()));
}

#[test]
fn a_second_process_is_refused_with_the_option_to_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let held = open(dir.path(), WALL).expect("opens");
    let refused = open(dir.path(), WALL).expect_err("in use").to_string();
    assert!(
        refused.contains("--data-dir") && refused.contains("in use"),
        "{refused}"
    );
    drop(held);
    assert!(open(dir.path(), WALL).is_ok());
}

#[test]
fn a_database_behind_the_side_file_is_not_trusted() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_, head) = filled(dir.path());
    let (mut side, _) = Side::open(&dir.path().join("side")).expect("opens");
    side.note(head.commit() + 1, head.epoch()).expect("written");
    drop(side);

    let loaded = open(dir.path(), WALL).expect("opens");

    assert!(loaded.sessions.is_empty());
    assert!(loaded.head.epoch() > head.epoch());
    assert!(loaded.head.commit() > head.commit() + 1);
    assert_eq!(loaded.directory.roles().count(), 1);
    assert!(matches!(
        loaded.notices.as_slice(),
        [Notice::Quarantined { .. }]
    ));
    assert_eq!(loaded.installation, *head.installation);
}

#[test]
fn a_lost_database_is_built_again_from_the_base_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_, head) = filled(dir.path());
    std::fs::remove_dir_all(dir.path().join("db")).expect("removed");
    let loaded = open(dir.path(), WALL).expect("opens");
    assert_eq!(loaded.notices, [Notice::DatabaseMissing]);
    assert!(loaded.head.epoch() > head.epoch());
    assert_eq!(loaded.directory.roles().count(), 1);
    let epoch = loaded.head.epoch();
    drop(loaded);
    let again = open(dir.path(), WALL).expect("opens");
    assert_eq!((again.head.epoch(), again.notices.len()), (epoch, 0));
}

/// Only the database still knows the directory, and the start stops between
/// its move and the new one.
#[test]
fn a_stop_between_quarantine_and_new_database_loses_nobody() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_, head) = filled(dir.path());
    for name in ["base.1", "base.2"] {
        std::fs::remove_file(dir.path().join(name)).expect("removed");
    }
    let (side, seen) = Side::open(&dir.path().join("side")).expect("opens");
    let trees = Trees::open(&SledDisk::db_dir(dir.path())).expect("opens");
    let contents = read::all(&trees).expect("whole");
    drop(trees);
    let mut opening = Opening {
        dir: dir.path().to_owned(),
        wall: WALL,
        lock: lock(dir.path()).expect("free"),
        side,
        seen,
        files: BaseFiles::find(dir.path()).expect("readable").files,
        base: None,
        notices: Vec::new(),
        large: u64::MAX,
    };
    opening
        .set_aside("the test says so".to_owned(), Some(contents))
        .expect("moved");
    drop(opening);

    let loaded = open(dir.path(), WALL).expect("opens");

    assert_eq!(loaded.directory.roles().count(), 1);
    assert!(loaded.sessions.is_empty());
    assert!(loaded.head.epoch() > head.epoch());
    assert!(loaded.head.commit() > head.commit());
    assert_eq!(loaded.installation, *head.installation);
}

#[test]
fn a_place_where_a_shop_was_lost_is_not_taken_for_a_new_one() {
    for damage in ["cut", "gone"] {
        let dir = tempfile::tempdir().expect("a folder");
        filled(dir.path());
        std::fs::remove_dir_all(dir.path().join("db")).expect("removed");
        for name in ["base.1", "base.2"] {
            let path = dir.path().join(name);
            match damage {
                "cut" => std::fs::write(path, "TILL").expect("written"),
                _ => std::fs::remove_file(path).expect("removed"),
            }
        }
        let opened = open(dir.path(), WALL);
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{damage}");
    }
}

#[test]
fn a_lost_base_file_is_written_again_from_the_database() {
    let dir = tempfile::tempdir().expect("a folder");
    let (records, _) = filled(dir.path());
    for name in ["base.1", "base.2"] {
        std::fs::remove_file(dir.path().join(name)).expect("removed");
    }
    let loaded = open(dir.path(), WALL).expect("opens");
    assert_eq!(
        (loaded.sessions, loaded.notices),
        (records, vec![Notice::BaseRewritten])
    );
    drop(loaded.disk);
    let found = BaseFiles::find(dir.path()).expect("readable");
    assert_eq!(
        found
            .newest
            .expect("a base")
            .directory()
            .expect("good")
            .roles()
            .count(),
        1
    );
}

#[test]
fn a_torn_snapshot_costs_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (records, _) = filled(dir.path());
    let mut torn = 0;
    for entry in std::fs::read_dir(dir.path().join("db")).expect("readable") {
        let path = entry.expect("readable").path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("snap."))
        {
            let bytes = std::fs::read(&path).expect("read");
            std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
            torn += 1;
        }
    }
    let loaded = open(dir.path(), WALL).expect("opens");
    assert_eq!(loaded.sessions, records);
    assert_eq!(loaded.notices, vec![Notice::SnapshotMovedAside; torn]);
}

#[test]
fn a_record_that_is_older_than_it_should_be_is_noticed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (records, head) = filled(dir.path());
    // Behind the writer's back: an ended session comes back, as after a lost write.
    let trees = Trees::open(&SledDisk::db_dir(dir.path())).expect("opens");
    let back = record(1, 99);
    let value = super::super::codec::encode_session(&back);
    trees
        .sessions
        .insert(back.session.id.as_bytes(), value)
        .expect("written");
    trees.db.flush().expect("flushed");
    drop(trees);
    let loaded = open(dir.path(), WALL).expect("opens");
    assert_eq!((loaded.sessions.len(), records.len()), (0, 20));
    assert!(loaded.head.epoch() > head.epoch());
}

/// A record as a newer version would have written it.
fn of_a_newer_version(record: &[u8]) -> Vec<u8> {
    let mut record = record.to_vec();
    record[0] += 1;
    let end = record.len() - 4;
    let checksum = crc32fast::hash(&record[..end]);
    record[end..].copy_from_slice(&checksum.to_le_bytes());
    record
}

/// The database as it is now is refused as a newer version's, and stays in its place.
fn is_left_alone(dir: &Path, trees: Trees) {
    trees.db.flush().expect("flushed");
    drop(trees);
    assert!(matches!(open(dir, WALL), Err(OpenError::Newer { .. })));
    assert!(dir.join("db").exists());
}

#[test]
fn a_newer_format_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path());
    let trees = Trees::open(&SledDisk::db_dir(dir.path())).expect("opens");
    let head = trees.meta.get("head").expect("read").expect("there");
    trees
        .meta
        .insert("head", of_a_newer_version(&head))
        .expect("written");
    is_left_alone(dir.path(), trees);
}

#[test]
fn a_newer_format_is_left_alone_whatever_else_is_damaged() {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path());
    let trees = Trees::open(&SledDisk::db_dir(dir.path())).expect("opens");
    // What is damaged is read before the sessions.
    trees.audit.insert(b"no number", b"").expect("written");
    trees.ended.insert(b"no instant", b"").expect("written");
    let (id, record) = trees.sessions.last().expect("read").expect("there");
    trees
        .sessions
        .insert(id, of_a_newer_version(&record))
        .expect("written");
    is_left_alone(dir.path(), trees);
}

#[test]
fn quarantines_do_not_pile_up() {
    let dir = tempfile::tempdir().expect("a folder");
    for _ in 0..4 {
        let Loaded { head, disk, .. } = open(dir.path(), WALL).expect("opens");
        drop(disk);
        let (mut side, _) = Side::open(&dir.path().join("side")).expect("opens");
        side.note(head.commit() + 1, head.epoch()).expect("written");
    }
    let quarantined = std::fs::read_dir(dir.path())
        .expect("readable")
        .filter(|entry| {
            let name = entry.as_ref().expect("readable").file_name();
            name.to_string_lossy().starts_with("quarantine-")
        })
        .count();
    assert_eq!(quarantined, 2);
}

/// Flips in a closed directory: whatever opens is either all of it, or nothing
/// but users, devices and roles in a new epoch.
#[test]
fn one_flipped_bit_never_makes_a_silently_shorter_store() {
    let dir = tempfile::tempdir().expect("a folder");
    let (records, head) = filled(dir.path());
    let places = files(dir.path());
    let bytes: usize = places.iter().map(|(_, bytes)| bytes.len()).sum();
    let (mut identical, mut anew) = (0, 0);
    for n in 0..FLIPS {
        let copy = tempfile::tempdir().expect("a folder");
        let mut at = (bytes / FLIPS * n) + rand::random_range(0..bytes / FLIPS);
        for (name, bytes) in &places {
            let path = copy.path().join(name);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            let mut bytes = bytes.clone();
            if at < bytes.len() {
                bytes[at] ^= 1 << rand::random_range(0..8);
                at = usize::MAX;
            } else if at != usize::MAX {
                at -= bytes.len();
            }
            std::fs::write(path, bytes).expect("written");
        }

        let loaded = open(copy.path(), WALL).expect("opens");

        assert_eq!(loaded.directory.roles().count(), 1);
        if loaded.head.epoch() == head.epoch() {
            assert_eq!(loaded.sessions, records);
            identical += 1;
        } else {
            assert!(loaded.sessions.is_empty());
            anew += 1;
        }
    }
    assert_eq!(identical + anew, FLIPS);
}

const FLIPS: usize = 64;

fn files(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for place in [dir.to_owned(), dir.join("db")] {
        for entry in std::fs::read_dir(place).expect("readable") {
            let path = entry.expect("readable").path();
            let ballast = path.ends_with("ballast");
            if path.is_file() && !ballast {
                let name = path.strip_prefix(dir).expect("inside").to_owned();
                files.push((name, std::fs::read(&path).expect("read")));
            }
        }
    }
    files
}
