//! The log in files of bounded size. A thread of its own writes them, behind a
//! bounded queue: a request hands its line over and goes on, and a line for
//! which there is no room, in the queue or on the disk, is lost and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::meter::Counter;

/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 8_192;
/// How long the end of the process waits for what is in the queue.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Which files.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    /// The one that is written.
    pub(super) path: PathBuf,
    /// How long it gets.
    pub(super) bytes_max: u64,
    /// How many older ones stand beside it.
    pub(super) keep: usize,
}

/// The way of lines into the files.
#[derive(Clone, Debug)]
pub(super) struct FileLog {
    lines: SyncSender<Vec<u8>>,
    lost: Arc<Counter>,
}

/// Keeps the log going; what is in the queue when it is dropped is written
/// first, if the disk takes it in time.
#[derive(Debug)]
pub struct Flush {
    stop: Option<Sender<()>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Starts writing. Fails when the file can not be opened.
pub(super) fn start(to: &LogFile) -> io::Result<(FileLog, Flush)> {
    let mut files = Files::open(to)?;
    let (lines, queue) = sync_channel(QUEUE_LINES_MAX);
    let (stop, stopped) = channel::<()>();
    let (finished, done) = channel();
    let lost = Arc::new(Counter::default());
    let losses = Arc::clone(&lost);
    let thread = std::thread::Builder::new()
        .name("tillgate-log".to_owned())
        .spawn(move || {
            write_until_stopped(&mut files, &queue, &stopped, &losses);
            // Whoever waited may have gone.
            let _ = finished.send(());
        })?;
    let flush = Flush {
        stop: Some(stop),
        done,
        thread: Some(thread),
    };
    Ok((FileLog { lines, lost }, flush))
}

/// How often the thread looks whether the process ends.
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn write_until_stopped(
    files: &mut Files,
    queue: &Receiver<Vec<u8>>,
    stopped: &Receiver<()>,
    lost: &Counter,
) {
    let mut told = 0;
    loop {
        let line = match stopped.try_recv() {
            // Only what is there already.
            Err(std::sync::mpsc::TryRecvError::Disconnected) | Ok(()) => match queue.try_recv() {
                Ok(line) => line,
                Err(_) => return,
            },
            Err(std::sync::mpsc::TryRecvError::Empty) => match queue.recv_timeout(LOOK_EVERY) {
                Ok(line) => line,
                Err(_) => continue,
            },
        };
        if files.write(&line).is_err() {
            lost.count();
        } else if lost.get() > told {
            let lines = lost.get() - told;
            told += lines;
            tracing::warn!(target: "log", lines, "lines are missing in the log file: it could not be written fast enough, or at all");
        }
    }
}

impl Write for &FileLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.lines.try_send(line.to_vec()) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost.count(),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for FileLog {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A disk that does not answer must not keep the process.
        if self.done.recv_timeout(FLUSH_MAX).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// The file that is written, and the older ones beside it: the newest is `.1`.
#[derive(Debug)]
struct Files {
    path: PathBuf,
    bytes_max: u64,
    keep: usize,
    file: File,
    bytes: u64,
}

impl Files {
    fn open(to: &LogFile) -> io::Result<Self> {
        let file = open(&to.path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: to.path.clone(),
            bytes_max: to.bytes_max,
            keep: to.keep,
            file,
            bytes,
        })
    }

    /// Writes a whole line, or none of it.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let long = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(long) > self.bytes_max {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(line) {
            // A piece of a line would spoil the next one.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += long;
        Ok(())
    }

    /// Moves every file one place on; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            self.file.set_len(0)?;
        } else {
            for number in (1..self.keep).rev() {
                move_on(&self.numbered(number), &self.numbered(number + 1))?;
            }
            move_on(&self.path, &self.numbered(1))?;
            self.file = open(&self.path)?;
        }
        self.bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}

fn move_on(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path, keep: usize) -> Files {
        let to = LogFile {
            path: folder.join("log"),
            bytes_max: 20,
            keep,
        };
        Files::open(&to).expect("a file")
    }

    fn read(folder: &Path, name: &str) -> Option<String> {
        std::fs::read_to_string(folder.join(name)).ok()
    }

    #[test]
    fn a_full_file_moves_on_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = files(folder.path(), 2);
        for number in 0..8 {
            files
                .write(format!("line {number}...\n").as_bytes())
                .expect("written");
        }

        let text = |name: &str| read(folder.path(), name);
        assert_eq!(text("log").as_deref(), Some("line 6...\nline 7...\n"));
        assert_eq!(text("log.1").as_deref(), Some("line 4...\nline 5...\n"));
        assert_eq!(text("log.2").as_deref(), Some("line 2...\nline 3...\n"));
        assert_eq!(text("log.3"), None);
    }

    #[test]
    fn a_line_that_is_longer_than_a_file_has_one_to_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = files(folder.path(), 1);
        files.write(b"short\n").expect("written");
        files.write(&[b'x'; 50]).expect("written");
        files.write(b"short\n").expect("written");

        assert_eq!(read(folder.path(), "log").as_deref(), Some("short\n"));
        let long = read(folder.path(), "log.1").expect("the file before");
        assert_eq!(long.len(), 50);
    }

    #[test]
    fn a_start_goes_on_behind_what_is_there_and_none_kept_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        files(folder.path(), 0)
            .write(b"of the run before\n")
            .expect("written");
        let mut files = files(folder.path(), 0);
        assert_eq!(files.bytes, 18);
        files.write(b"too long for both\n").expect("written");

        assert_eq!(
            read(folder.path(), "log").as_deref(),
            Some("too long for both\n")
        );
        assert_eq!(read(folder.path(), "log.1"), None);
    }

    #[test]
    fn a_line_for_which_there_is_no_room_is_lost_and_the_next_one_is_tried() {
        let to = LogFile {
            path: "/dev/full".into(),
            bytes_max: 1_000,
            keep: 1,
        };
        let (log, flush) = start(&to).expect("it can be opened");
        for _ in 0..3 {
            (&log).write_all(b"a line\n").expect("never fails");
        }
        let lost = Arc::clone(&log.lost);
        drop(flush);
        assert_eq!(lost.get(), 3);
    }
}
