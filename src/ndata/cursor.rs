//! Cursors: the place where a page ended, as text for the client. Separate
//! because their bytes are a format: a cursor outlives the process that wrote
//! it, so nothing in it may depend on memory layout or a random seed.
//!
//! ```text
//! version 1 | binding 8 | values of Query::order() | CRC-32 of all before 4
//! ```
//! as base64url without padding. The binding is the head of a SHA-256 over the
//! resource's members, the filters and the sort. A value is a tag byte and, by
//! kind, 8 bytes (big-endian) or a length of 4 bytes and text. A cursor is no
//! secret and no right: whoever forges one reaches another place of a listing
//! that was open anyway.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::query::{After, Direction, Filter, Kind, Literal, Member, Query, Row, Test, Value};
use crate::model::Timestamp;

/// The format; grows when cursors of an earlier one can not be read.
const VERSION: u8 = 1;
const BINDING_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;
/// Longest text that is looked at; no request line can carry more.
const CURSOR_BYTES_MAX: usize = 64 * 1024;

/// The cursor behind `last`, the last row of a page of `query`: for `$after` of
/// the next request with the same filters and sort. Good as long as these stay,
/// also after a restart.
pub fn next_cursor<M: Member, R: Row<M>>(query: &Query<M>, last: &R) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(binding(query));
    for (member, _) in query.order() {
        write_value(&mut bytes, &last.value(member));
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A cursor that is whole, not yet known to belong to a query.
#[derive(Debug)]
pub(super) struct Cursor {
    binding: [u8; BINDING_BYTES],
    values: Vec<u8>,
}

/// Reads a cursor's text; `None` for everything that [`next_cursor`] did not
/// write, or not in this version.
pub(super) fn decode(text: &str) -> Option<Cursor> {
    if text.len() > CURSOR_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    if crc32fast::hash(body) != u32::from_be_bytes(*checksum) {
        return None;
    }
    let (version, body) = body.split_first()?;
    let (binding, values) = body.split_first_chunk()?;
    (*version == VERSION).then(|| Cursor {
        binding: *binding,
        values: values.to_vec(),
    })
}

impl Cursor {
    /// The place in `query` that this cursor stands for; `None` when it was
    /// made with another filter or sort.
    pub(super) fn of<M: Member>(&self, query: &Query<M>) -> Option<After> {
        if self.binding != binding(query) {
            return None;
        }
        let mut rest = self.values.as_slice();
        let mut read = |(member, _): (M, Direction)| read_value(&mut rest, member.kind());
        let values = query
            .order()
            .into_iter()
            .map(&mut read)
            .collect::<Option<Vec<_>>>()?;
        rest.is_empty().then_some(After(values))
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(yes) => out.extend([1, u8::from(*yes)]),
        Value::Number(number) => {
            out.push(2);
            out.extend(number.to_be_bytes());
        }
        Value::Time(time) => {
            out.push(3);
            out.extend(time.as_millis().to_be_bytes());
        }
        Value::Text(text) => {
            out.push(4);
            write_text(out, text);
        }
    }
}

fn read_value(rest: &mut &[u8], kind: Kind) -> Option<Value<'static>> {
    let [tag] = take(rest)?;
    match (tag, kind) {
        (0, _) => Some(Value::Null),
        (1, Kind::Bool) => match take(rest)? {
            [0] => Some(Value::Bool(false)),
            [1] => Some(Value::Bool(true)),
            _ => None,
        },
        (2, Kind::Number) => take(rest).map(|bytes| Value::Number(i64::from_be_bytes(bytes))),
        (3, Kind::Time) => {
            let millis = i64::from_be_bytes(take(rest)?);
            let time = Timestamp::from_millis(millis);
            (time.as_millis() == millis).then_some(Value::Time(time))
        }
        (4, Kind::Text) => {
            let length = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
            let (text, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            Some(Value::Text(Cow::Owned(
                std::str::from_utf8(text).ok()?.to_owned(),
            )))
        }
        _ => None,
    }
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
}

/// What a cursor is bound to. The order of the filters and repeated ones mean
/// nothing, so they change nothing here.
fn binding<M: Member>(query: &Query<M>) -> [u8; BINDING_BYTES] {
    let mut filters: Vec<_> = query.filters.iter().map(filter_bytes).collect();
    filters.sort_unstable();
    filters.dedup();

    let mut bytes = Vec::new();
    for member in M::ALL {
        write_text(&mut bytes, member.name());
    }
    for (member, direction) in &query.sort {
        bytes.push(match direction {
            Direction::Ascending => b'+',
            Direction::Descending => b'-',
        });
        write_text(&mut bytes, member.name());
    }
    for filter in filters {
        bytes.push(b'?');
        bytes.extend(filter);
    }
    let digest = digest(&SHA256, &bytes);
    *digest
        .as_ref()
        .first_chunk()
        .expect("a SHA-256 has 32 bytes")
}

fn filter_bytes<M: Member>(filter: &Filter<M>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_text(&mut bytes, filter.member.name());
    let (tag, literals) = match &filter.test {
        Test::Eq(literal) => (0, std::slice::from_ref(literal)),
        Test::Neq(literal) => (1, std::slice::from_ref(literal)),
        Test::Gt(literal) => (2, std::slice::from_ref(literal)),
        Test::Gte(literal) => (3, std::slice::from_ref(literal)),
        Test::Lt(literal) => (4, std::slice::from_ref(literal)),
        Test::Lte(literal) => (5, std::slice::from_ref(literal)),
        Test::In(literals) => (6, literals.as_slice()),
        Test::NotIn(literals) => (7, literals.as_slice()),
        Test::Null => (8, [].as_slice()),
        Test::NotNull => (9, [].as_slice()),
        Test::Contains(part) => return with_part(bytes, 10, part),
        Test::StartsWith(part) => return with_part(bytes, 11, part),
        Test::EndsWith(part) => return with_part(bytes, 12, part),
    };
    bytes.push(tag);
    for literal in literals {
        write_literal(&mut bytes, literal);
    }
    bytes
}

fn with_part(mut bytes: Vec<u8>, tag: u8, part: &str) -> Vec<u8> {
    bytes.push(tag);
    write_text(&mut bytes, part);
    bytes
}

fn write_literal(out: &mut Vec<u8>, literal: &Literal) {
    match literal {
        Literal::Bool(yes) => out.extend([1, u8::from(*yes)]),
        Literal::Number(number) => {
            out.push(2);
            out.extend(number.to_be_bytes());
        }
        Literal::Time(nanos) => {
            out.push(3);
            out.extend(nanos.to_be_bytes());
        }
        Literal::Text(text) => {
            out.push(4);
            write_text(out, text);
        }
    }
}
