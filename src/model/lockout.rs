//! The lockout: what failed logins come to. Pure rules over one user's record,
//! with the time as an argument; a store keeps the records and the disk.
//!
//! Failures are counted for each pair of user and device name, whether or not
//! there is such a user. A place that has seen a good login (user, device and
//! address) keeps a count of its own, which no other place touches: whoever
//! tries from elsewhere can not shut a till's own cashier out.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use aws_lc_rs::digest;

use super::{DeviceName, Origin, Timestamp, UserName};

#[cfg(test)]
mod tests;

/// Pairs remembered of one user at most. The rules leave room for about 80 a
/// day; beyond this the one that failed longest ago is forgotten.
const PAIRS_MAX: usize = 128;
/// Known places of one user at most; beyond this the one unseen longest goes.
const PLACES_MAX: usize = 64;
/// A good login is noted again when the last note is older than this part of
/// the time a place stays known.
const PLACE_NOTES: u32 = 30;
/// A use of the account is noted again when the last note is this old.
const USE_NOTED_EVERY: Duration = Duration::from_hours(24);
/// A count from further ahead than this is left over from before the clock was
/// reset, and counts no more.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// Most doublings of a wait that are computed.
const DOUBLINGS_MAX: u32 = 31;

/// The numbers of the lockout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockoutRules {
    /// From this failure in a row on there is a wait.
    pub wait_after: u32,
    /// The first wait; it doubles with each further failure.
    pub wait_first: Duration,
    /// The longest wait.
    pub wait_max: Duration,
    /// This failure in a row locks the pair or the place.
    pub lock_after: u32,
    /// How long a lock lasts.
    pub lock_time: Duration,
    /// This many failures of one user, over all pairs, lock all his pairs.
    pub user_failures: usize,
    /// The time over which a user's failures are added up, and after which a
    /// count that had no further failure is forgotten.
    pub window: Duration,
    /// How long a place stays known after a good login.
    pub known_place: Duration,
    /// Records of names that are no user's, at most.
    pub strangers_max: usize,
    /// How long the last use of an account is remembered; zero: it is not noted.
    pub use_kept: Duration,
}

impl Default for LockoutRules {
    fn default() -> Self {
        Self {
            wait_after: 5,
            wait_first: Duration::from_secs(1),
            wait_max: Duration::from_mins(1),
            lock_after: 10,
            lock_time: Duration::from_mins(30),
            user_failures: 30,
            window: Duration::from_hours(24),
            known_place: Duration::from_hours(30 * 24),
            strangers_max: 65_536,
            use_kept: Duration::ZERO,
        }
    }
}

/// A name as the lockout knows it: 16 bytes of its SHA-256. People type
/// passwords into the field above; those must not be kept in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey(pub [u8; 16]);

impl NameKey {
    /// The key of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        let head = hash.as_ref().first_chunk();
        Self(*head.expect("a SHA-256 has 32 bytes"))
    }
}

/// Where a login comes from, as the lockout knows it: an IPv4 address, or the
/// /64 of an IPv6 one, since whoever has one address of it has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 16]);

impl From<IpAddr> for PeerKey {
    fn from(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Ipv6Addr::from(network).octets()
            }
        })
    }
}

/// Somebody tries a password: as whom, on which device, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The key of the user name.
    pub user: NameKey,
    /// The key of the device name.
    pub device: NameKey,
    /// Where from.
    pub peer: PeerKey,
    /// The user name, if the text is one.
    pub user_name: Option<UserName>,
    /// The device name, if the text is one.
    pub device_name: Option<DeviceName>,
    /// Where the request came from, for the audit.
    pub origin: Origin,
}

impl Attempt {
    /// An attempt with names as they were typed. Spellings of one name are one
    /// name; what is no name at all is counted like one.
    #[must_use]
    pub fn new(user: &str, device: &str, peer: IpAddr) -> Self {
        let user_name = UserName::parse(user).ok();
        let device_name = DeviceName::parse(device).ok();
        Self {
            user: NameKey::of(user_name.as_ref().map_or(user, UserName::as_str)),
            device: NameKey::of(device_name.as_ref().map_or(device, DeviceName::as_str)),
            peer: peer.into(),
            user_name,
            device_name,
            origin: Origin::default(),
        }
    }

    /// The attempt, made by this request.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }
}

