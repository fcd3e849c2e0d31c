//! `tillgate doctor` over real data directories, whole and damaged: what it
//! finds, what it repairs, what its exit code says, and that nothing which has
//! ended comes back.

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Login, Place, bad, good, out};

// The exit codes that `tillgate doctor --help` documents.
const GOOD: i32 = 0;
const REPAIRED: i32 = 3;
const FAULTS: i32 = 65;
const NO_INPUT: i32 = 66;
const TEMPORARY: i32 = 75;

/// A closed shop, a session that lives in it and one that has ended.
struct Closed {
    place: Place,
    live: Login,
    ended: Login,
}

impl Closed {
    fn make() -> Self {
        let place = Place::with_shop();
        let server = place.serve();
        let live = server.log_in("999", "BackOffice");
        let ended = server.log_in("1", "P01");
        assert_eq!(server.delete("/api/auth", &ended.token).status, 204);
        assert_eq!(server.stop().0, Some(0));
        Self { place, live, ended }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.data_dir().join(name)
    }

    /// Runs the doctor; its exit code and what it found.
    fn doctor(&self, args: &[&str]) -> (i32, Value) {
        let args = [&["doctor", "--json"], args].concat();
        let output = self.place.run(&args);
        let code = output.status.code().expect("it ends by itself");
        let said = out(&output);
        let errors = support::err(&output);
        assert!(!errors.contains("panicked"), "{errors}");
        let report = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{errors}"));
        (code, report)
    }

    /// Finds something in this file that `--fix` repairs for good.
    fn is_repaired(&self, file: &str) -> String {
        let (code, found) = self.doctor(&[]);
        assert_eq!(code, FAULTS, "{found:#}");
        assert!(names(&found["faults"], file), "{file}: {found:#}");
        let (code, fixed) = self.doctor(&["--fix"]);
        assert_eq!(code, REPAIRED, "{fixed:#}");
        assert!(names(&fixed["repaired"], file), "{file}: {fixed:#}");
        let (code, again) = self.doctor(&[]);
        assert_eq!(
            (code, &again["faults"]),
            (GOOD, &Value::from(Vec::<Value>::new()))
        );
        found["faults"].to_string()
    }

    /// A start keeps the live session, or gives all up; the ended one is over.
    fn serves(&self, keeps_sessions: bool) {
        let server = self.place.serve();
        let expected = if keeps_sessions { 200 } else { 401 };
        assert_eq!(server.get("/api/auth", &self.live.token).status, expected);
        assert_eq!(server.get("/api/auth", &self.ended.token).status, 401);
        let login = server.log_in("999", "BackOffice");
        let path = "/sessions?userName=999&$count=true";
        let count = server.get(path, &login.token).json()["totalCount"].clone();
        assert_eq!(count, 1 + u64::from(keeps_sessions));
        assert_eq!(server.delete("/api/auth", &login.token).status, 204);
    }
}

fn names(faults: &Value, file: &str) -> bool {
    let faults = faults.as_array().expect("a list");
    faults.iter().any(|fault| {
        let text = |name: &str| fault[name].as_str().expect("a text").to_owned();
        text("file").contains(file) && !text("what").is_empty() && !text("remedy").is_empty()
    })
}

/// The bytes of every file below a folder.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(bytes(&path));
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            found.insert(path.clone(), std::fs::read(&path).expect("a file"));
        }
    }
    found
}

fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).expect("a file");
    bytes[at] ^= 4;
    std::fs::write(file, bytes).expect("written");
}

fn open(place: &Place) -> sled::Db {
    let db = sled::Config::new().path(place.data_dir().join("db"));
    db.open().expect("the database opens")
}

#[test]
fn a_sound_directory_has_nothing_wrong_and_is_not_changed() {
    let closed = Closed::make();
    let before = bytes(closed.place.path());

    let (code, report) = closed.doctor(&[]);

    assert_eq!(code, GOOD, "{report:#}");
    assert_eq!(report["sessions"], 1);
    assert!(report["group"].as_u64() > Some(0) && report["epoch"] == 1);
    assert_eq!(bytes(closed.place.path()), before);
    assert!(good(&closed.place, &["doctor"]).contains("Nothing is wrong."));
    assert_eq!(closed.doctor(&["--fix"]).0, GOOD);
    closed.serves(true);
}

