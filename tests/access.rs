//! `sessions.access`: whose sessions a caller lists, reads and ends, over the
//! socket. With `own`, what is out of reach must be as good as not there.

mod support;

use serde_json::{Value, json};
use support::{Answer, Login, Place, Server};

/// A shop in which callers reach their own sessions only.
fn own() -> Place {
    Place::with_shop().option("SESSIONS__ACCESS", "own")
}

/// Makes a user with one right, and logs in.
fn with_right(server: &Server, right: &str) -> Login {
    let owner = server.log_in("999", "LINK").token;
    let role = json!({"name": right, "rights": [right], "envNames": ["BackOffice"]});
    let user = json!({
        "userName": right, "password": "pass",
        "devices": [{"name": "BackOffice", "roles": [right]}],
    });
    for (path, body) in [("/roles", role), ("/users", user)] {
        let made = server.call("POST", path, Some(&owner), &body);
        assert_eq!(made.status, 201, "{}", made.text);
    }
    server.log_in(right, "BackOffice")
}

fn path(login: &Login) -> String {
    format!("/sessions/{}", login.id)
}

/// A call under one more header.
fn under(
    server: &Server,
    method: &str,
    path: &str,
    token: &str,
    (name, value): (&str, &str),
) -> Answer {
    let headers = [
        ("Authorization".to_owned(), format!("Bearer {token}")),
        (name.to_owned(), value.to_owned()),
    ];
    server.send(method, path, &headers, &Value::Null)
}

/// What a problem says, but for what names the request.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    let members = body.as_object_mut().expect("a problem");
    members.remove("instance");
    members.remove("traceId");
    (answer.status, body)
}

#[test]
fn open_access_is_the_default_and_a_line_at_the_start_says_so() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "P01");
    let cashier = server.log_in("1", "BackOffice");

    assert_eq!(server.get(&path(&owner), &cashier.token).status, 200);
    assert_eq!(
        server.get("/sessions", &cashier.token).json()["totalCount"],
        2
    );
    assert_eq!(server.delete(&path(&owner), &cashier.token).status, 200);
    let (_, log) = server.stop();
    assert!(log.contains("sessions.access is open"), "{log}");

    let server = own().serve();
    let (_, log) = server.stop();
    assert!(log.contains("sessions.access is own"), "{log}");
}

#[test]
fn a_session_of_somebody_else_answers_as_one_that_never_was() {
    let place = own();
    let server = place.serve();
    let other = server.log_in("2", "P01");
    let cashier = server.log_in("1", "BackOffice");
    let never = format!("/sessions/{}", "A".repeat(32));

    for method in ["GET", "DELETE"] {
        let plain = server.call(method, &never, Some(&cashier.token), &Value::Null);
        let missing = said(&plain);
        let foreign = server.call(method, &path(&other), Some(&cashier.token), &Value::Null);
        assert_eq!(said(&foreign), missing, "{method}");
        assert_eq!(foreign.header("etag"), "", "{method}");
        for condition in [
            ("If-Match", "*"),
            ("If-Match", "\"1\""),
            ("If-Match", "\"99\""),
            ("If-None-Match", "*"),
            ("If-None-Match", "\"1\""),
        ] {
            let foreign = under(&server, method, &path(&other), &cashier.token, condition);
            assert_eq!(said(&foreign), missing, "{method} {condition:?}");
        }
    }
    assert_eq!(
        server.get("/api/auth", &other.token).status,
        200,
        "it lives on"
    );
}

#[test]
fn own_sessions_are_those_of_the_same_user_on_any_device() {
    let place = own();
    let server = place.serve();
    let till = server.log_in("1", "P01");
    let office = server.log_in("1", "BackOffice");
    server.log_in("2", "BackOffice");

    let tag = server
        .get(&path(&till), &office.token)
        .header("etag")
        .to_owned();
    let unchanged = under(
        &server,
        "GET",
        &path(&till),
        &office.token,
        ("If-None-Match", &tag),
    );
    assert_eq!(unchanged.status, 304);
    let stale = under(
        &server,
        "DELETE",
        &path(&till),
        &office.token,
        ("If-Match", "\"9\""),
    );
    assert_eq!(stale.status, 412);
    assert_eq!(server.delete(&path(&till), &office.token).status, 200);
    assert_eq!(server.get(&path(&office), &office.token).status, 200);
    assert_eq!(server.delete(&path(&office), &office.token).status, 200);
}

