//! The accept loop: connections, their limits and deadlines, and the way out.
//! Knows nothing of routes; it carries requests to whatever [`Answers`] them.
//!
//! warp's own server has no deadlines, no connection cap and an endless drain,
//! so hyper's connections are driven here. Deadlines are coarse and belong to
//! connections: a request costs no timer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

pub use self::certificate::{Certificate, CertificateError, CertificateFiles, fingerprint};
pub use self::tls::Tls;
use crate::http::{Answers, EVENT_STREAM, Peer};

mod certificate;
mod frames;
mod http1;
mod http2;
mod pulse;
mod streams;
mod tls;
mod watched;

/// How long the first byte of a connection may take.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request's head may take, from its first byte.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may wait for its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a client may leave an answer lying.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at the same time; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// Files that are not connections: the database, logs, the listener. Half of
/// all where there are few.
const FILES_RESERVED: u64 = 128;
/// From the first stop to the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long to wait after an accept that the system refused.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The longest time between two looks at a connection's deadline.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How long a parting connection is still looked after.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// The shortest time between two looks.
const LOOK_MIN: Duration = Duration::from_millis(20);

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long the first byte may take.
    pub first_byte_timeout: Duration,
    /// How long a head may take, from its first byte (408).
    pub header_timeout: Duration,
    /// How long a body may take (408).
    pub body_timeout: Duration,
    /// How long to wait for the next request.
    pub idle_timeout: Duration,
    /// How long a client may leave an answer lying.
    pub write_timeout: Duration,
    /// Connections at the same time; kept below the system's limit of open
    /// files whatever it says.
    pub connections_max: usize,
    /// From the first stop to the end.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte_timeout: FIRST_BYTE_TIMEOUT,
            header_timeout: HEADER_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            connections_max: CONNECTIONS_MAX,
            drain_max: DRAIN_MAX,
        }
    }
}

impl Limits {
    /// How often a connection looks at its deadlines: a deadline is kept to
    /// within a quarter of itself, or a second.
    fn look_every(&self) -> Duration {
        let shortest = [
            self.first_byte_timeout,
            self.header_timeout,
            self.idle_timeout,
            self.write_timeout,
        ]
        .into_iter()
        .fold(LOOK_MAX * 4, Duration::min);
        (shortest / 4).clamp(LOOK_MIN, LOOK_MAX)
    }

    fn connections(&self) -> usize {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let room = files.map_or(u64::MAX, |files| files - FILES_RESERVED.min(files / 2));
        self.connections_max
            .min(usize::try_from(room).unwrap_or(usize::MAX))
            .max(1)
    }
}

/// How far the stopping has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// Requests under way are finished, no other is begun.
    Draining,
    /// Everything is cut.
    Cut,
}

/// Tells the server to stop.
#[derive(Debug)]
pub struct StopSender(watch::Sender<Stage>);

impl StopSender {
    /// The first call drains, the second cuts.
    pub fn stop(&self) {
        self.0.send_modify(|stage| {
            *stage = if *stage == Stage::Serving {
                Stage::Draining
            } else {
                Stage::Cut
            };
        });
    }
}

/// Hears when to stop. A sender that is gone is a first stop.
#[derive(Clone, Debug)]
pub struct StopSignals(watch::Receiver<Stage>);

impl StopSignals {
    /// Returns when the server begins to stop.
    pub async fn stopping(&mut self) {
        self.reached(Stage::Draining).await;
    }

    async fn reached(&mut self, stage: Stage) {
        // An error means that nobody can say stop any more.
        let gone = self.0.wait_for(|now| *now >= stage).await.is_err();
        if gone && stage == Stage::Cut {
            std::future::pending::<()>().await;
        }
    }
}

/// A way to stop a server.
#[must_use]
pub fn stop_signals() -> (StopSender, StopSignals) {
    let (sender, receiver) = watch::channel(Stage::Serving);
    (StopSender(sender), StopSignals(receiver))
}

/// How the serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request under way got its answer.
    Clean,
    /// So many connections were cut.
    Cut {
        /// How many.
        connections: usize,
    },
}

/// How clients speak with the server.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP/1.1 as it is.
    Plain,
    /// HTTP/1.1 or HTTP/2, as the client likes, under TLS.
    Tls(Arc<Tls>),
}

/// Serves until told to stop, then lets requests under way finish for at most
/// `drain_max`; a second stop cuts them at once.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    answers: impl Answers,
    limits: Limits,
    mut stop: StopSignals,
) -> Drained {
    let mut connections = JoinSet::new();
    accept(
        listener,
        &transport,
        &answers,
        limits,
        &stop,
        &mut connections,
    )
    .await;
    let all = async { while connections.join_next().await.is_some() {} };
    let drained = tokio::select! {
        () = all => true,
        () = tokio::time::sleep(limits.drain_max) => false,
        () = stop.reached(Stage::Cut) => false,
    };
    if drained {
        return Drained::Clean;
    }
    let cut = connections.len();
    connections.shutdown().await;
    Drained::Cut { connections: cut }
}

/// Accepts until the first stop. The listener is closed on the way out, so that
/// clients see at once that nobody is there.
async fn accept(
    listener: TcpListener,
    transport: &Transport,
    answers: &impl Answers,
    limits: Limits,
    stop: &StopSignals,
    connections: &mut JoinSet<()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections()));
    answers.connections().set_max(limits.connections());
    let mut stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            // Permit and connection in one arm: a full server still hears the stop.
            accepted = next(&listener, &room) => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopping.reached(Stage::Draining) => return,
        };
        match accepted {
            Ok((stream, address, permit)) => {
                // Answers are small and whole: waiting for more to send only delays them.
                if stream.set_nodelay(true).is_err() {
                    continue;
                }
                let terms = Terms {
                    answers: answers.clone(),
                    peer: Peer {
                        address,
                        is_secure: matches!(transport, Transport::Tls(_)),
                        body_timeout: limits.body_timeout,
                    },
                    limits,
                    stop: stop.clone(),
                };
                let open = answers.connections().accept();
                match transport {
                    Transport::Plain => connections.spawn(async move {
                        http1::serve(stream, terms).await;
                        drop((permit, open));
                    }),
                    Transport::Tls(tls) => {
                        let tls = Arc::clone(tls);
                        connections.spawn(async move {
                            tls::serve(stream, &tls, terms).await;
                            drop((permit, open));
                        })
                    }
                };
            }
            Err(error) => {
                // Out of files, or a client that left while it queued. The
                // first lasts, so this must not spin.
                answers.connections().failed.count();
                tracing::warn!(target: "http", %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, permit))
}

/// What one connection is served with.
struct Terms<A> {
    answers: A,
    peer: Peer,
    limits: Limits,
    stop: StopSignals,
}

/// The answer to one request.
enum Answer<F> {
    /// Given before any route.
    Given(Response),
    /// A route is at work.
    Coming(F),
}

/// Whether an answer goes on piece by piece.
fn goes_on(answer: &Response) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == EVENT_STREAM)
}

#[cfg(test)]
mod tests;
