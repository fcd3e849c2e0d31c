//! Bytes of the lockout's records.

use serde::{Deserialize, Serialize};

use super::{CodecError, decode, encode};
use crate::model::{Count, KnownPlace, NameKey, PeerKey, Timestamp, UserLock};

/// Failures in a row, the last one, and the end of the wait.
type CountValue = (u32, i64, i64);

#[derive(Serialize, Deserialize)]
struct LockValue {
    is_known: bool,
    pairs: Vec<([u8; 16], CountValue)>,
    places: Vec<PlaceValue>,
    recent: Vec<i64>,
    until: i64,
    last_use: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct PlaceValue {
    device: [u8; 16],
    peer: [u8; 16],
    seen: i64,
    count: CountValue,
}

/// The bytes of a record; the name's key is its key.
pub fn encode_lock(lock: &UserLock) -> Vec<u8> {
    let pairs = lock.pairs.iter();
    let places = lock.places.iter().map(|place| PlaceValue {
        device: place.device.0,
        peer: place.peer.0,
        seen: place.seen.as_millis(),
        count: count_value(place.count),
    });
    encode(&LockValue {
        is_known: lock.is_known,
        pairs: pairs
            .map(|(device, count)| (device.0, count_value(*count)))
            .collect(),
        places: places.collect(),
        recent: lock.recent.iter().map(|at| at.as_millis()).collect(),
        until: lock.until.as_millis(),
        last_use: lock.last_use.map(Timestamp::as_millis),
    })
}

/// The record that these bytes were made from.
pub fn decode_lock(bytes: &[u8]) -> Result<UserLock, CodecError> {
    let value: LockValue = decode(bytes)?;
    let pairs = value.pairs.into_iter();
    let places = value.places.into_iter().map(|place| KnownPlace {
        device: NameKey(place.device),
        peer: PeerKey(place.peer),
        seen: Timestamp::from_millis(place.seen),
        count: count(place.count),
    });
    let recent = value.recent.into_iter().map(Timestamp::from_millis);
    Ok(UserLock {
        is_known: value.is_known,
        pairs: pairs
            .map(|(device, value)| (NameKey(device), count(value)))
            .collect(),
        places: places.collect(),
        recent: recent.collect(),
        until: Timestamp::from_millis(value.until),
        last_use: value.last_use.map(Timestamp::from_millis),
    })
}

fn count_value(count: Count) -> CountValue {
    let (last, until) = (count.last.as_millis(), count.until.as_millis());
    (count.failures, last, until)
}

fn count((failures, last, until): CountValue) -> Count {
    Count {
        failures,
        last: Timestamp::from_millis(last),
        until: Timestamp::from_millis(until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockout_record_is_read_as_it_was_written() {
        let at = Timestamp::from_millis;
        let some = Count {
            failures: 7,
            last: at(1_800_000_000_000),
            until: at(1_800_000_004_000),
        };
        let lock = UserLock {
            is_known: true,
            pairs: vec![
                (NameKey([1; 16]), some),
                (NameKey([2; 16]), Count::default()),
            ],
            places: vec![KnownPlace {
                device: NameKey([3; 16]),
                peer: PeerKey([4; 16]),
                seen: at(5),
                count: some,
            }],
            recent: vec![at(1), at(2)],
            until: at(9),
            last_use: Some(at(10)),
        };
        assert_eq!(decode_lock(&encode_lock(&lock)), Ok(lock));
    }
}
