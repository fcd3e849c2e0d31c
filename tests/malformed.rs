//! Everything that is wrong with a request gets the right 4xx problem document,
//! never a 5xx, and the server lives on.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{PATIENCE, Place, Server};

/// What a server said on a connection until it closed it.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn status(&self) -> u16 {
        self.0
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    fn problem(&self) -> Value {
        let (head, body) = self
            .0
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{self:?}"));
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/problem+json"),
            "{self:?}"
        );
        assert!(head.contains("cache-control: no-store"), "{self:?}");
        let body: Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let id = format!("x-request-id: {}", body["traceId"].as_str().unwrap_or("?"));
        assert!(head.contains(&id), "{self:?}");
        body
    }

    /// Holds the answer against what it must be.
    fn must_be(&self, status: u16, request: &str) -> Value {
        let request: String = request.chars().take(90).collect();
        assert_eq!(self.status(), status, "{request:?}: {self:?}");
        let problem = self.problem();
        assert_eq!(problem["status"], status, "{request:?}");
        assert!(
            problem["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("urn:tillgate:"))
        );
        problem
    }
}

fn raw(server: &Server, bytes: &[u8]) -> Said {
    let mut stream = TcpStream::connect(&server.address).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    // A server that has heard enough may close before everything is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    said(stream)
}

fn said(mut stream: TcpStream) -> Said {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Said(String::from_utf8_lossy(&answer).into_owned())
}

/// A request with these header lines and this body.
fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn lives(server: &Server) {
    assert_eq!(server.call("GET", "/livez", None, &Value::Null).status, 200);
    assert_eq!(server.try_log_in("1", "pass", "LINK").status, 200);
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn queries_that_can_not_be_read_are_400_and_name_the_parameter() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = format!(
        "Authorization: Bearer {}\r\n",
        server.log_in("999", "BackOffice").token
    );
    for (query, member) in [
        ("nothing=1", "nothing"),
        ("userName=between:a", "userName"),
        ("userName=startsWith:", "userName"),
        ("userName=%22open", "userName"),
        ("userName=%zz", "userName"),
        ("userName=%ff", "userName"),
        ("userName=%", "userName"),
        ("_v=1.5", "_v"),
        ("_v=99999999999999999999", "_v"),
        ("startedAt=2023-13-01", "startedAt"),
        ("startedAt=2023-08-04T24:00:00Z", "startedAt"),
        ("startedAt=contains:2023", "startedAt"),
        ("$take=x", "$take"),
        ("$take=-1", "$take"),
        ("$take=1&$take=2", "$take"),
        ("$skip=", "$skip"),
        ("$skip=99999999999999999999999", "$skip"),
        ("$count=perhaps", "$count"),
        ("$sort=nothing", "$sort"),
        ("$sort=-userName:asc", "$sort"),
        ("$after=%00", "$after"),
        ("$include=user", "$include"),
    ] {
        let bytes = request("GET", &format!("/api/sessions?{query}"), &token, b"");
        let problem = raw(&server, &bytes).must_be(400, query);
        assert_eq!(problem["errorCode"], 3, "{query}");
        assert_eq!(
            problem["errors"][0]["memberName"], member,
            "{query}: {problem}"
        );
    }
    lives(&server);
}

#[test]
fn bodies_that_can_not_be_read_are_400() {
    let place = Place::with_shop();
    let server = place.serve();
    let deep = "[".repeat(5_000);
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"nul",
        b"[]",
        b"\"text\"",
        b"{\"userName\":}",
        b"{\"userName\":\"1\",}",
        b"{\"userName\":\"1\"}x",
        b"{\"userName\":\"\xff\",\"deviceName\":\"P01\"}",
        b"{\"userName\":\"\\ud800\",\"deviceName\":\"P01\"}",
        b"\xef\xbb\xbf{\"userName\":\"1\",\"deviceName\":\"P01\"}",
        b"{\"userName\":\"1\",\"USERNAME\":\"1\",\"deviceName\":\"P01\"}",
        b"{\"userName\":1,\"deviceName\":[]}",
        b"{\"userName\":\"1\",\"password\":5,\"deviceName\":\"P01\"}",
        b"{}",
        deep.as_bytes(),
        nested.as_bytes(),
    ] {
        let bytes = request("POST", "/api/auth", JSON, body);
        let problem = raw(&server, &bytes).must_be(400, &String::from_utf8_lossy(body));
        assert_eq!(problem["errorCode"], 3);
    }
    lives(&server);
}

