//! The side file: the number of the last synced group, beside the database.
//!
//! ```text
//! slot 0, slot 1:  number (8) | epoch (8) | CRC-32 of both (4) | zero (4)
//! ```
//!
//! Written after every synced group and never synced itself, so it may be old,
//! but never ahead of what the database had on disk. A database that is behind
//! it has lost its newest groups.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SLOT_BYTES: usize = 24;

/// The open side file.
#[derive(Debug)]
pub struct Side {
    file: File,
    next: usize,
}

/// One slot, as somebody finds it who only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Never written.
    Empty,
    /// Its checksum does not fit: torn by a power cut, or damaged.
    Torn,
    /// What it says.
    Good(Seen),
}

/// The first byte of each slot.
pub const SLOTS: [usize; 2] = [0, SLOT_BYTES];

/// Looks at both slots and makes nothing; `None` when there is no file.
pub fn look(path: &Path) -> std::io::Result<Option<[Slot; 2]>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(SLOTS.map(|at| {
        let slot = bytes.get(at..(at + SLOT_BYTES).min(bytes.len()));
        let slot = slot.unwrap_or_default();
        if slot.iter().all(|byte| *byte == 0) {
            return Slot::Empty;
        }
        parse(slot).map_or(Slot::Torn, Slot::Good)
    })))
}

/// What a slot says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The number of a group that was synced.
    pub commit: u64,
    /// Its epoch.
    pub epoch: u64,
}

impl Side {
    /// Opens or makes the file and reads its newest good slot.
    pub fn open(path: &Path) -> std::io::Result<(Self, Seen)> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut bytes = [0; 2 * SLOT_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        let slots = [parse(&bytes[..SLOT_BYTES]), parse(&bytes[SLOT_BYTES..])];
        let newest = slots.iter().flatten().max().copied().unwrap_or_default();
        let next = usize::from(slots[0] == Some(newest));
        Ok((Self { file, next }, newest))
    }

    /// Notes a group that is on the disk.
    pub fn note(&mut self, commit: u64, epoch: u64) -> std::io::Result<()> {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&commit.to_le_bytes());
        slot[8..16].copy_from_slice(&epoch.to_le_bytes());
        let checksum = crc32fast::hash(&slot[..16]);
        slot[16..20].copy_from_slice(&checksum.to_le_bytes());
        self.file
            .write_all_at(&slot, (self.next * SLOT_BYTES) as u64)?;
        self.next = 1 - self.next;
        Ok(())
    }
}

fn parse(slot: &[u8]) -> Option<Seen> {
    let number = |at: usize| Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    let good = crc32fast::hash(slot.get(..16)?).to_le_bytes() == *slot.get(16..20)?;
    good.then_some(Seen {
        commit: number(0)?,
        epoch: number(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_good_slot_counts() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("side");
        let (mut side, seen) = Side::open(&path).expect("opens");
        assert_eq!(seen, Seen::default());
        for commit in 1..=5 {
            side.note(commit, 1).expect("written");
        }
        let (mut side, seen) = Side::open(&path).expect("opens");
        assert_eq!(
            seen,
            Seen {
                commit: 5,
                epoch: 1
            }
        );
        side.note(6, 1).expect("written");

        // The slot of group 6 is torn: group 5 still counts.
        let mut bytes = std::fs::read(&path).expect("read");
        let at = if bytes[0] == 6 { 0 } else { SLOT_BYTES };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).expect("written");
        assert_eq!(
            Side::open(&path).expect("opens").1,
            Seen {
                commit: 5,
                epoch: 1
            }
        );
    }
}
