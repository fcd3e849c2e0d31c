//! Readers of the feed of changes are woken in waves. A thousand that wake at
//! once are ten milliseconds of work in one piece, and every request waits
//! behind it; a few dozen at a time, it goes between the waves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::sync::watch;

use crate::store::{ChangePlace, Changes};

/// Parts that the readers are divided into.
const WAVES: usize = 64;
/// Readers that are woken in one go, and as many as a wave brings beyond that.
const WOKEN_AT_ONCE: usize = 16;
/// What lies between two goes.
const BETWEEN: Duration = Duration::from_millis(1);

/// The way to the readers.
#[derive(Debug)]
pub struct Waves {
    senders: Arc<[watch::Sender<ChangePlace>]>,
    next: AtomicUsize,
    begun: Once,
}

impl Waves {
    /// Nobody reads yet.
    pub fn new() -> Self {
        let senders = (0..WAVES).map(|_| watch::Sender::new(ChangePlace::default()));
        Self {
            senders: senders.collect(),
            next: AtomicUsize::new(0),
            begun: Once::new(),
        }
    }

    /// Changes soon after something was added to `changes`: at once for a few
    /// readers, within a tenth of a second for a thousand. Whoever looks at the
    /// changes after this call, and then each time that it changes, misses none.
    pub fn join(&self, changes: &Changes) -> watch::Receiver<ChangePlace> {
        self.begun.call_once(|| {
            let told = changes.told();
            tokio::spawn(wake(told, Arc::clone(&self.senders)));
        });
        let wave = self.next.fetch_add(1, Ordering::Relaxed) % WAVES;
        self.senders[wave].subscribe()
    }
}

/// Wakes everybody, wave after wave, whenever something is told; done when the
/// store is gone.
async fn wake(mut told: watch::Receiver<ChangePlace>, waves: Arc<[watch::Sender<ChangePlace>]>) {
    while told.changed().await.is_ok() {
        let place = *told.borrow_and_update();
        let mut woken = 0;
        for wave in waves.iter() {
            wave.send_replace(place);
            woken += wave.receiver_count();
            if woken >= WOKEN_AT_ONCE {
                tokio::time::sleep(BETWEEN).await;
                woken = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Author, Timestamp, Version};
    use crate::store::{Action, Changed};

    fn change(changes: &Changes, commit: u64) {
        let what = Changed::Resource {
            kind: crate::model::ResourceKind::Role,
            id: "owner".into(),
            version: Version::FIRST,
        };
        let at = Timestamp::from_millis(0);
        changes.add(commit, at, Author::Server, Action::Created, what);
        changes.tell();
    }

    fn awake(readers: &[watch::Receiver<ChangePlace>]) -> usize {
        let woken = readers.iter().map(|one| one.has_changed().expect("open"));
        woken.filter(|woken| *woken).count()
    }

    #[tokio::test]
    async fn a_thousand_readers_are_woken_a_few_at_a_time_and_every_one_is() {
        const READERS: usize = 1_000;
        let changes = Changes::new(1, 1, 16);
        let waves = Waves::new();
        let mut readers: Vec<_> = (0..READERS).map(|_| waves.join(&changes)).collect();

        change(&changes, 2);
        let mut before = 0;
        while before < READERS {
            // Whoever is ready comes once before this goes on.
            tokio::task::yield_now().await;
            let now = awake(&readers);
            assert!(now - before <= 4 * WOKEN_AT_ONCE, "{before}, then {now}");
            before = now;
        }

        for reader in &mut readers {
            assert_eq!(*reader.borrow_and_update(), changes.last());
        }
        change(&changes, 3);
        for reader in &mut readers {
            reader.changed().await.expect("woken again");
        }
    }

    #[tokio::test]
    async fn a_few_readers_wait_for_nobody() {
        let changes = Changes::new(1, 1, 16);
        let waves = Waves::new();
        let readers: Vec<_> = (1..WOKEN_AT_ONCE).map(|_| waves.join(&changes)).collect();

        // The first time the task begins, the second time it wakes.
        tokio::task::yield_now().await;
        change(&changes, 2);
        tokio::task::yield_now().await;

        assert_eq!(awake(&readers), readers.len());
    }
}
