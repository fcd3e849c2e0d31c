//! The `Authorization` header of a signed request, from bytes to a claim.
//!
//! Clients percent-encode the whole parameter text once, and the header names
//! and the time in it twice. What is not encoded at all reads the same.

use std::fmt;

use super::{AUTHORIZATION_BYTES_MAX, Refusal, SCHEME, SIGNED_HEADERS_MAX};
use crate::model::Timestamp;

/// Length of a time as it is signed: `yyyy-MM-ddTHH:mm:ss.fffZ`.
const TIME_CHARS: usize = 24;

/// Credentials of this scheme, not yet read.
pub(super) struct Presented<'a>(&'a [u8]);

impl<'a> Presented<'a> {
    /// The credentials, if the header is of this scheme.
    pub(super) fn of(authorization: &'a [u8]) -> Option<Self> {
        let end = authorization.iter().position(|byte| *byte == b' ');
        let (scheme, _) = authorization.split_at(end.unwrap_or(authorization.len()));
        (scheme == SCHEME.as_bytes()).then_some(Self(authorization))
    }

    /// What they say.
    pub(super) fn claim(&self) -> Result<Claim, Refusal> {
        if self.0.len() > AUTHORIZATION_BYTES_MAX {
            return Err(Refusal::HeaderTooLong);
        }
        let parameters = self.0.get(SCHEME.len() + 1..).ok_or(Refusal::Malformed)?;
        let text = decoded(parameters).ok_or(Refusal::Malformed)?;
        Claim::read(&text)
    }
}

/// What the credentials of a signed request say. Nothing of it is proved before
/// [`super::Verifier::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    pub(super) key_id: String,
    pub(super) names: Names,
    pub(super) timestamp: Timestamp,
    /// The time as it is signed.
    pub(super) time_text: String,
    pub(super) signature: [u8; 32],
}

impl Claim {
    fn read(text: &str) -> Result<Self, Refusal> {
        let (key_id, names, time, signature) = taken_apart(text).ok_or(Refusal::Malformed)?;
        let names = decoded(names.as_bytes()).ok_or(Refusal::Malformed)?;
        let timestamp = decoded(time.as_bytes())
            .and_then(|time| chrono::DateTime::parse_from_rfc3339(&time).ok())
            .map(|time| Timestamp::from_millis(time.timestamp_millis()))
            .ok_or(Refusal::Malformed)?;
        Ok(Self {
            key_id: key_id.to_owned(),
            names: Names::parse(&names)?,
            timestamp,
            time_text: spelled(timestamp),
            signature: from_hex(signature).ok_or(Refusal::Malformed)?,
        })
    }

    /// The `clientId` of the key it is said to be signed with.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// When it is said to be signed.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

/// Never the signature: until it is used up, it is as good as a password.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("key_id", &self.key_id)
            .field("names", &self.names)
            .field("time_text", &self.time_text)
            .finish_non_exhaustive()
    }
}

/// The values of the four parameters, which stand in this order.
fn taken_apart(text: &str) -> Option<(&str, &str, &str, &str)> {
    let rest = text.strip_prefix("Credential=")?;
    let (key_id, rest) = rest.split_once(",SignedHeaders=")?;
    let (names, rest) = rest.split_once(",Timestamp=")?;
    let (time, signature) = rest.split_once(",Signature=")?;
    (!key_id.is_empty()).then_some((key_id, names, time, signature))
}

/// The names of the signed headers.
///
/// Invariant: lower-case, in byte order, each once, at most
/// [`SIGNED_HEADERS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut names: Vec<String> = text
            .split(';')
            .take(SIGNED_HEADERS_MAX + 1)
            .map(str::to_ascii_lowercase)
            .collect();
        if names.len() > SIGNED_HEADERS_MAX {
            return Err(Refusal::TooManyNames);
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Refusal::NameRepeated);
        }
        Ok(Self(names))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|held| held == name)
    }

    /// In the order of the header block: byte order of the lower-case names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// In the order of the list of names: byte order of the UPPER-case names,
    /// so `_` stands behind the letters here and before them in the block.
    pub(super) fn by_upper_case(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.iter().collect();
        names.sort_by(|a, b| upper_case(a).cmp(upper_case(b)));
        names
    }
}

fn upper_case(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| byte.to_ascii_uppercase())
}

/// A time as it is signed: always three digits of a fraction.
fn spelled(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.pop();
    if !text.contains('.') {
        text.push('.');
    }
    while text.len() < TIME_CHARS - 1 {
        text.push('0');
    }
    text.push('Z');
    text
}

