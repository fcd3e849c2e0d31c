//! One of the parts that the sessions are spread over by their id: a slab of
//! entries that never move, and the map from id to place.

use hashbrown::HashTable;

use super::entry::Entry;
use crate::model::SessionId;

/// Parts of the table; a part that grows or changes holds up only its own.
pub(super) const SHARDS: usize = 64;
/// Entries in one piece of the slab.
const CHUNK_ENTRIES: usize = 64;

/// Names a place in the table: `place in the shard << 6 | shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u32);

impl Slot {
    /// The slot at a place of a shard.
    pub(super) fn new(place: usize, shard: usize) -> Self {
        Self(u32::try_from(place * SHARDS + shard).expect("memory ends before slots do"))
    }

    /// Which shard.
    pub(super) const fn shard(self) -> usize {
        self.0 as usize % SHARDS
    }

    /// Which place in it.
    pub(super) const fn place(self) -> usize {
        self.0 as usize / SHARDS
    }
}

/// The hash of an id, split into the bits that choose the shard and others.
#[derive(Clone, Copy)]
pub(super) struct IdHash(pub(super) u64);

impl IdHash {
    /// Which shard.
    pub(super) fn shard(self) -> usize {
        usize::from(self.0.to_le_bytes()[0]) % SHARDS
    }

    /// What the map keeps of it. Whole ids are compared as well: equal tags
    /// only cost a look at the entry.
    fn tag(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("half of a u64")
    }
}

/// An id's tag and its place.
struct Place {
    tag: u32,
    at: u32,
}

/// Spreads a tag over the 64 bits that the map looks at, so that it can grow
/// without reading entries.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Sessions of one part.
#[derive(Default)]
pub(super) struct Shard {
    places: HashTable<Place>,
    chunks: Vec<Vec<Entry>>,
    free: Vec<u32>,
}

impl Shard {
    /// Makes room for this many more sessions.
    pub(super) fn reserve(&mut self, more: usize) {
        self.places.reserve(more, |place| spread(place.tag));
    }

    /// The place and entry of an id.
    pub(super) fn find(&self, hash: IdHash, id: &SessionId) -> Option<(usize, &Entry)> {
        let place = self.places.find(spread(hash.tag()), |place| {
            place.tag == hash.tag() && self.at(place.at as usize).id == *id
        })?;
        Some((place.at as usize, self.at(place.at as usize)))
    }

    /// The entry at a place, whatever is in it.
    pub(super) fn at(&self, place: usize) -> &Entry {
        &self.chunks[place / CHUNK_ENTRIES][place % CHUNK_ENTRIES]
    }

    /// How many places there are, free ones included.
    pub(super) fn places(&self) -> usize {
        self.chunks.last().map_or(0, |last| {
            (self.chunks.len() - 1) * CHUNK_ENTRIES + last.len()
        })
    }

    /// Puts an entry into a free place. Its id must not be in the shard.
    pub(super) fn put(&mut self, hash: IdHash, entry: Entry) -> usize {
        let at = match self.free.pop() {
            Some(at) => {
                let place = at as usize;
                self.chunks[place / CHUNK_ENTRIES][place % CHUNK_ENTRIES] = entry;
                at
            }
            None => self.push(entry),
        };
        let place = Place {
            tag: hash.tag(),
            at,
        };
        self.places
            .insert_unique(spread(place.tag), place, |place| spread(place.tag));
        at as usize
    }

    fn push(&mut self, entry: Entry) -> u32 {
        let at = u32::try_from(self.places()).expect("memory ends before places do");
        if self
            .chunks
            .last()
            .is_none_or(|chunk| chunk.len() == CHUNK_ENTRIES)
        {
            self.chunks.push(Vec::with_capacity(CHUNK_ENTRIES));
        }
        self.chunks
            .last_mut()
            .expect("one was just made")
            .push(entry);
        at
    }

    /// Takes an id out of the map. Its entry stays as it is until its place
    /// is given free.
    pub(super) fn unlink(&mut self, hash: IdHash, id: &SessionId) {
        let Self { places, chunks, .. } = self;
        let found = places.find_entry(spread(hash.tag()), |place| {
            let at = place.at as usize;
            place.tag == hash.tag() && chunks[at / CHUNK_ENTRIES][at % CHUNK_ENTRIES].id == *id
        });
        if let Ok(found) = found {
            found.remove();
        }
    }

    /// A place that was unlinked may be used again.
    pub(super) fn give_free(&mut self, place: usize) {
        self.free.push(u32::try_from(place).expect("was a u32"));
    }

    /// How many ids it holds.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}
