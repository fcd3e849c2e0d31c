//! One group: every change of every tree, the digests that go with them, and
//! the head that says so.

use std::sync::Arc;
use std::time::Duration;

use super::Head;
use super::writes::{Change, Index, Tree, Writes};
use crate::model::{
    ApiKey, ApiKeyId, AuditEntry, Author, Device, DeviceName, Directory, EndedSession, NameKey,
    ResourceKind, Role, RoleName, SessionId, Timestamp, User, UserId, UserName, Webhook, WebhookId,
};
use crate::store::outbox::{self, Step};
use crate::store::sled::base::{self, Base};
use crate::store::sled::fence::Fence;
use crate::store::sled::journal::{self, Touch};
use crate::store::sled::record::Record;
use crate::store::sled::{codec, digest, keys};
use crate::store::{Action, ChangePlace, Changed};

/// Bits of an entry's number that say its place in the group: a group of a few
/// hundred operations has a few thousand entries at most.
const AUDIT_PLACE_BITS: u32 = 16;

/// Changes that go to the disk together or not at all.
#[derive(Debug)]
pub struct Batch {
    head: Head,
    pub sessions: Writes,
    pub by_last_access: Writes,
    pub by_user: Writes,
    pub users: Writes,
    pub devices: Writes,
    pub roles: Writes,
    pub api_keys: Writes,
    pub webhooks: Writes,
    pub ended: Writes,
    pub lockouts: Writes,
    pub audit: Writes,
    pub outbox: Writes,
    pub failures: Writes,
    pub touches: Writes,
    pub meta: Writes,
    /// What changes in the outbox, for memory once it is durable.
    pub steps: Vec<Step>,
    /// How many events have their number from this group.
    events: u32,
    /// Audit entries of this group, for readers once it is durable.
    pub audited: Vec<Arc<AuditEntry>>,
    /// How many of them have their number from this group.
    audit_places: u64,
    /// How many chunks of touches are in it.
    touch_places: u64,
    /// Which trees have changes, in the order of the fields above.
    pub touched: Touched,
    /// The directory, to be written to its second home as well.
    pub base: Option<Base>,
}

/// Trees with changes. `meta` always has some: the head.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each group of trees")]
pub struct Touched {
    pub sessions: bool,
    pub directory: bool,
    pub ended: bool,
    pub lockouts: bool,
    pub audit: bool,
    pub outbox: bool,
    pub touches: bool,
}

impl Batch {
    /// An empty group behind `last`, at the trusted time `now`.
    pub fn new(last: &Head, now: Timestamp) -> Self {
        let mut head = last.clone();
        head.stored.commit += 1;
        head.stored.clean = false;
        head.stored.mark = head.stored.mark.max(now.as_millis());
        Self {
            head,
            sessions: Writes::default(),
            by_last_access: Writes::default(),
            by_user: Writes::default(),
            users: Writes::default(),
            devices: Writes::default(),
            roles: Writes::default(),
            api_keys: Writes::default(),
            webhooks: Writes::default(),
            ended: Writes::default(),
            lockouts: Writes::default(),
            audit: Writes::default(),
            outbox: Writes::default(),
            failures: Writes::default(),
            touches: Writes::default(),
            steps: Vec::new(),
            events: 0,
            audited: Vec::new(),
            audit_places: 0,
            touch_places: 0,
            meta: Writes::default(),
            touched: Touched::default(),
            base: None,
        }
    }

    /// The number of this group.
    pub fn commit(&self) -> u64 {
        self.head.commit()
    }

