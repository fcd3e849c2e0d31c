//! Every key on disk, and nothing else. All layouts are drawn here:
//!
//! ```text
//! sessions        id (32)
//! by_last_access  last access in ms, big-endian, sign flipped (8) | id (32)
//! by_user         user name (UTF-8) | 00 | id (32)
//! users, api_keys, webhooks id (12)
//! devices, roles  name (UTF-8)
//! ended           ended at in ms, big-endian, sign flipped (8) | id (32)
//! lockouts        head of the SHA-256 of a user name (16)
//! audit           number (8, big-endian): number of the group << 16 | place in it
//! outbox          number (8, big-endian): number of the group << 20 | place in it
//! failures        webhook (12) | number of the event (8, big-endian)
//! touches         number (8, big-endian): number of the group << 16 | place in it
//! meta            "head" | "fence/" number (8, big-endian) | "value/" name
//!                 "signed/" API key (12) | "passed/" webhook (12)
//! ```
//!
//! Names hold no control character, so a NUL ends one without doubt, and the
//! id behind it makes every index key unique.

use crate::model::{ApiKeyId, SessionId, Timestamp, UserName, WebhookId};

/// The key of the head in `meta`.
pub const HEAD: &[u8] = b"head";
const FENCE: &[u8] = b"fence/";
const VALUE: &[u8] = b"value/";
const SIGNED: &[u8] = b"signed/";
const PASSED: &[u8] = b"passed/";
/// Milliseconds in front of a key.
const INSTANT_BYTES: usize = 8;
/// Bytes of [`instant_and_id`].
pub const INSTANT_AND_ID_BYTES: usize = INSTANT_BYTES + 32;

/// `instant | id`: of `by_last_access` and `ended`.
pub fn instant_and_id(at: Timestamp, id: SessionId) -> [u8; INSTANT_AND_ID_BYTES] {
    let mut key = [0; INSTANT_AND_ID_BYTES];
    key[..INSTANT_BYTES].copy_from_slice(&instant(at));
    key[INSTANT_BYTES..].copy_from_slice(id.as_bytes());
    key
}

