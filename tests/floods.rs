//! Floods against the real binary: more connections, slower clients, fewer
//! files, less memory than a server would like. It answers throughout, lets
//! nobody hold it up, and stops in time. Larger by
//! `TILLGATE_FLOOD_CONNECTIONS` and `TILLGATE_FLOOD_SECONDS`.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use support::{PATIENCE, Place, Server};

/// Connections in the small floods.
const SLOW: usize = 300;
/// Files of this process beside the connections.
const FILES_BESIDE: u64 = 256;
/// What an idle connection may cost.
const CONNECTION_KIB_MAX: u64 = 48;
/// What a server in the smallest PC may have.
const SMALL_MIB: u64 = 64;

fn number(name: &str, without: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(without, |text| text.parse().expect("a number"))
}

/// On the real standard output, past the test harness.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("\n{line}\n").as_bytes());
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    stream
}

/// Connections that have each sent these bytes.
fn connections(server: &Server, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let mut stream = connect(server);
            stream.write_all(bytes).expect("the server reads");
            stream
        })
        .collect()
}

/// One answer's head, and as much behind it as came along.
fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

/// Reads to the end; whether the other side closed in time.
fn is_closed(mut stream: TcpStream) -> bool {
    let mut all = Vec::new();
    let end = stream.read_to_end(&mut all);
    // A reset is an end as well; a timeout is none.
    end.map_or_else(
        |error| error.kind() == std::io::ErrorKind::ConnectionReset,
        |_| true,
    )
}

/// Processor time so far, in ticks of a hundredth of a second.
fn ticks(server: &Server) -> u64 {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("it is there");
    let behind = stat.rsplit_once(')').expect("a name").1;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
    ticks(11) + ticks(12)
}

fn is_alive(server: &Server) {
    assert_eq!(
        server.call("GET", "/health", None, &Value::Null).status,
        200
    );
}

#[test]
fn thousands_of_idle_connections_keep_nobody_from_being_answered() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    let wanted = number("TILLGATE_FLOOD_CONNECTIONS", 2_000);
    let count = wanted.min(files.saturating_sub(FILES_BESIDE));
    if count < wanted {
        say(&format!(
            "SKIPPED floods: only {count} of {wanted} connections: the limit of open files is {files}"
        ));
    }
    let place = Place::with_shop().option("HTTP__CONNECTIONS_MAX", &(count + 100).to_string());
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    let before = server.resident_kib();
    let request = format!(
        "GET /api/auth HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        login.token
    );

    let mut all = Vec::new();
    // One after the other: the system's queue of new connections is short.
    for _ in 0..count {
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).expect("sent");
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
        all.push(stream);
    }

    let asked = Instant::now();
    assert_eq!(server.get("/api/auth", &login.token).status, 200);
    let took = asked.elapsed();
    let resident = server.resident_kib();
    say(&format!(
        "floods: {count} idle connections, {} MiB before, {} MiB with them; one more request took {took:?}",
        before / 1024,
        resident / 1024
    ));
    let each = resident.saturating_sub(before) / count;
    assert!(each <= CONNECTION_KIB_MAX, "{each} KiB a connection");
    // They are still good.
    for stream in all.iter_mut().step_by(97) {
        stream.write_all(request.as_bytes()).expect("sent");
        assert!(answer(stream).starts_with("HTTP/1.1 200"));
    }
    drop(all);
    is_alive(&server);
}

#[test]
fn slow_and_silent_clients_are_sent_away_and_hold_nobody_up() {
    let place = Place::with_shop()
        .option("HTTP__FIRST_BYTE_TIMEOUT", "2s")
        .option("HTTP__HEADER_TIMEOUT", "2s")
        .option("HTTP__BODY_TIMEOUT", "2s");
    let server = place.serve();
    let silent = connections(&server, SLOW, b"");
    let mut headers = connections(
        &server,
        SLOW,
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    );
    let mut bodies = connections(
        &server,
        SLOW,
        b"POST /api/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{",
    );

    // A byte now and then keeps no deadline from coming.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(6) {
        for stream in headers.iter_mut().chain(&mut bodies) {
            // Closed ones are what we are waiting for.
            let _ = stream.write_all(b"a");
        }
        is_alive(&server);
        std::thread::sleep(Duration::from_millis(300));
    }

    for stream in headers.into_iter().chain(bodies).chain(silent) {
        assert!(is_closed(stream), "a slow client is still there");
    }
    is_alive(&server);
}

