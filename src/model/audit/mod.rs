//! The audit: what was done, when, by whom and from where. Entries are made
//! where the change is decided and never change afterwards, but for failed
//! logins of one place, which are counted together.
//!
//! No entry holds a password, a token, a secret or a name that is nobody's: a
//! name that was typed at a login and is no user's may be a password in the
//! wrong field. Session ids are no credentials and stand there whole.

mod repeats;

pub use repeats::Repeats;

use super::{
    Attempt, Author, Cause, DeviceName, Directory, DirectoryDecision, EndReason, Session, Subject,
    Timestamp, UserName,
};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AuditAction {
    /// Somebody logged in; the object is the session.
    Login = 1,
    /// A login was refused; the object is the user, as far as there is one.
    LoginFailed = 2,
    /// A login was not even looked at, after too many failures.
    LoginLocked = 3,
    /// A session was ended by somebody; the passing of time is in the archive
    /// only.
    SessionEnded = 4,
    /// Many sessions were ended by one act.
    SessionsEnded = 5,
    /// A refresh token was used twice, which ended the session.
    RefreshReused = 6,
    /// A user, device, role, API key or webhook was created.
    Created = 7,
    /// A user, device, role, API key or webhook was changed.
    Updated = 8,
    /// A user, device, role, API key or webhook was deleted.
    Deleted = 9,
    /// Many users, devices, roles or API keys were changed by one act.
    Imported = 10,
    /// The lock of a user was lifted.
    Unlocked = 11,
    /// The server was started with other options than before.
    PolicyChanged = 12,
    /// The operator confirmed that the computer's clock is right.
    ClockConfirmed = 13,
    /// The operator took the computer's time over, also backwards.
    ClockReset = 14,
    /// A new signing key came into use.
    KeysRotated = 15,
    /// A signing key was revoked.
    KeyRevoked = 16,
    /// A backup was made.
    BackedUp = 17,
    /// The data directory was made from a backup; counts the sessions that ended.
    Restored = 18,
    /// A notification that a webhook never got was thrown away.
    Discarded = 19,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 19] = [
        Self::Login,
        Self::LoginFailed,
        Self::LoginLocked,
        Self::SessionEnded,
        Self::SessionsEnded,
        Self::RefreshReused,
        Self::Created,
        Self::Updated,
        Self::Deleted,
        Self::Imported,
        Self::Unlocked,
        Self::PolicyChanged,
        Self::ClockConfirmed,
        Self::ClockReset,
        Self::KeysRotated,
        Self::KeyRevoked,
        Self::BackedUp,
        Self::Restored,
        Self::Discarded,
    ];

    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailed => "loginFailed",
            Self::LoginLocked => "loginLocked",
            Self::SessionEnded => "sessionEnded",
            Self::SessionsEnded => "sessionsEnded",
            Self::RefreshReused => "refreshReused",
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Imported => "imported",
            Self::Unlocked => "unlocked",
            Self::PolicyChanged => "policyChanged",
            Self::ClockConfirmed => "clockConfirmed",
            Self::ClockReset => "clockReset",
            Self::KeysRotated => "keysRotated",
            Self::KeyRevoked => "keyRevoked",
            Self::BackedUp => "backedUp",
            Self::Restored => "restored",
            Self::Discarded => "discarded",
        }
    }

    /// From its number on disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|action| *action as u8 == number)
    }

    /// Whether repeats within a minute are counted in one entry.
    #[must_use]
    pub const fn is_merged(self) -> bool {
        matches!(self, Self::LoginFailed | Self::LoginLocked)
    }
}

/// What kind of thing an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AuditKind {
    /// A session, by its id.
    Session = 1,
    /// A user, by its id.
    User = 2,
    /// A device, by its name.
    Device = 3,
    /// A role, by its name.
    Role = 4,
    /// An API key, by its id.
    ApiKey = 5,
    /// A signing key, by its number in the ring.
    SigningKey = 6,
    /// A webhook, by its id.
    Webhook = 7,
}

impl AuditKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Session,
        Self::User,
        Self::Device,
        Self::Role,
        Self::ApiKey,
        Self::SigningKey,
        Self::Webhook,
    ];

    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
            Self::Device => "device",
            Self::Role => "role",
            Self::ApiKey => "apiKey",
            Self::SigningKey => "signingKey",
            Self::Webhook => "webhook",
        }
    }

    /// From its number on disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditObject {
    /// What kind of thing.
    pub kind: AuditKind,
    /// Its id or name; `None` where only the names below are known.
    pub id: Option<Box<str>>,
    /// The user it belongs to, or is.
    pub user_name: Option<UserName>,
    /// The device it belongs to.
    pub device_name: Option<DeviceName>,
}

