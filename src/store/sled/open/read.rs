//! Reading everything a database holds, once, and holding it against its own
//! digests.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::parts;
use crate::model::{
    ApiKeyId, AuditEntry, DeviceName, Directory, EndedSession, NameKey, RoleName, Session,
    SessionId, UserId, UserLock, WebhookId,
};
use crate::store::outbox::{Event, Failure, OutboxRecords};
use crate::store::sled::base::DirectoryDigest;
use crate::store::sled::codec::{self, CodecError, Names};
use crate::store::sled::digest::{self, Digest};
use crate::store::sled::disk::{Head, Index, Stored, Tree, Trees, as_io, meta_hash};
use crate::store::sled::fence::Fence;
use crate::store::sled::history::History;
use crate::store::sled::journal;
use crate::store::sled::keys::{self, Meta};
use crate::store::sled::lockouts::lock_hash;
use crate::store::sled::record::Records;

/// The named value that holds the installation's name for itself.
pub const INSTALLATION: &str = "installation";

/// Where records come from: a database, or a backup of one.
pub trait Source {
    /// Calls `read` with every record of a tree, in the order of keys.
    fn each(&mut self, tree: Tree, read: &mut Read<'_>) -> Result<(), Unreadable>;
}

/// What takes a record's key and value.
pub type Read<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Unreadable> + 'a;

/// A source, and the lowest format number of the records read from it.
struct Watched<'a, S> {
    source: &'a mut S,
    oldest: u8,
}

impl<S: Source> Source for Watched<'_, S> {
    fn each(&mut self, tree: Tree, read: &mut Read<'_>) -> Result<(), Unreadable> {
        let oldest = &mut self.oldest;
        self.source.each(tree, &mut |key, value| {
            *oldest = value
                .first()
                .map_or(*oldest, |format| *format.min(&*oldest));
            read(key, value)
        })
    }
}

/// Everything a database holds.
#[derive(Debug)]
pub struct Contents {
    /// The last group; `None` when nothing was ever written.
    pub head: Option<Head>,
    /// All sessions as they were last written, in the order of their ids.
    pub sessions: Records,
    /// Their accesses since.
    pub touches: journal::Read,
    /// The lockout's records, with the hashes of their bytes.
    pub lockouts: Vec<(NameKey, UserLock, u64)>,
    /// The archive, in the order of the endings.
    pub ended: History<EndedSession>,
    /// The audit, in the order of commits.
    pub audit: History<AuditEntry>,
    /// Users, devices, roles.
    pub directory: Directory,
    /// Fences.
    pub fences: Vec<Fence>,
    /// Named values.
    pub meta: BTreeMap<String, Vec<u8>>,
    /// Which session the requests signed with each key go on in.
    pub signed: Vec<(ApiKeyId, SessionId)>,
    /// What webhooks are still to be told.
    pub outbox: OutboxRecords,
    /// The lowest format number of all records.
    pub oldest: u8,
    found: Found,
}

/// What the trees come to as they are.
#[derive(Debug, Default)]
struct Found {
    sessions: Digest,
    /// `None`: not read. So is the next.
    by_last_access: Option<Digest>,
    by_user: Option<Digest>,
    ended: Digest,
    audit: Digest,
    outbox: Digest,
    failures: Digest,
    touches: Digest,
    lockouts: Digest,
    meta: Digest,
    directory: u64,
}

/// Why records can not be read.
#[derive(Debug)]
pub enum Unreadable {
    /// A newer version wrote it.
    Newer(u8),
    /// This is wrong.
    Damaged(String),
}

impl Unreadable {
    /// This is wrong.
    pub fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }

    /// Of two that were found at the same time: a newer version's database is
    /// left alone, damaged or not.
    pub(super) fn weightier(self, other: Self) -> Self {
        match other {
            Self::Newer(_) => other,
            Self::Damaged(_) => self,
        }
    }
}

impl From<CodecError> for Unreadable {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Newer(format) => Self::Newer(format),
            CodecError::Damaged(_) => Self::Damaged(error.to_string()),
        }
    }
}

impl From<sled::Error> for Unreadable {
    fn from(error: sled::Error) -> Self {
        Self::Damaged(as_io(error).to_string())
    }
}

impl Contents {
    /// Whether everything read is what the head says was written.
    pub fn fits(&self, head: &Head) -> Result<(), String> {
        self.misfits(head)
            .into_iter()
            .next()
            .map_or(Ok(()), |misfit| Err(misfit.to_string()))
    }

