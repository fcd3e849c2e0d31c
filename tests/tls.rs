//! TLS with real clients: what is spoken and what is refused, the certificate
//! that is changed under way, and deadlines that hold here, too.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::secure::{self, Http2, client, connect, shown, trust};
use support::signer::Signer;
use support::{PATIENCE, Place, Server, bad, err, eventually, good};

// The exit codes that `tillgate --help` documents.
const USAGE: i32 = 2;
const REFUSED: i32 = 77;
const CONFIG: i32 = 78;

/// A refused handshake, as curl says it.
const CURL_NO_TLS: i32 = 35;
/// A certificate that curl does not believe.
const CURL_NO_TRUST: i32 = 60;

/// What curl got.
#[derive(Debug)]
struct Got {
    code: Option<i32>,
    status: u16,
    version: String,
    head: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

/// curl, which trusts what the place says.
fn curl(server: &Server, place: &Place, path: &str, args: &[&str]) -> Got {
    let output = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "30", "--cacert"])
        .arg(trust(place))
        .args(["-w", "\n%{http_version}"])
        .args(args)
        .arg(format!("https://{}{path}", server.address))
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (answer, version) = text.rsplit_once('\n').unwrap_or_default();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Got {
        code: output.status.code(),
        status: status.unwrap_or(0),
        version: version.to_owned(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

const JSON: [&str; 2] = ["-H", "Content-Type: application/json"];
/// The owner, in the back office.
const LOGIN: &str = r#"{"userName":"999","password":"pass","deviceName":"BackOffice"}"#;

/// The token of a login of the owner.
fn token(server: &Server, place: &Place) -> String {
    let args = [&JSON[..], &["-d", LOGIN]].concat();
    let session = curl(server, place, "/api/auth", &args).json();
    session["tokenId"].as_str().expect("a token").to_owned()
}

#[test]
fn people_log_in_list_and_end_with_either_http_and_either_tls() {
    let place = secure::place();
    let server = place.serve();
    assert_eq!(server.scheme, "https");
    for (how, version) in [
        (&["--http1.1"][..], "1.1"),
        (&["--http2"], "2"),
        (&["--http2", "--tlsv1.3"], "2"),
        (&["--http1.1", "--tls-max", "1.2"], "1.1"),
        (&["--http2", "--tls-max", "1.2"], "2"),
    ] {
        let call = |path: &str, args: &[&str]| {
            let got = curl(&server, &place, path, &[how, args].concat());
            assert_eq!(
                (got.code, got.version.as_str()),
                (Some(0), version),
                "{got:?}"
            );
            got
        };
        let session = call("/api/auth", &[&JSON[..], &["-d", LOGIN]].concat());
        assert_eq!(session.status, 200, "{session:?}");
        let session = session.json();
        let token = session["tokenId"].as_str().expect("a token");
        let path = format!(
            "/sessions/{}",
            session["sessionId"].as_str().expect("an id")
        );
        let bearer = format!("Authorization: Bearer {token}");
        let list = call("/sessions", &["-H", &bearer]);
        assert_eq!(list.json()["totalCount"], 1);
        let own = call(&path, &["-H", &bearer]);
        assert_eq!(
            (own.status, own.header("etag")),
            (200, Some("\"3\"")),
            "{own:?}"
        );
        let (alive, head) = (call("/livez", &[]), call("/livez", &["-I"]));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        let length = alive.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{head:?}");
        let ended = call(&path, &["-H", &bearer, "-X", "DELETE"]);
        assert_eq!(ended.status, 200, "{ended:?}");
        let after = call("/sessions", &["-H", &bearer]);
        assert_eq!(
            (after.status, &after.json()["reason"]),
            (401, &json!("loggedOut"))
        );
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn old_versions_strangers_and_plain_http_get_nothing() {
    let place = secure::place();
    let server = place.serve();
    // The client would, at this level.
    let weak = ["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    assert_eq!(
        curl(&server, &place, "/livez", &weak).code,
        Some(CURL_NO_TLS)
    );
    let other = secure::place();
    assert_eq!(
        curl(&server, &other, "/livez", &[]).code,
        Some(CURL_NO_TRUST)
    );
    let said = server.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!said.contains("HTTP/"), "{said}");
    assert_eq!(curl(&server, &place, "/livez", &[]).status, 200);
}

/// One request on a connection of its own: what certificate was shown.
fn ask(server: &Server, client: &std::sync::Arc<rustls::ClientConfig>) -> std::io::Result<String> {
    let mut stream = connect(server, client)?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    if said.starts_with("HTTP/1.1 200") {
        Ok(shown(&stream))
    } else {
        Err(std::io::Error::other(said))
    }
}

/// Puts the files of another certificate in the place of those in use.
fn replace(place: &Place, from: &str) {
    for name in ["server.pem", "server.key"] {
        let (from, to) = (place.path().join(from), place.path().join("tls"));
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}

#[test]
fn a_new_certificate_is_taken_over_under_load_without_one_failed_request() {
    const CLIENTS: usize = 4;
    let place = secure::place();
    good(&place, &["tls", "self-signed", "--out", "next"]);
    good(&place, &["tls", "self-signed", "--out", "first"]);
    replace(&place, "first");
    let server = place.serve();
    let trusted = ["first", "next"].map(|dir| place.path().join(dir).join("trust.pem"));
    let client = client(&[&trusted[0], &trusted[1]], "http/1.1");
    let mut old = connect(&server, &client).expect("connected");
    let (first, answered) = (shown(&old), AtomicU32::new(0));
    let (stop, changed) = (AtomicBool::new(false), AtomicBool::new(false));

    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let shown = ask(&server, &client).expect("no request fails");
                    answered.fetch_add(1, Ordering::Relaxed);
                    changed.fetch_or(shown != first, Ordering::Relaxed);
                }
            });
        }
        for turn in 0..6 {
            let enough = answered.load(Ordering::Relaxed) + 50;
            eventually("requests are answered", || {
                answered.load(Ordering::Relaxed) >= enough
            });
            replace(&place, if turn % 2 == 0 { "next" } else { "first" });
            server.signal("-HUP");
        }
        replace(&place, "next");
        server.signal("-HUP");
        eventually("the new certificate is shown", || {
            changed.load(Ordering::Relaxed)
        });
        stop.store(true, Ordering::Relaxed);
    });

    eventually("the last one holds", || {
        ask(&server, &client).is_ok_and(|shown| shown != first)
    });
    // A connection from before goes on.
    old.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut said = String::new();
    old.read_to_string(&mut said).expect("answered");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn files_that_are_not_good_keep_the_certificate_from_before_and_health_says_so() {
    let place = secure::place();
    let server = place.serve();
    let client = client(&[&trust(&place)], "http/1.1");
    let health = || curl(&server, &place, "/health", &[]).json()["entries"]["certificate"].clone();
    let before = ask(&server, &client).expect("answered");
    let entry = health();
    assert_eq!(
        (&entry["status"], &entry["data"]["sha256"]),
        (&json!("Healthy"), &json!(before))
    );

    good(&place, &["tls", "self-signed", "--out", "next"]);
    let next = place.path().join("next");
    let certificate = place.path().join("tls/server.pem");
    let good_one = std::fs::read(&certificate).expect("read");
    // The key of the other one is not there yet.
    std::fs::copy(next.join("server.pem"), &certificate).expect("copied");
    server.signal("-HUP");

    eventually("health says so", || health()["status"] == "Degraded");
    let said = health()["description"].to_string();
    assert!(said.contains("SIGHUP") && !said.contains(place.path().to_str().expect("UTF-8")));
    assert_eq!(ask(&server, &client).expect("answered"), before);
    std::fs::write(&certificate, good_one).expect("written");
    server.signal("-HUP");
    eventually("it is good again", || health()["status"] == "Healthy");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(
        log.contains("the certificate from before is kept: tls.key:"),
        "{log}"
    );
}

