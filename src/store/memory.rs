//! The oracle: every promise of [`Store`] in the plainest way there is.
//!
//! A list, one lock, linear scans. It shares only the model and the query with
//! the real stores, so that a mistake in their tables, indexes, groups and
//! records shows as a different answer. It is never optimised, and it forgets
//! everything when dropped.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::changes::outcomes;
use super::outbox::{self, OutboxRecords};
use super::{
    Access, Action, Begun, ChangePlace, Changed, Changes, Checked, End, EndSome, EndedSome,
    FAILURES_PER_HOOK_MAX, FeedPlace, Figures, NewSession, NotedToken, OUTBOX_EVENTS_MAX, Outbox,
    Refresh, Refreshed, Revocations, Rules, Scope, SessionPage, Settled, Signer, Store, StoreError,
    StoreHealth, Swept, TokenState,
};
use crate::model::{
    ApiKeyId, AtLimit, Attempt, AuditAction, AuditEntry, AuditObject, AuthenticationType, Author,
    Cause, Directory, DirectoryChange, ENDED_AT_ONCE_MAX, EndReason, EndedSession, Ends, Env,
    Identity, LockoutRules, NameKey, Origin, Outcome, Precondition, Principal, Repeats, Resource,
    Session, SessionId, Subject, Timestamp, TokenName, UserLock, UserName, Version, WebhookId,
    of_change,
};
use crate::ndata::{self, AuditMember, EndedMember, Query, Selected, SessionMember};

/// A store that lives as long as its process.
#[derive(Debug)]
pub struct MemoryStore {
    rules: Rules,
    state: Mutex<State>,
    changes: Changes,
    outbox: Outbox,
}

#[derive(Debug, Default)]
struct State {
    directory: Directory,
    /// Live, or over by the passing of time and not swept yet.
    sessions: Vec<Kept>,
    /// The archive.
    ended: Vec<EndedSession>,
    /// Why an id is not live, and until when somebody may ask: its tokens are
    /// good until then.
    reasons: Vec<(SessionId, EndReason, Timestamp)>,
    /// The lockout's records.
    locks: Vec<(NameKey, UserLock)>,
    /// The last session of each API key that has signed a request.
    signed: Vec<(ApiKeyId, SessionId)>,
    changes: u64,
    /// The audit, in the order of commits.
    audit: Vec<Arc<AuditEntry>>,
    repeats: Repeats,
    /// Rings when something has ended.
    endings: watch::Sender<u64>,
}

impl State {
    /// Adds to the audit, or counts a repeat.
    fn tell(&mut self, mut entry: AuditEntry) {
        if let Some(counted) = self.again(&mut entry) {
            let number = counted.number;
            let place = self.audit.iter().position(|entry| entry.number == number);
            if let Some(place) = place {
                self.audit[place] = counted;
            }
            return;
        }
        entry.number = self.audit.last().map_or(0, |last| last.number) + 1;
        let entry = Arc::new(entry);
        if entry.action.is_merged() {
            self.repeats.remember(&entry);
        }
        self.audit.push(entry);
    }

    fn again(&mut self, entry: &mut AuditEntry) -> Option<Arc<AuditEntry>> {
        let is_merged = entry.action.is_merged();
        is_merged.then(|| self.repeats.again(entry, true)).flatten()
    }
}

/// A session and what its tokens are made from.
#[derive(Clone, Debug)]
struct Kept {
    session: Session,
    /// `None` for signed requests.
    tokens: Option<TokenState>,
    /// The name of the newest of them, if it was noted.
    name: Option<TokenName>,
}

impl Kept {
    fn newest_token(&self) -> Option<NotedToken> {
        let tokens = self.tokens?;
        Some(NotedToken {
            jti_head: tokens.jti_head(),
            issued_at: tokens.issued_at,
            expires_at: self.session.expires_at,
        })
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let changes = Changes::new(0, 0, rules.changes_max);
        Self {
            rules,
            state: Mutex::new(State::default()),
            changes,
            outbox: Outbox::from_records(OutboxRecords::default()),
        }
    }

    /// Why a session is over by the passing of time, and since when.
    fn lapsed(&self, session: &Session, now: Timestamp) -> Option<(EndReason, Timestamp)> {
        session.lapsed(now, self.rules.idle[session.identity.env.index()])
    }

    /// Where a live session stands in the list.
    fn live(&self, state: &State, id: SessionId, now: Timestamp) -> Result<usize, StoreError> {
        let at = state.sessions.iter().position(|kept| kept.session.id == id);
        at.filter(|at| self.lapsed(&state.sessions[*at].session, now).is_none())
            .ok_or_else(|| StoreError::NotLive(self.why(state, id, now)))
    }

