//! From a plain answer to a warp response: the headers that every answer
//! carries are put on here and nowhere else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use warp::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use warp::http::{Response as HttpResponse, StatusCode};
use warp::reply::Response;

use super::events::Pieces;
use super::upgrade::Upgrade;
use crate::model::{Timestamp, Version};

/// The `traceId` of problems, on every answer.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Room for the headers of nearly every answer, so that they are placed once.
const HEADERS_USUAL: usize = 8;

/// An answer that a handler gives.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// Beside those that every answer carries; a rule for caches takes the place
    /// of the usual one.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON; empty when there is nothing to say.
    pub body: Vec<u8>,
    /// What comes behind the body, for as long as it comes.
    pub pieces: Option<Pieces>,
    /// What goes on with the connection behind this answer.
    pub upgrade: Option<Upgrade>,
}

impl Reply {
    /// 200 with JSON.
    pub(super) fn ok(body: Vec<u8>) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// Any status with JSON.
    pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![(CONTENT_TYPE, JSON)],
            body,
            pieces: None,
            upgrade: None,
        }
    }

    /// A problem document.
    pub(super) fn problem(status: StatusCode, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![(CONTENT_TYPE, PROBLEM_JSON)],
            body,
            pieces: None,
            upgrade: None,
        }
    }

    /// A status that says everything.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            pieces: None,
            upgrade: None,
        }
    }

    /// 200 with a body that goes on piece by piece.
    pub(super) fn going_on(pieces: Pieces) -> Self {
        Self {
            pieces: Some(pieces),
            ..Self::empty(StatusCode::OK)
        }
    }

    /// 101: the connection goes on as something else.
    pub(super) fn switching(upgrade: Upgrade) -> Self {
        Self {
            upgrade: Some(upgrade),
            ..Self::empty(StatusCode::SWITCHING_PROTOCOLS)
        }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the entity tag of a version.
    pub(super) fn tagged(self, version: Version) -> Self {
        self.with(ETAG, etag(version))
    }

    /// With the path of what was created.
    pub(super) fn located(self, path: &str) -> Self {
        let value = HeaderValue::from_str(path).expect("paths are percent-encoded ASCII");
        self.with(LOCATION, value)
    }

    /// As an HTTP response of its own.
    pub(super) fn finish(self, stamp: &Stamp) -> Response {
        let Self {
            status,
            headers,
            body,
            pieces,
            upgrade,
        } = self;
        let mut response = stamp.response(status, body);
        if let Some(pieces) = pieces {
            *response.body_mut() =
                warp::Reply::into_response(warp::reply::stream(pieces)).into_body();
        }
        if let Some(upgrade) = upgrade {
            response.extensions_mut().insert(upgrade);
        }
        for (name, value) in headers {
            if name == CACHE_CONTROL {
                response.headers_mut().insert(name, value);
            } else {
                response.headers_mut().append(name, value);
            }
        }
        response
    }

    /// As the bytes of an HTTP/1.1 response that ends its connection, for
    /// answers that are given beside hyper.
    pub(super) fn into_bytes(self, stamp: &Stamp) -> Vec<u8> {
        let Self {
            status,
            headers,
            body,
            ..
        } = self;
        let reason = status.canonical_reason().unwrap_or("");
        let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        let closing = [
            (
                warp::http::header::CONNECTION,
                HeaderValue::from_static("close"),
            ),
            (CONTENT_LENGTH, HeaderValue::from(body.len())),
        ];
        for (name, value) in stamp.headers().into_iter().chain(closing).chain(headers) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        out
    }
}

/// The entity tag of a version.
pub(super) fn etag(version: Version) -> HeaderValue {
    let mut text = [b'"'; 22];
    let mut number = itoa::Buffer::new();
    let digits = number.format(version.0).as_bytes();
    text[1..=digits.len()].copy_from_slice(digits);
    HeaderValue::from_bytes(&text[..digits.len() + 2]).expect("digits and quotes only")
}

/// Whole seconds, rounded up, at least one.
pub(super) fn seconds(duration: Duration) -> HeaderValue {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    HeaderValue::from(millis.div_ceil(1_000).max(1))
}

/// What every answer carries: when, and which request it answers.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    date: HeaderValue,
    id: RequestId,
}

impl Stamp {
    /// The id as text: the `traceId` of problems.
    pub(super) fn trace_id(&self) -> &str {
        self.id.as_str()
    }

    fn headers(&self) -> [(HeaderName, HeaderValue); 3] {
        let id = HeaderValue::from_str(self.id.as_str()).expect("hex digits and a dash");
        [
            (DATE, self.date.clone()),
            (X_REQUEST_ID, id),
            (CACHE_CONTROL, NO_STORE),
        ]
    }

