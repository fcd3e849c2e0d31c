//! API keys over the socket: who may make them, and where their secrets are.

mod support;

use serde_json::{Value, json};
use support::{Answer, Place, Server};

fn owner(server: &Server) -> String {
    server.log_in("999", "BackOffice").token
}

fn post(server: &Server, token: &str, body: &Value) -> Answer {
    server.call("POST", "/apikeys", Some(token), body)
}

fn web_shop() -> Value {
    json!({"name": "Web shop", "userName": "1", "deviceName": "P01"})
}

fn path(key: &Value) -> String {
    format!("/apikeys/{}", key["id"].as_str().expect("an id"))
}

#[test]
fn a_key_is_created_read_changed_listed_and_deleted() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);

    let created = post(&server, &token, &web_shop());
    assert_eq!(created.status, 201, "{}", created.text);
    let mut key = created.json();
    assert!(created.header("location").ends_with(&path(&key)));
    assert_eq!(created.header("etag"), "\"1\"");
    let digits = |member: &str| key[member].as_str().expect("text").len();
    assert_eq!(
        (digits("id"), digits("clientId"), digits("clientSecret")),
        (24, 32, 64)
    );
    assert_eq!(
        (&key["isActive"], &key["permissions"]),
        (&json!(false), &json!([]))
    );
    assert!(key.get("description").is_none());

    key.as_object_mut()
        .expect("an object")
        .remove("clientSecret");
    assert_eq!(server.get(&path(&key), &token).json(), key);
    let listed = server.get(
        "/apikeys?userName=1&isActive=false&$sort=-createdAt",
        &token,
    );
    assert_eq!(listed.json()["items"], json!([key]));

    let mut changed = key.clone();
    changed["isActive"] = json!(true);
    changed["description"] = json!("Orders");
    changed["permissions"] = json!(["sale"]);
    let replaced = server.call("PUT", &path(&key), Some(&token), &changed);
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    changed["_v"] = json!(2);
    assert_eq!(replaced.json(), changed);
    let stale = server.call("PUT", &path(&key), Some(&token), &key);
    assert_eq!((stale.status, &stale.json()["errorCode"]), (400, &json!(6)));
    assert_eq!(stale.json()["resource"]["id"], key["id"]);

    let deleted = server.delete(&path(&key), &token);
    assert_eq!((deleted.status, deleted.json()), (200, changed));
    assert_eq!(server.get(&path(&key), &token).status, 404);
    assert_eq!(
        server
            .call("PUT", &path(&key), Some(&token), &web_shop())
            .status,
        404
    );
}

#[test]
fn conditions_on_a_key_are_those_of_every_resource() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let key = post(&server, &token, &web_shop()).json();
    let send = |method: &str, name: &str, value: &str| {
        let headers = [
            ("Authorization".to_owned(), format!("Bearer {token}")),
            (name.to_owned(), value.to_owned()),
        ];
        let body = if method == "PUT" {
            web_shop()
        } else {
            Value::Null
        };
        server.send(method, &path(&key), &headers, &body).status
    };
    assert_eq!(send("GET", "If-None-Match", "\"1\""), 304);
    assert_eq!(send("PUT", "If-Match", "\"2\""), 412);
    assert_eq!(send("PUT", "If-None-Match", "*"), 412);
    assert_eq!(send("PUT", "If-Match", "\"1\""), 200);
    assert_eq!(send("DELETE", "If-Match", "\"1\""), 412);
    assert_eq!(send("DELETE", "If-Match", "\"2\""), 200);
}

