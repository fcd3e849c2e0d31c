//! The rules of the lockout, at instants of the test's own.

use super::*;

const HOME: [u8; 4] = [10, 0, 0, 1];
const AWAY: [u8; 4] = [10, 0, 0, 9];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

fn after(duration: Duration) -> Timestamp {
    at(0).plus(duration)
}

fn from(device: &str, peer: [u8; 4]) -> Attempt {
    Attempt::new("1", device, IpAddr::from(peer))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fails as soon as each attempt may be made; the instant after the last.
fn fail(lock: &mut UserLock, attempt: &Attempt, times: u32, start: Timestamp) -> Timestamp {
    let rules = LockoutRules::default();
    let mut now = start;
    for _ in 0..times {
        now = now.plus(lock.wait(attempt, now, &rules).unwrap_or_default());
        lock.fail(attempt, now, &rules);
    }
    now
}

#[test]
fn waits_double_from_the_fifth_failure_and_the_tenth_locks() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..10 {
        now = now.plus(waits.last().copied().unwrap_or_default());
        waits.push(
            lock.fail(&from("P01", AWAY), now, &rules)
                .unwrap_or_default(),
        );
    }
    let wanted = [0, 0, 0, 0, 1, 2, 4, 8, 16, 30 * 60].map(seconds);
    assert_eq!(waits, wanted);
}

#[test]
fn a_wait_never_grows_beyond_its_bound() {
    let rules = LockoutRules {
        lock_after: 100,
        user_failures: 1_000,
        ..LockoutRules::default()
    };
    let mut count = Count::default();
    for _ in 0..90 {
        count.fail(at(0), &rules);
    }
    assert_eq!(count.wait(&rules), seconds(60));
}

#[test]
fn a_lock_ends_to_the_millisecond_and_the_count_begins_anew() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let attempt = from("P01", AWAY);
    let now = fail(&mut lock, &attempt, 10, at(0));
    let end = now.plus(rules.lock_time);

    let left = lock.wait(&attempt, end.minus(Duration::from_millis(1)), &rules);
    assert_eq!(left, Some(Duration::from_millis(1)));
    assert_eq!(lock.wait(&attempt, end, &rules), None);
    assert_eq!(lock.fail(&attempt, end, &rules), None);
}

#[test]
fn other_devices_of_the_user_are_counted_by_themselves() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let now = fail(&mut lock, &from("P01", AWAY), 10, at(0));
    assert!(lock.wait(&from("P01", AWAY), now, &rules).is_some());
    assert!(lock.wait(&from("P01", HOME), now, &rules).is_some());
    assert_eq!(lock.wait(&from("P02", AWAY), now, &rules), None);
}

#[test]
fn a_known_place_still_gets_in_when_others_have_locked_the_pair() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let (home, away) = (from("P01", HOME), from("P01", AWAY));
    lock.succeed(&home, true, at(0), &rules);
    let now = fail(&mut lock, &away, 10, at(1));

    assert!(lock.wait(&away, now, &rules).is_some());
    assert_eq!(lock.wait(&home, now, &rules), None);
    assert!(
        lock.wait(&from("P02", HOME), now, &rules).is_none(),
        "another device is another pair"
    );
}

#[test]
fn a_known_place_has_ten_tries_of_its_own_and_locks_nobody_else() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let (home, away) = (from("P01", HOME), from("P01", AWAY));
    lock.succeed(&home, true, at(0), &rules);
    let now = fail(&mut lock, &home, 10, at(1));
    assert_eq!(lock.wait(&home, now, &rules), Some(rules.lock_time));
    assert_eq!(lock.wait(&away, now, &rules), None);
}

#[test]
fn a_place_is_known_for_thirty_days_from_its_last_good_login() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let (home, away) = (from("P01", HOME), from("P01", AWAY));
    lock.succeed(&home, true, at(0), &rules);
    let end = after(rules.known_place);
    let almost = end.minus(seconds(600));
    let now = fail(&mut lock, &away, 10, almost);
    assert_eq!(lock.wait(&home, now, &rules), None);
    assert!(lock.wait(&home, end, &rules).is_some());
}

#[test]
fn thirty_failures_in_a_day_over_all_pairs_lock_them_all() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let home = from("P01", HOME);
    lock.succeed(&home, true, at(0), &rules);
    for number in 0..29 {
        lock.fail(&from(&format!("D{number}"), AWAY), at(number), &rules);
    }
    let strange = from("Never", AWAY);
    assert_eq!(lock.wait(&strange, at(30), &rules), None);
    lock.fail(&from("D29", AWAY), at(30), &rules);

    assert_eq!(lock.wait(&strange, at(30), &rules), Some(rules.lock_time));
    assert_eq!(lock.wait(&home, at(30), &rules), None);
    // Within the same day one more is enough.
    let later = at(30).plus(rules.lock_time);
    assert_eq!(lock.wait(&strange, later, &rules), None);
    assert_eq!(lock.fail(&strange, later, &rules), Some(rules.lock_time));
    // A day later all is forgotten.
    let next_day = later.plus(rules.window);
    assert_eq!(lock.fail(&strange, next_day, &rules), None);
}

