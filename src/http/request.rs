//! A request as handlers see it: what was asked of which path, by whom, with
//! the rules that hold before any handler.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use warp::http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderMap, HeaderValue};
use warp::http::{Method, Uri, Version};

use super::Peer;
use super::body::{Body, Node};
use super::fields::{self, Fields};
use super::i18n;
use super::problem::ApiError;
use super::signed;
use super::ui::{AllowedHosts, Cookie};
use crate::auth::nws4;
use crate::model::{Origin, SessionId, UserName};
use crate::service::{App, Caller, Reach};
use crate::store::Store;

/// Headers of a request. hyper itself reads up to 100; with a limit of its own
/// it would clear and move a table of that size for every request (0.2 us).
const HEADERS_MAX: usize = 64;
/// Bytes of a request's head. HTTP/1.1 holds it to that while it is read.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What a header takes beside its name and value, as HTTP/2 counts.
const HEADER_OVERHEAD_BYTES: usize = 32;
/// Longest address.
const URI_BYTES_MAX: usize = 8 * 1024;
/// No route has more segments than this, prefix aside.
const SEGMENTS_MAX: usize = 4;
/// The parameter of a query in which only the hub takes a token.
pub(super) const ACCESS_TOKEN: &str = "access_token";
/// Media ranges of an `Accept` beyond these are not looked at.
const MEDIA_RANGES_MAX: usize = 32;

/// What is asked of a path. HEAD is GET; what is left over is no method of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
    Options,
    Other,
}

impl Verb {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Get,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Options,
        Self::Other,
    ];

    /// The method; a word for what is left over.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        }
    }
}

impl From<&Method> for Verb {
    fn from(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

/// A request on its way to a handler.
pub(super) struct Request {
    /// The method, as received.
    pub method: Method,
    /// The path, as received.
    pub path: String,
    /// The query, raw.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// Who sent it.
    pub peer: Peer,
    /// Its `X-Request-Id`, once it has one.
    pub id: Option<Arc<str>>,
    /// Whether HTTP lets its connection go on as something else.
    pub can_upgrade: bool,
    /// Whether who sent it may say for which host it was.
    pub believes_host: bool,
    /// For which hosts its cookie counts.
    pub allowed_hosts: Arc<AllowedHosts>,
    /// The body: held when the request is signed, else not read yet.
    pub body: Body,
    /// Who asks, once that is known: for the log.
    pub known: OnceLock<Identified>,
}

/// Who asked, as logs may say it.
pub(super) struct Identified {
    /// Never shown whole.
    pub session: SessionId,
    /// The user's name.
    pub user: UserName,
}

impl Request {
    /// Where it came from, as the audit keeps it.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            peer: Some(self.peer.address.ip().to_canonical()),
            request_id: self.id.clone(),
            api_key: None,
        }
    }

