//! What may be asked of the writer, and which operations must not stand in
//! the same group.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::disk::{Change as Written, Head};
use crate::model::{
    ApiKeyId, Attempt, AuditEntry, Cause, DeviceName, Directory, DirectoryChange, EndReason,
    Origin, Outcome, Precondition, Resource, Session, SessionId, Subject, Timestamp, UserName,
    WebhookId,
};
use crate::store::{
    Begun, End, EndSome, EndedSome, NewSession, Refresh, Refreshed, Settled, Signer, StoreError,
    Swept,
};

/// Where the answer goes. The caller may have left; the operation is carried
/// out all the same.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One operation, with everything it needs to be decided.
#[derive(Debug)]
pub enum Op {
    /// Open a session.
    Begin(Box<Begin>, Reply<Begun>),
    /// Count an attempt that opens no session.
    Count(Box<Attempt>, Outcome, Timestamp, Reply<Option<Duration>>),
    /// Open the session of an API key, unless it holds a live one.
    BeginSigned(Box<BeginSigned>, Reply<Session>),
    /// End a session.
    End(Box<End>, Timestamp, Reply<Session>),
    /// Exchange a refresh token.
    Refresh(Box<Exchange>, Reply<Refreshed>),
    /// Change the directory.
    Change(Box<Change>, Reply<(Resource, bool)>),
    /// End every session of a subject.
    EndAll(Box<EndAll>, Reply<()>),
    /// Move what is over to the archive.
    Sweep(Timestamp, usize, Reply<Swept>),
    /// Write a session as memory has it: it is at its ceiling, or its newest
    /// token is used for the first time.
    Write(SessionId, Reply<()>),
    /// Note when an account was used last; `None` forgets it.
    NoteUse(UserName, Option<Timestamp>, Timestamp, Reply<()>),
    /// End some sessions that match a filter.
    EndSome(Box<EndSome>, Timestamp, Reply<EndedSome>),
    /// Tell the audit.
    Note(Box<AuditEntry>, Reply<()>),
    /// Keep a small named value, and tell the audit; `None` removes it.
    PutMeta {
        name: String,
        value: Option<Vec<u8>>,
        told: Option<Box<AuditEntry>>,
        reply: Reply<()>,
    },
    /// Settle what a webhook was told.
    Settle(WebhookId, Box<Settled>, Timestamp, Reply<()>),
    /// Tell every group from here on to a backup, by its changes of records;
    /// the answer is what there is before them.
    Watch(std::sync::mpsc::Sender<Vec<Written>>, Reply<Cut>),
    /// No more of that; the answer is what the groups told of come to.
    Unwatch(Reply<Cut>),
    /// Answer, to show that the writer does.
    Ping(Reply<()>),
    /// Keep the trusted time, which may be lower than before only after the
    /// operator reset a poisoned clock.
    MarkClock {
        now: Timestamp,
        reset: bool,
        entry: Option<Box<AuditEntry>>,
        reply: Reply<()>,
    },
}

/// A point between two groups.
#[derive(Debug)]
pub struct Cut {
    /// The group before it.
    pub head: Head,
    /// Users, devices, roles and API keys at it.
    pub directory: Arc<Directory>,
}

/// A session to open.
#[derive(Debug)]
pub struct Begin {
    /// Which.
    pub new: NewSession,
    /// For whom.
    pub cause: Cause,
    /// When.
    pub now: Timestamp,
}

/// The session of an API key, to be opened.
#[derive(Debug)]
pub struct BeginSigned {
    /// Whose.
    pub signer: Signer,
    /// Under which id.
    pub id: SessionId,
    /// When.
    pub now: Timestamp,
}

/// A refresh token to exchange.
#[derive(Debug)]
pub struct Exchange {
    /// Which.
    pub refresh: Refresh,
    /// Where it was presented.
    pub origin: Origin,
    /// When.
    pub now: Timestamp,
}

/// Whose sessions end at once.
#[derive(Debug)]
pub struct EndAll {
    /// Whose.
    pub of: Subject,
    /// Why.
    pub reason: EndReason,
    /// Who.
    pub cause: Cause,
    /// When.
    pub now: Timestamp,
}

/// The conditions of a change of the directory.
#[derive(Debug)]
pub struct Change {
    /// What.
    pub what: DirectoryChange,
    /// Under which conditions.
    pub precondition: Precondition,
    /// For whom.
    pub cause: Cause,
    /// When.
    pub now: Timestamp,
}

/// What an operation reads and writes, as far as groups are concerned. Every
/// operation of a group is decided on the table as it was before the group, so
/// none may depend on what another one of the same group writes.
#[derive(Debug, Default)]
pub struct Touched {
    /// The sessions it changes.
    pub sessions: Vec<SessionId>,
    /// The sale device whose only session it opens.
    pub sale_device: Option<DeviceName>,
    /// The API key whose only session it opens.
    pub api_key: Option<ApiKeyId>,
    /// The webhook whose notifications it settles.
    pub webhook: Option<WebhookId>,
    /// Under which limits it begins a session.
    pub counted: Vec<Counted>,
    /// It goes alone: it changes users, devices or roles, or many sessions.
    pub alone: bool,
}