#[test]
fn what_can_be_no_key_is_refused_member_by_member() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let refused = |body: &Value| {
        let answer = post(&server, &token, body);
        assert_eq!(answer.status, 400, "{}", answer.text);
        let errors = answer.json()["errors"].clone();
        let names = errors.as_array().expect("a list").iter();
        names
            .map(|error| error["memberName"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(refused(&json!({})), ["name", "userName", "deviceName"]);
    let mut body = web_shop();
    body["userName"] = json!("nobody");
    body["deviceName"] = json!("nowhere");
    assert_eq!(refused(&body), ["userName", "deviceName"]);
    let mut body = web_shop();
    body["clientSecret"] = json!("short");
    body["permissions"] = json!(["a b"]);
    assert_eq!(refused(&body), ["clientSecret", "permissions[0]"]);
    let mut body = post(&server, &token, &web_shop()).json();
    assert_eq!(refused(&body), ["clientId"], "of a key that is there");
    body["clientId"] = json!("ab".repeat(20));
    let other = server.call("PUT", &path(&body), Some(&token), &body);
    assert_eq!(other.json()["errors"][0]["memberName"], "clientId");
    body["id"] = json!("0".repeat(24));
    let key = server.get("/apikeys", &token).json()["items"][0].clone();
    let other = server.call("PUT", &path(&key), Some(&token), &body);
    assert_eq!(other.json()["errors"][0]["memberName"], "id");
}

#[test]
fn nobody_issues_a_key_for_a_user_who_has_more() {
    let place = Place::with_shop();
    let server = place.serve();
    let boss = owner(&server);
    let role = json!({"name": "keys", "rights": ["apiKeyCreate"], "envNames": ["BackOffice"]});
    assert_eq!(
        server.call("POST", "/roles", Some(&boss), &role).status,
        201
    );
    let user = json!({"userName": "k", "password": "pass",
        "devices": [{"name": "BackOffice", "roles": ["keys"]}]});
    assert_eq!(
        server.call("POST", "/users", Some(&boss), &user).status,
        201
    );
    let keeper = server.log_in("k", "BackOffice").token;

    let own = json!({"name": "own", "userName": "k", "deviceName": "BackOffice"});
    assert_eq!(post(&server, &keeper, &own).status, 201);
    let of_boss = json!({"name": "x", "userName": "999", "deviceName": "BackOffice",
        "permissions": ["apiKeyCreate"]});
    let refused = post(&server, &keeper, &of_boss);
    assert_eq!(
        (refused.status, &refused.json()["errorCode"]),
        (403, &json!(2))
    );
    let cashier = server.log_in("1", "P01").token;
    assert_eq!(post(&server, &cashier, &own).status, 403);
    assert_eq!(
        server.get("/apikeys", &cashier).status,
        200,
        "any login reads them"
    );
}

#[test]
fn deleting_the_user_deactivates_the_key() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let mut body = web_shop();
    body["isActive"] = json!(true);
    let key = post(&server, &token, &body).json();

    assert_eq!(server.delete("/users/1", &token).status, 200);

    let left = server.get(&path(&key), &token).json();
    assert_eq!((&left["isActive"], &left["_v"]), (&json!(false), &json!(2)));
}

#[test]
fn keys_survive_a_kill_and_the_loss_of_the_database_and_secrets_are_nowhere_in_clear() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let mut body = web_shop();
    body["isActive"] = json!(true);
    let created = post(&server, &token, &body).json();
    let secret = created["clientSecret"].as_str().expect("text").to_owned();
    let mut given = web_shop();
    given["clientSecret"] = json!("5e".repeat(32));
    given["clientId"] = json!("c1".repeat(16));
    assert_eq!(post(&server, &token, &given).status, 201);
    let log = server.kill();

    let server = place.serve();
    let token = owner(&server);
    let kept = server.get(&path(&created), &token);
    assert_eq!((kept.status, &kept.json()["isActive"]), (200, &json!(true)));
    let (_, second_log) = server.stop();
    for text in [secret.as_str(), &"5e".repeat(32)] {
        assert!(!log.contains(text) && !second_log.contains(text) && !kept.text.contains(text));
        assert!(
            !holds(place.path(), text.as_bytes()),
            "a secret lies in clear"
        );
    }

    std::fs::remove_dir_all(place.data_dir().join("db")).expect("the database is there");
    let server = place.serve();
    let token = owner(&server);
    assert_eq!(server.get(&path(&created), &token).json(), kept.json());
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("readable").path())
        .any(|path| {
            if path.is_dir() {
                return holds(&path, bytes);
            }
            let content = std::fs::read(&path).unwrap_or_default();
            content.windows(bytes.len()).any(|window| window == bytes)
        })
}
