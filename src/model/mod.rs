//! What things are: sessions, users, devices, roles and the words they are
//! made of. No I/O, no clock, no async; everything here is a plain value.

mod cause;
mod directory;
mod env;
mod id;
mod name;
mod person;
mod rights;
mod session;
mod time;
mod version;

pub use cause::{Cause, Origin};
pub use directory::{
    Actor, DeviceInput, Directory, DirectoryChange, DirectoryDecision, Ends, Field, Mode, Refusal,
    Resource, RoleInput, Subject, UserDeviceInput, UserInput,
};
pub use env::{AuthenticationType, Env};
pub use id::{IdError, SessionId, UserId};
pub use name::{DeviceName, NameError, RoleName, UserName};
pub use person::{Device, Principal, Role, User, UserDevice};
pub use rights::{KnownRight, Right, RightError, Rights, SessionAccess};
pub use session::{Author, EndReason, EndedSession, Identity, Session};
pub use time::Timestamp;
pub use version::{Precondition, Version, VersionTag};
