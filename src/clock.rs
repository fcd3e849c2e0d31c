//! Wall, boot and trusted time. The only place that asks the system for the
//! time.
//!
//! Store PCs lose their clock battery, and somebody sets clocks by hand.
//! Trusted time is the later of the wall clock and the last stored mark plus
//! the time since the start, and a wall clock that jumps ahead is not believed
//! until somebody who knows says so. It is kept as one number, the distance
//! between trusted time and the boot clock: the boot clock never goes back and
//! counts suspends, the distance only grows, so trusted time never goes back.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::Timestamp;

mod system;

pub use system::SystemTimeSource;

/// How far ahead of the mark the wall clock may be at a start: longer than a
/// shop is closed.
const AHEAD_AT_START_MAX: Duration = Duration::from_hours(7 * 24);
/// How far the wall clock may move ahead while running, by all its steps
/// together since the start or the last confirmation.
const AHEAD_RUNNING_MAX: Duration = Duration::from_hours(1);
/// How far the wall clock may be behind before it is said to be.
const BEHIND_SHOWN_AFTER: Duration = Duration::from_secs(5);
/// How often the time source is asked whether it is synchronised.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How far the wall clock may have moved while the source was asked, for the
/// answer to be about the same clock.
const ASKED_SAME_CLOCK: Duration = Duration::from_secs(1);
/// This version was not built before 2026, so no wall clock is right that says
/// so.
pub const BUILT_AFTER: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Where times come from.
pub trait TimeSource: fmt::Debug + Send + Sync {
    /// The computer's clock. May be anything, and may jump.
    fn wall(&self) -> Timestamp;

    /// The time since the computer was started; counts suspends, never goes
    /// back.
    fn boot(&self) -> Duration;

    /// Whether the wall clock follows a time server right now. May take
    /// seconds.
    fn ntp_synchronised(&self) -> bool;
}

/// Whether the wall clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// Trusted time is the wall clock's.
    Good,
    /// The wall clock is behind trusted time, which goes on by itself.
    Behind,
    /// The wall clock is too far ahead to be believed; trusted time goes on by
    /// itself until the wall clock is confirmed.
    Unconfirmed,
}

/// How the clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStatus {
    /// Whether the wall clock is believed.
    pub state: ClockState,
    /// The computer's clock.
    pub wall: Timestamp,
    /// The time that counts.
    pub trusted: Timestamp,
}

/// The trusted time of one process.
#[derive(Debug)]
pub struct Clock {
    source: Box<dyn TimeSource>,
    /// Trusted time less boot time, in microseconds. Only grows, except by
    /// [`Clock::reset`].
    offset: AtomicI64,
    /// The greatest offset that the wall clock may ask for unconfirmed.
    offset_max: AtomicI64,
    /// Held by whoever changes one of the two.
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    /// What was last said in the log.
    told: ClockState,
    /// The boot time, in microseconds, before which the source is not asked
    /// again.
    ask_at: i64,
}

/// One look at both clocks, in microseconds.
#[derive(Clone, Copy)]
struct Look {
    wall: i64,
    boot: i64,
}

impl Look {
    /// The offset that the wall clock asks for.
    const fn offset(self) -> i64 {
        self.wall - self.boot
    }
}

impl Clock {
    /// Starts from the last stored mark; `None` when there never was one, and
    /// then the wall clock is believed unless it is older than this version. A
    /// mark that is older than this version is none.
    #[must_use]
    pub fn start(source: Box<dyn TimeSource>, mark: Option<Timestamp>) -> Self {
        let look = look(&*source);
        let mark = mark.filter(|mark| *mark >= BUILT_AFTER);
        let floor = wall_micros(mark.unwrap_or(BUILT_AFTER)) - look.boot;
        let ceiling = mark.map_or(i64::MAX, |_| floor + micros(AHEAD_AT_START_MAX));
        let believed = look.offset() <= ceiling;
        let offset = if believed {
            look.offset().max(floor)
        } else {
            floor
        };
        Self {
            source,
            offset: AtomicI64::new(offset),
            offset_max: AtomicI64::new(offset + micros(AHEAD_RUNNING_MAX)),
            changes: Mutex::new(Changes {
                told: ClockState::Good,
                ask_at: i64::MIN,
            }),
        }
    }

    /// The trusted time. Never goes back, except by [`Clock::reset`]; never
    /// holds anything of an unconfirmed wall clock, so it may always be stored
    /// as the mark. Two readings of the system's clocks and no lock.
    pub fn now(&self) -> Timestamp {
        let look = look(&*self.source);
        let offset = self.offset.load(Ordering::Acquire);
        if look.offset() > offset && look.offset() <= self.offset_max.load(Ordering::Acquire) {
            return self.follow();
        }
        timestamp(look.boot + offset)
    }

