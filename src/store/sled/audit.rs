//! The audit in memory, and how an entry gets into a group. On the disk an
//! entry is in the same group as what it tells of; readers see it when the
//! group is durable, before anybody has its answer.

use std::sync::Arc;

use parking_lot::Mutex;

use super::codec::{CodecError, Names, decode_audit, encode_audit};
use super::disk::Batch;
use super::history::{Filed, History};
use super::keys;
use crate::model::{AuditEntry, Repeats, Timestamp};
use crate::ndata::{AuditMember, Query, Selected};
use crate::store::{Rules, StoreError};

impl Filed for AuditEntry {
    type Key = u64;

    fn key(&self) -> u64 {
        self.number
    }

    fn packed(&self) -> Vec<u8> {
        [&keys::audit(self.number)[..], &encode_audit(self)].concat()
    }

    fn unpacked(bytes: &[u8], names: &mut Names) -> Result<Self, CodecError> {
        let (key, value) = bytes.split_first_chunk().ok_or(SHORT)?;
        decode_audit(u64::from_be_bytes(*key), value, names)
    }

    fn is_minor(&self) -> bool {
        self.action.is_merged()
    }
}

const SHORT: CodecError = CodecError::Damaged("not a key and a value");

/// All audit entries that are kept.
#[derive(Debug, Default)]
pub struct Audit {
    entries: History<AuditEntry>,
    /// Failed logins that are counted together.
    repeats: Mutex<Repeats>,
}

impl Audit {
    /// The audit as the disk has it.
    pub fn of(entries: History<AuditEntry>) -> Self {
        Self {
            entries,
            repeats: Mutex::default(),
        }
    }

    /// Puts an entry into a group, or counts it in an earlier one.
    pub fn record(&self, mut entry: AuditEntry, batch: &mut Batch) {
        if !entry.action.is_merged() {
            batch.audit(entry);
            return;
        }
        let mut repeats = self.repeats.lock();
        match repeats.again(&mut entry, true) {
            Some(counted) => batch.audit_again(counted),
            None => repeats.remember(&batch.audit(entry)),
        }
    }

    /// Counts a repeat without the disk, which follows with the next sweep;
    /// `false` if there is nothing yet that it would repeat.
    pub fn count(&self, entry: &AuditEntry) -> bool {
        // Held until it is shown: one that is let go meanwhile must not come back.
        let mut repeats = self.repeats.lock();
        let counted = repeats.again(&mut entry.clone(), false);
        let known = counted.is_some();
        if let Some(entry) = counted {
            self.show(entry);
        }
        known
    }

    /// Puts entries into a group that count more than the disk has.
    pub fn stage_counted(&self, batch: &mut Batch) -> bool {
        let unwritten = self.repeats.lock().take_unwritten();
        let any = !unwritten.is_empty();
        for entry in unwritten {
            batch.audit_again(entry);
        }
        any
    }

    /// Shows an entry to readers, in place of one with the same number.
    pub fn show(&self, entry: Arc<AuditEntry>) {
        self.entries.put(entry);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether an entry is there.
    pub fn keeps(&self, number: u64) -> bool {
        self.entries.contains(number)
    }

    /// Lets an entry go. Nothing is counted in it from here on: an entry that
    /// is not on the disk must not be written again.
    pub fn forget(&self, number: u64) {
        let mut repeats = self.repeats.lock();
        repeats.forget(number);
        self.entries.remove(number);
    }

    /// Entries within the retention at `now`. Takes as long as it takes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others are at work already.
    pub fn page(
        &self,
        query: &Query<AuditMember>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Selected<Arc<AuditEntry>>, StoreError> {
        let before = now.minus(rules.audit_retention);
        self.entries.page(query, AuditMember::Number, |all| {
            let too_old = all.iter().take_while(|entry| entry.at < before).count();
            all.without_first(too_old)
        })
    }

    /// Numbers of at most `max` entries that are too old or too many. Of too
    /// many, failed logins go first as long as they are more than half of what
    /// may be kept: who fails a million times can not wash away what was done.
    pub fn surplus(&self, rules: &Rules, now: Timestamp, max: usize) -> Vec<u64> {
        let all = self.entries.snapshot();
        let before = now.minus(rules.audit_retention);
        let too_old = all.iter().take_while(|entry| entry.at < before).take(max);
        let mut surplus: Vec<u64> = too_old.map(|entry| entry.number).collect();
        let too_old = surplus.len();
        let too_many = all.len().saturating_sub(rules.audit_max).max(too_old) - too_old;
        // No more is read than is asked for: there may be a million too many.
        let wanted = too_many.min(max - too_old);
        if wanted > 0 {
            let left = all.without_first(too_old);
            let failures = left.count_minor();
            let excess = failures.saturating_sub(rules.audit_max / 2).min(wanted);
            surplus.extend(left.iter_minor().take(excess).map(|entry| entry.number));
            let gone: std::collections::HashSet<u64> = surplus.iter().copied().collect();
            let numbers = left.iter().map(|entry| entry.number);
            let oldest = numbers.filter(|number| !gone.contains(number));
            surplus.extend(oldest.take(wanted - excess));
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AuditAction, Cause};

    #[test]
    fn failed_logins_do_not_wash_away_what_was_done() {
        let audit = Audit::default();
        let at = Timestamp::from_millis(1_000);
        for number in 0..30 {
            let action = if number < 6 {
                AuditAction::Created
            } else {
                AuditAction::LoginFailed
            };
            let entry = AuditEntry::new(action, Cause::server(), at);
            audit.show(Arc::new(AuditEntry { number, ..entry }));
        }
        let rules = Rules {
            audit_max: 12,
            ..Rules::default()
        };
        // Half of 12 are failures at most, and all that was done is left.
        assert_eq!(audit.surplus(&rules, at, 100), (6..24).collect::<Vec<_>>());
        assert_eq!(audit.surplus(&rules, at, 4), (6..10).collect::<Vec<_>>());
        let aged = at.plus(rules.audit_retention + std::time::Duration::from_millis(1));
        assert_eq!(audit.surplus(&rules, aged, 100).len(), 30);
    }
}
