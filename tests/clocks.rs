//! Wrong clocks under the real binary: libfaketime gives it another wall clock,
//! at the start and while it runs, and leaves the other clocks alone. No session
//! is ended early or lives on by more than a second, measured from outside.
//!
//! | the computer's clock | what sessions do |
//! |---|---|
//! | 1970, 2000 or 2100 at a start | live ones go on; a new one has its whole lifetime |
//! | the same at the very first start | the same, and the next start with a right clock ends nobody |
//! | -10 days, +30 days, +100 years while it runs, and back | nothing |
//! | 1,000 steps of up to 2 s | a new one has its lifetime, less 2 s at most |
//! | stopped for a while and continued | the time counts |

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Login, Place, Server};

/// Where Debian and its relatives have it.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
/// The lifetime of sessions on LINK; others have hours.
const LIFETIME: Duration = Duration::from_secs(6);
/// How far a session's end may be off.
const OFF_MAX: Duration = Duration::from_secs(1);
/// Wall clocks that are wrong from the beginning.
const YEARS: [&str; 3] = [
    "@1970-01-01 00:00:05",
    "@2000-01-01 00:00:05",
    "@2100-06-01 12:00:00",
];
const RIGHT: &str = "+0";

/// A shop whose server has a wall clock of its own.
struct Shop {
    place: Place,
    library: &'static str,
    clock: PathBuf,
}

impl Shop {
    /// `None`, with a line that says so, where there is no libfaketime.
    fn open() -> Option<Self> {
        let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
        let Some(library) = found else {
            // On the real standard output, past the test harness.
            let line = "\nSKIPPED clocks: libfaketime is not installed (Debian: faketime)\n";
            let _ = std::io::stdout().write_all(line.as_bytes());
            return None;
        };
        let place = Place::with_shop().option("SESSIONS__LIFETIME__TOOL", "6s");
        let clock = place.path().join("clock");
        Some(Self {
            place,
            library,
            clock,
        })
    }

    /// Sets the wall clock, as libfaketime writes it.
    fn set(&self, clock: &str) {
        let draft = self.clock.with_extension("new");
        std::fs::write(&draft, clock).expect("written");
        std::fs::rename(&draft, &self.clock).expect("renamed");
    }

