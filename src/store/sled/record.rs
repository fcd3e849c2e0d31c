//! A session as the sled store holds it: what the API shows, and what is kept
//! beside it.

use crate::model::{Session, Timestamp, Version};
use crate::store::TokenState;

/// The fewest versions that a write of a record reserves: so many accesses a
/// session may count before it is written again.
pub const RESERVE_MIN: u64 = 512;

/// A session with everything that is stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the API shows. On disk `version` and `last_access_at` are those of
    /// the last write; memory may be ahead.
    pub session: Session,
    /// No version above this was or will be given before the next write of the
    /// record: after an unclean stop the session goes on from the next.
    pub ceiling: Version,
    /// The number of the commit that began it. A fence with a higher number
    /// ends it.
    pub began: u64,
    /// The number of the commit that last wrote it. Part of the tree's digest,
    /// so that a record that is older than it should be is noticed.
    pub written: u64,
    /// What its tokens are made from; `None` for signed requests.
    pub tokens: Option<TokenState>,
}

/// A session as memory has it, with what is known of its record on disk.
///
/// `record.session` and `record.tokens` are memory's; `record.ceiling` and
/// `record.written` are those of the last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The session.
    pub record: Record,
    /// `lastAccessAt` of the last write: the session's index key on disk
    /// stands under it.
    pub disk_last_access: Timestamp,
}

/// A session at start: its record, and what it has come to since that was
/// written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// As it was last written.
    pub record: Record,
    /// Its `lastAccessAt`.
    pub last_access: Timestamp,
    /// Its `_v`. Above the ceiling: it is not known how far it had come.
    pub version: Version,
}

impl Resumed {
    /// The session, with what is known of its record on the disk.
    pub fn kept(self) -> Kept {
        let mut kept = Kept::from(self.record);
        kept.record.session.last_access_at = self.last_access;
        kept.record.session.version = self.version;
        kept
    }
}

impl From<Record> for Resumed {
    /// A session that has rested.
    fn from(record: Record) -> Self {
        let Session {
            last_access_at,
            version,
            ..
        } = record.session;
        Self {
            record,
            last_access: last_access_at,
            version,
        }
    }
}

impl From<Record> for Kept {
    /// A record just as the disk has it.
    fn from(record: Record) -> Self {
        let disk_last_access = record.session.last_access_at;
        Self {
            record,
            disk_last_access,
        }
    }
}

/// Many records, in chunks that are given back to the system as they are
/// consumed: at a million of them a second copy of all is a quarter of a
/// gigabyte.
#[derive(Debug, Default)]
pub struct Records {
    chunks: Vec<Vec<Record>>,
}

impl PartialEq for Records {
    /// Whatever chunks they are in.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Records {}

/// Records in one chunk: about a megabyte.
const CHUNK_RECORDS: usize = 4_096;

impl Records {
    /// Adds one behind all others.
    pub fn push(&mut self, record: Record) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_RECORDS => chunk.push(record),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_RECORDS);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// All of them in their order, at most `max` at a time.
    pub fn chunks(&self, max: usize) -> impl Iterator<Item = &[Record]> {
        self.chunks.iter().flat_map(move |chunk| chunk.chunks(max))
    }

    /// All of them in two parts of about the same size.
    pub fn halves(mut self) -> [Self; 2] {
        let chunks = self.chunks.split_off(self.chunks.len() / 2);
        [self, Self { chunks }]
    }

    /// All of them, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.chunks.iter().flatten()
    }
}

impl IntoIterator for Records {
    type Item = Record;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<Record>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks.into_iter().flatten()
    }
}

impl FromIterator<Records> for Records {
    /// One behind the other.
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        let chunks = parts.into_iter().flat_map(|part| part.chunks).collect();
        Self { chunks }
    }
}

impl FromIterator<Record> for Records {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut all = Self::default();
        records.into_iter().for_each(|record| all.push(record));
        all
    }
}
