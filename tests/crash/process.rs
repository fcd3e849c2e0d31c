//! A server process whose start may fail or be cut off: both are outcomes that
//! a crash test counts. Killed when dropped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A server that does not listen after this long has failed to start.
pub(crate) const START_MAX: Duration = Duration::from_secs(120);
/// A server that has not stopped after this long is stuck: it has 10 s to drain.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How much of a log is shown.
const LOG_CHARS_MAX: usize = 1_500;

/// A process that was told to serve.
pub(crate) struct Process {
    child: Child,
    first_line: Receiver<String>,
    log: Option<JoinHandle<String>>,
    started: Instant,
}

impl Process {
    /// Starts a process and does not wait for anything.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, first_line) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let mut stdout = BufReader::new(stdout);
            let _ = stdout.read_line(&mut line);
            let _ = sender.send(line);
            // A command that nobody listens to any more would fail.
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            first_line,
            log: Some(log),
            started,
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server listens: its address and how long that took, or
    /// what it said instead.
    pub(crate) fn listening(&mut self) -> Result<(String, Duration), String> {
        let line = self.first_line.recv_timeout(START_MAX).unwrap_or_default();
        let took = self.started.elapsed();
        match line.trim().strip_prefix("tillgate listening on http://") {
            Some(address) => Ok((address.to_owned(), took)),
            None => Err(format!("after {took:?}: {}", self.kill())),
        }
    }

    /// SIGKILL, waits for the end, answers the end of the log.
    pub(crate) fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.take_log()
    }

    /// SIGTERM, waits for the end; the log when that was no clean stop.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        match self.wait(STOP_MAX) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("stopped with {status}: {}", self.take_log())),
            None => Err(format!("does not stop: {}", self.kill())),
        }
    }

    /// Waits for the process's own end, at most this long.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + at_most;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn take_log(&mut self) -> String {
        let log = self.whole_log();
        let skip = log.chars().count().saturating_sub(LOG_CHARS_MAX);
        log.chars().skip(skip).collect()
    }

    /// All that it said on standard error, once it has ended.
    pub(crate) fn whole_log(&mut self) -> String {
        self.log
            .take()
            .and_then(|log| log.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
