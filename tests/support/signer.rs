//! Signs requests as the public NWS4 clients do, in words of its own: nothing
//! of the server's code is used, so that a mistake there does not repeat here.

use std::fmt::Write;

use aws_lc_rs::{digest, hmac};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::{Answer, Server};

/// How a client spells the path that it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `:` stays.
    Net,
    /// `:` is encoded.
    Php,
}

/// What the clock of this machine says.
pub fn now() -> DateTime<Utc> {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    let millis = i64::try_from(since.as_millis()).expect("not that late");
    DateTime::from_timestamp_millis(millis).expect("not that late")
}

/// An API key as its owner holds it.
#[derive(Clone, Debug)]
pub struct Signer {
    /// `clientId`
    pub id: String,
    /// `clientSecret`
    pub secret: String,
    /// Whose way of signing.
    pub client: Client,
    /// The time that is signed; now, when left out.
    pub time: Option<DateTime<Utc>>,
    /// The host that is signed; the server's address, when left out.
    pub host: Option<String>,
}

impl Signer {
    /// From the answer to a creation.
    pub fn of(created: &Value) -> Self {
        let text = |name: &str| created[name].as_str().expect("text").to_owned();
        Self {
            id: text("clientId"),
            secret: text("clientSecret"),
            client: Client::Net,
            time: None,
            host: None,
        }
    }

    /// The headers that a request needs, `Authorization` among them.
    pub fn headers(
        &self,
        server: &Server,
        method: &str,
        target: &str,
        body: &str,
    ) -> Vec<(String, String)> {
        self.headers_at(&server.address, method, target, body)
    }

    /// The same for a server on this address.
    pub fn headers_at(
        &self,
        address: &str,
        method: &str,
        target: &str,
        body: &str,
    ) -> Vec<(String, String)> {
        let time = self.time.unwrap_or_else(now);
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let host = self.host.clone().unwrap_or_else(|| address.to_owned());
        let hash = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let canonical = [
            method,
            &self.path(path),
            &query_of(query),
            &format!("host:{host}\nx-nd-content-sha256:{hash}\nx-nd-date:{time}"),
            "host;x-nd-content-sha256;x-nd-date",
            &hash,
        ]
        .join("\n");
        let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let id = &self.id;
        let to_sign = format!("NWS4-HMAC-SHA256\n{time}\n{id}\n{digest}");
        let day_key = mac(format!("NWS4{}", self.secret).as_bytes(), &time[..10]);
        let signature = hex(&mac(&day_key, &to_sign));
        let names = escape("host;x-nd-content-sha256;x-nd-date", "");
        let signed_time = escape(&time, "");
        let parameters = format!(
            "Credential={id},SignedHeaders={names},Timestamp={signed_time},Signature={signature}"
        );
        let parameters = escape(&parameters, "");
        [
            ("Authorization", format!("NWS4-HMAC-SHA256 {parameters}")),
            ("x-nd-date", time),
            ("x-nd-content-sha256", hash),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Signs a request and sends it.
    pub fn send(&self, server: &Server, method: &str, target: &str, body: &Value) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        server.send(
            method,
            target,
            &self.headers(server, method, target, &text),
            body,
        )
    }

    /// A signed `GET`.
    pub fn get(&self, server: &Server, target: &str) -> Answer {
        self.send(server, "GET", target, &Value::Null)
    }

    fn path(&self, path: &str) -> String {
        match self.client {
            Client::Net => escape(path, "/:"),
            Client::Php => escape(path, "/"),
        }
    }
}

fn query_of(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_by_key(|(name, _)| *name);
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name, ""), escape(value, "")));
    pairs.collect::<Vec<_>>().join("&")
}

fn escape(text: &str, kept: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || kept.contains(c) {
            out.push(c);
        } else {
            write!(out, "%{byte:02X}").expect("memory takes every byte");
        }
    }
    out
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes every byte");
        text
    })
}
