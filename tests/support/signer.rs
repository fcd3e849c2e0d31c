//! Signs requests with NWS4, as the public .NET and PHP clients do. Written apart
//! from the server, in other steps, so that a mistake there does not repeat here.

use std::collections::BTreeMap;
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use tillgate::clock::{SystemTimeSource, TimeSource as _};

use super::{Answer, Server};

/// Whose habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The .NET client.
    Net,
    /// The PHP client: spells `:` and `//` in paths differently.
    Php,
}

/// An API key in a client's hands.
#[derive(Clone, Debug)]
pub struct Signer {
    /// `clientId`
    pub id: String,
    /// `clientSecret`
    pub secret: String,
    /// Whose habits.
    pub dialect: Dialect,
    /// The time that is signed; now, when left out.
    pub time: Option<DateTime<Utc>>,
    /// The host that is signed; the server's address, when left out.
    pub host: Option<String>,
}

/// A request to be signed.
#[derive(Clone, Debug)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query, as they go over the wire.
    pub target: &'a str,
    /// `host[:port]`
    pub host: &'a str,
    /// Further headers to sign.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl Signer {
    /// The .NET client's.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            dialect: Dialect::Net,
            time: None,
            host: None,
        }
    }

    /// From the answer to a creation.
    pub fn of(created: &Value) -> Self {
        let text = |name: &str| created[name].as_str().expect("text");
        Self::new(text("clientId"), text("clientSecret"))
    }

    /// The headers to send: those given, `host`, `x-nd-*` and `Authorization`.
    /// `time`: `yyyy-MM-ddTHH:mm:ss.fffZ`.
    pub fn sign(&self, request: &Unsigned<'_>, time: &str) -> Vec<(String, String)> {
        let mut headers = request.headers.to_vec();
        let body = hex(digest(&SHA256, request.body).as_ref());
        for (name, value) in [
            ("host", request.host),
            ("x-nd-date", time),
            ("x-nd-content-sha256", &body),
        ] {
            headers.push((name.to_owned(), value.to_owned()));
        }

        let (names, block) = signed_headers(&headers);
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((request.target, ""));
        let canonical = [
            request.method.to_uppercase(),
            self.path(path),
            query_in_order(query),
            block,
            names.clone(),
            body,
        ];
        let hash = hex(digest(&SHA256, canonical.join("\n").as_bytes()).as_ref());
        let text = ["NWS4-HMAC-SHA256", time, &self.id, &hash].join("\n");
        let day = hmac(
            format!("NWS4{}", self.secret).as_bytes(),
            &time.as_bytes()[..10],
        );
        let signature = hex(&hmac(&day, text.as_bytes()));

        let parameters = format!(
            "Credential={},SignedHeaders={},Timestamp={},Signature={signature}",
            self.id,
            escape(&names, ""),
            escape(time, "")
        );
        let authorization = format!("NWS4-HMAC-SHA256 {}", escape(&parameters, ""));
        headers.push(("Authorization".to_owned(), authorization));
        headers
    }

    /// The headers of a request to this server, `Host` aside: that is the
    /// connection's.
    pub fn headers(
        &self,
        server: &Server,
        method: &str,
        target: &str,
        body: &str,
    ) -> Vec<(String, String)> {
        self.headers_at(&server.address, method, target, body)
    }

    /// The same for a server on this `address:port`.
    pub fn headers_at(
        &self,
        address: &str,
        method: &str,
        target: &str,
        body: &str,
    ) -> Vec<(String, String)> {
        let time = self.time.unwrap_or_else(now);
        let unsigned = Unsigned {
            method,
            target,
            host: self.host.as_deref().unwrap_or(address),
            headers: &[],
            body: body.as_bytes(),
        };
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut headers = self.sign(&unsigned, &time);
        headers.retain(|(name, _)| name != "host");
        headers
    }

    /// Signs a request and sends it.
    pub fn send(&self, server: &Server, method: &str, target: &str, body: &Value) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = self.headers(server, method, target, &text);
        server.send(method, target, &headers, body)
    }

    /// A signed `GET`.
    pub fn get(&self, server: &Server, target: &str) -> Answer {
        self.send(server, "GET", target, &Value::Null)
    }

    fn path(&self, path: &str) -> String {
        match self.dialect {
            _ if path.is_empty() => "/".to_owned(),
            Dialect::Net => escape(path, "/:"),
            Dialect::Php if path.starts_with("//") => {
                escape(&format!("/{}", path.trim_start_matches('/')), "/")
            }
            Dialect::Php => escape(path, "/"),
        }
    }
}

/// What the clock of this machine says.
pub fn now() -> DateTime<Utc> {
    let millis = SystemTimeSource.wall().as_millis();
    DateTime::from_timestamp_millis(millis).expect("a time of this age")
}

/// The list of names and the block of values.
fn signed_headers(headers: &[(String, String)]) -> (String, String) {
    let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in headers {
        values.entry(name.to_lowercase()).or_default().push(value);
    }
    let lines: Vec<String> = values
        .iter()
        .map(|(name, values)| {
            let value = values.join(",");
            let words: Vec<&str> = value.split_whitespace().collect();
            format!("{name}:{}", words.join(" "))
        })
        .collect();
    let upper: BTreeMap<String, &String> = values
        .keys()
        .map(|name| (name.to_uppercase(), name))
        .collect();
    let names: Vec<&str> = upper.values().map(|name| name.as_str()).collect();
    (names.join(";"), lines.join("\n"))
}

fn query_in_order(query: &str) -> String {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        values.entry(name).or_default().push(value);
    }
    let mut pairs = Vec::new();
    for (name, values) in values {
        for value in values {
            pairs.push([escape(name, ""), escape(value, "")].join("="));
        }
    }
    pairs.join("&")
}

fn escape(text: &str, kept: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || kept.contains(c) {
            out.push(c);
        } else {
            write!(out, "%{byte:02X}").expect("memory takes every byte");
        }
    }
    out
}

/// RFC 2104, step by step.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 {
        digest(&SHA256, key).as_ref().to_vec()
    } else {
        key.to_vec()
    };
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = digest(&SHA256, &[&pad(0x36), text].concat());
    digest(&SHA256, &[&pad(0x5c), inner.as_ref()].concat())
        .as_ref()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        write!(out, "{byte:02x}").expect("memory takes every byte");
    }
    out
}
