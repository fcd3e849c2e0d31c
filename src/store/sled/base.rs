//! The second home of what people typed in: users, devices, roles, API keys and
//! webhooks (their secrets sealed) in one checked file beside the database, rewritten with every change of them.
//!
//! ```text
//! "TILLGATE BASE\n" (14) | length of the record (8, little-endian) | record
//! ```
//!
//! Two files, `base.1` and `base.2`, are written in turn, each whole: a
//! temporary file, synced, renamed, the directory synced. The newest good one
//! counts.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError};
use super::digest;
use super::disk::{Head, Tree};
use crate::model::{ApiKeyId, DeviceName, Directory, RoleName, UserId, WebhookId};

const MAGIC: &[u8; 14] = b"TILLGATE BASE\n";
const HEADER_BYTES: usize = MAGIC.len() + 8;
const NAMES: [&str; 2] = ["base.1", "base.2"];

/// Users, devices and roles as records, and what a rebuilt database must know
/// to stay behind nothing that was given out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The group it was written with.
    pub commit: u64,
    /// The epoch of that group.
    pub epoch: u64,
    /// The trusted time of that group, in milliseconds.
    pub mark: i64,
    /// The installation's name for itself.
    pub installation: String,
    /// Whether there has ever been a user.
    pub held_user: bool,
    users: Vec<([u8; 12], Vec<u8>)>,
    devices: Vec<(String, Vec<u8>)>,
    roles: Vec<(String, Vec<u8>)>,
    api_keys: Vec<([u8; 12], Vec<u8>)>,
    /// Since format 2.
    webhooks: Vec<([u8; 12], Vec<u8>)>,
}

/// An empty list: one zero.
const WEBHOOKS_SINCE_2_BYTES: usize = 1;

impl Base {
    /// The base of an installation that nothing was ever typed into.
    pub fn empty(installation: String) -> Self {
        Self {
            installation,
            ..Self::default()
        }
    }

    /// The directory as of `head`.
    pub fn of(directory: &Directory, head: &Head) -> Self {
        Self {
            commit: head.commit(),
            epoch: head.epoch(),
            mark: head.mark().as_millis(),
            installation: head.installation.to_string(),
            held_user: head.stored.held_user,
            users: directory
                .users()
                .map(|user| (*user.id.as_bytes(), codec::encode_user(user)))
                .collect(),
            devices: directory
                .devices()
                .map(|device| {
                    (
                        device.name.as_str().to_owned(),
                        codec::encode_device(device),
                    )
                })
                .collect(),
            roles: directory
                .roles()
                .map(|role| (role.name.as_str().to_owned(), codec::encode_role(role)))
                .collect(),
            api_keys: directory
                .api_keys()
                .map(|key| (*key.id.as_bytes(), codec::encode_api_key(key)))
                .collect(),
            webhooks: directory
                .webhooks()
                .map(|hook| (*hook.id.as_bytes(), codec::encode_webhook(hook)))
                .collect(),
        }
    }

    /// What its records come to, by their bytes as they were written.
    pub fn digest(&self) -> u64 {
        let mut sum = DirectoryDigest::default();
        for (tree, records) in [
            (Tree::Users, &self.users),
            (Tree::ApiKeys, &self.api_keys),
            (Tree::Webhooks, &self.webhooks),
        ] {
            for (id, bytes) in records {
                sum.add(tree, id, bytes);
            }
        }
        for (tree, records) in [(Tree::Devices, &self.devices), (Tree::Roles, &self.roles)] {
            for (name, bytes) in records {
                sum.add(tree, name.as_bytes(), bytes);
            }
        }
        sum.total()
    }

