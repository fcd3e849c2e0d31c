//! From one disk format to the next: a backup first, nothing lost, and an older
//! version that refuses. `--fault-format` makes a server one of the next version,
//! whose records differ in their number only; `tests/golden_store.rs` opens what
//! older versions have really written.

#![cfg(feature = "faults")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use support::{Place, Server, bad, eventually, good};

/// The number of the format of this version.
const FORMAT: u8 = tillgate::cli::FORMAT;

/// The number of the next version's format.
const NEXT: &str = "5";
/// The exit code for data of a newer version.
const NEWER: i32 = 76;

/// A server of the next version.
fn serve_next(place: &Place) -> Server {
    Server::start(place.command(&next_args()))
}

fn next_args() -> [&'static str; 5] {
    ["serve", "--listen", "127.0.0.1:0", "--fault-format", NEXT]
}

/// The backups that upgrades have made of a place.
fn backups_beside(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.path()).expect("read");
    let paths = entries.map(|entry| entry.expect("read").path());
    paths
        .filter(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            name.starts_with(&format!("db.format-{FORMAT}.")) && name.ends_with(".backup")
        })
        .collect()
}

#[test]
fn a_newer_version_upgrades_behind_a_backup_and_nobody_is_logged_out() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("1", "LINK");
    let over = server.log_in("999", "P01");
    assert_eq!(server.delete("/auth", &over.token).status, 204);
    server.try_log_in("1", "wrong", "LINK");
    server.stop();
    let export = good(&place, &["export"]);
    let before = place.serve();
    let look = |server: &Server| server.get(&format!("/sessions/{}", login.id), &login.token);
    let version = look(&before).json()["_v"].as_u64().expect("a number");
    before.stop();

    let next = serve_next(&place);

    let seen = look(&next);
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert_eq!(
        seen.json()["_v"].as_u64(),
        Some(version + 1),
        "no version was lost"
    );
    let admin = next.log_in("999", "LINK");
    let ended = next.get("/sessions/ended?$take=10", &admin.token).json();
    assert_eq!(ended["items"][0]["sessionId"], *over.id);
    let (_, log) = next.stop();
    let upgraded = format!("upgraded from disk format {FORMAT} to {NEXT}");
    assert!(log.contains(&upgraded), "{log}");
    let backups = backups_beside(&place);
    assert_eq!(backups.len(), 1, "{backups:?}");
    let (_, log) = serve_next(&place).stop();
    assert!(!log.contains("upgraded"), "once is enough: {log}");

    // The way back to the older version is that backup.
    let other = Place::empty();
    std::fs::copy(place.path().join("db.key"), other.path().join("db.key")).expect("copied");
    let file = backups[0].to_str().expect("UTF-8");
    let said = good(&other, &["backup", "verify", file]);
    assert!(said.contains(&format!("format  {FORMAT}")), "{said}");
    good(&other, &["restore", file]);
    assert_eq!(good(&other, &["export"]), export);
}

#[test]
fn an_older_version_refuses_with_a_code_of_its_own_and_changes_nothing() {
    let place = Place::with_shop();
    let server = serve_next(&place);
    let login = server.log_in("1", "LINK");
    server.stop();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let said = bad(&place, command, NEWER);
        assert!(said.contains(&format!("disk format {NEXT}")), "{said}");
        assert!(said.contains("install the newer tillgate again"), "{said}");
    }
    let server = serve_next(&place);
    let seen = server.get(&format!("/sessions/{}", login.id), &login.token);
    assert_eq!(seen.status, 200, "{}", seen.text);
    let file = place.path().join("next.backup");
    let name = file.to_str().expect("UTF-8");
    good(&place, &["backup", name]);
    server.stop();
    let said = bad(&place, &["backup", "verify", name], NEWER);
    assert!(said.contains("use the newer tillgate"), "{said}");
}

#[test]
fn without_room_for_the_backup_there_is_no_upgrade() {
    let place = Place::with_shop();
    let before = good(&place, &["export"]);
    // Something that is no backup has every name that it could get.
    for group in 0..100 {
        let name = format!("db.format-{FORMAT}.{group}.backup");
        std::fs::write(place.path().join(name), "not a backup").expect("written");
    }
    let said = bad(&place, &next_args(), 74);
    assert!(
        said.contains("backup that comes before the upgrade"),
        "{said}"
    );
    assert_eq!(
        good(&place, &["export"]),
        before,
        "the older version goes on"
    );
}

#[test]
fn a_killed_upgrade_goes_on_at_the_next_start_and_loses_nothing() {
    let place = Place::with_shop();
    let server = place.serve();
    let logins: Vec<_> = (0..1_500).map(|_| server.log_in("1", "LINK")).collect();
    server.stop();
    let mut half = 0;
    for n in 0..12 {
        let copy = copy_of(&place);
        let mut command = copy.command(&next_args());
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        // The backup has its name: records are written from here on.
        eventually("a backup", || backups_beside(&copy).len() == 1);
        std::thread::sleep(Duration::from_millis(2 * n));
        child.kill().expect("it ran");
        child.wait().expect("it ends");
        let server = serve_next(&copy);
        for login in [&logins[0], &logins[700], &logins[1_499]] {
            let seen = server.get(&format!("/sessions/{}", login.id), &login.token);
            assert_eq!(seen.status, 200, "{n}: {}", seen.text);
        }
        let page = server.get("/sessions?$take=1", &logins[0].token).json();
        assert_eq!(page["totalCount"], 1_500, "{n}");
        let (_, log) = server.stop();
        half += usize::from(log.contains("upgraded"));
        bad(&copy, &["user", "list"], NEWER);
    }
    println!("{half} of 12 kills hit an upgrade half-way");
    assert!(
        half > 0,
        "no kill hit an upgrade: it takes other times on this machine"
    );
}

/// Another place with the same bytes.
fn copy_of(place: &Place) -> Place {
    let copy = Place::empty();
    copy_all(&place.data_dir(), &copy.data_dir());
    std::fs::copy(place.path().join("db.key"), copy.path().join("db.key")).expect("copied");
    copy
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else if entry.file_name() != "ballast" {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
