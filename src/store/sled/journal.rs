//! The journal of touches: the newest accesses of sessions, many in one record.
//!
//! An access moves nothing but `lastAccessAt` and `_v`. To write the session
//! for it means three changes of trees; in the journal sixteen of them are one.
//! At start the later of record and journal counts.
//!
//! Chunks are written once and never changed. When there are more touches in
//! them than twice the sessions, the oldest chunk goes: what is in a later one
//! is dropped with it, a session that is used again goes into the journal once
//! more, and one that has rested since is written as a record, its place in the
//! index by last access with it.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;

use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError};
use super::record::Record;
use crate::model::{SessionId, Timestamp, Version};

/// Touches in one chunk at most. sled keeps some pages of eight to sixteen
/// chunks in memory, so a chunk is small.
pub const CHUNK_TOUCHES_MAX: usize = 16;
/// So many touches may always be in the journal.
const TOUCHES_MIN: usize = 4_096;

/// A chunk's number, the lower half of it: two chunks share one that are 65,536
/// groups apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMark(NonZeroU32);

impl ChunkMark {
    /// The mark of the chunk with this number. The first of each 65,536th group has
    /// none.
    pub fn of(number: u64) -> Option<Self> {
        let low = u32::try_from(number & u64::from(u32::MAX));
        low.ok().and_then(NonZeroU32::new).map(Self)
    }
}

/// What the accesses of a session have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Whose.
    pub id: SessionId,
    /// `lastAccessAt`.
    pub last_access: Timestamp,
    /// `_v`.
    pub version: Version,
}

/// A touch as its bytes say it: the id, the milliseconds since the touch before
/// it in the chunk, the version.
#[derive(Serialize, Deserialize)]
struct Packed([u8; SessionId::PACKED_BYTES], i64, u64);

/// A touch as disk format 3 says it, with its instant.
#[derive(Serialize, Deserialize)]
struct Format3<'a>(#[serde(borrow)] &'a [u8], i64, u64);

/// The bytes of a chunk.
pub fn encode(touches: &[Touch]) -> Vec<u8> {
    let mut before = 0;
    let packed = touches.iter().map(|touch| {
        let last_access = touch.last_access.as_millis();
        let since = last_access.wrapping_sub(before);
        before = last_access;
        Packed(touch.id.pack(), since, touch.version.0)
    });
    codec::encode(&packed.collect::<Vec<_>>())
}

/// The touches of a chunk.
pub fn decode(bytes: &[u8]) -> Result<Vec<Touch>, CodecError> {
    if bytes.first() == Some(&3) {
        return decode_format_3(bytes);
    }
    let packed: Vec<Packed> = codec::decode(bytes)?;
    let mut last_access = 0_i64;
    let touch = |Packed(id, since, version)| {
        last_access = last_access.wrapping_add(since);
        read_touch(SessionId::unpack(id).ok(), last_access, version)
    };
    packed.into_iter().map(touch).collect()
}

fn decode_format_3(bytes: &[u8]) -> Result<Vec<Touch>, CodecError> {
    let all: Vec<Format3<'_>> = codec::decode(bytes)?;
    let touch = |Format3(id, last_access, version): Format3<'_>| {
        read_touch(SessionId::from_bytes(id).ok(), last_access, version)
    };
    all.into_iter().map(touch).collect()
}

fn read_touch(id: Option<SessionId>, millis: i64, version: u64) -> Result<Touch, CodecError> {
    Ok(Touch {
        id: id.ok_or(NO_ID)?,
        last_access: Timestamp::from_millis(millis),
        version: Version(version),
    })
}

const NO_ID: CodecError = CodecError::Damaged("not a session's id");

/// Which chunks are on the disk.
#[derive(Debug, Default)]
pub struct Journal {
    /// Number and touches of each, oldest first.
    chunks: VecDeque<(u64, usize)>,
    touches: usize,
}

impl Journal {
    /// A chunk with a higher number than all others is on the disk.
    pub fn push(&mut self, number: u64, touches: usize) {
        self.chunks.push_back((number, touches));
        self.touches += touches;
    }

    /// The oldest chunks, from the first on, that are one too many for this many
    /// sessions.
    pub fn surplus(&self, sessions: usize) -> impl Iterator<Item = u64> {
        let mut over = self.touches.saturating_sub((2 * sessions).max(TOUCHES_MIN));
        let chunks = self.chunks.iter();
        chunks.map_while(move |(number, touches)| {
            let is_over = over > 0;
            over = over.saturating_sub(*touches);
            is_over.then_some(*number)
        })
    }

    /// The oldest chunks, up to this one, are gone.
    pub fn pop(&mut self, number: u64) {
        while let Some((_, touches)) = self.chunks.pop_front_if(|(first, _)| *first <= number) {
            self.touches -= touches;
        }
    }

    /// The numbers of all chunks.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.chunks.iter().map(|(number, _)| *number)
    }
}

/// The journal as it was read.
#[derive(Debug, Default)]
pub struct Read {
    /// Its chunks.
    pub journal: Journal,
    newest: HashMap<SessionId, Newest, RandomState>,
}

/// What the accesses of a session have come to on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// `lastAccessAt`.
    pub last_access: Timestamp,
    /// `_v`.
    pub version: Version,
    /// The group that wrote this version.
    pub written: u64,
}