/// How an attempt came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The password was right: the count begins anew.
    Right,
    /// It was not, or there was nobody to have it.
    Wrong,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub failures: u32,
    /// The last one.
    pub last: Timestamp,
    /// Nothing is tried before this instant.
    pub until: Timestamp,
}

impl Count {
    fn is_void(&self, now: Timestamp, rules: &LockoutRules) -> bool {
        now >= self.void_at(rules) || self.last > now.plus(AHEAD_MAX)
    }

    fn void_at(&self, rules: &LockoutRules) -> Timestamp {
        self.last.plus(rules.window).max(self.until)
    }

    fn fail(&mut self, now: Timestamp, rules: &LockoutRules) {
        // A lock that has passed has been served: the count begins anew.
        if self.is_void(now, rules) || self.failures >= rules.lock_after {
            *self = Self::default();
        }
        self.failures += 1;
        self.last = now;
        let wait = if self.failures >= rules.lock_after {
            rules.lock_time
        } else {
            self.wait(rules)
        };
        self.until = now.plus(wait);
    }

    fn wait(&self, rules: &LockoutRules) -> Duration {
        let Some(doublings) = self.failures.checked_sub(rules.wait_after) else {
            return Duration::ZERO;
        };
        let wait = rules.wait_first * (1 << doublings.min(DOUBLINGS_MAX));
        wait.min(rules.wait_max)
    }
}

/// A place that has seen a good login of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPlace {
    /// On which device.
    pub device: NameKey,
    /// From where.
    pub peer: PeerKey,
    /// The last good login, about.
    pub seen: Timestamp,
    /// Its own failures.
    pub count: Count,
}

/// Everything the lockout remembers of one user name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserLock {
    /// Whether there was such a user at the last change.
    pub is_known: bool,
    /// Failures in a row by device.
    pub pairs: Vec<(NameKey, Count)>,
    /// Where the user is at home.
    pub places: Vec<KnownPlace>,
    /// The newest failures within the window, oldest first.
    pub recent: Vec<Timestamp>,
    /// No pair is tried before this instant.
    pub until: Timestamp,
    /// The last use of the account, within a day, if it is watched.
    pub last_use: Option<Timestamp>,
}

impl UserLock {
    /// How long this attempt has to wait; `None` when it may be made.
    #[must_use]
    pub fn wait(&self, at: &Attempt, now: Timestamp, rules: &LockoutRules) -> Option<Duration> {
        let until = match self.place(at, now, rules) {
            Some(place) => self.places[place].count.until(now, rules),
            None => self.pair_until(at.device, now, rules),
        };
        Some(until.since(now)).filter(|wait| !wait.is_zero())
    }

    fn pair_until(&self, device: NameKey, now: Timestamp, rules: &LockoutRules) -> Timestamp {
        let pair = self.pairs.iter().find(|(name, _)| *name == device);
        let pair = pair.map_or_else(Timestamp::default, |(_, count)| count.until(now, rules));
        // A user's lock that is longer than any comes from before a clock reset.
        let all = Some(self.until).filter(|until| *until <= now.plus(rules.lock_time + AHEAD_MAX));
        pair.max(all.unwrap_or_default())
    }

    fn place(&self, at: &Attempt, now: Timestamp, rules: &LockoutRules) -> Option<usize> {
        self.places.iter().position(|place| {
            place.device == at.device && place.peer == at.peer && place.is_known(now, rules)
        })
    }

    /// Counts a failure; answers how long the next attempt has to wait.
    pub fn fail(&mut self, at: &Attempt, now: Timestamp, rules: &LockoutRules) -> Option<Duration> {
        self.forget(now, rules);
        match self.place(at, now, rules) {
            Some(place) => self.places[place].count.fail(now, rules),
            None => self.pair(at.device).fail(now, rules),
        }
        self.recent.push(now);
        let surplus = self.recent.len().saturating_sub(rules.user_failures);
        self.recent.drain(..surplus);
        if self.recent.len() >= rules.user_failures {
            self.until = now.plus(rules.lock_time);
        }
        self.wait(at, now, rules)
    }

