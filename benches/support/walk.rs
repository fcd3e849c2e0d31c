//! Every session used once, as fast as the machine does it.

use std::time::{Duration, Instant};

use super::client::{self, Connection};
use super::shop::Login;

/// Connections that walk at once.
const CONNECTIONS: usize = 4;
/// Requests on their way on one connection.
const PIPELINED: usize = 64;

/// Requests for every session, ready to be sent.
pub struct Walk {
    batches: Vec<Batch>,
}

struct Batch {
    bytes: Vec<u8>,
    answers: usize,
}

impl Walk {
    /// `GET /sessions/{id}` of each session with its own token.
    pub fn new(address: &str, logins: &[Login]) -> Self {
        let request =
            |login: &Login| client::get(address, &format!("/sessions/{}", login.id), &login.token);
        let batch = |logins: &[Login]| Batch {
            bytes: logins.iter().flat_map(request).collect(),
            answers: logins.len(),
        };
        Self {
            batches: logins.chunks(PIPELINED).map(batch).collect(),
        }
    }

    /// Uses every session once; answers how long that took. Any answer but 200
    /// fails the bench.
    pub fn run(&self, address: &str) -> Duration {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for part in self
                .batches
                .chunks(self.batches.len().div_ceil(CONNECTIONS))
            {
                scope.spawn(move || run_part(address, part));
            }
        });
        started.elapsed()
    }
}

fn run_part(address: &str, batches: &[Batch]) {
    let mut connection = Connection::open(address);
    for batch in batches {
        connection.send(&batch.bytes);
        for _ in 0..batch.answers {
            let status = connection.receive();
            assert!(
                status == 200,
                "{status} {}",
                String::from_utf8_lossy(connection.body())
            );
        }
    }
}
