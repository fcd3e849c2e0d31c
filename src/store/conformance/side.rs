//! One of the two stores: what it was asked, what it answered, and what that
//! makes the next call.

use std::collections::HashMap;
use std::sync::Arc;

use super::edits::{as_change, as_precondition, stored_version};
use super::history::{Action, Asker, Condition, Edit, Tag, Token, Typed};
use super::key_id;
use super::listing::after_row;
use super::{
    DEVICES, USERS, at, device_name, ending, refresh_sha256, says, session_id, set_up, token_name,
    user_id, user_name,
};
use crate::model::{
    ApiKey, AuthenticationType, Cause, Device, Directory, DirectoryChange, EndReason, KeyNumber,
    Origin, Precondition, Resource, Rights, Role, Session, SessionId, Subject, Timestamp, User,
    UserName, Version, VersionTag,
};
use crate::ndata::{Query, SessionMember};
use crate::store::{
    Access, End, NewSession, Refresh, Scope, SessionPage, Signer, Store, StoreError, Swept,
    TokenState,
};

/// What a store answered, as far as it can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Nothing,
    Begun {
        session: Session,
        rights: Rights,
        replaced: Vec<Session>,
    },
    Checked {
        session: Session,
        before: Version,
        rights: Option<Rights>,
    },
    Found(Option<Session>, Option<TokenState>),
    Ended(Session),
    Refreshed(Session, TokenState),
    Changed {
        resource: String,
        created: bool,
    },
    Pages(Vec<SessionPage>),
    Swept(Swept),
    Failed(StoreError),
}

/// An answer, and the session that was asked about.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) about: Option<SessionId>,
}

impl PartialEq for SessionPage {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
            && (self.count, self.total, self.more) == (other.count, other.total, other.more)
    }
}

/// Everything the directory holds.
pub(super) type Records = (Vec<User>, Vec<Device>, Vec<Role>, Vec<ApiKey>, bool);

fn records(directory: &Directory) -> Records {
    (
        directory.users().map(|user| (**user).clone()).collect(),
        directory
            .devices()
            .map(|device| (**device).clone())
            .collect(),
        directory.roles().map(|role| (**role).clone()).collect(),
        directory.api_keys().map(|key| (**key).clone()).collect(),
        directory.held_user(),
    )
}

/// What both sides know without being asked for anything.
#[derive(Debug)]
pub(super) struct State {
    pub(super) live: SessionPage,
    pub(super) reasons: Vec<(SessionId, Option<EndReason>)>,
    pub(super) directory: Records,
}

/// An action, when it happens, and its place in the history, from which ids
/// and tokens are made.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) action: &'a Action,
    pub(super) step: usize,
    pub(super) now: Timestamp,
}

/// One store and what it answered so far.
pub(super) struct Side<S> {
    store: Option<S>,
    runtime: tokio::runtime::Runtime,
    /// Every login that was tried, oldest first.
    begun: Vec<NewSession>,
    /// What was told of each session last.
    noted: HashMap<SessionId, Session>,
    /// The tokens of each session, newest last.
    tokens: HashMap<SessionId, Vec<TokenState>>,
}

impl<S> Side<S> {
    /// Whether two answers to "why is it over" agree. A reason may be
    /// forgotten once the tokens of the session are past their end.
    pub(super) fn same_reason(
        &self,
        id: SessionId,
        a: Option<EndReason>,
        b: Option<EndReason>,
        now: Timestamp,
    ) -> bool {
        let forgotten = self
            .noted
            .get(&id)
            .is_none_or(|session| now >= session.expires_at);
        a == b || (forgotten && (a.is_none() || b.is_none()))
    }

    /// Notes what a session looks like. Its version never goes back, and grows
    /// where `grows` says so.
    fn note(&mut self, session: &Session, grows: bool) {
        if let Some(before) = self.noted.insert(session.id, session.clone()) {
            let (before, version) = (before.version, session.version);
            assert!(
                version >= before.next() || (!grows && version == before),
                "{session:?}"
            );
        }
    }
}

