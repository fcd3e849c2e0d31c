//! A part of a list: open, as records to be read and changed, or packed, as the
//! bytes that the disk has of them, in a third of the memory. Records are
//! written once and seldom read, so all but the newest are packed.

use std::sync::Arc;

use super::Filed;
use crate::store::sled::codec::Names;

/// Records in ascending order of their keys. Never empty once in a list.
#[derive(Debug)]
pub(super) enum Chunk<R: Filed> {
    /// As records.
    Open(Arc<Vec<Arc<R>>>),
    /// As bytes.
    Packed(Arc<Packed<R>>),
}

/// The bytes of records, one after the other.
#[derive(Debug)]
pub(super) struct Packed<R: Filed> {
    first: Arc<R>,
    keys: Box<[R::Key]>,
    /// Where the bytes of each record end.
    ends: Box<[u32]>,
    bytes: Box<[u8]>,
    minor: usize,
}

impl<R: Filed> Clone for Chunk<R> {
    fn clone(&self) -> Self {
        match self {
            Self::Open(records) => Self::Open(Arc::clone(records)),
            Self::Packed(packed) => Self::Packed(Arc::clone(packed)),
        }
    }
}

impl<R: Filed> Chunk<R> {
    pub(super) fn open(records: Vec<Arc<R>>) -> Self {
        Self::Open(Arc::new(records))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Open(records) => records.len(),
            Self::Packed(packed) => packed.keys.len(),
        }
    }

    pub(super) fn first(&self) -> &R {
        match self {
            Self::Open(records) => &records[0],
            Self::Packed(packed) => &packed.first,
        }
    }

    /// Where the record with this key is, or belongs.
    pub(super) fn find(&self, key: R::Key) -> Result<usize, usize> {
        match self {
            Self::Open(records) => records.binary_search_by_key(&key, |record| record.key()),
            Self::Packed(packed) => packed.keys.binary_search(&key),
        }
    }

    pub(super) fn record(&self, at: usize) -> Arc<R> {
        match self {
            Self::Open(records) => Arc::clone(&records[at]),
            Self::Packed(packed) => packed.record(at, &mut Names::default()),
        }
    }

    pub(super) fn records(&self) -> Arc<Vec<Arc<R>>> {
        match self {
            Self::Open(records) => Arc::clone(records),
            Self::Packed(packed) => {
                let mut names = Names::default();
                let all = (0..packed.keys.len()).map(|at| packed.record(at, &mut names));
                Arc::new(all.collect())
            }
        }
    }

    /// How many of the records are [minor](Filed::is_minor).
    pub(super) fn minor(&self) -> usize {
        match self {
            Self::Open(records) => records.iter().filter(|record| record.is_minor()).count(),
            Self::Packed(packed) => packed.minor,
        }
    }

    /// The records, to be changed: from here on the chunk is open.
    pub(super) fn change(&mut self) -> &mut Vec<Arc<R>> {
        *self = Self::Open(self.records());
        match self {
            Self::Open(records) => Arc::make_mut(records),
            Self::Packed(_) => unreachable!("it was opened above"),
        }
    }

    pub(super) fn pack(&mut self) {
        if let Self::Open(records) = self
            && !records.is_empty()
        {
            *self = Self::Packed(Arc::new(Packed::of(records)));
        }
    }
}

impl<R: Filed> Packed<R> {
    fn of(records: &[Arc<R>]) -> Self {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(records.len());
        for record in records {
            bytes.extend_from_slice(&record.packed());
            ends.push(u32::try_from(bytes.len()).expect("a chunk has at most some 100 kB"));
        }
        Self {
            first: Arc::clone(&records[0]),
            keys: records.iter().map(|record| record.key()).collect(),
            ends: ends.into(),
            bytes: bytes.into(),
            minor: records.iter().filter(|record| record.is_minor()).count(),
        }
    }

    fn record(&self, at: usize, names: &mut Names) -> Arc<R> {
        let place = |end: u32| usize::try_from(end).expect("an address has 32 bits at least");
        let from = at
            .checked_sub(1)
            .map_or(0, |before| place(self.ends[before]));
        let bytes = &self.bytes[from..place(self.ends[at])];
        let record = R::unpacked(self.keys[at], bytes, names);
        Arc::new(record.expect("these bytes were made from a record"))
    }
}
