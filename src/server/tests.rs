//! The server over real sockets, with the naive store behind it.

use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::http;
use crate::http::testing::{PASSWORD, SHORT, settings, shop_app};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: StopSender,
    served: tokio::task::JoinHandle<Drained>,
}

async fn start(limits: Limits) -> Running {
    let app = shop_app().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, signals) = stop_signals();
    let served = tokio::spawn(serve(
        listener,
        Transport::Plain,
        http::routes(&app, settings()),
        limits,
        signals,
    ));
    Running {
        address,
        stop,
        served,
    }
}

/// What a connection said until it was closed.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn status(&self) -> u16 {
        self.0
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    fn head(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(head, _)| head)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head().lines().filter_map(|line| line.split_once(": "));
        lines
            .clone()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error}: {}", self.0))
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address)
            .await
            .expect("the server listens")
    }

    async fn raw(&self, bytes: &[u8]) -> Said {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("the server reads");
        read_all(stream).await
    }

    async fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> Said {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            )
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }

    async fn log_in(&self, user: &str, device: &str) -> (String, String) {
        let body =
            format!(r#"{{"UserName":"{user}","Password":"{PASSWORD}","DeviceName":"{device}"}}"#);
        let said = self.call("POST", "/api/auth", "", &body).await;
        assert_eq!(said.status(), 200, "{said:?}");
        let text = |name: &str| said.json()[name].as_str().expect("text").to_owned();
        (
            format!("Authorization: Bearer {}\r\n", text("tokenId")),
            text("sessionId"),
        )
    }
}

