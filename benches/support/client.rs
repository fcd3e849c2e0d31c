//! A plain HTTP client over one connection that stays open. It knows just what
//! the servers under measurement send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A connection that stays open.
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    /// Connects to `127.0.0.1:PORT`.
    pub fn open(address: &str) -> Self {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("an option of every socket");
        stream
            .set_read_timeout(Some(ANSWER_WAIT_MAX))
            .expect("not zero");
        Self {
            stream: BufReader::with_capacity(1 << 16, stream),
            address: address.to_owned(),
            line: String::new(),
            body: Vec::new(),
        }
    }

    /// Sends bytes: one request or several.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream
            .get_mut()
            .write_all(bytes)
            .expect("the server reads");
    }

    /// Reads one answer; answers its status. The body is in [`Self::body`].
    pub fn receive(&mut self) -> u16 {
        let status = self
            .read_line()
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {:?}", self.line));
        let mut length = 0;
        while !self.read_line().is_empty() {
            let header = self.line.split_once(':');
            let header = header.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            if let Some((_, value)) = header {
                length = value.trim().parse().expect("a number");
            }
        }
        assert!(length <= BODY_BYTES_MAX, "an answer of {length} bytes");
        self.body.resize(length, 0);
        self.stream
            .read_exact(&mut self.body)
            .expect("a whole body");
        status
    }

    fn read_line(&mut self) -> &str {
        self.line.clear();
        self.stream
            .read_line(&mut self.line)
            .expect("an answer in time");
        let trimmed = self.line.trim_end().len();
        self.line.truncate(trimmed);
        &self.line
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// `GET` with a token; fails the bench if it is not answered 200.
    pub fn get(&mut self, path: &str, token: &str) -> &[u8] {
        let request = get(&self.address, path, token);
        self.send(&request);
        let status = self.receive();
        assert!(
            status == 200,
            "{path}: {status} {}",
            String::from_utf8_lossy(&self.body)
        );
        &self.body
    }

    /// `POST` of a JSON body; answers the status.
    pub fn post(&mut self, path: &str, body: &str) -> u16 {
        self.post_with("", path, body)
    }

    /// `POST` of a JSON body with a token; answers the status.
    pub fn post_as(&mut self, token: &str, path: &str, body: &str) -> u16 {
        self.post_with(&format!("Authorization: Bearer {token}\r\n"), path, body)
    }

    fn post_with(&mut self, credentials: &str, path: &str, body: &str) -> u16 {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{credentials}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.send(request.as_bytes());
        self.receive()
    }
}

/// The bytes of a `GET` with a token.
pub fn get(address: &str, path: &str, token: &str) -> Vec<u8> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    request.into_bytes()
}

/// Where an answer ends, once its head is whole.
pub fn end_of(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let mut fields = text.split("\r\n").filter_map(|line| line.split_once(": "));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(Some(0), |(_, length)| length.parse().ok());
    Some(head + 4 + length.expect("a length is a number"))
}
