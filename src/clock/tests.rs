//! Every rule of trusted time, with clocks that a test moves.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// 2026-11-02T09:00:00Z, a Monday morning.
const OPENING: Timestamp = Timestamp::from_millis(1_793_610_000_000);

/// Clocks that a test moves.
#[derive(Clone, Debug, Default)]
struct Fake(Arc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    wall: AtomicI64,
    boot_millis: AtomicU64,
    synchronised: AtomicBool,
    asked: AtomicU64,
}

impl Fake {
    fn at(wall: Timestamp) -> Self {
        let fake = Self::default();
        fake.0.boot_millis.store(123_456, Ordering::SeqCst);
        fake.set_wall(wall);
        fake
    }

    fn start(&self, mark: Option<Timestamp>) -> Clock {
        Clock::start(Box::new(self.clone()), mark)
    }

    fn set_wall(&self, wall: Timestamp) {
        self.0.wall.store(wall.as_millis(), Ordering::SeqCst);
    }

    /// Time passes on all clocks.
    fn pass(&self, time: Duration) {
        self.set_wall(self.wall().plus(time));
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.0.boot_millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl TimeSource for Fake {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.wall.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.0.boot_millis.load(Ordering::SeqCst))
    }

    fn ntp_synchronised(&self) -> bool {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0.synchronised.load(Ordering::SeqCst)
    }
}

fn assert_clock(clock: &Clock, state: ClockState, trusted: Timestamp) {
    let status = clock.status();
    assert_eq!((status.state, status.trusted), (state, trusted));
    assert_eq!(clock.now(), trusted);
}

#[test]
fn a_good_wall_clock_is_the_trusted_time() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING.minus(15 * HOUR)));
    assert_clock(&clock, ClockState::Good, OPENING);
    fake.pass(8 * HOUR);
    assert_clock(&clock, ClockState::Good, OPENING.plus(8 * HOUR));
    assert_eq!(clock.status().wall, OPENING.plus(8 * HOUR));
}

#[test]
fn a_first_start_believes_any_wall_clock_that_is_not_older_than_this_version() {
    let clock = Fake::at(OPENING).start(None);
    assert_clock(&clock, ClockState::Good, OPENING);
    let clock = Fake::at(OPENING.plus(900 * DAY)).start(None);
    assert_clock(&clock, ClockState::Good, OPENING.plus(900 * DAY));

    let fake = Fake::at(Timestamp::from_millis(0));
    let clock = fake.start(None);
    assert_clock(&clock, ClockState::Behind, BUILT_AFTER);
    fake.pass(MINUTE);
    assert_clock(&clock, ClockState::Behind, BUILT_AFTER.plus(MINUTE));
}

#[test]
fn a_mark_older_than_this_version_counts_for_nothing() {
    let mark = Some(BUILT_AFTER.minus(DAY));
    assert_clock(&Fake::at(OPENING).start(mark), ClockState::Good, OPENING);
    let behind = Fake::at(BUILT_AFTER.minus(DAY)).start(mark);
    assert_clock(&behind, ClockState::Behind, BUILT_AFTER);
}

#[test]
fn behind_the_mark_at_start_time_goes_on_from_the_mark() {
    let fake = Fake::at(Timestamp::from_millis(0));
    let clock = fake.start(Some(OPENING));
    assert_clock(&clock, ClockState::Behind, OPENING);
    fake.pass(HOUR);
    assert_clock(&clock, ClockState::Behind, OPENING.plus(HOUR));
}

#[test]
fn up_to_seven_days_past_the_mark_at_start_the_wall_clock_is_believed() {
    let fake = Fake::at(OPENING.plus(7 * DAY));
    assert_clock(
        &fake.start(Some(OPENING)),
        ClockState::Good,
        OPENING.plus(7 * DAY),
    );

    let fake = Fake::at(OPENING.plus(7 * DAY).plus(Duration::from_millis(1)));
    let clock = fake.start(Some(OPENING));
    assert_clock(&clock, ClockState::Unconfirmed, OPENING);
    // Never by waiting.
    fake.pass(100 * DAY);
    assert_clock(&clock, ClockState::Unconfirmed, OPENING.plus(100 * DAY));
}

