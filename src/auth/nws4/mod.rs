//! NWS4: requests signed with the secret of an API key (HMAC-SHA256), as the
//! public NWS4 clients for .NET and PHP sign them.
//!
//! A request is looked at in two steps, since the key has to be looked up in
//! between: [`Verifier::read`] takes the `Authorization` header apart and says
//! which key is meant; [`Verifier::verify`] holds the whole request against that
//! key's secret. Nothing here knows HTTP types, keys' owners or a clock.
//!
//! `header` reads the credentials, `canonical` spells a request as it is signed,
//! `signature` makes signatures, `replay` remembers the ones that were used.

use std::borrow::Cow;
use std::time::Duration;

use self::canonical::Canonical;
pub use self::header::Claim;
use self::header::Presented;
use self::replay::ReplayGuard;
pub use self::signature::SigningSecret;
use crate::model::Timestamp;

mod canonical;
mod header;
mod replay;
mod signature;
#[cfg(test)]
mod tests;

/// The scheme in `Authorization` and `WWW-Authenticate`. Its case counts.
pub const SCHEME: &str = "NWS4-HMAC-SHA256";

/// Whether an `Authorization` header is of this scheme, good or not.
#[must_use]
pub fn is_presented(authorization: &[u8]) -> bool {
    Presented::of(authorization).is_some()
}

/// Longest `Authorization` header that is looked at.
pub const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;

/// Headers that one signature may cover.
pub const SIGNED_HEADERS_MAX: usize = 64;

/// What a header says whose body comes in signed chunks.
const STREAMING_BODY: &[u8] = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// The content coding of such a body.
const CHUNKED_CODING: &[u8] = b"nws-chunked";

/// The part of a request that arrives before its body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, as received.
    pub method: &'a str,
    /// The path as received: still percent-encoded, with its prefix.
    pub path: &'a str,
    /// What stands behind the `?`, as received.
    pub query: Option<&'a str>,
    /// The host that counts: the `Host` header, `:authority` on HTTP/2, or what
    /// a proxy that is trusted says instead.
    pub host: Option<&'a [u8]>,
    /// All header fields in the order received; a repeated one stands here as
    /// often as it was sent. Names in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Head<'a> {
    /// The value of a header (lower-case name) as it is signed: repeated fields
    /// joined by a comma. `None` when it was not sent.
    fn value(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        if name == "host" {
            return self.host.map(Cow::Borrowed);
        }
        let mut fields = self
            .headers
            .iter()
            .filter(|(sent, _)| sent.eq_ignore_ascii_case(name));
        let mut value = Cow::Borrowed(fields.next()?.1);
        for (_, more) in fields {
            let joined = value.to_mut();
            joined.push(b',');
            joined.extend_from_slice(more);
        }
        Some(value)
    }

    /// Whether repeating the request can change nothing.
    fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }
}

/// What is known about the key that a claim names.
#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// In use, with its secret.
    Active(&'a SigningSecret),
    /// It exists and may not be used.
    Inactive,
    /// There is no such key.
    Unknown,
}

/// How far the time of a signature may be away from now, in all: half of it on
/// each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(Duration);

impl Window {
    /// Five minutes, as the .NET server has it: 150 s on each side.
    pub const DEFAULT: Self = Self(Duration::from_secs(300));
    /// Shortest and longest, in seconds.
    pub const SECONDS: std::ops::RangeInclusive<u64> = 1..=3_600;

    /// A window of this many seconds; `None` outside of [`Window::SECONDS`].
    #[must_use]
    pub fn of_seconds(seconds: u64) -> Option<Self> {
        Self::SECONDS
            .contains(&seconds)
            .then_some(Self(Duration::from_secs(seconds)))
    }

    fn half(self) -> Duration {
        self.0 / 2
    }

    /// Whether a signature of this time may be used at `now`. Equality is inside.
    fn holds(self, signed: Timestamp, now: Timestamp) -> bool {
        now.since(signed) <= self.half() && signed.since(now) <= self.half()
    }
}

/// What the configuration decides about signed requests.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How old, or how early, a signature may be.
    pub window: Window,
    /// Demand that `host` is signed and that `x-nd-date` agrees with the time of
    /// the signature. All known clients satisfy both.
    pub strict: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            window: Window::DEFAULT,
            strict: true,
        }
    }
}

/// Why a signed request is refused. Outside, most of them look alike
/// ([`Refusal::answer`]); log and metrics tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is said to come in signed chunks.
    #[error("chunk-signed bodies are not supported")]
    Chunked,
    /// A parameter of the query has a second raw `=`, behind which nothing is
    /// signed.
    #[error("a query parameter of a signed request holds a second '='")]
    UnsignedQuery,
    /// The `Authorization` header is longer than [`AUTHORIZATION_BYTES_MAX`].
    #[error("the Authorization header is too long")]
    HeaderTooLong,
    /// The `Authorization` header does not read as NWS4 credentials.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// More than [`SIGNED_HEADERS_MAX`] headers are said to be signed.
    #[error("too many signed headers")]
    TooManyNames,
    /// A header is named twice among the signed ones.
    #[error("a signed header is named twice")]
    NameRepeated,
    /// A signed header was not sent.
    #[error("a signed header is missing")]
    HeaderMissing,
    /// `host` is not signed.
    #[error("the host is not signed")]
    HostUnsigned,
    /// `x-nd-date` is not the time of the signature.
    #[error("x-nd-date is not the time of the signature")]
    DateDiffers,
    /// `x-nd-content-sha256` is not the hash of the body received.
    #[error("x-nd-content-sha256 is not the hash of the body")]
    BodyDiffers,
    /// There is no such key.
    #[error("no such key")]
    UnknownKey,
    /// The key may not be used.
    #[error("the key is not active")]
    InactiveKey,
    /// The signature is another one.
    #[error("the signature does not fit")]
    WrongSignature,
    /// The signature is right and its time too far from now.
    #[error("the signature's time is outside the window")]
    Expired,
    /// The signature is right and was used before.
    #[error("the signature was used before")]
    Replayed,
    /// The signature is right and older than this run of the server, which can
    /// not know whether it was used.
    #[error("the signature is older than this run of the server")]
    BeforeStart,
    /// More signatures are in use than can be remembered.
    #[error("too many signatures to remember")]
    GuardFull,
}