    /// A parameter of the query by its name; the first, if there are several.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let parameters = self.query.as_deref()?.split('&');
        let mut pairs = parameters.map(|one| one.split_once('=').unwrap_or((one, "")));
        let (_, value) = pairs.find(|(known, _)| decoded(known).as_deref() == Some(name))?;
        decoded(value).map(Cow::into_owned)
    }

    /// Finds out who asks, and counts the access.
    pub(super) async fn caller<S: Store>(
        &self,
        app: &App<S>,
        reach: Reach,
    ) -> Result<Caller, ApiError> {
        let (value, origin) = (self.headers.get(AUTHORIZATION), self.origin());
        let caller = match value {
            Some(value) if nws4::is_presented(value.as_bytes()) => {
                signed::caller(app, self, value.as_bytes(), origin, reach).await?
            }
            _ => app.caller(self.token()?, reach).await?.from(origin),
        };
        self.note(&caller);
        Ok(caller)
    }

    /// The bearer token; without any `Authorization`, that of the page's cookie.
    pub(super) fn token(&self) -> Result<&str, ApiError> {
        match self.headers.get(AUTHORIZATION) {
            Some(value) => bearer(value),
            None => self
                .cookie()
                .token(&self.method, &self.headers, &self.allowed_hosts),
        }
    }

    /// The page's cookie, as it is over this connection.
    pub(super) const fn cookie(&self) -> Cookie {
        Cookie::of(self.peer)
    }

    /// Notes who asks, for the log.
    pub(super) fn note(&self, caller: &Caller) {
        let user = caller.session.identity.user_name.clone();
        // Handlers ask once; asked again, the first answer stands.
        let _ = self.known.set(Identified {
            session: caller.session.id,
            user,
        });
    }

    /// Reads the body as a form.
    pub(super) async fn form<T>(
        &mut self,
        shape: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<T, ApiError> {
        let deadline = self.peer.body_timeout;
        let node = self.body.form(&self.headers, deadline).await?;
        fields::read(node, "", shape).map_err(ApiError::Invalid)
    }

    /// Reads the body as an object.
    pub(super) async fn object<T>(
        &mut self,
        shape: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<T, ApiError> {
        let node = self
            .body
            .json(&self.headers, self.peer.body_timeout)
            .await?;
        if !matches!(node, Node::Object(_)) {
            return Err(ApiError::Unreadable("The body must be a JSON object."));
        }
        fields::read(node, "", shape).map_err(ApiError::Invalid)
    }
}

/// The token of an `Authorization: Bearer` header. Another scheme is as good as
/// no credentials; a bearer without a token is a bad one.
pub(super) fn bearer(value: &HeaderValue) -> Result<&str, ApiError> {
    const BAD: ApiError = ApiError::Unauthenticated {
        reason: None,
        presented: true,
    };
    const FOREIGN: ApiError = ApiError::Unauthenticated {
        reason: None,
        presented: false,
    };
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b' ');
    let (scheme, token) = bytes.split_at(end.unwrap_or(bytes.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(FOREIGN);
    }
    let token = token.trim_ascii();
    if token.is_empty() || !is_plain(token) {
        return Err(BAD);
    }
    std::str::from_utf8(token).map_err(|_| BAD)
}

/// Whether a credential holds visible ASCII only, and no comma. One pass
/// without a branch: a token has some four hundred bytes.
#[allow(
    clippy::needless_bitwise_bool,
    reason = "a branch for each byte costs 0.2 us a request"
)]
fn is_plain(text: &[u8]) -> bool {
    text.iter().fold(true, |plain, byte| {
        plain & (*byte > b' ') & (*byte < 0x7f) & (*byte != b',')
    })
}

/// What HTTP itself asks of a request, before any route.
pub(super) fn look_at_head(
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    if headers.len() > HEADERS_MAX || (version > Version::HTTP_11 && is_too_large(headers)) {
        return Err(ApiError::HeadersTooLarge);
    }
    let mut hosts = headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() || (first.is_none() && version >= Version::HTTP_11) {
        return Err(ApiError::Unreadable("Exactly one Host header is needed."));
    }
    // `host:port`, as CONNECT has it, names nothing that is here.
    if uri.path_and_query().is_none() {
        return Err(ApiError::Unreadable("The address has no path."));
    }
    let length = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if length > URI_BYTES_MAX {
        return Err(ApiError::UriTooLong);
    }
    // Which of two is meant nobody can tell.
    if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(ApiError::Unauthenticated {
            reason: None,
            presented: true,
        });
    }
    Ok(())
}

/// Whether headers take more than HTTP/1.1 would have read.
fn is_too_large(headers: &HeaderMap) -> bool {
    let bytes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES);
    bytes.sum::<usize>() > HEAD_BYTES_MAX
}

/// Whether the client takes JSON.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    values.peek().is_none() || values.any(|value| value.to_str().is_ok_and(names_json))
}

/// Whether one `Accept` text names JSON, or everything. An empty one excludes
/// nothing.
pub(super) fn names_json(accept: &str) -> bool {
    const JSON: [&str; 4] = [
        "application/json",
        "*/*",
        "application/*",
        "application/problem+json",
    ];
    accept.trim().is_empty()
        || accept.split(',').take(MEDIA_RANGES_MAX).any(|range| {
            let (range, quality) = i18n::weighed(range);
            quality > 0 && JSON.iter().any(|json| range.eq_ignore_ascii_case(json))
        })
}

