//! A data directory and a backup as a released disk format wrote them, kept in
//! `data/golden/`: this version and every later one opens them.
//!
//! `WRITE_DOCUMENTS=1` writes those of this version's format anew; those of
//! older formats are never touched again.

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Place, bad, good};

/// The number of this version's format.
const FORMAT: u8 = tillgate::cli::FORMAT;

fn golden(format: u8) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("data/golden/format-{format}"))
}

/// A copy of a golden directory, as a place.
fn place_of(format: u8) -> Place {
    let place = patient();
    copy_all(&golden(format).join("db"), &place.data_dir());
    let key = place.path().join("db.key");
    std::fs::copy(golden(format).join("db.key"), &key).expect("copied");
    own(&key, 0o600);
    own(&place.data_dir(), 0o700);
    place
}

/// A place that keeps what was long ago.
fn patient() -> Place {
    Place::empty()
        .option("SESSIONS__ENDED_RETENTION", "3650d")
        .option("AUDIT__RETENTION", "3650d")
        .option("WEBHOOKS__GIVE_UP_AFTER", "3650d")
}

fn own(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("set");
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
            // Git does not keep who may read a file.
            own(&target, 0o600);
        }
    }
}

/// Writes the directory and the backup of this version: every kind of record.
fn write(folder: &Path) {
    let place = Place::with_shop().option("WEBHOOKS__GIVE_UP_AFTER", "1s");
    let server = place.serve();
    let admin = server.log_in("999", "LINK");
    let over = server.log_in("1", "LINK");
    assert_eq!(server.delete("/auth", &over.token).status, 204);
    assert_eq!(server.try_log_in("2", "wrong", "BackOffice").status, 401);
    let key = json!({"name": "till", "userName": "999", "deviceName": "LINK"});
    let made = server.call("POST", "/apikeys", Some(&admin.token), &key);
    assert_eq!(made.status, 201, "{}", made.text);
    // Nobody listens there: one notification is given up, others wait.
    let hook = json!({"url": "http://127.0.0.1:1/", "secret": "s", "resources": ["session"]});
    let made = server.call("POST", "/webhooks", Some(&admin.token), &hook);
    assert_eq!(made.status, 201, "{}", made.text);
    let failures = format!(
        "/webhooks/{}/failures",
        made.json()["id"].as_str().expect("an id")
    );
    server.log_in("1", "P01");
    let given_up = || server.get(&failures, &admin.token).json()["totalCount"] != 0;
    support::eventually("a failure", given_up);
    server.log_in("2", "BackOffice");
    let file = place.path().join("golden.backup");
    good(&place, &["backup", file.to_str().expect("UTF-8")]);
    assert_eq!(server.stop().0, Some(0));
    let _ = std::fs::remove_dir_all(folder);
    copy_all(&place.data_dir(), &folder.join("db"));
    for made_anew in ["ballast", "lock"] {
        let _ = std::fs::remove_file(folder.join("db").join(made_anew));
    }
    std::fs::copy(place.path().join("db.key"), folder.join("db.key")).expect("copied");
    std::fs::copy(file, folder.join("shop.backup")).expect("copied");
}

/// Everything in a golden place is there; so many sessions were ended by a restore.
fn is_as_written(place: &Place, format: u8, restored: usize) {
    let export: Value = serde_json::from_str(&good(place, &["export"])).expect("JSON");
    let count = |kind: &str| export[kind].as_array().expect("a list").len();
    assert_eq!(
        (count("users"), count("devices"), count("roles")),
        (5, 6, 3)
    );
    let server = place.serve();
    let admin = server.log_in("999", "LINK");
    let total = |path: &str| server.get(path, &admin.token).json()["totalCount"].clone();
    assert_eq!(total("/apikeys"), 1);
    assert_eq!(total("/audit?action=loginFailed"), 1);
    assert_eq!(total("/sessions/ended?endReason=loggedOut"), 1);
    assert_eq!(total("/sessions/ended?endReason=restored"), restored);
    if format >= 2 {
        let hooks = server.get("/webhooks", &admin.token).json();
        let hook = &hooks["items"][0];
        assert_eq!(
            (&hooks["totalCount"], &hook["hasSecret"]),
            (&json!(1), &json!(true))
        );
        let failures = format!("/webhooks/{}/failures", hook["id"].as_str().expect("an id"));
        // A restore brings nothing back that hooks were to be told.
        assert_eq!(total(&failures) != 0, restored == 0);
    }
    server.stop();
}

#[test]
fn the_directory_and_the_backup_of_every_format_are_opened() {
    if std::env::var_os("WRITE_DOCUMENTS").is_some() {
        write(&golden(FORMAT));
    }
    for format in 1..=FORMAT {
        let place = place_of(format);
        good(&place, &["doctor"]);
        is_as_written(&place, format, 0);

        let file = golden(format).join("shop.backup");
        let file = file.to_str().expect("UTF-8");
        let verified = good(&place, &["backup", "verify", file]);
        assert!(
            verified.contains("is the one that belongs to it"),
            "{verified}"
        );
        let other = patient();
        std::fs::copy(place.path().join("db.key"), other.path().join("db.key")).expect("copied");
        good(&other, &["restore", file]);
        is_as_written(&other, format, if format == 1 { 2 } else { 3 });
        bad(&other, &["restore", file], 77);
    }
}