    fn why(&self, state: &State, id: SessionId, now: Timestamp) -> Option<EndReason> {
        if let Some(kept) = state.sessions.iter().find(|kept| kept.session.id == id) {
            return self.lapsed(&kept.session, now).map(|(reason, _)| reason);
        }
        let known = |(of, _, until): &&(SessionId, EndReason, Timestamp)| *of == id && now < *until;
        state
            .reasons
            .iter()
            .find(known)
            .map(|(_, reason, _)| *reason)
    }

    /// Moves a session to the archive. One whose time was over already ended
    /// by the rule that struck, and at that instant.
    fn end_at(
        &self,
        state: &mut State,
        at: usize,
        reason: EndReason,
        by: Author,
        now: Timestamp,
    ) -> EndedSession {
        let session = state.sessions.remove(at).session;
        let (reason, ended_at, by) = match self.lapsed(&session, now) {
            Some((lapsed, struck)) => (lapsed, struck, Author::Server),
            None => (reason, now, by),
        };
        state
            .reasons
            .push((session.id, reason, session.token_until()));
        let ended = EndedSession {
            session,
            ended_at,
            reason,
            by,
            commit: state.changes + 1,
        };
        let key = |ended: &EndedSession| (ended.ended_at, ended.session.id);
        let place = state
            .ended
            .partition_point(|other| key(other) < key(&ended));
        state.ended.insert(place, ended.clone());
        state.endings.send_replace(ended.commit);
        self.changes.add_end(&ended);
        self.changes.tell();
        let what = Changed::Session(Box::new(ended.session.clone()), Some(reason));
        self.queue(state, ended.ended_at, &ended.by, Action::Deleted, what);
        ended
    }

    /// Tells those who watch of a session that is there or has been refreshed.
    fn tell_of(&self, state: &State, session: &Session, at: Timestamp, by: Author, action: Action) {
        let what = Changed::Session(Box::new(session.clone()), None);
        self.queue(state, at, &by, action, what.clone());
        self.changes.add(state.changes + 1, at, by, action, what);
        self.changes.tell();
    }

    /// Puts a change into the outbox, if a hook wants it.
    fn queue(&self, state: &State, at: Timestamp, by: &Author, action: Action, what: Changed) {
        if !outbox::is_wanted(&state.directory, what.kind()) {
            return;
        }
        let commit = state.changes + 1;
        let last = self.outbox.last().map(outbox::place);
        let place = ChangePlace {
            epoch: 0,
            commit,
            number: last
                .filter(|last| last.0 == commit)
                .map_or(1, |last| last.1 + 1),
        };
        let event = outbox::event(place, at, at, by.clone(), action, what);
        self.outbox.apply(vec![outbox::Step::Queue(event)]);
    }

    /// Removes what nobody is to be told of any more.
    fn tidy(&self, state: &State, now: Timestamp) {
        let (events, failures) = (OUTBOX_EVENTS_MAX, FAILURES_PER_HOOK_MAX);
        loop {
            let steps = self
                .outbox
                .tidy(&state.directory, events, failures, usize::MAX, now);
            if steps.is_empty() {
                return;
            }
            self.outbox.apply(steps);
        }
    }

    fn end_matching(
        &self,
        state: &mut State,
        reason: EndReason,
        by: &Author,
        now: Timestamp,
        matches: impl Fn(&Kept) -> bool,
    ) -> Vec<EndedSession> {
        let mut ended = Vec::new();
        while let Some(at) = state.sessions.iter().position(&matches) {
            ended.push(self.end_at(state, at, reason, by.clone(), now));
        }
        ended
    }

    fn look(
        &self,
        state: &State,
        attempt: Option<&Attempt>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let wait = attempt.and_then(|attempt| {
            let (_, lock) = state.locks.iter().find(|(name, _)| *name == attempt.user)?;
            lock.wait(attempt, now, &self.rules.lockout)
        });
        wait.map_or(Ok(()), |wait| Err(StoreError::Locked(wait)))
    }

    fn fail(&self, state: &mut State, attempt: &Attempt, now: Timestamp) -> Option<Duration> {
        let rules = &self.rules.lockout;
        let user = attempt.user_name.as_ref();
        let action = AuditAction::LoginFailed;
        state.tell(AuditEntry::refused(action, attempt, &state.directory, now));
        let is_known = user.is_some_and(|user| state.directory.user_named(user).is_some());
        let lock = lock_of(state, attempt.user);
        lock.is_known = is_known;
        let wait = lock.fail(attempt, now, rules);
        forget_strangers(state, rules);
        wait
    }

    fn succeed(&self, state: &mut State, attempt: &Attempt, at_home: bool, now: Timestamp) {
        let lock = lock_of(state, attempt.user);
        if !lock.is_settled(attempt, now, &self.rules.lockout) {
            lock.is_known = true;
            lock.succeed(attempt, at_home, now, &self.rules.lockout);
        }
    }

