//! A real server for tests: the real binary in a folder of its own, on a port
//! the system chose, stopped when the test ends.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part of it"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub mod secure;
pub mod signer;

/// How long anything a test waits for may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The shop that tests log in to: hashes are cheap, so passwords are too.
pub const SHOP: &str = include_str!("shop.json");

/// The binary under test.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tillgate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TILLGATE_")) {
        command.env_remove(name);
    }
    command
        .env("TILLGATE_PASSWORD__ARGON2_MEMORY_KIB", "8")
        .env("TILLGATE_PASSWORD__ARGON2_ITERATIONS", "1")
        .env("TILLGATE_PASSWORD__LENGTH_MIN", "4")
        .env("TILLGATE_PASSWORD__BLOCK_COMMON", "false");
    command
}

/// A folder with an installation in it.
pub struct Place {
    folder: tempfile::TempDir,
    options: Vec<(String, String)>,
}

impl Place {
    /// An installation that was never started.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            folder,
            options: Vec::new(),
        }
    }

    /// An installation with the test shop in it.
    pub fn with_shop() -> Self {
        let place = Self::empty();
        let file = place.path().join("shop.json");
        std::fs::write(&file, SHOP).expect("the shop is written");
        let output = place.run(&["import", file.to_str().expect("an UTF-8 path")]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        place
    }

    /// Sets an option for every process in this place.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options
            .push((format!("TILLGATE_{name}"), value.to_owned()));
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("db")
    }

    /// The binary with this place's options.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = binary();
        command.current_dir(self.path());
        command.env("TILLGATE_DATA_DIR", self.data_dir());
        command.envs(self.options.iter().map(|(name, value)| (name, value)));
        command.args(args);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> std::process::Output {
        self.command(args)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    }

    /// Runs a command with this text on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> std::process::Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("the binary reads");
        drop(stdin);
        child.wait_with_output().expect("the binary ends")
    }

    /// The first start of an empty place, and the one-time code that it shows.
    pub fn first_start(&self) -> (Server, String) {
        let base = self.command(&[]);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" serve --listen 127.0.0.1:0 2>start.log"]);
        command.arg(base.get_program()).current_dir(self.path());
        command.envs(
            base.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let server = Server::start(command);
        let log = std::fs::read_to_string(self.path().join("start.log")).expect("a log");
        let code = log
            .lines()
            .map(str::trim)
            .find(|line| line.len() > 12 && line.contains('-') && !line.contains(' '));
        let code = code.expect("the code stands on a line of its own");
        (server, code.to_owned())
    }

    /// Starts a server here.
    pub fn serve(&self) -> Server {
        Server::start(self.command(&["serve", "--listen", "127.0.0.1:0"]))
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    /// `http` or `https`.
    pub scheme: String,
    log: std::thread::JoinHandle<String>,
    agent: ureq::Agent,
}

impl Server {
    /// Starts a server and waits until it says that it listens.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut errors = child.stderr.take().expect("piped");
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server speaks UTF-8");
        let url = line.trim().strip_prefix("tillgate listening on ");
        let Some((scheme, address)) = url.and_then(|url| url.split_once("://")) else {
            let _ = child.kill();
            panic!(
                "the server did not start: {line:?} {}",
                log.join().unwrap_or_default()
            );
        };
        let (scheme, address) = (scheme.to_owned(), address.to_owned());
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Self {
            child,
            address,
            scheme,
            log,
            agent,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its memory, from `/proc/PID/status`, in kibibytes.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the process is there");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.expect("a number of kibibytes")
    }

