//! A receiver of webhooks: keeps what it was sent, and answers as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With this status.
    Status(u16),
    /// With a redirect to there.
    Redirect(String),
    /// Not at all.
    Silent,
}

/// One notification.
#[derive(Clone, Debug)]
pub struct Got {
    headers: Vec<(String, String)>,
    /// As it came.
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn delivery(&self) -> &str {
        self.header("x-tillgate-delivery").expect("its name")
    }

    /// `created session`, and the like.
    pub fn what(&self) -> String {
        let p = &self.json()["p"];
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        format!("{} {}", text(&p["action"]), text(&p["resource"]["name"]))
    }

    /// The id of what has changed.
    pub fn id(&self) -> String {
        let id = &self.json()["p"]["resource"]["id"];
        id.as_str().expect("an id").to_owned()
    }
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    got: Mutex<Vec<Got>>,
    is_over: AtomicBool,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    pub url: String,
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            mood: Mutex::new(mood),
            got: Mutex::new(Vec::new()),
            is_over: AtomicBool::new(false),
        });
        let listening = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if listening.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&listening);
                let stream = stream.expect("a connection");
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self {
            url: format!("http://{address}/hook?key=of-the-receiver"),
            address,
            shared,
        }
    }

    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().expect("no panic").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    assert!(
        line.starts_with("POST /hook?key=of-the-receiver "),
        "{line}"
    );
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length?.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).expect("UTF-8");
    let mood = shared.mood.lock().expect("no panic").clone();
    let got = Got { headers, body };
    shared.got.lock().expect("no panic").push(got);
    let head = match mood {
        Mood::Status(status) => format!("HTTP/1.1 {status} -\r\ncontent-length: 2\r\n\r\nok"),
        Mood::Redirect(to) => {
            format!("HTTP/1.1 302 -\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
        }
        Mood::Silent => {
            // Until the other side gives up.
            let _ = reader.read(&mut [0]);
            return None;
        }
    };
    let mut out = stream;
    out.write_all(head.as_bytes()).ok()
}
