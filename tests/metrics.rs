//! `GET /metrics`: the text is what Prometheus reads, everything that happens
//! moves the counters that are about it and no other, and nobody reads it who
//! should not.

#[path = "metrics/exposition.rs"]
mod exposition;
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use exposition::Exposition;
use serde_json::{Value, json};
use support::{Answer, Place, Server, bad, eventually};

/// The exit code for a wrong option.
const CONFIG: i32 = 78;
/// Families that tell of people logging in and out.
const PEOPLE: &[&str] = &["tillgate_sessions", "tillgate_logins"];
/// The family that tells of requests.
const REQUESTS: &[&str] = &["tillgate_http_requests_total"];

fn ask(server: &Server, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    server.send("GET", "/metrics", &headers, &Value::Null)
}

fn told(server: &Server) -> Exposition {
    let answer = ask(server, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    Exposition::parse(&answer.text)
}

/// What grows in these families while something is done. The look itself, which
/// is a request, too, is left out.
fn grown(server: &Server, families: &[&str], done: impl FnOnce()) -> Vec<(String, f64)> {
    let before = told(server);
    done();
    let grown = told(server).grown_since(&before, families);
    let own = "route=\"/metrics\"";
    grown
        .into_iter()
        .filter(|(name, _)| !name.contains(own))
        .collect()
}

fn by(rows: &[(&str, f64)]) -> Vec<(String, f64)> {
    let mut rows: Vec<_> = rows
        .iter()
        .map(|(name, by)| ((*name).to_owned(), *by))
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

/// A shop that has seen a little of everything.
fn lively(place: &Place) -> Server {
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    server.try_log_in("999", "wrong", "P01");
    server.get(&format!("/sessions/{}", owner.id), &owner.token);
    let made = server.call("POST", "/backups", Some(&owner.token), &Value::Null);
    assert_eq!(made.status, 201, "{}", made.text);
    server.delete("/api/auth", &owner.token);
    server
}

#[test]
fn the_text_is_in_the_format_and_names_nobody() {
    let place = Place::with_shop().option("BACKUP__DIRECTORY", "backups");
    let server = lively(&place);
    let live = server.log_in("1", "P02");

    let answer = ask(&server, &[]);

    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let told = Exposition::parse(&answer.text);
    for word in ["P02", "BackOffice", "cashier", live.id.as_str(), "999\""] {
        assert!(!answer.text.contains(word), "{word}");
    }
    let build = told
        .samples
        .keys()
        .find(|name| name.starts_with("tillgate_build_info"));
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(build.is_some_and(|build| build.contains(&version)));
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "tillgate_store_free_bytes",
        "tillgate_backup_last_success_timestamp_seconds",
    ] {
        assert!(told.value(name) > 0.0, "{name}");
    }
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let now = now.expect("after 1970").as_secs_f64();
    let started = told.value("process_start_time_seconds");
    assert!((now - started).abs() < 3_600.0, "{started} and {now}");
    assert_eq!(
        server.call("HEAD", "/metrics", None, &Value::Null).status,
        200
    );
}

#[test]
fn the_reader_of_prometheus_itself_reads_the_same_samples() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/prometheus/bin/python");
    if !python.is_file() {
        let line = "\nSKIPPED metrics: prometheus_client is not installed (./check installs it)\n";
        let _ = std::io::stdout().write_all(line.as_bytes());
        return;
    }
    let place = Place::with_shop().option("BACKUP__DIRECTORY", "backups");
    let text = ask(&lively(&place), &[]).text;
    let script = "import sys\n\
        from prometheus_client.parser import text_string_to_metric_families as read\n\
        for family in read(sys.stdin.read()):\n\
        \x20   assert family.documentation and family.type != 'unknown', family\n\
        \x20   print(*(1 for _ in family.samples), sep='\\n')\n";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");

    assert!(output.status.success());
    let read = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!(read, Exposition::parse(&text).samples.len());
}

