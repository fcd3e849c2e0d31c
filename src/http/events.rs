//! `GET /events`: the feed of changes as Server-Sent Events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;
use warp::http::HeaderName;
use warp::http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};

use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::wire;
use crate::service::{App, Reach, Told, Watcher};
use crate::store::{Action, Change, ChangePlace, Changed, Store};

/// The kind of answer that goes on.
pub const EVENT_STREAM: &str = "text/event-stream";
/// Where a reader that was cut off goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies hand every piece on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &[u8] = b"retry: 2000\n";
/// The name that the documented API gives to what happened.
const CHANGED: &str = "portos.resources.changed";

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
                out.extend_from_slice(change.written.get_or_init(|| event(change)));
            }
            out.extend_from_slice(b":\n");
        }
    }
    write_place(&mut out, place);
    out
}

/// One change as an event.
fn event(change: &Change) -> Box<[u8]> {
    let mut out = b"event: notification\nid: ".to_vec();
    out.extend_from_slice(change.place.to_string().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_change(&mut out, change);
    out.extend_from_slice(b"\n\n");
    out.into_boxed_slice()
}

/// The end of an event: without data it is none, and moves the reader's place.
fn write_place(out: &mut Vec<u8>, place: ChangePlace) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(place.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// One notification in the documented form, on one line.
fn write_change(out: &mut Vec<u8>, change: &Change) {
    out.extend_from_slice(b"{\"e\":");
    wire::write_text(out, CHANGED);
    out.extend_from_slice(b",\"s\":{\"c\":null,\"identity\":");
    wire::write_author(out, &change.by);
    out.extend_from_slice(b"},\"r\":null,\"ca\":\"");
    change.at.write_iso(out);
    out.extend_from_slice(b"\",\"ea\":null,\"p\":{\"action\":\"");
    out.extend_from_slice(match change.action {
        Action::Created => b"created",
        Action::Updated => b"updated",
        Action::Deleted => b"deleted",
    });
    out.extend_from_slice(b"\",\"resource\":{\"name\":\"");
    let (kind, id, version) = match &change.what {
        Changed::Session(session, _) => ("session", session.id.as_str(), session.version),
        Changed::Resource { kind, id, version } => (*kind, &**id, *version),
    };
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"id\":");
    wire::write_text(out, id);
    out.extend_from_slice(b",\"version\":");
    wire::write_number(out, version.0);
    out.push(b'}');
    if let Changed::Session(session, reason) = &change.what {
        out.extend_from_slice(b",\"identity\":");
        wire::write_identity(out, &session.identity);
        if let Some(reason) = reason {
            out.extend_from_slice(b",\"endReason\":\"");
            out.extend_from_slice(reason.as_str().as_bytes());
            out.push(b'"');
        }
    }
    out.extend_from_slice(b"}}");
}
