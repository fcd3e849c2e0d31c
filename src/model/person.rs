//! Users, devices and roles: what a manager types in and Tillgate keeps.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{DeviceName, Env, Right, Rights, RoleName, UserId, UserName, Version};

/// A person, or a program that logs in like one.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Its name for good.
    pub id: UserId,
    /// What is typed to log in. Unique, also without regard to case.
    pub user_name: UserName,
    /// What is shown.
    pub name: String,
    /// Whether it may log in.
    pub is_active: bool,
    /// Data without a rule.
    pub is_virtual: bool,
    /// Data without a rule.
    pub feature_name: Option<String>,
    /// Where it may log in and as what; one entry a device.
    pub devices: Vec<UserDevice>,
    /// Only the password may be changed until it was.
    pub must_change_password: bool,
    /// argon2id in PHC form; `None` can not log in with a password.
    pub password: Option<Arc<str>>,
    /// Hashes of the passwords before, newest first, at most
    /// [`FORMER_PASSWORDS_MAX`]. Kept whatever the policy, so that one which
    /// refuses them holds from the day it is switched on. Never told to anybody.
    pub former_passwords: Vec<Arc<str>>,
    /// Grows with every change.
    pub version: Version,
}

/// Former passwords that are kept of a user (PCI DSS 8.3.7).
pub const FORMER_PASSWORDS_MAX: usize = 4;

impl User {
    /// The former passwords once `next` is the password.
    #[must_use]
    pub fn former_after(&self, next: Option<&Arc<str>>) -> Vec<Arc<str>> {
        let left = self.password.iter().filter(|held| Some(*held) != next);
        let former = left.chain(&self.former_passwords).cloned();
        former.take(FORMER_PASSWORDS_MAX).collect()
    }

    /// The entry for a device, active or not.
    #[must_use]
    pub fn device(&self, name: &DeviceName) -> Option<&UserDevice> {
        self.devices.iter().find(|entry| entry.name == *name)
    }
}

/// A device assigned to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDevice {
    /// Which device.
    pub name: DeviceName,
    /// Whether the user may log in there.
    pub is_active: bool,
    /// What the user is there.
    pub roles: Vec<RoleName>,
}

/// A till, handheld, PC or program.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its name for good.
    pub name: DeviceName,
    /// Whether anybody may log in there.
    pub is_active: bool,
    /// Where it stands; decides the sale rule and which roles count.
    pub env: Env,
    /// What is shown.
    pub description: String,
    /// Stored and returned; gives nothing.
    pub roles: Vec<RoleName>,
    /// Free data for the programs on the device.
    pub preferences: Map<String, Value>,
    /// Free data for the programs on the device.
    pub settings: Map<String, Value>,
    /// Grows with every change.
    pub version: Version,
}

/// A bundle of rights that counts in some environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name for good.
    pub name: RoleName,
    /// What is shown.
    pub label: String,
    /// What is shown below.
    pub description: String,
    /// What it gives.
    pub rights: Vec<Right>,
    /// Where it gives it.
    pub env_names: Vec<Env>,
    /// Grows with every change.
    pub version: Version,
}

/// A user on a device with the rights that hold there, looked up at one
/// instant. What a check of a session reads stands in front, in the order
/// written, so that it waits for memory once.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Principal {
    /// Whether `user` must change the password first.
    pub must_change_password: bool,
    /// The name of `user`.
    pub user_name: UserName,
    /// The name of `device`.
    pub device_name: DeviceName,
    /// The person.
    pub user: Arc<User>,
    /// The device.
    pub device: Arc<Device>,
    /// The rights of the roles in the user's active entry for this device
    /// whose environments contain the device's.
    pub rights: Rights,
}
