//! Every session used once, as fast as the machine does it.

use std::time::{Duration, Instant};

use super::client::{self, Connection};
use super::shop::Login;

/// Connections of a walk through sessions that were used before: each request
/// is answered from memory.
const CONNECTIONS: usize = 4;
/// Connections of the first walk: the first use of a token waits for the disk,
/// so many must wait together.
const CONNECTIONS_FIRST: usize = 256;
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

    /// Uses every session for the first time; answers how long that took. Any
    /// answer but 200 fails the bench.
    pub fn first(&self, address: &str) -> Duration {
        self.over(CONNECTIONS_FIRST, address)
    }

    /// Uses every session once more; answers how long that took. Any answer
    /// but 200 fails the bench.
    pub fn again(&self, address: &str) -> Duration {
        self.over(CONNECTIONS, address)
    }

    fn over(&self, connections: usize, address: &str) -> Duration {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for part in self
                .batches
                .chunks(self.batches.len().div_ceil(connections))
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
