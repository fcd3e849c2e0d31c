//! Failed logins over the socket, from several addresses of this machine.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};
use serde_json::{Value, json};
use support::{Login, PATIENCE, Place, Server, good};

const TILL: &str = "127.0.0.5:0";
const STRANGER: &str = "127.0.0.9:0";

/// A shop in which failures lock without a wait before, so that tests need none.
fn shop() -> Place {
    Place::with_shop().option("LOCKOUT__WAIT_AFTER", "10")
}

/// A connection from one address of this machine.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &Server, from: &str) -> Self {
        let from: SocketAddrV4 = from.parse().expect("an address");
        let to: SocketAddrV4 = server.address.parse().expect("an address");
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
        let socket = socket.expect("a socket");
        rustix::net::bind(&socket, &from).expect("a loopback address");
        rustix::net::connect(&socket, &to).expect("the server listens");
        let stream = TcpStream::from(socket);
        let patience = Some(PATIENCE);
        stream.set_read_timeout(patience).expect("can be set");
        Self(BufReader::new(stream))
    }

    /// Tries to log in: the status, the seconds of `Retry-After`, the body.
    fn log_in(&mut self, user: &str, password: &str, device: &str) -> (u16, String, Value) {
        let body = json!({"userName": user, "password": password, "deviceName": device});
        let body = body.to_string();
        let request = format!(
            "POST /api/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = self.0.get_mut();
        stream.write_all(request.as_bytes()).expect("is sent");
        self.answer()
    }

    fn answer(&mut self) -> (u16, String, Value) {
        let (mut head, mut retry_after, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a line");
            if line.trim().is_empty() {
                break;
            }
            if head.is_empty() {
                head.clone_from(&line);
            }
            let lower = line.to_ascii_lowercase();
            if let Some(seconds) = lower.strip_prefix("retry-after:") {
                seconds.trim().clone_into(&mut retry_after);
            }
            if let Some(bytes) = lower.strip_prefix("content-length:") {
                length = bytes.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body");
        let status = head.split(' ').nth(1).expect("a status line");
        let body = serde_json::from_slice(&body).unwrap_or_default();
        (status.parse().expect("a number"), retry_after, body)
    }
}

fn status(server: &Server, from: &str, user: &str, password: &str, device: &str) -> u16 {
    Client::connect(server, from)
        .log_in(user, password, device)
        .0
}

#[test]
fn a_thousand_wrong_passwords_lock_one_pair_and_nobody_else_also_after_a_kill() {
    let place = shop();
    let server = place.serve();
    assert_eq!(status(&server, TILL, "1", "pass", "P01"), 200);

    let mut stranger = Client::connect(&server, STRANGER);
    let statuses: Vec<u16> = (0..1_000)
        .map(|_| stranger.log_in("1", "wrong", "P01").0)
        .collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert!(statuses[10..].iter().all(|status| *status == 423));

    let look = |server: &Server| {
        let (status_, retry_after, body) =
            Client::connect(server, STRANGER).log_in("1", "pass", "P01");
        assert_eq!((status_, &body["errorCode"]), (423, &json!(5)), "{body}");
        let seconds: u64 = retry_after.parse().expect("seconds");
        assert!((1..=1_800).contains(&seconds), "{seconds}");
        // The known place, another device, another user.
        assert_eq!(status(server, TILL, "1", "pass", "P01"), 200);
        assert_eq!(status(server, STRANGER, "1", "pass", "P02"), 200);
        assert_eq!(status(server, STRANGER, "2", "pass", "P01"), 200);
    };
    look(&server);
    server.kill();
    look(&place.serve());
}

#[test]
fn names_that_are_no_users_lock_like_users_and_say_nothing_else() {
    let place = shop();
    let server = place.serve();
    let tried = |user: &str, device: &str| {
        let mut client = Client::connect(&server, STRANGER);
        let answers = (0..12).map(|_| {
            let (status, _, mut body) = client.log_in(user, "wrong", device);
            body["traceId"] = Value::Null;
            (status, body)
        });
        answers.collect::<Vec<_>>()
    };
    let there = tried("1", "P01");
    assert_eq!(there[10].0, 423);
    for (user, device) in [
        ("nobody", "P01"),
        ("off", "P01"),
        ("2", "P77"),
        ("\u{202e}", "P01"),
    ] {
        assert_eq!(tried(user, device), there, "{user} {device}");
    }
}

#[test]
fn the_fifth_failure_in_a_row_brings_a_wait_of_a_second() {
    let place = Place::with_shop();
    let server = place.serve();
    let mut client = Client::connect(&server, STRANGER);
    for _ in 0..5 {
        assert_eq!(client.log_in("1", "wrong", "P01").0, 401);
    }
    let (status, retry_after, _) = client.log_in("1", "pass", "P01");
    // A slow machine may have let the second pass already.
    assert!(status == 200 || (status, &*retry_after) == (423, "1"));
}

#[test]
fn live_sessions_go_on_and_a_wrong_old_password_is_counted() {
    let place = shop();
    let server = place.serve();
    let login = server.log_in("1", "BackOffice");
    let change = |old: &str| {
        let body = json!({"oldPassword": old, "newPassword": "better"});
        server.call("PUT", "/api/auth/password", Some(&login.token), &body)
    };
    for _ in 0..10 {
        assert_eq!(change("wrong").status, 400);
    }
    let locked = change("pass");
    assert_eq!(
        (locked.status, &locked.json()["errorCode"]),
        (423, &json!(5))
    );
    assert_eq!(server.try_log_in("1", "pass", "BackOffice").status, 423);
    assert_eq!(server.get("/api/auth", &login.token).status, 200);
}

#[test]
fn unlocking_lets_the_user_in_by_the_api_and_by_the_command_line() {
    let place = shop();
    let server = place.serve();
    let lock = |server: &Server| {
        let mut client = Client::connect(server, STRANGER);
        while client.log_in("1", "wrong", "P01").0 != 423 {}
    };
    lock(&server);
    let cashier = server.log_in("2", "BackOffice");
    let refused = server.delete("/users/1/lock", &cashier.token);
    assert_eq!(refused.status, 403, "{}", refused.text);
    let manager: Login = server.log_in("m", "BackOffice");
    assert_eq!(server.delete("/users/999/lock", &manager.token).status, 403);
    assert_eq!(
        server.delete("/users/nobody/lock", &manager.token).status,
        404
    );
    assert_eq!(status(&server, STRANGER, "1", "pass", "P01"), 423);
    assert_eq!(server.delete("/users/1/lock", &manager.token).status, 204);
    assert_eq!(status(&server, STRANGER, "1", "pass", "P01"), 200);

    // Beside the running server, and in the stopped store.
    lock(&server);
    good(&place, &["user", "unlock", "1"]);
    assert_eq!(status(&server, "127.0.0.10:0", "1", "pass", "P01"), 200);
    let mut client = Client::connect(&server, "127.0.0.11:0");
    while client.log_in("1", "wrong", "P01").0 != 423 {}
    server.stop();
    good(&place, &["user", "unlock", "1"]);
    assert_eq!(
        status(&place.serve(), "127.0.0.11:0", "1", "pass", "P01"),
        200
    );
}

#[test]
fn a_flood_from_one_address_delays_a_till_at_another_by_two_rounds() {
    const FLOODING: usize = 64;
    let place = Place::with_shop()
        .option("PASSWORD__HASH_THREADS", "1")
        .option("PASSWORD__ARGON2_MEMORY_KIB", "4096")
        .option("PASSWORD__ARGON2_ITERATIONS", "4");
    let server = place.serve();
    let (answered, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for number in 0..FLOODING {
            let (server, answered, done) = (&server, &answered, &done);
            scope.spawn(move || {
                let mut client = Client::connect(server, STRANGER);
                for round in 0.. {
                    if done.load(Ordering::Acquire) {
                        return;
                    }
                    let user = format!("flood {number} {round}");
                    if client.log_in(&user, "wrong", "P01").0 == 401 {
                        answered.fetch_add(1, Ordering::AcqRel);
                    }
                }
            });
        }
        while answered.load(Ordering::Acquire) < FLOODING {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut till = Client::connect(&server, TILL);
        let before = answered.load(Ordering::Acquire);
        let logged_in = till.log_in("1", "pass", "P01").0;
        let meanwhile = answered.load(Ordering::Acquire) - before;
        done.store(true, Ordering::Release);
        assert_eq!(logged_in, 200);
        // Two rounds of one thread, and what was on its way already.
        assert!(meanwhile <= 8, "{meanwhile} of the flood came first");
    });
}
