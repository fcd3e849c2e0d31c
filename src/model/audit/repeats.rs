//! Failed logins are counted together, so that whoever tries a thousand
//! passwords fills neither the disk nor the audit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{AuditAction, AuditEntry};
use crate::model::{DeviceName, Timestamp, UserName};

/// So long failures of one place are counted in one entry.
const WINDOW: Duration = Duration::from_secs(60);
/// Places with an entry of their own in one window; all others share one.
const PLACES_MAX: usize = 64;

/// What failures have in common that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    action: AuditAction,
    user: Option<UserName>,
    device: Option<DeviceName>,
    peer: Option<IpAddr>,
}

impl Place {
    fn of(entry: &AuditEntry) -> Self {
        let object = entry.object.as_ref();
        Self {
            action: entry.action,
            user: object.and_then(|object| object.user_name.clone()),
            device: object.and_then(|object| object.device_name.clone()),
            peer: entry.cause.origin.peer,
        }
    }
}

/// The entries of the present window.
#[derive(Debug, Default)]
pub struct Repeats {
    began: Timestamp,
    places: HashMap<Place, Kept>,
}

#[derive(Debug)]
struct Kept {
    entry: Arc<AuditEntry>,
    /// Whether it counts what the disk does not have yet.
    unwritten: bool,
}

impl Repeats {
    /// The entry that counts this one as well, if its place has one in this
    /// window.
    pub fn again(&mut self, entry: &mut AuditEntry, is_written: bool) -> Option<Arc<AuditEntry>> {
        if entry.at < self.began || entry.at >= self.began.plus(WINDOW) {
            return None;
        }
        let mut place = Place::of(entry);
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(&place) {
            make_common(entry);
            place = Place::of(entry);
        }
        let kept = self.places.get_mut(&place)?;
        let mut counted = (*kept.entry).clone();
        counted.count = counted.count.saturating_add(entry.count);
        counted.last_at = counted.last_at.max(entry.at);
        kept.entry = Arc::new(counted);
        kept.unwritten = !is_written;
        Some(Arc::clone(&kept.entry))
    }

    /// Counts further repeats in this entry, which has its number.
    pub fn remember(&mut self, entry: &Arc<AuditEntry>) {
        if entry.at < self.began || entry.at >= self.began.plus(WINDOW) {
            self.began = entry.at;
            // What is counted and not written yet stays until it is.
            self.places.retain(|_, kept| kept.unwritten);
        }
        let kept = Kept {
            entry: Arc::clone(entry),
            unwritten: false,
        };
        self.places.insert(Place::of(entry), kept);
    }

    /// Counts nothing more in this entry.
    pub fn forget(&mut self, number: u64) {
        self.places.retain(|_, kept| kept.entry.number != number);
    }

    /// The entries that count more than was written; they are to be written.
    pub fn take_unwritten(&mut self) -> Vec<Arc<AuditEntry>> {
        let unwritten = self.places.values_mut().filter(|kept| kept.unwritten);
        unwritten
            .map(|kept| {
                kept.unwritten = false;
                Arc::clone(&kept.entry)
            })
            .collect()
    }
}

/// What is left of an entry that stands for many places.
fn make_common(entry: &mut AuditEntry) {
    entry.object = None;
    entry.cause.origin.peer = None;
    entry.cause.origin.request_id = None;
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::model::{AuditKind, AuditObject, Cause};

    fn failure(user: &str, peer: u8, second: i64) -> AuditEntry {
        let mut cause = Cause::server();
        cause.origin.peer = Some(Ipv4Addr::new(10, 0, 0, peer).into());
        let at = Timestamp::from_millis(1_000_000 + second * 1_000);
        let mut object = AuditObject::named(AuditKind::User, user);
        object.user_name = UserName::parse(user).ok();
        AuditEntry::new(AuditAction::LoginFailed, cause, at).on(object)
    }

    /// Notes a failure; answers what is counted now and whether that is new.
    fn note(repeats: &mut Repeats, mut entry: AuditEntry) -> (u64, bool) {
        if let Some(again) = repeats.again(&mut entry, true) {
            return (again.count, false);
        }
        repeats.remember(&Arc::new(entry));
        (1, true)
    }

    #[test]
    fn failures_of_one_place_within_a_minute_are_one_entry() {
        let mut repeats = Repeats::default();
        assert_eq!(note(&mut repeats, failure("1", 1, 0)), (1, true));
        assert_eq!(note(&mut repeats, failure("1", 1, 59)), (2, false));
        assert_eq!(note(&mut repeats, failure("1", 2, 59)), (1, true));
        assert_eq!(note(&mut repeats, failure("2", 1, 59)), (1, true));
        assert_eq!(note(&mut repeats, failure("1", 1, 60)), (1, true));
        assert_eq!(
            note(&mut repeats, failure("1", 1, -5)),
            (1, true),
            "a clock that was reset"
        );
    }

    #[test]
    fn a_flood_from_everywhere_makes_few_entries() {
        let mut repeats = Repeats::default();
        let entries = (0..5_000)
            .filter(|n: &u32| note(&mut repeats, failure(&n.to_string(), n.to_be_bytes()[3], 1)).1)
            .count();
        assert!(entries <= PLACES_MAX + 1, "{entries}");
    }

    #[test]
    fn what_was_only_counted_is_written_later() {
        let mut repeats = Repeats::default();
        repeats.remember(&Arc::new(failure("1", 1, 0)));
        assert_eq!(repeats.take_unwritten(), []);
        repeats
            .again(&mut failure("1", 1, 1), false)
            .expect("is known");
        // Another window begins meanwhile.
        repeats.remember(&Arc::new(failure("2", 1, 100)));
        let unwritten = repeats.take_unwritten();
        assert_eq!(
            unwritten
                .iter()
                .map(|entry| entry.count)
                .collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(repeats.take_unwritten(), []);
    }
}
