//! The command line from end to end: what an operator types, on a stopped
//! store and beside a running server, and what the exit code says.

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Place, bad, err, good, out};

// The exit codes that `tillgate --help` documents.
const USAGE: i32 = 2;
const DATA: i32 = 65;
const NO_INPUT: i32 = 66;
const TEMPORARY: i32 = 75;
const REFUSED: i32 = 77;
const CONFIG: i32 = 78;

fn export(place: &Place) -> Value {
    serde_json::from_str(&good(place, &["export"])).expect("an export is JSON")
}

fn write(place: &Place, name: &str, text: &str) -> PathBuf {
    let file = place.path().join(name);
    std::fs::write(&file, text).expect("the file is written");
    file
}

fn text(path: &Path) -> &str {
    path.to_str().expect("an UTF-8 path")
}

#[test]
fn version_names_the_disk_format() {
    let place = Place::empty();

    let said = good(&place, &["version"]);

    let expected = format!("tillgate {} (disk format ", env!("CARGO_PKG_VERSION"));
    assert!(said.starts_with(&expected), "{said}");
    assert!(good(&place, &["--help"]).contains("Exit codes"));
}

#[test]
fn a_command_line_that_means_nothing_is_wrong_usage() {
    let place = Place::empty();
    for args in [
        &["no-such"][..],
        &["user"],
        &["serve", "--no-such"],
        &["import"],
        &[],
    ] {
        bad(&place, args, USAGE);
    }
}

#[test]
fn the_configuration_says_every_value_and_where_it_comes_from() {
    let place = Place::empty();
    let file = write(&place, "good.toml", "listen = \"127.0.0.1:4711\"\n");

    let shown = good(&place, &["config", "show", "--config", text(&file)]);
    let listen = shown
        .lines()
        .find(|line| line.contains("listen"))
        .expect("listen is shown");

    assert!(listen.contains("127.0.0.1:4711"), "{shown}");
    assert!(good(&place, &["config", "check", "--config", text(&file)]).contains("good"));
}