#[test]
fn a_login_an_ending_and_a_refusal_move_their_own_counters_and_no_other() {
    let server = Place::with_shop().serve();
    let mut till = None;

    let login = grown(&server, PEOPLE, || till = Some(server.log_in("1", "P02")));
    assert_eq!(
        login,
        by(&[
            ("tillgate_logins_total{outcome=\"good\"}", 1.0),
            ("tillgate_sessions_started_total", 1.0),
            ("tillgate_sessions", 1.0),
        ])
    );
    let replaced = grown(&server, PEOPLE, || till = Some(server.log_in("999", "P02")));
    assert_eq!(
        replaced,
        by(&[
            ("tillgate_logins_total{outcome=\"good\"}", 1.0),
            ("tillgate_sessions_started_total", 1.0),
            ("tillgate_sessions_ended_total{reason=\"replaced\"}", 1.0),
        ])
    );
    let wrong = grown(&server, PEOPLE, || {
        assert_eq!(server.try_log_in("1", "wrong", "P01").status, 401);
    });
    assert_eq!(
        wrong,
        by(&[("tillgate_logins_total{outcome=\"wrong\"}", 1.0)])
    );
    let ended = grown(&server, PEOPLE, || {
        server.delete("/api/auth", &till.expect("a session").token);
    });
    assert_eq!(
        ended,
        by(&[
            ("tillgate_sessions_ended_total{reason=\"loggedOut\"}", 1.0),
            ("tillgate_sessions", -1.0),
        ])
    );
    let page = grown(&server, PEOPLE, || {
        let body = json!({"userName": "999", "password": "pass", "deviceName": "P01"});
        let own_page = [("Sec-Fetch-Site".to_owned(), "same-origin".to_owned())];
        let refused = server.send("POST", "/ui/session", &own_page, &body);
        assert_eq!(refused.status, 400, "{}", refused.text);
    });
    assert_eq!(
        page,
        by(&[("tillgate_logins_total{outcome=\"refused\"}", 1.0)])
    );
}

#[test]
fn a_locked_login_and_a_full_limit_are_told_apart_from_a_wrong_password() {
    let place = Place::with_shop()
        .option("LOCKOUT__LOCK_AFTER", "1")
        .option("SESSIONS__LIMITS__PER_USER", "1");
    let server = place.serve();
    let logins = &["tillgate_logins"];
    assert_eq!(server.try_log_in("1", "wrong", "P02").status, 401);

    let locked = grown(&server, logins, || {
        assert_eq!(server.try_log_in("1", "pass", "P02").status, 423);
    });
    let full = grown(&server, logins, || {
        server.log_in("999", "BackOffice");
        assert_eq!(server.try_log_in("999", "pass", "LINK").status, 403);
    });

    assert_eq!(
        locked,
        by(&[("tillgate_logins_total{outcome=\"locked\"}", 1.0)])
    );
    assert_eq!(
        full,
        by(&[
            ("tillgate_logins_total{outcome=\"good\"}", 1.0),
            ("tillgate_logins_total{outcome=\"refused\"}", 1.0),
        ])
    );
}

#[test]
fn sessions_that_end_together_and_by_time_are_each_counted_once() {
    let place = Place::with_shop().option("SESSIONS__LIFETIME__BACKOFFICE", "1s");
    let server = place.serve();
    let owner = server.log_in("999", "LINK");
    let ended = &["tillgate_sessions_ended"];
    for device in ["P01", "P02"] {
        server.log_in("1", device);
    }

    let disabled = grown(&server, ended, || {
        let user = server.get("/users/1", &owner.token).json();
        let mut input = user.clone();
        input["isActive"] = false.into();
        let path = format!("/users/{}", user["id"].as_str().expect("an id"));
        let put = server.call("PUT", &path, Some(&owner.token), &input);
        assert_eq!(put.status, 200, "{}", put.text);
    });
    assert_eq!(
        disabled,
        by(&[(
            "tillgate_sessions_ended_total{reason=\"accountDisabled\"}",
            2.0
        )])
    );
    server.log_in("999", "BackOffice");
    let expired = "tillgate_sessions_ended_total{reason=\"expired\"}";
    eventually("the sweep", || told(&server).value(expired) > 0.5);
    assert!((told(&server).value(expired) - 1.0).abs() < f64::EPSILON);
    assert!(told(&server).value("tillgate_sweep_archived_total") > 0.5);
}

#[test]
fn a_request_is_counted_once_under_its_route_method_and_status() {
    let server = Place::with_shop().serve();
    let owner = server.log_in("999", "BackOffice");
    let other = server.log_in("1", "P02");
    let path = format!("/api/v1/sessions/{}", owner.id);
    let get = |path: &str, token: &str| drop(server.get(path, token));
    let put = || drop(server.call("PUT", "/sessions", None, &Value::Null));
    let trace = || drop(server.call("TRACE", "/sessions", None, &Value::Null));
    let no_host = || drop(server.raw(b"GET /sessions HTTP/1.1\r\n\r\n"));
    let no_http = || drop(server.raw(b"nonsense\r\n\r\n"));
    // The first is answered before any route, the two behind it by way of the
    // table.
    let cases: [(&dyn Fn(), &str, &str, u16); 11] = [
        (&|| get(&path, &owner.token), "/sessions/{id}", "GET", 200),
        (&|| get(&path, &other.token), "/sessions/{id}", "GET", 200),
        (&|| get(&path, "no-token"), "/sessions/{id}", "GET", 401),
        (&|| get("/sessions", &owner.token), "/sessions", "GET", 200),
        (
            &|| get("/users/nobody", &owner.token),
            "/users/{id}",
            "GET",
            404,
        ),
        (&|| get("/no/such/place", ""), "-", "GET", 404),
        (&|| get("/ui/", ""), "/ui/", "GET", 200),
        (&put, "/sessions", "PUT", 405),
        (&trace, "/sessions", "other", 405),
        (&no_host, "-", "GET", 400),
        (&no_http, "-", "other", 400),
    ];

    for (done, route, method, status) in cases {
        let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
        let expected = format!("tillgate_http_requests_total{{{labels}}}");
        assert_eq!(grown(&server, REQUESTS, done), vec![(expected, 1.0)]);
    }
    let told = told(&server);
    let table = "route=\"/sessions/{id}\",method=\"GET\"";
    let taken = told.value(&format!(
        "tillgate_http_request_duration_seconds_count{{{table}}}"
    ));
    assert!((taken - 2.0).abs() < f64::EPSILON, "{taken}");
    let timed = told.value("tillgate_http_check_duration_seconds_count");
    assert!(timed > 0.5, "{timed}");
}

