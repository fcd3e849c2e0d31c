//! `GET /events`: whoever watches hears of every change once and in order,
//! as far as its rights go, and for as long as its session lives.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};
use support::{Login, PATIENCE, Place, Server};

/// One event as it came.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

/// The server has closed.
#[derive(Debug, PartialEq)]
struct Closed;

/// A reader with a connection of its own.
struct Reader {
    lines: BufReader<TcpStream>,
    status: String,
    /// The place that it would go on from.
    last: String,
}

impl Reader {
    fn open(server: &Server, headers: &[(&str, &str)]) -> Self {
        let mut stream = TcpStream::connect(&server.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // As HTTP/1.0, so that the body comes without the frames of chunks.
        let mut request = format!("GET /events HTTP/1.0\r\nHost: {}\r\n", server.address);
        for (name, value) in headers {
            for part in [name, ": ", value, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reader = Self {
            lines: BufReader::new(stream),
            status: String::new(),
            last: String::new(),
        };
        reader.status = reader.line().expect("a status line");
        while reader.line().is_some_and(|line| !line.is_empty()) {}
        if reader.status.contains("200") {
            // The place that it begins at.
            assert_eq!(reader.line().as_deref(), Some("retry: 2000"));
            assert_eq!(reader.fields(), Ok(None));
        }
        reader
    }

    fn of(server: &Server, login: &Login) -> Self {
        let value = format!("Bearer {}", login.token);
        let reader = Self::open(server, &[("Authorization", &value)]);
        assert!(reader.status.contains("200"), "{}", reader.status);
        reader
    }

    fn again(server: &Server, login: &Login, last: &str) -> Self {
        let value = format!("Bearer {}", login.token);
        Self::open(
            server,
            &[("Authorization", &value), ("Last-Event-ID", last)],
        )
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self
            .lines
            .read_line(&mut line)
            .expect("within the patience");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Fields up to the empty line. Without data they are no event and only
    /// move the place.
    fn fields(&mut self) -> Result<Option<Event>, Closed> {
        let (mut name, mut data) = (String::new(), None);
        loop {
            let line = self.line().ok_or(Closed)?;
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.last),
                Some(("event", event)) => event.clone_into(&mut name),
                Some(("data", text)) => data = Some(serde_json::from_str(text).expect("JSON")),
                _ => assert!(line.starts_with(':'), "{line}"),
            }
        }
        let id = self.last.clone();
        Ok(data.map(|data| Event { id, name, data }))
    }

    /// The next event; `None` when the server has closed.
    fn next(&mut self) -> Option<Event> {
        let started = Instant::now();
        loop {
            // Heartbeats go on for ever.
            assert!(started.elapsed() < PATIENCE, "nothing came");
            match self.fields() {
                Err(Closed) => return None,
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
            }
        }
    }

    fn notification(&mut self) -> Value {
        let event = self.next().expect("still open");
        assert_eq!(event.name, "notification", "{event:?}");
        event.data["p"].clone()
    }
}

fn what(payload: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&payload["action"]), text(&payload["resource"]["id"]))
}

fn is(action: &str, login: &Login) -> (String, String) {
    (action.to_owned(), login.id.clone())
}

#[test]
fn a_login_and_its_end_are_told_in_the_documented_form() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut reader = Reader::of(&server, &owner);

    let till = server.log_in("1", "P01");
    server.get(&format!("/sessions/{}", till.id), &till.token);
    server.delete(&format!("/sessions/{}", till.id), &owner.token);

    let identity = json!({
        "userName": "1", "deviceName": "P01", "envName": "CashRegister",
        "authenticationType": "Bearer",
    });
    let created = reader.next().expect("open");
    assert_eq!(
        created.data,
        json!({
            "e": "portos.resources.changed",
            "s": {"c": null, "identity": {"userName": "1", "deviceName": "P01"}},
            "r": null, "ca": created.data["ca"], "ea": null,
            "p": {
                "action": "created",
                "resource": {"name": "session", "id": till.id, "version": 1},
                "identity": identity,
            },
        })
    );
    let deleted = reader.next().expect("open").data;
    assert_eq!(deleted["s"]["identity"]["userName"], "999");
    assert_eq!(
        deleted["p"],
        json!({
            "action": "deleted",
            "resource": {"name": "session", "id": till.id, "version": 2},
            "identity": identity, "endReason": "revoked",
        })
    );
}

