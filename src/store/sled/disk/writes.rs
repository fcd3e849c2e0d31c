//! The changes of one tree in a group, in the order they were made. The list
//! goes to sled and, while a backup runs, to the backup.

use sled::IVec;
use sled::transaction::{TransactionalTree, UnabortableTransactionError};

/// The trees that hold records. The indexes by last access and by user hold
/// none: they follow from `Sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tree {
    /// Fences, named values, sessions of API keys; the head is none of its records.
    Meta = 1,
    /// Live sessions.
    Sessions = 2,
    /// Failed logins.
    Lockouts = 3,
    /// The archive.
    Ended = 4,
    /// The audit.
    Audit = 5,
    /// Users.
    Users = 6,
    /// Devices.
    Devices = 7,
    /// Roles.
    Roles = 8,
    /// API keys.
    ApiKeys = 9,
    /// Webhooks.
    Webhooks = 10,
    /// Changes that webhooks are still to be told of.
    Outbox = 11,
    /// Notifications that webhooks never got.
    Failures = 12,
    /// The journal of touches.
    Touches = 13,
}

impl Tree {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 13] = [
        Self::Meta,
        Self::Touches,
        Self::Sessions,
        Self::Lockouts,
        Self::Ended,
        Self::Audit,
        Self::Users,
        Self::Devices,
        Self::Roles,
        Self::ApiKeys,
        Self::Webhooks,
        Self::Outbox,
        Self::Failures,
    ];

    /// Its name on the disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Sessions => "sessions",
            Self::Lockouts => "lockouts",
            Self::Ended => "ended",
            Self::Audit => "audit",
            Self::Users => "users",
            Self::Devices => "devices",
            Self::Roles => "roles",
            Self::ApiKeys => "api_keys",
            Self::Webhooks => "webhooks",
            Self::Outbox => "outbox",
            Self::Failures => "failures",
            Self::Touches => "touches",
        }
    }

    /// From its number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tree| *tree as u8 == number)
    }
}

/// The trees whose keys follow from the sessions and whose values are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// By last access.
    ByLastAccess,
    /// By user.
    ByUser,
}

impl Index {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ByLastAccess, Self::ByUser];

    /// Its name on the disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByLastAccess => "by_last_access",
            Self::ByUser => "by_user",
        }
    }
}

/// One change of a tree: a key with its new value, or without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which tree.
    pub tree: Tree,
    /// Under which key.
    pub key: IVec,
    /// What stands there now; `None`: nothing.
    pub value: Option<IVec>,
}

/// The changes of one tree.
#[derive(Clone, Debug, Default)]
pub struct Writes(Vec<(IVec, Option<IVec>)>);

impl Writes {
    /// Puts a value under a key.
    pub fn insert(&mut self, key: impl Into<IVec>, value: impl Into<IVec>) {
        self.0.push((key.into(), Some(value.into())));
    }

    /// Removes what stands under a key.
    pub fn remove(&mut self, key: impl Into<IVec>) {
        self.0.push((key.into(), None));
    }

    /// Keys that get a value (`true`) or lose theirs.
    pub fn keys(&self) -> impl Iterator<Item = (&IVec, bool)> {
        self.0.iter().map(|(key, value)| (key, value.is_some()))
    }

    /// Makes the changes within a transaction.
    pub fn apply(&self, view: &TransactionalTree) -> Result<(), UnabortableTransactionError> {
        for (key, value) in &self.0 {
            match value {
                Some(value) => view.insert(key, value)?,
                None => view.remove(key)?,
            };
        }
        Ok(())
    }

    /// The changes, as those of this tree.
    pub fn of(self, tree: Tree) -> impl Iterator<Item = Change> {
        let changes = self.0.into_iter();
        changes.map(move |(key, value)| Change { tree, key, value })
    }
}
