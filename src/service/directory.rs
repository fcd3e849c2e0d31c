//! Users, devices and roles: the passwords are hashed here, everything else
//! is decided where the change is made.

use std::sync::Arc;

use super::{App, ServiceError};
use crate::auth::secret::Secret;
use crate::model::{
    Cause, DirectoryChange, Mode, Precondition, Resource, User, UserId, UserInput, UserName,
};
use crate::store::Store;

impl<S: Store> App<S> {
    /// A user by id, or by name.
    pub async fn find_user(&self, id_or_name: &str) -> Result<Arc<User>, ServiceError> {
        let directory = self.store.directory().await;
        let by_id = UserId::parse(id_or_name)
            .ok()
            .and_then(|id| directory.user(id));
        let by_name = || {
            UserName::parse(id_or_name)
                .ok()
                .and_then(|name| directory.user_named(&name))
        };
        by_id
            .or_else(by_name)
            .cloned()
            .ok_or(ServiceError::NotFound)
    }

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