#[test]
fn changes_of_users_devices_roles_and_keys_are_told_and_reading_is_not() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut reader = Reader::of(&server, &owner);
    let send = |method: &str, path: &str, body: &Value| {
        let answer = server.call(method, path, Some(&owner.token), body);
        assert!(answer.status < 300, "{method} {path}: {}", answer.text);
        answer
    };

    send("GET", "/users", &Value::Null);
    send(
        "POST",
        "/devices",
        &json!({"name": "new", "envName": "Tool"}),
    );
    send(
        "PUT",
        "/devices/new",
        &json!({"envName": "Tool", "description": "x"}),
    );
    let key = json!({"name": "k", "userName": "999", "deviceName": "LINK"});
    let key = send("POST", "/apikeys", &key).json();
    send("DELETE", "/devices/new", &Value::Null);

    let mut next = || {
        let told = reader.notification();
        let name = told["resource"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        (name, what(&told), told["resource"]["version"].clone())
    };
    let device = |action: &str, version: u64| {
        let what = (action.to_owned(), "new".to_owned());
        ("device".to_owned(), what, json!(version))
    };
    assert_eq!(next(), device("created", 1));
    assert_eq!(next(), device("updated", 2));
    let id = key["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        next(),
        ("apiKey".to_owned(), ("created".to_owned(), id), json!(1))
    );
    assert_eq!(next(), device("deleted", 2));
}

#[test]
fn a_reader_that_comes_back_hears_what_it_has_missed_and_nothing_twice() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut reader = Reader::of(&server, &owner);
    let first = server.log_in("1", "P01");
    assert_eq!(what(&reader.notification()), is("created", &first));
    let last = reader.last.clone();
    drop(reader);

    let second = server.log_in("2", "P01");
    let mut reader = Reader::again(&server, &owner, &last);

    assert_eq!(what(&reader.notification()), is("deleted", &first));
    assert_eq!(what(&reader.notification()), is("created", &second));
    let third = server.log_in("1", "P02");
    assert_eq!(what(&reader.notification()), is("created", &third));
}

#[test]
fn a_place_that_is_lost_is_told_and_the_reader_goes_on_from_now() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let last = Reader::of(&server, &owner).last;
    for lost in ["999-1-1", "x", "", "0-0-1"] {
        let mut reader = Reader::again(&server, &owner, lost);
        assert_eq!(reader.next().expect("open").name, "resync", "{lost}");
        let login = server.log_in("1", "P01");
        let told = [reader.notification(), {
            // From the second round on a session is replaced first.
            if lost == "999-1-1" {
                Value::Null
            } else {
                reader.notification()
            }
        }];
        assert!(
            told.iter()
                .any(|one| !one.is_null() && what(one) == is("created", &login)),
            "{lost}: {told:?}"
        );
    }
    server.stop();

    let server = place.serve();
    let mut reader = Reader::again(&server, &owner, &last);
    assert_eq!(reader.next().expect("open").name, "resync");
}

#[test]
fn the_connection_closes_when_its_session_ends_whatever_ends_it() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let endings: [&dyn Fn(&Login); 3] = [
        &|login| {
            server.delete(&format!("/sessions/{}", login.id), &owner.token);
        },
        &|login| {
            server.delete("/auth", &login.token);
        },
        &|_| {
            let user = json!({"userName": "2", "isActive": false});
            let user = server.call("PUT", "/users/2", Some(&owner.token), &user);
            assert_eq!(user.status, 200, "{}", user.text);
        },
    ];
    for end in endings {
        let login = server.log_in("2", "BackOffice");
        let mut reader = Reader::of(&server, &login);
        end(&login);
        // No event follows the end of the session, and nothing else either.
        assert_eq!(reader.next(), None);
        let refused = Reader::again(&server, &login, "");
        assert!(refused.status.contains("401"), "{}", refused.status);
    }
}