    /// Every tree that is not what the head says was written.
    pub fn misfits(&self, head: &Head) -> Vec<Misfit> {
        let Stored {
            sessions,
            by_last_access,
            by_user,
            ended,
            lockouts,
            audit,
            outbox,
            failures,
            touches,
            meta,
            directory,
            ..
        } = head.stored;
        let pairs = [
            ("sessions", sessions, Some(self.found.sessions)),
            (
                Index::ByLastAccess.name(),
                by_last_access,
                self.found.by_last_access,
            ),
            (Index::ByUser.name(), by_user, self.found.by_user),
            ("ended", ended, Some(self.found.ended)),
            ("lockouts", lockouts, Some(self.found.lockouts)),
            ("audit", audit, Some(self.found.audit)),
            ("outbox", outbox, Some(self.found.outbox)),
            ("failures", failures, Some(self.found.failures)),
            ("touches", touches, Some(self.found.touches)),
            ("meta", meta, Some(self.found.meta)),
        ];
        let counted = pairs
            .into_iter()
            .filter_map(|(tree, written, found)| Some((tree, written, found?)))
            .filter(|(_, written, found)| written != found)
            .map(|(tree, written, found)| Misfit::Tree {
                tree,
                found: found.count,
                written: written.count,
            });
        let typed = (directory != self.found.directory).then_some(Misfit::Directory);
        counted.chain(typed).collect()
    }

    /// Whether the indexes were read.
    pub fn has_indexes(&self) -> bool {
        self.found.by_last_access.is_some() && self.found.by_user.is_some()
    }

    /// How many records were read that there may be many of.
    pub fn records(&self) -> u64 {
        let Found {
            sessions,
            ended,
            audit,
            ..
        } = &self.found;
        sessions.count + ended.count + audit.count
    }

    /// What the indexes of a backup come to follows from its sessions, and what
    /// it withholds of `meta` counts by its hashes.
    pub fn derive(&mut self, withheld: Digest) {
        let (mut access, mut user) = (Digest::default(), Digest::default());
        for record in self.sessions.iter() {
            let Session {
                id,
                identity,
                last_access_at,
                ..
            } = &record.session;
            let by_last_access = keys::instant_and_id(*last_access_at, *id);
            access.add(digest::hash(&by_last_access));
            let by_user = keys::user_and_id(&identity.user_name, *id);
            user.add(digest::hash(&by_user));
        }
        self.found.by_last_access = Some(access);
        self.found.by_user = Some(user);
        let meta = &mut self.found.meta;
        meta.count = meta.count.wrapping_add(withheld.count);
        meta.sum = meta.sum.wrapping_add(withheld.sum);
    }

    /// Whether users, devices and roles are what the head says was written.
    pub fn directory_fits(&self, head: &Head) -> bool {
        head.stored.directory == self.found.directory
    }
}

/// Something read that is not what the head says was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A tree.
    Tree {
        /// Its name.
        tree: &'static str,
        /// Entries in it.
        found: u64,
        /// Entries that were written.
        written: u64,
    },
    /// Users, devices, roles, API keys and webhooks together.
    Directory,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tree {
                tree,
                found,
                written,
            } => write!(
                f,
                "tree {tree} holds {found} entries that do not fit the {written} written"
            ),
            Self::Directory => f.write_str(
                "users, devices, roles, API keys or webhooks are not those that were written",
            ),
        }
    }
}

/// Reads all but the two indexes, which then fit whatever the head says.
pub fn without_indexes(trees: &Trees) -> Result<Contents, Unreadable> {
    parts::read(trees, |_| false)
}

/// Reads a database.
pub fn all(trees: &Trees) -> Result<Contents, Unreadable> {
    parts::read(trees, |_| true)
}

pub(super) const PANICKED: &str = "reading it panicked";

/// Reads a database for a start. Of so many sessions as `large` the indexes are
/// left out if the last stop was a clean one: no answer is ever made from
/// them, so they are held against their digests while the server works already.
pub fn for_start(trees: &Trees, large: u64) -> Result<Contents, Unreadable> {
    parts::read(trees, |head| {
        head.is_none_or(|head| !head.is_clean() || head.stored.sessions.count < large)
    })
}

/// Runs a reading step; sled's panic on a damaged page is damage.
pub fn guarded<T>(read: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Unreadable::Damaged(PANICKED.to_owned())))
}

/// Everything in the records of a source. A backup brings its head along.
pub fn records(source: &mut impl Source, head: Option<&Stored>) -> Result<Contents, Unreadable> {
    let mut names = Names::default();
    let meta = meta(source, head, &mut names)?;
    let mut piece = Piece::new();
    piece.sessions(source, &mut names, 0)?;
    piece.ended(source, &mut names)?;
    piece.audit(source, &mut names)?;
    piece.small(source, &mut names, &meta)?;
    Ok(Contents::of(meta, piece))
}