#[test]
fn filters_sort_counts_and_cursors_know_nothing_of_others() {
    let place = own();
    let server = place.serve();
    let other = server.log_in("2", "BackOffice");
    let mine: Vec<Login> = (0..5).map(|_| server.log_in("1", "LINK")).collect();
    for _ in 0..4 {
        server.log_in("999", "LINK");
    }
    let token = &mine[0].token;
    let total =
        |query: &str| server.get(&format!("/sessions?{query}"), token).json()["totalCount"].clone();

    assert_eq!(total(""), 5);
    assert_eq!(total("$count=true"), 5);
    assert_eq!(total("userName=999"), 0);
    assert_eq!(total("userName=neq:1"), 0);
    assert_eq!(total("userName=in:1,2,999"), 5);
    assert_eq!(total(&format!("sessionId={}", other.id)), 0);
    assert_eq!(total("deviceName=BackOffice&$count=true"), 0);
    assert_eq!(total("startedAt=gt:2000-01-01&$take=0"), 5);

    for sort in [
        "startedAt",
        "-userName",
        "lastAccessAt:desc",
        "deviceName",
        "_v",
    ] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/sessions?$take=2&$sort={sort}{after}");
            let page = server.get(&path, token).json();
            assert_eq!(page["totalCount"], 5, "{sort}");
            for item in page["items"].as_array().expect("items") {
                assert_eq!(item["identity"]["userName"], "1", "{sort}");
                seen.push(item["sessionId"].clone());
            }
            let Some(cursor) = page["nextCursor"].as_str() else {
                break;
            };
            after = format!("&$after={cursor}");
        }
        assert!(seen.len() >= 4, "{sort}: {seen:?}");
    }
}

#[test]
fn the_right_to_read_and_the_right_to_end_reach_others_each_for_itself() {
    let place = own();
    let server = place.serve();
    let reader = with_right(&server, "sessionReadAny");
    let ender = with_right(&server, "sessionDeleteAny");
    let till = server.log_in("1", "P01");

    assert_eq!(server.get(&path(&till), &reader.token).status, 200);
    assert_eq!(
        server.get("/sessions?userName=1", &reader.token).json()["totalCount"],
        1
    );
    assert_eq!(server.delete(&path(&till), &reader.token).status, 404);

    assert_eq!(server.get(&path(&till), &ender.token).status, 404);
    assert_eq!(
        server.get("/sessions?userName=1", &ender.token).json()["totalCount"],
        0
    );
    let stale = under(
        &server,
        "DELETE",
        &path(&till),
        &ender.token,
        ("If-Match", "\"9\""),
    );
    assert_eq!(stale.status, 412);
    assert_eq!(server.delete(&path(&till), &ender.token).status, 200);

    let admin = server.log_in("999", "BackOffice");
    assert_eq!(server.get(&path(&reader), &admin.token).status, 200);
    assert_eq!(server.delete(&path(&reader), &admin.token).status, 200);
}

#[test]
fn a_right_that_is_given_or_taken_holds_from_the_next_request_on() {
    let place = own();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let cashier = server.log_in("1", "BackOffice");
    let role = |rights: Value| {
        let body = json!({"name": "cashier", "rights": rights,
            "envNames": ["BackOffice", "CashRegister"]});
        let put = server.call("PUT", "/roles/cashier", Some(&owner.token), &body);
        assert_eq!(put.status, 200, "{}", put.text);
    };
    let sees_owner = || server.get(&path(&owner), &cashier.token).status;

    assert_eq!(sees_owner(), 404);
    role(json!(["SESSIONREADANY"]));
    assert_eq!(sees_owner(), 200);
    role(json!([]));
    assert_eq!(sees_owner(), 404);
}