/// Form decoding: `+` is a space, `%XX` a byte in either case; a `%` that
/// begins no such thing stands for itself. `None` when that is not UTF-8.
fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, taken) = match (first, behind) {
            (b'%', [high, low, ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, 3),
                _ => (first, 1),
            },
            (b'+', _) => (b' ', 1),
            _ => (first, 1),
        };
        bytes.push(byte);
        rest = &rest[taken..];
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// 64 lower-case hex digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 || text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2023-05-30T13:17:01.992Z";

    fn read(parameters: &str) -> Result<Claim, Refusal> {
        let header = format!("{SCHEME} {parameters}");
        Presented::of(header.as_bytes()).unwrap().claim()
    }

    fn plain(names: &str, time: &str, signature: &str) -> String {
        format!("Credential=k1,SignedHeaders={names},Timestamp={time},Signature={signature}")
    }

    #[test]
    fn parameters_read_the_same_however_often_they_are_encoded() {
        let signature = "0a".repeat(32);
        let expected = read(&plain("host;x-nd-date", TIME, &signature)).unwrap();
        assert_eq!(
            (expected.key_id(), expected.timestamp().to_string()),
            ("k1", TIME.to_owned())
        );
        assert_eq!(expected.signature, [10; 32]);
        let inner = TIME.replace(':', "%3a");
        for text in [
            plain("host%3Bx-nd-date", &inner, &signature),
            format!(
                "Credential%3Dk1%2CSignedHeaders%3Dx-nd-date%253bHOST%2CTimestamp%3d{}%2cSignature%3D{signature}",
                TIME.replace(':', "%253A")
            ),
        ] {
            assert_eq!(read(&text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_left_to_others() {
        for header in [
            "",
            "Bearer x",
            "nws4-hmac-sha256 Credential=k1",
            "NWS4-HMAC-SHA2567 x",
            "NWS4",
        ] {
            assert!(Presented::of(header.as_bytes()).is_none(), "{header}");
        }
    }

    #[test]
    fn malformed_parameters_are_refused() {
        let good = plain("host", TIME, &"0a".repeat(32));
        assert!(read(&good).is_ok());
        let cases = [
            String::new(),
            "x".to_owned(),
            good.replace("Credential=k1", "Credential="),
            good.replace("Credential", "credential"),
            good.replace(",Timestamp", ", Timestamp"),
            good.replace("0a", "0A"),
            good.replacen("0a", "0g", 1),
            good.replacen("0a", "+a", 1),
            good.replace(TIME, "yesterday"),
            good.replace(TIME, ""),
            format!("{good}0a"),
            format!("{good},Signature={}", "0b".repeat(32)),
            format!(" {good}"),
            good.trim_end_matches('a').to_owned(),
            good.replace("k1", "%ff"),
            "Signature=x,Timestamp=y,SignedHeaders=z,Credential=k1".to_owned(),
        ];
        for text in cases {
            assert_eq!(read(&text), Err(Refusal::Malformed), "{text}");
        }
        let bare = Presented::of(SCHEME.as_bytes()).unwrap();
        assert_eq!(bare.claim(), Err(Refusal::Malformed));
    }

    #[test]
    fn names_are_counted_and_held_against_each_other() {
        let signature = "0a".repeat(32);
        let with = |names: &str| read(&plain(names, TIME, &signature)).err();
        assert_eq!(with("host;x;HOST"), Some(Refusal::NameRepeated));
        let names = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("x{number}")).collect();
            names.join(";")
        };
        assert_eq!(with(&names(64)), None);
        assert_eq!(with(&names(65)), Some(Refusal::TooManyNames));
        assert_eq!(with(&"a;".repeat(4_200)), Some(Refusal::HeaderTooLong));
    }

    #[test]
    fn a_time_is_signed_with_three_digits_in_utc() {
        let signature = "0a".repeat(32);
        for (sent, signed) in [
            (TIME, TIME),
            ("2023-05-30T13:17:01.9Z", "2023-05-30T13:17:01.900Z"),
            ("2023-05-30T13:17:01Z", "2023-05-30T13:17:01.000Z"),
            (
                "2023-05-30T15:17:01.992%2B02:00",
                "2023-05-30T13:17:01.992Z",
            ),
        ] {
            let sent = sent.replace('%', "%25");
            let claim = read(&plain("host", &sent, &signature)).unwrap();
            assert_eq!(claim.time_text, signed, "{sent}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_signature() {
        let claim = read(&plain("host", TIME, &"0a".repeat(32))).unwrap();
        assert!(!format!("{claim:?}").contains("0a0a") && !format!("{claim:?}").contains("10, 10"));
    }
}