    /// Takes over a wall clock that is a little ahead.
    fn follow(&self) -> Timestamp {
        let _changes = self.changes.lock();
        // Looked at again: a reset may have come in between.
        let look = look(&*self.source);
        let mut offset = self.offset.load(Ordering::Acquire);
        if look.offset() > offset && look.offset() <= self.offset_max.load(Ordering::Acquire) {
            offset = look.offset();
            self.offset.store(offset, Ordering::Release);
        }
        timestamp(look.boot + offset)
    }

    /// Looks for jumps of the wall clock, says in the log what has changed, and
    /// asks whether an unconfirmed wall clock is synchronised. To be called
    /// about twice a second; takes seconds at most when
    /// [`Clock::wants_confirmation`], and no time otherwise.
    pub fn tick(&self) {
        let _ = self.now();
        if self.wants_confirmation() {
            self.ask();
        }
        let state = self.status().state;
        let told = std::mem::replace(&mut self.changes.lock().told, state);
        if told != state {
            self.tell(state);
        }
    }

    /// How it is.
    pub fn status(&self) -> ClockStatus {
        let trusted = self.now();
        let look = look(&*self.source);
        let state = self.state(look);
        ClockStatus {
            state,
            wall: timestamp(look.wall),
            trusted,
        }
    }

    fn state(&self, look: Look) -> ClockState {
        if look.offset() > self.offset_max.load(Ordering::Acquire) {
            ClockState::Unconfirmed
        } else if look.offset() + micros(BEHIND_SHOWN_AFTER) < self.offset.load(Ordering::Acquire) {
            ClockState::Behind
        } else {
            ClockState::Good
        }
    }

    /// Whether the next [`Clock::tick`] will ask the source whether the wall
    /// clock is synchronised, which takes a while.
    pub fn wants_confirmation(&self) -> bool {
        let look = look(&*self.source);
        self.state(look) == ClockState::Unconfirmed && look.boot >= self.changes.lock().ask_at
    }

    fn ask(&self) {
        let before = look(&*self.source);
        self.changes.lock().ask_at = before.boot + micros(ASK_EVERY);
        // Without the lock: requests go on while the source thinks.
        if !self.source.ntp_synchronised() {
            return;
        }
        let moved = look(&*self.source).offset() - before.offset();
        if moved.abs() <= micros(ASKED_SAME_CLOCK) {
            tracing::info!(target: "clock", "the time server confirms the computer's clock");
            self.confirm();
        }
    }

    /// The wall clock is right: trusted time goes on from it. Does not move
    /// trusted time back when the wall clock is behind.
    pub fn confirm(&self) {
        let _changes = self.changes.lock();
        let wanted = look(&*self.source).offset();
        self.set(wanted.max(self.offset.load(Ordering::Acquire)));
    }

    /// Trusted time becomes `wall` and goes on from there, back if need be.
    /// Whoever calls this has ended all sessions and stored the mark before.
    pub fn reset(&self, wall: Timestamp) {
        let _changes = self.changes.lock();
        self.set(wall_micros(wall) - look(&*self.source).boot);
    }

    fn set(&self, offset: i64) {
        self.offset_max
            .store(offset + micros(AHEAD_RUNNING_MAX), Ordering::Release);
        self.offset.store(offset, Ordering::Release);
    }

    fn tell(&self, state: ClockState) {
        let ClockStatus { wall, trusted, .. } = self.status();
        match state {
            ClockState::Good => {
                tracing::info!(target: "clock", %trusted, "the computer's clock is believed again");
            }
            ClockState::Behind => tracing::warn!(
                target: "clock", %wall, %trusted,
                "the computer's clock is behind; set it. Sessions go on by the trusted time"
            ),
            ClockState::Unconfirmed => tracing::warn!(
                target: "clock", %wall, %trusted,
                "the computer's clock has jumped ahead; if it is right, run 'tillgate clock confirm'"
            ),
        }
    }
}

/// The wall clock is read first: whatever comes between the two readings makes
/// the offset smaller and never pushes trusted time ahead of the wall clock.
fn look(source: &dyn TimeSource) -> Look {
    let wall = wall_micros(source.wall());
    Look {
        wall,
        boot: micros(source.boot()),
    }
}

fn wall_micros(time: Timestamp) -> i64 {
    // The years 0 to 9999 fit.
    time.as_millis() * 1000
}

fn micros(duration: Duration) -> i64 {
    // A computer that runs for 292,000 years is beyond this module.
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_millis(micros.div_euclid(1000))
}

#[cfg(test)]
mod tests;
