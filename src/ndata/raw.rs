//! The raw text of a query: splitting, percent-decoding and quotes. Separate
//! because every split happens before decoding, so that an encoded separator
//! is an ordinary character; nothing further in sees encoded text.

use super::error::Fault;

/// One parameter, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    /// What stands before the first `=`, or everything.
    pub(super) name: &'a str,
    /// What stands behind it; empty without one.
    pub(super) value: &'a str,
}

/// The parameters of a raw query; nothing between two `&` is no parameter.
pub(super) fn parameters(raw: &str) -> impl Iterator<Item = Parameter<'_>> {
    let pieces = raw.split('&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        Parameter { name, value }
    })
}

/// Takes one byte off the front of encoded text and decodes it.
fn unit(encoded: &[u8]) -> Result<Option<(u8, &[u8])>, Fault> {
    match encoded {
        [] => Ok(None),
        [b'%', high, low, rest @ ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => Ok(Some((high << 4 | low, rest))),
            _ => Err(Fault::PercentEncoding),
        },
        [b'%', ..] => Err(Fault::PercentEncoding),
        [b'+', rest @ ..] => Ok(Some((b' ', rest))),
        [byte, rest @ ..] => Ok(Some((*byte, rest))),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Decodes a piece: `%XX` and `+` for a space.
pub(super) fn decode(piece: &[u8]) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((byte, behind)) = unit(rest)? {
        bytes.push(byte);
        rest = behind;
    }
    utf8(bytes)
}

/// As [`decode`], but keeps what can not be decoded: for naming a parameter
/// that is refused.
pub(super) fn decode_lossy(piece: &str) -> String {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, behind) = unit(rest).ok().flatten().unwrap_or((*first, behind));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn utf8(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| Fault::Utf8)
}

/// A value, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its text, without quotes.
    pub(super) text: String,
    /// Whether it stood in quotes.
    pub(super) is_quoted: bool,
}

