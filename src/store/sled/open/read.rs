//! Reading everything a database holds, once, and holding it against its own
//! digests.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::model::{
    ApiKeyId, AuditEntry, DeviceName, Directory, EndedSession, NameKey, RoleName, SessionId,
    UserId, UserLock,
};
use crate::store::sled::base;
use crate::store::sled::codec::{self, CodecError, Names};
use crate::store::sled::digest::{self, Digest};
use crate::store::sled::disk::{Head, Stored, Trees, as_io, meta_hash};
use crate::store::sled::fence::Fence;
use crate::store::sled::keys::{self, Meta};
use crate::store::sled::lockouts::lock_hash;
use crate::store::sled::record::Records;

/// The named value that holds the installation's name for itself.
pub const INSTALLATION: &str = "installation";

/// Everything a database holds.
#[derive(Debug)]
pub struct Contents {
    /// The last group; `None` when nothing was ever written.
    pub head: Option<Head>,
    /// All sessions, in the order of their ids.
    pub sessions: Records,
    /// The lockout's records, with the hashes of their bytes.
    pub lockouts: Vec<(NameKey, UserLock, u64)>,
    /// The archive, in the order of the endings.
    pub ended: Vec<Arc<EndedSession>>,
    /// The audit, in the order of commits.
    pub audit: Vec<Arc<AuditEntry>>,
    /// Users, devices, roles.
    pub directory: Directory,
    /// Fences.
    pub fences: Vec<Fence>,
    /// Named values.
    pub meta: BTreeMap<String, Vec<u8>>,
    /// Which session the requests signed with each key go on in.
    pub signed: Vec<(ApiKeyId, SessionId)>,
    found: Found,
}

/// What the trees come to as they are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    sessions: Digest,
    by_last_access: Digest,
    by_user: Digest,
    ended: Digest,
    audit: Digest,
    lockouts: Digest,
    meta: Digest,
    directory: u64,
}

/// Why a database can not be read.
#[derive(Debug)]
pub enum Unreadable {
    /// A newer version wrote it.
    Newer(u8),
    /// This is wrong.
    Damaged(String),
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
        let Stored {
            sessions,
            by_last_access,
            by_user,
            ended,
            lockouts,
            audit,
            meta,
            directory,
            ..
        } = head.stored;
        let pairs = [
            ("sessions", sessions, self.found.sessions),
            ("by_last_access", by_last_access, self.found.by_last_access),
            ("by_user", by_user, self.found.by_user),
            ("ended", ended, self.found.ended),
            ("lockouts", lockouts, self.found.lockouts),
            ("audit", audit, self.found.audit),
            ("meta", meta, self.found.meta),
        ];
        for (tree, written, found) in pairs {
            if written != found {
                let (found, written) = (found.count, written.count);
                return Err(format!(
                    "tree {tree} holds {found} entries that do not fit the {written} written"
                ));
            }
        }
        if directory != self.found.directory {
            return Err(
                "users, devices, roles or API keys are not those that were written".to_owned(),
            );
        }
        Ok(())
    }

    /// Whether users, devices and roles are what the head says was written.
    pub fn directory_fits(&self, head: &Head) -> bool {
        head.stored.directory == self.found.directory
    }
}

/// Reads a database. Two threads share the work: at a million sessions it is
/// most of a start.
pub fn all(trees: &Trees) -> Result<Contents, Unreadable> {
    let indexes = |tree: &sled::Tree| guarded(|| keys_of(tree));
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let by_last_access = indexes(&trees.by_last_access)?;
            Ok::<_, Unreadable>((by_last_access, indexes(&trees.by_user)?))
        });
        let contents = guarded(|| records(trees));
        let beside = beside
            .join()
            .unwrap_or(Err(Unreadable::Damaged(PANICKED.to_owned())));
        let mut contents = contents?;
        (contents.found.by_last_access, contents.found.by_user) = beside?;
        Ok(contents)
    })
}

const PANICKED: &str = "reading it panicked";

fn guarded<T>(read: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Unreadable::Damaged(PANICKED.to_owned())))
}

fn keys_of(tree: &sled::Tree) -> Result<Digest, Unreadable> {
    let mut found = Digest::default();
    for key in tree.iter().keys() {
        found.add(digest::hash(&key?));
    }
    Ok(found)
}

fn records(trees: &Trees) -> Result<Contents, Unreadable> {
    let mut found = Found::default();
    let mut names = Names::default();
    let meta = meta(trees, &mut names)?;
    found.meta = meta.digest;
    let sessions = sessions(trees, &mut names, &mut found.sessions)?;
    let lockouts = lockouts(trees, &mut found.lockouts)?;
    let ended = ended(trees, &mut names, &mut found.ended)?;
    let audit = audit(trees, &mut names, &mut found.audit)?;
    let held_user = meta.head.as_ref().is_some_and(|head| head.stored.held_user);
    let directory = directory(trees, held_user)?;
    found.directory = base::directory_digest(&directory);
    Ok(Contents {
        head: meta.head,
        sessions,
        lockouts,
        ended,
        audit,
        directory,
        fences: meta.fences,
        meta: meta.values,
        signed: meta.signed,
        found,
    })
}

struct MetaTree {
    head: Option<Head>,
    fences: Vec<Fence>,
    values: BTreeMap<String, Vec<u8>>,
    signed: Vec<(ApiKeyId, SessionId)>,
    digest: Digest,
}

