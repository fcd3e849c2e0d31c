//! The embedded store: what is true is in memory, in one table; what must
//! survive is in sled before anybody sees it.

mod archive;
mod audit;
pub mod backup;
mod base;
mod codec;
mod decide;
mod digest;
mod disk;
pub mod doctor;
mod fence;
mod history;
mod journal;
mod keys;
mod lockouts;
mod op;
mod open;
mod proof;
pub mod record;
mod room;
mod shared;
mod side;
mod signed;
mod store;
pub mod table;
#[cfg(test)]
mod tests;
pub mod verify;
mod view;
mod writer;

pub use codec::FORMAT;
#[cfg(feature = "faults")]
pub use codec::{pretend, read_foreign};
pub use open::{Notice, OpenError};
pub use store::{Opened, SledStore};