#[test]
fn a_step_of_up_to_an_hour_while_running_is_believed_and_a_longer_one_is_not() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    fake.set_wall(OPENING.plus(HOUR));
    assert_clock(&clock, ClockState::Good, OPENING.plus(HOUR));

    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    fake.set_wall(OPENING.plus(HOUR).plus(Duration::from_millis(1)));
    assert_clock(&clock, ClockState::Unconfirmed, OPENING);
    fake.pass(DAY);
    assert_clock(&clock, ClockState::Unconfirmed, OPENING.plus(DAY));
}

#[test]
fn many_small_steps_ahead_come_to_no_more_than_one_large_one() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    for _ in 0..1000 {
        fake.set_wall(fake.wall().plus(10 * MINUTE));
        clock.tick();
    }
    assert_clock(&clock, ClockState::Unconfirmed, OPENING.plus(HOUR));
}

#[test]
fn trusted_time_never_goes_back_when_the_wall_clock_does() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    for _ in 0..5 {
        fake.set_wall(fake.wall().minus(SECOND));
        assert_clock(&clock, ClockState::Good, OPENING);
    }
    fake.set_wall(OPENING.minus(6 * SECOND));
    assert_clock(&clock, ClockState::Behind, OPENING);
    fake.set_wall(OPENING.minus(800 * DAY));
    assert_clock(&clock, ClockState::Behind, OPENING);
    fake.pass(MINUTE);
    assert_clock(&clock, ClockState::Behind, OPENING.plus(MINUTE));

    // Set right again, the wall clock counts again.
    fake.set_wall(OPENING.plus(2 * MINUTE));
    assert_clock(&clock, ClockState::Good, OPENING.plus(2 * MINUTE));
}

#[test]
fn a_wall_clock_that_swings_gains_nothing() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    for _ in 0..1000 {
        fake.set_wall(OPENING.minus(HOUR));
        clock.tick();
        fake.set_wall(OPENING.plus(MINUTE));
        clock.tick();
    }
    assert_clock(&clock, ClockState::Good, OPENING.plus(MINUTE));
}

#[test]
fn a_suspend_is_no_step_because_the_boot_clock_counts_it() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    fake.pass(3 * DAY);
    assert_clock(&clock, ClockState::Good, OPENING.plus(3 * DAY));
}

#[test]
fn a_step_that_is_taken_back_is_forgotten() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    fake.set_wall(OPENING.plus(30 * DAY));
    assert_clock(&clock, ClockState::Unconfirmed, OPENING);
    fake.set_wall(OPENING.plus(SECOND));
    assert_clock(&clock, ClockState::Good, OPENING.plus(SECOND));
}

#[test]
fn the_operator_confirms_a_step() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    fake.set_wall(OPENING.plus(30 * DAY));
    assert_clock(&clock, ClockState::Unconfirmed, OPENING);

    clock.confirm();

    assert_clock(&clock, ClockState::Good, OPENING.plus(30 * DAY));
    fake.set_wall(OPENING.plus(60 * DAY));
    assert_clock(&clock, ClockState::Unconfirmed, OPENING.plus(30 * DAY));
}

#[test]
fn confirming_never_moves_trusted_time_back() {
    let fake = Fake::at(OPENING.minus(DAY));
    let clock = fake.start(Some(OPENING));
    clock.confirm();
    assert_clock(&clock, ClockState::Behind, OPENING);
}

#[test]
fn a_time_server_confirms_a_step_at_the_next_tick() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    fake.set_wall(OPENING.plus(30 * DAY));
    assert!(clock.wants_confirmation());
    clock.tick();
    assert_clock(&clock, ClockState::Unconfirmed, OPENING);

    fake.0.synchronised.store(true, Ordering::SeqCst);
    fake.pass(ASK_EVERY);
    clock.tick();

    assert_clock(
        &clock,
        ClockState::Good,
        OPENING.plus(30 * DAY).plus(ASK_EVERY),
    );
    assert!(!clock.wants_confirmation());
}

