//! One client of the hub, from the bare connection that the upgrade leaves to
//! its end. Whatever it is doing, it notices at once when the session ends.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::protocol::{
    ACCEPTED, PING, RECORD_BYTES_MAX, REFUSED, Records, Said, close, events, is_handshake, read,
};
use crate::http::upgrade::Wire;
use crate::service::{HEARTBEAT, Told, Watcher};
use crate::store::{ChangePlace, Store};

/// How long the first record may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// A client from which nothing came for so long is gone: they ping every 15 s,
/// in a page that nobody looks at every minute.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// How long a client may leave what it is told lying.
const SEND_MAX: Duration = Duration::from_secs(30);
/// How long a parting client is listened to.
const PARTING_MAX: Duration = Duration::from_secs(1);
/// Bytes read at once: what clients say is short.
const READ_BYTES: usize = 4 * 1024;
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 16 * 1024;

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client said so, is gone, or does not take what it is told.
    Left,
    /// It does not keep to the protocol.
    Wrong(&'static str),
    /// Nothing came from it for too long.
    Silent,
    /// It has no session any more, or may no longer listen.
    SessionOver,
    /// The server stops.
    Stopping,
}

/// Carries one client to its end.
pub(super) async fn carry<S: Store>(watcher: Watcher<S>, stream: Wire, read: Bytes) {
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(Some(RECORD_BYTES_MAX))
        .max_frame_size(Some(RECORD_BYTES_MAX));
    let socket =
        WebSocketStream::from_partially_read(stream, read.into(), Role::Server, Some(limits));
    let mut talk = Talk {
        watcher,
        socket: socket.await,
        records: Records::default(),
        subscribed: None,
    };
    let Err(end) = talk.go_on().await;
    talk.part(end).await;
}

struct Talk<S> {
    watcher: Watcher<S>,
    socket: WebSocketStream<Wire>,
    records: Records,
    /// Behind which change it wants to hear of them.
    subscribed: Option<ChangePlace>,
}

/// Nobody comes back from a talk but by its end.
enum Never {}

impl<S: Store> Talk<S> {
    async fn go_on(&mut self) -> Result<Never, End> {
        self.shake_hands().await?;
        let mut beat = interval(HEARTBEAT);
        let mut heard = Instant::now();
        loop {
            // What has come together with something else is not waited for.
            while let Some(record) = self.records.next() {
                self.obey(&record).await?;
            }
            tokio::select! {
                told = self.watcher.next() => {
                    let told = told.ok_or_else(|| self.over())?;
                    self.tell(&told).await?;
                }
                text = hear(&mut self.socket) => {
                    heard = Instant::now();
                    self.take(&text?)?;
                }
                _ = beat.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        return Err(End::Silent);
                    }
                    self.send(PING.to_owned()).await?;
                }
            }
        }
    }

    /// The first record, and the answer to it.
    async fn shake_hands(&mut self) -> Result<(), End> {
        let deadline = Instant::now() + HANDSHAKE_MAX;
        let record = loop {
            if let Some(record) = self.records.next() {
                break record;
            }
            let text = tokio::select! {
                text = hear(&mut self.socket) => text?,
                () = self.watcher.ended() => return Err(self.over()),
                () = tokio::time::sleep_until(deadline) => return Err(End::Silent),
            };
            self.take(&text)?;
        };
        if !is_handshake(&record) {
            self.send(REFUSED.to_owned()).await?;
            return Err(End::Left);
        }
        self.send(ACCEPTED.to_owned()).await
    }

    fn take(&mut self, text: &str) -> Result<(), End> {
        self.records.add(text);
        if self.records.are_too_long() {
            return Err(End::Wrong("A record is too long."));
        }
        Ok(())
    }

    async fn obey(&mut self, record: &str) -> Result<(), End> {
        match read(record).ok_or(End::Wrong("A record can not be read."))? {
            Said::Subscribe(wants, answer) => {
                // What came before is gathered, perhaps, and not told yet.
                let from = || self.subscribed.unwrap_or_else(|| self.watcher.newest());
                self.subscribed = wants.then(from);
                self.send(answer.unwrap_or_default()).await
            }
            Said::Answer(answer) => self.send(answer).await,
            Said::Nothing => Ok(()),
            Said::Close => Err(End::Left),
        }
    }

    async fn tell(&mut self, told: &Told) -> Result<(), End> {
        let Some(from) = self.subscribed else {
            return Ok(());
        };
        self.send(events(told, from)).await
    }

    /// Sends a text, unless it is empty, for as long as there is a session.
    async fn send(&mut self, text: String) -> Result<(), End> {
        if text.is_empty() {
            return Ok(());
        }
        let sending = timeout(SEND_MAX, self.socket.send(Message::text(text)));
        tokio::select! {
            sent = sending => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Left),
            },
            () = self.watcher.ended() => Err(self.over()),
        }
    }

    fn over(&self) -> End {
        if self.watcher.is_stopping() {
            End::Stopping
        } else {
            End::SessionOver
        }
    }

    /// Says a last word and closes, as far as the client takes it.
    async fn part(mut self, end: End) {
        let (last, code) = match end {
            End::Left => (String::new(), CloseCode::Normal),
            End::Wrong(why) => (close(Some(why), false), CloseCode::Policy),
            End::Silent => (close(Some("Nothing was heard."), true), CloseCode::Normal),
            End::SessionOver => (
                close(Some("The session is over."), false),
                CloseCode::Normal,
            ),
            End::Stopping => (close(None, true), CloseCode::Away),
        };
        let parting = async {
            if !last.is_empty() {
                self.socket.send(Message::text(last)).await?;
            }
            let frame = CloseFrame {
                code,
                reason: "".into(),
            };
            self.socket.close(Some(frame)).await?;
            while self.socket.next().await.transpose()?.is_some() {}
            Ok::<(), Error>(())
        };
        // A client that is gone has lost its interest.
        let _ = timeout(PARTING_MAX, parting).await;
    }
}

/// The next text of a client; empty for a sign of life that is none.
async fn hear(socket: &mut WebSocketStream<Wire>) -> Result<String, End> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Ok(text.as_str().to_owned()),
        Some(Ok(Message::Binary(_))) => Err(End::Wrong("Records are texts.")),
        Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) | None => Err(End::Left),
        // Pings of WebSocket itself are answered beneath.
        Some(Ok(_)) => Ok(String::new()),
        Some(Err(Error::Capacity(_))) => Err(End::Wrong("A record is too long.")),
        Some(Err(_)) => Err(End::Left),
    }
}