/// A server that may open this many files.
fn with_files(place: &Place, files: u32) -> Server {
    let serve = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    through_shell(&serve, &format!("ulimit -n {files}"))
}

/// Starts a command behind a line of shell.
fn through_shell(serve: &Command, first: &str) -> Server {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("{first}; exec \"$0\" \"$@\""))
        .arg(serve.get_program())
        .args(serve.get_args())
        .current_dir(serve.get_current_dir().expect("a folder"));
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Server::start(shell)
}

#[test]
fn with_sixty_four_files_a_server_serves_several_and_recovers_from_a_flood() {
    let place = Place::with_shop();
    let server = with_files(&place, 64);
    let login = server.log_in("999", "BackOffice");
    let request = format!(
        "GET /api/auth HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        login.token
    );
    let mut several = connections(&server, 16, request.as_bytes());
    for stream in &mut several {
        assert!(answer(stream).starts_with("HTTP/1.1 200"), "16 at once");
    }

    // No more than the system's queue of new connections takes.
    let flood = connections(&server, 100, b"GET ");
    let before = ticks(&server);
    std::thread::sleep(Duration::from_secs(2));
    let spent = ticks(&server) - before;
    // Who is in goes on, and an ending can be written.
    let ending = format!(
        "DELETE /api/auth HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        login.token
    );
    several[0].write_all(ending.as_bytes()).expect("sent");
    assert!(answer(&mut several[0]).starts_with("HTTP/1.1 204"));
    drop((flood, several));
    is_alive(&server);

    assert!(
        spent < 100,
        "{spent} hundredths of a second in 2 s of nothing to do"
    );
    server.log_in("999", "BackOffice");
    assert_eq!(server.stop().0, Some(0));
}

/// A control group with a limit of memory; removed when dropped.
struct Cgroup {
    folder: PathBuf,
    /// Where the kernel counts whom it has killed.
    kills: &'static str,
}

impl Cgroup {
    /// In the first version of control groups, else in the second.
    fn make(mib: u64) -> Result<Self, String> {
        let (first, second) = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup");
        let (root, limit, kills) = if Path::new(first).is_dir() {
            (first, "memory.limit_in_bytes", "memory.oom_control")
        } else {
            (second, "memory.max", "memory.events")
        };
        let name = format!("tillgate-{:08x}", std::process::id());
        let group = Self {
            folder: Path::new(root).join(name),
            kills,
        };
        std::fs::create_dir(&group.folder).map_err(|error| error.to_string())?;
        let bytes = (mib * 1024 * 1024).to_string();
        std::fs::write(group.folder.join(limit), bytes).map_err(|error| error.to_string())?;
        Ok(group)
    }

    fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    fn kills(&self) -> u64 {
        let counted = std::fs::read_to_string(self.folder.join(self.kills));
        let counted = counted.expect("the group is there");
        let line = counted
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        line.map_or(0, |number| number.parse().expect("a number"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

#[test]
fn a_login_flood_in_sixty_four_mebibytes_is_refused_and_not_killed() {
    let group = match Cgroup::make(SMALL_MIB) {
        Ok(group) => group,
        Err(why) => {
            say(&format!(
                "SKIPPED floods: no memory limit can be set: {why}"
            ));
            return;
        }
    };
    // Hashes of the size that a shop has.
    let place = Place::empty()
        .option("PASSWORD__ARGON2_MEMORY_KIB", "19456")
        .option("PASSWORD__ARGON2_ITERATIONS", "2");
    let shop = place.path().join("shop.json");
    std::fs::write(&shop, support::SHOP).expect("written");
    support::good(&place, &["import", "shop.json"]);
    let serve = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = through_shell(&serve, &format!("echo $$ > {}", group.members().display()));
    let owner = server.log_in("999", "BackOffice");
    let seconds = Duration::from_secs(number("TILLGATE_FLOOD_SECONDS", 5));
    let (good, refused) = (AtomicU32::new(0), AtomicU32::new(0));

    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                while started.elapsed() < seconds {
                    let answer = server.try_log_in("1", "pass", "LINK");
                    match answer.status {
                        200 => good.fetch_add(1, Ordering::Relaxed),
                        503 => {
                            assert!(!answer.header("Retry-After").is_empty());
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        other => panic!("{other}: {}", answer.text),
                    };
                }
            });
        }
        while started.elapsed() < seconds {
            assert_eq!(server.get("/api/auth", &owner.token).status, 200);
            std::thread::sleep(Duration::from_millis(100));
        }
    });