#[test]
fn the_store_the_hashing_readers_and_connections_are_told_as_they_are() {
    let server = Place::with_shop().serve();
    let moved = |done: &mut dyn FnMut(), name: &str| {
        let before = told(&server).value(name);
        done();
        told(&server).value(name) - before
    };
    let mut login = None;
    let mut log_in = || login = Some(server.log_in("1", "P02"));
    let hashed = moved(&mut log_in, "tillgate_hashing_duration_seconds_count");
    assert!((hashed - 1.0).abs() < f64::EPSILON, "{hashed}");
    for name in [
        "tillgate_store_group_duration_seconds_count",
        "tillgate_store_sync_duration_seconds_count",
        "tillgate_store_operations_total",
        "tillgate_audit_entries",
        "tillgate_http_connections_accepted_total",
    ] {
        let mut log_in = || login = Some(server.log_in("1", "P02"));
        assert!(
            moved(&mut log_in, name) > 0.5 || name.ends_with("accepted_total"),
            "{name}"
        );
    }
    let login = login.expect("a login");
    let readers = "tillgate_event_readers";
    let events = server.get("/events", &login.token);
    assert_eq!(events.status, 200);
    eventually("a reader", || told(&server).value(readers) > 0.5);
    server.delete("/api/auth", &login.token);
    eventually("no reader", || told(&server).value(readers) < 0.5);
    assert!(told(&server).value("tillgate_archive_sessions") > 0.5);
    assert!(told(&server).value("tillgate_http_connections") > 0.5);
    assert!(told(&server).value("tillgate_store_queue") < 0.5);
    assert!(told(&server).value("tillgate_clock_state{state=\"good\"}") > 0.5);
}

#[test]
fn without_a_token_only_this_machine_reads_and_never_through_a_proxy() {
    let server = Place::with_shop().serve();

    for headers in [
        [("X-Forwarded-For", "10.0.0.7")],
        [("Forwarded", "for=10.0.0.7")],
        [("Via", "1.1 proxy")],
        [("Host", "shop.example")],
    ] {
        assert_eq!(ask(&server, &headers).status, 403, "{headers:?}");
    }
    let login = server.log_in("999", "BackOffice");
    assert_eq!(server.get("/api/v1/metrics", &login.token).status, 200);
}

#[test]
fn with_a_token_everybody_needs_it() {
    let place = Place::with_shop().option("METRICS__TOKEN_FILE", "metrics.token");
    let token = "only-for-prometheus-7";
    std::fs::write(place.path().join("metrics.token"), format!("{token}\n")).expect("written");
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    let with = |value: &str| ask(&server, &[("Authorization", value)]).status;

    assert_eq!(ask(&server, &[]).status, 401);
    assert_eq!(with("Bearer wrong-wrong-wrong"), 401);
    assert_eq!(with(&format!("Bearer {}", login.token)), 401);
    assert_eq!(with(&format!("Bearer {token}")), 200);
    let right = format!("Bearer {token}");
    let proxied = [
        ("Authorization", right.as_str()),
        ("X-Forwarded-For", "10.0.0.7"),
    ];
    assert_eq!(ask(&server, &proxied).status, 200);
}

#[test]
fn a_token_file_that_can_not_be_is_named_at_the_start() {
    let place = Place::with_shop().option("METRICS__TOKEN_FILE", "metrics.token");
    let start = ["serve", "--listen", "127.0.0.1:0"];

    let missing = bad(&place, &start, CONFIG);
    assert!(
        missing.contains("metrics.token_file: metrics.token: "),
        "{missing}"
    );
    assert!(missing.contains("or off"), "{missing}");
    let file = place.path().join("metrics.token");
    std::fs::write(&file, "short").expect("written");
    assert!(bad(&place, &start, CONFIG).contains("too short"));
    std::fs::write(&file, "two words of a token").expect("written");
    assert!(bad(&place, &start, CONFIG).contains("characters that no token has"));
}
