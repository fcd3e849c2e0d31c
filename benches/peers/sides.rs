//! Those that are measured: how each is started and asked for the same things.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::cpu::{self, Threads};
use super::support::place::{Place, Server, pinned};
use super::support::shop::{self, Login};
use super::support::signing::Signer;

/// Where the servers run.
pub const SERVER_CORE: usize = 0;
/// Where the load comes from.
pub const CLIENT_CORE: usize = 1;
/// Keys that open sessions for others, in turn.
const KEYS: usize = 100;
/// How long Redis may take to start.
const REDIS_WAIT_MAX: Duration = Duration::from_secs(10);

/// What a client holds of a session.
#[derive(Clone)]
pub enum Held {
    /// A cookie, as it is sent.
    Cookie(String),
    /// Tillgate's tokens.
    Tokens {
        /// The session, where it is asked for by its id.
        id: String,
        /// `tokenId`
        token: String,
        /// `refreshToken`, where one was kept.
        refresh: String,
    },
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Who is this? The access is counted.
    Check,
    /// A session for somebody whom the caller has verified itself.
    LogIn,
    /// The credentials are replaced.
    Refresh,
    /// The session is over.
    End,
    /// A user's 50 latest of all.
    List,
}

/// One of those that are measured.
pub struct Side {
    /// Its name in the tables.
    pub name: &'static str,
    /// The server.
    pub server: Server,
    /// What it keeps its sessions in, if that is a process of its own.
    pub store: Option<Redis>,
    /// Keys, where logins are signed.
    signers: Vec<Signer>,
}

impl Side {
    /// A peer of `peers/server` or `peers/express`.
    pub fn peer(name: &'static str, command: Command, log: &Path, store: Option<Redis>) -> Self {
        Self {
            name,
            server: Server::start(command, log),
            store,
            signers: Vec::new(),
        }
    }

    /// Tillgate, with keys made in the sessions of these logins.
    pub fn tillgate(server: Server, logins: &[Login]) -> Self {
        let keys = logins.iter().take(KEYS).enumerate();
        let signers = keys.map(|(n, login)| Signer::make(&server.address, n, login));
        Self {
            name: "**Tillgate**",
            signers: signers.collect(),
            server,
            store: None,
        }
    }

    /// Whether it can be asked for this.
    pub fn does(&self, task: Task) -> bool {
        task != Task::List
            || self.store.is_some() && self.name.contains("tower")
            || self.is_tillgate()
    }

    fn is_tillgate(&self) -> bool {
        !self.signers.is_empty()
    }

    /// The request for a task. `n` chooses whose; `held` is what the client has.
    pub fn request(&self, task: Task, n: usize, held: Option<&Held>) -> Vec<u8> {
        let host = &self.server.address;
        let user = shop::user(n);
        if task == Task::LogIn {
            let body = json!({"userName": user, "deviceName": shop::device(n)}).to_string();
            let (path, lines) = match self.signers.get(n % KEYS) {
                None => ("/login", String::new()),
                Some(signer) => {
                    let lines = signer.lines_of("POST", host, "/sessions", &body);
                    ("/sessions", lines.replace('|', "\r\n") + "\r\n")
                }
            };
            return with_body(host, path, &lines, &body);
        }
        match held.expect("only a login needs no credentials") {
            Held::Cookie(cookie) => {
                let lines = format!("Cookie: {cookie}\r\n");
                match task {
                    Task::Check => plain("GET", "/session", host, &lines),
                    Task::End => plain("DELETE", "/session", host, &lines),
                    Task::List => plain("GET", &format!("/sessions?userName={user}"), host, &lines),
                    Task::Refresh | Task::LogIn => plain("POST", "/refresh", host, &lines),
                }
            }
            Held::Tokens { id, token, refresh } => {
                let lines = format!("Authorization: Bearer {token}\r\n");
                match task {
                    Task::Check => plain("GET", &format!("/sessions/{id}"), host, &lines),
                    Task::End => plain("DELETE", "/api/auth", host, &lines),
                    Task::List => {
                        let path =
                            format!("/sessions?userName={user}&$sort=-lastAccessAt&$take=50");
                        plain("GET", &path, host, &lines)
                    }
                    Task::Refresh | Task::LogIn => {
                        let body = json!({"tokenId": token, "refreshToken": refresh}).to_string();
                        with_body(host, "/api/auth/refresh", "", &body)
                    }
                }
            }
        }
    }

    /// CPU time of the server and of what it keeps its sessions in.
    pub fn cpu(&self) -> Vec<Threads> {
        self.pids().into_iter().map(Threads::of).collect()
    }

    /// Their memory.
    pub fn resident(&self) -> u64 {
        self.pids().into_iter().map(cpu::resident).sum()
    }

    /// Sends a signal to both.
    pub fn signal(&self, signal: &str) {
        for pid in self.pids() {
            let sent = Command::new("kill")
                .args([signal, &pid.to_string()])
                .status();
            assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
        }
    }

    fn pids(&self) -> Vec<u32> {
        let store = self.store.as_ref().map(|redis| redis.child.id());
        [self.server.pid()].into_iter().chain(store).collect()
    }
}

/// The credentials in an answer to a login or a refresh.
pub fn credentials(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let cookie = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("set-cookie").then_some(value)
    });
    match cookie {
        Some(cookie) => cookie.split(';').next().map(str::to_owned),
        None => Some(body.to_owned()),
    }
}

/// What a client holds after [`credentials`].
pub fn held(text: &str) -> Held {
    let Ok(pair) = serde_json::from_str::<Value>(text) else {
        return Held::Cookie(text.to_owned());
    };
    let member = |name: &str| pair[name].as_str().expect("of every pair").to_owned();
    Held::Tokens {
        id: String::new(),
        token: member("tokenId"),
        refresh: member("refreshToken"),
    }
}

fn plain(method: &str, path: &str, host: &str, lines: &str) -> Vec<u8> {
    let length = if method == "POST" {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}{length}\r\n").into_bytes()
}

fn with_body(host: &str, path: &str, lines: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{lines}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A Redis of its own that writes nothing to the disk. Killed when dropped.
pub struct Redis {
    child: Child,
    /// Where it listens on loopback.
    pub port: u16,
}

impl Redis {
    /// Starts it and waits until it listens.
    pub fn start(folder: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut command = pinned(Some(SERVER_CORE), Path::new("redis-server"));
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
            ])
            .arg(port.to_string())
            .current_dir(folder)
            .stdout(Stdio::null());
        let redis = Self {
            child: command.spawn().expect("redis-server starts"),
            port,
        };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < REDIS_WAIT_MAX, "Redis does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The installation of the shop and Tillgate on the server's core.
pub fn tillgate(place: &Place) -> Server {
    place.serve(Some(SERVER_CORE))
}