    /// A session of the user begins.
    fn use_account(&self, state: &mut State, user: &UserName, now: Timestamp) {
        let lock = lock_of(state, NameKey::of(user.as_str()));
        if lock.is_use_due(now, &self.rules.lockout) {
            (lock.is_known, lock.last_use) = (true, Some(now));
        }
    }

    /// Whom a login ends to stay within the limits.
    fn over_the_limits(
        &self,
        state: &State,
        new: &NewSession,
        env: Env,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        let bearer = AuthenticationType::Bearer;
        let mut ending = Vec::new();
        if new.authentication_type != bearer {
            return Ok(ending);
        }
        let sessions = state.sessions.iter().map(|kept| &kept.session);
        let mut live: Vec<_> = sessions
            .filter(|session| self.lapsed(session, now).is_none())
            .filter(|session| session.identity.authentication_type == bearer)
            .filter(|session| !env.is_sale() || session.identity.device_name != new.device_name)
            .collect();
        live.sort_by_key(|session| (session.last_access_at, session.started_at, session.id));
        let limits = &self.rules.limits;
        let (user, device) = (&new.user_name, &new.device_name);
        let counted = [
            (limits.per_user, Some(user), None),
            (limits.per_device, None, Some(device)),
            (limits.installation, None, None),
        ];
        for (limit, of, on) in counted {
            let ours = live.iter().filter(|session| {
                let identity = &session.identity;
                of.is_none_or(|user| identity.user_name == *user)
                    && on.is_none_or(|device| identity.device_name == *device)
            });
            let ours: Vec<_> = ours.map(|session| session.id).collect();
            let surplus = limit.surplus(ours.len()).min(ENDED_AT_ONCE_MAX);
            if surplus > 0 && limit.then == AtLimit::Deny {
                return Err(StoreError::LimitReached);
            }
            ending.extend(&ours[..surplus]);
            live.retain(|session| !ending.contains(&session.id));
        }
        Ok(ending)
    }

    fn begin_now(
        &self,
        new: NewSession,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let state = &mut *self.state.lock();
        self.look(state, new.attempt.as_ref(), now)?;
        let principal = state
            .directory
            .principal(&new.user_name, &new.device_name)
            .filter(|who| new.password_seen.is_none() || new.password_seen == who.user.password)
            .filter(|who| !new.no_sale_device || !who.device.env.is_sale())
            .ok_or(StoreError::Denied);
        let principal = match (principal, &new.attempt) {
            (Err(denied), Some(attempt)) => {
                self.fail(state, attempt, now);
                return Err(denied);
            }
            (principal, _) => principal?,
        };
        if state.sessions.iter().any(|kept| kept.session.id == new.id) {
            return Err(StoreError::Unknown);
        }
        let env = principal.device.env;
        let too_many = self.over_the_limits(state, &new, env, now)?;
        let mut replaced = Vec::new();
        if env.is_sale() {
            replaced = self.end_matching(state, EndReason::Replaced, &cause.by, now, |kept| {
                let identity = &kept.session.identity;
                identity.device_name == new.device_name
                    && identity.authentication_type == AuthenticationType::Bearer
            });
        }
        replaced.extend(
            self.end_matching(state, EndReason::Replaced, &cause.by, now, |kept| {
                too_many.contains(&kept.session.id)
            }),
        );
        if let Some(attempt) = &new.attempt {
            self.succeed(state, attempt, true, now);
        }
        self.use_account(state, &new.user_name, now);
        for ended in &replaced {
            tell_end(state, ended, cause, now);
        }
        replaced.retain(|ended| ended.reason == EndReason::Replaced);
        let session = Session {
            id: new.id,
            identity: Identity {
                user_name: new.user_name,
                device_name: new.device_name,
                env,
                authentication_type: new.authentication_type,
            },
            started_at: now,
            expires_at: self.rules.expires_at(env, now, now),
            last_access_at: now,
            version: Version::FIRST,
        };
        let tokens = TokenState {
            generation: 0,
            refresh_sha256: new.refresh_sha256,
            salt: new.salt,
            jti: new.jti,
            issued_at: now,
            used: false,
        };
        state.sessions.push(Kept {
            session: session.clone(),
            tokens: Some(tokens),
            name: None,
        });
        self.tell_of(state, &session, now, cause.by.clone(), Action::Created);
        let entry = AuditEntry::new(AuditAction::Login, cause.clone(), now);
        state.tell(entry.on(AuditObject::session(&session)));
        state.changes += 1;
        let replaced = replaced.into_iter().map(|ended| ended.session);
        let replaced = replaced.collect();
        Ok(Begun {
            session,
            principal: Arc::new(principal),
            replaced,
        })
    }

