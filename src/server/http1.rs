//! One HTTP/1.1 connection, from its first byte to its last.
//!
//! The stream is a type parameter: without TLS it is the socket itself, and a
//! check costs nothing for the other way.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use warp::http::StatusCode;
use warp::reply::Response;

use super::pulse::{Phase, Pulse};
use super::watched::Watched;
use super::{Answer, LINGER_MAX, Limits, Stage, StopSignals, Terms, goes_on};
use crate::http::{Answers, ApiError, HEAD_BYTES_MAX, Upgrade};

/// How much of a parting connection is read on.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Serves one connection to its end.
pub(super) async fn serve<S, A>(stream: S, terms: Terms<A>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answers,
{
    let Terms {
        answers,
        peer,
        limits,
        stop,
    } = terms;
    let pulse = Arc::new(Pulse::default());
    let next = OnceLock::new();
    let service = TowerToHyperService::new(warp::service(answers.to(peer)));
    let requests = service_fn(|request: Request<Incoming>| {
        pulse.enter(Phase::Answering);
        let (method, version, uri) = (request.method(), request.version(), request.uri());
        let bodiless = request.body().is_end_stream();
        let answer = answers
            .at_once(method, version, uri, request.headers(), bodiless)
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
    let mut connection = builder().serve_connection(io, requests);
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

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's own header deadline would cost a timer for each request; without
    // one in the builder it is off, and `drive` keeps ours.
    builder
        // `Date` is trusted time, which is not the system's.
        .auto_date_header(false)
        // A client may close its side behind the last request.
        .half_close(true)
        // Head and body leave as one piece: for short answers copying the body
        // costs less than a vectored write.
        .writev(false)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
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
async fn part(mut stream: impl AsyncRead + AsyncWrite + Unpin, last: &[u8]) {
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
