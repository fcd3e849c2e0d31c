//! What an HTTP/2 connection is doing, told by its requests and looked at now
//! and then by the code that keeps deadlines: what `pulse` is for a connection
//! with one request after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::Limits;

/// Requests of one connection that its client may take back, or leave without
/// taking the answer. A page that is closed while it loads takes back a few
/// dozen; who goes on beyond this gets another connection, if he likes.
const GIVEN_UP_MAX: u32 = 500;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Requests that came so far.
    begun: AtomicU32,
    /// Requests that are answered, or whose answer is not handed over yet.
    open: AtomicU32,
    /// Answers that wait for the client to take more of them.
    lying: AtomicU32,
    /// Grows with every piece of an answer that is handed over.
    taken: AtomicU32,
    /// Grows with every request that begins or ends.
    turns: AtomicU32,
    given_up: AtomicU32,
    /// Something other than a body has begun to come and is not complete.
    amid_head: AtomicBool,
    /// Grows with every one that is.
    heads: AtomicU32,
    /// The client's side takes no bytes.
    stalled: AtomicBool,
    enough: Notify,
}

impl Streams {
    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open {
            streams: Arc::clone(self),
            is_lying: false,
            is_done: false,
        }
    }

    /// Whether the head of a request is on its way.
    pub(super) fn amid_head(&self, now: bool) {
        if self.amid_head.swap(now, Ordering::Relaxed) && !now {
            self.heads.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something was written, or could not be.
    pub(super) fn wrote(&self, taken: bool) {
        self.stalled.store(!taken, Ordering::Relaxed);
    }

    /// Ready when a deadline has passed, or the client has given up too often.
    /// Looks now and then, so no request sets or clears a timer.
    pub(super) async fn overdue(&self, limits: Limits) {
        tokio::select! {
            () = self.late(limits) => {}
            () = self.enough.notified() => {}
        }
    }

    async fn late(&self, limits: Limits) {
        let every = limits.look_every();
        let mut waits = Waits::default();
        loop {
            tokio::time::sleep(every).await;
            if waits.look(self, &limits, every) {
                return;
            }
        }
    }
}

/// What is waited for, and for how long by now.
#[derive(Debug, Default)]
struct Waits {
    head: Age,
    answers: Age,
    writing: Age,
    rest: Age,
}

impl Waits {
    /// Whether anything has been waited for too long. Called every so often.
    fn look(&mut self, streams: &Streams, limits: &Limits, every: Duration) -> bool {
        let number = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        let amid_head = streams.amid_head.load(Ordering::Relaxed);
        let stalled = streams.stalled.load(Ordering::Relaxed);
        let lying = number(&streams.lying) > 0;
        let is_quiet = number(&streams.open) == 0 && !amid_head;
        let head = self.head.of(amid_head, number(&streams.heads), every);
        let answers = self.answers.of(lying, number(&streams.taken), every);
        let writing = self.writing.of(stalled, 0, every);
        let rest = self.rest.of(is_quiet, number(&streams.turns), every);
        let rest_max = if number(&streams.begun) == 0 {
            limits.first_byte_timeout
        } else {
            limits.idle_timeout
        };
        head >= limits.header_timeout
            || answers >= limits.write_timeout
            || writing >= limits.write_timeout
            || rest >= rest_max
    }
}

/// How long something has been going on without a change.
#[derive(Clone, Copy, Debug, Default)]
struct Age {
    mark: u32,
    age: Duration,
}

impl Age {
    /// `mark`: another one is another thing that is going on.
    fn of(&mut self, goes_on: bool, mark: u32, since_last: Duration) -> Duration {
        let same = goes_on && self.mark == mark;
        self.age = if same {
            self.age + since_last
        } else {
            Duration::ZERO
        };
        self.mark = mark;
        self.age
    }
}

/// One request, until its answer is handed over or nobody wants it any more.
#[derive(Debug)]
pub(super) struct Open {
    streams: Arc<Streams>,
    is_lying: bool,
    is_done: bool,
}

impl Open {
    /// The answer is there, and lies until the client takes it.
    pub(super) fn lies(&mut self) {
        self.is_lying = true;
        self.streams.lying.fetch_add(1, Ordering::Relaxed);
    }

    /// A piece of the answer is handed over.
    pub(super) fn took(&self) {
        self.streams.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it is, or the client could leave whenever it liked.
    pub(super) const fn done(&mut self) {
        self.is_done = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self {
            streams,
            is_lying,
            is_done,
        } = self;
        if *is_lying {
            streams.lying.fetch_sub(1, Ordering::Relaxed);
        }
        streams.turns.fetch_add(1, Ordering::Relaxed);
        streams.open.fetch_sub(1, Ordering::Relaxed);
        if !*is_done && streams.given_up.fetch_add(1, Ordering::Relaxed) == GIVEN_UP_MAX {
            streams.enough.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        first_byte_timeout: Duration::from_millis(1_000),
        header_timeout: Duration::from_millis(2_000),
        body_timeout: Duration::from_millis(2_000),
        idle_timeout: Duration::from_millis(9_000),
        write_timeout: Duration::from_millis(4_000),
        connections_max: 1,
        drain_max: Duration::ZERO,
    };

    /// Whether this connection is late after so many seconds, with a look every
    /// second.
    fn is_late_after(streams: &Streams, seconds: u64) -> bool {
        let mut waits = Waits::default();
        let late = (1..1_000).find(|_| waits.look(streams, &LIMITS, Duration::from_secs(1)));
        late.is_some_and(|late| late == seconds || late == seconds + 1)
    }

    #[test]
    fn each_wait_has_its_own_deadline() {
        let streams = Arc::new(Streams::default());
        assert!(is_late_after(&streams, 1), "no request at all");
        streams.amid_head(true);
        assert!(is_late_after(&streams, 2), "a slow head");
        streams.amid_head(false);
        let mut open = streams.begin();
        let mut waits = Waits::default();
        let looks = |waits: &mut Waits| waits.look(&streams, &LIMITS, Duration::from_secs(1));
        assert!(
            (0..1_000).all(|_| !looks(&mut waits)),
            "handlers keep deadlines of their own"
        );
        open.lies();
        assert!(is_late_after(&streams, 4), "an answer that nobody takes");
        open.done();
        drop(open);
        assert!(is_late_after(&streams, 9), "the next request");
        streams.wrote(false);
        assert!(is_late_after(&streams, 4), "bytes that nobody takes");
    }

    #[test]
    fn an_answer_that_is_taken_piece_by_piece_is_waited_for() {
        let streams = Arc::new(Streams::default());
        let mut open = streams.begin();
        open.lies();
        let mut waits = Waits::default();
        for _ in 0..100 {
            open.took();
            for _ in 0..3 {
                assert!(!waits.look(&streams, &LIMITS, Duration::from_secs(1)));
            }
        }
    }

    #[tokio::test]
    async fn who_gives_up_again_and_again_is_sent_away() {
        let streams = Arc::new(Streams::default());
        let mut sent_away = std::pin::pin!(streams.overdue(Limits::default()));
        let begin_and_leave = |times: u32| (0..times).for_each(|_| drop(streams.begin()));
        begin_and_leave(GIVEN_UP_MAX);
        let now = std::future::poll_fn(|cx| std::task::Poll::Ready(sent_away.as_mut().poll(cx)));
        assert!(now.await.is_pending(), "not yet");
        begin_and_leave(1);
        sent_away.await;
    }
}
