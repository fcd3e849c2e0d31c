//! How records become bytes: `format version (1 byte) | bincode | CRC-32 (4 bytes)`.
//! The only place that names bincode, so that another encoding stays one
//! module away.

use std::collections::HashMap;

use bincode::Options;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{DeviceName, RoleName, UserName};

mod audit;
mod directory;
mod lockout;
mod outbox;
mod session;

pub use audit::{decode_audit, encode_audit};
pub use directory::{
    decode_api_key, decode_device, decode_role, decode_user, decode_webhook, encode_api_key,
    encode_device, encode_role, encode_user, encode_webhook,
};
pub use lockout::{decode_lock, encode_lock};
pub use outbox::{decode_event, decode_failure, encode_event, encode_failure};
pub use session::{
    decode_ended, decode_fence, decode_session, encode_ended, encode_fence, encode_session,
};

/// The number of the disk format that this version writes.
pub const FORMAT: u8 = 4;

/// Bytes around every record: the format version before it, the checksum behind.
const ENVELOPE_BYTES: usize = 5;

/// Why bytes can not be read as a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The checksum is good and the format number is greater than [`FORMAT`].
    #[error("written in disk format {0}, which is newer than this version understands")]
    Newer(u8),
    /// Not what was written.
    #[error("damaged: {0}")]
    Damaged(&'static str),
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
}

/// The number that new records get: [`FORMAT`], unless a test pretends to be
/// another version.
#[cfg(not(feature = "faults"))]
pub const fn format() -> u8 {
    FORMAT
}

#[cfg(feature = "faults")]
static PRETENDED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(FORMAT);

/// The number that new records get: [`FORMAT`], unless a test pretends to be
/// another version.
#[cfg(feature = "faults")]
pub fn format() -> u8 {
    PRETENDED.load(std::sync::atomic::Ordering::Relaxed)
}

/// This process is a version with another disk format, whose records differ in
/// nothing but the number.
#[cfg(feature = "faults")]
pub fn pretend(format: u8) {
    PRETENDED.store(format, std::sync::atomic::Ordering::Relaxed);
}

/// Reads bytes that nobody has written as every kind of record, their checksum
/// made good: what a fuzzer asks. None of it may panic.
#[cfg(feature = "faults")]
pub fn read_foreign(bytes: &[u8]) {
    use crate::model::{ApiKeyId, RoleName, SessionId, Timestamp, UserId, WebhookId};

    let mut record = vec![FORMAT];
    record.extend_from_slice(bytes);
    let checksum = crc32fast::hash(&record);
    record.extend_from_slice(&checksum.to_le_bytes());
    let (names, session) = (&mut Names::default(), SessionId::GREATEST);
    let device = DeviceName::parse("P01").expect("a name");
    let role = RoleName::parse("cashier").expect("a name");
    let _ = decode_session(session, &record, names);
    let _ = decode_ended(Timestamp::from_millis(0), session, &record, names);
    let _ = decode_fence(&record, names);
    let _ = decode_audit(1, &record, names);
    let _ = decode_user(UserId::from_bytes([0; 12]), &record);
    let _ = decode_device(device, &record);
    let _ = decode_role(role, &record);
    let _ = decode_api_key(ApiKeyId::from_bytes([0; 12]), &record);
    let _ = decode_lock(&record);
    let _ = decode_webhook(WebhookId::from_bytes([0; 12]), &record);
    let _ = decode_event(1, &record, names);
    let _ = decode_failure(WebhookId::from_bytes([0; 12]), 1, &record, names);
    let _ = super::journal::decode(&record);
}

/// The bytes of a record.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_as(format(), value)
}

/// The bytes of a record of this format.
pub fn encode_as<T: Serialize>(format: u8, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(format);
    options()
        .serialize_into(&mut bytes, value)
        .expect("plain values into memory can not fail");
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Whether these bytes are as they were written, whatever they say.
pub fn is_whole(bytes: &[u8]) -> Result<(), CodecError> {
    body(bytes).map(drop)
}

/// The record that these bytes were made from. Text is borrowed.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    options()
        .deserialize(&body(bytes)?[1..])
        .map_err(|_| CodecError::Damaged("not a record of this kind"))
}