    /// Sends a signal by number.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "kill {signal} {pid}");
    }

    /// Ends the server as a service manager would; answers its exit code and log.
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let status = wait(&mut self.child);
        (status.code(), self.take_log())
    }

    /// Ends the server as a crash would.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("the server was running");
        wait(&mut self.child);
        self.take_log()
    }

    fn take_log(&mut self) -> String {
        let log = std::mem::replace(&mut self.log, std::thread::spawn(String::new));
        log.join().expect("the log is read")
    }

    /// One call. `body` is sent as JSON when it is not null.
    pub fn call(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.send(method, path, &headers(token), body)
    }

    /// One call with headers. `body` is sent as JSON when it is not null.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &Value,
    ) -> Answer {
        if body.is_null() {
            return self.send_text(method, path, headers, "");
        }
        let json = ("Content-Type".to_owned(), "application/json".to_owned());
        let headers = [headers, &[json]].concat();
        self.send_text(method, path, &headers, &body.to_string())
    }

    /// One call with a form.
    pub fn send_form(&self, method: &str, path: &str, token: Option<&str>, form: &str) -> Answer {
        const FORM: &str = "application/x-www-form-urlencoded";
        let kind = ("Content-Type".to_owned(), FORM.to_owned());
        self.send_text(method, path, &[headers(token), vec![kind]].concat(), form)
    }

    /// One call with headers and any body at all.
    pub fn send_text(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Answer {
        let answer = self.try_send(method, path, headers, body);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// [`Server::send_text`] to a server that may die before it has answered.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = if body.is_empty() {
            let request = request.body(()).expect("a good request");
            self.agent.run(request)
        } else {
            let request = request.body(body.to_owned()).expect("a good request");
            let request = self
                .agent
                .configure_request(request)
                .allow_non_standard_methods(true)
                .build();
            self.agent.run(request)
        };
        let mut answer = answer?;
        // An answer that goes on is not waited for.
        let kind = answer.headers().get("content-type");
        let goes_on = kind.is_some_and(|kind| kind == "text/event-stream");
        let text = if goes_on {
            String::new()
        } else {
            answer.body_mut().read_to_string()?
        };
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text,
        })
    }

    /// Many equal calls with a JSON body at the same time, and a kill when
    /// `answers` of them are answered: what was answered.
    pub fn killed_amid(
        self,
        calls: usize,
        answers: usize,
        path: &str,
        body: &Value,
    ) -> Vec<Answer> {
        let json = [("Content-Type".to_owned(), "application/json".to_owned())];
        let body = body.to_string();
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..calls {
                let (server, json, body, said) = (&self, &json, &body, said.clone());
                scope.spawn(move || {
                    let answer = server.try_send("POST", path, json, body);
                    // Nobody listens any more when the test has failed.
                    let _ = said.send(answer.ok());
                });
            }
            drop(said);
            let mut answered = Vec::new();
            for answer in heard {
                answered.extend(answer);
                if answered.len() == answers {
                    self.signal("-KILL");
                }
            }
            answered
        })
    }

    /// `GET` with a token.
    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, Some(token), &Value::Null)
    }

    /// `DELETE` with a token.
    pub fn delete(&self, path: &str, token: &str) -> Answer {
        self.call("DELETE", path, Some(token), &Value::Null)
    }

    /// Logs in; fails the test if that is refused.
    pub fn log_in(&self, user: &str, device: &str) -> Login {
        let answer = self.try_log_in(user, "pass", device);
        assert_eq!(answer.status, 200, "{}", answer.text);
        Login::from(&answer.json())
    }

    /// Tries to log in.
    pub fn try_log_in(&self, user: &str, password: &str, device: &str) -> Answer {
        let body = json!({"UserName": user, "Password": password, "DeviceName": device});
        self.call("POST", "/api/auth", None, &body)
    }

    /// Sends bytes on a connection of its own and reads until the server
    /// closes it, or `PATIENCE` is over.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the process can be asked") {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "the server does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The headers of an upgrade to a WebSocket.
pub fn upgrade() -> [(String, String); 4] {
    [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn headers(token: Option<&str>) -> Vec<(String, String)> {
    token
        .map(|token| ("Authorization".to_owned(), format!("Bearer {token}")))
        .into_iter()
        .collect()
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: ureq::http::HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }
}

/// A login that succeeded.
#[derive(Clone, Debug)]
pub struct Login {
    /// The bearer token.
    pub token: String,
    /// The refresh token.
    pub refresh: String,
    /// The session's id.
    pub id: String,
}

impl From<&Value> for Login {
    fn from(body: &Value) -> Self {
        let text = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name} in {body}"))
                .to_owned()
        };
        Self {
            token: text("tokenId"),
            refresh: text("refreshToken"),
            id: text("sessionId"),
        }
    }
}

/// Waits until a condition holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A time of an answer. As text times do not compare: fractions are cut.
pub fn time(value: &Value) -> chrono::DateTime<chrono::FixedOffset> {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is a time"));
    chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The exit code of a command line that clap refuses, in words of its own.
const CLAP_MISUSE: i32 = 2;

/// What a command said on standard output.
pub fn out(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command said on standard error.
pub fn err(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must succeed; its standard output.
pub fn good(place: &Place, args: &[&str]) -> String {
    let output = place.run(args);
    assert!(
        output.status.success(),
        "{args:?}: {}{}",
        out(&output),
        err(&output)
    );
    out(&output)
}

/// Runs a command that must fail with this code; its standard error.
pub fn bad(place: &Place, args: &[&str], code: i32) -> String {
    let output = place.run(args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {}{}",
        out(&output),
        err(&output)
    );
    assert!(
        err(&output).starts_with("tillgate: ") || code == CLAP_MISUSE,
        "{}",
        err(&output)
    );
    err(&output)
}

/// Runs lines of bash that must succeed; their standard output.
pub fn bash(script: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .output()
        .expect("bash runs");
    let (said, errors) = (out(&output), err(&output));
    assert!(output.status.success(), "{script}\n{said}\n{errors}");
    said
}

/// A demo server, and the folder its own folder lies in.
pub fn demo() -> (Server, tempfile::TempDir) {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut command = binary();
    command
        .current_dir(scratch.path())
        .env("TMPDIR", scratch.path())
        .args(["serve", "--demo", "--listen", "127.0.0.1:0"]);
    (Server::start(command), scratch)
}
