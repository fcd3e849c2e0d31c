//! Users, devices and roles: the passwords are hashed here, everything else
//! is decided where the change is made.

use std::sync::Arc;

use super::{App, ServiceError};
use crate::auth::secret::Secret;
use crate::model::{Cause, DirectoryChange, Mode, Precondition, Resource, User, UserId, UserInput};
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
            self.look_at_new_password("password", &password)?;
            input.password = Some(self.hashing.hash(cause.origin.share(), password).await?);
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