impl AuditObject {
    /// Something by its id or name.
    #[must_use]
    pub fn named(kind: AuditKind, id: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            id: Some(id.into()),
            user_name: None,
            device_name: None,
        }
    }

    /// A session with its user and device.
    #[must_use]
    pub fn session(session: &Session) -> Self {
        let identity = &session.identity;
        Self {
            user_name: Some(identity.user_name.clone()),
            device_name: Some(identity.device_name.clone()),
            ..Self::named(AuditKind::Session, session.id.as_str())
        }
    }

    /// Those whose sessions end; `None` for everybody.
    #[must_use]
    pub fn subject(subject: &Subject) -> Option<Self> {
        let user = |name: &UserName, device: Option<&DeviceName>| Self {
            kind: AuditKind::User,
            id: None,
            user_name: Some(name.clone()),
            device_name: device.cloned(),
        };
        match subject {
            Subject::Everybody => None,
            Subject::User(name) => Some(user(name, None)),
            Subject::UserOnDevice(name, device) => Some(user(name, Some(device))),
            Subject::Device(name) => Some(Self::named(AuditKind::Device, name.as_str())),
            Subject::Key(number) => Some(Self::named(AuditKind::SigningKey, number.0.to_string())),
        }
    }

    /// Where somebody tries to log in: what of the typed names is known here.
    #[must_use]
    pub fn login(
        directory: &Directory,
        user: Option<&UserName>,
        device: Option<&DeviceName>,
    ) -> Self {
        let user = user.and_then(|name| directory.user_named(name));
        let device = device.filter(|name| directory.device(name).is_some());
        Self {
            kind: AuditKind::User,
            id: user.map(|user| user.id.to_string().into()),
            user_name: user.map(|user| user.user_name.clone()),
            device_name: device.cloned(),
        }
    }
}

/// One entry of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place: grows in the order of commits. Given by the store.
    pub number: u64,
    /// What was done.
    pub action: AuditAction,
    /// When.
    pub at: Timestamp,
    /// When last, where repeats are counted together; else as `at`.
    pub last_at: Timestamp,
    /// How many acts or things the entry stands for.
    pub count: u64,
    /// By whom and from where. A login that was refused is nobody's: it goes
    /// back to the server, and its origin says where it came from.
    pub cause: Cause,
    /// What it is about.
    pub object: Option<AuditObject>,
    /// Why, of an ending.
    pub reason: Option<EndReason>,
    /// Which members or options changed.
    pub changed: Vec<Box<str>>,
    /// What else a reader should know: the filter of a bulk ending, the name of
    /// a signing key, the values of options.
    pub detail: Option<Box<str>>,
}

impl AuditEntry {
    /// An entry that the store is still to number.
    #[must_use]
    pub fn new(action: AuditAction, cause: Cause, at: Timestamp) -> Self {
        Self {
            number: 0,
            action,
            at,
            last_at: at,
            count: 1,
            cause,
            object: None,
            reason: None,
            changed: Vec::new(),
            detail: None,
        }
    }

    /// The entry of a login that was refused. What was typed is told only as
    /// far as it names somebody or something in the directory.
    #[must_use]
    pub fn refused(
        action: AuditAction,
        attempt: &Attempt,
        directory: &Directory,
        at: Timestamp,
    ) -> Self {
        let cause = Cause {
            by: Author::Server,
            origin: attempt.origin.clone(),
        };
        let (user, device) = (attempt.user_name.as_ref(), attempt.device_name.as_ref());
        Self::new(action, cause, at).on(AuditObject::login(directory, user, device))
    }

    /// The entry, about this.
    #[must_use]
    pub fn on(self, object: AuditObject) -> Self {
        let object = Some(object);
        Self { object, ..self }
    }

    /// The entry of an ending, with its reason.
    #[must_use]
    pub fn because(self, reason: EndReason) -> Self {
        let reason = Some(reason);
        Self { reason, ..self }
    }

    /// The entry, with this beside it.
    #[must_use]
    pub fn saying(self, detail: impl Into<Box<str>>) -> Self {
        let detail = Some(detail.into());
        Self { detail, ..self }
    }

    /// The entry, standing for so many.
    #[must_use]
    pub fn counting(self, count: usize) -> Self {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Self { count, ..self }
    }
}

/// More entries than this of one change become one that counts them.
const ENTRIES_PER_CHANGE_MAX: usize = 256;

