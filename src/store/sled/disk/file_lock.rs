//! sled's own lock on its file. Our lock on the data directory keeps other
//! processes out, but a database that was just closed in this one may hold its
//! file a moment longer: sled's threads let go of it when they are done.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a database that was closed may take to let go. Threads that wait
/// for a busy processor or a slow disk are far below it.
const WAIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// Returns once nobody holds the file of this database, or there is none.
///
/// # Errors
/// `WouldBlock`: somebody still holds it after five seconds. sled itself would
/// answer `Other` at once, which can not be told from damage.
pub fn wait_until_free(db_dir: &Path) -> io::Result<()> {
    let file = match File::open(db_dir.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if started.elapsed() >= WAIT => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Err(TryLockError::WouldBlock) => sleep(PAUSE),
        }
    }
}