    /// Whom the signer stands for, and the live session of its key.
    fn signer(
        &self,
        state: &State,
        signer: &Signer,
        now: Timestamp,
    ) -> Result<(Principal, Option<usize>), StoreError> {
        let stored = state.directory.api_key(signer.key.id);
        let stored = stored.filter(|key| signer.fits(key));
        let principal = stored.and_then(|key| state.directory.signer(key));
        let held = state.signed.iter().find(|(key, _)| *key == signer.key.id);
        let live = held.and_then(|(_, id)| self.live(state, *id, now).ok());
        Ok((principal.ok_or(StoreError::Denied)?, live))
    }

    fn begin_signed_now(
        &self,
        signer: &Signer,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        let state = &mut *self.state.lock();
        let (principal, live) = self.signer(state, signer, now)?;
        if let Some(at) = live {
            return Ok(state.sessions[at].session.clone());
        }
        if state.sessions.iter().any(|kept| kept.session.id == id) {
            return Err(StoreError::Unknown);
        }
        let env = principal.device.env;
        let session = Session {
            id,
            identity: Identity {
                user_name: principal.user.user_name.clone(),
                device_name: principal.device.name.clone(),
                env,
                authentication_type: AuthenticationType::Nws4,
            },
            started_at: now,
            expires_at: self.rules.expires_at(env, now, now),
            last_access_at: now,
            version: Version::FIRST,
        };
        state.sessions.push(Kept {
            session: session.clone(),
            tokens: None,
            name: None,
        });
        self.use_account(state, &session.identity.user_name, now);
        let by = Author::of(&session.identity);
        self.tell_of(state, &session, now, by, Action::Created);
        state.signed.retain(|(key, _)| *key != signer.key.id);
        state.signed.push((signer.key.id, id));
        state.changes += 1;
        Ok(session)
    }

    fn refresh_now(
        &self,
        refresh: Refresh,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError> {
        let state = &mut *self.state.lock();
        let at = self.live(state, refresh.id, now)?;
        let Kept {
            session, tokens, ..
        } = state.sessions[at].clone();
        let tokens = tokens.ok_or(StoreError::Denied)?;
        let identity = &session.identity;
        if state
            .directory
            .principal(&identity.user_name, &identity.device_name)
            .is_none()
        {
            return Err(StoreError::Denied);
        }
        if refresh.presented > tokens.generation {
            return Err(StoreError::Denied);
        }
        if refresh.presented < tokens.generation {
            let first_repeat = refresh.presented + 1 == tokens.generation;
            let in_grace = now.since(tokens.issued_at) < self.rules.refresh_grace;
            if first_repeat && in_grace && !tokens.used {
                return Ok(Refreshed { session, tokens });
            }
            let (by, reason) = (Author::Server, EndReason::RefreshReuse);
            let ended = self.end_at(state, at, reason, by.clone(), now);
            let entry = AuditEntry::new(AuditAction::RefreshReused, Cause { by, origin }, now);
            let session = AuditObject::session(&ended.session);
            state.tell(entry.on(session).because(reason));
            state.changes += 1;
            return Err(StoreError::Reused);
        }
        let kept = &mut state.sessions[at];
        let env = session.identity.env;
        kept.session.expires_at = self.rules.expires_at(env, session.started_at, now);
        kept.session.version = session.version.next();
        let tokens = TokenState {
            generation: tokens.generation + 1,
            refresh_sha256: refresh.next_sha256,
            salt: tokens.salt,
            jti: refresh.next_jti,
            issued_at: now,
            used: false,
        };
        (kept.tokens, kept.name) = (Some(tokens), None);
        let session = kept.session.clone();
        let by = Author::of(&session.identity);
        self.tell_of(state, &session, now, by, Action::Updated);
        state.changes += 1;
        Ok(Refreshed { session, tokens })
    }

    fn check_now(&self, access: Access, now: Timestamp) -> Result<Checked, StoreError> {
        let state = &mut *self.state.lock();
        let at = self.live(state, access.id, now)?;
        let Kept {
            session, tokens, ..
        } = &mut state.sessions[at];
        let before = session.version;
        if access.touch {
            session.last_access_at = session.last_access_at.max(now);
            session.version = before.next();
        }
        if let Some(tokens) = tokens {
            tokens.used |= tokens.generation > 0 && access.jti_head == Some(tokens.jti_head());
        }
        let session = session.clone();
        let identity = &session.identity;
        let principal = state
            .directory
            .principal(&identity.user_name, &identity.device_name);
        Ok(Checked {
            session,
            before,
            principal: principal.map(Arc::new),
        })
    }
}

/// The record of a name.
fn lock_of(state: &mut State, name: NameKey) -> &mut UserLock {
    let known = state.locks.iter().position(|(of, _)| *of == name);
    let at = known.unwrap_or_else(|| {
        state.locks.push((name, UserLock::default()));
        state.locks.len() - 1
    });
    &mut state.locks[at].1
}

/// Forgets the strangers that are too many: those that lock nothing before
/// others, then those that failed longest ago.
fn forget_strangers(state: &mut State, rules: &LockoutRules) {
    loop {
        let strangers = state.locks.iter().filter(|(_, lock)| !lock.is_known);
        if strangers.clone().count() <= rules.strangers_max {
            return;
        }
        let rank = |(name, lock): &(NameKey, UserLock)| {
            (lock.is_strong(rules), lock.last_failure(), *name)
        };
        let first = strangers.map(rank).min();
        let gives_way = first.map(|(.., name)| name);
        state.locks.retain(|(name, _)| Some(*name) != gives_way);
    }
}

fn is_of(kept: &Kept, subject: &Subject) -> bool {
    let Identity {
        user_name,
        device_name,
        ..
    } = &kept.session.identity;
    match subject {
        Subject::Everybody => true,
        Subject::User(user) => user == user_name,
        Subject::Device(device) => device == device_name,
        Subject::UserOnDevice(user, device) => user == user_name && device == device_name,
        Subject::Key(number) => kept.tokens.is_some_and(|tokens| tokens.key() == *number),
    }
}

impl Store for MemoryStore {
    async fn check(&self, access: Access, now: Timestamp) -> Result<Checked, StoreError> {
        self.check_now(access, now)
    }