/// The entries of a change of the directory: one for each user, device, role
/// and API key that it touches, also by what follows from it.
#[must_use]
pub fn of_change(
    decision: &DirectoryDecision,
    before: &Directory,
    cause: &Cause,
    at: Timestamp,
) -> Vec<AuditEntry> {
    let mut entries = Vec::new();
    let mut add = |object: AuditObject, known: bool, changed: Option<Vec<&str>>| {
        let action = match (&changed, known) {
            (None, _) => AuditAction::Deleted,
            (Some(_), true) => AuditAction::Updated,
            (Some(_), false) => AuditAction::Created,
        };
        let changed = changed.unwrap_or_default();
        let mut entry = AuditEntry::new(action, cause.clone(), at).on(object);
        entry.changed = changed.into_iter().map(Box::from).collect();
        entries.push(entry);
    };
    for user in &decision.put_users {
        let old = before.user(user.id);
        let mut object = AuditObject::named(AuditKind::User, user.id.to_string());
        object.user_name = Some(user.user_name.clone());
        add(
            object,
            old.is_some(),
            Some(changes::of_user(old.map(|u| &**u), user)),
        );
    }
    for id in &decision.removed_users {
        let mut object = AuditObject::named(AuditKind::User, id.to_string());
        object.user_name = before.user(*id).map(|user| user.user_name.clone());
        add(object, true, None);
    }
    for device in &decision.put_devices {
        let old = before.device(&device.name);
        let object = AuditObject::named(AuditKind::Device, device.name.as_str());
        add(
            object,
            old.is_some(),
            Some(changes::of_device(old.map(|d| &**d), device)),
        );
    }
    for name in &decision.removed_devices {
        add(
            AuditObject::named(AuditKind::Device, name.as_str()),
            true,
            None,
        );
    }
    for role in &decision.put_roles {
        let old = before.role(&role.name);
        let object = AuditObject::named(AuditKind::Role, role.name.as_str());
        add(
            object,
            old.is_some(),
            Some(changes::of_role(old.map(|r| &**r), role)),
        );
    }
    for name in &decision.removed_roles {
        add(
            AuditObject::named(AuditKind::Role, name.as_str()),
            true,
            None,
        );
    }
    for key in &decision.put_api_keys {
        let old = before.api_key(key.id);
        let mut object = AuditObject::named(AuditKind::ApiKey, key.id.to_string());
        object.user_name = Some(key.user_name.clone());
        object.device_name = Some(key.device_name.clone());
        add(
            object,
            old.is_some(),
            Some(changes::of_api_key(old.map(|k| &**k), key)),
        );
    }
    for id in &decision.removed_api_keys {
        add(
            AuditObject::named(AuditKind::ApiKey, id.to_string()),
            true,
            None,
        );
    }
    for hook in &decision.put_webhooks {
        let old = before.webhook(hook.id);
        let object = AuditObject::named(AuditKind::Webhook, hook.id.to_string());
        let changed = changes::of_webhook(old.map(|hook| &**hook), hook);
        add(object, old.is_some(), Some(changed));
    }
    for id in &decision.removed_webhooks {
        let object = AuditObject::named(AuditKind::Webhook, id.to_string());
        add(object, true, None);
    }
    // A password that is set lifts the lock as well, and is told as such.
    let unlocked = decision.unlocked.as_ref();
    if let Some(name) = unlocked.filter(|_| decision.put_users.is_empty()) {
        let object = AuditObject::login(before, Some(name), None);
        entries.push(AuditEntry::new(AuditAction::Unlocked, cause.clone(), at).on(object));
    }
    if entries.len() > ENTRIES_PER_CHANGE_MAX {
        let many = AuditEntry::new(AuditAction::Imported, cause.clone(), at);
        return vec![many.counting(entries.len())];
    }
    entries
}

/// Which members of a resource a change has changed; none of one that is new.
mod changes {
    use crate::model::{ApiKey, Device, Role, User, Webhook};

    macro_rules! changed {
        ($old:ident, $new:ident; $($member:literal = $field:ident),+ $(,)?) => {{
            let mut names = Vec::new();
            if let Some(old) = $old {
                $(if old.$field != $new.$field {
                    names.push($member);
                })+
            }
            names
        }};
    }

    pub(super) fn of_user(old: Option<&User>, new: &User) -> Vec<&'static str> {
        changed!(old, new;
            "userName" = user_name, "name" = name, "isActive" = is_active,
            "isVirtual" = is_virtual, "featureName" = feature_name, "devices" = devices,
            "mustChangePassword" = must_change_password, "password" = password)
    }

    pub(super) fn of_device(old: Option<&Device>, new: &Device) -> Vec<&'static str> {
        changed!(old, new;
            "isActive" = is_active, "envName" = env, "description" = description,
            "roles" = roles, "preferences" = preferences, "settings" = settings)
    }

    pub(super) fn of_role(old: Option<&Role>, new: &Role) -> Vec<&'static str> {
        changed!(old, new;
            "label" = label, "description" = description, "rights" = rights,
            "envNames" = env_names)
    }

    pub(super) fn of_api_key(old: Option<&ApiKey>, new: &ApiKey) -> Vec<&'static str> {
        changed!(old, new;
            "clientId" = client_id, "clientSecret" = sealed_secret, "isActive" = is_active,
            "name" = name, "description" = description, "userName" = user_name,
            "deviceName" = device_name, "permissions" = permissions)
    }

    pub(super) fn of_webhook(old: Option<&Webhook>, new: &Webhook) -> Vec<&'static str> {
        changed!(old, new;
            "url" = url, "secret" = sealed_secret, "resources" = resources,
            "isActive" = is_active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_disk_lead_back_to_what_they_stand_for() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::from_number(action as u8), Some(action));
        }
        for kind in AuditKind::ALL {
            assert_eq!(AuditKind::from_number(kind as u8), Some(kind));
        }
        assert_eq!(AuditAction::from_number(0), None);
        assert_eq!(AuditKind::from_number(0), None);
    }
}
