//! The accept loop: connections, their limits and deadlines, and the way out.
//! Knows nothing of routes; it carries requests to whatever [`Answers`] them.
//!
//! warp's own server has no deadlines, no connection cap and an endless drain,
//! so hyper's connections are driven here. Deadlines are coarse and belong to
//! connections: a request costs no timer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use warp::http::StatusCode;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

use self::pulse::{Phase, Pulse};
use self::watched::Watched;
use crate::http::{Answers, ApiError, EVENT_STREAM, Peer, Upgrade};

mod pulse;
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
/// Bytes of a request's head.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// From the first stop to the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long to wait after an accept that the system refused.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The longest time between two looks at a connection's deadline.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How long a parting connection is read on for.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// How much of it.
const LINGER_BYTES_MAX: usize = 256 * 1024;
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

/// Serves until told to stop, then lets requests under way finish for at most
/// `drain_max`; a second stop cuts them at once.
pub async fn serve(
    listener: TcpListener,
    answers: impl Answers,
    limits: Limits,
    mut stop: StopSignals,
) -> Drained {
    let mut connections = JoinSet::new();
    accept(listener, &answers, limits, &stop, &mut connections).await;
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
                let served = connection(stream, address, answers.clone(), limits, stop.clone());
                let open = answers.connections().accept();
                connections.spawn(async move {
                    served.await;
                    drop((permit, open));
                });
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

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    answers: impl Answers,
    limits: Limits,
    stop: StopSignals,
) {
    // Answers are small and whole: waiting for more to send only delays them.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let pulse = Arc::new(Pulse::default());
    let peer = Peer {
        address,
        body_timeout: limits.body_timeout,
    };
    let next = OnceLock::new();
    let service = TowerToHyperService::new(warp::service(answers.to(peer)));
    let requests = service_fn(|request: Request<Incoming>| {
        pulse.enter(Phase::Answering);
        let (method, uri) = (request.method(), request.uri());
        let answer = answers
            .at_once(method, request.version(), uri, request.headers())
            .map_or_else(|| Answer::Coming(service.call(request)), Answer::Given);
        let (pulse, next) = (&pulse, &next);
        async move {
            let answer = match answer {
                Answer::Coming(answer) => {
                    let mut answer = answer.await;
                    if let Ok(switching) = &mut answer
                        && switching.status() == StatusCode::SWITCHING_PROTOCOLS
                        && let Some(upgrade) = switching.extensions_mut().remove::<Upgrade>()
                    {
                        // hyper takes nothing more behind it, so there is one.
                        let _ = next.set(upgrade);
                        return answer;
                    }
                    // One that goes on is the last of its connection; how long
                    // it takes is its own affair.
                    if answer.as_ref().is_ok_and(goes_on) {
                        return answer;
                    }
                    answer
                }
                Answer::Given(answer) => Ok(answer),
            };
            pulse.enter(Phase::Waiting);
            answer
        }
    });
    let unread = |error: &ApiError| answers.unread(error);
    let io = Watched::new(stream, &pulse, unread);
    let mut connection = http_1().serve_connection(io, requests);
    let end = drive(&mut connection, &pulse, limits, stop).await;
    let Parts { io, read_buf, .. } = connection.into_parts();
    let stream = io.into_stream();
    match end {
        End::Done if let Some(upgrade) = next.into_inner() => upgrade.carry(stream, read_buf).await,
        End::Overdue(Phase::Head) => part(stream, &answers.unread(&ApiError::TooSlow)).await,
        // Whoever does not read its answer gets no more of our time.
        End::Overdue(Phase::Answering) => {}
        End::Done | End::Overdue(_) => part(stream, &[]).await,
    }
}

/// Whether an answer goes on piece by piece.
fn goes_on(answer: &Response) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == EVENT_STREAM)
}

/// The answer to one request.
enum Answer<F> {
    /// Given before any route.
    Given(Response),
    /// A route is at work.
    Coming(F),
}

fn http_1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's own header deadline would cost a timer for each request; without
    // one in the builder it is off, and `drive` keeps ours.
    builder
        // `Date` is trusted time, which is not the system's.
        .auto_date_header(false)
        // A client may close its side behind the last request.
        .half_close(true)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Either side was done, or broke the rules.
    Done,
    /// A deadline passed in this phase.
    Overdue(Phase),
}

/// Carries a connection on until it is done or late. On the first stop it
/// finishes what is under way and takes nothing more.
async fn drive<I, S>(
    connection: &mut http1::Connection<I, S>,
    pulse: &Pulse,
    limits: Limits,
    mut stop: StopSignals,
) -> End
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let mut overdue = pin!(overdue(pulse, limits));
    let mut stopping = pin!(stop.reached(Stage::Draining));
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            // Which rule was broken, the client has been told.
            _ = &mut *connection => return End::Done,
            phase = &mut overdue => return End::Overdue(phase),
            () = &mut stopping, if !draining => {
                draining = true;
                wind_down(connection);
            }
        }
    }
}

/// Lets the request under way be the last.
fn wind_down<I, S>(connection: &mut http1::Connection<I, S>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    Pin::new(connection).graceful_shutdown();
}

/// Ready when the connection has been in one phase for too long. Looks now and
/// then, so no request sets or clears a timer.
async fn overdue(pulse: &Pulse, limits: Limits) -> Phase {
    let every = limits.look_every();
    let (mut seen, mut age) = (pulse.now(), Duration::ZERO);
    let mut stalled = Duration::ZERO;
    loop {
        tokio::time::sleep(every).await;
        let now = pulse.now();
        age = if now == seen {
            age + every
        } else {
            Duration::ZERO
        };
        seen = now;
        stalled = if pulse.is_stalled() {
            stalled + every
        } else {
            Duration::ZERO
        };
        if stalled >= limits.write_timeout {
            return Phase::Answering;
        }
        let allowed = match now.phase() {
            Phase::New => limits.first_byte_timeout,
            Phase::Head => limits.header_timeout,
            Phase::Waiting => limits.idle_timeout,
            // Handlers keep deadlines of their own.
            Phase::Answering => continue,
        };
        if age >= allowed {
            return now.phase();
        }
    }
}

/// Says a last word, closes our side, and reads on for a moment: closing with
/// unread bytes would make the system throw away what the client has not read.
async fn part(mut stream: TcpStream, last: &[u8]) {
    let parting = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut scrap = [0; 4096];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            match stream.read(&mut scrap).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // A client that is gone or goes on talking has lost its interest in us.
    let _ = tokio::time::timeout(LINGER_MAX, parting).await;
}

#[cfg(test)]
mod tests;
