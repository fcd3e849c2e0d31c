//! The first administrator: a door that opens once, with a code that only
//! somebody at the server can read.

use parking_lot::Mutex;

use super::{App, ServiceError};
use crate::auth::secret::Secret;
use crate::auth::setup_code::SetUpCode;
use crate::model::{
    Author, Cause, DeviceInput, DeviceName, DirectoryChange, Env, KnownRight, Mode, Origin,
    Precondition, Right, RoleInput, RoleName, User, UserDeviceInput, UserId, UserInput, UserName,
};
use crate::store::Store;

/// The one-time code, while set-up is open.
#[derive(Debug, Default)]
pub struct SetUpGate(Mutex<Option<SetUpCode>>);

impl SetUpGate {
    /// A door with this code; `None` is a door that is closed for good.
    pub fn new(code: Option<SetUpCode>) -> Self {
        Self(Mutex::new(code))
    }
}

/// Who the first administrator shall be.
#[derive(Debug)]
pub struct SetUpRequest {
    /// The code as typed.
    pub code: String,
    /// The name to log in with.
    pub user_name: UserName,
    /// The name to show.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The back-office device to create.
    pub device_name: DeviceName,
}

/// The role that set-up creates.
const ADMIN_ROLE: &str = "admin";

impl<S: Store> App<S> {
    /// Creates role, device and first user in one atomic step.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] once the store has ever held a user, and for
    /// a wrong or dead code: the door does not say which.
    pub async fn set_up(
        &self,
        origin: Origin,
        request: SetUpRequest,
    ) -> Result<User, ServiceError> {
        if self.store.directory().await.held_user() {
            return Err(ServiceError::NotFound);
        }
        let now = self.now();
        let fits = self
            .set_up
            .0
            .lock()
            .as_mut()
            .is_some_and(|code| code.matches(&request.code, now));
        if !fits {
            return Err(ServiceError::NotFound);
        }
        let names = [request.user_name.as_str(), request.name.as_str()];
        let devices = std::iter::once(&request.device_name);
        let about = super::about(names, devices, |_| Some(Env::BackOffice));
        self.look_at_new_password("password", &request.password, &about)?;
        let SetUpRequest {
            user_name,
            name,
            password,
            device_name,
            ..
        } = request;
        let password = self.hashing.hash(origin.share(), password).await?;
        let role = RoleName::parse(ADMIN_ROLE).expect("a good role name");
        let right = Right::parse(KnownRight::Admin.as_str()).expect("a good right");
        let steps = vec![
            DirectoryChange::PutRole {
                mode: Mode::Create,
                input: RoleInput {
                    name: role.clone(),
                    label: "Administrator".to_owned(),
                    description: String::new(),
                    rights: vec![right],
                    env_names: Env::ALL.to_vec(),
                },
            },
            DirectoryChange::PutDevice {
                mode: Mode::Create,
                input: DeviceInput {
                    name: device_name.clone(),
                    is_active: true,
                    env: Env::BackOffice,
                    description: String::new(),
                    roles: Vec::new(),
                    preferences: serde_json::Map::new(),
                    settings: serde_json::Map::new(),
                },
            },
            DirectoryChange::PutUser {
                mode: Mode::Create,
                id: UserId::draw(),
                input: UserInput {
                    user_name: user_name.clone(),
                    name,
                    is_active: true,
                    is_virtual: false,
                    feature_name: None,
                    devices: vec![UserDeviceInput {
                        name: device_name,
                        is_active: true,
                        roles: vec![role],
                    }],
                    must_change_password: false,
                    password: Some(password),
                },
            },
        ];
        let change = DirectoryChange::SetUp(steps);
        let by = Author::Server;
        let cause = Cause { by, origin };
        self.change(change, Precondition::default(), cause).await?;
        self.set_up.0.lock().take();
        let directory = self.store.directory().await;
        let user = directory
            .user_named(&user_name)
            .ok_or(ServiceError::Unknown)?;
        Ok((**user).clone())
    }
}
