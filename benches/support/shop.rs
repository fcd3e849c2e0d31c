//! A large shop: who works there, on which devices, and everybody logged in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tillgate::auth::password::{self, HashParams};
use tillgate::auth::secret::Secret;

use super::client::Connection;
use super::say;

/// Users of the shop: `u0` to `u999`.
pub const USERS: usize = 1_000;
/// Devices: half of them `OfficeN`, half `BoxN`. None is a sale device, so each
/// holds any number of sessions.
pub const DEVICES: usize = 10;
/// Everybody's password.
pub const PASSWORD: &str = "pass";
/// Somebody whose password has a hash of the shipped cost; everybody else's is
/// cheap.
const DEAR: &str = "dear";
/// Somebody who may do everything.
const OVERSEER: &str = "overseer";
/// Connections that log in at once.
const LOGIN_CONNECTIONS: usize = 64;
/// How often a login that met a busy server is tried again.
const LOGIN_TRIES_MAX: usize = 500;
/// How long it waits before that.
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// A session and the token that proves it.
#[derive(Clone, Debug)]
pub struct Login {
    /// The session's id.
    pub id: String,
    /// The bearer token.
    pub token: String,
}

/// The name of the user of the n-th session.
pub fn user(n: usize) -> String {
    format!("u{}", n % USERS)
}

/// The name of the device of the n-th session.
pub fn device(n: usize) -> String {
    device_name(n / USERS % DEVICES)
}

fn device_name(n: usize) -> String {
    if n < DEVICES / 2 {
        format!("Office{n}")
    } else {
        format!("Box{n}")
    }
}

/// The shop as a store file.
pub fn store_file() -> String {
    let environments = ["BackOffice", "CashRegister", "PDA", "Tool"];
    let role = json!({"name": "worker", "label": "worker", "description": "",
        "rights": ["apiKeyCreate", "sessionCreate", "pos.sale"], "envNames": environments});
    let overseer = json!({"name": "overseer", "label": "overseer", "description": "",
        "rights": ["admin"], "envNames": environments});
    let devices = (0..DEVICES).map(|n| {
        let environment = if n < DEVICES / 2 {
            "BackOffice"
        } else {
            "Tool"
        };
        json!({"name": device_name(n), "isActive": true, "envName": environment,
            "description": "", "roles": [], "preferences": {}, "settings": {}})
    });
    let places = (0..DEVICES)
        .map(|n| json!({"name": device_name(n), "isActive": true, "roles": ["worker"]}))
        .collect::<Vec<Value>>();
    let users = (0..USERS).map(|n| {
        json!({"userName": user(n), "name": "Somebody", "isActive": true, "isVirtual": false,
            "featureName": null, "password": PASSWORD, "devices": places})
    });
    let dear = json!({"userName": DEAR, "name": "Somebody", "isActive": true, "isVirtual": false,
        "featureName": null, "passwordHash": dear_hash(), "devices": places});
    let overseer_user = json!({"userName": OVERSEER, "name": "Somebody", "isActive": true, "isVirtual": false,
        "featureName": null, "password": PASSWORD,
        "devices": [{"name": device_name(0), "isActive": true, "roles": ["overseer"]}]});
    let users = users.chain([dear, overseer_user]);
    json!({"roles": [role, overseer], "devices": devices.collect::<Value>(), "users": users.collect::<Value>()})
        .to_string()
}

/// A hash of the password at the cost that is shipped.
pub fn dear_hash() -> String {
    let password = Secret::new(PASSWORD.to_owned());
    let hash = password::hash(&password, HashParams::default());
    hash.expect("memory for a hash").to_string()
}

/// Logs in the user whose password is dear; fails the bench if that does not
/// work.
pub fn log_in_dear(connection: &mut Connection) {
    let body = json!({"UserName": DEAR, "Password": PASSWORD, "DeviceName": device(0)});
    let status = connection.post("/api/auth", &body.to_string());
    assert_eq!(
        status,
        200,
        "{}",
        String::from_utf8_lossy(connection.body())
    );
}

/// Logs in somebody who may do everything, and is told of everybody's sessions,
/// this many times.
pub fn log_in_overseers(address: &str, n: usize) -> Vec<Login> {
    let mut connection = Connection::open(address);
    let logins = (0..n).map(|_| log_in_as(&mut connection, OVERSEER, &device(0)));
    logins.collect()
}

/// Logs in the user of the n-th session on its device.
pub fn log_in_another(connection: &mut Connection, n: usize) -> Login {
    log_in_as(connection, &user(n), &device(n))
}

/// Logs in `n` sessions over HTTP, in a random order.
pub fn log_in(address: &str, n: usize) -> Vec<Login> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let mut logins = std::thread::scope(|scope| {
        let one = || log_in_some(address, n, &next);
        let threads: Vec<_> = (0..LOGIN_CONNECTIONS).map(|_| scope.spawn(one)).collect();
        let logins = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("every login works"));
        logins.collect::<Vec<Login>>()
    });
    let seconds = started.elapsed().as_secs_f64();
    say(&format!(
        "{n} logins over {LOGIN_CONNECTIONS} connections in {seconds:.1} s"
    ));
    shuffle(&mut logins);
    logins
}

fn log_in_some(address: &str, n: usize, next: &AtomicUsize) -> Vec<Login> {
    let mut connection = Connection::open(address);
    let mut logins = Vec::new();
    loop {
        let i = next.fetch_add(1, Ordering::Relaxed);
        if i >= n {
            return logins;
        }
        logins.push(log_in_another(&mut connection, i));
    }
}

fn log_in_as(connection: &mut Connection, user: &str, device: &str) -> Login {
    let body = json!({"UserName": user, "Password": PASSWORD, "DeviceName": device});
    let body = body.to_string();
    let mut status = connection.post("/api/auth", &body);
    for _ in 0..LOGIN_TRIES_MAX {
        if status != 503 {
            break;
        }
        std::thread::sleep(BUSY_WAIT);
        status = connection.post("/api/auth", &body);
    }
    assert!(
        status == 200,
        "login of {user}: {status} {}",
        String::from_utf8_lossy(connection.body())
    );
    let answer: Value = serde_json::from_slice(connection.body()).expect("JSON");
    let text = |name: &str| {
        answer[name]
            .as_str()
            .expect("in every answer to a login")
            .to_owned()
    };
    Login {
        id: text("sessionId"),
        token: text("tokenId"),
    }
}

/// Puts them into an order of chance, so that no cache is warmer than in life.
fn shuffle(logins: &mut [Login]) {
    for i in (1..logins.len()).rev() {
        logins.swap(i, rand::random_range(0..=i));
    }
}