    /// The directory it holds.
    pub fn directory(&self) -> Result<Directory, CodecError> {
        let users = self.users.iter().map(|(id, bytes)| {
            Ok(Arc::new(codec::decode_user(
                UserId::from_bytes(*id),
                bytes,
            )?))
        });
        let devices = self.devices.iter().map(|(name, bytes)| {
            let name = DeviceName::parse(name).map_err(|_| CodecError::Damaged("not a name"))?;
            Ok(Arc::new(codec::decode_device(name, bytes)?))
        });
        let roles = self.roles.iter().map(|(name, bytes)| {
            let name = RoleName::parse(name).map_err(|_| CodecError::Damaged("not a name"))?;
            Ok(Arc::new(codec::decode_role(name, bytes)?))
        });
        let api_keys = self.api_keys.iter().map(|(id, bytes)| {
            let id = ApiKeyId::from_bytes(*id);
            Ok(Arc::new(codec::decode_api_key(id, bytes)?))
        });
        let webhooks = self.webhooks.iter().map(|(id, bytes)| {
            let id = WebhookId::from_bytes(*id);
            Ok(Arc::new(codec::decode_webhook(id, bytes)?))
        });
        let directory = Directory::from_records(
            users.collect::<Result<Vec<_>, CodecError>>()?,
            devices.collect::<Result<Vec<_>, CodecError>>()?,
            roles.collect::<Result<Vec<_>, CodecError>>()?,
            api_keys.collect::<Result<Vec<_>, CodecError>>()?,
            self.held_user,
        );
        let webhooks = webhooks.collect::<Result<Vec<_>, CodecError>>()?;
        Ok(directory.with_webhooks(webhooks))
    }
}

/// What users, devices, roles, API keys and webhooks come to, by their bytes: fits the
/// very same records only.
#[derive(Debug, Default)]
pub struct DirectoryDigest(digest::Digest);

impl DirectoryDigest {
    /// Takes a record in.
    pub fn add(&mut self, tree: Tree, key: &[u8], value: &[u8]) {
        let kind: &[u8] = match tree {
            Tree::Users => b"u",
            Tree::Devices => b"d",
            Tree::Roles => b"r",
            Tree::Webhooks => b"h",
            _ => b"k",
        };
        let key = [kind, key].concat();
        self.0.add(digest::hash_written(&key, digest::hash(value)));
    }

    /// What all of them come to.
    pub fn total(&self) -> u64 {
        digest::hash_written(&self.0.sum.to_le_bytes(), self.0.count)
    }
}

/// What a directory comes to when it is written.
pub fn directory_digest(directory: &Directory) -> u64 {
    let mut sum = DirectoryDigest::default();
    for user in directory.users() {
        sum.add(Tree::Users, user.id.as_bytes(), &codec::encode_user(user));
    }
    for device in directory.devices() {
        let name = device.name.as_str().as_bytes();
        sum.add(Tree::Devices, name, &codec::encode_device(device));
    }
    for role in directory.roles() {
        let name = role.name.as_str().as_bytes();
        sum.add(Tree::Roles, name, &codec::encode_role(role));
    }
    for key in directory.api_keys() {
        sum.add(
            Tree::ApiKeys,
            key.id.as_bytes(),
            &codec::encode_api_key(key),
        );
    }
    for hook in directory.webhooks() {
        let bytes = codec::encode_webhook(hook);
        sum.add(Tree::Webhooks, hook.id.as_bytes(), &bytes);
    }
    sum.total()
}

/// The two files of a data directory.
#[derive(Debug)]
pub struct BaseFiles {
    dir: PathBuf,
    /// The slot that the next base goes to: never the newest good one.
    next: usize,
}

/// What was found in the two files.
#[derive(Debug)]
pub struct FoundBases {
    /// The files, ready for the next base.
    pub files: BaseFiles,
    /// The newest good one.
    pub newest: Option<Base>,
    /// How many files exist and can not be read.
    pub damaged: usize,
}