#[test]
fn without_tls_a_hangup_changes_nothing() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    server.signal("-HUP");
    server.signal("-HUP");
    assert_eq!(server.get("/api/auth", &login.token).status, 200);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn whoever_is_silent_or_slow_before_during_or_after_the_handshake_is_sent_away() {
    let place = secure::place()
        .option("HTTP__FIRST_BYTE_TIMEOUT", "1s")
        .option("HTTP__HEADER_TIMEOUT", "1s")
        .option("HTTP__BODY_TIMEOUT", "1s");
    let server = place.serve();
    let h1 = client(&[&trust(&place)], "http/1.1");
    let silent = TcpStream::connect(&server.address).expect("connected");
    let mut slow = TcpStream::connect(&server.address).expect("connected");
    // The beginning of a hello, and a byte of it now and then.
    slow.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3])
        .expect("sent");
    let mute = connect(&server, &h1).expect("connected");
    let mut half = connect(&server, &h1).expect("connected");
    half.write_all(b"GET /livez HTTP/1.1\r\nHo").expect("sent");
    let mut mute_2 = Http2::connect(&server, &place, &[]);
    let mut half_2 = Http2::connect(&server, &place, &[]);
    half_2.say(&secure::frame(secure::HEADERS, 0, 1, &[0x82]));
    let mut body_2 = Http2::connect(&server, &place, &[]);
    let post = secure::head(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/api/auth"),
        ("content-type", "application/json"),
    ]);
    body_2.say(&secure::frame(
        secure::HEADERS,
        secure::END_HEADERS,
        1,
        &post,
    ));
    body_2.say(&secure::frame(secure::DATA, 0, 1, b"{"));

    let refused: Value =
        serde_json::from_str(&body_2.body(1).expect("an answer")).expect("a problem");
    assert_eq!(refused["type"], "urn:tillgate:problem:too-slow");
    let started = Instant::now();
    while slow.write_all(&[0]).is_ok() {
        assert!(started.elapsed() < PATIENCE, "a slow handshake goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_closed(silent) && is_closed(mute));
    let mut said = String::new();
    half.read_to_string(&mut said).expect("a last word");
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    mute_2.hear_all();
    half_2.hear_all();
    assert_eq!(curl(&server, &place, "/livez", &[]).status, 200);
}

/// Reads to the end; whether the other side closed in time.
fn is_closed(mut stream: impl Read) -> bool {
    let end = stream.read_to_end(&mut Vec::new());
    end.map_or_else(
        |error| error.kind() != std::io::ErrorKind::WouldBlock,
        |_| true,
    )
}

#[test]
fn of_http_2_exactly_one_host_a_head_within_bounds_and_a_body_are_asked_as_ever() {
    let place = secure::place();
    let server = place.serve();
    let ask = |fields: &[(&str, &str)]| {
        let mut connection = Http2::connect(&server, &place, &[]);
        let flags = secure::END_HEADERS | secure::END_STREAM;
        let whole = [
            &[
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/nowhere"),
            ],
            fields,
        ];
        let head = secure::head(&whole.concat());
        // More than a frame takes is continued.
        let (first, rest) = head.split_at(head.len().min(16_000));
        let end = if rest.is_empty() {
            flags
        } else {
            secure::END_STREAM
        };
        connection.say(&secure::frame(secure::HEADERS, end, 1, first));
        let pieces = rest.chunks(16_000).count();
        for (at, piece) in rest.chunks(16_000).enumerate() {
            let end = if at + 1 == pieces {
                secure::END_HEADERS
            } else {
                0
            };
            connection.say(&secure::frame(secure::CONTINUATION, end, 1, piece));
        }
        let body = connection.body(1).expect("an answer");
        let problem: Value = serde_json::from_str(&body).expect("a problem document");
        problem["status"].clone()
    };
    let large = "x".repeat(33_000);
    assert_eq!(ask(&[(":authority", "localhost")]), 404);
    assert_eq!(ask(&[("host", "localhost")]), 404);
    assert_eq!(
        ask(&[(":authority", "localhost"), ("host", "LOCALHOST")]),
        404
    );
    assert_eq!(
        ask(&[(":authority", "localhost"), ("host", "evil.example")]),
        400
    );
    assert_eq!(ask(&[("host", "localhost"), ("host", "localhost")]), 400);
    assert_eq!(ask(&[]), 400);
    assert_eq!(
        ask(&[(":authority", "localhost"), ("x-large", &large)]),
        431
    );
}

#[test]
fn a_signed_request_over_http_2_is_answered_and_its_authority_is_the_host() {
    let place = secure::place();
    let server = place.serve();
    let bearer = format!("Authorization: Bearer {}", token(&server, &place));
    let key = r#"{"name":"key","userName":"1","deviceName":"P01","isActive":true}"#;
    let args = [&JSON[..], &["-H", &bearer, "-d", key]].concat();
    let created = curl(&server, &place, "/apikeys", &args);
    assert_eq!(created.status, 201, "{created:?}");
    let signer = Signer::of(&created.json());
    let get = |target: &str, host: &str, more: &[&str]| {
        let headers = signer.headers_at(host, "GET", target, "");
        let lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let mut args = vec!["--http2"];
        for line in &lines {
            args.extend(["-H", line]);
        }
        args.extend(more);
        curl(&server, &place, target, &args)
    };

    let profile = get("/api/auth", &server.address, &[]);
    assert_eq!(
        (profile.status, profile.version.as_str()),
        (200, "2"),
        "{profile:?}"
    );
    assert_eq!(profile.json()["userName"], "1");
    let query = "/sessions?authenticationType=NWS4-HMAC-SHA256";
    let list = get(query, &server.address, &[]).json();
    let path = format!(
        "/sessions/{}",
        list["items"][0]["sessionId"].as_str().expect("an id")
    );
    assert_eq!(
        get(&path, &server.address, &[]).status,
        200,
        "the hot route"
    );
    assert_eq!(
        get(&path, "other.example", &[]).status,
        401,
        "another host is signed"
    );
    // A body that nobody has signed.
    let unsigned = ["-X", "GET", "-d", "x"];
    assert_eq!(get(&path, &server.address, &unsigned).status, 401);
}

#[test]
fn the_cookie_of_the_page_is_one_that_only_tls_can_set() {
    let place = secure::place();
    let server = place.serve();
    for http in ["--http1.1", "--http2"] {
        let page = curl(&server, &place, "/ui/", &[http]);
        assert_eq!(page.status, 200);
        assert_eq!(page.header("strict-transport-security"), None);
        let own = format!("Origin: https://{}", server.address);
        let body = r#"{"userName":"999","password":"pass"}"#;
        let log_in = |origin: &str, more: &[&str]| {
            let args = [&[http], &JSON[..], &["-H", origin, "-d", body], more].concat();
            curl(&server, &place, "/ui/session", &args)
        };
        let plain = format!("Origin: http://{}", server.address);
        assert_eq!(log_in(&plain, &[]).status, 403, "another origin");
        let answer = log_in(&own, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let set = answer.header("set-cookie").expect("a cookie");
        let (pair, rules) = set.split_once("; ").expect("rules");
        assert_eq!(rules, "Path=/; HttpOnly; SameSite=Strict; Secure");
        let token = pair.strip_prefix("__Host-tillgate=").expect("its name");
        let with = |cookie: &str, more: &[&str]| {
            let cookie = format!("Cookie: {cookie}");
            curl(
                &server,
                &place,
                "/api/auth",
                &[&[http, "-H", &cookie], more].concat(),
            )
            .status
        };
        assert_eq!(with(pair, &[]), 200);
        assert_eq!(with(&format!("tillgate={token}"), &[]), 401);
        assert_eq!(with(pair, &["-H", "Host: localhost"]), 200);
        assert_eq!(with(pair, &["-H", "Host: evil.example"]), 403);
        let logout = [
            "-X",
            "DELETE",
            "-H",
            &own,
            "-H",
            "Content-Type: application/json",
        ];
        let cookie = format!("Cookie: {pair}");
        let args = [&[http, "-H", &cookie], &logout[..]].concat();
        let out = curl(&server, &place, "/ui/session", &args);
        assert_eq!(out.status, 204, "{out:?}");
        let forgotten = out.header("set-cookie").expect("a cookie");
        assert!(forgotten.starts_with("__Host-tillgate=;") && forgotten.contains("; Secure;"));
        assert_eq!(with(pair, &[]), 401);
    }
}

#[test]
fn the_hub_is_reached_over_tls_and_not_over_http_2() {
    let place = secure::place();
    let server = place.serve();
    let token = token(&server, &place);
    let mut stream = connect(&server, &client(&[&trust(&place)], "http/1.1")).expect("connected");
    let upgrade = format!(
        "GET /signalr/v1/mainHub?access_token={token} HTTP/1.1\r\nHost: localhost\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    let record = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    let length = u8::try_from(record.len()).expect("short");
    // A text in one frame; its mask is nothing.
    stream
        .write_all(&[&[0x81, 0x80 | length, 0, 0, 0, 0][..], record].concat())
        .expect("sent");
    let mut accepted = [0; 5];
    stream.read_exact(&mut accepted).expect("an answer");
    assert_eq!(&accepted, b"\x81\x03{}\x1e");

    let bearer = format!("Authorization: Bearer {token}");
    let refused = curl(
        &server,
        &place,
        "/signalr/v1/mainHub",
        &["--http2", "-H", &bearer],
    );
    assert_eq!(
        (refused.status, refused.version.as_str()),
        (400, "2"),
        "{refused:?}"
    );
}

#[test]
fn at_sigterm_http_2_says_goodbye_and_finishes_what_is_under_way() {
    let place = secure::place();
    let server = place.serve();
    let mut idle = Http2::connect(&server, &place, &[]);
    let mut busy = Http2::connect(&server, &place, &[]);
    let body = br#"{"userName":"999","password":"pass","deviceName":"BackOffice"}"#;
    let post = secure::head(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/api/auth"),
        ("content-type", "application/json"),
    ]);
    busy.say(&secure::frame(
        secure::HEADERS,
        secure::END_HEADERS,
        1,
        &post,
    ));
    let flags = secure::END_HEADERS | secure::END_STREAM;
    idle.say(&secure::frame(
        secure::HEADERS,
        flags,
        1,
        &secure::get("/livez", "localhost"),
    ));
    assert!(idle.body(1).is_some());
    let address = server.address.clone();
    let started = Instant::now();
    let stopper = std::thread::spawn(move || server.stop());
    eventually("the listener is closed", || {
        TcpStream::connect(&address).is_err()
    });

    busy.say(&secure::frame(secure::DATA, secure::END_STREAM, 1, body));
    let answer = busy.body(1).expect("an answer");
    assert!(answer.contains("tokenId"), "{answer}");
    let said = idle.hear_all();
    assert!(
        said.iter().any(|frame| frame.kind == secure::GOAWAY),
        "{said:?}"
    );
    drop((idle, busy));
    let (code, log) = stopper.join().expect("it stops");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("Clean"), "{log}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_certificate_of_one_s_own_is_made_once_and_is_good_for_the_names_given() {
    let place = Place::empty();
    let said = good(
        &place,
        &[
            "tls",
            "self-signed",
            "--out",
            "a/b",
            "--name",
            "Shop.example",
            "192.0.2.7",
        ],
    );
    let folder = place.path().join("a/b");
    let mode = |name: &str| {
        let found = std::fs::metadata(folder.join(name)).expect("there");
        found.permissions().mode() & 0o777
    };
    assert_eq!((mode("server.key"), mode("trust.pem")), (0o600, 0o644));
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl")
            .args(args)
            .current_dir(&folder)
            .output();
        support::out(&output.expect("openssl runs"))
    };
    let text = openssl(&[
        "x509",
        "-in",
        "server.pem",
        "-noout",
        "-text",
        "-fingerprint",
        "-sha256",
    ]);
    for name in [
        "DNS:localhost",
        "DNS:shop.example",
        "IP Address:127.0.0.1",
        "IP Address:192.0.2.7",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let fingerprint = text
        .lines()
        .find_map(|line| line.split_once("Fingerprint="));
    assert!(
        said.contains(fingerprint.expect("a fingerprint").1),
        "{said}"
    );
    let verified = openssl(&[
        "verify",
        "-CAfile",
        "trust.pem",
        "-verify_hostname",
        "shop.example",
        "server.pem",
    ]);
    assert!(verified.contains("server.pem: OK"), "{verified}");

    let key = std::fs::read(folder.join("server.key")).expect("read");
    let refused = bad(&place, &["tls", "self-signed", "--out", "a/b"], REFUSED);
    assert!(refused.contains("server.key"), "{refused}");
    assert_eq!(std::fs::read(folder.join("server.key")).expect("read"), key);
    let wrong = bad(
        &place,
        &["tls", "self-signed", "--out", "c", "--name", "not a name"],
        USAGE,
    );
    assert!(wrong.contains("--name"), "{wrong}");
    assert!(!place.path().join("c").exists());
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_option_and_remedy() {
    let place = Place::empty();
    good(&place, &["tls", "self-signed", "--out", "a"]);
    good(&place, &["tls", "self-signed", "--out", "b"]);
    let file = |name: &str, text: &str, mode: u32| {
        let path = place.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("set");
    };
    let key = std::fs::read_to_string(place.path().join("a/server.key")).expect("read");
    file("open.key", &key, 0o644);
    file(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        0o600,
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    file("broken.pem", broken, 0o644);
    for (certificate, key, words) in [
        ("a/server.pem", "b/server.key", ["tls.key", "not the key"]),
        ("a/server.pem", "nowhere.key", ["tls.key", "readable"]),
        ("nowhere.pem", "a/server.key", ["tls.cert", "readable"]),
        (
            "a/server.key",
            "a/server.key",
            ["tls.cert", "BEGIN CERTIFICATE"],
        ),
        ("a/server.pem", "a/trust.pem", ["tls.key", "chmod"]),
        ("a/server.pem", "open.key", ["tls.key", "chmod o-rwx"]),
        ("a/server.pem", "locked.key", ["tls.key", "openssl pkey"]),
        (
            "broken.pem",
            "a/server.key",
            ["tls.cert", "can not be read"],
        ),
    ] {
        let args = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            certificate,
            "--tls-key",
            key,
        ];
        let said = bad(&place, &args, CONFIG);
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{certificate} {key}: {said}"
        );
    }
    for (option, other) in [("--tls-cert", "tls.key"), ("--tls-key", "tls.cert")] {
        let said = bad(&place, &["serve", option, "a/server.pem"], CONFIG);
        assert!(said.contains(other) && said.contains(option), "{said}");
    }
    assert!(!place.data_dir().exists(), "nothing was made");
}

/// A certificate whose end has come, in the place of the one in use.
fn let_it_be_over(folder: &Path) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 1, 8);
    let certificate = params.self_signed(&key).expect("signed");
    std::fs::write(folder.join("server.pem"), certificate.pem()).expect("written");
    std::fs::write(folder.join("server.key"), key.serialize_pem()).expect("written");
}

