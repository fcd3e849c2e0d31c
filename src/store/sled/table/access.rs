//! What requests do with one session: check it, find it, and wait for a
//! conditional change of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::entry::{Copied, Entry, Standing, State};
use super::shard::Slot;
use super::{CheckOutcome, Table};
use crate::model::{EndReason, Principal, Session, SessionId, Timestamp, TokenName, Version};
use crate::store::sled::record::{Kept, Record};
use crate::store::sled::view::View;
use crate::store::{Access, Checked, NotedToken};

/// An entry and its lock.
struct Here<'a> {
    slot: Slot,
    entry: &'a Entry,
    state: MutexGuard<'a, State>,
}

impl Table {
    /// Counts an access of a live session: `lastAccessAt` becomes the later of
    /// its old value and `now`, `_v` grows by one. Never brings a session back.
    ///
    /// [`CheckOutcome::MustWrite`] when no version is left, or when its newest
    /// token is seen for the first time, which must be durable before the
    /// answer. Without `can_write` the first is answered without being counted,
    /// the second from memory.
    ///
    /// The directory is looked at only when it has changed since the session's
    /// last check: the entry keeps what was found.
    pub fn check(
        &self,
        access: &Access,
        now: Timestamp,
        can_write: bool,
        view: &View,
    ) -> CheckOutcome {
        let checked = self.with(access.id, |slot, entry| {
            let state = entry.state.lock();
            let is_newest = state.is_newest(access.jti_head);
            let here = Here { slot, entry, state };
            self.check_here(here, is_newest, access.touch, now, can_write, view)
        });
        checked.unwrap_or(CheckOutcome::NotLive)
    }

    /// As [`Table::check`] of an access that counts, with the newest token by
    /// its name; `None` if that is not noted.
    pub fn check_named(
        &self,
        id: SessionId,
        name: &TokenName,
        now: Timestamp,
        can_write: bool,
        view: &View,
    ) -> Option<CheckOutcome> {
        self.with(id, |slot, entry| {
            let state = entry.state.lock();
            let is_named = state.is_named(name) && state.has_token_begun(now);
            let here = Here { slot, entry, state };
            is_named.then(|| self.check_here(here, true, true, now, can_write, view))
        })?
    }

    fn check_here(
        &self,
        here: Here<'_>,
        is_newest: bool,
        touch: bool,
        now: Timestamp,
        can_write: bool,
        view: &View,
    ) -> CheckOutcome {
        let Here {
            slot,
            entry,
            mut state,
        } = here;
        if !self.is_live(entry, &state, now) {
            return CheckOutcome::NotLive;
        }
        if is_newest && state.awaits_use() {
            state.note_use();
            if can_write {
                return CheckOutcome::MustWrite;
            }
            // Written as soon as that is possible again.
            self.note_dirty(slot, &mut state);
        }
        let before = Version(state.version);
        if touch && !self.count_access(slot, entry, &mut state, now) && can_write {
            return CheckOutcome::MustWrite;
        }
        let copied = entry.copy(&state);
        let principal = self.principal(&copied, &mut state, view);
        drop(state);
        let session = match &principal {
            Some(known) => copied.session(known.user_name.clone(), known.device_name.clone()),
            None => self.session(&copied),
        };
        CheckOutcome::Live(Checked {
            session,
            before,
            principal,
        })
    }

    /// Notes the name of a token, if it says what the newest of its session does.
    pub fn note_token(&self, id: SessionId, token: &NotedToken, name: TokenName) -> bool {
        let noted = self.with(id, |_, entry| {
            let mut state = entry.state.lock();
            let is_newest = newest_token(&state).is_some_and(|newest| newest.says(token));
            if is_newest {
                state.set_name(name);
            }
            is_newest
        });
        noted == Some(true)
    }

    /// The newest token of a session, live or not, if this is its name.
    pub fn noted_token(&self, id: SessionId, name: &TokenName) -> Option<NotedToken> {
        self.with(id, |_, entry| {
            let state = entry.state.lock();
            newest_token(&state).filter(|_| state.is_named(name))
        })?
    }

    /// User, device and rights of a session, as the directory has them at this
    /// instant.
    fn principal(&self, copied: &Copied, state: &mut State, view: &View) -> Option<Arc<Principal>> {
        if state.seen_directory != view.state() {
            let (user, device) = (self.users.get(copied.user), self.devices.get(copied.device));
            (state.seen_directory, state.principal) = view.principal_of(&user, &device);
        }
        state.principal.clone()
    }

