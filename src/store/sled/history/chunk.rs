//! A part of a list: open, as records to be read and changed, or packed, as the
//! bytes that the disk has of them, compressed together, in a sixth of the
//! memory. Records are written once and seldom read, so all but the newest are
//! packed.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

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

/// The bytes of records. One large piece of memory and no small
/// ones: those would lie between what a start reads and lets go of, and hold all
/// of it.
#[derive(Debug)]
pub(super) struct Packed<R: Filed> {
    first_key: R::Key,
    len: usize,
    /// The first record's bytes as they are; behind them, compressed, those of
    /// the others, each with its length before it: four bytes in little-endian
    /// order.
    bytes: Box<[u8]>,
    /// Bytes of the first record.
    first: usize,
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
            Self::Packed(packed) => packed.len,
        }
    }

    pub(super) fn first_key(&self) -> R::Key {
        match self {
            Self::Open(records) => records[0].key(),
            Self::Packed(packed) => packed.first_key,
        }
    }

    pub(super) fn first(&self) -> Arc<R> {
        match self {
            Self::Open(records) => Arc::clone(&records[0]),
            Self::Packed(packed) => packed.first(),
        }
    }

    /// Where the record with this key is, or belongs.
    pub(super) fn find(&self, key: R::Key) -> Result<usize, usize> {
        match self {
            Self::Open(records) => records.binary_search_by_key(&key, |record| record.key()),
            Self::Packed(packed) => packed
                .records()
                .binary_search_by_key(&key, |record| record.key()),
        }
    }

    pub(super) fn records(&self) -> Arc<Vec<Arc<R>>> {
        match self {
            Self::Open(records) => Arc::clone(records),
            Self::Packed(packed) => Arc::new(packed.records()),
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
        let mut bytes = records[0].packed();
        let first = bytes.len();
        let mut packer = DeflateEncoder::new(&mut bytes, Compression::default());
        for record in &records[1..] {
            let packed = record.packed();
            let length = u32::try_from(packed.len()).expect("a record has at most some 100 kB");
            let whole = packer
                .write_all(&length.to_le_bytes())
                .and_then(|()| packer.write_all(&packed));
            whole.expect(MEMORY);
        }
        packer.finish().expect(MEMORY);
        Self {
            first_key: records[0].key(),
            len: records.len(),
            bytes: bytes.into(),
            first,
            minor: records.iter().filter(|record| record.is_minor()).count(),
        }
    }

    fn first(&self) -> Arc<R> {
        record(&self.bytes[..self.first], &mut Names::default())
    }

    fn records(&self) -> Vec<Arc<R>> {
        let (first, rest) = self.bytes.split_at(self.first);
        let mut names = Names::default();
        let mut records = Vec::with_capacity(self.len);
        records.push(record(first, &mut names));
        let mut unpacked = Vec::new();
        let whole = DeflateDecoder::new(rest).read_to_end(&mut unpacked);
        whole.expect("these bytes were packed here");
        let mut rest = unpacked.as_slice();
        while records.len() < self.len {
            let (length, behind) = rest.split_first_chunk().expect("a length for each record");
            let length = u32::from_le_bytes(*length);
            let length = usize::try_from(length).expect("an address has 32 bits at least");
            let (one, behind) = behind.split_at(length);
            records.push(record(one, &mut names));
            rest = behind;
        }
        records
    }
}

const MEMORY: &str = "memory takes every byte";

fn record<R: Filed>(bytes: &[u8], names: &mut Names) -> Arc<R> {
    let record = R::unpacked(bytes, names);
    Arc::new(record.expect("these bytes were made from a record"))
}