/// Reads the raw value of a filter from left to right.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    pub(super) const fn new(raw: &'a str) -> Self {
        Self(raw.as_bytes())
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one of `separators` if it comes next.
    pub(super) fn separator(&mut self, separators: &[u8]) -> Option<u8> {
        let (first, behind) = self.0.split_first()?;
        separators.contains(first).then(|| {
            self.0 = behind;
            *first
        })
    }

    /// The raw text up to the first of `stops`; nothing is taken.
    pub(super) fn ahead(&self, stops: &[u8]) -> &'a [u8] {
        let end = self.0.iter().position(|byte| stops.contains(byte));
        &self.0[..end.unwrap_or(self.0.len())]
    }

    /// Takes as many bytes as [`Scanner::ahead`] showed.
    pub(super) fn take(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default();
    }

    /// Whether a quote, raw or encoded, comes next.
    pub(super) fn is_at_quote(&self) -> bool {
        matches!(unit(self.0), Ok(Some((b'"', _))))
    }

    /// Takes one value: what stands in quotes, or everything up to the first of
    /// `stops`. Afterwards a stop comes next, or the end.
    pub(super) fn value(&mut self, stops: &[u8]) -> Result<Piece, Fault> {
        if self.is_at_quote() {
            let text = self.quoted()?;
            let is_closed = self.0.first().is_none_or(|byte| stops.contains(byte));
            return if is_closed {
                Ok(Piece {
                    text,
                    is_quoted: true,
                })
            } else {
                Err(Fault::BehindQuote)
            };
        }
        let raw = self.ahead(stops);
        self.take(raw.len());
        Ok(Piece {
            text: decode(raw)?,
            is_quoted: false,
        })
    }

    /// Takes a quoted text: `\"` and `\\` stand for the second character, any
    /// other backslash for itself. Quotes and backslashes count raw or encoded.
    fn quoted(&mut self) -> Result<String, Fault> {
        self.unit()?;
        let mut bytes = Vec::new();
        loop {
            match self.unit()?.ok_or(Fault::OpenQuote)? {
                b'"' => return utf8(bytes),
                b'\\' => match unit(self.0)? {
                    Some((escaped @ (b'"' | b'\\'), behind)) => {
                        self.0 = behind;
                        bytes.push(escaped);
                    }
                    _ => bytes.push(b'\\'),
                },
                byte => bytes.push(byte),
            }
        }
    }

    fn unit(&mut self) -> Result<Option<u8>, Fault> {
        let Some((byte, behind)) = unit(self.0)? else {
            return Ok(None);
        };
        self.0 = behind;
        Ok(Some(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_splits_at_every_ampersand_and_the_first_equals_sign() {
        let split = |raw| {
            parameters(raw)
                .map(|p| (p.name, p.value))
                .collect::<Vec<_>>()
        };
        assert_eq!(split(""), []);
        assert_eq!(split("&&"), []);
        assert_eq!(split("a"), [("a", "")]);
        assert_eq!(
            split("a=1&&b==2=&=3"),
            [("a", "1"), ("b", "=2="), ("", "3")]
        );
        assert_eq!(split("a=\"x&y\""), [("a", "\"x"), ("y\"", "")]);
    }

    #[test]
    fn pieces_are_decoded_or_refused() {
        for (raw, text) in [
            ("", Ok("")),
            ("a+b", Ok("a b")),
            ("%2B%3b%3A%2C", Ok("+;:,")),
            ("%C4%BE", Ok("\u{13e}")),
            ("\u{13e}", Ok("\u{13e}")),
            ("%00", Ok("\0")),
            ("%", Err(Fault::PercentEncoding)),
            ("%4", Err(Fault::PercentEncoding)),
            ("%zz", Err(Fault::PercentEncoding)),
            ("%+1", Err(Fault::PercentEncoding)),
            ("%4\u{13e}", Err(Fault::PercentEncoding)),
            ("%FF", Err(Fault::Utf8)),
            ("%C4", Err(Fault::Utf8)),
            ("%ED%A0%80", Err(Fault::Utf8)),
        ] {
            assert_eq!(decode(raw.as_bytes()), text.map(str::to_owned), "{raw}");
        }
    }

    #[test]
    fn the_name_of_a_refused_parameter_is_decoded_as_far_as_it_can_be() {
        for (raw, text) in [
            ("%24take", "$take"),
            ("a%zzb%41", "a%zzbA"),
            ("a%", "a%"),
            ("%FF+x", "\u{fffd} x"),
        ] {
            assert_eq!(decode_lossy(raw), text);
        }
    }

    #[test]
    fn a_quote_at_the_start_of_a_value_protects_separators() {
        let ends = |raw: &'static str| {
            let mut scanner = Scanner::new(raw);
            let value = scanner.value(b";:,");
            value.map(|piece| (piece.text, piece.is_quoted, scanner.0))
        };
        let reads = |text: &str, is_quoted, rest: &'static str| {
            Ok((text.to_owned(), is_quoted, rest.as_bytes()))
        };
        for (raw, expected) in [
            (r#""a;b:c,d";e"#, reads("a;b:c,d", true, ";e")),
            ("%22a;b%22:e", reads("a;b", true, ":e")),
            (r#"%22a;b","#, reads("a;b", true, ",")),
            (r#""""#, reads("", true, "")),
            (r#""a\"b""#, reads(r#"a"b"#, true, "")),
            (r#""a%5C%22b""#, reads(r#"a"b"#, true, "")),
            (r#""a\%22b""#, reads(r#"a"b"#, true, "")),
            (r#""a\\""#, reads(r"a\", true, "")),
            (r#""a\nb""#, reads(r"a\nb", true, "")),
            (r#""a+b%3B""#, reads("a b;", true, "")),
            (r#""a=b%26""#, reads("a=b&", true, "")),
            (r#"a"b;c"#, reads(r#"a"b"#, false, ";c")),
            (r#"a"b;c""#, reads(r#"a"b"#, false, r#";c""#)),
            (r#"+"a""#, reads(r#" "a""#, false, "")),
            ("", reads("", false, "")),
            (r#"""#, Err(Fault::OpenQuote)),
            (r#""a"#, Err(Fault::OpenQuote)),
            (r#""a\""#, Err(Fault::OpenQuote)),
            (r#""a\"#, Err(Fault::OpenQuote)),
            (r#""a"b"#, Err(Fault::BehindQuote)),
            (r#""a"%3B"#, Err(Fault::BehindQuote)),
            (r#""a" "#, Err(Fault::BehindQuote)),
            (r#""a"""#, Err(Fault::BehindQuote)),
            (r#""%zz""#, Err(Fault::PercentEncoding)),
            (r#""\%zz""#, Err(Fault::PercentEncoding)),
            (r#""%FF""#, Err(Fault::Utf8)),
        ] {
            assert_eq!(ends(raw), expected, "{raw}");
        }
    }
}