    fn pair(&mut self, device: NameKey) -> &mut Count {
        let known = self.pairs.iter().position(|(name, _)| *name == device);
        let at = known.unwrap_or_else(|| {
            if self.pairs.len() >= PAIRS_MAX {
                drop_first(&mut self.pairs, |(_, count)| (count.until, count.last));
            }
            self.pairs.push((device, Count::default()));
            self.pairs.len() - 1
        });
        &mut self.pairs[at].1
    }

    /// A password was right: what it was counted under begins anew. With
    /// `at_home`, the place is known from here on.
    pub fn succeed(&mut self, at: &Attempt, at_home: bool, now: Timestamp, rules: &LockoutRules) {
        self.forget(now, rules);
        if let Some(place) = self.place(at, now, rules) {
            self.places[place].count = Count::default();
            self.places[place].seen = self.places[place].seen.max(now);
            return;
        }
        self.pairs.retain(|(device, _)| *device != at.device);
        if !at_home {
            return;
        }
        if self.places.len() >= PLACES_MAX {
            drop_first(&mut self.places, |place| place.seen);
        }
        self.places.push(KnownPlace {
            device: at.device,
            peer: at.peer,
            seen: now,
            count: Count::default(),
        });
    }

    /// Whether a right password here and now changes nothing worth writing.
    #[must_use]
    pub fn is_settled(&self, at: &Attempt, now: Timestamp, rules: &LockoutRules) -> bool {
        let place = self.place(at, now, rules).map(|place| self.places[place]);
        place.is_some_and(|place| {
            place.count == Count::default()
                && now.since(place.seen) < rules.known_place / PLACE_NOTES
        })
    }

    /// Forgets every failure; known places stay known.
    pub fn unlock(&mut self) {
        self.pairs.clear();
        self.recent.clear();
        self.until = Timestamp::default();
        self.places
            .iter_mut()
            .for_each(|place| place.count = Count::default());
    }

    /// Whether a use of the account has to be noted: the last note is a day old.
    #[must_use]
    pub fn is_use_due(&self, now: Timestamp, rules: &LockoutRules) -> bool {
        let noted = self
            .last_use
            .is_some_and(|last| now.since(last) < USE_NOTED_EVERY);
        !rules.use_kept.is_zero() && !noted
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let counts = self.pairs.is_empty() && self.places.is_empty() && self.recent.is_empty();
        counts && self.last_use.is_none()
    }

    /// The instant from which on nothing in it counts any more.
    #[must_use]
    pub fn void_at(&self, rules: &LockoutRules) -> Timestamp {
        let pairs = self.pairs.iter().map(|(_, count)| count.void_at(rules));
        let places = self.places.iter().map(|place| place.void_at(rules));
        let recent = self.recent.last().map(|last| last.plus(rules.window));
        let used = self.last_use.map(|last| last.plus(rules.use_kept));
        let all = pairs.chain(places).chain(recent).chain(used);
        all.max().unwrap_or_default().max(self.until)
    }

    /// Whether a pair is or was locked: such a record gives way last.
    #[must_use]
    pub fn is_strong(&self, rules: &LockoutRules) -> bool {
        let mut pairs = self.pairs.iter();
        self.recent.len() >= rules.user_failures
            || pairs.any(|(_, count)| count.failures >= rules.lock_after)
    }

    /// The last failure.
    #[must_use]
    pub fn last_failure(&self) -> Timestamp {
        self.recent.last().copied().unwrap_or_default()
    }

    fn forget(&mut self, now: Timestamp, rules: &LockoutRules) {
        self.pairs.retain(|(_, count)| !count.is_void(now, rules));
        self.places.retain(|place| place.is_known(now, rules));
        let ahead = now.plus(AHEAD_MAX);
        self.recent
            .retain(|at| now.since(*at) < rules.window && *at <= ahead);
    }
}

impl Count {
    fn until(&self, now: Timestamp, rules: &LockoutRules) -> Timestamp {
        if self.is_void(now, rules) {
            return Timestamp::default();
        }
        self.until
    }
}

impl KnownPlace {
    fn is_known(&self, now: Timestamp, rules: &LockoutRules) -> bool {
        now < self.void_at(rules)
    }

    fn void_at(&self, rules: &LockoutRules) -> Timestamp {
        self.seen.plus(rules.known_place)
    }
}

/// Removes the first item in the order of `key`.
fn drop_first<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let first = (0..items.len()).min_by_key(|at| key(&items[*at]));
    if let Some(first) = first {
        items.swap_remove(first);
    }
}