#[test]
fn what_is_wrong_in_a_body_is_named_by_its_path() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = format!(
        "Authorization: Bearer {}\r\n",
        server.log_in("999", "BackOffice").token
    );
    for (method, path, body, members) in [
        ("POST", "/users", r#"{"name":"x"}"#, &["userName"][..]),
        (
            "POST",
            "/users",
            r#"{"userName":"a/b","isActive":1}"#,
            &["userName", "isActive"],
        ),
        (
            "POST",
            "/users",
            r#"{"userName":"x","devices":{}}"#,
            &["devices"],
        ),
        (
            "POST",
            "/users",
            r#"{"userName":"x","devices":[{"name":"P01","roles":["cashier",7]}]}"#,
            &["devices[0].roles[1]"],
        ),
        (
            "POST",
            "/users",
            r#"{"userName":"x","devices":[{"NAME":"P01","name":"P02"}]}"#,
            &["devices[0].name"],
        ),
        ("POST", "/devices", r#"{"name":"x"}"#, &["envName"]),
        (
            "POST",
            "/devices",
            r#"{"name":"x","envName":"cashregister"}"#,
            &["envName"],
        ),
        (
            "POST",
            "/devices",
            r#"{"name":"x","envName":"PDA","settings":[]}"#,
            &["settings"],
        ),
        (
            "POST",
            "/roles",
            r#"{"name":"x","rights":["a b"],"envNames":["Shop"]}"#,
            &["rights[0]", "envNames[0]"],
        ),
        (
            "PUT",
            "/devices/P01",
            r#"{"name":"P02","envName":"PDA"}"#,
            &["name"],
        ),
        (
            "PUT",
            "/devices/P01",
            r#"{"envName":"PDA","_v":"1"}"#,
            &["_v"],
        ),
        (
            "PUT",
            "/auth/password",
            r#"{"oldPassword":"pass"}"#,
            &["newPassword"],
        ),
        (
            "POST",
            "/auth/refresh",
            r#"{"tokenId":"x"}"#,
            &["refreshToken"],
        ),
    ] {
        let bytes = request(method, path, &format!("{token}{JSON}"), body.as_bytes());
        let problem = raw(&server, &bytes).must_be(400, body);
        let errors = problem["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{body}: {problem}"));
        let named: Vec<_> = errors
            .iter()
            .filter_map(|error| error["memberName"].as_str())
            .collect();
        assert_eq!(named, members, "{body}: {problem}");
    }
    lives(&server);
}