/// Some of what a database holds.
#[derive(Debug)]
pub(super) struct Piece {
    found: Found,
    /// Sessions, by the number of the part that they were read in.
    sessions: BTreeMap<usize, Records>,
    ended: Option<History<EndedSession>>,
    audit: Option<History<AuditEntry>>,
    small: Option<Small>,
    /// The lowest format number of all records.
    oldest: u8,
}

/// What is in the trees that mostly hold little.
#[derive(Debug, Default)]
struct Small {
    touches: journal::Read,
    lockouts: Vec<(NameKey, UserLock, u64)>,
    outbox: OutboxRecords,
    directory: Directory,
}

impl Piece {
    /// Nothing of it.
    pub(super) fn new() -> Self {
        Self {
            found: Found::default(),
            sessions: BTreeMap::new(),
            ended: None,
            audit: None,
            small: None,
            oldest: codec::format(),
        }
    }

    /// Reads sessions; `part` says how many parts of them come before.
    pub(super) fn sessions(
        &mut self,
        source: &mut impl Source,
        names: &mut Names,
        part: usize,
    ) -> Result<(), Unreadable> {
        let read = self.watch(source, |source, found| {
            sessions(source, names, &mut found.sessions)
        });
        self.sessions.insert(part, read?);
        Ok(())
    }

    /// Reads the archive.
    pub(super) fn ended(
        &mut self,
        source: &mut impl Source,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let read = self.watch(source, |source, found| {
            ended(source, names, &mut found.ended)
        });
        self.ended = Some(read?);
        Ok(())
    }

    /// Reads the audit.
    pub(super) fn audit(
        &mut self,
        source: &mut impl Source,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let read = self.watch(source, |source, found| {
            audit(source, names, &mut found.audit)
        });
        self.audit = Some(read?);
        Ok(())
    }

    /// Reads every tree that has no method of its own; `meta` comes before.
    pub(super) fn small(
        &mut self,
        source: &mut impl Source,
        names: &mut Names,
        meta: &MetaTree,
    ) -> Result<(), Unreadable> {
        let held_user = meta.head.as_ref().is_some_and(|head| head.stored.held_user);
        let read = self.watch(source, |source, found| {
            let (directory, sum) = directory(source, held_user)?;
            found.directory = sum;
            Ok(Small {
                touches: touches(source, &mut found.touches)?,
                lockouts: lockouts(source, &mut found.lockouts)?,
                outbox: OutboxRecords {
                    events: events(source, names, &mut found.outbox)?,
                    failures: failures(source, names, &mut found.failures)?,
                    passed: meta.passed.clone(),
                },
                directory,
            })
        });
        self.small = Some(read?);
        Ok(())
    }

    /// An index was read.
    pub(super) fn index(&mut self, index: Index, found: Digest) {
        match index {
            Index::ByLastAccess => self.found.by_last_access = Some(found),
            Index::ByUser => self.found.by_user = Some(found),
        }
    }