    fn serve(&self, clock: &str) -> Server {
        self.set(clock);
        let mut command = self.place.command(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .env("LD_PRELOAD", self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Server::start(command)
    }
}

/// A login with the instants around it.
struct Short {
    login: Login,
    asked: Instant,
    answered: Instant,
}

impl Short {
    fn begin(server: &Server) -> Self {
        let asked = Instant::now();
        let login = server.log_in("1", "LINK");
        Self {
            login,
            asked,
            answered: Instant::now(),
        }
    }

    /// Asks until the session is over; it is when its time has come. `early`:
    /// how much sooner is right as well.
    fn ends_in_time(&self, server: &Server, what: &str, early: Duration) {
        loop {
            let asked = Instant::now();
            let status = server.get("/api/auth", &self.login.token).status;
            if status == 401 {
                let lived = self.asked.elapsed();
                assert!(
                    lived + OFF_MAX + early >= LIFETIME,
                    "{what}: ended after {lived:?}"
                );
                return;
            }
            assert_eq!(status, 200, "{what}");
            let lived = asked.duration_since(self.answered);
            assert!(lived <= LIFETIME + OFF_MAX, "{what}: lives after {lived:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn is_live(server: &Server, login: &Login) -> bool {
    server.get("/api/auth", &login.token).status == 200
}

/// What the server says of its wall clock.
fn year(server: &Server) -> String {
    let health = server.call("GET", "/health", None, &Value::Null).text;
    let at = health.find("\"wall\":\"").expect("health shows the clock") + 8;
    health[at..at + 4].to_owned()
}

#[test]
fn a_wrong_clock_at_a_start_ends_no_session_and_prolongs_none() {
    let Some(shop) = Shop::open() else { return };
    let server = shop.serve(RIGHT);
    let long = server.log_in("999", "BackOffice");
    assert_eq!(server.stop().0, Some(0));
    for clock in YEARS {
        let server = shop.serve(clock);
        assert_eq!(year(&server), clock[1..5], "the clock is not wrong");
        assert!(is_live(&server, &long), "{clock}");
        let short = Short::begin(&server);
        short.ends_in_time(&server, clock, Duration::ZERO);
        assert!(is_live(&server, &long), "{clock}");
        assert_eq!(server.stop().0, Some(0));
    }
    let server = shop.serve(RIGHT);
    assert!(is_live(&server, &long), "with the right clock again");
}

#[test]
fn a_shop_that_is_opened_under_a_wrong_clock_keeps_its_sessions_under_a_right_one() {
    for clock in YEARS {
        let Some(shop) = Shop::open() else { return };
        // As if the import had been the first start under this clock, too.
        std::fs::remove_dir_all(shop.place.data_dir()).expect("removed");
        std::fs::remove_file(shop.place.path().join("db.key")).expect("removed");
        let file = shop.place.path().join("shop.json");
        shop.set(clock);
        let imported = shop
            .place
            .command(&["import", file.to_str().expect("UTF-8")])
            .env("LD_PRELOAD", shop.library)
            .env("FAKETIME_TIMESTAMP_FILE", &shop.clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .output()
            .expect("the binary runs");
        assert!(imported.status.success(), "{}", support::err(&imported));

        let server = shop.serve(clock);
        let long = server.log_in("999", "BackOffice");
        let short = Short::begin(&server);
        short.ends_in_time(&server, clock, Duration::ZERO);
        assert_eq!(server.stop().0, Some(0));

        let server = shop.serve(RIGHT);
        assert!(is_live(&server, &long), "{clock}");
    }
}

#[test]
fn a_clock_that_jumps_while_the_server_runs_moves_no_session_s_end() {
    let Some(shop) = Shop::open() else { return };
    let server = shop.serve(RIGHT);
    let long = server.log_in("999", "BackOffice");
    let right = year(&server);
    for clock in ["-10d", "+30d", "+100y"] {
        let before = Short::begin(&server);
        shop.set(clock);
        assert!(clock != "+100y" || year(&server) != right, "no jump");
        let within = Short::begin(&server);
        before.ends_in_time(&server, clock, Duration::ZERO);
        within.ends_in_time(&server, clock, Duration::ZERO);
        shop.set(RIGHT);
        assert!(is_live(&server, &long), "{clock}");
        let after = Short::begin(&server);
        assert!(is_live(&server, &after.login), "{clock} and back");
    }
}

#[test]
fn a_thousand_small_steps_add_up_to_no_more_than_the_largest() {
    const STEPS: u32 = 1_000;
    const STEP_MILLIS: i64 = 2_000;
    let Some(shop) = Shop::open() else { return };
    let server = shop.serve(RIGHT);
    let long = server.log_in("999", "BackOffice");
    let short = Short::begin(&server);
    // The same steps in every run, spread as if they were drawn.
    for step in 0..i64::from(STEPS) {
        let millis = (step * 7_919) % (2 * STEP_MILLIS + 1) - STEP_MILLIS;
        let sign = if millis < 0 { '-' } else { '+' };
        shop.set(&format!(
            "{sign}{}.{:03}",
            millis.abs() / 1000,
            millis.abs() % 1000
        ));
        if step % 10 == 0 {
            server.get("/api/auth", &long.token);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let early = Duration::from_secs(2);
    short.ends_in_time(&server, "small steps", early);
    let later = Short::begin(&server);
    later.ends_in_time(&server, "behind small steps", early);
    assert!(is_live(&server, &long));
}

#[test]
fn time_that_a_stopped_process_does_not_see_counts_all_the_same() {
    let Some(shop) = Shop::open() else { return };
    let server = shop.serve(RIGHT);
    let long = server.log_in("999", "BackOffice");
    let short = Short::begin(&server);
    server.signal("-STOP");
    std::thread::sleep(LIFETIME / 2);
    server.signal("-CONT");
    short.ends_in_time(&server, "half of it stopped", Duration::ZERO);
    let short = Short::begin(&server);
    server.signal("-STOP");
    std::thread::sleep(LIFETIME + OFF_MAX);
    server.signal("-CONT");
    assert!(!is_live(&server, &short.login), "it slept through its end");
    assert!(is_live(&server, &long));
}
