//! Random histories of the table against a list that is searched from end to
//! end.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::testing::{Seen, check, check_named};
use super::{Leaving, Table, Unwritten};
use crate::model::{
    AuthenticationType, DeviceName, EndReason, Ends, Env, Identity, KeyNumber, Session, SessionId,
    Subject, Timestamp, TokenName, UserName, Version,
};
use crate::ndata::{
    After, Direction, Filter, Literal, Member, Query, Row, SessionMember, Test, Value,
};
use crate::store::sled::journal::Touch;
use crate::store::sled::record::{Kept, RESERVE_MIN, Record, Resumed};
use crate::store::{Access, NotedToken, Rules, Scope, SessionPage, TokenState};

const IDS: usize = 24;
const START: i64 = 1_700_000_000_000;
const LIFETIME: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_millis(5);

/// Random bytes that are read as choices.
struct Tape<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Tape<'_> {
    fn below(&mut self, end: usize) -> usize {
        let byte = self.0.next().expect("it is endless");
        usize::from(*byte) % end
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

fn id(number: usize) -> SessionId {
    SessionId::parse(&format!("{:032}", number * 7_919 % 1_000)).expect("digits")
}

fn user(number: usize) -> UserName {
    UserName::parse(["anna", "ben", "ann"][number % 3]).expect("a name")
}

fn device(number: usize) -> DeviceName {
    DeviceName::parse(["P01", "P02", "desk"][number % 3]).expect("a name")
}

fn rules() -> Rules {
    let idle = [
        None,
        Some(Duration::from_millis(60)),
        None,
        Some(Duration::from_millis(150)),
    ];
    Rules {
        lifetime: [LIFETIME; 4],
        idle,
        ..Rules::default()
    }
}

/// A session of the list.
#[derive(Clone, Debug)]
struct Known {
    kept: Kept,
    at_write: u64,
    use_is_durable: bool,
    name: Option<TokenName>,
    /// What the journal has of it, and in which chunk.
    journaled: Option<(u64, Touch)>,
    /// What it has of it in the chunk before that one, if it has.
    earlier: Option<(u64, Touch)>,
}

impl Known {
    fn touch(&self) -> Touch {
        let session = &self.kept.record.session;
        Touch {
            id: session.id,
            last_access: session.last_access_at,
            version: session.version,
        }
    }

    /// Whether the record on the disk has all accesses.
    fn is_recorded(&self) -> bool {
        let Kept {
            record,
            disk_last_access,
        } = &self.kept;
        record.session.version.0 == self.at_write
            && record.session.last_access_at == *disk_last_access
    }

    /// Whether the disk lacks accesses.
    fn is_ahead(&self) -> bool {
        !self.is_recorded()
            && self
                .journaled
                .is_none_or(|(_, touch)| touch != self.touch())
    }
}

/// The list.
struct Model {
    now: Timestamp,
    commit: u64,
    sessions: Vec<Known>,
    fences: Vec<(u64, Ends)>,
    reasons: HashMap<SessionId, (EndReason, Timestamp)>,
}

impl Model {
    fn idle(env: Env) -> Option<Duration> {
        rules().idle[env.index()].map(|idle| idle + GRACE)
    }

    fn lapsed(&self, session: &Session) -> Option<(EndReason, Timestamp)> {
        session.lapsed(self.now, Self::idle(session.identity.env))
    }

    fn fenced(&self, record: &Record) -> Option<EndReason> {
        let behind = |(number, ends): &&(u64, Ends)| {
            record.began < *number
                && ends.keep != Some(record.session.id)
                && is_of(record, &ends.subject)
        };
        self.fences.iter().find(behind).map(|(_, ends)| ends.reason)
    }

    fn is_live(&self, record: &Record) -> bool {
        self.lapsed(&record.session).is_none() && self.fenced(record).is_none()
    }

    fn at(&self, id: SessionId) -> Option<usize> {
        self.sessions
            .iter()
            .position(|known| known.kept.record.session.id == id)
    }

    fn find(&self, id: SessionId) -> Option<Session> {
        let record = &self.sessions[self.at(id)?].kept.record;
        self.is_live(record).then(|| record.session.clone())
    }

    fn reason(&self, id: SessionId) -> Option<EndReason> {
        match self.at(id) {
            Some(at) => {
                let record = &self.sessions[at].kept.record;
                let lapsed = self.lapsed(&record.session).map(|(reason, _)| reason);
                lapsed.or_else(|| self.fenced(record))
            }
            None => self
                .reasons
                .get(&id)
                .filter(|(_, until)| self.now < *until)
                .map(|r| r.0),
        }
    }

    fn check(&mut self, access: &Access, can_write: bool) -> Seen {
        let now = self.now;
        let Some(at) = self.at(access.id) else {
            return Seen::NotLive;
        };
        if !self.is_live(&self.sessions[at].kept.record) {
            return Seen::NotLive;
        }
        let known = &mut self.sessions[at];
        let record = &mut known.kept.record;
        let refreshed = record.tokens.filter(|tokens| tokens.generation > 0);
        let newest = refreshed.map(|tokens| tokens.jti_head());
        if access.jti_head.is_some() && access.jti_head == newest && !known.use_is_durable {
            record
                .tokens
                .iter_mut()
                .for_each(|tokens| tokens.used = true);
            if can_write {
                return Seen::MustWrite;
            }
        }
        let before = record.session.version;
        if access.touch {
            if record.session.version >= record.ceiling {
                if can_write {
                    return Seen::MustWrite;
                }
            } else {
                record.session.version = before.next();
                record.session.last_access_at = record.session.last_access_at.max(now);
            }
        }
        Seen::Live {
            session: record.session.clone(),
            before,
        }
    }

    fn page(&self, query: &Query<SessionMember>, scope: &Scope) -> SessionPage {
        let order = query.order();
        let is_mine = |session: &Session| match scope {
            Scope::Any => true,
            Scope::Own(user) => session.identity.user_name == *user,
        };
        let live = self
            .sessions
            .iter()
            .filter(|known| self.is_live(&known.kept.record));
        let all = live.map(|known| known.kept.record.session.clone());
        let mut rows: Vec<Session> = all
            .filter(|session| is_mine(session) && query.passes(session))
            .collect();
        let total = rows.len() as u64;
        rows.sort_by(|a, b| Query::compare(&order, a, b));
        if let Some(after) = &query.after {
            rows.retain(|row| Query::is_after(&order, row, after));
        }
        let left = rows
            .len()
            .saturating_sub(usize::try_from(query.skip).expect("small"));
        let skipped = rows.len() - left;
        let mut items = rows.split_off(skipped);
        items.truncate(query.take);
        let count = items.len();
        if query.count_only {
            items.clear();
        }
        SessionPage {
            items,
            count,
            total,
            more: left > query.take,
        }
    }
}

fn is_of(record: &Record, subject: &Subject) -> bool {
    let identity = &record.session.identity;
    match subject {
        Subject::Everybody => true,
        Subject::User(user) => identity.user_name == *user,
        Subject::Device(device) => identity.device_name == *device,
        Subject::UserOnDevice(user, device) => {
            identity.user_name == *user && identity.device_name == *device
        }
        Subject::Key(key) => record.tokens.is_some_and(|tokens| tokens.key() == *key),
    }
}

/// Table and list side by side.
struct Both {
    table: Table,
    model: Model,
}

impl Both {
    fn new() -> Self {
        let table = Table::new(rules());
        table.set_idle_grace(GRACE);
        let model = Model {
            now: Timestamp::from_millis(START),
            commit: 0,
            sessions: Vec::new(),
            fences: Vec::new(),
            reasons: HashMap::new(),
        };
        Self { table, model }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.below(21) {
            0..=3 => self.insert(tape),
            4..=7 => self.touch(tape),
            8 => self.remove(tape),
            9 | 10 => {
                let by = Duration::from_millis(u64::try_from(tape.below(50)).expect("small"));
                self.model.now = self.model.now.plus(by);
            }
            11 => drop(self.table.drain(tape.below(6))),
            12 => self.refresh(tape),
            13 => self.write(tape),
            14 => self.fence(tape),
            15 => self.pinned(tape),
            16 => self.sweep(tape),
            17 => self.listed_by_name(tape),
            18 => self.touch_named(tape),
            19 => self.journal(tape),
            _ => {}
        }
        self.query(tape);
    }

    fn record(&mut self, number: usize, tape: &mut Tape<'_>) -> Record {
        self.model.commit += 1;
        let env = tape.one(&Env::ALL);
        let tokens = tape.flip().then_some(TokenState {
            generation: 0,
            refresh_sha256: [7; 32],
            salt: [1; 16],
            jti: KeyNumber::FIRST.mark([0; 16]),
            issued_at: self.model.now,
            used: false,
        });
        let version = Version(1 + tape.below(3) as u64);
        Record {
            session: Session {
                id: id(number),
                identity: Identity {
                    user_name: user(tape.below(3)),
                    device_name: device(tape.below(3)),
                    env,
                    authentication_type: tape
                        .one(&[AuthenticationType::Bearer, AuthenticationType::Nws4]),
                },
                started_at: self.model.now,
                expires_at: self.model.now.plus(LIFETIME),
                last_access_at: self.model.now,
                version,
            },
            ceiling: Version(version.0 + tape.one(&[0, 1, 2, 5, 200])),
            began: self.model.commit,
            written: self.model.commit,
            tokens,
        }
    }

    fn know(&mut self, record: Record) {
        let at_write = record.session.version.0;
        self.model.sessions.push(Known {
            kept: record.into(),
            at_write,
            use_is_durable: false,
            name: None,
            journaled: None,
            earlier: None,
        });
    }

    fn insert(&mut self, tape: &mut Tape<'_>) {
        let number = tape.below(IDS);
        if self.model.at(id(number)).is_none() {
            let record = self.record(number, tape);
            self.table.set_applied(record.began);
            self.table.insert(&record);
            self.know(record);
        }
    }

    fn touch(&mut self, tape: &mut Tape<'_>) {
        for _ in 0..=tape.below(4) {
            let jti_head = tape.one(&[None, Some(0), Some(u64::MAX), Some(3)]);
            let access = Access {
                id: id(tape.below(IDS)),
                jti_head,
                touch: tape.below(4) != 0,
            };
            let can_write = tape.flip();
            let ours = check(&self.table, &access, self.model.now, can_write);
            assert_eq!(ours, self.model.check(&access, can_write));
        }
    }

    /// An access with a token by its name, which may have been noted before.
    fn touch_named(&mut self, tape: &mut Tape<'_>) {
        let name = TokenName::new(&[7; 32], tape.one(&[1, 2]));
        let id = id(tape.below(IDS));
        let at = self.model.at(id);
        let newest = at.and_then(|at| self.model.sessions[at].kept.record.tokens);
        if tape.flip() {
            let jti_head = tape.one(&[0, u64::MAX]);
            let is_newest = newest.is_some_and(|newest| newest.jti_head() == jti_head);
            let says = NotedToken {
                jti_head,
                issued_at: newest.map_or(self.model.now, |newest| newest.issued_at),
                expires_at: at.map_or(self.model.now, |at| {
                    self.model.sessions[at].kept.record.session.expires_at
                }),
            };
            // A token that ends later than it should is another one.
            let longer = NotedToken {
                expires_at: says.expires_at.plus(Duration::from_secs(1)),
                ..says
            };
            assert!(!self.table.note_token(id, &longer, name));
            assert_eq!(self.table.note_token(id, &says, name), is_newest);
            if let Some(at) = at.filter(|_| is_newest) {
                self.model.sessions[at].name = Some(name);
            }
        }
        let known = at.is_some_and(|at| self.model.sessions[at].name == Some(name));
        let newest = newest.filter(|_| known);
        let noted = self.table.noted_token(id, &name);
        assert_eq!(
            noted.map(|noted| (noted.jti_head, noted.issued_at)),
            newest.map(|newest| (newest.jti_head(), newest.issued_at))
        );
        let can_write = tape.flip();
        let ours = check_named(&self.table, id, &name, self.model.now, can_write);
        let theirs = newest.map(|newest| {
            let access = Access {
                id,
                jti_head: Some(newest.jti_head()),
                touch: true,
            };
            self.model.check(&access, can_write)
        });
        assert_eq!(ours, theirs);
    }

    fn remove(&mut self, tape: &mut Tape<'_>) {
        let id = id(tape.below(IDS));
        self.end(id, tape.one(&EndReason::ALL));
    }

    fn end(&mut self, id: SessionId, reason: EndReason) {
        self.model.commit += 1;
        let at = self.model.at(id);
        let theirs = at.map(|at| self.model.sessions.remove(at).kept.record.session);
        let until = self.model.now.plus(Duration::from_millis(70));
        let ours = self.table.remove(id, self.model.commit, reason, until);
        assert_eq!(ours, theirs);
        if ours.is_some() {
            self.model.reasons.insert(id, (reason, until));
        }
    }

    /// A refresh that is decided, written while accesses, time and queries go
    /// on, and applied.
    fn refresh(&mut self, tape: &mut Tape<'_>) {
        let id = id(tape.below(IDS));
        if self.model.find(id).is_none() {
            return;
        }
        self.model.commit += 1;
        let mut record = self.table.get(id).expect("the list has it").record;
        record.session.expires_at = self.model.now.plus(LIFETIME);
        record.session.version = record.session.version.next();
        record.ceiling = Version(record.ceiling.0.max(record.session.version.0) + 2);
        record.written = self.model.commit;
        record.tokens = record.tokens.map(|tokens| TokenState {
            generation: tokens.generation + 1,
            jti: KeyNumber(tape.one(&[1, u16::MAX])).mark([tape.one(&[0, 255]); 16]),
            used: false,
            ..tokens
        });
        self.meanwhile(tape);
        let ours = self.table.refreshed(&record).expect("nobody removed it");
        let at = self.model.at(id).expect("nobody removed it");
        let known = &mut self.model.sessions[at];
        let theirs = &mut known.kept.record;
        theirs.session.version = theirs.session.version.next();
        theirs.session.expires_at = record.session.expires_at;
        theirs.tokens = record.tokens;
        (known.use_is_durable, known.name) = (false, None);
        assert_eq!(ours, theirs.session);
        note_written(known, &record);
    }

    fn write(&mut self, tape: &mut Tape<'_>) {
        let queued = match tape.below(3) {
            0 => Vec::new(),
            1 => self.table.urgent(1),
            _ => self.table.dirty(Duration::ZERO, 1),
        };
        let id = queued
            .first()
            .copied()
            .unwrap_or_else(|| id(tape.below(IDS)));
        self.write_one(id, tape);
    }

    fn write_one(&mut self, id: SessionId, tape: &mut Tape<'_>) {
        let Some(at) = self.model.at(id) else {
            assert_eq!(self.table.to_write(id), None);
            return;
        };
        let known = &self.model.sessions[at];
        let mut expected = known.kept.record.clone();
        let given = expected.session.version.0 - known.at_write;
        let fresh = expected.session.version.0 + (4 * given).clamp(RESERVE_MIN, 65_535);
        expected.ceiling = Version(expected.ceiling.0.max(fresh));
        let mut record = self.table.to_write(id).expect("the list has it");
        assert_eq!(record, expected);
        self.model.commit += 1;
        record.written = self.model.commit;
        self.meanwhile(tape);
        self.table.written(id, &record);
        let known = &mut self.model.sessions[at];
        known.use_is_durable = record.tokens.is_some_and(|tokens| tokens.used);
        note_written(known, &record);
    }

    /// Accesses go into the journal, or its chunk with them leaves.
    fn journal(&mut self, tape: &mut Tape<'_>) {
        let drawn = id(tape.below(IDS));
        let known = self.model.at(drawn).map(|at| &self.model.sessions[at]);
        if let Some((known, (chunk, old))) = known.and_then(|known| Some((known, known.journaled?)))
            && tape.flip()
        {
            if let Some((chunk, older)) = known.earlier {
                assert_eq!(self.table.leaving(chunk, &older), Leaving::Drop);
            }
            let leaving = self.table.leaving(chunk, &old);
            if known.is_ahead() {
                assert_eq!(leaving, Leaving::Again(known.touch()));
            } else if !known.is_recorded() {
                assert_ne!(leaving, Leaving::Drop);
            }
            return;
        }
        let queued = self.table.dirty(Duration::ZERO, tape.below(2));
        let id = queued.first().copied().unwrap_or(drawn);
        let Some(at) = self.model.at(id) else {
            assert_eq!(self.table.unwritten(id), None);
            return;
        };
        let known = &self.model.sessions[at];
        let tokens = known.kept.record.tokens;
        let is_pending = tokens.is_some_and(|tokens| tokens.generation > 0 && tokens.used)
            && !known.use_is_durable;
        let touch = known.touch();
        let unwritten = self.table.unwritten(id);
        if is_pending {
            assert_eq!(unwritten, Some(Unwritten::Record));
            self.write_one(id, tape);
            return;
        }
        assert_eq!(unwritten, Some(Unwritten::Touch(touch)));
        self.meanwhile(tape);
        self.model.commit += 1;
        let chunk = self.model.commit;
        self.table.journaled(chunk, &[touch]);
        let known = &mut self.model.sessions[at];
        known.earlier = known.journaled.replace((chunk, touch));
    }

    fn meanwhile(&mut self, tape: &mut Tape<'_>) {
        if tape.flip() {
            self.touch(tape);
        }
        if tape.flip() {
            let by = tape.below(90) * tape.one(&[1, 1, 6]);
            let by = Duration::from_millis(u64::try_from(by).expect("small"));
            self.model.now = self.model.now.plus(by);
            self.query(tape);
        }
    }

    /// A fence goes up, is seen by everybody, and comes down when what was
    /// behind it has left.
    fn fence(&mut self, tape: &mut Tape<'_>) {
        let subject = match tape.below(5) {
            0 => Subject::Everybody,
            1 => Subject::User(user(tape.below(3))),
            2 => Subject::Device(device(tape.below(3))),
            3 => Subject::Key(KeyNumber(tape.one(&[1, u16::MAX]))),
            _ => Subject::UserOnDevice(user(tape.below(3)), device(tape.below(3))),
        };
        let keep = tape.flip().then(|| id(tape.below(IDS)));
        let ends = Ends {
            subject,
            keep,
            reason: EndReason::PasswordChanged,
        };
        self.model.commit += 1;
        let number = self.model.commit;
        self.table.add_fence(number, &ends);
        self.model.fences.push((number, ends.clone()));
        self.insert(tape);
        self.touch(tape);
        self.query(tape);
        self.same();
        for id in self.table.ids(&ends.subject) {
            let began = self.table.get(id).expect("it was just named").record.began;
            if began < number && Some(id) != ends.keep {
                self.end(id, ends.reason);
            }
        }
        self.table.remove_fence(number);
        self.model.fences.clear();
    }

    /// Accesses of a pinned session move nothing until it is let go.
    fn pinned(&mut self, tape: &mut Tape<'_>) {
        let id = id(tape.below(IDS));
        self.table.pin(id);
        let before = self.table.get(id);
        let access = Access {
            id,
            jti_head: None,
            touch: true,
        };
        let mut held = 0;
        for _ in 0..tape.below(3) {
            if let Seen::Live { session, before } =
                check(&self.table, &access, self.model.now, false)
            {
                assert_eq!(session.version, before);
                held += 1;
            }
        }
        assert_eq!(self.table.get(id), before);
        if tape.below(4) == 0 {
            return self.end(id, EndReason::Revoked);
        }
        self.table.unpin(id);
        for _ in 0..held {
            self.model.check(&access, false);
        }
    }

    fn sweep(&mut self, tape: &mut Tape<'_>) {
        let max = 1 + tape.below(6);
        let now = self.model.now;
        let due = self.table.due(now, max);
        let over = |known: &&Known| self.model.lapsed(&known.kept.record.session).is_some();
        let theirs = self.model.sessions.iter().filter(over).count();
        assert_eq!(due.len(), theirs.min(max));
        for (id, reason, at) in due {
            let session = self
                .table
                .get(id)
                .expect("it is still there")
                .record
                .session;
            assert_eq!(self.table.lapsed(&session, now), Some((reason, at)));
            assert_eq!(self.model.lapsed(&session), Some((reason, at)));
            self.end(id, reason);
        }
    }

    fn listed_by_name(&mut self, tape: &mut Tape<'_>) {
        let (user, device) = (user(tape.below(3)), device(tape.below(3)));
        let same = |mut ours: Vec<SessionId>, subject: &Subject| {
            let all = self.model.sessions.iter().map(|known| &known.kept.record);
            let mut theirs: Vec<_> = all
                .filter(|record| is_of(record, subject))
                .map(|record| record.session.id)
                .collect();
            ours.sort_unstable();
            theirs.sort_unstable();
            assert_eq!(ours, theirs);
        };
        let mut of_people = self.table.ids(&Subject::Device(device.clone()));
        of_people.retain(|id| {
            let kept = self.table.get(*id).expect("it was just named");
            kept.record.session.identity.authentication_type == AuthenticationType::Bearer
        });
        assert_eq!(self.table.on_device(&device), of_people);
        for subject in [
            Subject::Everybody,
            Subject::User(user.clone()),
            Subject::Device(device.clone()),
            Subject::UserOnDevice(user, device),
            Subject::Key(KeyNumber(tape.one(&[1, u16::MAX]))),
        ] {
            same(self.table.ids(&subject), &subject);
        }
    }

    fn query(&mut self, tape: &mut Tape<'_>) {
        let (query, scope) = self.draw_query(tape);
        let ours = self
            .table
            .page(&query, &scope, self.model.now)
            .expect("nobody else scans");
        let theirs = self.model.page(&query, &scope);
        assert_eq!(ours.items, theirs.items, "{query:?} {scope:?}");
        let counts = |page: &SessionPage| (page.count, page.total, page.more);
        assert_eq!(counts(&ours), counts(&theirs), "{query:?} {scope:?}");
    }

    fn draw_query(&self, tape: &mut Tape<'_>) -> (Query<SessionMember>, Scope) {
        let mut query = Query::all(tape.below(8));
        query.filters = (0..tape.one(&[0, 0, 1, 1, 2]))
            .map(|_| self.draw_filter(tape))
            .collect();
        for _ in 0..tape.below(3) {
            let any = tape.one(SessionMember::ALL);
            let member = tape.one(&[SessionMember::LastAccessAt, SessionMember::ExpiresAt, any]);
            let direction = tape.one(&[Direction::Ascending, Direction::Descending]);
            if !query.sort.iter().any(|(other, _)| *other == member) {
                query.sort.push((member, direction));
            }
        }
        query.skip = tape.one(&[0, 0, 1, 3, 9]);
        query.count_only = tape.below(4) == 0;
        if tape.below(3) == 0 && !self.model.sessions.is_empty() {
            let row = &tape.one(&self.model.sessions).kept.record.session;
            let order = query.order();
            let values = order
                .iter()
                .map(|(member, _)| owned(&row.value(*member)))
                .collect();
            (query.after, query.skip) = (Some(After(values)), 0);
        }
        let own = Scope::Own(user(tape.below(3)));
        (query, tape.one(&[Scope::Any, Scope::Any, own]))
    }

    fn draw_filter(&self, tape: &mut Tape<'_>) -> Filter<SessionMember> {
        let member = tape.one(SessionMember::ALL);
        let number = |tape: &mut Tape<'_>| i64::try_from(tape.below(8)).expect("small");
        let near = self.model.now.as_millis();
        let literal = |tape: &mut Tape<'_>| match member {
            SessionMember::SessionId => Literal::Text(id(tape.below(IDS)).to_string()),
            SessionMember::UserName => Literal::Text(tape.one(&["anna", "ben", "x", " "]).into()),
            SessionMember::DeviceName => Literal::Text(tape.one(&["P01", "desk", "/"]).into()),
            SessionMember::EnvName => Literal::Text(tape.one(&Env::ALL).as_str().into()),
            SessionMember::AuthenticationType => Literal::Text("Bearer".into()),
            SessionMember::Version => Literal::Number(number(tape)),
            _ => {
                let at = near - 100 + 4 * i64::try_from(tape.below(150)).expect("small");
                Literal::Time(i128::from(at) * 1_000_000 + tape.one(&[0, 0, 1, -1]))
            }
        };
        let is_text = !matches!(
            member,
            SessionMember::StartedAt
                | SessionMember::ExpiresAt
                | SessionMember::LastAccessAt
                | SessionMember::Version
        );
        let test = match tape.below(if is_text { 13 } else { 10 }) {
            0 | 1 => Test::Eq(literal(tape)),
            2 => Test::Neq(literal(tape)),
            3 => Test::Gt(literal(tape)),
            4 => Test::Gte(literal(tape)),
            5 => Test::Lt(literal(tape)),
            6 => Test::Lte(literal(tape)),
            7 => Test::In((0..tape.below(4)).map(|_| literal(tape)).collect()),
            8 => Test::NotIn((0..tape.below(4)).map(|_| literal(tape)).collect()),
            9 => tape.one(&[Test::Null, Test::NotNull]),
            10 => Test::Contains(tape.one(&["nn", "0", "e"]).into()),
            11 => Test::StartsWith(tape.one(&["a", "P", "B"]).into()),
            _ => Test::EndsWith(tape.one(&["n", "1", "k"]).into()),
        };
        Filter { member, test }
    }

    /// Everything that can be asked about single sessions is the same.
    fn same(&self) {
        self.table.verify().expect("the table keeps its promises");
        for number in 0..IDS {
            let id = id(number);
            let known = self
                .model
                .at(id)
                .map(|at| self.model.sessions[at].kept.clone());
            assert_eq!(self.table.get(id), known);
            assert_eq!(self.table.find(id, self.model.now), self.model.find(id));
            assert_eq!(self.table.reason(id, self.model.now), self.model.reason(id));
        }
        let deadlines = self.model.sessions.iter().map(|known| {
            let session = &known.kept.record.session;
            let idle = Model::idle(session.identity.env);
            idle.map_or(session.expires_at, |idle| {
                session.expires_at.min(session.last_access_at.plus(idle))
            })
        });
        match (self.table.next_deadline(), deadlines.min()) {
            (ours, None) => assert_eq!(ours, None),
            (ours, theirs) => assert!(ours.is_some() && ours <= theirs),
        }
    }

    /// What is ahead of the disk is handed out to be written, and only that
    /// stays to be written.
    fn flush(&mut self) {
        let mut handed = self.table.dirty(Duration::ZERO, usize::MAX);
        let ahead = self.model.sessions.iter().filter(|known| known.is_ahead());
        for known in ahead {
            assert!(handed.contains(&known.kept.record.session.id));
        }
        handed.sort_unstable();
        for id in handed {
            let record = self.table.to_write(id).expect("it is there");
            self.table.written(id, &record);
        }
        assert_eq!(self.table.dirty_len(), 0);
        assert!(self.table.dirty(Duration::ZERO, 1).is_empty());
        self.table.verify().expect("the table keeps its promises");
    }
}