#[test]
fn the_connection_closes_when_the_lifetime_or_the_idle_timeout_is_over() {
    for option in ["SESSIONS__LIFETIME__DEFAULT", "SESSIONS__IDLE__DEFAULT"] {
        let place = Place::with_shop().option(option, "1s");
        let server = place.serve();
        let login = server.log_in("2", "BackOffice");
        let mut reader = Reader::of(&server, &login);
        assert_eq!(reader.next(), None, "{option}");
    }
}

#[test]
fn sessions_of_others_are_told_with_the_right_for_it_as_it_is_at_that_instant() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let cashier = server.log_in("1", "BackOffice");
    let mut reader = Reader::of(&server, &cashier);
    let put_role = |rights: Value| {
        let role = json!({
            "rights": rights, "envNames": ["BackOffice", "CashRegister", "PDA", "Tool"],
        });
        let answer = server.call("PUT", "/roles/cashier", Some(&owner.token), &role);
        assert_eq!(answer.status, 200, "{}", answer.text);
    };

    server.log_in("2", "P01");
    let own = server.log_in("1", "P02");
    assert_eq!(what(&reader.notification()), is("created", &own));
    put_role(json!(["pos.sale", "sessionReadAny"]));
    assert_eq!(reader.notification()["resource"]["name"], "role");
    let other = server.log_in("2", "BackOffice");
    assert_eq!(what(&reader.notification()), is("created", &other));
    put_role(json!(["pos.sale"]));
    assert_eq!(reader.notification()["resource"]["name"], "role");
    server.delete(&format!("/sessions/{}", other.id), &owner.token);
    server.delete(&format!("/sessions/{}", own.id), &owner.token);
    assert_eq!(what(&reader.notification()), is("deleted", &own));
}

#[test]
fn there_are_only_so_many_readers() {
    let place = Place::with_shop().option("EVENTS__READERS_MAX", "1");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let _reader = Reader::of(&server, &owner);

    let second = Reader::again(&server, &owner, "");

    assert!(second.status.contains("503"), "{}", second.status);
    assert_eq!(server.get("/auth", &owner.token).status, 200);
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up_and_misses_nothing_that_is_kept() {
    const LOGINS: usize = 300;
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut slow = Reader::of(&server, &owner);
    let mut quick = Reader::of(&server, &owner);

    let logins: Vec<Login> = (0..LOGINS)
        .map(|_| server.log_in("1", "BackOffice"))
        .collect();

    for reader in [&mut quick, &mut slow] {
        for login in &logins {
            assert_eq!(what(&reader.notification()), is("created", login));
        }
    }
}

#[test]
fn a_browser_reads_with_its_cookie_and_only_under_an_allowed_host() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let cookie = format!("tillgate={}", owner.token);
    let mut reader = Reader::open(&server, &[("Cookie", &cookie)]);
    let till = server.log_in("1", "P01");
    assert_eq!(what(&reader.notification()), is("created", &till));

    let foreign = server.send_text(
        "GET",
        "/events",
        &[
            ("Cookie".to_owned(), cookie),
            ("Host".to_owned(), "evil.example".to_owned()),
        ],
        "",
    );
    assert_eq!(foreign.status, 403, "{}", foreign.text);
    let head = server.call("HEAD", "/events", Some(&owner.token), &Value::Null);
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, "text/event-stream")
    );
    assert_eq!(head.header("cache-control"), "no-store");
}

#[test]
fn a_server_that_stops_lets_its_readers_go_at_once() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut readers: Vec<_> = (0..5).map(|_| Reader::of(&server, &owner)).collect();

    let (code, log) = server.stop();

    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("Clean"), "no connection had to be cut: {log}");
    for reader in &mut readers {
        assert_eq!(reader.next(), None);
    }
}
