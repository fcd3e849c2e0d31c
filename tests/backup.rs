//! Backup, verify and restore by the real binary: what is in a backup, what a
//! restore brings back, and what no restore brings back.

#[path = "backup/damage.rs"]
mod damage;
#[path = "backup/history.rs"]
mod history;
#[path = "backup/stops.rs"]
mod stops;
mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use support::{Answer, Login, Place, Server, bad, good};

/// The exit code for data that is damaged.
const DAMAGED: i32 = 65;
/// The exit code for what a rule refuses.
const REFUSED: i32 = 77;
/// The exit code for a wrong option.
const CONFIG: i32 = 78;

/// A path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("an UTF-8 path")
}

/// Another place with the installation key of the first and nothing else.
fn place_with_key_of(place: &Place) -> Place {
    let other = Place::empty();
    std::fs::copy(key_file(place), key_file(&other)).expect("the key is copied");
    other
}

fn key_file(place: &Place) -> PathBuf {
    place.path().join("db.key")
}

/// A backup of a place in a file of this name.
fn back_up(place: &Place, name: &str) -> PathBuf {
    let file = place.path().join(name);
    good(place, &["backup", arg(&file)]);
    file
}

/// A new place, restored from this backup.
fn restored(place: &Place, file: &Path) -> Place {
    let other = place_with_key_of(place);
    good(&other, &["restore", arg(file)]);
    other
}

fn refused(server: &Server, login: &Login) -> (u16, u16) {
    let exchange = json!({"tokenId": login.token, "refreshToken": login.refresh});
    let look = server.get(&format!("/sessions/{}", login.id), &login.token);
    let refresh = server.call("POST", "/auth/refresh", None, &exchange);
    (look.status, refresh.status)
}

fn ended(server: &Server, admin: &Login) -> Vec<Value> {
    let answer = server.get("/sessions/ended?$take=10000", &admin.token);
    answer.json()["items"].as_array().expect("a list").clone()
}

fn reason_of<'a>(ended: &'a [Value], login: &Login) -> Option<&'a str> {
    let session = ended.iter().find(|row| row["sessionId"] == *login.id)?;
    session["endReason"].as_str()
}

#[test]
fn after_a_restore_everything_is_there_and_nobody_is_logged_in() {
    let place = Place::with_shop();
    let server = place.serve();
    let over = server.log_in("1", "LINK");
    assert_eq!(server.delete("/auth", &over.token).status, 204);
    let live = server.log_in("2", "BackOffice");
    assert_eq!(server.try_log_in("2", "wrong", "BackOffice").status, 401);
    let file = back_up(&place, "shop.backup");
    let later = server.log_in("1", "LINK");
    let feed =
        |server: &Server, token: &str| -> Answer { server.get("/sessions/revocations", token) };
    let before = feed(&server, &server.log_in("999", "LINK").token).json();
    let users = good(&place, &["export"]);
    server.stop();

    let other = restored(&place, &file);
    let server = other.serve();

    for login in [&over, &live, &later] {
        assert_eq!(refused(&server, login), (401, 401));
    }
    assert_eq!(good(&other, &["export"]), users);
    let admin = server.log_in("999", "LINK");
    let archive = ended(&server, &admin);
    assert_eq!(reason_of(&archive, &over), Some("loggedOut"));
    assert_eq!(reason_of(&archive, &live), Some("restored"));
    assert_eq!(reason_of(&archive, &later), None);
    let audit = server.get("/audit?$take=1000", &admin.token).json();
    let actions: Vec<_> = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["action"].as_str().expect("a word").to_owned())
        .collect();
    for action in ["created", "login", "loginFailed", "restored"] {
        assert!(
            actions.contains(&action.to_owned()),
            "{action}: {actions:?}"
        );
    }
    let since = format!(
        "/sessions/revocations?since={}",
        before["cursor"].as_str().expect("a cursor")
    );
    let after = server.get(&since, &admin.token).json();
    assert_eq!(after["reset"], true);
    assert_ne!(after["epoch"], before["epoch"]);
    assert_ne!(after["kids"], before["kids"]);
    let set_up =
        json!({"code": "x", "userName": "a", "name": "a", "password": "pass", "deviceName": "d"});
    assert_eq!(server.call("POST", "/setup", None, &set_up).status, 404);
}