#[test]
fn a_certificate_that_is_over_is_shown_all_the_same_and_said_so() {
    let place = secure::place();
    let_it_be_over(&place.path().join("tls"));
    let server = place.serve();
    let health = curl(&server, &place, "/health", &["-k"]).json();
    let entry = &health["entries"]["certificate"];
    assert_eq!(entry["status"], "Unhealthy", "{entry}");
    assert!(
        entry["description"].to_string().contains("SIGHUP"),
        "{entry}"
    );
    let (_, log) = server.stop();
    assert!(log.contains("the certificate is over"), "{log}");
}

#[test]
fn other_machines_are_served_with_tls_or_when_somebody_says_so() {
    let place = secure::place();
    let start = |place: &Place, args: &[&str]| {
        let args = [&["serve", "--listen", "0.0.0.0:0"], args].concat();
        Server::start(place.command(&args))
    };
    let server = start(&place, &[]);
    let (_, log) = server.stop();
    assert!(!log.contains("plain_off_loopback"), "{log}");
    let said = err(&place.run(&["serve", "--demo", "--listen", "0.0.0.0:0"]));
    assert!(said.contains("demo"), "{said}");

    let plain = Place::with_shop();
    let server = start(&plain, &["--plain-http-off-loopback"]);
    assert!(server.address.starts_with("0.0.0.0:"));
    assert_eq!(server.call("GET", "/livez", None, &Value::Null).status, 200);
    let (_, log) = server.stop();
    assert!(log.contains("http.plain_off_loopback"), "{log}");
}