/// The front of [`instant_and_id`]: orders as instants do, also before 1970.
pub fn instant(at: Timestamp) -> [u8; INSTANT_BYTES] {
    (at.as_millis().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The instant and the id of a key of `by_last_access` or `ended`.
pub fn parse_instant_and_id(key: &[u8]) -> Option<(Timestamp, SessionId)> {
    let (instant, id) = key.split_first_chunk::<INSTANT_BYTES>()?;
    let millis = (u64::from_be_bytes(*instant) ^ (1 << 63)).cast_signed();
    Some((
        Timestamp::from_millis(millis),
        SessionId::from_bytes(id).ok()?,
    ))
}

/// `user name | 00 | id`.
pub fn user_and_id(user: &UserName, id: SessionId) -> Vec<u8> {
    let name = user.as_str().as_bytes();
    let mut key = Vec::with_capacity(name.len() + 33);
    key.extend_from_slice(name);
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The name and the id of a key of `by_user`.
pub fn parse_user_and_id(key: &[u8]) -> Option<(&str, SessionId)> {
    let at = key.len().checked_sub(33)?;
    let (name, id) = key.split_at(at);
    let id = SessionId::from_bytes(id.strip_prefix(&[0])?).ok()?;
    Some((std::str::from_utf8(name).ok()?, id))
}

/// What stands in `meta` under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Meta<'a> {
    /// The head.
    Head,
    /// A fence with its number.
    Fence(u64),
    /// A named value.
    Value(&'a str),
    /// Which session the requests signed with a key go on in.
    Signed(ApiKeyId),
    /// How far a webhook has been told.
    Passed(WebhookId),
}

/// The key of an audit entry.
pub fn audit(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of a key of `audit`.
pub fn parse_audit(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// The key of an event in the outbox.
pub fn event(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of a key of the outbox.
pub fn parse_event(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// Bits of a chunk's number that say its place in the group.
pub const TOUCHES_PLACE_BITS: u32 = 16;

/// The key of a chunk of touches.
pub fn touches(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of a key of `touches`, and of the group that wrote it.
pub fn parse_touches(key: &[u8]) -> Option<(u64, u64)> {
    let number = u64::from_be_bytes(key.try_into().ok()?);
    Some((number, number >> TOUCHES_PLACE_BITS))
}

/// The key of a notification that a hook never got.
pub fn failure(hook: WebhookId, number: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..12].copy_from_slice(hook.as_bytes());
    key[12..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The hook and the event's number of a key of `failures`.
pub fn parse_failure(key: &[u8]) -> Option<(WebhookId, u64)> {
    let (hook, number) = key.split_first_chunk::<12>()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    Some((WebhookId::from_bytes(*hook), number))
}

/// The key of how far a webhook has been told.
pub fn passed(hook: WebhookId) -> Vec<u8> {
    [PASSED, hook.as_bytes()].concat()
}

/// The key of a fence.
pub fn fence(number: u64) -> Vec<u8> {
    [FENCE, &number.to_be_bytes()].concat()
}

/// The key of a named value.
pub fn value(name: &str) -> Vec<u8> {
    [VALUE, name.as_bytes()].concat()
}

/// The key of the session of an API key.
pub fn signed(key: ApiKeyId) -> Vec<u8> {
    [SIGNED, key.as_bytes()].concat()
}

/// Reads a key of `meta`.
pub fn parse_meta(key: &[u8]) -> Option<Meta<'_>> {
    if key == HEAD {
        return Some(Meta::Head);
    }
    if let Some(number) = key.strip_prefix(FENCE) {
        return Some(Meta::Fence(u64::from_be_bytes(number.try_into().ok()?)));
    }
    if let Some(id) = key.strip_prefix(SIGNED) {
        return Some(Meta::Signed(ApiKeyId::from_bytes(id.try_into().ok()?)));
    }
    if let Some(id) = key.strip_prefix(PASSED) {
        return Some(Meta::Passed(WebhookId::from_bytes(id.try_into().ok()?)));
    }
    let name = key.strip_prefix(VALUE)?;
    Some(Meta::Value(std::str::from_utf8(name).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_one_user_never_mix_with_those_of_another_whose_name_begins_alike() {
        let (short, long) = (
            UserName::parse("1").expect("a name"),
            UserName::parse("1a").expect("a name"),
        );
        let id = SessionId::draw();
        let key = user_and_id(&short, id);
        assert_eq!(parse_user_and_id(&key), Some(("1", id)));
        assert!(!user_and_id(&long, id).starts_with(&key[..2]));
    }

    #[test]
    fn keys_of_meta_are_told_apart() {
        assert_eq!(parse_meta(HEAD), Some(Meta::Head));
        assert_eq!(parse_meta(&fence(7)), Some(Meta::Fence(7)));
        assert_eq!(parse_meta(&value("head")), Some(Meta::Value("head")));
        let id = ApiKeyId::draw();
        assert_eq!(parse_meta(&signed(id)), Some(Meta::Signed(id)));
        assert_eq!(parse_meta(b"signed/short"), None);
        let hook = WebhookId::draw();
        assert_eq!(parse_meta(&passed(hook)), Some(Meta::Passed(hook)));
        assert_eq!(parse_failure(&failure(hook, 7)), Some((hook, 7)));
        assert_eq!(parse_meta(b"other"), None);
    }

    proptest! {
        #[test]
        fn keys_order_as_instants_do(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let (a, b) = (Timestamp::from_millis(a), Timestamp::from_millis(b));
            let id = SessionId::draw();
            prop_assert_eq!(instant(a).cmp(&instant(b)), a.cmp(&b));
            prop_assert_eq!(parse_instant_and_id(&instant_and_id(a, id)), Some((a, id)));
        }
    }
}