    fn response(&self, status: StatusCode, body: Vec<u8>) -> Response {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = status;
        let mut headers = HeaderMap::with_capacity(HEADERS_USUAL);
        headers.extend(self.headers());
        *response.headers_mut() = headers;
        response
    }

    /// 200 with a session: the answer of the hot route, without a detour.
    pub(super) fn session(&self, body: Vec<u8>, version: Version) -> Response {
        let mut response = self.response(StatusCode::OK, body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ETAG, etag(version));
        response
    }
}

/// Gives each request its stamp.
#[derive(Debug)]
pub(super) struct Stamps {
    /// Drawn at the start, so that ids of two runs differ.
    prefix: u32,
    count: AtomicU64,
    /// The second that was last spelled out.
    date: Mutex<(i64, HeaderValue)>,
}

impl Stamps {
    /// Stamps of a new run.
    pub(super) fn new() -> Self {
        let date = (0, spelled(0));
        Self {
            prefix: rand::random(),
            count: AtomicU64::new(0),
            date: Mutex::new(date),
        }
    }

    /// The stamp of a request that is answered at `now`.
    pub(super) fn stamp(&self, now: Timestamp) -> Stamp {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        Stamp {
            date: self.date(now.seconds_floor()),
            id: RequestId::new(self.prefix, number),
        }
    }

    fn date(&self, second: i64) -> HeaderValue {
        let mut cached = self.date.lock();
        if cached.0 != second {
            *cached = (second, spelled(second));
        }
        cached.1.clone()
    }
}

/// A second as `Date` spells it.
fn spelled(second: i64) -> HeaderValue {
    let time = chrono::DateTime::from_timestamp(second, 0).unwrap_or_default();
    let text = time.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).expect("dates are ASCII")
}

/// Eight hex digits for the run, a dash, the request's number in hex.
#[derive(Clone, Copy, Debug)]
struct RequestId {
    text: [u8; Self::BYTES_MAX],
    len: usize,
}

impl RequestId {
    const BYTES_MAX: usize = 8 + 1 + 16;

    fn new(prefix: u32, number: u64) -> Self {
        let mut id = Self {
            text: [b'-'; Self::BYTES_MAX],
            len: 9,
        };
        write_hex(&mut id.text[..8], u64::from(prefix));
        let digits = usize::try_from(number.max(1).ilog2() / 4 + 1).unwrap_or(16);
        write_hex(&mut id.text[9..9 + digits], number);
        id.len += digits;
        id
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).expect("hex digits and a dash")
    }
}

fn write_hex(out: &mut [u8], mut number: u64) {
    for place in out.iter_mut().rev() {
        let digit = usize::try_from(number & 15).unwrap_or(0);
        *place = b"0123456789abcdef"[digit];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_prefix_and_number() {
        assert_eq!(RequestId::new(0x00ab_cdef, 0).as_str(), "00abcdef-0");
        assert_eq!(RequestId::new(1, 0x10).as_str(), "00000001-10");
        assert_eq!(
            RequestId::new(1, u64::MAX).as_str(),
            "00000001-ffffffffffffffff"
        );
    }

    #[test]
    fn an_entity_tag_is_the_version_in_quotes() {
        for version in [0, 1, 9, 10, 12_345, u64::MAX] {
            assert_eq!(etag(Version(version)), format!("\"{version}\""));
        }
    }

    #[test]
    fn dates_are_spelled_as_http_spells_them() {
        assert_eq!(spelled(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn every_answer_carries_date_id_and_no_store() {
        let stamps = Stamps::new();
        let now = Timestamp::from_millis(784_111_777_500);
        let response = Reply::empty(StatusCode::NO_CONTENT).finish(&stamps.stamp(now));
        assert_eq!(response.headers()[DATE], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert!(
            response.headers()[X_REQUEST_ID]
                .to_str()
                .expect("ASCII")
                .ends_with("-0")
        );
    }

    #[test]
    fn an_answer_beside_hyper_is_a_whole_response() {
        let stamps = Stamps::new();
        let stamp = stamps.stamp(Timestamp::from_millis(784_111_777_000));
        let bytes = Reply::problem(StatusCode::BAD_REQUEST, b"{}".to_vec()).into_bytes(&stamp);
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(
            text.contains("\r\ncontent-length: 2\r\n") && text.ends_with("\r\n\r\n{}"),
            "{text}"
        );
    }

    #[test]
    fn waiting_is_counted_in_whole_seconds_rounded_up() {
        assert_eq!(seconds(Duration::ZERO), "1");
        assert_eq!(seconds(Duration::from_millis(1_001)), "2");
    }
}