#[test]
fn the_report_for_scripts_has_the_members_that_are_documented() {
    let closed = Closed::make();
    std::fs::remove_file(closed.place.path().join("db.key")).expect("a key");

    let (code, report) = closed.doctor(&[]);

    assert_eq!(code, FAULTS, "{report:#}");
    let members = |value: &Value| -> Vec<String> {
        let object = value.as_object().expect("an object");
        object.keys().cloned().collect()
    };
    let documented = [
        "dataDir",
        "diskFormat",
        "epoch",
        "faults",
        "group",
        "notes",
        "repaired",
        "sessions",
    ];
    assert_eq!(members(&report), documented);
    assert_eq!(
        members(&report["faults"][0]),
        ["file", "place", "remedy", "what"]
    );
    assert!(report["dataDir"].is_string() && report["diskFormat"].is_u64());
    assert_eq!(report["repaired"], Value::Array(Vec::new()));
    // The page for operators names each of them.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operation.md");
    let page = std::fs::read_to_string(page).expect("a page");
    for member in documented
        .iter()
        .chain(&["file", "place", "remedy", "what"])
    {
        assert!(page.contains(&format!("`{member}`")), "{member}");
    }
}

#[test]
fn the_doctor_of_a_killed_server_finds_nothing() {
    let closed = Closed::make();
    let server = closed.place.serve();
    server.get("/api/auth", &closed.live.token);
    server.kill();
    assert_eq!(closed.doctor(&[]).0, GOOD);
    closed.serves(true);
}

#[test]
fn beside_a_running_server_the_doctor_refuses() {
    let place = Place::with_shop();
    let server = place.serve();
    for args in [&["doctor"][..], &["doctor", "--fix"]] {
        let said = bad(&place, args, TEMPORARY);
        assert!(said.contains("stop it"), "{said}");
    }
    // Also where the control socket is gone.
    std::fs::remove_file(place.data_dir().join("control.sock")).expect("a socket");
    let said = bad(&place, &["doctor"], TEMPORARY);
    assert!(said.contains("in use"), "{said}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let said = bad(&Place::empty(), &["doctor"], NO_INPUT);
    assert!(said.contains("--data-dir"), "{said}");
}

#[test]
fn lost_index_entries_are_made_again_from_the_sessions() {
    for tree in ["by_user", "by_last_access"] {
        let closed = Closed::make();
        let db = open(&closed.place);
        db.open_tree(tree)
            .expect("the tree")
            .clear()
            .expect("cleared");
        drop(db);

        let found = closed.is_repaired("db");

        let named = format!("tree {tree}, session {}..", &closed.live.id[..6]);
        assert!(found.contains(&named), "{named}: {found}");
        closed.serves(true);
    }
}

#[test]
fn an_index_entry_without_a_session_is_taken_away() {
    let closed = Closed::make();
    let db = open(&closed.place);
    let mut key = b"999\0".to_vec();
    key.extend_from_slice(closed.ended.id.as_bytes());
    db.open_tree("by_user")
        .expect("the tree")
        .insert(key, b"")
        .expect("inserted");
    drop(db);

    let found = closed.is_repaired("db");

    assert!(found.contains("has no record"), "{found}");
    closed.serves(true);
}

#[test]
fn a_lost_ending_gives_all_sessions_up() {
    let closed = Closed::make();
    let db = open(&closed.place);
    db.open_tree("ended")
        .expect("the tree")
        .clear()
        .expect("cleared");
    drop(db);
    assert!(closed.is_repaired("db").contains("tree ended"));
    closed.serves(false);
}

#[test]
fn a_damaged_record_is_named_and_never_served() {
    let closed = Closed::make();
    let db = open(&closed.place);
    let sessions = db.open_tree("sessions").expect("the tree");
    let id = closed.live.id.as_bytes();
    let mut record = sessions.get(id).expect("read").expect("there").to_vec();
    record[9] ^= 1;
    sessions.insert(id, record).expect("inserted");
    drop((sessions, db));

    let found = closed.is_repaired("db");

    let named = format!("tree sessions, session {}..", &closed.live.id[..6]);
    assert!(
        found.contains(&named) && found.contains("checksum"),
        "{found}"
    );
    assert!(!found.contains(&closed.live.id), "a whole id is shown");
    closed.serves(false);
}

#[test]
fn a_database_that_was_cut_or_taken_away_begins_anew_with_the_users() {
    let cut = Closed::make();
    let file = std::fs::File::options()
        .write(true)
        .open(cut.file("db/db"))
        .expect("the database");
    file.set_len(4096).expect("cut");
    cut.is_repaired("db");
    cut.serves(false);

    let gone = Closed::make();
    std::fs::remove_dir_all(gone.file("db")).expect("removed");
    assert!(gone.is_repaired("db").contains("missing"));
    gone.serves(false);
}

#[test]
fn what_stands_beside_the_database_is_repaired_and_the_sessions_stay() {
    let closed = Closed::make();
    for base in ["base.1", "base.2"] {
        let file = closed.file(base);
        let length = std::fs::read(&file).expect("a base file").len();
        flip(&file, length / 2);
        assert!(closed.is_repaired(base).contains("checksum"));
    }
    flip(&closed.file("side"), 3);
    assert!(closed.is_repaired("side").contains("bytes 0 to 23"));
    std::fs::remove_file(closed.file("side")).expect("removed");
    assert!(closed.is_repaired("side").contains("missing"));
    for base in ["base.1", "base.2"] {
        std::fs::remove_file(closed.file(base)).expect("removed");
    }
    closed.is_repaired("base.1");
    closed.serves(true);
}

#[test]
fn rights_of_others_are_taken_away() {
    let closed = Closed::make();
    let mode = |path: &Path, mode| {
        let rights = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, rights).expect("the mode is set");
    };
    mode(&closed.place.data_dir(), 0o755);
    assert!(closed.is_repaired(".").contains("755"));
    mode(&closed.file("base.1"), 0o644);
    assert!(closed.is_repaired("base.1").contains("644"));
    let key = closed.place.path().join("db.key");
    mode(&key, 0o640);
    assert!(closed.is_repaired("db.key").contains("640"));
    closed.serves(true);
}

