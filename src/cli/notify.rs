//! What the service manager is told: ready, reloading, stopping, and that the
//! server still works. The protocol is one datagram a word, to the socket that systemd names
//! (`sd_notify(3)`), so it takes no library.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::StopSignals;
use crate::service::App;
use crate::store::sled::SledStore;

/// The socket to tell.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How long the service manager waits for a sign of life, in microseconds.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// Whose signs of life it waits for.
const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// How long the server may take to answer itself.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// How soon to look again while it does not.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// What it asks itself.
const QUESTION: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The way to the service manager.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: UnixAddr,
    /// How long it waits for a sign of life; `None`: it does not.
    watchdog: Option<Duration>,
    /// It has been told that the server is ready.
    is_ready: AtomicBool,
}

impl Manager {
    /// As the environment says; `None` where nobody wants to be told.
    pub fn from_environment() -> Option<Self> {
        let name = std::env::var_os(SOCKET).filter(|name| !name.is_empty())?;
        let bytes = name.as_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => UnixAddr::from_abstract_name(name),
            None => UnixAddr::from_pathname(&name),
        };
        let manager = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            // A manager that does not read must not hold up the server.
            socket.set_nonblocking(true)?;
            Ok(Self {
                socket,
                address,
                watchdog: watchdog(),
                is_ready: AtomicBool::new(false),
            })
        });
        if let Err(error) = &manager {
            tracing::warn!(target: "serve", %error, "the service manager can not be told anything");
        }
        manager.ok()
    }

    /// Tells that the server reads something again, and once that is over,
    /// that it is ready as before. One that is not ready yet tells neither.
    pub async fn during<T>(&self, reload: impl Future<Output = T>) -> T {
        let is_told = self.is_ready.load(Ordering::Acquire);
        if is_told {
            // The manager compares with the instant at which it asked for it.
            let now = clock_gettime(ClockId::Monotonic);
            let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
        }
        let done = reload.await;
        if is_told {
            self.tell("READY=1");
        }
        done
    }

    fn tell(&self, words: &str) {
        if let Err(error) = self.socket.send_to_addr(words.as_bytes(), &self.address) {
            tracing::warn!(target: "serve", %error, "the service manager was not told");
        }
    }
}

fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let others = number(WATCHDOG_PID).is_some_and(|pid| pid != u64::from(std::process::id()));
    let micros = number(WATCHDOG).filter(|micros| *micros > 0 && !others)?;
    Some(Duration::from_micros(micros))
}

/// Tells that the server is ready once it answers, that it works for as long as
/// it does, and that it stops.
pub async fn run(
    manager: Arc<Manager>,
    app: Arc<App<SledStore>>,
    address: SocketAddr,
    full: impl Fn() -> bool,
    mut signals: StopSignals,
) {
    let told = async {
        while !works(&app, address, &full).await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        manager.tell(&format!("READY=1\nSTATUS=listening on {address}"));
        manager.is_ready.store(true, Ordering::Release);
        let Some(patience) = manager.watchdog else {
            return std::future::pending().await;
        };
        // Three times within its patience, so that one that is late costs nothing.
        let every = patience / 3;
        loop {
            if works(&app, address, &full).await {
                manager.tell("WATCHDOG=1");
                tokio::time::sleep(every).await;
            } else {
                tracing::error!(target: "serve", "the server does not answer itself");
                tokio::time::sleep(every.min(LOOK_AGAIN)).await;
            }
        }
    };
    tokio::select! {
        () = told => {}
        () = signals.stopping() => manager.tell("STOPPING=1"),
    }
}

/// Whether the writer and the HTTP side answer. A server with as many
/// connections as it may have is busy, not dead.
async fn works(app: &App<SledStore>, address: SocketAddr, full: &impl Fn() -> bool) -> bool {
    let both =
        async { app.store.writer_answers().await && (full() || asked(address).await.is_ok()) };
    tokio::time::timeout(ANSWER_WAIT_MAX, both)
        .await
        .unwrap_or(false)
}

/// Asks as a client does. What is answered does not matter here: that it is. To
/// a server that speaks TLS this is no greeting: it hangs up, which will do.
async fn asked(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(reachable(address)).await?;
    stream.write_all(QUESTION).await?;
    stream.read(&mut [0]).await.map(|_| ())
}

/// An address of this machine under which a listener hears.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:4000", "127.0.0.1:4000"),
            ("[::]:4000", "[::1]:4000"),
            ("10.0.0.7:4000", "10.0.0.7:4000"),
        ] {
            let listens = listens.parse().expect("an address");
            assert_eq!(reachable(listens).to_string(), asked);
        }
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_says_nothing_does_not_answer() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("bound");

        let answer = tokio::time::timeout(LOOK_AGAIN, asked(address)).await;

        assert!(answer.is_err(), "nobody has answered");
        drop(silent);
        assert!(asked(address).await.is_err(), "nobody is there");
    }
}