#[test]
fn what_is_too_large_is_refused() {
    let place = Place::with_shop();
    let server = place.serve();
    let large = format!("{{\"userName\":\"{}\"}}", "x".repeat(70_000));
    let chunked = format!(
        "POST /auth HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    let path = "x".repeat(9_000);
    for (bytes, status) in [
        (request("POST", "/auth", JSON, large.as_bytes()), 413),
        (chunked.into_bytes(), 413),
        (
            request(
                "POST",
                "/auth",
                &format!("{JSON}Content-Length: 99999999999\r\n"),
                b"",
            ),
            413,
        ),
        (request("GET", &format!("/users/{path}"), "", b""), 414),
        (
            request("GET", &format!("/sessions?userName={path}"), "", b""),
            414,
        ),
        (
            request(
                "GET",
                "/livez",
                &format!("A: {}\r\n", "x".repeat(40_000)),
                b"",
            ),
            431,
        ),
        (request("GET", "/livez", &"A: b\r\n".repeat(100), b""), 431),
    ] {
        raw(&server, &bytes).must_be(status, &String::from_utf8_lossy(&bytes));
    }
    lives(&server);
}

#[test]
fn wrong_methods_media_types_and_paths_have_their_status() {
    let place = Place::with_shop();
    let server = place.serve();
    for (bytes, status) in [
        (request("PUT", "/sessions", "", b""), 405),
        (request("PATCH", "/users/1", "", b""), 405),
        (request("BREW", "/livez", "", b""), 405),
        (request("DELETE", "/sessions/ended", "", b""), 405),
        (request("PUT", "/sessions/revocations", "", b""), 405),
        (request("GET", "/auth/refresh", "", b""), 405),
        (request("POST", "/auth", "", b"{}"), 415),
        (
            request("POST", "/auth", "Content-Type: text/plain\r\n", b"{}"),
            415,
        ),
        (
            request(
                "POST",
                "/auth",
                "Content-Type: application/json; charset=latin1\r\n",
                b"{}",
            ),
            415,
        ),
        (
            request(
                "POST",
                "/auth",
                &format!("{JSON}Content-Encoding: gzip\r\n"),
                b"{}",
            ),
            415,
        ),
        (
            request("GET", "/sessions", "Accept: text/html\r\n", b""),
            406,
        ),
        (
            request("GET", "/sessions", "Accept: application/json;q=0\r\n", b""),
            406,
        ),
        (request("GET", "/nowhere", "", b""), 404),
        (request("GET", "/", "", b""), 404),
        (request("GET", "/api/api/sessions", "", b""), 404),
        (request("GET", "/sessions/", "", b""), 404),
        (request("GET", "/users/%", "", b""), 404),
        (request("GET", "/users/%ff", "", b""), 404),
        (request("GET", "/users/%2e%2e/x", "", b""), 404),
    ] {
        raw(&server, &bytes).must_be(status, &String::from_utf8_lossy(&bytes));
    }
    lives(&server);
}

#[test]
fn credentials_that_can_not_be_read_are_401() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    let (token, path) = (&login.token, format!("/sessions/{}", login.id));
    for headers in [
        String::new(),
        "Authorization: \r\n".to_owned(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \u{e1}\r\n".to_owned(),
        "Authorization: Basic dXNlcjpwYXNz\r\n".to_owned(),
        format!("Authorization: {token}\r\n"),
        format!("Authorization: Bearer {token} {token}\r\n"),
        format!("Authorization: Bearer {token}x\r\n"),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {}\r\n", "x".repeat(20_000)),
        format!("Authorization: Bearer {}\r\n", ".".repeat(500)),
    ] {
        for path in [&path, "/sessions", "/auth", "/users"] {
            let problem = raw(&server, &request("GET", path, &headers, b"")).must_be(401, &headers);
            assert_eq!(problem["errorCode"], 1, "{headers}");
        }
    }
    // Nothing of all that was an access of the session.
    assert_eq!(server.get(&path, token).json()["_v"], 2);
}

#[test]
fn what_is_no_http_is_400() {
    let place = Place::with_shop();
    let server = place.serve();
    for bytes in [
        &b"nonsense\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        // Addresses that are a host and no path: a proxy's business, not ours.
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nB ad: y\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ] {
        raw(&server, bytes).must_be(400, &String::from_utf8_lossy(bytes));
    }
    // HTTP/1.0 needs no Host.
    assert_eq!(raw(&server, b"GET /livez HTTP/1.0\r\n\r\n").status(), 200);
    lives(&server);
}

#[test]
fn whoever_sends_slowly_is_told_so_and_let_go() {
    let place = Place::with_shop()
        .option("HTTP__FIRST_BYTE_TIMEOUT", "1s")
        .option("HTTP__HEADER_TIMEOUT", "1s")
        .option("HTTP__BODY_TIMEOUT", "1s")
        .option("HTTP__IDLE_TIMEOUT", "1s");
    let server = place.serve();
    let open = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&server.address).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        stream.write_all(bytes).expect("sent");
        (stream, Instant::now())
    };
    let body = b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";

    let silent = open(b"");
    let head = open(b"GET /livez HTTP/1.1\r\nHo");
    let body = open(body);
    let idle = open(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    let (mut dripping, _) = open(b"");
    // Never silent for long, and late all the same.
    for byte in b"GET /livez HTTP/1.1\r\nHost: x\r\nA: 0123456789012345678901234567890123456789" {
        if dripping.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(40));
    }

    said(dripping).must_be(408, "dripping");
    said(head.0).must_be(408, "head");
    said(body.0).must_be(408, "body");
    assert_eq!(said(silent.0).0, "", "there was no request to answer");
    assert_eq!(said(idle.0).status(), 200);
    assert!(idle.1.elapsed() < PATIENCE && silent.1.elapsed() < PATIENCE);
    lives(&server);
}

#[test]
fn a_flood_of_silent_connections_leaves_room_when_it_is_over() {
    let place = Place::with_shop()
        .option("HTTP__CONNECTIONS_MAX", "8")
        .option("HTTP__FIRST_BYTE_TIMEOUT", "1s");
    let server = place.serve();
    let flood: Vec<_> = (0..32)
        .map(|_| TcpStream::connect(&server.address).expect("queued at least"))
        .collect();
    lives(&server);
    drop(flood);
    lives(&server);
}

#[test]
fn a_request_refused_before_its_body_came_leaves_the_connection_open() {
    let place = Place::with_shop();
    let server = place.serve();
    let mut stream = TcpStream::connect(&server.address).expect("the server listens");
    let head = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("the server reads");
    // The head has been refused by then, or never will be.
    std::thread::sleep(Duration::from_millis(100));
    let rest = b"{}GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(rest).expect("the server still reads");

    let said = said(stream);
    assert_eq!(said.status(), 401, "{said:?}");
    assert!(said.0.contains("HTTP/1.1 200"), "{said:?}");
}
