//! One HTTP/2 connection, under TLS only: its limits and deadlines, and what
//! its requests and answers need to be those of HTTP/1.1.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use warp::http::header::{CONTENT_LENGTH, HOST, HeaderValue};

use super::frames::Frames;
use super::streams::{Open, Streams};
use super::{Answer, LINGER_MAX, Limits, Stage, Terms, goes_on};
use crate::http::{Answers, HEAD_BYTES_MAX};

/// Requests of one connection at the same time.
const STREAMS_MAX: u32 = 64;
/// Requests taken back before anybody looked at them; more end the connection.
const RESETS_PENDING_MAX: usize = 20;
/// Requests that we refused and whose client may not know it yet; more end the
/// connection.
const RESETS_LOCAL_MAX: usize = 64;
/// Bytes of one body that are on their way unread: more than any body has.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same of all bodies of one connection.
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of one answer that hyper keeps for the socket.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// In pieces of this size an answer is handed over.
const PIECE_BYTES: usize = 16 * 1024;

/// Serves one connection to its end.
pub(super) async fn serve<S, A>(stream: S, terms: Terms<A>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Answers,
{
    let Terms {
        answers,
        peer,
        limits,
        mut stop,
    } = terms;
    let streams = Arc::new(Streams::default());
    let service = TowerToHyperService::new(warp::service(answers.to(peer)));
    let requests = service_fn(|mut request: Request<Incoming>| {
        let mut open = streams.begin();
        let is_head = *request.method() == Method::HEAD;
        name_host(&mut request);
        let (method, version, uri) = (request.method(), request.version(), request.uri());
        let bodiless = request.body().is_end_stream();
        let given = answers.at_once(method, version, uri, request.headers(), bodiless);
        let answer = given.map_or_else(|| Answer::Coming(service.call(request)), Answer::Given);
        async move {
            let answer = match answer {
                Answer::Coming(answer) => answer.await?,
                Answer::Given(answer) => answer,
            };
            if goes_on(&answer) {
                open.done();
            } else {
                open.lies();
            }
            Ok::<_, Infallible>(handed_over(answer, is_head, open))
        }
    });
    let io = TokioIo::new(Frames::new(stream, Arc::clone(&streams)));
    let mut connection = pin!(builder().serve_connection(io, requests));
    tokio::select! {
        biased;
        // Which rule was broken, the client has been told.
        _ = &mut connection => return,
        () = streams.overdue(limits) => {
            connection.as_mut().graceful_shutdown();
            // Whoever was late has a moment to hear of it.
            let _ = tokio::time::timeout(LINGER_MAX, connection).await;
            return;
        }
        () = stop.reached(Stage::Draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    let parting = Limits {
        first_byte_timeout: LINGER_MAX,
        idle_timeout: LINGER_MAX,
        ..limits
    };
    tokio::select! {
        biased;
        _ = connection => {}
        () = streams.overdue(parting) => {}
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        // `Date` is trusted time, which is not the system's.
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_LOCAL_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BYTES_MAX)
        // hyper refuses with an empty answer: heads that are not much too large
        // get to where they are refused with a document.
        .max_header_list_size(u32::try_from(2 * HEAD_BYTES_MAX).expect("a small number"));
    builder
}

/// Puts `:authority` where HTTP/1.1 has it. One that contradicts `Host` comes
/// to stand beside it, and two hosts are refused.
fn name_host<B>(request: &mut Request<B>) {
    let Some(authority) = request.uri().authority() else {
        return;
    };
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    if host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_str().as_bytes())) {
        return;
    }
    let value = HeaderValue::from_str(authority.as_str()).expect("an authority is visible ASCII");
    request.headers_mut().append(HOST, value);
}

/// An answer on its way to the client. To HEAD it is a head alone, which hyper
/// sees to on HTTP/1.1 only.
fn handed_over<B: Body>(answer: Response<B>, is_head: bool, open: Open) -> Response<Pieces<B>> {
    let (mut head, body) = answer.into_parts();
    if is_head && let Some(length) = body.size_hint().exact() {
        let headers = &mut head.headers;
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    let body = Pieces {
        body: (!is_head).then_some(body),
        rest: Bytes::new(),
        open,
    };
    Response::from_parts(head, body)
}

/// A body in pieces, so that it can be seen whether the client takes it.
struct Pieces<B: Body> {
    body: Option<B>,
    /// What the body gave last, and is not handed over.
    rest: Bytes,
    open: Open,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let frame = match &mut this.body {
                Some(body) => ready!(Pin::new(body).poll_frame(cx)),
                None => None,
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.body = None;
                    return Poll::Ready(None);
                }
            }
        }
        this.open.took();
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        is_over(&self.rest, self.body.as_ref())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B: Body> Drop for Pieces<B> {
    fn drop(&mut self) {
        if is_over(&self.rest, self.body.as_ref()) {
            self.open.done();
        }
    }
}

fn is_over<B: Body>(rest: &Bytes, body: Option<&B>) -> bool {
    rest.is_empty() && body.is_none_or(Body::is_end_stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(target: &str, host: Option<&str>) -> Vec<HeaderValue> {
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let mut request = request.body(()).expect("a request");
        name_host(&mut request);
        request.headers().get_all(HOST).iter().cloned().collect()
    }

    #[test]
    fn the_authority_is_the_host_and_a_host_that_differs_is_a_second_one() {
        let target = "https://shop.example:4000/sessions";
        assert_eq!(hosts(target, None), ["shop.example:4000"]);
        assert_eq!(hosts(target, Some("SHOP.example:4000")).len(), 1);
        assert_eq!(hosts(target, Some("shop.example")).len(), 2);
        assert_eq!(hosts("/sessions", None).len(), 0);
        assert_eq!(hosts("/sessions", Some("x")).len(), 1);
    }
}