    fn watch<S: Source, T>(
        &mut self,
        source: &mut S,
        read: impl FnOnce(&mut Watched<'_, S>, &mut Found) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let oldest = self.oldest;
        let mut source = Watched { source, oldest };
        let read = read(&mut source, &mut self.found)?;
        self.oldest = source.oldest;
        Ok(read)
    }

    /// What another thread has read besides.
    pub(super) fn join(&mut self, other: Self) {
        self.found.join(&other.found);
        self.sessions.extend(other.sessions);
        self.ended = self.ended.take().or(other.ended);
        self.audit = self.audit.take().or(other.audit);
        self.small = self.small.take().or(other.small);
        self.oldest = self.oldest.min(other.oldest);
    }
}

impl Found {
    fn join(&mut self, other: &Self) {
        self.sessions.join(other.sessions);
        self.by_last_access = self.by_last_access.or(other.by_last_access);
        self.by_user = self.by_user.or(other.by_user);
        self.ended.join(other.ended);
        self.audit.join(other.audit);
        self.outbox.join(other.outbox);
        self.failures.join(other.failures);
        self.touches.join(other.touches);
        self.lockouts.join(other.lockouts);
        self.directory = self.directory.wrapping_add(other.directory);
    }
}

impl Contents {
    /// `meta`, and what all other trees hold.
    pub(super) fn of(meta: MetaTree, piece: Piece) -> Self {
        let small = piece.small.unwrap_or_default();
        Self {
            head: meta.head,
            sessions: piece.sessions.into_values().collect(),
            touches: small.touches,
            lockouts: small.lockouts,
            ended: piece.ended.unwrap_or_default(),
            audit: piece.audit.unwrap_or_default(),
            directory: small.directory,
            fences: meta.fences,
            meta: meta.values,
            signed: meta.signed,
            outbox: small.outbox,
            oldest: meta.oldest.min(piece.oldest),
            found: Found {
                meta: meta.digest,
                ..piece.found
            },
        }
    }
}

/// What `meta` holds.
#[derive(Debug)]
pub(super) struct MetaTree {
    head: Option<Head>,
    fences: Vec<Fence>,
    values: BTreeMap<String, Vec<u8>>,
    signed: Vec<(ApiKeyId, SessionId)>,
    passed: Vec<(WebhookId, u64)>,
    digest: Digest,
    oldest: u8,
}

impl MetaTree {
    /// The last group.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }
}

/// Reads `meta`.
pub(super) fn meta(
    source: &mut impl Source,
    head: Option<&Stored>,
    names: &mut Names,
) -> Result<MetaTree, Unreadable> {
    let mut stored = head.cloned();
    let mut hashes = BTreeMap::new();
    let mut found = MetaTree {
        head: None,
        fences: Vec::new(),
        values: BTreeMap::new(),
        signed: Vec::new(),
        passed: Vec::new(),
        digest: Digest::default(),
        oldest: codec::format(),
    };
    let oldest = found.oldest;
    let mut source = Watched { source, oldest };
    source.each(Tree::Meta, &mut |key, value| {
        match keys::parse_meta(key) {
            Some(Meta::Head) => {
                stored = Some(Head::decode(value)?);
                return Ok(());
            }
            Some(Meta::Fence(_)) => found.fences.push(codec::decode_fence(value, names)?),
            Some(Meta::Value(name)) => {
                let bytes: &[u8] = codec::decode(value)?;
                found.values.insert(name.to_owned(), bytes.to_vec());
            }
            Some(Meta::Signed(api_key)) => {
                let id = SessionId::from_bytes(codec::decode(value)?);
                let bad = |_| Unreadable::damaged("the session of an API key is no id");
                found.signed.push((api_key, id.map_err(bad)?));
            }
            Some(Meta::Passed(hook)) => found.passed.push((hook, codec::decode(value)?)),
            None => return Err(Unreadable::damaged("an unknown key in meta")),
        }
        let hash = meta_hash(key, value);
        found.digest.add(hash);
        hashes.insert(key.to_vec(), hash);
        Ok(())
    })?;
    found.oldest = source.oldest;
    let installation = found
        .values
        .get(INSTALLATION)
        .map(|id| String::from_utf8_lossy(id));
    found.head = stored.map(|stored| Head {
        stored,
        installation: installation.unwrap_or_default().as_ref().into(),
        meta: hashes,
    });
    Ok(found)
}

fn sessions(
    source: &mut impl Source,
    names: &mut Names,
    found: &mut Digest,
) -> Result<Records, Unreadable> {
    let mut sessions = Records::default();
    source.each(Tree::Sessions, &mut |key, value| {
        let bad = |_| Unreadable::damaged("a session's key is no id");
        let id = SessionId::from_bytes(key).map_err(bad)?;
        let record = codec::decode_session(id, value, names)?;
        found.add(digest::hash_written(key, record.written));
        sessions.push(record);
        Ok(())
    })?;
    Ok(sessions)
}

fn touches(source: &mut impl Source, found: &mut Digest) -> Result<journal::Read, Unreadable> {
    let mut all = journal::Read::default();
    source.each(Tree::Touches, &mut |key, value| {
        let number = keys::parse_touches(key);
        let (number, written) =
            number.ok_or_else(|| Unreadable::damaged("a key of the touches is none"))?;
        found.add(digest::hash(key));
        all.push(number, written, &journal::decode(value)?);
        Ok(())
    })?;
    Ok(all)
}

fn ended(
    source: &mut impl Source,
    names: &mut Names,
    found: &mut Digest,
) -> Result<History<EndedSession>, Unreadable> {
    let all = History::default();
    source.each(Tree::Ended, &mut |key, value| {
        let (ended_at, id) = keys::parse_instant_and_id(key)
            .ok_or_else(|| Unreadable::damaged("an archive key is none"))?;
        let ended = codec::decode_ended(ended_at, id, value, names)?;
        found.add(digest::hash(key));
        all.insert(Arc::new(ended));
        Ok(())
    })?;
    Ok(all)
}

fn lockouts(
    source: &mut impl Source,
    found: &mut Digest,
) -> Result<Vec<(NameKey, UserLock, u64)>, Unreadable> {
    let mut lockouts = Vec::new();
    source.each(Tree::Lockouts, &mut |key, value| {
        let key = key.try_into().map(NameKey);
        let key = key.map_err(|_| Unreadable::damaged("a lockout's key is none"))?;
        let hash = lock_hash(key, value);
        found.add(hash);
        lockouts.push((key, codec::decode_lock(value)?, hash));
        Ok(())
    })?;
    Ok(lockouts)
}

fn audit(
    source: &mut impl Source,
    names: &mut Names,
    found: &mut Digest,
) -> Result<History<AuditEntry>, Unreadable> {
    let all = History::default();
    source.each(Tree::Audit, &mut |key, value| {
        let number =
            keys::parse_audit(key).ok_or_else(|| Unreadable::damaged("an audit key is none"))?;
        found.add(digest::hash(key));
        all.insert(Arc::new(codec::decode_audit(number, value, names)?));
        Ok(())
    })?;
    Ok(all)
}

fn events(
    source: &mut impl Source,
    names: &mut Names,
    found: &mut Digest,
) -> Result<Vec<Arc<Event>>, Unreadable> {
    let mut all = Vec::new();
    source.each(Tree::Outbox, &mut |key, value| {
        let number = keys::parse_event(key);
        let number = number.ok_or_else(|| Unreadable::damaged("a key of the outbox is none"))?;
        found.add(digest::hash(key));
        all.push(Arc::new(codec::decode_event(number, value, names)?));
        Ok(())
    })?;
    Ok(all)
}

fn failures(
    source: &mut impl Source,
    names: &mut Names,
    found: &mut Digest,
) -> Result<Vec<Arc<Failure>>, Unreadable> {
    let mut all = Vec::new();
    source.each(Tree::Failures, &mut |key, value| {
        let key_of = keys::parse_failure(key);
        let (hook, number) =
            key_of.ok_or_else(|| Unreadable::damaged("a key of the failures is none"))?;
        found.add(digest::hash(key));
        let failure = codec::decode_failure(hook, number, value, names)?;
        all.push(Arc::new(failure));
        Ok(())
    })?;
    Ok(all)
}

/// Users, devices, roles, API keys and webhooks, and what their bytes come to.
fn directory(source: &mut impl Source, held_user: bool) -> Result<(Directory, u64), Unreadable> {
    let bad = |what: &str| Unreadable::Damaged(format!("the key of a {what} is none"));
    let mut sum = DirectoryDigest::default();
    let mut users = Vec::new();
    source.each(Tree::Users, &mut |key, value| {
        let id = key.try_into().map_err(|_| bad("user"))?;
        users.push(Arc::new(codec::decode_user(UserId::from_bytes(id), value)?));
        sum.add(Tree::Users, key, value);
        Ok(())
    })?;
    let mut devices = Vec::new();
    source.each(Tree::Devices, &mut |key, value| {
        let name = name(key, DeviceName::parse).ok_or_else(|| bad("device"))?;
        devices.push(Arc::new(codec::decode_device(name, value)?));
        sum.add(Tree::Devices, key, value);
        Ok(())
    })?;
    let mut roles = Vec::new();
    source.each(Tree::Roles, &mut |key, value| {
        let name = name(key, RoleName::parse).ok_or_else(|| bad("role"))?;
        roles.push(Arc::new(codec::decode_role(name, value)?));
        sum.add(Tree::Roles, key, value);
        Ok(())
    })?;
    let mut api_keys = Vec::new();
    source.each(Tree::ApiKeys, &mut |key, value| {
        let id = key.try_into().map_err(|_| bad("API key"))?;
        let id = ApiKeyId::from_bytes(id);
        api_keys.push(Arc::new(codec::decode_api_key(id, value)?));
        sum.add(Tree::ApiKeys, key, value);
        Ok(())
    })?;
    let mut webhooks = Vec::new();
    source.each(Tree::Webhooks, &mut |key, value| {
        let id = key.try_into().map_err(|_| bad("webhook"))?;
        let id = WebhookId::from_bytes(id);
        webhooks.push(Arc::new(codec::decode_webhook(id, value)?));
        sum.add(Tree::Webhooks, key, value);
        Ok(())
    })?;
    let directory = Directory::from_records(users, devices, roles, api_keys, held_user);
    let directory = directory.with_webhooks(webhooks);
    Ok((directory, sum.total()))
}

fn name<N, E>(key: &[u8], parse: impl FnOnce(&str) -> Result<N, E>) -> Option<N> {
    parse(std::str::from_utf8(key).ok()?).ok()
}