    say(&format!(
        "floods: in {SMALL_MIB} MiB {} logins and {} refusals in {seconds:?}, {} MiB resident",
        good.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
        server.resident_kib() / 1024
    ));
    assert_eq!(group.kills(), 0, "the kernel has killed");
    assert!(good.load(Ordering::Relaxed) > 0);
    assert!(refused.load(Ordering::Relaxed) > 0);
    server.log_in("999", "BackOffice");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn at_sigterm_requests_in_flight_are_answered_and_nobody_holds_the_end_up() {
    const LOGINS: usize = 20;
    let place = Place::with_shop()
        .option("PASSWORD__ARGON2_MEMORY_KIB", "8192")
        .option("HTTP__DRAIN_MAX", "4s");
    let server = place.serve();
    let token = server.log_in("999", "BackOffice").token;
    let idle =
        format!("GET /api/auth HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut parked = connections(&server, 50, idle.as_bytes());
    for stream in &mut parked {
        assert!(answer(stream).starts_with("HTTP/1.1 200"));
    }
    let _half_heads = connections(&server, 50, b"GET /health HTTP/1.1\r\nHo");
    let _half_bodies = connections(
        &server,
        50,
        b"POST /api/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    );
    let body = r#"{"userName":"1","password":"pass","deviceName":"LINK"}"#;
    let login = format!(
        "POST /api/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut in_flight = connections(&server, LOGINS, login.as_bytes());
    // The first answer shows that they have all arrived.
    assert!(answer(&mut in_flight[0]).starts_with("HTTP/1.1 200"));

    let told = Instant::now();
    let stopper = std::thread::spawn(move || server.stop());
    for stream in &mut in_flight[1..] {
        let said = answer(stream);
        assert!(
            said.starts_with("HTTP/1.1 200") || said.starts_with("HTTP/1.1 503"),
            "no answer to a request in flight: {said:?}"
        );
    }
    let (code, log) = stopper.join().expect("the server stops");
    assert_eq!(code, Some(0), "{log}");
    let took = told.elapsed();
    assert!(took <= Duration::from_secs(10), "it took {took:?}");
    assert!(parked.into_iter().all(is_closed));
    // What was answered is there.
    let server = place.serve();
    assert_eq!(server.get("/api/auth", &token).status, 200);
}

#[test]
fn a_second_sigterm_ends_the_server_at_once() {
    let place = Place::with_shop().option("HTTP__DRAIN_MAX", "60s");
    let server = place.serve();
    let _half_bodies = connections(
        &server,
        50,
        b"POST /api/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    );
    is_alive(&server);
    server.signal("-TERM");
    // Until the first has been heard: then nobody can connect any more.
    support::eventually("the listener is closed", || {
        TcpStream::connect(&server.address).is_err()
    });
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn http_2_on_the_plain_port_is_refused_cleanly() {
    let place = Place::with_shop();
    let server = place.serve();
    for _ in 0..200 {
        let mut stream = connect(&server);
        let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // An empty SETTINGS frame, and resets as fast as they go.
        frames.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        for id in (1..200_u8).step_by(2) {
            frames.extend_from_slice(&[0, 0, 4, 3, 0, 0, 0, 0, id, 0, 0, 0, 8]);
        }
        // The server may close before it has read all of it.
        let _ = stream.write_all(&frames);
        let _ = stream.shutdown(Shutdown::Write);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 505"),
            "{said}"
        );
    }
    is_alive(&server);
}
