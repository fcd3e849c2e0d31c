//! Promises about failed logins.

use std::net::IpAddr;
use std::time::Duration;

use super::{Shop, at, role_name, seconds, user_id};
use crate::model::{
    Attempt, Cause, DirectoryChange, LockoutRules, Outcome, Precondition, Refusal, Right,
    RoleInput, Timestamp,
};
use crate::store::{NewSession, Rules, Store, StoreError};

const HOME: [u8; 4] = [10, 0, 0, 1];
const AWAY: [u8; 4] = [10, 0, 0, 9];

fn attempt(user: &str, device: &str, peer: [u8; 4]) -> Attempt {
    Attempt::new(user, device, IpAddr::from(peer))
}

impl<S: Store> Shop<S> {
    fn wait(&self, attempt: &Attempt, now: Timestamp) -> Option<Duration> {
        self.run(self.store.wait(attempt, now))
    }

    fn fail(&self, attempt: &Attempt, now: Timestamp) -> Result<Option<Duration>, StoreError> {
        self.run(self.store.count(attempt.clone(), Outcome::Wrong, now))
    }

    /// Fails as soon as each attempt may be made; the instant of the last.
    fn fail_times(&self, attempt: &Attempt, times: usize, start: Timestamp) -> Timestamp {
        let mut now = start;
        for _ in 0..times {
            now = now.plus(self.wait(attempt, now).unwrap_or_default());
            self.fail(attempt, now).expect("its time has come");
        }
        now
    }

    fn login(&self, attempt: &Attempt, user: &str, device: &str) -> NewSession {
        NewSession {
            attempt: Some(attempt.clone()),
            ..self.new_session(user, device)
        }
    }

    fn log_in(
        &self,
        user: &str,
        device: &str,
        peer: [u8; 4],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let new = self.login(&attempt(user, device, peer), user, device);
        self.run(self.store.begin(new, super::cause(user, device), now))
            .map(drop)
    }

    fn unlock(&self, user: usize, cause: Cause) -> Result<(), StoreError> {
        let change = DirectoryChange::Unlock(user_id(user));
        let none = Precondition::default();
        self.run(self.store.change(change, none, cause, at(0)))
            .map(drop)
    }
}

pub(crate) fn the_tenth_failure_locks_the_pair_and_no_other<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let pair = attempt("1", "Office", AWAY);
    assert_eq!(shop.wait(&pair, at(0)), None);
    let now = shop.fail_times(&pair, 9, at(0));
    assert_eq!(shop.wait(&pair, now), Some(seconds(16)));
    let now = shop.fail_times(&pair, 1, now);

    assert_eq!(shop.wait(&pair, now), Some(seconds(1_800)));
    assert_eq!(shop.wait(&attempt("1", "Link", AWAY), now), None);
    assert_eq!(shop.wait(&attempt("2", "Office", AWAY), now), None);
    assert_eq!(shop.wait(&pair, now.plus(seconds(1_800))), None);
}

pub(crate) fn a_locked_attempt_is_refused_whatever_its_password_and_not_counted<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let pair = attempt("1", "Office", AWAY);
    let now = shop.fail_times(&pair, 10, at(0));
    let left = Some(seconds(1_800));

    for _ in 0..3 {
        let locked = Err(StoreError::Locked(seconds(1_800)));
        assert_eq!(shop.log_in("1", "Office", AWAY, now), locked);
        assert_eq!(shop.fail(&pair, now).map(drop), locked);
    }
    assert_eq!(shop.wait(&pair, now), left);
    assert!(shop.live(now).is_empty());
    let end = now.plus(seconds(1_800));
    assert_eq!(shop.log_in("1", "Office", AWAY, end), Ok(()));
}

pub(crate) fn a_denied_login_counts_as_a_failure<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    shop.edit(1, at(0), |user| user.is_active = false);
    let mut now = at(1);
    for _ in 0..10 {
        assert_eq!(
            shop.log_in("1", "Office", HOME, now),
            Err(StoreError::Denied)
        );
        let pair = attempt("1", "Office", HOME);
        now = now.plus(shop.wait(&pair, now).unwrap_or_default());
    }
    assert_eq!(now, at(1).plus(seconds(1 + 2 + 4 + 8 + 16 + 1_800)));
}

pub(crate) fn a_good_login_begins_the_count_anew_and_makes_the_place_known<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let (home, away) = (attempt("1", "P01", HOME), attempt("1", "P01", AWAY));
    shop.fail_times(&home, 4, at(0));
    assert_eq!(shop.log_in("1", "P01", HOME, at(0)), Ok(()));
    shop.fail_times(&home, 4, at(0));
    assert_eq!(shop.wait(&home, at(0)), None);

    let now = shop.fail_times(&away, 10, at(0));
    assert!(shop.wait(&away, now).is_some());
    assert_eq!(shop.log_in("1", "P01", HOME, now), Ok(()));
    assert!(shop.wait(&away, now).is_some());
    let now = shop.fail_times(&home, 10, now);
    assert_eq!(shop.wait(&home, now), Some(seconds(1_800)));
}