    fn note_token(&self, id: SessionId, token: &NotedToken, name: TokenName) -> bool {
        let state = &mut *self.state.lock();
        let mut kept = state.sessions.iter_mut();
        let newest = kept.find(|kept| {
            let newest = kept.newest_token().filter(|_| kept.session.id == id);
            newest.is_some_and(|newest| newest.says(token))
        });
        newest.map(|kept| kept.name = Some(name)).is_some()
    }

    fn noted_token(&self, id: SessionId, name: &TokenName) -> Option<NotedToken> {
        let state = self.state.lock();
        let mut kept = state.sessions.iter();
        let kept = kept.find(|kept| kept.session.id == id && kept.name == Some(*name))?;
        kept.newest_token()
    }

    fn check_at_once(
        &self,
        id: SessionId,
        name: &TokenName,
        now: Timestamp,
    ) -> Option<Result<Checked, StoreError>> {
        let noted = self.noted_token(id, name)?;
        if noted.issued_at.seconds_floor() > now.seconds_floor() {
            return None;
        }
        let access = Access {
            id,
            jti_head: Some(noted.jti_head),
            touch: true,
        };
        Some(self.check_now(access, now))
    }

    async fn find(&self, id: SessionId, scope: &Scope, now: Timestamp) -> Option<Session> {
        let state = self.state.lock();
        let at = self.live(&state, id, now).ok()?;
        let session = &state.sessions[at].session;
        scope.covers(session).then(|| session.clone())
    }