/// As [`decode`], of a record that has grown: what each format has added stands
/// at its end, and its absence is that many zeros. `grown`: format and zeros.
pub fn decode_grown<T: DeserializeOwned>(
    bytes: &[u8],
    grown: &[(u8, usize)],
) -> Result<T, CodecError> {
    let body = body(bytes)?;
    let mut record = body[1..].to_vec();
    for (_, zeros) in grown.iter().filter(|(since, _)| body[0] < *since) {
        record.resize(record.len() + zeros, 0);
    }
    options()
        .deserialize(&record)
        .map_err(|_| CodecError::Damaged("not a record of this kind"))
}

/// Format version and record, without the checksum that they fit.
fn body(bytes: &[u8]) -> Result<&[u8], CodecError> {
    if bytes.len() < ENVELOPE_BYTES {
        return Err(CodecError::Damaged("too short"));
    }
    let (body, checksum) = bytes.split_at(bytes.len() - 4);
    if crc32fast::hash(body).to_le_bytes() != checksum {
        return Err(CodecError::Damaged("the checksum does not fit"));
    }
    if body[0] > format() {
        return Err(CodecError::Newer(body[0]));
    }
    Ok(body)
}

/// Names that were read before, so that a million sessions of a thousand
/// people parse and keep each name once.
#[derive(Debug, Default)]
pub struct Names {
    users: HashMap<Box<str>, UserName, foldhash::fast::RandomState>,
    devices: HashMap<Box<str>, DeviceName, foldhash::fast::RandomState>,
}

impl Names {
    fn user(&mut self, text: &str) -> Result<UserName, CodecError> {
        if let Some(name) = self.users.get(text) {
            return Ok(name.clone());
        }
        let name = user_name(text)?;
        self.users.insert(text.into(), name.clone());
        Ok(name)
    }

    fn device(&mut self, text: &str) -> Result<DeviceName, CodecError> {
        if let Some(name) = self.devices.get(text) {
            return Ok(name.clone());
        }
        let name = device_name(text)?;
        self.devices.insert(text.into(), name.clone());
        Ok(name)
    }
}

fn user_name(text: &str) -> Result<UserName, CodecError> {
    UserName::parse(text).map_err(|_| CodecError::Damaged("not a user name"))
}

fn device_name(text: &str) -> Result<DeviceName, CodecError> {
    DeviceName::parse(text).map_err(|_| CodecError::Damaged("not a device name"))
}

fn role_name(text: &str) -> Result<RoleName, CodecError> {
    RoleName::parse(text).map_err(|_| CodecError::Damaged("not a role name"))
}

fn env(number: u8) -> Result<crate::model::Env, CodecError> {
    let known = crate::model::Env::ALL.get(usize::from(number)).copied();
    known.ok_or(CodecError::Damaged("not an environment"))
}

fn env_number(env: crate::model::Env) -> u8 {
    u8::try_from(env.index()).expect("there are four environments")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_of_a_newer_format_is_told_apart_from_a_damaged_one() {
        let mut bytes = encode(&7_u64);
        bytes[0] = FORMAT + 1;
        assert_eq!(
            decode::<u64>(&bytes),
            Err(CodecError::Damaged("the checksum does not fit"))
        );
        let end = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(decode::<u64>(&bytes), Err(CodecError::Newer(FORMAT + 1)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_any_flipped_bit_is_noticed(
            text in ".{0,40}", number: u64, at: prop::sample::Index, bit in 0_u8..8,
        ) {
            let bytes = encode(&(text.as_str(), number));
            prop_assert_eq!(decode::<(&str, u64)>(&bytes), Ok((text.as_str(), number)));
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(decode::<(&str, u64)>(&flipped).is_err());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<(String, u64)>(&bytes);
        }
    }
}