#[test]
fn a_key_file_that_is_missing_or_of_another_shop_is_no_matter_for_repair() {
    let closed = Closed::make();
    let key = closed.place.path().join("db.key");
    let right = std::fs::read(&key).expect("the key");
    for other in [None, Some(Closed::make())] {
        std::fs::remove_file(&key).expect("removed");
        if let Some(other) = &other {
            std::fs::copy(other.place.path().join("db.key"), &key).expect("copied");
        }
        for args in [&[][..], &["--fix"]] {
            let (code, found) = closed.doctor(args);
            assert_eq!(code, FAULTS, "{found:#}");
            assert!(names(&found["faults"], "db.key"), "{found:#}");
        }
        assert_eq!(key.exists(), other.is_some(), "the doctor makes no key");
        std::fs::write(&key, &right).expect("written");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("mode");
    }
    assert_eq!(closed.doctor(&[]).0, GOOD);
    closed.serves(true);
}

#[test]
fn where_nothing_can_be_read_any_more_the_doctor_says_what_is_left_to_do() {
    let closed = Closed::make();
    std::fs::remove_dir_all(closed.file("db")).expect("removed");
    for base in ["base.1", "base.2"] {
        std::fs::remove_file(closed.file(base)).expect("removed");
    }
    let (code, found) = closed.doctor(&["--fix"]);
    assert_eq!(code, FAULTS);
    assert!(found.to_string().contains("from a backup"), "{found:#}");
}

#[test]
fn an_older_database_put_back_is_found() {
    let closed = Closed::make();
    let kept = tempfile::tempdir().expect("a folder");
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([from, to])
            .status();
        assert!(copied.is_ok_and(|status| status.success()));
    };
    copy(&closed.file("db"), &kept.path().join("db"));
    let server = closed.place.serve();
    assert_eq!(server.delete("/api/auth", &closed.live.token).status, 204);
    assert_eq!(server.stop().0, Some(0));
    std::fs::remove_dir_all(closed.file("db")).expect("removed");
    copy(&kept.path().join("db"), &closed.file("db"));

    assert!(closed.is_repaired("db").contains("was once written"));
    closed.serves(false);
}

#[test]
fn a_directory_made_from_a_backup_is_sound() {
    let closed = Closed::make();
    good(&closed.place, &["backup", "shop.backup"]);
    let restored = Place::empty();
    let backup = closed.place.path().join("shop.backup");
    // The key file comes along by hand.
    let key = restored.path().join("db.key");
    std::fs::copy(closed.place.path().join("db.key"), key).expect("copied");
    good(&restored, &["restore", backup.to_str().expect("UTF-8")]);

    assert!(good(&restored, &["doctor"]).contains("Nothing is wrong."));
    let server = restored.serve();
    assert_eq!(server.get("/api/auth", &closed.ended.token).status, 401);
    server.log_in("999", "BackOffice");
    assert_eq!(server.stop().0, Some(0));
    assert!(good(&restored, &["doctor"]).contains("Nothing is wrong."));
}

#[test]
fn a_repair_that_is_killed_on_the_way_loses_no_session_and_is_repeated() {
    let closed = Closed::make();
    let db = open(&closed.place);
    let index = db.open_tree("by_user").expect("the tree");
    index.clear().expect("cleared");
    drop((index, db));
    // Killed later and later, until one comes through.
    for wait in (0..10_000).step_by(15) {
        let mut doctor = closed.place.command(&["doctor", "--fix"]);
        doctor.stdout(std::process::Stdio::null());
        doctor.stderr(std::process::Stdio::null());
        let mut doctor = doctor.spawn().expect("the binary runs");
        std::thread::sleep(std::time::Duration::from_millis(wait));
        doctor.kill().expect("it is a child");
        let ended = doctor.wait().expect("it ends");
        if ended.code() == Some(REPAIRED) || ended.code() == Some(GOOD) {
            break;
        }
        assert_eq!(ended.code(), None, "killed");
    }
    assert_eq!(closed.doctor(&[]).0, GOOD);
    closed.serves(true);
}