    async fn page(
        &self,
        query: &Query<SessionMember>,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError> {
        let state = self.state.lock();
        let sessions = state.sessions.iter().map(|kept| &kept.session);
        let live = sessions.filter(|session| self.lapsed(session, now).is_none());
        let mut rows: Vec<&Session> = live
            .filter(|session| scope.covers(session) && query.passes(*session))
            .collect();
        let total = u64::try_from(rows.len()).expect("a list fits into memory");
        let order = query.order();
        rows.sort_by(|a, b| Query::compare(&order, *a, *b));
        if let Some(after) = &query.after {
            rows.retain(|row| Query::is_after(&order, *row, after));
        }
        let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let rest = rows.get(skip..).unwrap_or_default();
        let page = &rest[..query.take.min(rest.len())];
        let shown = if query.count_only { &[] } else { page };
        Ok(SessionPage {
            items: shown.iter().map(|session| (*session).clone()).collect(),
            count: page.len(),
            total,
            more: page.len() < rest.len(),
        })
    }

    async fn ended(
        &self,
        query: &Query<EndedMember>,
        now: Timestamp,
    ) -> Result<Selected<Arc<EndedSession>>, StoreError> {
        let state = self.state.lock();
        let shown = &state.ended[beyond_retention(&state, &self.rules, now)..];
        Ok(ndata::select(query, shown.iter().cloned().map(Arc::new)))
    }

    async fn audit(
        &self,
        query: &Query<AuditMember>,
        now: Timestamp,
    ) -> Result<Selected<Arc<AuditEntry>>, StoreError> {
        let state = self.state.lock();
        let before = now.minus(self.rules.audit_retention);
        let kept = state.audit.iter().filter(|entry| entry.at >= before);
        Ok(ndata::select(query, kept.cloned()))
    }

    async fn note(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.state.lock().tell(entry);
        Ok(())
    }

    async fn begin(
        &self,
        new: NewSession,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        self.begin_now(new, &cause, now)
    }

    async fn wait(&self, attempt: &Attempt, now: Timestamp) -> Option<Duration> {
        match self.look(&self.state.lock(), Some(attempt), now) {
            Err(StoreError::Locked(wait)) => Some(wait),
            _ => None,
        }
    }

    async fn last_use(&self, user: &UserName) -> Option<Timestamp> {
        lock_of(&mut self.state.lock(), NameKey::of(user.as_str())).last_use
    }

    async fn note_use(
        &self,
        user: UserName,
        at: Option<Timestamp>,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        let state = &mut *self.state.lock();
        let lock = lock_of(state, NameKey::of(user.as_str()));
        (lock.is_known, lock.last_use) = (true, at);
        Ok(())
    }

    async fn count(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let state = &mut *self.state.lock();
        self.look(state, Some(&attempt), now)?;
        if outcome == Outcome::Right {
            self.succeed(state, &attempt, false, now);
            return Ok(None);
        }
        Ok(self.fail(state, &attempt, now))
    }

    async fn check_signed(&self, signer: &Signer, now: Timestamp) -> Result<Checked, StoreError> {
        let state = &mut *self.state.lock();
        let (principal, live) = self.signer(state, signer, now)?;
        let session = &mut state.sessions[live.ok_or(StoreError::NotLive(None))?].session;
        let before = session.version;
        session.last_access_at = session.last_access_at.max(now);
        session.version = before.next();
        Ok(Checked {
            session: session.clone(),
            before,
            principal: Some(Arc::new(principal)),
        })
    }

    async fn begin_signed(
        &self,
        signer: Signer,
        id: SessionId,
        _: Cause,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        self.begin_signed_now(&signer, id, now)
    }

    async fn end(&self, end: End, now: Timestamp) -> Result<Session, StoreError> {
        let state = &mut *self.state.lock();
        let at = match (self.live(state, end.id, now), &end.scope) {
            (Ok(at), scope) if scope.covers(&state.sessions[at].session) => at,
            (Err(error), Scope::Any) => return Err(error),
            _ => return Err(StoreError::NotLive(None)),
        };
        let seen = Version(state.sessions[at].session.version.0 - u64::from(end.own_access));
        if !end.if_match.if_match_holds(Some(seen)) {
            return Err(StoreError::Stale(seen));
        }
        let ended = self.end_at(state, at, end.reason, end.cause.by.clone(), now);
        tell_end(state, &ended, &end.cause, now);
        state.changes += 1;
        Ok(ended.session)
    }

    async fn end_some(&self, some: EndSome, now: Timestamp) -> Result<EndedSome, StoreError> {
        let state = &mut *self.state.lock();
        let mut count = 0;
        for id in &some.ids {
            let Ok(at) = self.live(state, *id, now) else {
                continue;
            };
            if some.matches(&state.sessions[at].session) {
                self.end_at(state, at, some.reason, some.cause.by.clone(), now);
                count += 1;
            }
        }
        if count == 0 {
            let told = some.told;
            return Ok(EndedSome { count, told });
        }
        state.changes += 1;
        let number = some.told.as_ref().map(|told| told.number);
        let place = state
            .audit
            .iter()
            .position(|entry| Some(entry.number) == number);
        let told = if let Some(place) = place {
            let mut told = (*state.audit[place]).clone();
            told.count += u64::try_from(count).unwrap_or(u64::MAX);
            told.last_at = now;
            state.audit[place] = Arc::new(told);
            Arc::clone(&state.audit[place])
        } else {
            let entry = AuditEntry::new(AuditAction::SessionsEnded, some.cause, now);
            let mut entry = entry.because(some.reason).counting(count);
            entry.detail = Some(some.detail);
            state.tell(entry);
            let last = state.audit.last();
            Arc::clone(last.expect("an entry was just told"))
        };
        let told = Some(told);
        Ok(EndedSome { count, told })
    }

    async fn revocations(
        &self,
        since: Option<FeedPlace>,
        max: usize,
        now: Timestamp,
    ) -> Revocations {
        let state = self.state.lock();
        let known = since.filter(|place| place.epoch == 0 && place.commit <= state.changes);
        let is_read = |ended: &EndedSession| {
            known.is_some_and(|place| match place.id {
                Some(id) => (ended.commit, ended.session.id) <= (place.commit, id),
                None => ended.commit <= place.commit,
            })
        };
        let mut all: Vec<&EndedSession> = state
            .ended
            .iter()
            .filter(|ended| ended.reason != EndReason::Expired)
            .filter(|ended| ended.session.token_until() > now && !is_read(ended))
            .collect();
        all.sort_by_key(|ended| (ended.commit, ended.session.id));
        all.truncate(max);
        let last = all.last().filter(|_| all.len() == max);
        Revocations {
            next: FeedPlace {
                epoch: 0,
                commit: last.map_or(state.changes, |ended| ended.commit),
                id: last.map(|ended| ended.session.id),
            },
            items: all
                .iter()
                .map(|ended| (ended.session.id, ended.session.token_until()))
                .collect(),
            reset: known.is_none(),
        }
    }

    fn endings(&self) -> watch::Receiver<u64> {
        self.state.lock().endings.subscribe()
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    async fn settle(
        &self,
        hook: WebhookId,
        settled: Settled,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let state = &mut *self.state.lock();
        if state.directory.webhook(hook).is_none() {
            return Ok(());
        }
        let max = FAILURES_PER_HOOK_MAX;
        let steps = self.outbox.settle(hook, &settled, max, now);
        if let (false, Settled::Forgotten(_, Some(entry))) = (steps.is_empty(), settled) {
            state.tell(*entry);
        }
        self.outbox.apply(steps);
        state.changes += 1;
        self.tidy(state, now);
        Ok(())
    }

    async fn tokens(&self, id: SessionId, now: Timestamp) -> Option<TokenState> {
        let state = self.state.lock();
        let at = self.live(&state, id, now).ok()?;
        state.sessions[at].tokens
    }

    async fn session_of_refresh(&self, sha256: [u8; 32], now: Timestamp) -> Option<SessionId> {
        let state = self.state.lock();
        let hash = |kept: &Kept| kept.tokens.map(|tokens| tokens.refresh_sha256);
        let fits = |kept: &&Kept| hash(kept) == Some(sha256);
        let id = state.sessions.iter().find(fits)?.session.id;
        self.live(&state, id, now).is_ok().then_some(id)
    }

    async fn refresh(
        &self,
        refresh: Refresh,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError> {
        self.refresh_now(refresh, origin, now)
    }

    async fn directory(&self) -> Arc<Directory> {
        Arc::new(self.state.lock().directory.clone())
    }

    async fn change(
        &self,
        change: DirectoryChange,
        precondition: Precondition,
        cause: Cause,
        now: Timestamp,
    ) -> Result<(Resource, bool), StoreError> {
        let state = &mut *self.state.lock();
        let decided = state
            .directory
            .decide(&change, &precondition, &cause.actor());
        let decision = decided.map_err(StoreError::Refused)?;
        for entry in of_change(&decision, &state.directory, &cause, now) {
            state.tell(entry);
        }
        self.changes.add_decision(
            state.changes + 1,
            now,
            &cause.by,
            &decision,
            &state.directory,
        );
        self.changes.tell();
        for (action, what) in outcomes(&decision, &state.directory) {
            self.queue(state, now, &cause.by, action, what);
        }
        let commit = state.changes + 1;
        let steps = outbox::of_decision(&self.outbox, &decision, &state.directory, commit);
        self.outbox.apply(steps);
        state.directory.apply(&decision);
        if let Some(user) = &decision.unlocked {
            lock_of(state, NameKey::of(user.as_str())).unlock();
        }
        for ends in &decision.key_ends {
            let held = state.signed.iter().find(|(key, _)| *key == ends.key);
            if let Some((_, id)) = held.copied() {
                let of_key = |kept: &Kept| kept.session.id == id;
                self.end_matching(state, ends.reason, &cause.by, now, of_key);
            }
        }
        for ends in &decision.ends {
            let concerned =
                |kept: &Kept| is_of(kept, &ends.subject) && ends.keep != Some(kept.session.id);
            let ended = self.end_matching(state, ends.reason, &cause.by, now, concerned);
            tell_ends(state, ends, &ended, &cause, now);
        }
        state.changes += 1;
        Ok((decision.resource, decision.created))
    }

    async fn end_all(
        &self,
        of: Subject,
        reason: EndReason,
        cause: Cause,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let state = &mut *self.state.lock();
        let ended = self.end_matching(state, reason, &cause.by, now, |kept| is_of(kept, &of));
        let ends = Ends {
            subject: of,
            keep: None,
            reason,
        };
        tell_ends(state, &ends, &ended, &cause, now);
        state.changes += 1;
        Ok(())
    }

    /// Nothing of this store is there at a next opening.
    async fn put_meta(
        &self,
        _: &str,
        _: Option<Vec<u8>>,
        told: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        if let Some(entry) = told {
            self.state.lock().tell(entry);
        }
        Ok(())
    }

    async fn reason(&self, id: SessionId, now: Timestamp) -> Option<EndReason> {
        self.why(&self.state.lock(), id, now)
    }

    async fn sweep(&self, now: Timestamp, max: usize) -> Result<Swept, StoreError> {
        let state = &mut *self.state.lock();
        let mut swept = Swept {
            purged: purge(state, &self.rules, now, max) + purge_audit(state, &self.rules, now, max),
            ..Swept::default()
        };
        state
            .locks
            .retain(|(_, lock)| lock.void_at(&self.rules.lockout) > now);
        while let Some((at, reason)) = self.longest_over(state, now) {
            if swept.ended == max {
                swept.more = true;
                break;
            }
            self.end_at(state, at, reason, Author::Server, now);
            swept.ended += 1;
        }
        swept.more |= !surplus(state, &self.rules, now, 1).is_empty();
        state.changes += 1;
        Ok(swept)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let state = self.state.lock();
        let deadlines = state
            .sessions
            .iter()
            .map(|kept| self.deadline(&kept.session));
        deadlines.min()
    }

    fn health(&self) -> StoreHealth {
        let state = self.state.lock();
        StoreHealth {
            sessions: u64::try_from(state.sessions.len()).unwrap_or(u64::MAX),
            commit: state.changes,
            ..StoreHealth::default()
        }
    }

    fn figures(&self) -> Figures {
        let state = self.state.lock();
        let long = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        Figures {
            begun: self.changes.begun(),
            ended: self.changes.ended(),
            archived: long(state.ended.len()),
            audited: long(state.audit.len()),
            ..Figures::default()
        }
    }
}

impl MemoryStore {
    /// The session whose time has been over longest.
    fn longest_over(&self, state: &State, now: Timestamp) -> Option<(usize, EndReason)> {
        let over = state.sessions.iter().enumerate().filter_map(|(at, kept)| {
            let (reason, struck) = self.lapsed(&kept.session, now)?;
            Some((struck, kept.session.id, at, reason))
        });
        over.min_by_key(|(struck, id, ..)| (*struck, *id))
            .map(|(.., at, reason)| (at, reason))
    }

    /// The first instant at which a session is over if nothing more happens.
    fn deadline(&self, session: &Session) -> Timestamp {
        let (_, struck) = self
            .lapsed(session, Timestamp::MAX)
            .expect("nothing outlives all time");
        struck
    }
}

/// How many of the archive's oldest records are beyond their retention.
fn beyond_retention(state: &State, rules: &Rules, now: Timestamp) -> usize {
    let kept_since = now.minus(rules.ended_retention);
    let too_old = state
        .ended
        .iter()
        .filter(|ended| ended.ended_at < kept_since)
        .count();
    too_old.max(state.ended.len().saturating_sub(rules.ended_max))
}

/// Places of archive records that nobody needs any more, oldest first.
fn surplus(state: &State, rules: &Rules, now: Timestamp, max: usize) -> Vec<usize> {
    let unneeded = |place: &usize| state.ended[*place].session.token_until() <= now;
    let beyond = 0..beyond_retention(state, rules, now);
    beyond.filter(unneeded).take(max).collect()
}

/// Removes archive records beyond their retention, those that ended first
/// before others.
fn purge(state: &mut State, rules: &Rules, now: Timestamp, max: usize) -> usize {
    let places = surplus(state, rules, now, max);
    for place in places.iter().rev() {
        state.ended.remove(*place);
    }
    places.len()
}

/// Removes audit entries that are too old, then the oldest of too many; of
/// these, failed logins first that are more than half of what may be kept.
fn purge_audit(state: &mut State, rules: &Rules, now: Timestamp, max: usize) -> usize {
    let before = now.minus(rules.audit_retention);
    let mut purged = 0;
    while purged < max {
        let merged = |entry: &Arc<AuditEntry>| entry.action.is_merged();
        let failures = state.audit.iter().filter(|entry| merged(entry)).count();
        let place = match state.audit.first() {
            Some(first) if first.at < before => 0,
            _ if state.audit.len() <= rules.audit_max => break,
            _ if failures > rules.audit_max / 2 => state.audit.iter().position(merged).unwrap_or(0),
            _ => 0,
        };
        state.audit.remove(place);
        purged += 1;
    }
    purged
}

fn tell_end(state: &mut State, ended: &EndedSession, cause: &Cause, now: Timestamp) {
    if matches!(ended.reason, EndReason::Expired | EndReason::Idle) {
        return;
    }
    let entry = AuditEntry::new(AuditAction::SessionEnded, cause.clone(), now);
    let session = AuditObject::session(&ended.session);
    state.tell(entry.on(session).because(ended.reason));
}

fn tell_ends(
    state: &mut State,
    ends: &Ends,
    ended: &[EndedSession],
    cause: &Cause,
    now: Timestamp,
) {
    let count = ended
        .iter()
        .filter(|ended| ended.reason == ends.reason)
        .count();
    if count > 0 {
        let entry = AuditEntry::new(AuditAction::SessionsEnded, cause.clone(), now);
        let mut entry = entry.because(ends.reason).counting(count);
        entry.object = AuditObject::subject(&ends.subject);
        state.tell(entry);
    }
}

#[cfg(test)]
mod tests;
