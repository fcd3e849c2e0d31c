//! Everything that changes who may do what leaves an entry of the audit, which is
//! there before the answer: also after a kill right behind it.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};
use support::signer::Signer;
use support::{Login, Place, Server, good};

/// The entries of these actions, oldest first.
fn told(server: &Server, token: &str, actions: &str) -> Vec<Value> {
    let path = format!("/audit?action=in:{actions}&$sort=number");
    let answer = server.get(&path, token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["items"].as_array().expect("items").clone()
}

/// The entries as they are after a kill.
fn told_after_a_kill(place: &Place, server: Server, actions: &str) -> Vec<Value> {
    server.kill();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    told(&server, &owner.token, actions)
}

#[test]
fn rotated_and_revoked_signing_keys_are_told_with_their_names() {
    let place = Place::with_shop();
    let server = place.serve();
    let list = |place: &Place| -> Value {
        serde_json::from_str(&good(place, &["keys", "list", "--json"])).expect("JSON")
    };
    let first = list(&place)[0]["kid"].as_str().expect("a kid").to_owned();
    good(&place, &["keys", "rotate"]);
    let second = list(&place)[1]["kid"].as_str().expect("a kid").to_owned();
    good(&place, &["keys", "revoke", &first]);

    let entries = told_after_a_kill(&place, server, "keysRotated,keyRevoked");

    let said: Vec<_> = entries
        .iter()
        .map(|entry| (&entry["action"], &entry["author"], &entry["detail"]))
        .collect();
    let expected = [("keysRotated", &second), ("keyRevoked", &first)];
    for ((action, author, detail), (wanted, kid)) in said.iter().zip(expected) {
        assert_eq!(
            (*action, *author, *detail),
            (&json!(wanted), &json!("cli"), &json!(kid))
        );
    }
    assert_eq!(said.len(), 2);
    assert_ne!(entries[0]["resource"]["id"], entries[1]["resource"]["id"]);
    assert_eq!(entries[0]["resource"]["name"], "signingKey");
}

#[test]
fn a_start_with_other_rules_is_told_once_with_what_changed() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let first = told(&server, &owner.token, "policyChanged");
    // The tests' own options are held against the defaults.
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["author"], "server");
    let changed = first[0]["changed"].as_array().expect("names");
    assert!(
        changed.contains(&json!("password.length_min")),
        "{changed:?}"
    );
    server.kill();

    std::fs::write(place.path().join("own.txt"), "something").expect("written");
    let place = place
        .option("PASSWORD__LENGTH_MIN", "5")
        .option("PASSWORD__BLOCK_LIST", "own.txt")
        .option("LOCKOUT__LOCK_AFTER", "7")
        .option("SESSIONS__LIFETIME__PDA", "8h")
        .option("NWS4__STRICT", "false")
        .option("LOG__LEVEL", "warn");
    // Neither a command beside the server nor one on the stopped store is a start.
    good(&place, &["user", "list"]);
    let server = place.serve();
    let entries = told_after_a_kill(&place, server, "policyChanged");

    assert_eq!(entries.len(), 2, "the same rules again are no change");
    assert_eq!(
        entries[1]["changed"],
        json!([
            "lockout.lock_after",
            "nws4.strict",
            "password.block_list",
            "password.length_min",
            "sessions.lifetime.PDA"
        ])
    );
    assert_eq!(
        entries[1]["detail"],
        "lockout.lock_after: 10 to 7; nws4.strict: true to false; password.length_min: 4 to 5; \
         sessions.lifetime.PDA: \"12h\" to \"8h\""
    );
}

#[test]
fn an_unlocked_user_is_told_by_the_api_and_by_the_command_line() {
    let place = Place::with_shop().option("LOCKOUT__WAIT_AFTER", "10");
    let server = place.serve();
    let manager = server.log_in("m", "BackOffice");
    let unlocked = server.delete("/users/1/lock", &manager.token);
    assert_eq!(unlocked.status, 204, "{}", unlocked.text);
    good(&place, &["user", "unlock", "2"]);

    let entries = told_after_a_kill(&place, server, "unlocked");

    assert_eq!(entries.len(), 2);
    let by = json!({"userName": "m", "deviceName": "BackOffice"});
    assert_eq!(
        (&entries[0]["by"], &entries[0]["resource"]["userName"]),
        (&by, &json!("1"))
    );
    assert_eq!(entries[0]["requestId"], unlocked.header("x-request-id"));
    assert_eq!(entries[1]["author"], "cli");
    assert_eq!(entries[1]["resource"]["userName"], "2");
}