#[test]
fn an_unknown_option_in_a_file_is_refused_with_its_name_and_line() {
    let place = Place::empty();
    let file = write(
        &place,
        "bad.toml",
        "listen = \"127.0.0.1:0\"\n\nlistne = \"x\"\n",
    );
    for args in [
        &["config", "check"][..],
        &["config", "show"],
        &["serve"],
        &["user", "list"],
    ] {
        let args: Vec<&str> = args
            .iter()
            .copied()
            .chain(["--config", text(&file)])
            .collect();
        let said = bad(&place, &args, CONFIG);
        assert!(
            said.contains("listne") && said.contains('3'),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn an_unknown_or_unreadable_option_in_the_environment_is_refused_by_name() {
    for (name, value) in [("LISTNE", "x"), ("LISTEN", "nowhere")] {
        let place = Place::empty().option(name, value);
        let said = bad(&place, &["config", "check"], CONFIG).to_lowercase();
        assert!(said.contains(&name.to_lowercase()), "{said}");
    }
}

#[test]
fn an_import_says_how_many_and_comes_back_out_the_same() {
    let place = Place::empty();
    let file = write(&place, "shop.json", support::SHOP);
    let said = good(&place, &["import", text(&file)]);
    let shop: Value = serde_json::from_str(support::SHOP).expect("the shop is JSON");
    for kind in ["roles", "devices", "users"] {
        let count = shop[kind].as_array().expect("a list").len().to_string();
        assert!(said.contains(&count), "{kind}: {said}");
    }

    let exported = place.path().join("exported.json");
    good(&place, &["export", text(&exported)]);
    let other = Place::empty();
    good(&other, &["import", text(&exported)]);

    let (first, second) = (export(&place), export(&other));
    for kind in ["roles", "devices", "users"] {
        let strip = |store: &Value| {
            let mut list = store[kind].as_array().expect("a list").clone();
            for item in &mut list {
                let item = item.as_object_mut().expect("an object");
                item.remove("_v");
                item.remove("id");
            }
            list
        };
        assert_eq!(strip(&first), strip(&second), "{kind}");
    }
    // The hashes came along: the passwords still fit.
    assert!(
        !std::fs::read_to_string(&exported)
            .expect("readable")
            .contains("\"pass\"")
    );
    other.serve().log_in("999", "P01");
}

#[test]
fn an_export_is_for_the_operator_s_eyes_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_shop();
    let file = place.path().join("exported.json");

    good(&place, &["export", text(&file)]);

    let mode = std::fs::metadata(&file)
        .expect("the file is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_import_with_one_fault_loads_nothing() {
    let place = Place::with_shop();
    let before = export(&place);
    let user = |devices: Value| {
        json!({"roles": [{"name": "fresh", "rights": [], "envNames": ["Tool"]}], "devices": [],
            "users": [{"userName": "77", "name": "N", "password": "pass", "devices": devices}]})
    };
    let faults = [
        "{".to_owned(),
        "[]".to_owned(),
        user(json!([{"name": "NOWHERE", "isActive": true, "roles": []}])).to_string(),
        user(json!([{"name": "P01", "isActive": true, "roles": ["no-such"]}])).to_string(),
        json!({"roles": [], "users": [], "devices": [
            {"name": "P50", "envName": "Tool"}, {"name": "P51", "envName": "NoSuch"}]})
        .to_string(),
    ];
    for fault in faults {
        let file = write(&place, "fault.json", &fault);
        let output = place.run(&["import", text(&file)]);
        assert!(!output.status.success(), "{fault}: {}", out(&output));
        assert!(!err(&output).contains("panicked"), "{}", err(&output));
        assert_eq!(export(&place), before, "{fault}");
    }
    bad(&place, &["import", "no-such-file.json"], NO_INPUT);
}

#[test]
fn an_import_tells_of_the_first_twenty_faults_and_how_many_more() {
    let place = Place::with_shop();
    let bad_user = |number| json!({"userName": format!("bad/{number}"), "devices": []});
    for (faults, more) in [(2, None), (20, None), (1_000, Some("  ... and 980 more"))] {
        let users: Vec<_> = (0..faults).map(bad_user).collect();
        let file = write(&place, "bad.json", &json!({ "users": users }).to_string());
        let said = bad(&place, &["import", text(&file)], DATA);
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines[0], "tillgate: the store file: nothing was changed");
        let told = faults.min(20);
        for (number, line) in lines[1..=told].iter().enumerate() {
            let place = format!("  users[{number}].userName ");
            assert!(line.starts_with(&place), "{line}");
        }
        assert_eq!(lines.get(told + 1).copied(), more, "{said}");
        assert!(lines.len() <= 22, "{said}");
    }
}

#[test]
fn an_import_beside_a_running_server_is_refused() {
    let place = Place::with_shop();
    let file = write(
        &place,
        "more.json",
        r#"{"roles": [], "devices": [], "users": []}"#,
    );
    let server = place.serve();

    let said = bad(&place, &["import", text(&file)], TEMPORARY);

    assert!(said.contains("stop"), "{said}");
    // To look whether a server runs is nothing to warn its operator of.
    let (_, log) = server.stop();
    assert!(!log.contains("WARN"), "{log}");
}

/// Everything an operator does to users, wherever the store is.
fn manage_users(place: &Place, log_in: impl Fn(&str, &str) -> u16) {
    let add = [
        "user",
        "add",
        "44",
        "--name",
        "Zora",
        "--device",
        "P02=cashier",
    ];
    let output = place.run_with(&add, "first\n");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(log_in("44", "first"), 200);
    let again = place.run_with(&add, "first\n");
    assert_eq!(again.status.code(), Some(REFUSED), "{}", err(&again));

    let output = place.run_with(&["user", "set-password", "44"], "second\n");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(log_in("44", "first"), 401);
    assert_eq!(log_in("44", "second"), 200);

    good(place, &["user", "disable", "44"]);
    assert_eq!(log_in("44", "second"), 401);

    let listed = good(place, &["user", "list"]);
    let line = listed
        .lines()
        .find(|line| line.starts_with("44 "))
        .expect("the user is listed");
    assert!(line.contains("Zora") && line.contains("false"), "{line}");
    let listed: Value =
        serde_json::from_str(&good(place, &["user", "list", "--json"])).expect("JSON");
    let users = listed.as_array().expect("a list");
    assert!(
        users
            .iter()
            .any(|user| user["userName"] == "44" && user["isActive"] == false)
    );

    bad(place, &["user", "disable", "nobody"], NO_INPUT);
    let refused = place.run_with(&["user", "add", "45", "--device", "NOWHERE"], "pass\n");
    assert_eq!(refused.status.code(), Some(REFUSED), "{}", err(&refused));
    let refused = place.run_with(&["user", "add", "a/b"], "pass\n");
    assert_eq!(refused.status.code(), Some(USAGE), "{}", err(&refused));
    let refused = place.run_with(&["user", "add", "46"], "x\n");
    assert_eq!(
        refused.status.code(),
        Some(REFUSED),
        "too short: {}",
        err(&refused)
    );
    let last = bad(place, &["user", "disable", "999"], REFUSED);
    assert!(!last.is_empty(), "the last administrator stays");
}

#[test]
fn users_are_managed_on_a_stopped_store() {
    let place = Place::with_shop();
    manage_users(&place, |user, password| {
        let server = place.serve();
        let status = server.try_log_in(user, password, "P02").status;
        assert_eq!(server.stop().0, Some(0));
        status
    });
}

#[test]
fn users_are_managed_beside_a_running_server() {
    let place = Place::with_shop();
    let server = place.serve();
    manage_users(&place, |user, password| {
        server.try_log_in(user, password, "P02").status
    });
}

#[test]
fn a_password_set_or_a_user_disabled_ends_the_sessions_at_once() {
    let place = Place::with_shop();
    let server = place.serve();
    for args in [
        &["user", "set-password", "2"][..],
        &["user", "disable", "2"],
    ] {
        let session = server.log_in("2", "BackOffice");
        let output = place.run_with(args, "pass\n");
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(
            server.get("/api/auth", &session.token).status,
            401,
            "{args:?}"
        );
    }
}

#[test]
fn sessions_are_listed_and_ended_beside_a_running_server_and_on_a_stopped_store() {
    let place = Place::with_shop();
    let server = place.serve();
    let (first, second) = (server.log_in("1", "P01"), server.log_in("1", "LINK"));

    let listed = good(&place, &["sessions", "list"]);
    assert!(
        listed.contains(&first.id) && listed.contains("2 of 2"),
        "{listed}"
    );
    let filtered = good(&place, &["sessions", "list", "deviceName=LINK", "--json"]);
    let filtered: Value = serde_json::from_str(&filtered).expect("JSON");
    assert_eq!(filtered["items"][0]["sessionId"], second.id.as_str());
    assert_eq!(filtered["totalCount"], 1);
    let said = bad(&place, &["sessions", "list", "deviceNam=LINK"], USAGE);
    assert!(said.contains("deviceNam"), "{said}");
    good(&place, &["sessions", "end", &first.id]);
    let refused = server.get("/api/auth", &first.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("revoked"))
    );
    bad(&place, &["sessions", "end", &first.id], NO_INPUT);
    bad(&place, &["sessions", "end", "no-id"], NO_INPUT);
    server.stop();

    let listed = good(&place, &["sessions", "list"]);
    assert!(
        listed.contains(&second.id) && listed.contains("1 of 1"),
        "{listed}"
    );
    good(&place, &["sessions", "end", &second.id]);
    let server = place.serve();
    assert_eq!(server.get("/api/auth", &second.token).status, 401);
}

#[test]
fn export_works_beside_a_running_server() {
    let place = Place::with_shop();
    let stopped = export(&place);
    let _server = place.serve();
    assert_eq!(export(&place), stopped);
}

#[test]
fn the_clock_is_shown_confirmed_and_reset() {
    let place = Place::with_shop();
    let server = place.serve();
    let session = server.log_in("1", "P01");

    for args in [&["clock"][..], &["clock", "confirm"]] {
        let said = good(&place, args);
        assert!(said.contains("state") && said.contains("trusted"), "{said}");
        assert_eq!(
            server.get("/api/auth", &session.token).status,
            200,
            "{args:?}"
        );
    }
    good(&place, &["clock", "reset"]);
    assert_eq!(server.get("/api/auth", &session.token).status, 401);
    server.stop();

    assert!(good(&place, &["clock"]).contains("trusted"));
}

#[test]
fn commands_on_a_directory_that_is_not_there_make_none() {
    let place = Place::empty();
    for args in [
        &["export"][..],
        &["user", "list"],
        &["sessions", "list"],
        &["clock"],
    ] {
        let said = bad(&place, args, NO_INPUT);
        assert!(said.contains("--data-dir"), "{said}");
    }
    assert!(!place.data_dir().exists());
}