impl<S: Store> Side<S> {
    /// What the store says of the next deadline.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.store.as_ref().and_then(Store::next_deadline)
    }

    pub(super) fn new(store: S) -> Self {
        let side = Self {
            store: Some(store),
            runtime: super::runtime(),
            begun: Vec::new(),
            noted: HashMap::new(),
            tokens: HashMap::new(),
        };
        let change =
            side.store()
                .change(set_up(), Precondition::default(), Cause::operator(), at(0));
        side.runtime.block_on(change).expect("the store is empty");
        side
    }

    fn store(&self) -> &S {
        self.store
            .as_ref()
            .expect("it is away only while it restarts")
    }

    pub(super) fn replace_store(&mut self, restart: &mut impl FnMut(S) -> S) {
        self.store = self.store.take().map(restart);
    }

    fn directory(&self) -> Arc<Directory> {
        self.runtime.block_on(self.store().directory())
    }

    /// The login that lies this far back.
    fn login(&self, back: usize) -> Option<&NewSession> {
        self.begun
            .len()
            .checked_sub(back + 1)
            .map(|place| &self.begun[place])
    }

    pub(super) fn state(&self, now: Timestamp) -> State {
        let query = Query::all(usize::MAX);
        let live = self
            .runtime
            .block_on(self.store().page(&query, &Scope::Any, now));
        let reason = |id| self.runtime.block_on(self.store().reason(id, now));
        State {
            live: live.expect("nothing else scans"),
            reasons: self
                .begun
                .iter()
                .map(|new| (new.id, reason(new.id)))
                .collect(),
            directory: records(&self.directory()),
        }
    }

    pub(super) fn carry_out(&mut self, call: Call<'_>) -> Told {
        let id = match call.action {
            Action::BeginAgain { session }
            | Action::Check { session, .. }
            | Action::Find { session }
            | Action::End { session, .. }
            | Action::Refresh { session, .. } => match self.login(*session) {
                Some(login) => login.id,
                None => {
                    return Told {
                        answer: Answer::Nothing,
                        about: None,
                    };
                }
            },
            _ => {
                return Told {
                    answer: self.act(call),
                    about: None,
                };
            }
        };
        Told {
            answer: self.act_on(id, call),
            about: Some(id),
        }
    }

    fn act(&mut self, call: Call<'_>) -> Answer {
        let now = call.now;
        match call.action {
            Action::Begin {
                user,
                device,
                typed,
            } => {
                let new = self.new_session(*user, DEVICES[*device].0, *typed, call.step);
                self.begun.push(new.clone());
                self.begin(new, now)
            }
            Action::Change {
                edits,
                asker,
                condition,
            } => self.change(edits, *asker, *condition, call),
            Action::EndAll => {
                let (reason, cause) = (EndReason::NotBefore, Cause::operator());
                let done = self.store().end_all(Subject::Everybody, reason, cause, now);
                let done = self.runtime.block_on(done);
                done.map_or_else(Answer::Failed, |()| Answer::Nothing)
            }
            Action::Sweep { max } => {
                let swept = self.runtime.block_on(self.store().sweep(now, *max));
                swept.map_or_else(Answer::Failed, Answer::Swept)
            }
            Action::List { query, own, pages } => self.list(query, *own, *pages, now),
            Action::Signed { key } => self.signed(*key, call),
            _ => Answer::Nothing,
        }
    }

    fn act_on(&mut self, id: SessionId, call: Call<'_>) -> Answer {
        match call.action {
            Action::BeginAgain { .. } => {
                let again = self.begun.iter().find(|new| new.id == id).cloned();
                // An id that is over is never drawn again.
                match again.filter(|_| self.found(id, call.now).is_some()) {
                    Some(new) => self.begin(new, call.now),
                    None => Answer::Nothing,
                }
            }
            Action::Check { touch, token, .. } => self.check(id, *touch, *token, call.now),
            Action::Find { .. } => {
                let found = self.found(id, call.now);
                if let Some(session) = &found {
                    self.note(session, false);
                }
                let tokens = self.runtime.block_on(self.store().tokens(id, call.now));
                Answer::Found(found, tokens)
            }
            Action::End {
                tag, own_access, ..
            } => self.end(id, *tag, *own_access, call.now),
            Action::Refresh { age, .. } => self.refresh(id, *age, call),
            _ => Answer::Nothing,
        }
    }

    fn found(&self, id: SessionId, now: Timestamp) -> Option<Session> {
        self.runtime
            .block_on(self.store().find(id, &Scope::Any, now))
    }

    /// The name that the user of this place has at present.
    fn name_of(&self, user: usize) -> UserName {
        let directory = self.directory();
        let stored = directory
            .user(user_id(user))
            .map(|user| user.user_name.clone());
        stored.unwrap_or_else(|| user_name(USERS[user]))
    }

    fn new_session(&self, user: usize, device: &str, typed: Typed, step: usize) -> NewSession {
        let stored = self
            .directory()
            .user(user_id(user))
            .and_then(|user| user.password.clone());
        NewSession {
            attempt: None,
            id: session_id(u32::try_from(step).expect("histories are short")),
            user_name: self.name_of(user),
            device_name: device_name(device),
            no_sale_device: false,
            authentication_type: AuthenticationType::Bearer,
            password_seen: match typed {
                Typed::Stored => stored,
                Typed::Changed => Some("an older hash".into()),
                Typed::Nothing => None,
            },
            refresh_sha256: refresh_sha256(0),
            salt: [9; 16],
            jti: KeyNumber::FIRST.mark((step as u128 + 1).to_le_bytes()),
        }
    }

    fn begin(&mut self, new: NewSession, now: Timestamp) -> Answer {
        let (user, device) = (new.user_name.clone(), new.device_name.clone());
        let cause = Cause::caller(user, device, Origin::default());
        let begun = match self.runtime.block_on(self.store().begin(new, cause, now)) {
            Ok(begun) => begun,
            Err(error) => return Answer::Failed(error),
        };
        self.note(&begun.session, true);
        for session in &begun.replaced {
            self.note(session, false);
        }
        let id = begun.session.id;
        let first = self.runtime.block_on(self.store().tokens(id, now));
        self.tokens.insert(id, first.into_iter().collect());
        let rights = begun.principal.rights.clone();
        Answer::Begun {
            session: begun.session,
            rights,
            replaced: begun.replaced,
        }
    }

    fn check(&mut self, id: SessionId, touch: bool, token: Token, now: Timestamp) -> Answer {
        let tokens = self.tokens.get(&id).map_or(&[][..], Vec::as_slice);
        let carried = match token {
            Token::Newest => tokens.last(),
            Token::Older => tokens.first(),
            Token::None => None,
        };
        let access = Access {
            id,
            jti_head: carried.map(TokenState::jti_head),
            touch,
        };
        // Every other access with the newest token is answered at once, if it may be.
        let newest = carried.filter(|_| token == Token::Newest && touch);
        let newest = newest.filter(|_| now.as_millis() % 2 == 0);
        let at_once = newest.and_then(|newest| {
            let name = token_name(id, newest.generation);
            let found = self.store().find(id, &Scope::Any, now);
            let session = self.runtime.block_on(found)?;
            self.store().note_token(id, &says(newest, &session), name);
            self.store().check_at_once(id, &name, now)
        });
        let checked =
            at_once.unwrap_or_else(|| self.runtime.block_on(self.store().check(access, now)));
        match checked {
            Ok(checked) => {
                assert_eq!(touch, checked.session.version > checked.before);
                self.note(&checked.session, touch);
                let rights = checked.principal.map(|principal| principal.rights.clone());
                Answer::Checked {
                    session: checked.session,
                    before: checked.before,
                    rights,
                }
            }
            Err(error) => Answer::Failed(error),
        }
    }

    /// A request signed with a key as it is stored. Answers what the access was,
    /// in the session that it may have had to open.
    fn signed(&mut self, key: usize, call: Call<'_>) -> Answer {
        let Some(key) = self.directory().api_key(key_id(key)).cloned() else {
            return Answer::Nothing;
        };
        let signer = Signer { key };
        let mut checked = self
            .runtime
            .block_on(self.store().check_signed(&signer, call.now));
        if matches!(checked, Err(StoreError::NotLive(_))) {
            let new = self.new_session(0, DEVICES[0].0, Typed::Nothing, call.step);
            let (id, cause) = (new.id, Cause::server());
            self.begun.push(NewSession {
                user_name: signer.key.user_name.clone(),
                ..new
            });
            let begin = self
                .store()
                .begin_signed(signer.clone(), id, cause, call.now);
            match self.runtime.block_on(begin) {
                Ok(session) => self.note(&session, true),
                Err(error) => return Answer::Failed(error),
            }
            checked = self
                .runtime
                .block_on(self.store().check_signed(&signer, call.now));
        }
        match checked {
            Ok(checked) => {
                self.note(&checked.session, true);
                Answer::Checked {
                    session: checked.session,
                    before: checked.before,
                    rights: checked.principal.map(|principal| principal.rights.clone()),
                }
            }
            Err(error) => Answer::Failed(error),
        }
    }

    fn end(&mut self, id: SessionId, tag: Option<Tag>, own_access: bool, now: Timestamp) -> Answer {
        // A request of its own has counted before it asks for the end.
        let checked = own_access.then(|| self.check(id, true, Token::None, now));
        if let Some(failed @ Answer::Failed(_)) = checked {
            return failed;
        }
        let stored = self.found(id, now).map_or(1, |session| session.version.0);
        let stored = stored - u64::from(own_access);
        let tag = tag.map(|tag| match tag {
            Tag::Stored => VersionTag::Exactly(Version(stored)),
            Tag::Ahead => VersionTag::Exactly(Version(stored + 1)),
            Tag::Fixed(tag) => tag,
        });
        let if_match = Precondition {
            if_match: tag.map(|tag| vec![tag]),
            ..Precondition::default()
        };
        let end = End {
            if_match,
            own_access,
            ..ending(id)
        };
        let ended = self.store().end(end, now);
        match self.runtime.block_on(ended) {
            Ok(session) => {
                self.note(&session, false);
                Answer::Ended(session)
            }
            Err(error) => Answer::Failed(error),
        }
    }

    fn refresh(&mut self, id: SessionId, age: u32, call: Call<'_>) -> Answer {
        let newest = self.tokens.get(&id).and_then(|tokens| tokens.last());
        let presented = newest
            .map_or(0, |tokens| tokens.generation)
            .saturating_sub(age);
        let refresh = Refresh {
            id,
            presented,
            next_sha256: refresh_sha256(presented + 1),
            next_jti: (call.step as u128 + 1).to_be_bytes(),
        };
        match self
            .runtime
            .block_on(self.store().refresh(refresh, Origin::default(), call.now))
        {
            Ok(refreshed) => {
                let known = self.tokens.entry(id).or_default();
                let exchanged = known.last().map(|tokens| tokens.generation)
                    != Some(refreshed.tokens.generation);
                if exchanged {
                    known.push(refreshed.tokens);
                }
                self.note(&refreshed.session, exchanged);
                Answer::Refreshed(refreshed.session, refreshed.tokens)
            }
            Err(error) => Answer::Failed(error),
        }
    }

    fn list(
        &mut self,
        query: &Query<SessionMember>,
        own: Option<usize>,
        pages: usize,
        now: Timestamp,
    ) -> Answer {
        let scope = own.map_or(Scope::Any, |user| Scope::Own(self.name_of(user)));
        let mut query = query.clone();
        let mut read = Vec::new();
        for _ in 0..pages {
            let page = match self
                .runtime
                .block_on(self.store().page(&query, &scope, now))
            {
                Ok(page) => page,
                Err(error) => return Answer::Failed(error),
            };
            let after = page.items.last().map(|last| after_row(&query, last));
            read.push(page);
            if after.is_none() {
                break;
            }
            (query.after, query.skip) = (after, 0);
        }
        Answer::Pages(read)
    }

    fn change(
        &mut self,
        edits: &[Edit],
        asker: Asker,
        condition: Condition,
        call: Call<'_>,
    ) -> Answer {
        let directory = self.directory();
        let login = |back| self.login(back).map(|new| (new.user_name.clone(), new.id));
        let mut steps: Vec<_> = edits
            .iter()
            .filter_map(|edit| as_change(&directory, edit, call.step, login))
            .collect();
        let change = match steps.len() {
            0 => return Answer::Nothing,
            1 => steps.remove(0),
            _ => DirectoryChange::All(steps),
        };
        let precondition = as_precondition(condition, stored_version(&directory, &change));
        let cause = match asker {
            Asker::Operator => Cause::operator(),
            Asker::Caller { user, device } => {
                let device = device_name(DEVICES[device].0);
                Cause::caller(self.name_of(user), device, Origin::default())
            }
        };
        let changed = self.store().change(change, precondition, cause, call.now);
        match self.runtime.block_on(changed) {
            Ok((resource, created)) => {
                let resource = match resource {
                    Resource::User(user) => format!("{user:?}"),
                    Resource::Device(device) => format!("{device:?}"),
                    Resource::Role(role) => format!("{role:?}"),
                    Resource::ApiKey(key) => format!("{key:?}"),
                    Resource::Webhook(hook) => format!("{hook:?}"),
                    Resource::Several => String::new(),
                };
                Answer::Changed { resource, created }
            }
            Err(error) => Answer::Failed(error),
        }
    }
}