    /// The head as it stands when this group is on the disk.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The changes of records, in their order; of the indexes none. The group
    /// is on the disk.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let trees = [
            (Tree::Meta, &mut self.meta),
            (Tree::Sessions, &mut self.sessions),
            (Tree::Lockouts, &mut self.lockouts),
            (Tree::Ended, &mut self.ended),
            (Tree::Audit, &mut self.audit),
            (Tree::Users, &mut self.users),
            (Tree::Devices, &mut self.devices),
            (Tree::Roles, &mut self.roles),
            (Tree::ApiKeys, &mut self.api_keys),
            (Tree::Webhooks, &mut self.webhooks),
            (Tree::Outbox, &mut self.outbox),
            (Tree::Failures, &mut self.failures),
            (Tree::Touches, &mut self.touches),
        ];
        let taken = trees.map(|(tree, writes)| std::mem::take(writes).of(tree));
        taken.into_iter().flatten().collect()
    }

    /// The changes of an index.
    pub fn index(&self, index: Index) -> &Writes {
        match index {
            Index::ByLastAccess => &self.by_last_access,
            Index::ByUser => &self.by_user,
        }
    }

    /// The head, once the group is on the disk.
    pub fn into_head(self) -> Head {
        self.head
    }

    /// How much of the newest accesses an unclean stop after this group may lose.
    pub fn set_lag(&mut self, lag: Duration) {
        self.head.stored.lag_millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    }

    /// Whether nothing is left in memory only.
    pub fn set_clean(&mut self, clean: bool) {
        self.head.stored.clean = clean;
    }

    /// Versions of sessions written before this group are not exact any more.
    pub fn begin_exact(&mut self) {
        self.head.stored.exact_from = self.head.stored.commit;
    }

    /// The trusted time; only with `reset` lower than before.
    pub fn set_mark(&mut self, now: Timestamp, reset: bool) {
        let mark = now.as_millis();
        self.head.stored.mark = if reset {
            mark
        } else {
            self.head.stored.mark.max(mark)
        };
    }

    /// A new epoch: whatever an earlier one has given out is void.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.head.stored.epoch = epoch;
    }

    /// Writes a session. `old`: last access and group number under which it
    /// stands on the disk, if it does.
    pub fn put_session(&mut self, record: &Record, old: Option<(Timestamp, u64)>) {
        let session = &record.session;
        let user = &session.identity.user_name;
        if let Some((last_access, written)) = old {
            self.forget_session(session.id, user, last_access, written);
            self.by_last_access
                .remove(keys::instant_and_id(last_access, session.id).as_slice());
        }
        let by_last_access = keys::instant_and_id(session.last_access_at, session.id);
        let by_user = keys::user_and_id(user, session.id);
        let id = session.id.as_bytes();
        let stored = &mut self.head.stored;
        stored
            .sessions
            .add(digest::hash_written(id, record.written));
        stored.by_last_access.add(digest::hash(&by_last_access));
        stored.by_user.add(digest::hash(&by_user));
        self.sessions.insert(id, codec::encode_session(record));
        self.by_last_access.insert(by_last_access.as_slice(), &[]);
        if old.is_none() {
            self.by_user.insert(by_user, &[]);
        }
        self.touched.sessions = true;
    }

    /// Removes a session and its index entries.
    pub fn remove_session(
        &mut self,
        id: SessionId,
        user: &UserName,
        last_access: Timestamp,
        written: u64,
    ) {
        self.forget_session(id, user, last_access, written);
        self.sessions.remove(id.as_bytes());
        self.by_last_access
            .remove(keys::instant_and_id(last_access, id).as_slice());
        self.by_user.remove(keys::user_and_id(user, id));
        self.touched.sessions = true;
    }

    fn forget_session(
        &mut self,
        id: SessionId,
        user: &UserName,
        last_access: Timestamp,
        written: u64,
    ) {
        let stored = &mut self.head.stored;
        stored
            .sessions
            .remove(digest::hash_written(id.as_bytes(), written));
        stored
            .by_last_access
            .remove(digest::hash(&keys::instant_and_id(last_access, id)));
        stored
            .by_user
            .remove(digest::hash(&keys::user_and_id(user, id)));
    }

    /// Adds a chunk to the journal of touches; answers its number.
    pub fn put_touches(&mut self, touches: &[Touch]) -> u64 {
        let number = self.commit() << keys::TOUCHES_PLACE_BITS | self.touch_places;
        self.touch_places += 1;
        let key = keys::touches(number);
        self.head.stored.touches.add(digest::hash(&key));
        self.touches
            .insert(key.as_slice(), journal::encode(touches));
        self.touched.touches = true;
        number
    }

    /// Removes a chunk from the journal of touches.
    pub fn remove_touches(&mut self, number: u64) {
        let key = keys::touches(number);
        self.head.stored.touches.remove(digest::hash(&key));
        self.touches.remove(key.as_slice());
        self.touched.touches = true;
    }

    /// Adds to the archive.
    pub fn archive(&mut self, ended: &EndedSession) {
        let key = keys::instant_and_id(ended.ended_at, ended.session.id);
        self.head.stored.ended.add(digest::hash(&key));
        self.ended
            .insert(key.as_slice(), codec::encode_ended(ended));
        self.touched.ended = true;
    }

    /// Removes from the archive what is there under this instant and id.
    pub fn purge_archive(&mut self, ended_at: Timestamp, id: SessionId) {
        let key = keys::instant_and_id(ended_at, id);
        self.head.stored.ended.remove(digest::hash(&key));
        self.ended.remove(key.as_slice());
        self.touched.ended = true;
    }

    /// Writes a record of the lockout. `hash`: of the bytes; `old`: of those on
    /// the disk, if there are any.
    pub fn put_lock(&mut self, key: NameKey, bytes: Vec<u8>, hash: u64, old: Option<u64>) {
        let digest = &mut self.head.stored.lockouts;
        if let Some(old) = old {
            digest.remove(old);
        }
        digest.add(hash);
        self.lockouts.insert(&key.0, bytes);
        self.touched.lockouts = true;
    }

    /// Removes a record of the lockout; `old` is the hash of its bytes.
    pub fn remove_lock(&mut self, key: NameKey, old: u64) {
        self.head.stored.lockouts.remove(old);
        self.lockouts.remove(&key.0);
        self.touched.lockouts = true;
    }

    /// Adds an entry to the audit; answers it with its number.
    pub fn audit(&mut self, entry: AuditEntry) -> Arc<AuditEntry> {
        let number = self.commit() << AUDIT_PLACE_BITS | self.audit_places;
        self.audit_places += 1;
        let entry = Arc::new(AuditEntry { number, ..entry });
        self.audit_as_numbered(Arc::clone(&entry));
        entry
    }

    /// Writes an entry that is in the audit once more, with another count.
    pub fn audit_again(&mut self, entry: Arc<AuditEntry>) {
        let key = keys::audit(entry.number);
        self.audit
            .insert(key.as_slice(), codec::encode_audit(&entry));
        self.audited.push(entry);
        self.touched.audit = true;
    }

    /// Adds an entry that has its number already.
    pub fn audit_as_numbered(&mut self, entry: Arc<AuditEntry>) {
        let key = keys::audit(entry.number);
        self.head.stored.audit.add(digest::hash(&key));
        self.audit_again(entry);
    }

    /// Removes an entry from the audit.
    pub fn purge_audit(&mut self, number: u64) {
        let key = keys::audit(number);
        self.head.stored.audit.remove(digest::hash(&key));
        self.audit.remove(key.as_slice());
        self.touched.audit = true;
    }

    /// Puts a change into the outbox, if an active hook of `directory` wants such.
    pub fn queue(
        &mut self,
        directory: &Directory,
        kind: ResourceKind,
        change: impl FnOnce() -> (Timestamp, Author, Action, Changed),
    ) {
        // An import of a million things tells of the first only.
        if !outbox::is_wanted(directory, kind) || self.events >= outbox::EVENTS_PER_GROUP_MAX {
            return;
        }
        let (at, by, action, what) = change();
        self.events += 1;
        let place = ChangePlace {
            epoch: self.head.epoch(),
            commit: self.commit(),
            number: self.events,
        };
        let event = outbox::event(place, self.head.mark(), at, by, action, what);
        self.step(Step::Queue(event));
    }

    /// Makes a step of the outbox.
    pub fn step(&mut self, step: Step) {
        match &step {
            Step::Queue(event) => {
                let key = keys::event(event.number());
                self.head.stored.outbox.add(digest::hash(&key));
            }
            Step::Remove(number) => {
                let key = keys::event(*number);
                self.head.stored.outbox.remove(digest::hash(&key));
                self.outbox.remove(key.as_slice());
            }
            Step::Pass(hook, number) => self.put(keys::passed(*hook), codec::encode(number)),
            Step::Leave(hook) => self.remove(&keys::passed(*hook)),
            Step::Fail(failure) => {
                let key = keys::failure(failure.hook, failure.event.number());
                self.head.stored.failures.add(digest::hash(&key));
            }
            Step::Forget(hook, number) => {
                let key = keys::failure(*hook, *number);
                self.head.stored.failures.remove(digest::hash(&key));
                self.failures.remove(key.as_slice());
            }
        }
        self.step_again(&step);
        let in_meta = matches!(step, Step::Pass(..) | Step::Leave(_));
        self.touched.outbox |= !in_meta;
        self.steps.push(step);
    }

    /// Writes an event or a failure that is there once more.
    pub fn step_again(&mut self, step: &Step) {
        match step {
            Step::Queue(event) => {
                let key = keys::event(event.number());
                self.outbox
                    .insert(key.as_slice(), codec::encode_event(event));
            }
            Step::Fail(failure) => {
                let key = keys::failure(failure.hook, failure.event.number());
                self.failures
                    .insert(key.as_slice(), codec::encode_failure(failure));
            }
            _ => return,
        }
        self.touched.outbox = true;
    }

    /// Writes a webhook.
    pub fn put_webhook(&mut self, hook: &Webhook) {
        self.webhooks
            .insert(hook.id.as_bytes(), codec::encode_webhook(hook));
        self.touched.directory = true;
    }

    /// Removes a webhook.
    pub fn remove_webhook(&mut self, id: WebhookId) {
        self.webhooks.remove(id.as_bytes());
        self.touched.directory = true;
    }

    /// Writes a user.
    pub fn put_user(&mut self, user: &User) {
        self.users
            .insert(user.id.as_bytes(), codec::encode_user(user));
        self.touched.directory = true;
    }

    /// Removes a user.
    pub fn remove_user(&mut self, id: UserId) {
        self.users.remove(id.as_bytes());
        self.touched.directory = true;
    }

    /// Writes a device.
    pub fn put_device(&mut self, device: &Device) {
        self.devices
            .insert(device.name.as_str(), codec::encode_device(device));
        self.touched.directory = true;
    }

    /// Removes a device.
    pub fn remove_device(&mut self, name: &DeviceName) {
        self.devices.remove(name.as_str());
        self.touched.directory = true;
    }

    /// Writes a role.
    pub fn put_role(&mut self, role: &Role) {
        self.roles
            .insert(role.name.as_str(), codec::encode_role(role));
        self.touched.directory = true;
    }

    /// Removes a role.
    pub fn remove_role(&mut self, name: &RoleName) {
        self.roles.remove(name.as_str());
        self.touched.directory = true;
    }

    /// Writes an API key.
    pub fn put_api_key(&mut self, key: &ApiKey) {
        self.api_keys
            .insert(key.id.as_bytes(), codec::encode_api_key(key));
        self.touched.directory = true;
    }

    /// Removes an API key.
    pub fn remove_api_key(&mut self, id: ApiKeyId) {
        self.api_keys.remove(id.as_bytes());
        self.touched.directory = true;
    }

    /// Writes everything of a directory.
    pub fn put_directory(&mut self, directory: &Directory) {
        directory.users().for_each(|user| self.put_user(user));
        directory
            .devices()
            .for_each(|device| self.put_device(device));
        directory.roles().for_each(|role| self.put_role(role));
        directory.api_keys().for_each(|key| self.put_api_key(key));
        directory.webhooks().for_each(|hook| self.put_webhook(hook));
    }

    /// Has the directory written to its second home, together with this group.
    pub fn rewrite_base(&mut self, directory: &Directory) {
        let stored = &mut self.head.stored;
        stored.directory_commit = stored.commit;
        stored.directory = base::directory_digest(directory);
        stored.held_user |= directory.held_user();
        self.base = Some(Base::of(directory, &self.head));
    }

    /// Puts up a fence.
    pub fn put_fence(&mut self, fence: &Fence) {
        self.put(keys::fence(fence.number), codec::encode_fence(fence));
    }

    /// Takes a fence down.
    pub fn remove_fence(&mut self, number: u64) {
        self.remove(&keys::fence(number));
    }

    /// Keeps a small named value.
    pub fn put_meta(&mut self, name: &str, value: &[u8]) {
        self.put(keys::value(name), codec::encode(&value));
    }

    /// Notes which session the requests signed with a key go on in.
    pub fn put_signed(&mut self, key: ApiKeyId, session: SessionId) {
        let id: &[u8] = session.as_bytes();
        self.put(keys::signed(key), codec::encode(&id));
    }

    /// Forgets the session of a key.
    pub fn remove_signed(&mut self, key: ApiKeyId) {
        self.remove(&keys::signed(key));
    }

    /// Removes a named value.
    pub fn remove_meta(&mut self, name: &str) {
        self.remove(&keys::value(name));
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let hash = meta_hash(&key, &value);
        self.forget(&key);
        self.head.meta.insert(key.clone(), hash);
        self.head.stored.meta.add(hash);
        self.meta.insert(key, value);
    }

    fn remove(&mut self, key: &[u8]) {
        self.forget(key);
        self.meta.remove(key);
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(hash) = self.head.meta.remove(key) {
            self.head.stored.meta.remove(hash);
        }
    }
}

/// The hash of a record in `meta`: of its key and its value.
pub fn meta_hash(key: &[u8], value: &[u8]) -> u64 {
    digest::hash_written(key, digest::hash(value))
}