#[test]
fn a_right_password_begins_the_count_anew_where_it_was_typed() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let (home, away) = (from("P01", HOME), from("P01", AWAY));
    fail(&mut lock, &away, 4, at(0));
    lock.succeed(&away, true, at(10), &rules);
    fail(&mut lock, &away, 4, at(20));
    assert_eq!(lock.wait(&away, at(20), &rules), None);

    // At a known place it says nothing of the tries from elsewhere.
    let now = fail(&mut lock, &home, 10, at(30));
    lock.succeed(&away, true, now, &rules);
    assert!(lock.wait(&home, now, &rules).is_some());
}

#[test]
fn a_right_old_password_makes_no_place_known() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let attempt = from("P01", AWAY);
    fail(&mut lock, &attempt, 4, at(0));
    lock.succeed(&attempt, false, at(1), &rules);
    assert!(lock.places.is_empty() && lock.pairs.is_empty());
}

#[test]
fn unlocking_forgets_all_failures_and_no_known_place() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let (home, away) = (from("P01", HOME), from("P01", AWAY));
    lock.succeed(&home, true, at(0), &rules);
    let now = fail(&mut lock, &home, 10, at(1));
    let now = fail(&mut lock, &away, 10, now);
    lock.unlock();
    assert_eq!(lock.wait(&home, now, &rules), None);
    assert_eq!(lock.wait(&away, now, &rules), None);
    assert_eq!(lock.places.len(), 1);
    lock.fail(&away, now, &rules);
    assert_eq!(lock.recent.len(), 1);
}

#[test]
fn a_record_is_void_when_its_last_part_is() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    assert!(lock.is_empty());
    lock.fail(&from("P01", AWAY), at(0), &rules);
    assert_eq!(lock.void_at(&rules), after(rules.window));
    lock.succeed(&from("P02", HOME), true, at(0), &rules);
    assert_eq!(lock.void_at(&rules), after(rules.known_place));
}

#[test]
fn a_good_login_at_a_known_place_is_noted_once_a_day() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let home = from("P01", HOME);
    assert!(!lock.is_settled(&home, at(0), &rules));
    lock.succeed(&home, true, at(0), &rules);
    assert!(lock.is_settled(&home, at(1), &rules));
    assert!(!lock.is_settled(&home, after(seconds(86_400)), &rules));
    lock.fail(&home, at(2), &rules);
    assert!(!lock.is_settled(&home, at(3), &rules));
}

#[test]
fn a_record_stays_small_whatever_is_tried() {
    let rules = LockoutRules {
        user_failures: 1_000_000,
        ..LockoutRules::default()
    };
    let mut lock = UserLock::default();
    for number in 0..1_000_u16 {
        let [high, low] = number.to_be_bytes();
        let device = format!("D{number}");
        lock.fail(&from(&device, AWAY), at(i64::from(number)), &rules);
        lock.succeed(&from(&device, [10, 1, high, low]), true, at(0), &rules);
        lock.fail(&from(&device, AWAY), at(i64::from(number)), &rules);
    }
    assert_eq!(
        (lock.pairs.len(), lock.places.len()),
        (PAIRS_MAX, PLACES_MAX)
    );
}

#[test]
fn counts_from_before_a_clock_reset_lock_nobody_for_a_year() {
    let (mut lock, rules) = (UserLock::default(), LockoutRules::default());
    let attempt = from("P01", AWAY);
    let year = seconds(365 * 86_400);
    for number in 0..4 {
        fail(
            &mut lock,
            &from(&format!("D{number}"), AWAY),
            10,
            after(year),
        );
    }
    fail(&mut lock, &attempt, 10, after(year));
    assert_eq!(lock.wait(&attempt, at(0), &rules), None);
    assert_eq!(lock.fail(&attempt, at(0), &rules), None);
}

#[test]
fn spellings_of_one_name_are_one_and_what_is_no_name_is_counted_too() {
    let peer = IpAddr::from(AWAY);
    let user = |text: &str| Attempt::new(text, "P01", peer).user;
    assert_eq!(user("Majitel\u{30c}"), user("Majite\u{13e}"));
    assert_ne!(user("a"), user("A"));
    assert_ne!(user("\u{202e}"), user("\u{202e}x"));
    assert_eq!(Attempt::new("\u{202e}", "P01", peer).user_name, None);
    let v6 = |text: &str| PeerKey::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(v6("2001:db8::1"), v6("2001:db8::2"));
    assert_eq!(v6("::ffff:10.0.0.9"), PeerKey::from(peer));
}
