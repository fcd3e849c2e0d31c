//! Request bodies: from a stream of bytes to JSON that keeps every member as
//! it was given, within limits of size, depth and time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_core::Stream;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use warp::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};

use super::form;
use super::problem::ApiError;

/// Largest body that is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Deepest JSON that is read. Free data is stored and written again inside
/// other documents, so it stays well below the depth that reading bears.
pub const BODY_DEPTH_MAX: usize = 32;
/// How long an answer waits for the rest of a body that nobody reads.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// The media types of bodies.
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The bytes of a request's body as they arrive.
pub(super) struct Body {
    stream: Pin<Box<dyn Chunks>>,
    /// All of them, once somebody had to see them before the handler.
    held: Option<Vec<u8>>,
    /// Nothing more comes.
    ended: bool,
}

/// A stream of bytes whose type has no name outside warp.
trait Chunks: Send + Sync {
    /// The next piece; an error when the client has left or breaks the rules.
    fn poll_chunk(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>>;
}

impl<S, B> Chunks for S
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Sync,
    B: Buf,
{
    fn poll_chunk(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let chunk = std::task::ready!(self.poll_next(cx));
        Poll::Ready(chunk.map(|chunk| {
            chunk
                .map(|mut piece| piece.copy_to_bytes(piece.remaining()))
                .map_err(|_| ())
        }))
    }
}

impl Body {
    /// From warp's stream.
    pub(super) fn new<S, B>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
        B: Buf,
    {
        Self {
            stream: Box::pin(stream),
            held: None,
            ended: false,
        }
    }

    /// Reads the whole body and holds it for whoever asks.
    pub(super) async fn hold(
        &mut self,
        headers: &HeaderMap,
        deadline: Duration,
    ) -> Result<(), ApiError> {
        self.held = Some(self.bytes(headers, deadline).await?);
        Ok(())
    }

    /// What [`Body::hold`] has read.
    pub(super) fn held(&self) -> &[u8] {
        self.held.as_deref().unwrap_or_default()
    }

    async fn next(&mut self) -> Option<Result<Bytes, ()>> {
        let next = std::future::poll_fn(|cx| self.stream.as_mut().poll_chunk(cx)).await;
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }

    /// Reads what nobody has read, and forgets it. An unread rest makes the
    /// connection end, and the reset may overtake the answer on its way.
    pub(super) async fn drain(&mut self, headers: &HeaderMap) {
        if !self.ended {
            // What is too large or too slow ends the connection all the same.
            let _ = self.bytes(headers, DRAIN_MAX).await;
        }
    }

    /// Reads the body as JSON, as its headers must say it is.
    pub(super) async fn json(
        &mut self,
        headers: &HeaderMap,
        deadline: Duration,
    ) -> Result<Node, ApiError> {
        let bytes = self.all(JSON, headers, deadline).await?;
        Node::parse(&bytes, BODY_DEPTH_MAX).map_err(|_| json_error(&bytes))
    }

    /// Reads the body as a form, as its headers must say it is: an object of
    /// texts.
    pub(super) async fn form(
        &mut self,
        headers: &HeaderMap,
        deadline: Duration,
    ) -> Result<Node, ApiError> {
        let bytes = self.all(FORM, headers, deadline).await?;
        let pairs = form::pairs(&bytes).ok_or(ApiError::Unreadable("The body is no form."))?;
        let members = pairs
            .into_iter()
            .map(|(name, text)| (name, Node::Text(text)));
        Ok(Node::Object(members.collect()))
    }

    /// The whole body, which must be of this kind.
    async fn all(
        &mut self,
        kind: &str,
        headers: &HeaderMap,
        deadline: Duration,
    ) -> Result<Vec<u8>, ApiError> {
        look_at_type(kind, headers)?;
        match self.held.take() {
            Some(bytes) => Ok(bytes),
            None => self.bytes(headers, deadline).await,
        }
    }

    async fn bytes(
        &mut self,
        headers: &HeaderMap,
        deadline: Duration,
    ) -> Result<Vec<u8>, ApiError> {
        if declared_length(headers).is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(ApiError::BodyTooLarge);
        }
        let read = tokio::time::timeout(deadline, self.read());
        read.await.map_err(|_| ApiError::TooSlow)?
    }

    async fn read(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk.map_err(|()| {
                ApiError::Unreadable("The body breaks off or is not well chunked.")
            })?;
            if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(ApiError::BodyTooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn json_error(bytes: &[u8]) -> ApiError {
    ApiError::Unreadable(if bytes.iter().all(u8::is_ascii_whitespace) {
        "The body is empty; a JSON object is needed."
    } else if std::str::from_utf8(bytes).is_err() {
        "The body is not UTF-8."
    } else {
        "The body is not JSON, or nested too deeply."
    })
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// This media type, in UTF-8 if it says in what, and not compressed.
fn look_at_type(kind: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let mut pieces = text.split(';');
    let is_kind = pieces
        .next()
        .is_some_and(|said| said.trim().eq_ignore_ascii_case(kind));
    let in_utf8 = pieces.all(|piece| {
        let Some((name, value)) = piece.split_once('=') else {
            return true;
        };
        let charset = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset") || charset.eq_ignore_ascii_case("utf-8")
    });
    if is_kind && in_utf8 && plain {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType)
    }
}

/// A JSON value that keeps doubled members, which a map would hide.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number.
    Number(Number),
    /// Text.
    Text(String),
    /// `[...]`
    List(Vec<Node>),
    /// `{...}`, members in the order given.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads one JSON document, nested at most `depth` levels.
    pub fn parse(text: &[u8], depth: usize) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let node = NodeSeed { depth }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(node)
    }
}

/// Reads a [`Node`] with this many levels left.
#[derive(Clone, Copy)]
struct NodeSeed {
    depth: usize,
}

impl NodeSeed {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Node, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        Number::from_f64(value)
            .map(Node::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value_seed(inner)?));
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    #[test]
    fn doubled_members_are_kept_for_who_must_refuse_them() {
        let node = Node::parse(br#"{"a":1,"A":[true,null],"a":"x"}"#, 4).expect("JSON");
        let Node::Object(members) = node else {
            panic!("an object")
        };
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "A", "a"]);
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "{}x",
            "{'a':1}",
            "[1,]",
            "nul",
            "\"\\ud800\"",
            "1e999",
            "\u{feff}{}",
        ] {
            assert!(Node::parse(text.as_bytes(), 32).is_err(), "{text}");
        }
        assert!(Node::parse(b"\"\xff\"", 32).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Node::parse(nested(BODY_DEPTH_MAX).as_bytes(), BODY_DEPTH_MAX).is_ok());
        assert!(Node::parse(nested(BODY_DEPTH_MAX + 1).as_bytes(), BODY_DEPTH_MAX).is_err());
        assert!(Node::parse(nested(60_000).as_bytes(), BODY_DEPTH_MAX).is_err());
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        for (kind, good) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"; x=y", true),
            ("application/json; charset=latin1", false),
            ("application/problem+json", false),
            ("text/json", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(look_at_type(JSON, &headers).is_ok(), good, "{kind}");
        }
        assert!(look_at_type(JSON, &HeaderMap::new()).is_err());
        let mut zipped = HeaderMap::new();
        zipped.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        zipped.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(look_at_type(JSON, &zipped).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        let said = |bytes: &[u8]| json_error(bytes);
        assert_eq!(
            said(b" \n"),
            ApiError::Unreadable("The body is empty; a JSON object is needed.")
        );
        assert_eq!(
            said(b"{\"a\":\"\xff\"}"),
            ApiError::Unreadable("The body is not UTF-8.")
        );
    }
}