#[test]
fn a_clock_that_is_confirmed_or_reset_is_told_beside_a_server_and_without_one() {
    let place = Place::with_shop();
    let server = place.serve();
    good(&place, &["clock", "confirm"]);
    good(&place, &["clock", "reset"]);
    server.kill();
    good(&place, &["clock", "confirm"]);
    good(&place, &["clock", "reset"]);

    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let entries = told(&server, &owner.token, "clockConfirmed,clockReset");
    let said: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(
        said,
        [
            "clockConfirmed",
            "clockReset",
            "clockConfirmed",
            "clockReset"
        ]
    );
    assert!(entries.iter().all(|entry| entry["author"] == "cli"));
}

#[test]
fn refused_logins_and_sessions_opened_by_a_service_are_told() {
    let place = Place::with_shop()
        .option("LOCKOUT__WAIT_AFTER", "10")
        .option("LOCKOUT__LOCK_AFTER", "2");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let key = json!({"name": "door", "userName": "999", "deviceName": "LINK", "isActive": true});
    let made = server.call("POST", "/apikeys", Some(&owner.token), &key);
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let body = json!({"userName": "2", "deviceName": "BackOffice"});
    let opened = Signer::of(&made).send(&server, "POST", "/sessions", &body);
    assert_eq!(opened.status, 201, "{}", opened.text);
    let opened = Login::from(&opened.json());
    let statuses = [0; 4].map(|_| server.try_log_in("1", "wrong", "P02").status);
    assert_eq!(statuses, [401, 401, 423, 423]);

    let entries = told(&server, &owner.token, "login,loginFailed,loginLocked");

    let of = |action: &str| {
        let found = entries.iter().filter(|entry| entry["action"] == action);
        found.collect::<Vec<_>>()
    };
    for (action, count) in [("loginFailed", 2), ("loginLocked", 2)] {
        let entries = of(action);
        assert_eq!(entries.len(), 1, "{entries:?}");
        let entry = entries[0];
        assert_eq!(entry["count"], count, "{entry}");
        assert_eq!(entry["peer"], "127.0.0.1");
        let about = (
            &entry["resource"]["userName"],
            &entry["resource"]["deviceName"],
        );
        assert_eq!(about, (&json!("1"), &json!("P02")));
    }
    let login = of("login");
    let login = login
        .iter()
        .find(|entry| entry["resource"]["id"] == json!(opened.id));
    assert_eq!(login.expect("it is told")["apiKeyId"], made["id"]);
}

#[test]
fn the_first_administrator_is_told_with_the_address_it_was_made_from() {
    let place = Place::empty();
    let mut child = place
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Kept open to the end: the server has more to say.
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.trim().starts_with("curl ") {
        line.clear();
        let bytes = said.read_line(&mut line).expect("UTF-8");
        assert!(bytes > 0, "a first start prints the line to run");
    }
    let made = std::process::Command::new("bash")
        .args(["-c", &format!("{} -sS -f -o /dev/null", line.trim())])
        .status()
        .expect("bash runs");
    child.kill().expect("it was running");
    child.wait().expect("it ends");
    assert!(made.success());

    let server = place.serve();
    let body = json!({"userName": "admin", "password": "CHOOSE-ONE", "deviceName": "Office"});
    let login = server.call("POST", "/api/auth", None, &body).json();
    let token = login["tokenId"].as_str().expect("a login");
    let entries = told(&server, token, "created");
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| &entry["resource"]["name"])
        .collect();
    assert_eq!(entries.len(), 3, "{entries:?}");
    for kind in ["user", "device", "role"] {
        assert!(kinds.contains(&&json!(kind)), "{kind}");
    }
    for entry in &entries {
        assert_eq!(entry["peer"], "127.0.0.1", "{entry}");
        assert!(entry["requestId"].is_string(), "{entry}");
    }
}