async fn read_all(mut stream: TcpStream) -> Said {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server closes the connection");
    Said(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_session_goes_its_whole_way() {
    let server = start(Limits::default()).await;
    let (owner, _) = server.log_in("999", "BackOffice").await;
    let (till, id) = server.log_in("1", "P01").await;
    let path = format!("/api/v1/sessions/{id}");

    let seen = server.call("GET", &path, &owner, "").await;
    assert_eq!((seen.status(), seen.header("etag")), (200, Some("\"1\"")));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert!(seen.header("date").is_some() && seen.header("x-request-id").is_some());
    let general = server
        .call(
            "GET",
            &path,
            &format!("{owner}If-None-Match: \"9\"\r\n"),
            "",
        )
        .await;
    assert_eq!(general.body(), seen.body(), "both routes say the same");
    let unchanged = server
        .call(
            "GET",
            &path,
            &format!("{owner}If-None-Match: \"1\"\r\n"),
            "",
        )
        .await;
    assert_eq!((unchanged.status(), unchanged.body()), (304, ""));
    let page = server
        .call("GET", "/sessions?userName=1", &owner, "")
        .await
        .json();
    assert_eq!(
        (&page["count"], &page["items"][0]),
        (&1.into(), &seen.json())
    );

    let stale = server
        .call("DELETE", &path, &format!("{owner}If-Match: \"5\"\r\n"), "")
        .await;
    assert_eq!(
        (stale.status(), &stale.json()["resource"]["version"]),
        (412, &1.into())
    );
    let ended = server.call("DELETE", &path, &owner, "").await;
    assert_eq!((ended.status(), ended.body()), (200, seen.body()));
    assert_eq!(server.call("GET", &path, &owner, "").await.status(), 404);
    let refused = server.call("GET", &path, &till, "").await;
    assert_eq!(
        (refused.status(), &refused.json()["reason"]),
        (401, &"revoked".into())
    );
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_names_the_methods() {
    let server = start(Limits::default()).await;
    let (owner, _) = server.log_in("999", "BackOffice").await;
    // A session that nobody uses reads the same twice; the own one does not.
    let (_, id) = server.log_in("1", "P01").await;
    for path in [
        "/sessions?userName=1".to_owned(),
        format!("/sessions/{id}"),
        "/livez".to_owned(),
    ] {
        let got = server.call("GET", &path, &owner, "").await;
        let head = server.call("HEAD", &path, &owner, "").await;
        assert_eq!((head.status(), head.body()), (got.status(), ""), "{path}");
        assert_eq!(
            head.header("content-length"),
            Some(&*got.body().len().to_string()),
            "{path}"
        );
        let options = server.call("OPTIONS", &path, "", "").await;
        assert_eq!((options.status(), options.body()), (204, ""), "{path}");
        assert!(
            options
                .header("allow")
                .is_some_and(|allow| allow.contains("HEAD")),
            "{path}"
        );
    }
    let refused = server.call("PATCH", "/users", &owner, "").await;
    assert_eq!(
        (refused.status(), refused.header("allow")),
        (405, Some("GET, HEAD, POST, OPTIONS"))
    );
}

#[tokio::test]
async fn what_http_refuses_gets_a_problem_document_too() {
    let server = start(Limits::default()).await;
    let long = "x".repeat(9_000);
    let many = "A: b\r\n".repeat(80);
    let large = format!("A: {}\r\n", "x".repeat(40_000));
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nB ad: y\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        (format!("GET /livez?{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\n{large}\r\n"), 431),
        ("GET /users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer a\r\n\r\n".to_owned(), 401),
        ("POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
        ("POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), 400),
    ] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let said = read_all(stream).await;
        let line = request.lines().next().unwrap_or("").get(..40.min(request.len())).unwrap_or("");
        assert_eq!(said.status(), status, "{line}: {said:?}");
        assert_eq!(said.header("content-type"), Some("application/problem+json"), "{line}");
        assert_eq!(said.json()["status"], status, "{line}");
        assert_eq!(said.header("x-request-id"), said.json()["traceId"].as_str(), "{line}");
    }
    assert_eq!(server.call("GET", "/livez", "", "").await.status(), 200);
}

#[tokio::test]
async fn bodies_are_held_to_their_limits() {
    let server = start(Limits::default()).await;
    let post = async |headers: &str, body: &[u8]| {
        let head = format!("POST /auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        server.raw(&[head.as_bytes(), body].concat()).await.status()
    };
    let json = "Content-Type: application/json\r\n";
    let login = br#"{"userName":"999","password":"pass","deviceName":"P01"}"#;
    let sized = |body: &[u8]| format!("{json}Content-Length: {}\r\n", body.len());

    assert_eq!(post(&sized(login), login).await, 200);
    let chunked = format!(
        "{:x}\r\n{}\r\n0\r\n\r\n",
        login.len(),
        String::from_utf8_lossy(login)
    );
    assert_eq!(
        post(
            &format!("{json}Transfer-Encoding: chunked\r\n"),
            chunked.as_bytes()
        )
        .await,
        200
    );
    assert_eq!(
        post(&format!("Content-Length: {}\r\n", login.len()), login).await,
        415
    );
    assert_eq!(post(&sized(b""), b"").await, 400);
    assert_eq!(
        post(&sized(b"{\"a\":\"\xff\"}"), b"{\"a\":\"\xff\"}").await,
        400
    );
    assert_eq!(post(&sized(&[b'['; 5_000]), &[b'['; 5_000]).await, 400);
    let large = vec![b' '; 70_000];
    assert_eq!(post(&sized(&large), &large).await, 413);
    let mut chunks = format!("{:x}\r\n", large.len()).into_bytes();
    chunks.extend_from_slice(&large);
    assert_eq!(
        post(&format!("{json}Transfer-Encoding: chunked\r\n"), &chunks).await,
        413
    );
    assert_eq!(
        post(
            &format!("{json}Accept: text/html\r\nContent-Length: 2\r\n"),
            b"{}"
        )
        .await,
        406
    );
}

#[tokio::test]
async fn whoever_is_slow_is_told_and_let_go() {
    let limits = Limits {
        first_byte_timeout: SHORT,
        header_timeout: SHORT,
        body_timeout: SHORT,
        idle_timeout: SHORT,
        ..Limits::default()
    };
    let server = start(limits).await;
    let json = "Content-Type: application/json\r\nContent-Length: 50\r\n";
    for (sent, status) in [
        (String::new(), 0),
        ("GET /livez HTTP/1.1\r\nHost".to_owned(), 408),
        (
            format!("POST /auth HTTP/1.1\r\nHost: x\r\n{json}\r\n{{"),
            408,
        ),
        ("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 200),
    ] {
        let started = Instant::now();
        let said = server.raw(sent.as_bytes()).await;
        assert_eq!(said.status(), status, "{sent}: {said:?}");
        assert!(started.elapsed() >= SHORT, "{sent}");
        if status == 408 {
            assert_eq!(said.json()["type"], "urn:tillgate:problem:too-slow");
        }
    }
    // Slow in all, though never silent for long.
    let mut stream = server.connect().await;
    for byte in b"GET /livez HTTP/1.1\r\nHost: a-name-of-some-length\r\n" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(read_all(stream).await.status(), 408);
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_served_at_the_same_time() {
    let server = start(Limits {
        connections_max: 1,
        ..Limits::default()
    })
    .await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    let mut some = [0; 16];
    first.read_exact(&mut some).await.expect("answered");

    let mut second = Box::pin(server.call("GET", "/livez", "", ""));
    assert!(
        tokio::time::timeout(SHORT, &mut second).await.is_err(),
        "waits for its turn"
    );
    drop(first);
    assert_eq!(second.await.status(), 200);

    // A full server still hears the stop.
    let _full = server.connect().await;
    server.stop.stop();
    assert_eq!(server.served.await.expect("serves"), Drained::Clean);
}

#[tokio::test]
async fn the_first_stop_lets_requests_finish_and_closes_idle_connections_at_once() {
    let server = start(Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    let mut some = [0; 16];
    idle.read_exact(&mut some).await.expect("answered");
    let mut busy = server.connect().await;
    let body = r#"{"userName":"999","password":"pass","deviceName":"P01"}"#;
    let head = format!(
        "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    busy.write_all(head.as_bytes()).await.expect("sent");
    tokio::time::sleep(SHORT).await;
    let started = Instant::now();

    server.stop.stop();
    read_all(idle).await;
    busy.write_all(body.as_bytes()).await.expect("sent");
    assert_eq!(read_all(busy).await.status(), 200);

    assert_eq!(server.served.await.expect("serves"), Drained::Clean);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody is there"
    );
}

#[tokio::test]
async fn the_second_stop_and_the_end_of_the_drain_cut() {
    let stuck = "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    for (limits, stops) in [
        (Limits::default(), 2),
        (
            Limits {
                drain_max: SHORT,
                ..Limits::default()
            },
            1,
        ),
    ] {
        let server = start(limits).await;
        let mut stream = server.connect().await;
        stream.write_all(stuck.as_bytes()).await.expect("sent");
        tokio::time::sleep(SHORT).await;
        let started = Instant::now();

        (0..stops).for_each(|_| server.stop.stop());

        assert_eq!(
            server.served.await.expect("serves"),
            Drained::Cut { connections: 1 }
        );
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn many_requests_on_one_connection_are_answered_in_order() {
    let server = start(Limits::default()).await;
    let one = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    let last = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let said = server.raw(format!("{one}{last}").as_bytes()).await;
    assert_eq!(said.0.matches("HTTP/1.1 200 OK").count(), 21);
}

#[tokio::test]
async fn answers_are_in_the_language_that_was_asked_for() {
    let server = start(Limits::default()).await;
    for path in ["/users".to_owned(), format!("/sessions/{}", "a".repeat(32))] {
        for bearer in ["", "Authorization: Bearer x\r\n"] {
            let headers = format!("Accept-Language: sk\r\n{bearer}");
            let said = server.call("GET", &path, &headers, "").await;
            assert_eq!(said.header("content-language"), Some("sk-SK"), "{path}");
            assert_eq!(said.json()["title"], "Neprihlásený", "{path}");
        }
    }
}