/// How a refusal looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request can not be served as it is: 400.
    BadRequest,
    /// Nobody is authenticated: 401, the same for all reasons.
    Unauthenticated,
    /// Try again soon: 503.
    Busy,
}

impl Refusal {
    /// How it looks from outside.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Self::Chunked | Self::UnsignedQuery => Answer::BadRequest,
            Self::GuardFull => Answer::Busy,
            _ => Answer::Unauthenticated,
        }
    }

    /// Its word in log and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Chunked => "chunked",
            Self::UnsignedQuery => "unsignedQuery",
            Self::HeaderTooLong => "headerTooLong",
            Self::Malformed => "malformed",
            Self::TooManyNames => "tooManyNames",
            Self::NameRepeated => "nameRepeated",
            Self::HeaderMissing => "headerMissing",
            Self::HostUnsigned => "hostUnsigned",
            Self::DateDiffers => "dateDiffers",
            Self::BodyDiffers => "bodyDiffers",
            Self::UnknownKey => "unknownKey",
            Self::InactiveKey => "inactiveKey",
            Self::WrongSignature => "wrongSignature",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::BeforeStart => "beforeStart",
            Self::GuardFull => "guardFull",
        }
    }
}

/// The door for signed requests: the rules, and the signatures used so far.
#[derive(Debug)]
pub struct Verifier {
    rules: Rules,
    used: ReplayGuard,
}

impl Verifier {
    /// With nothing used yet. `started`: trusted time at the start of this run.
    #[must_use]
    pub fn new(rules: Rules, started: Timestamp) -> Self {
        Self {
            rules,
            used: ReplayGuard::new(started),
        }
    }

    /// Reads the credentials of a request; `None`: they are of another scheme.
    ///
    /// # Errors
    /// [`Refusal`], whatever key is meant.
    pub fn read(&self, head: &Head<'_>, authorization: &[u8]) -> Result<Option<Claim>, Refusal> {
        let Some(presented) = Presented::of(authorization) else {
            return Ok(None);
        };
        if is_chunked(head) {
            return Err(Refusal::Chunked);
        }
        if head.query.is_some_and(has_unsigned_part) {
            return Err(Refusal::UnsignedQuery);
        }
        presented.claim().map(Some)
    }

    /// Whether the request was signed with this key and may be carried out at
    /// `now` (trusted time). `body`: all bytes received. Every request may be
    /// asked about once: a signature that is right is used up by the question,
    /// except for GET, HEAD and OPTIONS.
    ///
    /// # Errors
    /// [`Refusal`]. [`Refusal::Expired`] and what comes behind it only for who
    /// knows the secret.
    pub fn verify(
        &self,
        claim: &Claim,
        head: &Head<'_>,
        key: Key<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let body_hash = signature::sha256_hex(body);
        self.look_at_headers(claim, head, &body_hash)?;
        let canonical = Canonical::of(head, &claim.names, &body_hash)?;
        signature::check(claim, &canonical, key)?;
        if !self.rules.window.holds(claim.timestamp, now) {
            return Err(Refusal::Expired);
        }
        if head.is_safe() {
            return Ok(());
        }
        let until = claim.timestamp.plus(self.rules.window.half());
        self.used
            .use_up(claim.signature, claim.timestamp, until, now)
    }

    fn look_at_headers(
        &self,
        claim: &Claim,
        head: &Head<'_>,
        body_hash: &[u8],
    ) -> Result<(), Refusal> {
        if self.rules.strict {
            if !claim.names.contains("host") {
                return Err(Refusal::HostUnsigned);
            }
            let date = head.value("x-nd-date");
            if date.is_some_and(|date| *date != *claim.time_text.as_bytes()) {
                return Err(Refusal::DateDiffers);
            }
        }
        let said = head.value("x-nd-content-sha256");
        if said.is_some_and(|said| *said != *body_hash) {
            return Err(Refusal::BodyDiffers);
        }
        Ok(())
    }
}

fn is_chunked(head: &Head<'_>) -> bool {
    let says = |name, word: &[u8]| {
        head.value(name).is_some_and(|value| {
            value
                .windows(word.len())
                .any(|part| part.eq_ignore_ascii_case(word))
        })
    };
    says("x-nd-content-sha256", STREAMING_BODY) || says("content-encoding", CHUNKED_CODING)
}

/// Whether a parameter has a second `=`: the clients sign only what stands
/// before it, so anybody on the way could change the rest.
fn has_unsigned_part(query: &str) -> bool {
    query
        .split('&')
        .any(|parameter| parameter.split('=').nth(2).is_some())
}
