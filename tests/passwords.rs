//! What new passwords must be like, over the socket and on the command line.

mod support;

use serde_json::{Value, json};
use support::{Answer, Place, Server, bad, eventually, good};

/// Sets the password of a user who has one device; fails if that is refused.
fn put(server: &Server, token: &str, password: &str, device: &str) -> Answer {
    let body = json!({
        "userName": "novak", "name": "Peter Novak", "password": password,
        "devices": [{"name": device, "isActive": true, "roles": []}],
    });
    server.call("POST", "/users", Some(token), &body)
}

fn fault(answer: &Answer) -> String {
    let body = answer.json();
    let error = &body["errors"][0];
    assert_eq!(
        (answer.status, &error["memberName"]),
        (400, &json!("password"))
    );
    error["message"].as_str().expect("a sentence").to_owned()
}

#[test]
fn common_passwords_and_names_are_refused_and_told_why() {
    let place = Place::with_shop()
        .option("PASSWORD__BLOCK_COMMON", "true")
        .option("PASSWORD__LENGTH_MIN", "8")
        .option("PASSWORD__BLOCK_LIST", "own.txt");
    std::fs::write(place.path().join("own.txt"), "Nase Mesto 7\n").expect("written");
    let server = place.serve();
    let token = server.log_in("999", "BackOffice").token;
    for (password, message) in [
        ("short", "must have at least 8 characters"),
        (
            "Password123",
            "is one of the passwords that are tried first",
        ),
        (
            "nase mesto 7",
            "is one of the passwords that are tried first",
        ),
        (
            "Novak_2024",
            "is made from a name of the user or of a device",
        ),
    ] {
        let refused = put(&server, &token, password, "P01");
        assert_eq!(fault(&refused), message, "{password}");
    }
    assert_eq!(put(&server, &token, "jablko na stole", "P01").status, 201);
}

#[test]
fn a_pin_is_enough_at_tills_only_and_opens_nothing_elsewhere() {
    let place = Place::with_shop()
        .option("PASSWORD__LENGTH_MIN", "8")
        .option("PASSWORD__PIN_ENVIRONMENTS", "CashRegister,PDA");
    let server = place.serve();
    let token = server.log_in("999", "BackOffice").token;
    let refused = put(&server, &token, "620418", "BackOffice");
    assert_eq!(fault(&refused), "must have at least 8 characters");
    let created = put(&server, &token, "620418", "P01");
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(server.try_log_in("novak", "620418", "P01").status, 200);

    // Another device later on does not make the PIN good there.
    let mut user = created.json();
    let office = json!({"name": "BackOffice", "isActive": true, "roles": []});
    user["devices"]
        .as_array_mut()
        .expect("devices")
        .push(office);
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    let replaced = server.call("PUT", &path, Some(&token), &user);
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let wrong = server.try_log_in("novak", "nonsense", "BackOffice").json();
    let refused = server.try_log_in("novak", "620418", "BackOffice");
    assert_eq!(
        (refused.status, &refused.json()["title"]),
        (401, &wrong["title"])
    );
    assert_eq!(server.try_log_in("novak", "620418", "P01").status, 200);
}

#[test]
fn the_policy_of_pci_sets_its_numbers_unless_others_are_given() {
    let place = Place::empty().option("POLICY", "pci");
    let shown = good(&place, &["config", "show"]);
    let value = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(key));
        line.map(str::to_owned).unwrap_or_default()
    };
    assert!(value("letters_and_digits").starts_with("letters_and_digits = true  # as policy"));
    assert!(
        value("BackOffice = \"15m\"").contains("as policy"),
        "{shown}"
    );
    assert!(value("former").starts_with("former = 4  # as policy"));
    // The tests' own number wins.
    assert!(value("length_min").starts_with("length_min = 4  # environment"));
    let why = bad(
        &Place::empty().option("POLICY", "strict"),
        &["config", "check"],
        78,
    );
    assert!(why.contains("standard or pci"), "{why}");
    let why = bad(
        &Place::with_shop().option("PASSWORD__BLOCK_LIST", "nowhere"),
        &["user", "list"],
        78,
    );
    assert!(why.contains("password.block_list"), "{why}");
}

