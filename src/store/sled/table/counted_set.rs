//! A sorted set that knows the rank of every key: a list of sorted chunks.
//!
//! A copy shares the chunks and costs one reference count for each, so a
//! reader takes the whole set of one instant in microseconds and walks it
//! without a lock; a change afterwards copies only the chunk it meets.

use std::ops::Range;
use std::sync::Arc;

/// Keys in one chunk at most: an insert moves half of them on average.
pub(super) const CHUNK_KEYS_MAX: usize = 256;

/// A sorted set of small keys.
///
/// Invariants: no chunk is empty, none is longer than `MAX`; keys ascend within
/// and across chunks; `firsts` and `counts` mirror the chunks.
#[derive(Clone, Debug)]
pub(super) struct CountedSet<K, const MAX: usize = CHUNK_KEYS_MAX> {
    chunks: Vec<Arc<Vec<K>>>,
    /// The first key of each chunk.
    firsts: Vec<K>,
    /// How many keys each chunk holds.
    counts: Vec<u32>,
    len: usize,
}

impl<K: Copy + Ord, const MAX: usize> CountedSet<K, MAX> {
    /// Chunks are built this full, so that the first inserts do not split them.
    const BUILT: usize = MAX - MAX / 8;

    /// An empty set.
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            firsts: Vec::new(),
            counts: Vec::new(),
            len: 0,
        }
    }

    /// A set of keys that ascend strictly.
    pub(super) fn from_sorted(keys: &[K]) -> Self {
        let chunks = keys.chunks(Self::BUILT);
        Self {
            firsts: chunks.clone().map(|chunk| chunk[0]).collect(),
            counts: chunks.clone().map(count_of).collect(),
            chunks: chunks.map(|chunk| Arc::new(chunk.to_vec())).collect(),
            len: keys.len(),
        }
    }

    /// How many keys it holds.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The smallest key.
    pub(super) fn first(&self) -> Option<K> {
        self.firsts.first().copied()
    }

    /// Whether a key is in.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.chunk_of(key)
            .is_some_and(|chunk| self.chunks[chunk].binary_search(key).is_ok())
    }

    /// The key that has `rank` smaller ones.
    pub(super) fn get(&self, rank: usize) -> Option<K> {
        let (chunk, at) = self.locate(rank);
        self.chunks
            .get(chunk)
            .and_then(|chunk| chunk.get(at))
            .copied()
    }

    /// How many keys are smaller than this one, which need not be in the set.
    pub(super) fn rank(&self, key: &K) -> usize {
        let Some(chunk) = self.chunk_of(key) else {
            return 0;
        };
        let before: usize = self.counts[..chunk]
            .iter()
            .map(|count| *count as usize)
            .sum();
        before + self.chunks[chunk].partition_point(|other| other < key)
    }

    /// The keys of these ranks, from either end.
    pub(super) fn range(&self, ranks: Range<usize>) -> Keys<'_, K, MAX> {
        let end = ranks.end.min(self.len);
        let left = end.saturating_sub(ranks.start);
        Keys {
            set: self,
            front: self.locate(ranks.start),
            back: self.locate(end),
            left,
        }
    }

    /// Puts a key in; `false` if it was there.
    pub(super) fn insert(&mut self, key: K) -> bool {
        let Some(chunk) = self.chunk_of(&key) else {
            self.len += 1;
            self.put_chunk_or_prepend(key);
            return true;
        };
        let Err(at) = self.chunks[chunk].binary_search(&key) else {
            return false;
        };
        self.len += 1;
        if self.chunks[chunk].len() < MAX {
            self.put(chunk, at, key);
        } else if chunk + 1 == self.chunks.len() && at == MAX {
            // Keys that only ever grow fill their chunks to the brim.
            self.put_chunk(chunk + 1, vec![key]);
        } else {
            self.split(chunk);
            let (chunk, at) = if at <= MAX / 2 {
                (chunk, at)
            } else {
                (chunk + 1, at - MAX / 2)
            };
            self.put(chunk, at, key);
        }
        true
    }

    /// Takes a key out; `false` if it was not there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let Some(chunk) = self.chunk_of(key) else {
            return false;
        };
        let Ok(at) = self.chunks[chunk].binary_search(key) else {
            return false;
        };
        self.len -= 1;
        let keys = Arc::make_mut(&mut self.chunks[chunk]);
        keys.remove(at);
        if keys.is_empty() {
            self.drop_chunk(chunk);
            return true;
        }
        self.mirror(chunk);
        if self.chunks[chunk].len() < MAX / 2 {
            self.merge_around(chunk);
        }
        true
    }

    /// The chunk that holds the key or would; `None` when it stands before all.
    fn chunk_of(&self, key: &K) -> Option<usize> {
        // Most keys that are put in are the greatest so far.
        if self.firsts.last().is_some_and(|first| first <= key) {
            return Some(self.firsts.len() - 1);
        }
        self.firsts
            .partition_point(|first| first <= key)
            .checked_sub(1)
    }

    /// Chunk and place of a rank; behind the last key: the place after it.
    fn locate(&self, rank: usize) -> (usize, usize) {
        let mut before = 0;
        for (chunk, count) in self.counts.iter().enumerate() {
            let count = *count as usize;
            if rank < before + count {
                return (chunk, rank - before);
            }
            before += count;
        }
        (self.chunks.len(), 0)
    }

    /// Puts a key in front of all others.
    fn put_chunk_or_prepend(&mut self, key: K) {
        match self.chunks.first() {
            Some(chunk) if chunk.len() < MAX => self.put(0, 0, key),
            _ => self.put_chunk(0, vec![key]),
        }
    }

    fn put(&mut self, chunk: usize, at: usize, key: K) {
        let keys = Arc::make_mut(&mut self.chunks[chunk]);
        if keys.len() == keys.capacity() {
            // Doubling would leave half of the memory unused for good.
            keys.reserve_exact((MAX / 8).max(1));
        }
        keys.insert(at, key);
        self.mirror(chunk);
    }

    fn split(&mut self, chunk: usize) {
        let keys = Arc::make_mut(&mut self.chunks[chunk]);
        let behind = keys.split_off(MAX / 2);
        keys.shrink_to(MAX / 2 + MAX / 8);
        self.mirror(chunk);
        self.put_chunk(chunk + 1, behind);
    }

    /// Joins a sparse chunk with a neighbour when both fit with room to spare.
    fn merge_around(&mut self, chunk: usize) {
        let fits = |a: usize, b: usize| {
            let both = self.chunks.get(a).zip(self.chunks.get(b));
            both.is_some_and(|(a, b)| a.len() + b.len() <= Self::BUILT)
        };
        let left = if fits(chunk, chunk + 1) {
            chunk
        } else if chunk > 0 && fits(chunk - 1, chunk) {
            chunk - 1
        } else {
            return;
        };
        let behind = Arc::clone(&self.chunks[left + 1]);
        self.drop_chunk(left + 1);
        let keys = Arc::make_mut(&mut self.chunks[left]);
        keys.reserve_exact(behind.len());
        keys.extend_from_slice(&behind);
        self.mirror(left);
    }

    fn put_chunk(&mut self, at: usize, keys: Vec<K>) {
        self.firsts.insert(at, keys[0]);
        self.counts.insert(at, count_of(&keys));
        self.chunks.insert(at, Arc::new(keys));
    }

    fn drop_chunk(&mut self, at: usize) {
        self.firsts.remove(at);
        self.counts.remove(at);
        self.chunks.remove(at);
    }

    fn mirror(&mut self, chunk: usize) {
        self.firsts[chunk] = self.chunks[chunk][0];
        self.counts[chunk] = count_of(&self.chunks[chunk]);
    }

    /// Whether every invariant holds.
    pub(super) fn is_sound(&self) -> bool {
        let keys = || self.chunks.iter().flat_map(|chunk| chunk.iter());
        let mirrors = self.chunks.iter().zip(self.firsts.iter().zip(&self.counts));
        self.chunks.len() == self.firsts.len()
            && self.chunks.len() == self.counts.len()
            && self
                .chunks
                .iter()
                .all(|chunk| (1..=MAX).contains(&chunk.len()))
            && mirrors
                .into_iter()
                .all(|(c, (first, n))| c[0] == *first && count_of(c) == *n)
            && keys().is_sorted_by(|a, b| a < b)
            && keys().count() == self.len
    }
}