#[test]
fn the_time_server_is_asked_only_when_needed_and_only_now_and_then() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING));
    for _ in 0..20 {
        assert!(!clock.wants_confirmation());
        clock.tick();
        fake.pass(SECOND / 2);
    }
    assert_eq!(fake.asked(), 0);

    fake.set_wall(OPENING.plus(30 * DAY));
    for _ in 0..20 {
        clock.tick();
        fake.pass(SECOND / 2);
    }
    assert_eq!(fake.asked(), 2);
}

#[test]
fn an_answer_about_another_wall_clock_confirms_nothing() {
    /// Says yes, and is set by hand in the same moment.
    #[derive(Debug)]
    struct Fickle(Fake);
    impl TimeSource for Fickle {
        fn wall(&self) -> Timestamp {
            self.0.wall()
        }
        fn boot(&self) -> Duration {
            self.0.boot()
        }
        fn ntp_synchronised(&self) -> bool {
            self.0.set_wall(OPENING.plus(900 * DAY));
            true
        }
    }
    let fake = Fake::at(OPENING);
    let clock = Clock::start(Box::new(Fickle(fake.clone())), Some(OPENING));
    fake.set_wall(OPENING.plus(30 * DAY));
    clock.tick();
    assert_clock(&clock, ClockState::Unconfirmed, OPENING);
}

#[test]
fn a_dead_battery_is_healed_by_the_time_server() {
    let fake = Fake::at(Timestamp::from_millis(0));
    let clock = fake.start(Some(OPENING));
    fake.pass(MINUTE);
    clock.tick();
    assert_clock(&clock, ClockState::Behind, OPENING.plus(MINUTE));

    // Closed for two days, then the time server sets the clock.
    fake.set_wall(OPENING.plus(2 * DAY));
    fake.0.synchronised.store(true, Ordering::SeqCst);
    clock.tick();
    assert_clock(&clock, ClockState::Good, OPENING.plus(2 * DAY));
}

#[test]
fn a_reset_lowers_a_poisoned_time_and_time_goes_on_from_there() {
    let fake = Fake::at(OPENING);
    let clock = fake.start(Some(OPENING.plus(3000 * DAY)));
    assert_clock(&clock, ClockState::Behind, OPENING.plus(3000 * DAY));

    clock.reset(clock.status().wall);

    assert_clock(&clock, ClockState::Good, OPENING);
    fake.pass(HOUR);
    assert_clock(&clock, ClockState::Good, OPENING.plus(HOUR));
    fake.set_wall(OPENING.plus(3000 * DAY));
    assert_clock(&clock, ClockState::Unconfirmed, OPENING.plus(HOUR));
}

#[test]
fn what_is_stored_as_the_mark_never_holds_an_unconfirmed_wall_clock() {
    // Store, restart, store, restart under a wall clock years ahead.
    let fake = Fake::at(OPENING);
    let mut mark = fake.start(Some(OPENING)).now();
    fake.set_wall(OPENING.plus(4000 * DAY));
    for _ in 0..10 {
        let clock = fake.start(Some(mark));
        for _ in 0..60 {
            clock.tick();
            fake.pass(SECOND);
        }
        mark = clock.now();
    }
    assert_eq!(mark, OPENING.plus(10 * MINUTE));
}

#[test]
fn the_edges_of_the_calendar_do_not_overflow() {
    let years = [i64::MIN, 0, OPENING.as_millis(), i64::MAX].map(Timestamp::from_millis);
    for mark in years {
        for wall in years {
            let fake = Fake::at(wall);
            let clock = fake.start(Some(mark));
            assert!(clock.now() >= mark);
            fake.pass(DAY);
            clock.tick();
            clock.confirm();
            clock.reset(wall);
            assert_eq!(clock.now(), wall);
        }
    }
}

#[test]
fn the_system_clock_is_read_without_going_back_from_many_threads() {
    let clock = Clock::start(Box::new(SystemTimeSource), None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = clock.now();
                for _ in 0..20_000 {
                    let now = clock.now();
                    assert!(now >= last);
                    last = now;
                }
            });
        }
    });
    assert_eq!(clock.status().state, ClockState::Good);
}
