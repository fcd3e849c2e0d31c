//! A connection's stream, watched on its way into hyper.
//!
//! Two things are seen here that hyper tells nobody: that bytes come and go
//! (for deadlines), and that hyper refuses a request by itself. Malformed
//! request lines and headers (400) and heads that are too large (431) never
//! reach a service; hyper answers them with an empty body. This stream puts a
//! problem document in the place of such an answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::pulse::Pulse;
use crate::http::ApiError;

/// The stream of one connection. `unread` makes the whole response that takes
/// the place of hyper's.
pub(super) struct Watched<'p, S, F> {
    io: TokioIo<S>,
    pulse: &'p Pulse,
    unread: F,
    /// What takes the place of hyper's own answer and is not sent yet.
    instead: Vec<u8>,
}

impl<'p, S, F> Watched<'p, S, F> {
    pub(super) fn new(stream: S, pulse: &'p Pulse, unread: F) -> Self {
        Self {
            io: TokioIo::new(stream),
            pulse,
            unread,
            instead: Vec::new(),
        }
    }

    pub(super) fn into_stream(self) -> S {
        self.io.into_inner()
    }

    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        self.pulse.wrote(written.is_ready());
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, F> Watched<'_, S, F> {
    fn io(&mut self) -> Pin<&mut TokioIo<S>> {
        Pin::new(&mut self.io)
    }

    fn send_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = Pin::new(&mut self.io).poll_write(cx, &self.instead);
            match ready!(self.wrote(written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => drop(self.instead.drain(..sent)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, F: Unpin> Read for Watched<'_, S, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.io().poll_read(cx, buf))?;
        self.pulse.received();
        Poll::Ready(Ok(()))
    }
}

impl<S, F> Write for Watched<'_, S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(&ApiError) -> Vec<u8> + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = refused_by_hyper(buf) {
            self.instead = (self.unread)(&error);
            return Poll::Ready(Ok(buf.len()));
        }
        let written = self.io().poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An answer of hyper's own is a head and nothing else.
        if let [one] = bufs {
            return self.poll_write(cx, one);
        }
        let written = self.io().poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_instead(cx))?;
        // TLS takes bytes that the socket does not, and says so here.
        let flushed = self.io().poll_flush(cx);
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_instead(cx))?;
        self.io().poll_shutdown(cx)
    }
}

/// What hyper refuses with this answer, if it is hyper's own: a whole head,
/// no body, and none of the headers that every answer of ours carries. A body
/// of ours can not look like it, since JSON holds no bare line ends.
fn refused_by_hyper(answer: &[u8]) -> Option<ApiError> {
    let status = answer
        .strip_prefix(b"HTTP/1.1 4")
        .or_else(|| answer.strip_prefix(b"HTTP/1.0 4"))?;
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    if head.contains("\r\nx-request-id:") || head.contains("\r\n\r\n") {
        return None;
    }
    match status.get(..2)? {
        b"31" => Some(ApiError::HeadersTooLarge),
        b"14" => Some(ApiError::UriTooLong),
        _ => Some(ApiError::Unreadable(
            "The request is not well-formed HTTP/1.1.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_of_hyper_s_own_are_replaced() {
        let own = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(
            refused_by_hyper(own),
            Some(ApiError::Unreadable(_))
        ));
        let large = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refused_by_hyper(large), Some(ApiError::HeadersTooLarge));
        for ours in [
            &b"HTTP/1.1 404 Not Found\r\nx-request-id: 1-1\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\nx-request-id: 1-1\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 4 in a name",
            b"{}",
            b"",
        ] {
            assert_eq!(
                refused_by_hyper(ours),
                None,
                "{}",
                String::from_utf8_lossy(ours)
            );
        }
    }
}
