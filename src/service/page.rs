//! The login of the manager's page: like every other, but never on a device
//! that sells, and on one that the server finds when none is named.

use super::{App, LoggedIn, ServiceError};
use crate::auth::secret::Secret;
use crate::model::{Attempt, Directory, Env, Field, Origin, Outcome, UserName};
use crate::store::Store;

/// Where the page is used, best first.
const PAGE_ENVS: [Env; 2] = [Env::BackOffice, Env::Tool];

impl<S: Store> App<S> {
    /// Logs a person in for the page. Without a device it is the first that is
    /// active for the user in a back office, else the first tool. All failures
    /// of one user without a device count together, so that nobody learns from
    /// them which devices there are.
    ///
    /// # Errors
    /// As [`App::log_in`]; [`ServiceError::Invalid`] naming `deviceName` when the
    /// password was right and the device is one that sells.
    pub async fn log_in_to_page(
        &self,
        origin: &Origin,
        user: &str,
        password: Secret,
        device: Option<&str>,
    ) -> Result<LoggedIn, ServiceError> {
        let counted = device.unwrap_or_default();
        let attempt = Attempt::new(user, counted, origin.share()).from(origin.clone());
        let login = self.page_login(attempt, user, password, device).await;
        self.logins.counted(login)
    }

    async fn page_login(
        &self,
        attempt: Attempt,
        user: &str,
        password: Secret,
        device: Option<&str>,
    ) -> Result<LoggedIn, ServiceError> {
        self.must_not_wait(&attempt).await?;
        let directory = self.store.directory().await;
        let found = match device {
            Some(named) => named.to_owned(),
            None => page_device(&directory, user).unwrap_or_default(),
        };
        let typed = (user, password, found.as_str());
        let right = self.right_or_counted(&attempt, typed).await?;
        // Who may not log in there at all is told no more than anybody else.
        let there = directory.principal(&right.user_name, &right.device_name);
        if there.is_some_and(|there| there.device.env.is_sale()) {
            self.count(attempt, Outcome::Right).await?;
            return Err(ServiceError::Invalid(vec![Field {
                member: "deviceName".to_owned(),
                message: "is a device that sells; this page opens on BackOffice and Tool only"
                    .to_owned(),
                code: None,
            }]));
        }
        self.open_right(right, attempt, true).await
    }
}

/// The device on which a user opens the page.
fn page_device(directory: &Directory, user: &str) -> Option<String> {
    let user = directory.user_named(&UserName::parse(user).ok()?)?;
    let active = user.devices.iter().filter(|entry| entry.is_active);
    let devices: Vec<_> = active
        .filter_map(|entry| directory.device(&entry.name))
        .filter(|device| device.is_active)
        .collect();
    let in_env = |env| devices.iter().find(|device| device.env == env);
    let device = PAGE_ENVS.into_iter().find_map(in_env)?;
    Some(device.name.as_str().to_owned())
}