    /// A live session; counts nothing.
    pub fn find(&self, id: SessionId, now: Timestamp) -> Option<Session> {
        self.with(id, |_, entry| {
            let state = entry.state.lock();
            let copied = self
                .is_live(entry, &state, now)
                .then(|| entry.copy(&state))?;
            drop(state);
            Some(self.session(&copied))
        })?
    }

    /// A session that is in the table, live or not.
    pub fn get(&self, id: SessionId) -> Option<Kept> {
        self.with(id, |_, entry| {
            let state = entry.state.lock();
            Kept {
                record: self.record(entry, &state),
                disk_last_access: state.disk_last_access,
            }
        })
    }

    /// The record as memory has it, with ceiling and number of the last write.
    pub(super) fn record(&self, entry: &Entry, state: &State) -> Record {
        Record {
            session: self.session(&entry.copy(state)),
            ceiling: Version(state.ceiling),
            began: state.began,
            written: state.written,
            tokens: state.tokens(),
        }
    }

    /// Why an id is not live at `now`, as long as it is known. `None` for live
    /// sessions too.
    pub fn reason(&self, id: SessionId, now: Timestamp) -> Option<EndReason> {
        let here = self.with(id, |_, entry| {
            let state = entry.state.lock();
            let (reason, at) = entry.deadline(&state, self.idle_after(state.env));
            let is_over = state.standing != Standing::Listed || at <= now;
            let lapsed = is_over.then_some(reason);
            lapsed.or_else(|| self.fences.reason(|| entry.copy(&state)))
        });
        here.unwrap_or_else(|| self.reasons.get(id, now))
    }

    /// From here to [`Table::unpin`] or [`Table::remove`] accesses are answered
    /// without moving `_v` and `lastAccessAt`, and counted afterwards.
    pub fn pin(&self, id: SessionId) {
        self.with(id, |_, entry| {
            let mut state = entry.state.lock();
            state.is_pinned = true;
            self.pins.lock().entry(id).or_default();
        });
    }

    /// Counts what [`Table::pin`] held up. Does nothing if it held nothing.
    pub fn unpin(&self, id: SessionId) {
        self.with(id, |slot, entry| {
            let mut state = entry.state.lock();
            let Some(held) = self.pins.lock().remove(&id) else {
                return;
            };
            state.is_pinned = false;
            let left = state.ceiling.saturating_sub(state.version);
            let counts = left > 0 && state.standing == Standing::Listed;
            if let Some(last) = held.last.filter(|_| counts) {
                self.move_on(slot, entry, &mut state, held.count.min(left), last);
            }
        });
    }

    /// From the return of this call on accesses are answered without moving
    /// `_v` and `lastAccessAt`: the store stops, and what is counted after its
    /// last write would be given out once more after the next start.
    pub fn seal(&self) {
        self.is_sealed.store(true, Ordering::Release);
        // An access that has not seen it still holds its shard for reading.
        self.shards.iter().for_each(|shard| drop(shard.write()));
    }

    /// Whether the session may be used at `now`.
    pub(super) fn is_live(&self, entry: &Entry, state: &State, now: Timestamp) -> bool {
        state.standing == Standing::Listed
            && now < entry.deadline(state, self.idle_after(state.env)).1
            && self.fences.reason(|| entry.copy(state)).is_none()
    }

    /// Counts an access, at once or after the conditional change at work;
    /// `false` if no version is left.
    fn count_access(&self, slot: Slot, entry: &Entry, state: &mut State, now: Timestamp) -> bool {
        if self.is_sealed.load(Ordering::Acquire) {
            return true;
        }
        if state.is_pinned {
            let mut pins = self.pins.lock();
            let held = pins.entry(entry.id).or_default();
            held.count += 1;
            held.last = held.last.max(Some(now));
            return true;
        }
        if state.version >= state.ceiling {
            return false;
        }
        self.move_on(slot, entry, state, 1, now);
        true
    }

    fn move_on(&self, slot: Slot, entry: &Entry, state: &mut State, by: u64, now: Timestamp) {
        state.version += by;
        // Without a mark the order has the last access as it was.
        if entry.move_last_access(now) && !state.is_marked {
            state.is_marked = true;
            self.marks.push(slot);
        }
        self.note_dirty(slot, state);
        if !state.is_urgent && state.runs_low() {
            state.is_urgent = true;
            self.dirty.hurry(slot);
        }
    }