pub(crate) fn a_right_old_password_begins_the_count_anew<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let pair = attempt("1", "Office", AWAY);
    shop.fail_times(&pair, 4, at(0));
    let right = shop.store.count(pair.clone(), Outcome::Right, at(0));
    assert_eq!(shop.run(right), Ok(None));
    shop.fail_times(&pair, 4, at(0));
    assert_eq!(shop.wait(&pair, at(0)), None);
}

pub(crate) fn names_that_are_no_users_are_counted_alike<S: Store>(open: &impl Fn(Rules) -> S) {
    for user in ["nobody", "\u{202e}", ""] {
        let shop = Shop::documented(open);
        let (there, nowhere) = (attempt("1", "Office", AWAY), attempt(user, "Office", AWAY));
        let mut now = at(0);
        for _ in 0..12 {
            let told = (shop.fail(&there, now), shop.fail(&nowhere, now));
            assert_eq!(told.0, told.1, "{user:?}");
            now = now.plus(shop.wait(&there, now).unwrap_or_default());
        }
    }
}

pub(crate) fn strangers_give_way_to_strangers_and_users_never_do<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let lockout = LockoutRules {
        strangers_max: 3,
        ..LockoutRules::default()
    };
    let rules = Rules {
        lockout,
        ..Rules::default()
    };
    let shop = Shop::open(open, rules);
    let (user, stranger) = (attempt("1", "P01", AWAY), attempt("locked", "P01", AWAY));
    shop.fail_times(&user, 4, at(0));
    let now = shop.fail_times(&stranger, 10, at(0));
    for number in 0..20 {
        let noise = attempt(&format!("noise {number}"), "P01", AWAY);
        shop.fail_times(&noise, 4, now.plus(seconds(number)));
    }

    // Noise gave way to noise: neither the user's count nor what is locked.
    let now = now.plus(seconds(20));
    assert!(shop.wait(&stranger, now).is_some());
    assert_eq!(shop.fail(&user, now), Ok(Some(seconds(1))));
    let (gone, kept) = (
        attempt("noise 0", "P01", AWAY),
        attempt("noise 19", "P01", AWAY),
    );
    assert_eq!(shop.fail(&kept, now), Ok(Some(seconds(1))));
    assert_eq!(shop.fail(&gone, now), Ok(None));
}

pub(crate) fn unlocking_needs_the_right_and_forgets_all_failures<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::documented(open);
    let rights = vec![Right::parse("userUpdate").expect("a right")];
    let role = RoleInput {
        rights,
        ..super::role_input("helper", "sale")
    };
    shop.change(super::put_role(role), at(0)).expect("may");
    shop.edit(1, at(0), |user| {
        user.devices
            .iter_mut()
            .for_each(|entry| entry.roles.push(role_name("helper")));
    });
    let caller = |user: &str| super::cause(user, "Office");
    let pairs = ["999", "1", "2"].map(|user| attempt(user, "P01", AWAY));
    let now = pairs
        .iter()
        .map(|pair| shop.fail_times(pair, 10, at(0)))
        .max()
        .expect("three");
    let refused = |answer| matches!(answer, Err(StoreError::Refused(Refusal::Forbidden(_))));

    assert!(refused(shop.unlock(1, caller("2"))), "needs userUpdate");
    assert!(refused(shop.unlock(0, caller("1"))), "no escalation");
    assert!(pairs.iter().all(|pair| shop.wait(pair, now).is_some()));
    assert_eq!(shop.unlock(2, caller("1")), Ok(()));
    assert_eq!(shop.wait(&pairs[2], now), None);
    assert!(shop.wait(&pairs[0], now).is_some());
    assert_eq!(shop.unlock(0, Cause::operator()), Ok(()));
    assert_eq!(shop.wait(&pairs[0], now), None);
}

pub(crate) fn a_sweep_forgets_what_counts_no_more<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let pair = attempt("1", "P01", AWAY);
    shop.fail_times(&pair, 9, at(0));
    for number in 0..5 {
        shop.fail_times(&attempt(&format!("nobody {number}"), "P01", AWAY), 1, at(0));
    }
    let now = at(0).plus(seconds(2 * 86_400));
    while shop.sweep(now, 2).more {}
    assert_eq!(shop.fail(&pair, now), Ok(None));
}

pub(crate) fn a_use_is_noted_once_a_day_while_it_is_watched<S: Store>(open: &impl Fn(Rules) -> S) {
    let last = |shop: &Shop<S>| shop.run(shop.store.last_use(&super::user_name("1")));
    let shop = Shop::documented(open);
    shop.begin("1", "Office", at(0));
    assert_eq!(last(&shop), None);

    let lockout = LockoutRules {
        use_kept: seconds(100 * 86_400),
        ..LockoutRules::default()
    };
    let rules = Rules {
        lockout,
        ..Rules::default()
    };
    let shop = Shop::open(open, rules);
    shop.begin("1", "Office", at(0));
    shop.begin("1", "Office", at(86_399_999));
    assert_eq!(last(&shop), Some(at(0)));
    shop.begin("1", "Office", at(86_400_000));
    assert_eq!(last(&shop), Some(at(86_400_000)));
    assert_eq!(shop.unlock(1, Cause::operator()), Ok(()));
    assert_eq!(last(&shop), Some(at(86_400_000)));
    let forgotten = shop.store.note_use(super::user_name("1"), None, at(0));
    assert_eq!(shop.run(forgotten), Ok(()));
    assert_eq!(last(&shop), None);
}
