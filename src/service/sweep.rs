//! The background task that moves what is over to the archive.
//!
//! It is never what ends a session: from the instant of its deadline a session
//! is refused whether or not the sweep has run. It only tidies up.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::App;
use crate::model::Timestamp;
use crate::store::{Store, StoreError, Swept};

/// Sessions and archive records moved in one step; between steps other work
/// gets its turn.
const SWEEP_BATCH_MAX: usize = 64;
/// The longest sleep, also when nothing is due: the archive has its own
/// retention, and the clock may have been set.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// The shortest sleep, so that a stream of single deadlines is swept together.
const SLEEP_MIN: Duration = Duration::from_secs(1);
/// How many times as long as a step the pause behind it is.
const PAUSE_TIMES: u32 = 3;
/// The longest pause between two steps of one sweep.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How long to wait after a step that could not be written.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What the sweeper did last, for health, and the bell that wakes it.
#[derive(Debug, Default)]
pub struct SweeperState {
    report: Mutex<SweeperReport>,
    bell: Notify,
}

/// What the sweeper did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweeperReport {
    /// When it last came to an end of its work.
    pub last_run: Option<Timestamp>,
    /// Sessions moved to the archive since the start.
    pub ended: u64,
    /// Archive records forgotten since the start.
    pub purged: u64,
    /// Why the last step was not made.
    pub error: Option<StoreError>,
}

impl SweeperState {
    /// What it did so far.
    pub fn report(&self) -> SweeperReport {
        self.report.lock().clone()
    }

    /// A deadline came in that may be nearer than all others.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    fn note(&self, swept: &Swept, now: Timestamp) {
        let mut report = self.report.lock();
        report.last_run = Some(now);
        report.ended += u64::try_from(swept.ended).unwrap_or(0);
        report.purged += u64::try_from(swept.purged).unwrap_or(0);
        report.error = None;
    }
}

/// Sweeps until the task is dropped: wakes at the next deadline.
pub async fn run<S: Store>(app: Arc<App<S>>) {
    let mut whole = Swept::default();
    loop {
        let begun = Instant::now();
        match step(&app).await {
            Ok(swept) => {
                whole.ended += swept.ended;
                whole.purged += swept.purged;
                if swept.more {
                    // Much longer than it took: nobody waits for it, and others have the core.
                    tokio::time::sleep((begun.elapsed() * PAUSE_TIMES).min(PAUSE_MAX)).await;
                } else {
                    tell(&std::mem::take(&mut whole));
                    sleep(&app).await;
                }
            }
            Err(error) => {
                tell(&std::mem::take(&mut whole));
                app.sweeper.report.lock().error = Some(error);
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Sleeps until the next deadline, also when a nearer one comes in meanwhile.
async fn sleep<S: Store>(app: &App<S>) {
    let started = Instant::now();
    loop {
        let wake = until(app.store.next_deadline(), app.now());
        let wake = (Instant::now() + wake).clamp(started + SLEEP_MIN, started + SLEEP_MAX);
        tokio::select! {
            () = tokio::time::sleep_until(wake) => return,
            () = app.sweeper.bell.notified() => {}
        }
    }
}

async fn step<S: Store>(app: &App<S>) -> Result<Swept, StoreError> {
    let now = app.now();
    let swept = app.store.sweep(now, SWEEP_BATCH_MAX).await?;
    app.sweeper.note(&swept, now);
    Ok(swept)
}

/// What one sweep came to, in all its steps.
fn tell(swept: &Swept) {
    if swept.ended > 0 || swept.purged > 0 {
        let (ended, purged) = (swept.ended, swept.purged);
        tracing::info!(target: "sweep", ended, purged, "swept");
    }
}

fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let due = next.map_or(SLEEP_MAX, |next| next.since(now));
    due.min(SLEEP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweep_wakes_at_the_next_deadline() {
        let now = Timestamp::from_millis(1_000_000);
        let later = |seconds| Some(now.plus(Duration::from_secs(seconds)));
        assert_eq!(until(later(17), now), Duration::from_secs(17));
        assert_eq!(until(None, now), SLEEP_MAX);
        assert_eq!(until(later(3600), now), SLEEP_MAX);
        assert_eq!(until(Some(Timestamp::from_millis(0)), now), Duration::ZERO);
    }
}