fn note_written(known: &mut Known, record: &Record) {
    let theirs = &mut known.kept.record;
    theirs.ceiling = theirs.ceiling.max(record.ceiling);
    theirs.written = record.written;
    known.kept.disk_last_access = record.session.last_access_at;
    known.at_write = record.session.version.0;
}

fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Text(text) => Value::Text(text.to_string().into()),
        Value::Time(at) => Value::Time(*at),
        Value::Number(number) => Value::Number(*number),
        Value::Bool(is) => Value::Bool(*is),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_table_is_a_list_searched_from_end_to_end(
        loaded in 0usize..IDS,
        steps in prop::collection::vec(prop::collection::vec(any::<u8>(), 40), 1..80),
    ) {
        let mut both = Both::new();
        let mut records = Vec::new();
        for number in 0..loaded {
            let bytes = [u8::try_from(number * 37 % 256).expect("below 256"), 3, 5, 250, 11];
            records.push(both.record(number, &mut Tape(bytes.iter().cycle())));
            both.model.now = both.model.now.plus(Duration::from_millis(3));
        }
        both.table.set_applied(both.model.commit);
        let (some, others) = records.split_at(records.len() / 2);
        let parts = [some, others].map(|part| part.iter().cloned().map(Resumed::from));
        both.table.load(parts.into(), records.len());
        for record in records {
            both.know(record);
        }
        both.same();
        for bytes in &steps {
            both.step(&mut Tape(bytes.iter().cycle()));
            both.same();
        }
        both.flush();
    }
}