    /// Memory is ahead of the disk.
    pub(super) fn note_dirty(&self, slot: Slot, state: &mut State) {
        if !state.is_dirty {
            state.is_dirty = true;
            self.dirty.add(slot);
        }
    }
}

fn newest_token(state: &State) -> Option<NotedToken> {
    let tokens = state.tokens()?;
    Some(NotedToken {
        jti_head: tokens.jti_head(),
        issued_at: tokens.issued_at,
        expires_at: state.expires_at,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Seen, check};
    use super::*;
    use crate::model::{AuthenticationType, DeviceName, Env, Identity, UserName};
    use crate::store::sled::record::RESERVE_MIN;
    use crate::store::{Rules, TokenState};

    const CEILING: u64 = 65;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(Duration::from_millis(millis))
    }

    /// A table with one session and its id; its newest token has a `jti` of
    /// zeros and was not seen yet.
    fn table() -> (Table, SessionId) {
        refreshed(0)
    }

    /// A table with one session that was refreshed this often.
    fn refreshed(generation: u32) -> (Table, SessionId) {
        let id = SessionId::draw();
        let tokens = TokenState {
            generation,
            refresh_sha256: [0; 32],
            salt: [0; 16],
            jti: [0; 16],
            issued_at: at(0),
            used: false,
        };
        let session = Session {
            id,
            identity: Identity {
                user_name: UserName::parse("anna").expect("a name"),
                device_name: DeviceName::parse("P01").expect("a name"),
                env: Env::CashRegister,
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: at(0),
            expires_at: at(10_000),
            last_access_at: at(0),
            version: Version(1),
        };
        let ceiling = Version(CEILING);
        let table = Table::new(Rules::default());
        table.insert(&Record {
            session,
            ceiling,
            began: 0,
            written: 0,
            tokens: Some(tokens),
        });
        (table, id)
    }

    #[test]
    fn past_half_of_its_reserve_a_session_is_to_be_written_first() {
        let (table, id) = table();
        let access = Access {
            id,
            jti_head: None,
            touch: true,
        };

        let until_urgent = (1..CEILING)
            .take_while(|now| {
                check(&table, &access, at(*now), true);
                table.urgent(9).is_empty()
            })
            .count();

        assert_eq!(until_urgent, 32);
        let record = table.to_write(id).expect("it is there");
        assert_eq!(record.ceiling, Version(34 + RESERVE_MIN));
        table.written(id, &record);
        assert!(table.urgent(9).is_empty());
        assert_eq!(table.dirty_len(), 0);
    }

    #[test]
    fn at_the_ceiling_an_access_waits_for_the_write_or_moves_nothing() {
        let (table, id) = table();
        let access = Access {
            id,
            jti_head: None,
            touch: true,
        };
        (1..CEILING).for_each(|now| drop(check(&table, &access, at(now), true)));

        assert_eq!(check(&table, &access, at(100), true), Seen::MustWrite);
        let unmoved = check(&table, &access, at(100), false);

        assert_eq!(unmoved.version(), Some(CEILING));
        let session = table.find(id, at(100)).expect("it lives");
        assert_eq!(session.last_access_at, at(CEILING - 1));
    }

    #[test]
    fn the_first_use_of_the_token_of_a_login_waits_for_nothing() {
        let (table, id) = refreshed(0);
        let access = Access {
            id,
            jti_head: Some(0),
            touch: false,
        };

        assert_eq!(check(&table, &access, at(1), true).version(), Some(1));
    }

    #[test]
    fn the_first_use_of_a_refreshed_token_is_durable_before_the_answer() {
        let (table, id) = refreshed(1);
        let access = Access {
            id,
            jti_head: Some(0),
            touch: false,
        };

        assert_eq!(check(&table, &access, at(1), true), Seen::MustWrite);
        assert_eq!(check(&table, &access, at(1), true), Seen::MustWrite);
        let record = table.to_write(id).expect("it is there");
        assert!(record.tokens.is_some_and(|tokens| tokens.used));
        table.written(id, &record);

        assert_eq!(check(&table, &access, at(1), true).version(), Some(1));
    }
}
