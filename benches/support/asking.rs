//! What a list costs the server: CPU of single requests, one after the other on
//! one connection.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Connection;
use super::cpu::{Threads, Used};
use super::place::Server;
use super::report::{median, micros_each};
use super::shop::Login;

/// Requests of each query before those that count.
const WARM_REQUESTS: u32 = 10;

/// What one query cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Requests that were answered.
    pub requests: u32,
    /// CPU of the server for all of them.
    pub used: Used,
    /// The dearest single request: CPU of the threads that answer.
    pub worst: Duration,
    /// How long the caller waited, in the middle.
    pub waited_micros: f64,
    /// Length of an answer.
    pub bytes: usize,
    /// Its `totalCount`.
    pub total: u64,
}

impl Cost {
    /// CPU of the threads that answer, for one request.
    pub fn millis_each(&self) -> f64 {
        micros_each(self.used.serving, self.requests) / 1e3
    }
}

/// One query, asked again and again on one connection.
pub struct Asking<'a> {
    server: &'a Server,
    connection: Connection,
    token: &'a str,
    path: String,
    waits: Vec<f64>,
    cost: Cost,
}

impl<'a> Asking<'a> {
    /// Asks once for `GET /sessions?{query}`.
    pub fn new(server: &'a Server, login: &'a Login, query: &str) -> Self {
        let mut connection = Connection::open(&server.address);
        let path = format!("/sessions?{query}");
        let answer: Value =
            serde_json::from_slice(connection.get(&path, &login.token)).expect("JSON");
        let cost = Cost {
            requests: 0,
            used: Used::default(),
            worst: Duration::ZERO,
            waited_micros: 0.0,
            bytes: connection.body().len(),
            total: answer["totalCount"].as_u64().expect("in every list"),
        };
        Self {
            server,
            connection,
            token: &login.token,
            path,
            waits: Vec::new(),
            cost,
        }
    }

    /// Asks a few times more before anything counts.
    pub fn warm(&mut self) {
        for _ in 0..WARM_REQUESTS {
            self.connection.get(&self.path, self.token);
        }
    }

    /// Asks until `max` requests were answered or `until` is reached, at least
    /// once.
    pub fn ask(&mut self, max: u32, until: Instant) {
        let mut before = Threads::of(self.server.pid());
        for n in 0..max {
            if n > 0 && Instant::now() >= until {
                return;
            }
            let started = Instant::now();
            self.connection.get(&self.path, self.token);
            self.waits.push(started.elapsed().as_secs_f64() * 1e6);
            let after = Threads::of(self.server.pid());
            let used = after.since(&before);
            before = after;
            self.cost.requests += 1;
            self.cost.used.add(used);
            self.cost.worst = self.cost.worst.max(used.serving);
        }
    }

    /// What it came to.
    pub fn cost(mut self) -> Cost {
        self.cost.waited_micros = median(&self.waits);
        self.cost
    }
}

/// What one query costs when nothing else is asked: the mean of at most `max`
/// requests, cut short at `wait_max`.
pub fn cost_of(server: &Server, login: &Login, query: &str, max: u32, wait_max: Duration) -> Cost {
    let mut asking = Asking::new(server, login, query);
    asking.warm();
    asking.ask(max, Instant::now() + wait_max);
    asking.cost()
}

/// One page of `GET /sessions?{query}`.
pub fn page(server: &Server, login: &Login, query: &str) -> Value {
    let mut connection = Connection::open(&server.address);
    let answer = connection.get(&format!("/sessions?{query}"), &login.token);
    serde_json::from_slice(answer).expect("JSON")
}

/// The cursor at the end of a page.
pub fn cursor(server: &Server, login: &Login, query: &str) -> String {
    let page = page(server, login, query);
    let cursor = page["nextCursor"].as_str();
    cursor.expect("more sessions follow").to_owned()
}
