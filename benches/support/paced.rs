//! Load at a set rate: requests leave when their time has come, whether or not
//! earlier ones were answered, and the wait counts from that time. So a server
//! that stands still for a while pays for everybody who would have come.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::end_of;

/// Connections; when all wait for answers, what is due waits with them.
const CONNECTIONS: usize = 64;
/// How long nothing may be answered.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How many rounds of the loop pass between two looks at what ends it.
const ROUNDS_A_LOOK: u32 = 256;

/// What came of a paced load.
pub struct Paced {
    /// From the first request to the last answer.
    pub took: Duration,
    /// How long each request waited, counted from when it was meant to leave,
    /// ascending.
    waits: Vec<Duration>,
}

impl Paced {
    /// Answers.
    pub fn answers(&self) -> u32 {
        u32::try_from(self.waits.len()).expect("a few million at most")
    }

    /// The wait that this many of a thousand requests did not exceed, in
    /// milliseconds.
    pub fn permille_millis(&self, permille: usize) -> f64 {
        let last = self.waits.len().saturating_sub(1);
        let wait = self.waits.get(last * permille / 1_000);
        wait.map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    }
}

/// When a request leaves.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as a connection is free: this finds the capacity.
    Full,
    /// One after each of these.
    Every(Duration),
}

/// One connection and the answer that it waits for.
struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
    meant: Instant,
}

/// Sends requests, chosen at random, until `done` says so. The thread that calls
/// this never sleeps: it needs a core of its own. An answer that is no success
/// fails the bench.
pub fn run(address: &str, requests: &[Vec<u8>], pace: Pace, done: impl Fn() -> bool) -> Paced {
    let mut free: Vec<Line> = (0..CONNECTIONS).map(|_| Line::open(address)).collect();
    let mut busy: Vec<Line> = Vec::with_capacity(CONNECTIONS);
    let mut waits = Vec::new();
    let started = Instant::now();
    let (mut next, mut answered, mut round) = (started, started, 0_u32);
    let mut is_done = false;
    loop {
        let now = Instant::now();
        while !is_done && next <= now {
            let Some(mut line) = free.pop() else {
                break;
            };
            let meant = match pace {
                Pace::Full => now,
                Pace::Every(_) => next,
            };
            line.send(&requests[rand::random_range(0..requests.len())], meant);
            busy.push(line);
            if let Pace::Every(gap) = pace {
                next += gap;
            }
        }
        let mut at = 0;
        while let Some(line) = busy.get_mut(at) {
            if line.has_answer() {
                answered = Instant::now();
                waits.push(answered - line.meant);
                free.push(busy.swap_remove(at));
            } else {
                at += 1;
            }
        }
        if is_done && busy.is_empty() {
            break;
        }
        round = round.wrapping_add(1);
        if round.is_multiple_of(ROUNDS_A_LOOK) {
            is_done = is_done || done();
            assert!(
                busy.is_empty() || answered.elapsed() < STALL_MAX,
                "the server answers nothing"
            );
        }
        std::hint::spin_loop();
    }
    waits.sort_unstable();
    Paced {
        took: started.elapsed(),
        waits,
    }
}

impl Line {
    fn open(address: &str) -> Self {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("an option of every socket");
        stream.set_nonblocking(true).expect("so has this one");
        Self {
            stream,
            answer: Vec::with_capacity(4 * 1024),
            meant: Instant::now(),
        }
    }

    /// One short request at a time always has room in the socket.
    fn send(&mut self, request: &[u8], meant: Instant) {
        self.answer.clear();
        self.meant = meant;
        self.stream.write_all(request).expect("the request is sent");
    }

    /// Reads what has come; whether the answer is whole.
    fn has_answer(&mut self) -> bool {
        let mut buffer = [0; 4 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        }
        let is_whole = end_of(&self.answer).is_some_and(|end| self.answer.len() >= end);
        let status = self.answer.get(9..12).unwrap_or_default();
        assert!(
            !is_whole || status == b"200",
            "{}",
            String::from_utf8_lossy(&self.answer)
        );
        is_whole
    }
}
