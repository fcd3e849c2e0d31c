//! The text of a request that is signed: method, path, query, headers, their
//! names and the hash of the body, joined by line ends.
//!
//! All rules are those of the .NET client. The PHP client spells some paths
//! otherwise, which is why the path can be asked for by either rule.

use super::header::Names;
use super::{Head, Refusal};

/// By whose rule a path is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathRule {
    /// `:` stays, and so do leading slashes.
    Net,
    /// `:` is encoded, and leading slashes become one.
    Php,
}

/// A request as it is signed, its path aside.
pub(super) struct Canonical<'a> {
    method: &'a str,
    path: &'a str,
    /// Everything behind the path, with the line end before it.
    rest: Vec<u8>,
}

impl<'a> Canonical<'a> {
    /// # Errors
    /// [`Refusal::HeaderMissing`].
    pub(super) fn of(head: &Head<'a>, names: &Names, body_hash: &[u8]) -> Result<Self, Refusal> {
        let mut rest = Vec::with_capacity(512);
        rest.push(b'\n');
        write_query(&mut rest, head.query.unwrap_or_default());
        rest.push(b'\n');
        for name in names.iter() {
            let value = head.value(name).ok_or(Refusal::HeaderMissing)?;
            rest.extend_from_slice(name.as_bytes());
            rest.push(b':');
            write_value(&mut rest, &value);
            rest.push(b'\n');
        }
        for (place, name) in names.by_upper_case().into_iter().enumerate() {
            if place > 0 {
                rest.push(b';');
            }
            rest.extend_from_slice(name.as_bytes());
        }
        rest.push(b'\n');
        rest.extend_from_slice(body_hash);
        Ok(Self {
            method: head.method,
            path: head.path,
            rest,
        })
    }

    /// The whole text.
    pub(super) fn text(&self, rule: PathRule) -> Vec<u8> {
        let mut text = Vec::with_capacity(64 + self.path.len() * 2 + self.rest.len());
        text.extend(self.method.bytes().map(|byte| byte.to_ascii_uppercase()));
        text.push(b'\n');
        write_path(&mut text, self.path, rule);
        text.extend_from_slice(&self.rest);
        text
    }

    /// Whether the two rules spell this path differently.
    pub(super) fn differs_by_rule(&self) -> bool {
        self.path.contains(':') || self.path.starts_with("//")
    }
}

fn write_path(out: &mut Vec<u8>, path: &str, rule: PathRule) {
    let (path, kept): (_, &[u8]) = match rule {
        PathRule::Net => (path, b"/:"),
        PathRule::Php if path.starts_with("//") => (
            &path[path.len() - path.trim_start_matches('/').len() - 1..],
            b"/",
        ),
        PathRule::Php => (path, b"/"),
    };
    if path.is_empty() {
        out.push(b'/');
    }
    write_encoded(out, path, kept);
}

/// Parameters in the byte order of their names, those of one name in the order
/// sent. What follows a second `=` in a parameter is not signed; the verifier
/// refuses such requests.
fn write_query(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut parameters: Vec<(&str, &str)> = query
        .split('&')
        .map(|parameter| {
            let mut parts = parameter.split('=');
            let name = parts.next().unwrap_or_default();
            (name, parts.next().unwrap_or_default())
        })
        .collect();
    parameters.sort_by_key(|(name, _)| *name);
    for (place, (name, value)) in parameters.iter().enumerate() {
        if place > 0 {
            out.push(b'&');
        }
        write_encoded(out, name, b"");
        out.push(b'=');
        write_encoded(out, value, b"");
    }
}

/// A header's value: runs of white space are one space, none at the ends.
fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let words = value.split(is_space).filter(|word| !word.is_empty());
    for (place, word) in words.enumerate() {
        if place > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Percent-encodes, upper hex, whatever is neither unreserved (RFC 3986) nor
/// kept. An escape that is already there is encoded once more.
fn write_encoded(out: &mut Vec<u8>, text: &str, kept: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        let unreserved = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if unreserved || kept.contains(&byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_path_is_encoded_once_more_than_it_was_sent() {
        for (path, net, php) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            (
                "/api/users/a%20b",
                "/api/users/a%2520b",
                "/api/users/a%2520b",
            ),
            ("/%c4%8d", "/%25c4%258d", "/%25c4%258d"),
            ("/a:b", "/a:b", "/a%3Ab"),
            ("//a//b", "//a//b", "/a//b"),
            ("///a", "///a", "/a"),
            ("//", "//", "/"),
            ("/~a-b_c.d", "/~a-b_c.d", "/~a-b_c.d"),
            ("/(x)+y*@", "/%28x%29%2By%2A%40", "/%28x%29%2By%2A%40"),
        ] {
            assert_eq!(written(|out| write_path(out, path, PathRule::Net)), net);
            assert_eq!(written(|out| write_path(out, path, PathRule::Php)), php);
        }
    }

    #[test]
    fn a_query_is_sorted_by_name_and_keeps_the_order_of_duplicates() {
        for (query, canonical) in [
            ("", ""),
            ("a", "a="),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&B=0&a=1", "B=0&a=2&a=1"),
            ("$take=10&%24skip=5", "%24take=10&%2524skip=5"),
            ("a=1=2", "a=1"),
            ("i=1$ref=1&validate", "i=1%24ref&validate="),
            ("a=1&&b", "=&a=1&b="),
            ("q=a+b%20c:d;e,f", "q=a%2Bb%2520c%3Ad%3Be%2Cf"),
        ] {
            assert_eq!(written(|out| write_query(out, query)), canonical, "{query}");
        }
    }

    #[test]
    fn white_space_in_a_value_collapses() {
        for (value, canonical) in [
            ("a", "a"),
            ("  a \t b  ", "a b"),
            ("a, b,c", "a, b,c"),
            (" ", ""),
        ] {
            let written = written(|out| write_value(out, value.as_bytes()));
            assert_eq!(written, canonical);
        }
    }
}
