//! One load generator for all: 64 connections from one thread, a fixed list of
//! requests, each sent when the answer before it on its connection is whole.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::support::client::end_of;

/// Connections at once.
pub const CONNECTIONS: usize = 64;
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What came of a list of requests.
pub struct Driven {
    /// From the first request to the last answer.
    pub took: Duration,
    /// How long each request took, ascending.
    waits: Vec<Duration>,
    /// What was kept of the answers, by request.
    pub kept: Vec<Option<String>>,
}

impl Driven {
    /// The wait that this share of the requests did not exceed, in
    /// milliseconds.
    pub fn quantile_millis(&self, share: f64) -> f64 {
        let last = self.waits.len().saturating_sub(1);
        #[expect(clippy::cast_precision_loss, reason = "a million at most")]
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "of a share"
        )]
        let place = (share * last as f64).round() as usize;
        self.waits
            .get(place)
            .map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    }
}

/// What of an answer is kept.
pub type Keep = fn(&str) -> Option<String>;

/// Sends all requests; an answer that is no success fails the bench.
pub fn drive(address: &str, requests: &[Vec<u8>], keep: Keep) -> Driven {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let next = Rc::new(Cell::new(0));
    let requests: Rc<[Vec<u8>]> = requests.into();
    let local = LocalSet::new();
    let all = async {
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS.min(requests.len()) {
            let stream = TcpStream::connect(address)
                .await
                .expect("the server listens");
            stream.set_nodelay(true).expect("a socket takes options");
            streams.push(stream);
        }
        let started = Instant::now();
        let connections: Vec<_> = streams
            .into_iter()
            .map(|stream| {
                let (requests, next) = (Rc::clone(&requests), Rc::clone(&next));
                tokio::task::spawn_local(one(stream, requests, next, keep))
            })
            .collect();
        let mut waits = Vec::with_capacity(requests.len());
        let mut kept = vec![None; requests.len()];
        for connection in connections {
            for (at, wait, text) in connection.await.expect("every answer is a success") {
                waits.push(wait);
                kept[at] = text;
            }
        }
        waits.sort_unstable();
        Driven {
            took: started.elapsed(),
            waits,
            kept,
        }
    };
    local.block_on(&runtime.expect("a runtime"), all)
}

/// The requests of one connection: their places, waits, and what was kept.
async fn one(
    mut stream: TcpStream,
    requests: Rc<[Vec<u8>]>,
    next: Rc<Cell<usize>>,
    keep: Keep,
) -> Vec<(usize, Duration, Option<String>)> {
    let mut done = Vec::new();
    let mut answer = Vec::with_capacity(16 * 1024);
    loop {
        let at = next.get();
        let Some(request) = requests.get(at) else {
            return done;
        };
        next.set(at + 1);
        let started = Instant::now();
        stream
            .write_all(request)
            .await
            .expect("the request is sent");
        answer.clear();
        let end = loop {
            let read = stream
                .read_buf(&mut answer)
                .await
                .expect("the answer is read");
            assert!(read > 0, "the server closed a connection");
            assert!(answer.len() < ANSWER_BYTES_MAX, "an answer is too long");
            if let Some(end) = end_of(&answer)
                && answer.len() >= end
            {
                break end;
            }
        };
        assert_eq!(end, answer.len(), "an answer has a tail");
        let text = std::str::from_utf8(&answer).expect("answers are text");
        let status = text.get(9..12).unwrap_or_default();
        assert!(
            status.starts_with('2'),
            "{}\n{text}",
            String::from_utf8_lossy(request)
        );
        done.push((at, started.elapsed(), keep(text)));
    }
}
