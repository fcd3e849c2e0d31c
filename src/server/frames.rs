//! The stream of an HTTP/2 connection, watched on its way into hyper: which
//! bytes are frames of what. hyper tells nobody that the head of a request
//! comes slowly, nor that a client takes nothing; deadlines need both.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::streams::Streams;

/// What a client says first.
const PREFACE_BYTES: u32 = 24;
/// Before each frame: its length, kind, flags and stream.
const FRAME_HEAD_BYTES: usize = 9;
/// Kinds of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// No further frame belongs to this head.
const END_HEADERS: u8 = 4;

/// Follows the frames of one direction, whatever pieces they come in.
#[derive(Debug)]
struct Scanner {
    at: At,
    /// A head goes on in the next frame.
    continues: bool,
}

/// Where the next byte belongs.
#[derive(Debug)]
enum At {
    Preface {
        left: u32,
    },
    FrameHead {
        have: usize,
        bytes: [u8; FRAME_HEAD_BYTES],
    },
    Payload {
        left: u32,
        kind: u8,
    },
}

impl At {
    const NEXT_FRAME: Self = Self::FrameHead {
        have: 0,
        bytes: [0; FRAME_HEAD_BYTES],
    };
}

impl Scanner {
    const fn new() -> Self {
        Self {
            at: At::Preface {
                left: PREFACE_BYTES,
            },
            continues: false,
        }
    }

    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Preface { left } | At::Payload { left, .. } => {
                    let taken = bytes.len().min(*left as usize);
                    bytes = &bytes[taken..];
                    *left -= u32::try_from(taken).expect("no more than was left");
                    if *left == 0 {
                        self.at = At::NEXT_FRAME;
                    }
                }
                At::FrameHead { have, bytes: head } => {
                    let taken = bytes.len().min(FRAME_HEAD_BYTES - *have);
                    head[*have..*have + taken].copy_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    *have += taken;
                    if *have == FRAME_HEAD_BYTES {
                        let head = *head;
                        self.begin(head);
                    }
                }
            }
        }
    }

    fn begin(&mut self, head: [u8; FRAME_HEAD_BYTES]) {
        let [a, b, c, kind, flags, ..] = head;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.continues = flags & END_HEADERS == 0;
        }
        let left = u32::from_be_bytes([0, a, b, c]);
        self.at = if left == 0 {
            At::NEXT_FRAME
        } else {
            At::Payload { left, kind }
        };
    }

    /// Whether something other than a body has begun and is not complete. A
    /// body has a deadline of its own.
    const fn is_amid_head(&self) -> bool {
        self.continues
            || match self.at {
                At::Preface { left } => left < PREFACE_BYTES,
                At::FrameHead { have, .. } => have > 0,
                At::Payload { kind, .. } => kind != DATA,
            }
    }
}

/// The stream of one connection.
pub(super) struct Frames<S> {
    io: S,
    scanner: Scanner,
    streams: Arc<Streams>,
}

impl<S> Frames<S> {
    pub(super) const fn new(io: S, streams: Arc<Streams>) -> Self {
        Self {
            io,
            scanner: Scanner::new(),
            streams,
        }
    }

    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        self.streams.wrote(written.is_ready());
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.scanner.follow(&buf.filled()[before..]);
        self.streams.amid_head(self.scanner.is_amid_head());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes bytes that the socket does not, and says so here.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).expect("short").to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head[..], &vec![0; payload]].concat()
    }

    #[test]
    fn a_head_is_under_way_from_its_first_byte_to_the_last_frame_that_belongs_to_it() {
        let mut scanner = Scanner::new();
        assert!(!scanner.is_amid_head(), "nothing has come");
        scanner.follow(&PREFACE[..5]);
        assert!(scanner.is_amid_head());
        scanner.follow(&PREFACE[5..]);
        assert!(!scanner.is_amid_head());
        let whole = [frame(HEADERS, 0, 30), frame(CONTINUATION, 0, 0)].concat();
        for byte in &whole {
            scanner.follow(&[*byte]);
            assert!(scanner.is_amid_head());
        }
        scanner.follow(&frame(CONTINUATION, END_HEADERS, 7));
        assert!(!scanner.is_amid_head());
    }

    #[test]
    fn a_body_that_comes_slowly_is_no_head() {
        let mut scanner = Scanner::new();
        let body = frame(DATA, 1, 100);
        scanner.follow(&[PREFACE, &frame(HEADERS, END_HEADERS, 10), &body[..50]].concat());
        assert!(!scanner.is_amid_head());
        scanner.follow(&body[50..]);
        scanner.follow(&frame(6, 0, 8)[..12]);
        assert!(scanner.is_amid_head(), "half a ping");
    }
}
