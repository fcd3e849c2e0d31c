//! What things are: sessions, users, devices, roles, API keys, webhooks and the words
//! they are made of. No I/O, no clock, no async; everything here is a plain value.

mod api_key;
mod audit;
mod cause;
mod directory;
mod env;
mod id;
mod key_number;
mod limit;
mod lockout;
mod name;
mod person;
mod rights;
mod session;
mod time;
mod token_name;
mod version;
mod webhook;

pub use api_key::{ApiKey, ClientId, ClientIdError};
pub use audit::{AuditAction, AuditEntry, AuditKind, AuditObject, Repeats, of_change};
pub use cause::{Cause, Origin};
pub use directory::{
    Actor, ApiKeyInput, Credentials, DeviceInput, Directory, DirectoryChange, DirectoryDecision,
    Ends, Field, KeyEnds, Mode, Refusal, Resource, RoleInput, SecretInput, Subject,
    UserDeviceInput, UserInput, WEBHOOKS_MAX, WebhookInput,
};
pub use env::{AuthenticationType, Env};
pub use id::{ApiKeyId, IdError, SessionId, UserId, WebhookId};
pub use key_number::KeyNumber;
pub use limit::{AtLimit, ENDED_AT_ONCE_MAX, Limit, SessionLimits};
pub use lockout::{Attempt, Count, KnownPlace, LockoutRules, NameKey, Outcome, PeerKey, UserLock};
pub use name::{DeviceName, NameError, RoleName, UserName};
pub use person::{Device, FORMER_PASSWORDS_MAX, Principal, Role, User, UserDevice};
pub use rights::{KnownRight, Right, RightError, Rights, SessionAccess};
pub use session::{Author, EndReason, EndedSession, Identity, Session};
pub use time::Timestamp;
pub use token_name::TokenName;
pub use version::{Precondition, Version, VersionTag};
pub use webhook::{ResourceKind, UnknownKind, Webhook, WebhookUrl, WebhookUrlError, is_link_local};
