//! `tillgate serve` as a process: what it refuses to start, what it says, and
//! how it ends.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{PATIENCE, Place, bad, bash, eventually, good};

// The exit codes that `tillgate --help` documents.
const IO: i32 = 74;
const TEMPORARY: i32 = 75;
const CONFIG: i32 = 78;

/// A server has 10 s to drain; this leaves room for a slow machine.
const DRAIN_MAX: Duration = Duration::from_secs(12);

#[test]
fn an_address_that_other_machines_reach_is_refused() {
    let place = Place::empty();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:4000"] {
        let said = bad(&place, &["serve", "--listen", address], CONFIG);
        assert!(
            said.contains("listen") && said.contains("127.0.0.1"),
            "{said}"
        );
        bad(&place, &["serve", "--demo", "--listen", address], CONFIG);
    }
    assert!(!place.data_dir().exists(), "nothing was made");
}

#[test]
fn a_port_in_use_is_said_so() {
    let (place, other) = (Place::with_shop(), Place::with_shop());
    let server = place.serve();

    let said = bad(&other, &["serve", "--listen", &server.address], IO);

    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn a_second_process_on_the_same_directory_is_refused_within_a_second() {
    let place = Place::with_shop();
    let server = place.serve();
    let session = server.log_in("1", "P01");
    let started = Instant::now();

    let said = bad(&place, &["serve", "--listen", "127.0.0.1:0"], TEMPORARY);

    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert!(
        said.contains("in use") && said.contains(place.data_dir().to_str().expect("an UTF-8 path")),
        "{said}"
    );
    // The refused one has touched nothing of the first.
    assert_eq!(server.get("/api/auth", &session.token).status, 200);
    assert!(good(&place, &["sessions", "list"]).contains(&session.id));
}

#[test]
fn a_server_whose_words_nobody_reads_serves_all_the_same() {
    let place = Place::empty();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // The set-up code of the first start has nobody to go to.
    drop(child.stderr.take());
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("it can be read");
    assert!(line.contains("listening on http://"), "{line}");
    let address = line.trim().rsplit("http://").next().expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .expect("it answers");
    assert!(answer.contains(" 200 "), "{answer}");
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// A server whose standard error can be read while it runs.
struct Watched {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Watched {
    fn start(mut command: Command, log: PathBuf) -> Self {
        let errors = File::create(&log).expect("a log");
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut child = command.spawn().expect("the binary runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
        let address = line
            .trim()
            .strip_prefix("tillgate listening on http://")
            .map(str::to_owned);
        let watched = Self {
            child,
            address: address.unwrap_or_default(),
            log,
        };
        assert!(!watched.address.is_empty(), "{line} {}", watched.said());
        watched
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log is there")
    }

    /// SIGTERM; answers how long the end took, and the exit code.
    fn stop(&mut self) -> (Duration, Option<i32>) {
        let started = Instant::now();
        self.terminate();
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("the child") {
                break status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        (started.elapsed(), code)
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .expect("kill runs")
                .success()
        );
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_demo_prints_three_lines_that_work_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scratch = folder.path().join("tmp");
    std::fs::create_dir(&scratch).expect("a folder");
    let mut command = support::binary();
    command.env("TMPDIR", &scratch).current_dir(folder.path());
    command.args(["serve", "--demo", "--listen", "127.0.0.1:0"]);

    let mut demo = Watched::start(command, folder.path().join("log"));
    let said = demo.said();
    for name in [
        "999",
        "demo-owner",
        "P01",
        "P02",
        "PDA1",
        "BackOffice",
        "LINK",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|l| l.contains("curl "))
        .collect();
    assert_eq!(lines.len(), 3, "{said}");
    let answers = bash(&lines.join("\necho\n"));

    assert!(answers.contains(r#""totalCount":1"#), "{answers}");
    assert!(answers.contains("Majite"), "{answers}");
    assert_eq!(demo.stop().1, Some(0), "{}", demo.said());
    assert_eq!(std::fs::read_dir(&scratch).expect("the folder").count(), 0);
}

#[test]
fn the_demo_does_not_touch_a_shop() {
    let place = Place::with_shop();
    let before = good(&place, &["export"]);

    let said = bad(
        &place,
        &["serve", "--demo", "--listen", "127.0.0.1:0"],
        CONFIG,
    );

    assert!(said.contains("not empty"), "{said}");
    assert_eq!(good(&place, &["export"]), before);
}

#[test]
fn the_set_up_code_makes_the_first_administrator_once() {
    let place = Place::empty();
    let command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Watched::start(command, place.path().join("log"));
    let said = server.said();
    let line = said
        .lines()
        .map(str::trim)
        .find(|l| l.starts_with("curl "))
        .expect("a curl line");
    let with_status = format!("{line} -sS -o /dev/null -w '%{{http_code}}'");

    assert_eq!(bash(&with_status), "201");
    assert_eq!(bash(&with_status), "404");

    let address = server.address.clone();
    let log_in = format!(
        "curl -sS -o /dev/null -w '%{{http_code}}' http://{address}/api/auth \
         -H 'Content-Type: application/json' \
         -d '{{\"userName\":\"admin\",\"password\":\"CHOOSE-ONE\",\"deviceName\":\"Office\"}}'"
    );
    assert_eq!(bash(&log_in), "200");
    server.stop();

    // Closed for good, for the next process as well.
    let command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = Watched::start(command, place.path().join("log"));
    assert!(!server.said().contains("/setup"), "{}", server.said());
    assert_eq!(bash(&with_status.replace(&address, &server.address)), "404");
}

/// A request whose body never comes to its end.
fn unfinished_request(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let head = "POST /api/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("the head is sent");
    // Long enough that the server is at it when the signal comes.
    std::thread::sleep(Duration::from_millis(200));
    stream
}

#[test]
fn a_stop_does_not_wait_longer_than_ten_seconds_for_anybody() {
    let place = Place::with_shop();
    let command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Watched::start(command, place.path().join("log"));
    let _idle = TcpStream::connect(&server.address).expect("the server listens");
    let _unfinished = unfinished_request(&server.address);

    let (took, code) = server.stop();

    assert!(took < DRAIN_MAX, "{took:?}");
    assert_eq!(code, Some(0), "{}", server.said());
}

#[test]
fn a_second_signal_ends_the_server_at_once_and_loses_nothing() {
    let place = Place::with_shop();
    let command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Watched::start(command, place.path().join("log"));
    let log_in = format!(
        "curl -sS -o /dev/null -w '%{{http_code}}' http://{}/api/auth \
         -H 'Content-Type: application/json' \
         -d '{{\"userName\":\"1\",\"password\":\"pass\",\"deviceName\":\"P01\"}}'",
        server.address
    );
    assert_eq!(bash(&log_in), "200");
    let _unfinished = unfinished_request(&server.address);

    server.terminate();
    std::thread::sleep(Duration::from_millis(200));
    let (took, _) = server.stop();

    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(good(&place, &["sessions", "list"]).contains("1 of 1"));
}

#[test]
fn an_idle_server_stops_at_once_and_removes_its_control_socket() {
    let place = Place::with_shop();
    let server = place.serve();
    let socket = place.data_dir().join("control.sock");
    eventually("the control socket is there", || socket.exists());
    let started = Instant::now();

    let (code, log) = server.stop();

    assert_eq!(code, Some(0), "{log}");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert!(!socket.exists());
}
