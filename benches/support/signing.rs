//! An API key and the requests that it signs, as the public NWS4 clients sign
//! them.

use std::fmt::Write;

use aws_lc_rs::{digest, hmac};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::client::Connection;
use super::shop::{self, Login};

/// Names of the headers that are signed, in order.
const NAMES: &str = "host;x-nd-content-sha256;x-nd-date";

/// A key of the user and on the device of a login.
pub struct Signer {
    id: String,
    secret: String,
}

impl Signer {
    /// Makes a key for the n-th user, in somebody's session: all may do the same.
    pub fn make(address: &str, n: usize, login: &Login) -> Self {
        let body = json!({"name": "bench", "userName": shop::user(n),
            "deviceName": shop::device(n), "isActive": true});
        let mut connection = Connection::open(address);
        let status = connection.post_as(&login.token, "/apikeys", &body.to_string());
        assert!(
            status == 201,
            "{status} {}",
            String::from_utf8_lossy(connection.body())
        );
        let key: Value = serde_json::from_slice(connection.body()).expect("JSON");
        let text = |name: &str| key[name].as_str().expect("of every new key").to_owned();
        Self {
            id: text("clientId"),
            secret: text("clientSecret"),
        }
    }

    /// The header lines that sign a `GET` of a path, joined by `|`.
    pub fn lines(&self, host: &str, path: &str) -> String {
        self.lines_of("GET", host, path, "")
    }

    /// The header lines that sign a request, joined by `|`.
    pub fn lines_of(&self, method: &str, host: &str, path: &str, body: &str) -> String {
        let time = now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let hash = sha256(body);
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-nd-content-sha256:{hash}\nx-nd-date:{time}\n{NAMES}\n{hash}"
        );
        let id = &self.id;
        let to_sign = format!("NWS4-HMAC-SHA256\n{time}\n{id}\n{}", sha256(&canonical));
        let day = mac(format!("NWS4{}", self.secret).as_bytes(), &time[..10]);
        let signature = hex(&mac(&day, &to_sign));
        let twice = |text: &str| text.replace(';', "%253B").replace(':', "%253A");
        let (names, signed) = (twice(NAMES), twice(&time));
        format!(
            "Authorization: NWS4-HMAC-SHA256 Credential%3D{id}%2CSignedHeaders%3D{names}\
             %2CTimestamp%3D{signed}%2CSignature%3D{signature}\
             |x-nd-date: {time}|x-nd-content-sha256: {hash}"
        )
    }
}

fn now() -> DateTime<Utc> {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    let millis = i64::try_from(since.as_millis()).expect("not that late");
    DateTime::from_timestamp_millis(millis).expect("not that late")
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
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