fn meta(trees: &Trees, names: &mut Names) -> Result<MetaTree, Unreadable> {
    let mut stored = None;
    let mut hashes = BTreeMap::new();
    let mut read = MetaTree {
        head: None,
        fences: Vec::new(),
        values: BTreeMap::new(),
        signed: Vec::new(),
        digest: Digest::default(),
    };
    for entry in &trees.meta {
        let (key, value) = entry?;
        match keys::parse_meta(&key) {
            Some(Meta::Head) => {
                stored = Some(Head::decode(&value)?);
                continue;
            }
            Some(Meta::Fence(_)) => read.fences.push(codec::decode_fence(&value, names)?),
            Some(Meta::Value(name)) => {
                let bytes: &[u8] = codec::decode(&value)?;
                read.values.insert(name.to_owned(), bytes.to_vec());
            }
            Some(Meta::Signed(api_key)) => {
                let id = SessionId::from_bytes(codec::decode(&value)?);
                let bad = |_| Unreadable::Damaged("the session of an API key is no id".to_owned());
                read.signed.push((api_key, id.map_err(bad)?));
            }
            None => return Err(Unreadable::Damaged("an unknown key in meta".to_owned())),
        }
        let hash = meta_hash(&key, &value);
        read.digest.add(hash);
        hashes.insert(key.to_vec(), hash);
    }
    let installation = read
        .values
        .get(INSTALLATION)
        .map(|id| String::from_utf8_lossy(id));
    read.head = stored.map(|stored| Head {
        stored,
        installation: installation.unwrap_or_default().as_ref().into(),
        meta: hashes,
    });
    Ok(read)
}

fn sessions(trees: &Trees, names: &mut Names, found: &mut Digest) -> Result<Records, Unreadable> {
    let mut sessions = Records::default();
    for entry in &trees.sessions {
        let (key, value) = entry?;
        let id = SessionId::from_bytes(&key)
            .map_err(|_| Unreadable::Damaged("a session's key is no id".to_owned()))?;
        let record = codec::decode_session(id, &value, names)?;
        found.add(digest::hash_written(&key, record.written));
        sessions.push(record);
    }
    Ok(sessions)
}

fn ended(
    trees: &Trees,
    names: &mut Names,
    found: &mut Digest,
) -> Result<Vec<Arc<EndedSession>>, Unreadable> {
    let mut all = Vec::new();
    for entry in &trees.ended {
        let (key, value) = entry?;
        let (ended_at, id) = keys::parse_instant_and_id(&key)
            .ok_or_else(|| Unreadable::Damaged("an archive key is none".to_owned()))?;
        let ended = codec::decode_ended(ended_at, id, &value, names)?;
        found.add(digest::hash(&key));
        all.push(Arc::new(ended));
    }
    Ok(all)
}

fn lockouts(
    trees: &Trees,
    found: &mut Digest,
) -> Result<Vec<(NameKey, UserLock, u64)>, Unreadable> {
    let mut lockouts = Vec::new();
    for entry in &trees.lockouts {
        let (key, value) = entry?;
        let key = key.as_ref().try_into().map(NameKey);
        let key = key.map_err(|_| Unreadable::Damaged("a lockout's key is none".to_owned()))?;
        let hash = lock_hash(key, &value);
        found.add(hash);
        lockouts.push((key, codec::decode_lock(&value)?, hash));
    }
    Ok(lockouts)
}

fn audit(
    trees: &Trees,
    names: &mut Names,
    found: &mut Digest,
) -> Result<Vec<Arc<AuditEntry>>, Unreadable> {
    let mut all = Vec::new();
    for entry in &trees.audit {
        let (key, value) = entry?;
        let number = keys::parse_audit(&key)
            .ok_or_else(|| Unreadable::Damaged("an audit key is none".to_owned()))?;
        found.add(digest::hash(&key));
        all.push(Arc::new(codec::decode_audit(number, &value, names)?));
    }
    Ok(all)
}

fn directory(trees: &Trees, held_user: bool) -> Result<Directory, Unreadable> {
    let bad = |what: &str| Unreadable::Damaged(format!("the key of a {what} is none"));
    let mut users = Vec::new();
    for entry in &trees.users {
        let (key, value) = entry?;
        let id: [u8; 12] = key.as_ref().try_into().map_err(|_| bad("user"))?;
        users.push(Arc::new(codec::decode_user(
            UserId::from_bytes(id),
            &value,
        )?));
    }
    let mut devices = Vec::new();
    for entry in &trees.devices {
        let (key, value) = entry?;
        let name = std::str::from_utf8(&key)
            .ok()
            .and_then(|name| DeviceName::parse(name).ok());
        let name = name.ok_or_else(|| bad("device"))?;
        devices.push(Arc::new(codec::decode_device(name, &value)?));
    }
    let mut roles = Vec::new();
    for entry in &trees.roles {
        let (key, value) = entry?;
        let name = std::str::from_utf8(&key)
            .ok()
            .and_then(|name| RoleName::parse(name).ok());
        let name = name.ok_or_else(|| bad("role"))?;
        roles.push(Arc::new(codec::decode_role(name, &value)?));
    }
    let mut api_keys = Vec::new();
    for entry in &trees.api_keys {
        let (key, value) = entry?;
        let id: [u8; 12] = key.as_ref().try_into().map_err(|_| bad("API key"))?;
        let id = ApiKeyId::from_bytes(id);
        api_keys.push(Arc::new(codec::decode_api_key(id, &value)?));
    }
    Ok(Directory::from_records(
        users, devices, roles, api_keys, held_user,
    ))
}