impl Read {
    /// Takes in a chunk, which comes behind all before; `written`: the group that
    /// wrote it.
    pub fn push(&mut self, number: u64, written: u64, touches: &[Touch]) {
        self.journal.push(number, touches.len());
        for touch in touches {
            let newest = self.newest.entry(touch.id).or_insert(Newest {
                last_access: touch.last_access,
                version: touch.version,
                written,
            });
            newest.last_access = newest.last_access.max(touch.last_access);
            if touch.version >= newest.version {
                (newest.version, newest.written) = (touch.version, written);
            }
        }
    }

    /// The record with what the journal has of its session, as if it had been
    /// written then.
    pub fn with_record(&self, record: &Record) -> Record {
        let newest = self.newest(record);
        let mut whole = record.clone();
        whole.session.last_access_at = newest.last_access;
        whole.session.version = newest.version;
        whole.written = newest.written;
        whole
    }

    /// What the disk has of the accesses of a record's session: of record and
    /// journal the later.
    pub fn newest(&self, record: &Record) -> Newest {
        let session = &record.session;
        let mut newest = Newest {
            last_access: session.last_access_at,
            version: session.version,
            written: record.written,
        };
        if let Some(touched) = self.newest.get(&session.id) {
            newest.last_access = newest.last_access.max(touched.last_access);
            let (version, written) = (newest.version, newest.written);
            (newest.version, newest.written) =
                (version, written).max((touched.version, touched.written));
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AuthenticationType, DeviceName, Env, Identity, Session, UserName};

    fn session(id: SessionId) -> Session {
        Session {
            id,
            identity: Identity {
                user_name: UserName::parse("1").expect("a name"),
                device_name: DeviceName::parse("P01").expect("a name"),
                env: Env::CashRegister,
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: Timestamp::from_millis(1),
            expires_at: Timestamp::MAX,
            last_access_at: Timestamp::from_millis(1),
            version: Version::FIRST,
        }
    }

    fn touch(id: SessionId, last_access: i64, version: u64) -> Touch {
        Touch {
            id,
            last_access: Timestamp::from_millis(last_access),
            version: Version(version),
        }
    }

    #[test]
    fn a_chunk_reads_back_and_a_whole_one_is_small() {
        let touches: Vec<Touch> = (0..CHUNK_TOUCHES_MAX)
            .map(|number| touch(SessionId::draw(), 1_700_000_000_000, number as u64))
            .collect();
        let bytes = encode(&touches);
        assert_eq!(decode(&bytes), Ok(touches));
        assert!(
            bytes.len() <= 15 + CHUNK_TOUCHES_MAX * 28,
            "{}",
            bytes.len()
        );
        assert_eq!(decode(&encode(&[])), Ok(Vec::new()));
        assert!(decode(&codec::encode(&vec![([255_u8; 24], 1_i64, 1_u64)])).is_err());
    }

    #[test]
    fn any_instant_and_version_reads_back() {
        let touches: Vec<Touch> = [0, i64::MAX, i64::MIN, -1, 5]
            .map(|millis| touch(SessionId::draw(), millis, u64::MAX))
            .to_vec();
        assert_eq!(decode(&encode(&touches)), Ok(touches));
    }

    #[test]
    fn a_chunk_of_disk_format_3_reads_as_it_was_written() {
        let touches: Vec<Touch> = (1..=64)
            .map(|number| touch(SessionId::draw(), 1_700_000_000_000, number))
            .collect();
        let packed = touches.iter().map(|touch| {
            let last_access = touch.last_access.as_millis();
            Format3(touch.id.as_bytes(), last_access, touch.version.0)
        });
        let bytes = codec::encode_as(3, &packed.collect::<Vec<_>>());
        assert_eq!(decode(&bytes), Ok(touches));
        let no_id = codec::encode_as(3, &vec![(vec![1_u8], 1_i64, 1_u64)]);
        assert_eq!(decode(&no_id), Err(NO_ID));
    }

    #[test]
    fn only_the_oldest_chunks_are_too_many() {
        let mut journal = Journal::default();
        let surplus =
            |journal: &Journal, sessions| -> Vec<u64> { journal.surplus(sessions).collect() };
        (1..=256).for_each(|number| journal.push(number, CHUNK_TOUCHES_MAX));
        assert!(surplus(&journal, 0).is_empty());
        journal.push(257, 1);
        journal.push(258, CHUNK_TOUCHES_MAX);
        assert_eq!(surplus(&journal, 0), [1, 2]);
        assert_eq!(surplus(&journal, 2_049), [1]);
        assert!(surplus(&journal, 10_000).is_empty());
        journal.pop(2);
        assert!(surplus(&journal, 0).is_empty());
        assert_eq!(journal.numbers().next(), Some(3));
    }

    #[test]
    fn of_record_and_journal_the_later_counts() {
        let (ours, other) = (SessionId::draw(), SessionId::draw());
        let mut read = Read::default();
        read.push(1, 10, &[touch(ours, 50, 5), touch(other, 900, 90)]);
        read.push(2, 11, &[touch(ours, 70, 7)]);
        let record = |last_access, version, written| {
            let mut record = Record {
                session: session(ours),
                ceiling: Version(100),
                began: 1,
                written,
                tokens: None,
            };
            record.session.last_access_at = Timestamp::from_millis(last_access);
            record.session.version = Version(version);
            record
        };
        let newest = |record: Record| {
            let newest = read.newest(&record);
            (
                newest.last_access.as_millis(),
                newest.version,
                newest.written,
            )
        };
        assert_eq!(newest(record(60, 6, 9)), (70, Version(7), 11));
        assert_eq!(newest(record(80, 8, 12)), (80, Version(8), 12));
        assert_eq!(newest(record(80, 6, 9)), (80, Version(7), 11));
    }
}
