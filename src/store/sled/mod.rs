//! The embedded store: what is true is in memory, in one table; what must
//! survive is in sled before anybody sees it.

pub mod record;