#[test]
fn a_login_brings_an_old_hash_up_to_todays_cost_and_ends_nothing() {
    let place = Place::with_shop();
    let server = place.serve();
    let before = server.log_in("1", "BackOffice");
    server.stop();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("TILLGATE_PASSWORD__ARGON2_ITERATIONS", "2");
    let server = Server::start(command);
    let user = || {
        let all: Value = serde_json::from_str(&good(&place, &["export"])).expect("JSON");
        let users = all["users"].as_array().expect("users").clone();
        let user = users.into_iter().find(|user| user["userName"] == "1");
        user.expect("is there")
    };
    let old = user();
    assert!(
        old["passwordHash"]
            .as_str()
            .is_some_and(|hash| hash.contains("t=1"))
    );

    assert_eq!(server.try_log_in("1", "wrong", "P01").status, 401);
    server.log_in("1", "P01");

    eventually("the hash is made again", || {
        user()["passwordHash"]
            .as_str()
            .is_some_and(|hash| hash.contains("t=2"))
    });
    assert_eq!(user()["_v"], old["_v"]);
    assert_eq!(server.get("/api/auth", &before.token).status, 200);
    assert_eq!(server.try_log_in("1", "pass", "LINK").status, 200);
    assert_eq!(server.try_log_in("1", "wrong", "LINK").status, 401);
}

#[test]
fn under_pci_none_of_the_last_passwords_comes_back_and_none_of_them_is_told() {
    let place = Place::with_shop()
        .option("POLICY", "pci")
        .option("PASSWORD__LETTERS_AND_DIGITS", "false");
    let server = place.serve();
    let mut old = "pass".to_owned();
    let change = |server: &Server, old: &str, new: &str| {
        let login = server.try_log_in("1", old, "BackOffice");
        let token = login.json()["tokenId"]
            .as_str()
            .expect("a token")
            .to_owned();
        let body = json!({"oldPassword": old, "newPassword": new});
        server.call("PUT", "/api/auth/password", Some(&token), &body)
    };
    for new in ["first", "second", "third", "fourth"] {
        assert_eq!(change(&server, &old, new).status, 204, "{new}");
        new.clone_into(&mut old);
    }
    server.kill();

    let server = place.serve();
    for former in ["fourth", "third", "second", "first", "pass"] {
        let refused = change(&server, "fourth", former);
        let body = refused.json();
        let error = &body["errors"][0];
        assert_eq!(
            (refused.status, &error["memberName"], &error["message"]),
            (
                400,
                &json!("newPassword"),
                &json!("is one of the user's last passwords")
            ),
            "{former}"
        );
    }
    // Nor by somebody else's hand, nor on the command line.
    let owner = server.log_in("999", "BackOffice").token;
    let mut user = server.get("/users/1", &owner).json();
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    user["password"] = json!("third");
    let refused = server.call("PUT", &path, Some(&owner), &user);
    assert_eq!(fault(&refused), "is one of the user's last passwords");
    let said = place.run_with(&["user", "set-password", "1"], "second\n");
    assert_eq!(said.status.code(), Some(77), "{}", support::err(&said));
    // Five changes later the oldest may come back.
    assert_eq!(change(&server, "fourth", "fifth").status, 204);
    assert_eq!(change(&server, "fifth", "pass").status, 204);
    assert_eq!(change(&server, "pass", "second").status, 400);
    assert_eq!(change(&server, "pass", "first").status, 204);

    let exported: Value = serde_json::from_str(&good(&place, &["export"])).expect("JSON");
    let users = exported["users"].as_array().expect("users");
    let user = users.iter().find(|user| user["userName"] == "1");
    let text = user.expect("is there").to_string();
    assert_eq!(text.matches("$argon2id$").count(), 1, "{text}");
    assert!(!server.get("/users", &owner).text.contains("argon2id"));
}

#[test]
fn a_right_password_is_never_refused_while_its_hash_is_made_again() {
    const AT_ONCE: usize = 64;
    // The hashes of the shop are cheaper than this.
    let place = Place::with_shop().option("PASSWORD__ARGON2_MEMORY_KIB", "4096");
    let server = place.serve();
    for (user, device) in [("1", "LINK"), ("2", "BackOffice"), ("999", "BackOffice")] {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    for _ in 0..3 {
                        let answer = server.try_log_in(user, "pass", device);
                        // Too many at once is no word about the password.
                        let fine = [200, 503].contains(&answer.status);
                        assert!(fine, "{user}: {}", answer.text);
                    }
                });
            }
        });
    }
}
