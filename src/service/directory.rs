//! Users, devices and roles: the passwords are hashed here, everything else
//! is decided where the change is made.

use std::sync::Arc;

use super::{App, ServiceError};
use crate::auth::policy::About;
use crate::auth::secret::Secret;
use crate::model::{
    Cause, DeviceName, Directory, DirectoryChange, Env, Mode, Precondition, Resource, User, UserId,
    UserInput,
};
use crate::store::Store;

impl<S: Store> App<S> {
    /// Creates or replaces a user. The password is hashed first; `None` leaves
    /// what is stored.
    pub async fn put_user(
        &self,
        cause: Cause,
        mode: Mode,
        id: UserId,
        mut input: UserInput,
        password: Option<Secret>,
        precondition: Precondition,
    ) -> Result<(Arc<User>, bool), ServiceError> {
        if let Some(password) = password {
            // Hashing is dear: what is refused anyway is refused before it. The
            // decision that counts is made again when the change is written.
            let directory = self.store.directory().await;
            let dry = DirectoryChange::PutUser {
                mode,
                id,
                input: input.clone(),
            };
            directory.decide(&dry, &precondition, &cause.actor())?;
            let about = about_input(&directory, &input);
            self.look_at_new_password("password", &password, &about)?;
            let share = cause.origin.share();
            if let Some(user) = directory.user(id) {
                self.must_not_be_former("password", share, &password, user)
                    .await?;
            }
            input.password = Some(self.hashing.hash(share, password).await?);
        }
        let change = DirectoryChange::PutUser { mode, id, input };
        match self.change(change, precondition, cause).await? {
            (Resource::User(user), created) => Ok((user, created)),
            _ => Err(ServiceError::Unknown),
        }
    }

    /// Makes a change of the directory.
    pub async fn change(
        &self,
        change: DirectoryChange,
        precondition: Precondition,
        cause: Cause,
    ) -> Result<(Resource, bool), ServiceError> {
        Ok(self
            .store
            .change(change, precondition, cause, self.now())
            .await?)
    }
}

/// What is near at hand for who guesses a user's password.
pub(super) fn about_user(directory: &Directory, user: &User) -> About {
    let devices = user.devices.iter().map(|entry| &entry.name);
    about([user.user_name.as_str(), &user.name], devices, |name| {
        Some(directory.device(name)?.env)
    })
}

/// As [`about_user`], of a user who is yet to be written.
fn about_input(directory: &Directory, input: &UserInput) -> About {
    let devices = input.devices.iter().map(|entry| &entry.name);
    about([input.user_name.as_str(), &input.name], devices, |name| {
        Some(directory.device(name)?.env)
    })
}

/// What is near at hand: the user's names, the devices' names. `env_of` tells
/// where a device stands.
pub fn about<'a>(
    names: [&str; 2],
    devices: impl Iterator<Item = &'a DeviceName>,
    env_of: impl Fn(&DeviceName) -> Option<Env>,
) -> About {
    let mut about = About {
        names: names.map(str::to_owned).to_vec(),
        envs: Vec::new(),
    };
    for device in devices {
        about.names.push(device.as_str().to_owned());
        about.envs.extend(env_of(device));
    }
    about
}