#[test]
fn failures_to_log_in_count_on_after_a_restore() {
    let place = Place::with_shop().option("LOCKOUT__LOCK_AFTER", "3");
    let server = place.serve();
    for _ in 0..3 {
        assert_eq!(server.try_log_in("1", "wrong", "LINK").status, 401);
    }
    let file = back_up(&place, "shop.backup");
    server.stop();
    let other = restored(&place, &file).option("LOCKOUT__LOCK_AFTER", "3");
    assert_eq!(other.serve().try_log_in("1", "pass", "LINK").status, 423);
}

#[test]
fn a_backup_of_a_stopped_store_and_one_beside_the_server_hold_the_same() {
    let place = Place::with_shop();
    let stopped = back_up(&place, "stopped.backup");
    let server = place.serve();
    let running = back_up(&place, "running.backup");
    server.stop();
    let users = good(&place, &["export"]);
    for file in [stopped, running] {
        assert_eq!(good(&restored(&place, &file), &["export"]), users);
    }
}

#[test]
fn a_backup_is_its_owners_alone_and_holds_nothing_that_logs_in() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("1", "LINK");
    let keys = server.call("GET", "/.well-known/jwks.json", None, &Value::Null);
    let file = back_up(&place, "shop.backup");
    let mode = std::fs::metadata(&file)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&file).expect("read");
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let key = std::fs::read_to_string(key_file(&place)).expect("read");
    let kid = keys.json()["keys"][0]["kid"].clone();
    for secret in [
        login.token.as_str(),
        &login.refresh,
        key.lines().nth(1).expect("the key's digits"),
        kid.as_str().expect("a name"),
        "signing-keys\u{0}",
    ] {
        assert!(!holds(secret.as_bytes()));
    }
    assert!(holds(login.id.as_bytes()), "ids are no credentials");
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let place = Place::with_shop();
    let file = back_up(&place, "shop.backup");
    let before = std::fs::read(&file).expect("read");
    let said = bad(&place, &["backup", arg(&file)], REFUSED);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
    let said = bad(&place, &["restore", arg(&file)], REFUSED);
    assert!(
        said.contains("not empty") && said.contains("--data-dir"),
        "{said}"
    );
    let nowhere = place.path().join("no/such/folder/a.backup");
    let said = bad(&place, &["backup", arg(&nowhere)], 74);
    assert!(said.contains("choose a place"), "{said}");
    assert!(bad(&place, &["backup", "verify", "none"], 66).contains("none"));
}

#[test]
fn a_restore_says_which_key_is_missing_before_it_makes_anything() {
    let place = Place::with_shop();
    let server = place.serve();
    let admin = server.log_in("999", "LINK");
    let key = json!({"name": "till", "userName": "999", "deviceName": "LINK"});
    let made = server.call("POST", "/apikeys", Some(&admin.token), &key);
    assert_eq!(made.status, 201, "{}", made.text);
    let file = back_up(&place, "shop.backup");
    server.stop();

    let other = Place::empty();
    let said = bad(&other, &["restore", arg(&file)], CONFIG);
    assert!(
        said.contains("db.key") && said.contains("--without-key"),
        "{said}"
    );
    assert!(!other.data_dir().exists() && !key_file(&other).exists());
    let verified = good(&other, &["backup", "verify", arg(&file)]);
    assert!(verified.contains("is not there"), "{verified}");

    good(&other, &["restore", arg(&file), "--without-key"]);
    assert!(good(&other, &["user", "list"]).contains("999"));
    good(&place_with_key_of(&place), &["restore", arg(&file)]);
}
