//! The clocks of the system, and whether a time server steers them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::TimeSource;
use crate::model::Timestamp;

/// Where systemd's program lies; not searched for, so that nobody's PATH
/// decides what is believed.
const TIMEDATECTL: &str = "/usr/bin/timedatectl";
/// How long it may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How often to look whether it has answered.
const ANSWER_LOOK: Duration = Duration::from_millis(10);

/// The system's own clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimeSource;

impl TimeSource for SystemTimeSource {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the place that asks the system"
    )]
    fn wall(&self) -> Timestamp {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }

    fn boot(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        // Both are never negative on a clock that starts at zero.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// Asks systemd for the kernel's own flag, which setting the clock by hand
    /// clears at once. The kernel can not be asked directly without unsafe
    /// code. Where there is no systemd the answer is no.
    fn ntp_synchronised(&self) -> bool {
        let asked = Command::new(TIMEDATECTL)
            .args(["show", "--property=NTPSynchronized", "--value"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        asked.is_ok_and(|child| answer(child).as_deref() == Some("yes"))
    }
}

/// What a program says, if it says so in time and succeeds.
fn answer(mut child: Child) -> Option<String> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if started.elapsed() < ANSWER_TIMEOUT => std::thread::sleep(ANSWER_LOOK),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    let output = child.wait_with_output().ok()?;
    String::from_utf8(output.stdout)
        .ok()
        .map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clocks_move_on() {
        let source = SystemTimeSource;
        let (wall, boot) = (source.wall(), source.boot());
        std::thread::sleep(Duration::from_millis(5));
        assert!(source.wall() > wall);
        assert!(source.boot() >= boot + Duration::from_millis(5));
    }

    #[test]
    fn a_program_that_fails_or_does_not_end_gives_no_answer() {
        let run = |program: &str, argument: &str| {
            let mut command = Command::new(program);
            answer(
                command
                    .arg(argument)
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap(),
            )
        };
        assert_eq!(run("echo", "yes").as_deref(), Some("yes"));
        assert_eq!(run("false", ""), None);
        assert_eq!(run("sleep", "60"), None);
    }
}
