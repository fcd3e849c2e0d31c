//! `GET /events`: the feed of changes as Server-Sent Events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;
use warp::http::HeaderName;
use warp::http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};

use super::notification;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use crate::service::{App, Reach, Told, Watcher};
use crate::store::{Change, ChangePlace, Store};

/// The kind of answer that goes on.
pub const EVENT_STREAM: &str = "text/event-stream";
/// Where a reader that was cut off goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies hand every piece on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &[u8] = b"retry: 2000\n";

/// The pieces of an answer that goes on. Bounded: whoever makes them waits for
/// whoever reads them.
#[derive(Debug)]
pub(super) struct Pieces(mpsc::Receiver<Bytes>);

impl Stream for Pieces {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|piece| piece.map(Ok))
    }
}

/// `GET /events`
pub(super) async fn get<S: Store>(app: &Arc<App<S>>, request: &Request) -> Result<Reply, ApiError> {
    let caller = request.caller(&**app, Reach::Everything).await?;
    let last = request.headers.get(LAST_EVENT_ID);
    let since = last.and_then(|id| ChangePlace::parse(id.to_str().ok()?));
    let watcher = app.watch(caller, since, last.is_some())?;
    // One piece on the way, and the one that the reader has.
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(tell(watcher, sender));
    // The connection ends with the events: nobody waits for a next request.
    Ok(Reply::going_on(Pieces(pieces))
        .with(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM))
        .with(CONNECTION, HeaderValue::from_static("close"))
        .with(X_ACCEL_BUFFERING, HeaderValue::from_static("no")))
}

/// Tells one reader until its session ends, it leaves, or the server stops.
async fn tell<S: Store>(mut watcher: Watcher<S>, pieces: mpsc::Sender<Bytes>) {
    let mut piece = RETRY.to_vec();
    write_place(&mut piece, watcher.place());
    loop {
        let sent = tokio::select! {
            sent = pieces.send(piece.into()) => sent.is_ok(),
            () = watcher.ended() => false,
        };
        if !sent {
            return;
        }
        let told = tokio::select! {
            told = watcher.next() => told,
            () = pieces.closed() => None,
        };
        let Some(told) = told else { return };
        piece = written(&told, watcher.place());
    }
}

/// Events as they go over the wire; each carries its place, and so does the
/// end of the piece, for changes that the reader was not told of.
fn written(told: &Told, place: ChangePlace) -> Vec<u8> {
    let mut out = Vec::new();
    match told {
        Told::Lost => out.extend_from_slice(b"event: resync\ndata: {}\n"),
        Told::Changes(changes) => {
            for change in changes {
                write_event(&mut out, change);
            }
            out.extend_from_slice(b":\n");
        }
    }
    write_place(&mut out, place);
    out
}

/// One change as an event.
fn write_event(out: &mut Vec<u8>, change: &Change) {
    out.extend_from_slice(b"event: notification\nid: ");
    out.extend_from_slice(change.place.to_string().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(notification::of(change));
    out.extend_from_slice(b"\n\n");
}

/// The end of an event: without data it is none, and moves the reader's place.
fn write_place(out: &mut Vec<u8>, place: ChangePlace) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(place.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}
