//! What a tree should hold, in sixteen bytes: how many entries, and the sum of
//! their hashes. Kept up with every group, held against the tree at start: an
//! entry that is missing, older than it should be or one too many does not fit.

use serde::{Deserialize, Serialize};

/// The digest of one tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Entries.
    pub count: u64,
    /// Sum of the hashes of all entries.
    pub sum: u64,
}

impl Digest {
    /// An entry comes in.
    pub fn add(&mut self, hash: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash);
    }

    /// An entry goes out.
    pub fn remove(&mut self, hash: u64) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash);
    }

    /// Other entries come in.
    pub fn join(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Hashes bytes: FNV-1a over words of eight, then a mixing step so that sums of
/// similar keys do not cancel. Stable for ever: its sums stand on disk.
pub fn hash(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight"));
        state = mix((state ^ word).wrapping_mul(PRIME));
    }
    for byte in words.remainder() {
        state = (state ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    mix(state ^ bytes.len() as u64)
}

/// The hash of a record that is written again and again under one key: the key
/// and the number of the group that wrote it.
pub fn hash_written(key: &[u8], written: u64) -> u64 {
    mix(hash(key) ^ mix(written))
}

/// The last step of `SplitMix64`.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_changes_does_not_matter_and_an_older_version_does() {
        let (a, b) = (hash_written(b"a", 1), hash_written(b"b", 2));
        let mut one = Digest::default();
        one.add(a);
        one.add(b);
        let mut other = Digest::default();
        other.add(b);
        other.add(hash_written(b"a", 0));
        assert_ne!(one, other);
        other.remove(hash_written(b"a", 0));
        other.add(a);
        assert_eq!(one, other);
    }

    #[test]
    fn hashes_on_disk_never_change() {
        assert_eq!(hash(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_ne!(hash(b"\0"), hash(b""));
        assert_ne!(hash(b"12345678"), hash(b"12345678\0"));
    }
}