fn count_of<K>(keys: &[K]) -> u32 {
    u32::try_from(keys.len()).expect("a chunk holds at most a few hundred keys")
}

/// Keys in order, from either end.
pub(super) struct Keys<'a, K, const MAX: usize> {
    set: &'a CountedSet<K, MAX>,
    /// Chunk and place of the next key.
    front: (usize, usize),
    /// Chunk and place behind the last key.
    back: (usize, usize),
    left: usize,
}

impl<K: Copy, const MAX: usize> Iterator for Keys<'_, K, MAX> {
    type Item = K;

    fn next(&mut self) -> Option<K> {
        self.left = self.left.checked_sub(1)?;
        let (chunk, at) = self.front;
        let keys = &self.set.chunks[chunk];
        self.front = if at + 1 < keys.len() {
            (chunk, at + 1)
        } else {
            (chunk + 1, 0)
        };
        Some(keys[at])
    }
}

impl<K: Copy, const MAX: usize> DoubleEndedIterator for Keys<'_, K, MAX> {
    fn next_back(&mut self) -> Option<K> {
        self.left = self.left.checked_sub(1)?;
        let (chunk, at) = self.back;
        self.back = match at.checked_sub(1) {
            Some(at) => (chunk, at),
            None => (chunk - 1, self.set.chunks[chunk - 1].len() - 1),
        };
        let (chunk, at) = self.back;
        Some(self.set.chunks[chunk][at])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Puts in or takes out by turns, runs of neighbours included, so that
    /// chunks split, empty and merge.
    fn follows_a_btree_set<const MAX: usize>(steps: &[(bool, u16, u8)]) {
        let mut ours = CountedSet::<u64, MAX>::new();
        let mut theirs = BTreeSet::new();
        for (puts, from, run) in steps {
            for key in u64::from(*from)..u64::from(*from) + u64::from(*run) {
                assert_eq!(ours.contains(&key), theirs.contains(&key));
                if *puts {
                    assert_eq!(ours.insert(key), theirs.insert(key));
                } else {
                    assert_eq!(ours.remove(&key), theirs.remove(&key));
                }
            }
            assert!(ours.is_sound());
            compare(&ours, &theirs, u64::from(*from));
        }
        let list: Vec<u64> = theirs.iter().copied().collect();
        let sorted = CountedSet::<u64, MAX>::from_sorted(&list);
        assert!(sorted.is_sound());
        compare(&sorted, &theirs, 0);
    }

    fn compare<const MAX: usize>(ours: &CountedSet<u64, MAX>, theirs: &BTreeSet<u64>, probe: u64) {
        let list: Vec<u64> = theirs.iter().copied().collect();
        assert_eq!(ours.len(), list.len());
        assert_eq!(ours.first(), list.first().copied());
        let rank = ours.rank(&probe);
        assert_eq!(rank, theirs.range(..probe).count());
        assert_eq!(ours.get(rank), list.get(rank).copied());
        assert!(ours.range(0..usize::MAX).eq(list.iter().copied()));
        let (from, to) = (rank.min(list.len()), (rank + 20).min(list.len()));
        assert!(
            ours.range(from..to)
                .rev()
                .eq(list[from..to].iter().rev().copied())
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn with_small_chunks_it_is_a_btree_set_that_counts(
            steps in prop::collection::vec((any::<bool>(), 0u16..300, 0u8..40), 1..60)
        ) {
            follows_a_btree_set::<8>(&steps);
        }

        #[test]
        fn with_full_chunks_it_is_a_btree_set_that_counts(
            steps in prop::collection::vec((any::<bool>(), 0u16..3000, 0u8..255), 1..60)
        ) {
            follows_a_btree_set::<CHUNK_KEYS_MAX>(&steps);
        }
    }

    #[test]
    fn a_copy_keeps_its_instant_while_the_set_changes() {
        let keys: Vec<u64> = (0..1_000).collect();
        let mut set = CountedSet::<u64>::from_sorted(&keys);
        let copy = set.clone();

        (0..1_000).for_each(|key| assert!(set.remove(&key)));
        set.insert(5_000);

        assert!(copy.is_sound() && copy.range(0..1_000).eq(0..1_000));
        assert_eq!((set.len(), set.first()), (1, Some(5_000)));
    }

    #[test]
    fn growing_keys_fill_their_chunks() {
        let mut set = CountedSet::<u64>::new();
        (0..10_240).for_each(|key| assert!(set.insert(key)));
        assert_eq!(set.chunks.len(), 10_240 / CHUNK_KEYS_MAX);
    }
}
