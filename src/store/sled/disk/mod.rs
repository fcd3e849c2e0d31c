//! The writer's way to the disk: one small trait, so that tests can make any
//! call of it fail, and the real one on sled.

mod batch;
mod blobs;
mod file_lock;
mod head;
mod sled_disk;
mod writes;

pub use batch::Batch;
pub use batch::meta_hash;
pub use head::Head;
pub use head::Stored;
pub use sled_disk::SledDisk;
pub use sled_disk::{Parts, Reader, Trees, as_io};
pub use writes::{Change, Index, Tree};

/// Room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free bytes for this process.
    pub free: u64,
    /// Too little for what begins or grows.
    pub low: bool,
}

/// Where groups go. Called by one thread only.
pub trait Disk: Send {
    /// Writes a group as a whole: after a kill it is there or it is not.
    ///
    /// # Errors
    /// The disk refused; whether the group is there is not known.
    fn commit(&mut self, batch: &Batch) -> std::io::Result<()>;

    /// Makes the committed group survive a power cut.
    ///
    /// # Errors
    /// Nobody can tell what would survive. Never to be tried again.
    fn sync(&mut self, batch: &Batch) -> std::io::Result<()>;

    /// How much room there is.
    fn room(&self) -> Room;
}
