//! The server's own backups: by the clock, by the API, and what health says.

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Answer, Place, Server, eventually, good};

/// A shop that keeps backups in a folder of its own.
fn shop(every: &str, keep: &str) -> Place {
    Place::with_shop()
        .option("BACKUP__DIRECTORY", "backups")
        .option("BACKUP__EVERY", every)
        .option("BACKUP__KEEP", keep)
}

fn folder(place: &Place) -> PathBuf {
    place.path().join("backups")
}

fn files(place: &Place) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder(place)) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("read").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn health(server: &Server) -> Value {
    let answer = server.call("GET", "/health", None, &Value::Null);
    answer.json()["entries"]["backup"].clone()
}

fn make(server: &Server, token: &str) -> Answer {
    server.call("POST", "/backups", Some(token), &Value::Null)
}

#[test]
fn a_backup_that_an_administrator_asks_for_is_listed_and_can_be_restored() {
    let place = shop("off", "3");
    let server = place.serve();
    let admin = server.log_in("999", "LINK").token;
    let cashier = server.log_in("1", "LINK").token;
    assert_eq!(make(&server, &cashier).status, 403);
    assert_eq!(server.get("/backups", &cashier).status, 403);
    assert_eq!(server.get("/backups", &admin).json()["items"], json!([]));

    let made = make(&server, &admin);

    assert_eq!(made.status, 201, "{}", made.text);
    let at = made.header("location").to_owned();
    let body = made.json();
    assert_eq!(
        (&body["state"], &body["verified"]),
        (&json!("complete"), &json!(true))
    );
    assert_eq!(body["counts"]["users"], 5);
    assert_eq!(body["counts"]["sessions"], 2);
    assert_eq!(server.get(&at, &admin).json(), body);
    assert_eq!(
        server.get("/backups", &admin).json()["items"],
        json!([body])
    );
    assert_eq!(server.get("/backups/tillgate-1.backup", &admin).status, 404);
    let name = body["name"].as_str().expect("a name");
    assert_eq!(files(&place), [name]);
    let audit = server.get("/audit?action=backedUp", &admin).json();
    assert_eq!(audit["items"][0]["by"]["userName"], "999");
    assert_eq!(audit["items"][0]["detail"], name);
    server.stop();
    let file = folder(&place).join(name);
    good(&place, &["backup", "verify", file.to_str().expect("UTF-8")]);
}

#[test]
fn backups_make_themselves_and_the_oldest_give_way() {
    let place = shop("1s", "2");
    let server = place.serve();
    eventually("a first backup", || !files(&place).is_empty());
    let first = files(&place)[0].clone();
    eventually("the first gives way", || {
        let files = files(&place);
        files.len() == 2 && !files.contains(&first)
    });
    let said = health(&server);
    assert_eq!(said["status"], "Healthy", "{said}");
    assert!(said["data"]["lastSuccessAt"].is_string(), "{said}");
    assert!(said["data"]["ageSeconds"].as_u64().expect("a number") < 60);
    server.stop();
    assert!(files(&place).iter().all(|name| name.ends_with(".backup")));
}

#[test]
fn a_failed_backup_shows_and_the_last_good_one_stays() {
    let place = shop("1s", "1");
    let server = place.serve();
    let admin = server.log_in("999", "LINK").token;
    eventually("a first backup", || !files(&place).is_empty());
    let aside = place.path().join("aside");
    std::fs::rename(folder(&place), &aside).expect("moved");
    std::fs::write(folder(&place), "in the way").expect("written");
    eventually("health says so", || health(&server)["status"] == "Degraded");
    let said = health(&server);
    assert!(
        said["description"]
            .as_str()
            .is_some_and(|text| text.contains("failed")),
        "{said}"
    );
    assert!(!said.to_string().contains("backups"), "no path: {said}");
    assert_eq!(make(&server, &admin).status, 503);
    assert_eq!(std::fs::read_dir(&aside).expect("read").count(), 1);

    std::fs::remove_file(folder(&place)).expect("removed");
    std::fs::rename(&aside, folder(&place)).expect("moved back");
    eventually("it is tried again", || {
        health(&server)["status"] == "Healthy"
    });
    let (_, log) = server.stop();
    assert!(log.contains("no backup was made"), "{log}");
}

#[test]
fn a_backup_that_was_damaged_since_is_found_at_the_next_start_and_never_counts() {
    let place = shop("off", "1");
    let server = place.serve();
    let admin = server.log_in("999", "LINK").token;
    let name = make(&server, &admin).json()["name"].clone();
    server.stop();
    let file = folder(&place).join(name.as_str().expect("a name"));
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[40] ^= 1;
    std::fs::write(&file, bytes).expect("written");

    let server = place.serve();
    let admin = server.log_in("999", "LINK").token;
    eventually("it is read back", || {
        health(&server)["data"]["damaged"] == 1
    });
    let listed = server.get("/backups", &admin).json();
    assert_eq!(listed["items"][0]["state"], "damaged", "{listed}");
    assert_eq!(listed["items"][0]["verified"], false);
    assert_eq!(health(&server)["status"], "Degraded");
}

#[test]
fn without_a_folder_there_are_no_backups_and_the_option_is_named() {
    let place = Place::with_shop();
    let server = place.serve();
    let admin = server.log_in("999", "LINK").token;
    assert_eq!(server.get("/backups", &admin).json()["totalCount"], 0);
    let refused = make(&server, &admin);
    assert_eq!(refused.status, 403);
    assert!(
        refused.text.contains("backup.directory"),
        "{}",
        refused.text
    );
    assert_eq!(health(&server), Value::Null);
}

#[test]
fn what_a_kill_has_left_is_taken_away_at_the_next_start() {
    let place = shop("off", "2");
    std::fs::create_dir(folder(&place)).expect("made");
    for name in [
        "tillgate-20230804T120000Z.backup.unfinished",
        "mine.unfinished",
    ] {
        std::fs::write(folder(&place).join(name), "x").expect("written");
    }
    let server = place.serve();
    eventually("it is gone", || files(&place) == ["mine.unfinished"]);
    server.stop();
}
