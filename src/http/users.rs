//! `/users`: what a body says, create, replace and unlock, and what `listed` has
//! to know of them.

use std::borrow::Cow;
use std::sync::Arc;

use warp::http::StatusCode;

use super::fields::Fields;
use super::listed::{self, Listed};
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::resource::{UserBody, same_id};
use crate::auth::secret::Secret;
use crate::model::{
    DeviceName, Directory, DirectoryChange, Mode, Precondition, Resource, RoleName, User,
    UserDeviceInput, UserId, UserInput, UserName, Version,
};
use crate::ndata::UserMember;
use crate::service::{App, Caller, Reach};
use crate::store::Store;

/// A user as a body describes it. Members that come from elsewhere (`id`, what
/// devices add) are left alone, so that what was read may be sent back.
///
/// `named`: the user name that the path gives, when it gives one.
pub fn input(fields: &mut Fields<'_>, named: Option<&UserName>) -> Option<UserInput> {
    let user_name = match named {
        None => fields.parsed("userName", UserName::parse),
        Some(named) => super::resource::same_name(fields, "userName", UserName::parse, named),
    };
    let name = fields.text("name");
    let input = UserInput {
        name: String::new(),
        is_active: fields.flag("isActive", true),
        is_virtual: fields.flag("isVirtual", false),
        feature_name: fields.text("featureName"),
        devices: fields.objects("devices", device_entry),
        must_change_password: fields.flag("mustChangePassword", false),
        password: None,
        user_name: user_name?,
    };
    let name = name.unwrap_or_else(|| input.user_name.to_string());
    Some(UserInput { name, ..input })
}

fn device_entry(fields: &mut Fields<'_>) -> Option<UserDeviceInput> {
    let name = fields.parsed("name", DeviceName::parse);
    let is_active = fields.flag("isActive", true);
    let roles = fields.texts("roles", RoleName::parse);
    Some(UserDeviceInput {
        name: name?,
        is_active,
        roles,
    })
}

/// What a request to create or replace a user says.
struct Described {
    input: UserInput,
    password: Option<Secret>,
    version: Option<Version>,
    /// The id in the body, when it is one.
    id: Option<String>,
}

async fn described(request: &mut Request, named: Option<&UserName>) -> Result<Described, ApiError> {
    let read = request.object(|fields| {
        let password = fields.text("password").map(Secret::new);
        let (version, id) = (fields.version(), fields.text("id"));
        Some(Described {
            input: input(fields, named)?,
            password,
            version,
            id,
        })
    });
    read.await
}

/// `POST /users`
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let described = described(request, None).await?;
    store(
        app,
        request,
        &caller,
        Mode::Create,
        UserId::draw(),
        described,
    )
    .await
}

/// `PUT /users/{id}`
pub(super) async fn put<S: Store>(
    app: &App<S>,
    id: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let (id, named) = match (User::find(&directory, id), UserId::parse(id)) {
        (Some(user), by_id) if by_id == Ok(user.id) => (user.id, None),
        (Some(user), _) => (user.id, Some(user.user_name.clone())),
        // An unknown id: what the answer is, `_v` in the body decides.
        (None, Ok(id)) => (id, None),
        (None, Err(_)) => return Err(ApiError::NotFound),
    };
    let described = described(request, named.as_ref()).await?;
    same_id(&id, described.id.as_deref(), UserId::parse)?;
    store(app, request, &caller, Mode::CreateOrReplace, id, described).await
}

async fn store<S: Store>(
    app: &App<S>,
    request: &Request,
    caller: &Caller,
    mode: Mode,
    id: UserId,
    described: Described,
) -> Result<Reply, ApiError> {
    let Described {
        input,
        password,
        version,
        ..
    } = described;
    let version = version.filter(|_| mode == Mode::CreateOrReplace);
    let precondition = listed::precondition(request, version)?;
    let (user, created) = app
        .put_user(caller.cause(), mode, id, input, password, precondition)
        .await?;
    Ok(listed::changed(app, &*user, created).await)
}

impl Listed for User {
    const PATH: &'static str = "/users";
    type Member = UserMember;
    type Body<'a> = UserBody<'a>;

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.users()
    }

    fn find<'a>(directory: &'a Directory, named: &str) -> Option<&'a Arc<Self>> {
        directory.user_by(named)
    }

    fn deletion(directory: &Directory, named: &str) -> Option<DirectoryChange> {
        let found = Self::find(directory, named).map(|user| user.id);
        let id = found.or_else(|| UserId::parse(named).ok())?;
        Some(DirectoryChange::DeleteUser(id))
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::User(user) => Some(user),
            _ => None,
        }
    }

    fn body<'a>(&'a self, directory: &'a Directory) -> UserBody<'a> {
        UserBody::new(self, directory)
    }

    fn named(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// `DELETE /users/{id}/lock`: forgets the user's failed logins.
pub(super) async fn unlock<S: Store>(
    app: &App<S>,
    id: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let known = directory.user_by(id).map(|user| user.id);
    // Of a name that nobody has the caller learns nothing without the right.
    let user = known.or_else(|| UserId::parse(id).ok());
    let user = user.unwrap_or_else(UserId::draw);
    let (change, none) = (DirectoryChange::Unlock(user), Precondition::default());
    app.change(change, none, caller.cause()).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
