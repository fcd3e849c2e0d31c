//! The server under a service manager: the notify protocol, spoken with a
//! socket of the test's own, and the unit that the package brings.

mod support;

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{PATIENCE, Place, Server};

/// The unit.
const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/systemd/tillgate.service");
/// What `systemd-analyze security` may come to at most, of 10.
const EXPOSURE_MAX: f64 = 2.0;
/// How often the manager of these tests wants a sign of life.
const WATCHDOG: Duration = Duration::from_millis(600);

/// The manager's side.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path().join("notify")).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        Self(socket)
    }

    /// The next thing that it is told, if it comes within this time.
    fn told_within(&self, time: Duration) -> Option<String> {
        let started = Instant::now();
        let mut bytes = [0; 4096];
        while started.elapsed() < time {
            if let Ok(length) = self.0.recv(&mut bytes) {
                return Some(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
        }
        None
    }

    fn told(&self) -> String {
        self.told_within(PATIENCE).expect("something is told")
    }

    /// Lets what was told before go by.
    fn forget(&self) {
        while self.told_within(Duration::from_millis(100)).is_some() {}
    }
}

/// A server that this manager has started.
fn serve(place: &Place) -> Server {
    Server::start(managed(place))
}

fn managed(place: &Place) -> Command {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", place.path().join("notify"))
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    command
}

#[test]
fn ready_is_told_when_the_server_answers_and_stopping_when_it_stops() {
    let place = Place::with_shop();
    let manager = Manager::listen(&place);
    let server = serve(&place);

    let ready = manager.told();

    assert!(
        ready.starts_with("READY=1\nSTATUS=listening on "),
        "{ready}"
    );
    assert!(ready.ends_with(&server.address), "{ready}");
    server.log_in("1", "P02");
    assert_eq!(manager.told(), "WATCHDOG=1");
    assert_eq!(server.stop().0, Some(0));
    let mut last = manager.told();
    while last == "WATCHDOG=1" {
        last = manager.told();
    }
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn a_socket_without_a_file_is_told_as_well() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;
    let name = format!("tillgate-test-{:016x}", rand::random::<u64>());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let place = Place::with_shop();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let _server = Server::start(command);

    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).expect("something is told");

    assert!(bytes[..length].starts_with(b"READY=1\n"));
}

#[test]
fn a_manager_that_does_not_listen_stops_nothing() {
    let place = Place::with_shop();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", place.path().join("nobody"));
    let server = Server::start(command);

    server.log_in("1", "P02");

    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_server_that_stands_still_gives_no_sign_of_life_until_it_goes_on() {
    let place = Place::with_shop();
    let manager = Manager::listen(&place);
    let server = serve(&place);
    assert!(manager.told().starts_with("READY=1"));
    assert_eq!(manager.told(), "WATCHDOG=1");

    // A writer that hangs alone is in the tests of the store.
    stand_still(&manager, &server);
    server.log_in("1", "P02");
}

/// While the server stands still nothing is told, and then it is again.
fn stand_still(manager: &Manager, server: &Server) {
    server.signal("-STOP");
    manager.forget();
    assert_eq!(manager.told_within(3 * WATCHDOG), None);
    server.signal("-CONT");
    assert_eq!(manager.told(), "WATCHDOG=1");
}

/// Words of the manager, one a line, without signs of life.
fn told_but_life(manager: &Manager) -> Vec<String> {
    loop {
        let told = manager.told();
        if told != "WATCHDOG=1" {
            return told.lines().map(str::to_owned).collect();
        }
    }
}

#[test]
fn a_reload_is_told_when_it_begins_and_when_it_is_over() {
    let place = Place::with_shop();
    let manager = Manager::listen(&place);
    let server = serve(&place);
    assert!(manager.told().starts_with("READY=1"));

    for _ in 0..2 {
        let before = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
        server.signal("-HUP");

        let reloading = told_but_life(&manager);
        let micros = reloading
            .get(1)
            .and_then(|line| line.strip_prefix("MONOTONIC_USEC="))
            .and_then(|micros| micros.parse::<i64>().ok())
            .unwrap_or_else(|| panic!("{reloading:?}"));
        assert_eq!(reloading[0], "RELOADING=1");
        let after = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
        assert!((before..=after).contains(&(micros / 1_000_000)));
        assert_eq!(told_but_life(&manager), ["READY=1"]);
    }
    server.log_in("1", "P02");
}

#[test]
fn under_tls_a_server_gives_signs_of_life_and_a_standstill_is_seen_as_well() {
    let place = support::secure::place();
    let manager = Manager::listen(&place);
    let server = serve(&place);
    assert_eq!(server.scheme, "https");
    assert!(manager.told().starts_with("READY=1"));
    assert_eq!(manager.told(), "WATCHDOG=1");
    assert_eq!(manager.told(), "WATCHDOG=1");

    stand_still(&manager, &server);
}

#[test]
fn the_unit_is_hardened() {
    let skipped = |why: &str| {
        let line = format!("\nSKIPPED unit: {why}\n");
        let _ = std::io::stdout().write_all(line.as_bytes());
    };
    let analysed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", UNIT])
        .env("LC_ALL", "C.UTF-8")
        .output();
    let Ok(analysed) = analysed else {
        return skipped("systemd-analyze is not installed (Debian: systemd)");
    };
    let said = String::from_utf8_lossy(&analysed.stdout);
    let verdict = said
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for tillgate.service: "));
    let Some((_, verdict)) = verdict else {
        let said = String::from_utf8_lossy(&analysed.stderr);
        return skipped(&format!("systemd-analyze says: {said}"));
    };
    let exposure: f64 = verdict
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number");

    assert!(exposure < EXPOSURE_MAX, "{said}");
}