/// The segments of a path behind its prefix, decoded. `None`: no route has such
/// a path, or its encoding is broken.
pub(super) fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let rest = strip_prefix(path.strip_prefix('/')?);
    let segments: Option<Vec<_>> = rest
        .split('/')
        .take(SEGMENTS_MAX + 1)
        .map(decoded)
        .collect();
    let fits =
        |all: &Vec<Cow<'_, str>>| all.len() <= SEGMENTS_MAX && all.iter().all(|s| !s.is_empty());
    segments.filter(fits)
}

/// What stands behind `api/v1/` or `api/`, once.
pub(super) fn strip_prefix(path: &str) -> &str {
    let behind = path.strip_prefix("api/");
    behind.map_or(path, |behind| behind.strip_prefix("v1/").unwrap_or(behind))
}

/// A segment with its `%XX` resolved; `None` when that is not UTF-8, or no
/// encoding at all.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? * 16 + digit(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// A name as one segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            byte => write!(path, "%{byte:02X}").expect("memory takes every byte"),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_is_stripped_once() {
        for (path, wanted) in [
            ("/sessions", Some(vec!["sessions"])),
            ("/api/sessions", Some(vec!["sessions"])),
            ("/api/v1/sessions/x", Some(vec!["sessions", "x"])),
            ("/api/api/sessions", Some(vec!["api", "sessions"])),
            ("/api/v1/v1/x", Some(vec!["v1", "x"])),
            ("/v1/sessions", Some(vec!["v1", "sessions"])),
            ("/sessions/", None),
            ("/users/a%20b", Some(vec!["users", "a b"])),
            ("/users/a%2Fb", Some(vec!["users", "a/b"])),
            ("/", None),
            ("/users/%zz", None),
            ("/users/%f", None),
            ("/users/%ff", None),
            ("/a/b/c/d/e", None),
            ("*", None),
            ("", None),
        ] {
            let segments = segments(path);
            let read = segments
                .as_ref()
                .map(|all| all.iter().map(|s| &**s).collect::<Vec<_>>());
            assert_eq!(read, wanted, "{path}");
        }
    }

    #[test]
    fn names_survive_the_way_through_a_path() {
        for name in ["P01", "a b", "Majite\u{13e}", "100%", "a?b#c", "..."] {
            assert_eq!(decoded(&encoded(name)).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        let read =
            |text: &str| bearer(&HeaderValue::from_str(text).expect("a value")).map(str::to_owned);
        let refused = |presented| {
            Err(ApiError::Unauthenticated {
                reason: None,
                presented,
            })
        };
        for (text, wanted) in [
            ("Bearer abc", Ok("abc".to_owned())),
            ("bEARER   abc ", Ok("abc".to_owned())),
            ("Bearer", refused(true)),
            ("Bearer ", refused(true)),
            ("Bearer a b", refused(true)),
            ("Bearer a, Bearer b", refused(true)),
            ("Basic abc", refused(false)),
            ("", refused(false)),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_client_that_takes_no_json_is_known() {
        for (accept, takes) in [
            ("application/json", true),
            ("*/*", true),
            ("text/html, application/*;q=0.1", true),
            ("application/problem+json", true),
            ("", true),
            ("text/html", false),
            ("application/json;q=0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(takes_json(&headers), takes, "{accept}");
        }
        assert!(takes_json(&HeaderMap::new()));
    }

    #[test]
    fn http_1_1_needs_exactly_one_host() {
        let uri = Uri::from_static("/sessions");
        let look = |version, hosts: usize| {
            let mut headers = HeaderMap::new();
            (0..hosts).for_each(|_| {
                headers.append(HOST, HeaderValue::from_static("x"));
            });
            look_at_head(version, &uri, &headers).is_ok()
        };
        assert!(look(Version::HTTP_11, 1) && look(Version::HTTP_10, 0));
        assert!(
            !look(Version::HTTP_11, 0) && !look(Version::HTTP_11, 2) && !look(Version::HTTP_10, 2)
        );
    }
}