/// Whose sessions a limit counts. Of two logins that are counted together, the
/// second sees the first only when that is in the table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A user's.
    User(UserName),
    /// Those on a device.
    Device(DeviceName),
    /// All.
    Everybody,
}

/// What the operations of the group so far read and write.
#[derive(Debug, Default)]
pub struct Taken {
    sessions: hashbrown::HashSet<SessionId, foldhash::fast::RandomState>,
    sale_devices: Vec<DeviceName>,
    api_keys: Vec<ApiKeyId>,
    webhooks: Vec<WebhookId>,
    counted: hashbrown::HashSet<Counted, foldhash::fast::RandomState>,
    operations: usize,
    alone: bool,
}

impl Taken {
    /// Takes an operation into the group, or says that it has to open the next.
    pub fn take(&mut self, touched: &Touched) -> bool {
        let clash = self.alone
            || (touched.alone && self.operations > 0)
            || touched.sessions.iter().any(|id| self.sessions.contains(id))
            || touched.counted.iter().any(|key| self.counted.contains(key))
            || touched
                .sale_device
                .as_ref()
                .is_some_and(|name| self.sale_devices.contains(name))
            || touched
                .api_key
                .is_some_and(|key| self.api_keys.contains(&key))
            || touched
                .webhook
                .is_some_and(|hook| self.webhooks.contains(&hook));
        if clash {
            return false;
        }
        self.operations += 1;
        self.alone = touched.alone;
        self.sessions.extend(&touched.sessions);
        self.sale_devices.extend(touched.sale_device.clone());
        self.api_keys.extend(touched.api_key);
        self.webhooks.extend(touched.webhook);
        self.counted.extend(touched.counted.iter().cloned());
        true
    }

    /// How many operations the group holds.
    pub fn operations(&self) -> usize {
        self.operations
    }
}

impl Op {
    /// Answers without having done anything.
    pub fn refuse(self, error: StoreError) {
        match self {
            Self::EndSome(_, _, reply) => drop(reply.send(Err(error))),
            Self::Begin(_, reply) => drop(reply.send(Err(error))),
            Self::Count(_, _, _, reply) => drop(reply.send(Err(error))),
            Self::End(_, _, reply) | Self::BeginSigned(_, reply) => drop(reply.send(Err(error))),
            Self::Refresh(_, reply) => drop(reply.send(Err(error))),
            Self::Change(_, reply) => drop(reply.send(Err(error))),
            Self::Sweep(_, _, reply) => drop(reply.send(Err(error))),
            Self::Watch(_, reply) | Self::Unwatch(reply) => drop(reply.send(Err(error))),
            Self::EndAll(_, reply)
            | Self::Write(_, reply)
            | Self::Ping(reply)
            | Self::NoteUse(_, _, _, reply)
            | Self::Settle(_, _, _, reply)
            | Self::Note(_, reply)
            | Self::PutMeta { reply, .. }
            | Self::MarkClock { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_on_one_session_never_share_a_group() {
        let id = SessionId::draw();
        let on = |id| Touched {
            sessions: vec![id],
            ..Touched::default()
        };
        let mut taken = Taken::default();
        assert!(taken.take(&on(id)));
        assert!(taken.take(&on(SessionId::draw())));
        assert!(!taken.take(&on(id)));
    }

    #[test]
    fn logins_that_are_counted_together_never_share_a_group() {
        let user = |name: &str| Touched {
            counted: vec![Counted::User(UserName::parse(name).expect("a name"))],
            ..Touched::default()
        };
        let mut taken = Taken::default();
        assert!(taken.take(&user("1")));
        assert!(taken.take(&user("2")));
        assert!(!taken.take(&user("1")));
    }

    #[test]
    fn two_openings_for_one_api_key_never_share_a_group() {
        let key = ApiKeyId::draw();
        let of = |key| Touched {
            api_key: Some(key),
            ..Touched::default()
        };
        let mut taken = Taken::default();
        assert!(taken.take(&of(key)));
        assert!(taken.take(&of(ApiKeyId::draw())));
        assert!(!taken.take(&of(key)));
    }

    #[test]
    fn what_goes_alone_neither_joins_nor_is_joined() {
        let alone = Touched {
            alone: true,
            ..Touched::default()
        };
        let mut taken = Taken::default();
        assert!(taken.take(&alone));
        assert!(!taken.take(&Touched::default()));
        let mut taken = Taken::default();
        assert!(taken.take(&Touched::default()));
        assert!(!taken.take(&alone));
    }
}