impl BaseFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// The disk refused, or a file is of a newer format.
    pub fn find(dir: &Path) -> Result<FoundBases, ReadBaseError> {
        let mut newest: Option<(usize, Base)> = None;
        let mut damaged = 0;
        for (slot, (_, read)) in each(dir).into_iter().enumerate() {
            match read {
                Ok(Some(base)) => {
                    if newest
                        .as_ref()
                        .is_none_or(|(_, best)| best.commit < base.commit)
                    {
                        newest = Some((slot, base));
                    }
                }
                Ok(None) => {}
                Err(ReadBaseError::Codec(CodecError::Damaged(_))) => damaged += 1,
                Err(error) => return Err(error),
            }
        }
        let next = newest.as_ref().map_or(0, |(slot, _)| 1 - slot);
        let files = Self {
            dir: dir.to_owned(),
            next,
        };
        Ok(FoundBases {
            files,
            newest: newest.map(|(_, base)| base),
            damaged,
        })
    }

    /// Writes a base; durable when this returns.
    ///
    /// # Errors
    /// The disk refused; the base before it is untouched.
    pub fn write(&mut self, base: &Base) -> std::io::Result<()> {
        let record = codec::encode(base);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + record.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(record.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&record);
        let temporary = self.dir.join("base.tmp");
        let mut file = private_file(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.dir.join(NAMES[self.next]))?;
        sync_dir(&self.dir)?;
        self.next = 1 - self.next;
        Ok(())
    }
}

/// Why a base file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadBaseError {
    /// The disk refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not a record of this version.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Both files by name, as they are; `None` where there is none.
pub fn each(dir: &Path) -> [(&'static str, Result<Option<Base>, ReadBaseError>); 2] {
    NAMES.map(|name| (name, read(&dir.join(name))))
}

fn read(path: &Path) -> Result<Option<Base>, ReadBaseError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let damaged = |why| Err(ReadBaseError::Codec(CodecError::Damaged(why)));
    let Some((header, record)) = bytes.split_at_checked(HEADER_BYTES) else {
        return damaged("shorter than a base file's header");
    };
    let (magic, length) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return damaged("it does not begin as a base file");
    }
    if length != (record.len() as u64).to_le_bytes() {
        return damaged("its length is not the one written in bytes 14 to 21");
    }
    let base: Base = codec::decode_grown(record, &[(2, WEBHOOKS_SINCE_2_BYTES)])?;
    // A base whose records can not be read is none.
    base.directory()?;
    Ok(Some(base))
}

/// A file that only its owner can read, empty.
pub fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Makes the names in a directory survive a power cut.
pub fn sync_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(commit: u64) -> Base {
        Base {
            commit,
            installation: "i".to_owned(),
            ..Base::default()
        }
    }

    #[test]
    fn the_newest_good_file_counts_and_is_never_overwritten_next() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut files = BaseFiles::find(dir.path()).expect("readable").files;
        for commit in 1..=3 {
            files.write(&base(commit)).expect("written");
        }
        let found = BaseFiles::find(dir.path()).expect("readable");
        assert_eq!((found.newest, found.damaged), (Some(base(3)), 0));

        let newest = dir.path().join("base.1");
        let mut bytes = std::fs::read(&newest).expect("read");
        *bytes.last_mut().expect("some") ^= 1;
        std::fs::write(&newest, bytes).expect("written");
        let mut found = BaseFiles::find(dir.path()).expect("readable");
        assert_eq!((found.newest, found.damaged), (Some(base(2)), 1));
        found.files.write(&base(4)).expect("written");
        let found = BaseFiles::find(dir.path()).expect("readable");
        assert_eq!((found.newest, found.damaged), (Some(base(4)), 0));
    }

    #[test]
    fn a_cut_file_is_damaged_and_not_an_empty_shop() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut files = BaseFiles::find(dir.path()).expect("readable").files;
        files.write(&base(1)).expect("written");
        let path = dir.path().join("base.1");
        let whole = std::fs::read(&path).expect("read");
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            let found = BaseFiles::find(dir.path()).expect("readable");
            assert_eq!((found.newest, found.damaged), (None, 1), "{length}");
        }
    }
}
